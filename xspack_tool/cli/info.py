"""``xspack info``: what a pack is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from xspack_tool.binary.module import ModuleInfo
from xspack_tool.binary.signature import Signature
from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.ddk.devices import DeviceRow, device_cells, device_table, read_names
from xspack_tool.evidence.modules import PackedVariant, modules_of_pack, variants_of_pack
from xspack_tool.evidence.text import size_words
from xspack_tool.hosts.parsed import PackRpm, ParsedPack
from xspack_tool.hosts.reading import open_pack
from xspack_tool.pack.layout import SIGNED


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument("--key", type=Path, metavar="F", help="public key file to check the signatures with")


def _run(args: argparse.Namespace, out: Output) -> int:
    pack = open_pack(args.iso, args.key)
    modules = tuple(modules_of_pack(pack))
    devices = device_table(modules, names=read_names())
    variants = variants_of_pack(pack)
    if args.json:
        of_drivers = {
            "variants": [one.as_json() for one in variants],
            "modules": list(map(_describe_module, modules)),
        }
        out.json(describe(pack, devices) | of_drivers)
    else:
        _show(pack, devices, out)
        _show_variants(variants, out)
        _show_signatures(modules, out)
    return 0 if pack.document is not None and pack.index is not None and all(map(_readable, pack.rpms)) else 1


COMMAND = Command(
    "info",
    "what a pack is: metadata, RPMs, devices, key, guidance",
    _arguments,
    _run,
    examples=("xspack info acme-1.0.iso --key RPM-GPG-KEY-Acme",),
)


def describe(pack: ParsedPack, devices: tuple[DeviceRow, ...]) -> dict[str, Any]:
    """A pack as JSON's types."""
    document, index = pack.document, pack.index
    return {
        "document": asdict(document) | {"rollups": [asdict(one) for one in document.rollups]}
        if document
        else None,
        "document_fault": pack.document_fault,
        "index_fault": pack.index_fault,
        "groups": {group.id: list(group.packages) for group in index.groups} if index else {},
        "volume_id": pack.volume_id,
        "files": {entry.path: entry.size for entry in pack.entries if entry.kind == "file"},
        "signers": {path: list(signers) for path, signers in sorted(pack.signers.items())},
        "signatures_accepted": {path: status.accepted for path, status in sorted(pack.signatures.items())},
        "base_requirements": base_requirements(pack),
        "scripts": _scripts(pack),
        "rpms": [_describe_rpm(rpm) for rpm in pack.rpms],
        "devices": [row.as_json() for row in devices],
    }


def _describe_module(module: ModuleInfo) -> dict[str, Any]:
    signature = module.signature or Signature()
    signers = [{"name": one.name, "hash": one.hash, "key_id": one.key_id} for one in signature.signers]
    return {
        "file": module.file,
        "version": module.version,
        "variant": module.variant,
        "signers": signers,
        "signature_fault": signature.fault,
    }


def _show_variants(variants: Sequence[PackedVariant], out: Output) -> None:
    if not variants:
        return
    head = ("DRIVER", "VARIANT", "VERSION", "PRIORITY", "STATUS", "CATEGORY", "KERNEL")
    keys = ("variant", "version", "priority", "status", "category")
    rows = [(one.driver, *(str(one.info.get(key, "")) for key in keys), one.kernel) for one in variants]
    out.line()
    out.table(head, rows)


def _show_signatures(modules: Sequence[ModuleInfo], out: Output) -> None:
    """Who signed each module, as modinfo says it; nothing where none is signed."""
    if not any(module.signature for module in modules):
        return
    rows = []
    for module in modules:
        signature = module.signature or Signature(fault="nobody")
        signers = [(one.name, one.hash, one.key_id) for one in signature.signers]
        rows += [(module.file, *signer) for signer in signers or [(signature.fault, "", "")]]
    out.line()
    out.table(("MODULE", "SIGNED BY", "HASH", "KEY"), rows)


