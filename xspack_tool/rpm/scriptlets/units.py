"""Scriptlets of an RPM with systemd units: enabled with the version that brings them, gone with the one that drops
them and at last removal.

Nothing is started: an installation may run in the installer's chroot, where systemctl changes the links of
``enable`` itself and no manager answers (systemd's ``running_in_chroot``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xspack_tool.errors import Problem

_UNIT = re.compile(r"[A-Za-z0-9:_.-]+@?\.(service|socket|timer|path|target|mount|automount|swap|slice)")

#: An upgrade's own units are told from those that the older version had before its files are laid.
_NOTE = """\
rm -f /var/lib/rpm-state/{name}.units
if [ "$1" != 1 ]; then
    mkdir -p /var/lib/rpm-state
    for unit in {units}; do
        [ -e "/usr/lib/systemd/system/$unit" ] || echo "$unit"
    done > /var/lib/rpm-state/{name}.units || :
fi
"""

_ENABLE = """\
fresh='{units}'
if [ "$1" != 1 ]; then
    fresh=$(cat /var/lib/rpm-state/{name}.units 2>/dev/null)
fi
rm -f /var/lib/rpm-state/{name}.units
if [ -n "$fresh" ]; then
    systemctl --no-reload preset $fresh >/dev/null 2>&1 || :
    # The release's own presets end in "disable *", so enable follows; a preset of the administrator's stands.
    for unit in $fresh; do
        word=$(cat /etc/systemd/system-preset/*.preset 2>/dev/null | while read -r verb pattern; do
            case "$verb $unit" in
                "enable "$pattern | "disable "$pattern) echo "$verb"; break ;;
            esac
        done)
        [ "$word" = disable ] || systemctl --no-reload enable "$unit" >/dev/null 2>&1 || :
    done
fi
"""

#: The files of the older version are gone when this runs: a unit that is not there any more is one that the newer
#: version dropped. systemctl disables no unit without a file, so its links are removed here.
_DROP = """\
if [ "$1" != 0 ]; then
    for unit in {units}; do
        [ ! -e "/usr/lib/systemd/system/$unit" ] || continue
        case $unit in
            *@.*) named="${{unit%@.*}}@*.${{unit##*.}}" ;;
            *) named=$unit ;;
        esac
        if [ -d /run/systemd/system ]; then
            systemctl stop "$named" >/dev/null 2>&1 || :
        fi
        for link in /etc/systemd/system/*.wants/$named /etc/systemd/system/*.requires/$named; do
            [ ! -L "$link" ] || rm -f "$link"
        done
        for link in /etc/systemd/system/*; do
            if [ -L "$link" ] && [ ! -e "$link" ]; then
                case $(readlink "$link") in
                    */"$unit") rm -f "$link" ;;
                esac
            fi
        done
    done
fi
"""

_RELOAD = """\
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload >/dev/null 2>&1 || :
fi
"""

_DISABLE = """\
if [ "$1" = 0 ]; then
    systemctl --no-reload disable {units} >/dev/null 2>&1 || :
    if [ -d /run/systemd/system ]; then
        systemctl stop {running} >/dev/null 2>&1 || :
    fi
fi
"""


def unit_problems(units: Sequence[str]) -> list[Problem]:
    """What is wrong with the names of units (base names of their files)."""
    rule = "a unit's name must be letters, digits, : _ . - and a suffix such as .service"
    return [
        Problem("systemd_units", unit, rule, "rename the file, such as acme.service")
        for unit in units
        if not _UNIT.fullmatch(unit)
    ]


def unit_scripts(units: Sequence[str], name: str) -> dict[str, str]:
    """The parts of pre, post, preun and postun for units named by their file's base name, such as ``acme.service``;
    ``name`` is the package's.

    An upgrade leaves alone what the administrator disabled, enables what is new in it, and takes back what it has
    no more. Of a template (``acme@.service``) every instance is stopped.
    """
    if not units:
        return {}
    names = " ".join(units)
    running = " ".join(f"'{unit.replace('@.', '@*.')}'" if "@." in unit else unit for unit in units)
    return {
        "pre": _NOTE.format(units=names, name=name),
        "post": _ENABLE.format(units=names, name=name) + _RELOAD,
        "preun": _DISABLE.format(units=names, running=running),
        "postun": _DROP.format(units=names) + _RELOAD,
    }
