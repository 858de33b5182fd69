#!/bin/sh
# Runs on each host before the pack is applied: refuse where the old stack is still in use.
if grep -qs '^acme_san_legacy ' /proc/modules; then
    echo '<error errorcode="UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT"><conflict>acme_san_legacy</conflict></error>'
    exit 1
fi
