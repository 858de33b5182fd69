"""The two RPMs that are made for every pack: the one that stands for it, and the one that guards it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import Pack
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart

#: Where xapi looks for what was applied (`xapi_pool_update`), and for the scripts of the control RPM.
APPLIED, SCRIPTS = "/var/update/applied", "/var/update"
#: The list of applied updates that wait for a reboot (xapi's reboot_required_hfxs).
REBOOT_REQUIRED = "/run/reboot-required.hfxs"
#: Of both RPMs.
LICENCE = "MIT"
#: Ends a here-document; no line of a record looks like it, since each begins with `<` or a blank.
_END = "END_OF_RECORD"


def update_package(pack: Pack, payload: Iterable[tuple[str, str]], applied: str) -> Package:
    """``update-<label>``: requires every payload RPM, given as (name, EVR), and owns the record ``applied``.

    After its transaction it notes that a reboot is due, where that is the pack's guidance, and records for
    each rolled-up pack what replaced it.
    """
    lines = []
    if "restartHost" in pack.after_apply:
        lines.append(f"echo {pack.uuid} >>{REBOOT_REQUIRED}\n")
    for rollup in pack.rollups:
        from xspack_tool.pack.document import render_rolled_up

        record = render_rolled_up(pack, rollup)
        lines.append(f"cat >{APPLIED}/{rollup.uuid} <<'{_END}'\n{record}{_END}\n")
    scripts = (Script("posttrans", (ScriptPart("".join(lines)),)),) if lines else ()
    return replace(
        _base(pack, pack.update_name, f"Stands for the supplemental pack {pack.label}"),
        requires=tuple(Dependency(name, ">=", evr) for name, evr in sorted(payload)),
        entries=(FileEntry(f"{APPLIED}/{pack.uuid}", "file", mode=0o644, text=applied),),
        scripts=scripts,
        automatic_dependencies=False,
    )


def control_package(pack: Pack, remove: str | None = None) -> Package:
    """``control-<label>``: requires the base, and owns the precheck and the remove script.

    Its contents are called ``precheck`` and ``remove``; ``remove`` is the text of a remove script that is generated,
    and no content then. The interpreters that they name become dependencies. Call it only where
    ``pack.control_name`` is not empty.
    """
    wanted = (("precheck", pack.has_precheck, None), ("remove", pack.has_remove, remove))
    folder = f"{SCRIPTS}/{pack.uuid}"
    return replace(
        _base(pack, pack.control_name, f"Guards the supplemental pack {pack.label}"),
        requires=pack.requires,
        entries=tuple(
            FileEntry(f"{folder}/{name}", "file", mode=0o755, text=text, source="" if text else name)
            for name, there, text in wanted
            if there
        ),
    )


def _base(pack: Pack, name: str, summary: str) -> Package:
    return Package(
        name=name,
        version=pack.version,
        release="1",
        summary=summary,
        license=LICENCE,
        arch="noarch",
        vendor=pack.vendor,
        description=pack.description,
    )
