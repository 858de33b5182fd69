#!/bin/sh
# Takes the pack acme off every host of the pool. Run it on one of them; it may be run again.
# Other hosts are reached with ssh as root.
uuid=9a1f0f0e-0000-4000-8000-000000000001

# Its own package is erased at the end: a copy does the work.
case ${1:-} in
    --copied) trap 'rm -f "$0"' EXIT ;;
    --payload | --control) ;;
    *)
        copy=$(mktemp /tmp/remove.XXXXXX) && cp "$0" "$copy" && exec sh "$copy" --copied
        echo "acme: no copy of this script could be made below /tmp" >&2
        exit 1
        ;;
esac

erase() { # names of packages; those that are not installed are done
    installed=
    for name in "$@"; do
        ! rpm -q "$name" >/dev/null 2>&1 || installed="$installed $name"
    done
    [ -z "$installed" ] || rpm -e $installed
}

erase_payload() {
    erase update-acme && erase acme-agent && rm -f /var/update/applied/9a1f0f0e-0000-4000-8000-000000000001
}

erase_control() {
    erase control-acme
}

ask() { # xe; what xapi does not know any more is done
    said=$(xe "$@" 2>&1) && return
    case $said in
        *UUID_INVALID* | *HANDLE_INVALID* | *"uuid you supplied was invalid"* | *"not found"*) return 0 ;;
    esac
    echo "xe $*: $said" >&2
    return 1
}

on_host() { # a host's uuid, and what to do there
    if [ "$1" = "$own" ]; then
        "erase_$2"
    else
        address=$(xe host-param-get uuid="$1" param-name=address) &&
            ssh "root@$address" "sh -s -- --$2" < "$0"
    fi
}

case $1 in
    --payload) erase_payload; exit ;;
    --control) erase_control; exit ;;
esac

own=$(. /etc/xensource-inventory && echo "$INSTALLATION_UUID")
hosts=$(xe host-list --minimal | tr , ' ')
if [ -z "$own" ] || [ -z "$hosts" ]; then
    echo "acme: xapi does not say which hosts the pool has: nothing was removed" >&2
    exit 1
fi

left=
ask update-pool-clean uuid="$uuid" || left=disk
for host in $hosts; do
    on_host "$host" payload && ask update-resync-host host-uuid="$host" || left="$left $host"
done
if [ -n "$left" ]; then
    echo "acme: not removed from: $left; put that right and run this script again" >&2
    exit 1
fi
ask update-destroy uuid="$uuid" || exit 1
for host in $hosts; do
    [ "$host" = "$own" ] || on_host "$host" control || left="$left $host"
done
erase_control || left="$left $own"
[ -z "$left" ] || echo "acme: control-acme is left on: $left" >&2
[ -z "$left" ]
