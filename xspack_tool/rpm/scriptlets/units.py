"""Scriptlets of an RPM with systemd units: enabled at first installation, gone at last removal.

Nothing is started: an installation may run in the installer's chroot, where systemctl changes the links of
``enable`` itself and no manager answers (systemd's ``running_in_chroot``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xspack_tool.errors import Problem

_UNIT = re.compile(r"[A-Za-z0-9:_.-]+@?\.(service|socket|timer|path|target|mount|automount|swap|slice)")

_ENABLE = """\
if [ "$1" = 1 ]; then
    systemctl --no-reload preset {units} >/dev/null 2>&1 || :
    # The release's own presets end in "disable *", so enable follows; a preset of the administrator's stands.
    for unit in {units}; do
        word=$(cat /etc/systemd/system-preset/*.preset 2>/dev/null | while read -r verb pattern; do
            case "$verb $unit" in
                "enable "$pattern | "disable "$pattern) echo "$verb"; break ;;
            esac
        done)
        [ "$word" = disable ] || systemctl --no-reload enable "$unit" >/dev/null 2>&1 || :
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
    rule = "a unit's name is letters, digits, : _ . - and a suffix such as .service"
    return [
        Problem("systemd_units", unit, rule, "rename the file, such as acme.service")
        for unit in units
        if not _UNIT.fullmatch(unit)
    ]


def unit_scripts(units: Sequence[str]) -> dict[str, str]:
    """The parts of post, preun and postun for units named by their file's base name, such as ``acme.service``.

    An upgrade leaves alone what the administrator disabled. Of a template (``acme@.service``) every
    instance is stopped.
    """
    if not units:
        return {}
    names = " ".join(units)
    running = " ".join(f"'{unit.replace('@.', '@*.')}'" if "@." in unit else unit for unit in units)
    return {
        "post": _ENABLE.format(units=names) + _RELOAD,
        "preun": _DISABLE.format(units=names, running=running),
        "postun": _RELOAD,
    }