def base_requirements(pack: ParsedPack) -> list[str]:
    """What the control RPM requires of the host, without rpm's own and interpreters."""
    info = pack.control.info if pack.control else None
    wanted = [one for one in info.requires if not (one.is_rpmlib or one.name.startswith("/"))] if info else []
    return [str(one) for one in dict.fromkeys(wanted)]


def _describe_rpm(rpm: PackRpm) -> dict[str, Any]:
    info = rpm.info
    of_header = (
        {
            "nevra": info.nevra,
            "summary": info.summary,
            "license": info.license,
            "writer": info.writer,
            "installed_size": info.installed_size,
            "signed_by": list(info.signed_by),
            "signature": rpm.signature,
        }
        if info
        else {}
    )
    return {"path": rpm.path, "size": rpm.size, "fault": rpm.fault, **of_header}


def _scripts(pack: ParsedPack) -> list[str]:
    return [name for name in ("precheck", "remove") if pack.script(name) is not None]


def _readable(rpm: PackRpm) -> bool:
    return rpm.info is not None


def _show(pack: ParsedPack, devices: tuple[DeviceRow, ...], out: Output) -> None:
    out.table(("PACK", f"{pack.path.name}"), _rows(pack, devices))
    out.line()
    rows = [
        (
            rpm.info.nevra,
            size_words(rpm.size),
            size_words(rpm.info.installed_size),
            _signed(rpm),
            rpm.info.summary,
        )
        if rpm.info
        else (rpm.name, size_words(rpm.size), "", "", f"cannot be read: {rpm.fault}")
        for rpm in pack.rpms
    ]
    out.table(("RPM", "SIZE", "INSTALLED", "SIGNED BY", "SUMMARY"), rows)
    if devices:
        out.line()
        out.table(*device_cells(devices))


def _signed(rpm: PackRpm) -> str:
    signers = ", ".join(rpm.info.signed_by) if rpm.info else ""
    words = {
        "unknown": "",
        "good": " (good)",
        "bad": " (damaged)",
        "other key": " (another key)",
        "unsigned": "nobody",
    }
    return signers + words[rpm.signature]


def _rows(pack: ParsedPack, devices: tuple[DeviceRow, ...]) -> list[tuple[str, str]]:
    document = pack.document
    rows = [("update.xml", pack.document_fault)]
    if document is not None:
        signers = "; ".join(
            f"{path} by {', '.join(pack.signers.get(path, ())) or 'nobody'}{_verdict(pack, path)}"
            for path in SIGNED
        )
        rows = [
            ("label", document.label),
            ("version", document.version),
            ("uuid", document.uuid),
            ("description", document.description),
            ("installed size", size_words(document.installation_size)),
            ("after apply", ", ".join(document.after_apply)),
            ("all hosts alike", "yes" if document.enforce_homogeneity else ""),
            ("key", document.key),
            ("signed", signers),
            ("control", document.control),
            ("requires", ", ".join(base_requirements(pack))),
            ("scripts", ", ".join(_scripts(pack))),
            ("rolls up", ", ".join(f"{one.uuid} ({one.label})" for one in document.rollups)),
        ]
    writers = {rpm.info.nevra: rpm.info.writer for rpm in pack.rpms if rpm.info}
    if "xspack" in writers.values():  # a foreign pack is rpmbuild's as a whole
        rows.append(("by rpmbuild", ", ".join(name for name, said in writers.items() if said != "xspack")))
    groups = ", ".join(group.id for group in pack.index.groups) if pack.index else pack.index_fault
    rows += [("groups" if pack.index else "index", groups), ("volume id", pack.volume_id)]
    rows.append(("devices", str(len(devices)) if devices else ""))
    return [row for row in rows if row[1]]


def _verdict(pack: ParsedPack, path: str) -> str:
    status = pack.signatures.get(path)
    if status is None:
        return ""
    return " (good)" if status.accepted else f" (not taken: no {', '.join(status.missing)})"
