#!/bin/sh
# Prints the settings of the stack.
echo "acme-stack @VERSION@"
grep -v "^#" /etc/acme-stack.conf
