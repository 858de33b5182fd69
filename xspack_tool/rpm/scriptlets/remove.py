"""The script by which an administrator takes a pack off a pool.

The order follows from xapi: the disk of the pack is freed first, ``update-destroy`` refuses while any host lists
the update, and the control package owns the running script, so it goes last. Asking for what is gone already
is no failure: the script may be run again after it was stopped half-way.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_SCRIPT = """\
#!/bin/sh
# Takes the pack {label} off every host of the pool. Run it on one of them; it may be run again.
# Other hosts are reached with ssh as root.
uuid={uuid}

# Its own package is erased at the end: a copy does the work.
case ${{1:-}} in
    --copied) trap 'rm -f "$0"' EXIT ;;
    --payload | --control) ;;
    *)
        copy=$(mktemp /tmp/remove.XXXXXX) && cp "$0" "$copy" && exec sh "$copy" --copied
        echo "{label}: no copy of this script could be made below /tmp" >&2
        exit 1
        ;;
esac

erase() {{ # names of packages; those that are not installed are done
    installed=
    for name in "$@"; do
        ! rpm -q "$name" >/dev/null 2>&1 || installed="$installed $name"
    done
    [ -z "$installed" ] || rpm -e $installed
}}

erase_payload() {{
    erase {update} && erase {payload} && rm -f /var/update/applied/{uuid}
}}

erase_control() {{
    erase {control}
}}

ask() {{ # xe; what xapi does not know any more is done
    said=$(xe "$@" 2>&1) && return
    case $said in
        *UUID_INVALID* | *HANDLE_INVALID* | *"uuid you supplied was invalid"* | *"not found"*) return 0 ;;
    esac
    echo "xe $*: $said" >&2
    return 1
}}

on_host() {{ # a host's uuid, and what to do there
    if [ "$1" = "$own" ]; then
        "erase_$2"
    else
        address=$(xe host-param-get uuid="$1" param-name=address) &&
            ssh "root@$address" "sh -s -- --$2" < "$0"
    fi
}}

case $1 in
    --payload) erase_payload; exit ;;
    --control) erase_control; exit ;;
esac

own=$(. /etc/xensource-inventory && echo "$INSTALLATION_UUID")
hosts=$(xe host-list --minimal | tr , ' ')
if [ -z "$own" ] || [ -z "$hosts" ]; then
    echo "{label}: xapi does not say which hosts the pool has: nothing was removed" >&2
    exit 1
fi

left=
ask update-pool-clean uuid="$uuid" || left=disk
for host in $hosts; do
    on_host "$host" payload && ask update-resync-host host-uuid="$host" || left="$left $host"
done
if [ -n "$left" ]; then
    echo "{label}: not removed from: $left; put that right and run this script again" >&2
    exit 1
fi
ask update-destroy uuid="$uuid" || exit 1
for host in $hosts; do
    [ "$host" = "$own" ] || on_host "$host" control || left="$left $host"
done
erase_control || left="$left $own"
[ -z "$left" ] || echo "{label}: {control} is left on: $left" >&2
[ -z "$left" ]
"""


def removal_script(
    label: str, uuid: str, control_name: str, update_name: str, payload_names: Sequence[str]
) -> str:
    """The text of ``/var/update/<uuid>/remove`` for a pack without kernel modules."""
    return _SCRIPT.format(
        label=label,
        uuid=uuid,
        control=shlex.quote(control_name),
        update=shlex.quote(update_name),
        payload=" ".join(shlex.quote(name) for name in payload_names),
    )
