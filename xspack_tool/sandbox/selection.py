"""The selection of variants of drivers in a chroot, as driver-tool does it on hosts (``create_dmv_symlink`` of
``xcp/dmv.py``)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec import Struct

from xspack_tool.model.driver import VARIANT
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.sandbox.root import SandboxRoot

#: Links to all modules of a variant, by whole paths and with a name that is replaced at once; then what knows them. Run
#: inside the chroot, where no link of the pack leads out of it.
_SELECT = """\
set -e
find "$1" -name '*.ko' | sort | while read -r module; do
    mkdir -p "$2"
    link="$2/${module##*/}"
    rm -f "$link.tmp"
    ln -s "$module" "$link.tmp"
    mv -f "$link.tmp" "$link"
    echo "$link -> $module"
    echo "$link" | /usr/sbin/weak-modules --no-initramfs --add-modules
done
/usr/sbin/depmod -a
"""
_DANGLING = """\
for link in /lib/modules/*/updates/*; do
    if [ -L "$link" ] && [ ! -e "$link" ]; then echo "$link"; fi
done
"""
_SHELL = ("/bin/busybox", "sh", "-c")


class Selectable(Struct, frozen=True):
    """A variant that is installed: where it lies, and what its info.json says."""

    kernel: str
    driver: str
    version: str
    name: str
    priority: int

    @property
    def title(self) -> str:
        return f"{self.driver} {self.name} {self.version}"


def selectable(root: SandboxRoot, infos: Iterable[RpmInfo]) -> list[Selectable]:
    """The variants of some RPMs that are installed, that with the highest priority of each driver last."""
    drivers = set()
    for path in {file.path for info in infos for file in info.files}:
        place = VARIANT.match(path)
        if place and place["rest"] == "info.json":
            said = _read(root, path)
            name, priority = said.get("variant"), said.get("priority")
            if isinstance(name, str) and isinstance(priority, int):
                drivers.add(Selectable(place["kernel"], place["driver"], place["version"], name, priority))
    return sorted(drivers, key=lambda one: (one.driver, one.kernel, one.priority, one.name, one.version))


def select(root: SandboxRoot, one: Selectable) -> tuple[tuple[str, ...], str]:
    """Link the modules of a variant into updates/. The links; and what went wrong, empty where nothing did."""
    kernel = f"/lib/modules/{one.kernel}"
    done = root.run(*_SHELL, _SELECT, "sh", f"{kernel}/dmv/{one.driver}/{one.version}", f"{kernel}/updates")
    return tuple(done.out.splitlines()), (done.err.strip() or "it failed") if done.status else ""


def dangling(root: SandboxRoot) -> list[str]:
    """The links in updates/ whose variant is gone: nothing is loaded by them."""
    return root.run(*_SHELL, _DANGLING).out.splitlines()


def _read(root: SandboxRoot, path: str) -> dict[str, object]:
    try:
        said = json.loads(root.run("/bin/busybox", "cat", path).out)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
