"""M: drivers of which several variants lie side by side, and signed modules, on releases that have them."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from xspack_tool.binary.module import MODULE
from xspack_tool.binary.signature import verify
from xspack_tool.model.driver import VARIANT
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, also_on_member, also_on_rpm, member_rule, pack_rule

_UPDATES = re.compile(r"^(?:/usr)?/lib/modules/([^/]+)/updates/(.+)$")
_DMV = re.compile(r"^(?:/usr)?/lib/modules/[^/]+/dmv/")
_INFO_KEYS = {
    **dict.fromkeys(("name", "category", "description", "variant", "version", "status"), str),
    "priority": int,
    "pci_ids": dict,
}
_ID_KEYS = {"vendor_id", "device_id", "subvendor_id", "subdevice_id"}
_ID = re.compile(r"[0-9a-f]{4}|\*")
#: What xapi takes in a name (xapi_host_driver_tool.ml); a hyphen passes dmv.py and not every caller.
_NAME, _HYPHEN = re.compile(r"[A-Za-z0-9_.@-]+"), re.compile(r"-")
_LARGEST = 4 << 20
#: What every kernel since 4.19 takes; Linux 6.7 dropped older ones.
_GOOD_HASHES = ("sha256", "sha384", "sha512")


def _is_info(context: RpmContext, file: PayloadFile) -> bool:
    place = VARIANT.match(file.path)
    return bool(context.profile.multi_version_drivers and place and place["rest"] == "info.json")


@member_rule(
    "M1",
    "E",
    wants=_is_info,
    meaning="the info.json of a driver's variant is not what driver-tool reads",
    remedy="let env.KernelModule(variant=..) write it",
    bad='{"name": "acme", "pci_ids": {}} beside acme.ko',
    good="name, category, description, variant, version, priority, status, and pci_ids with each module as a key",
)
def info_json(context: RpmContext, member: Member) -> Hits:
    path, data = member.file.path, _read_info(member)
    if not data:
        yield Hit(path, "no table of JSON in ASCII, which driver-tool reads")
        return
    wrong = [key for key, kind in _INFO_KEYS.items() if type(data.get(key)) is not kind]
    if wrong:
        yield Hit(path, f"missing or of a wrong type: {', '.join(wrong)}")
        return
    yield from _names(path, data)
    yield from _devices(context, path, data["pci_ids"])


def _read_info(member: Member) -> dict[str, Any]:
    """What an info.json says; empty where that is no table of JSON in ASCII."""
    try:
        data = json.loads((member.content(_LARGEST) or b"").decode("ascii"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _names(path: str, data: dict[str, Any]) -> Iterator[Hit]:
    place = VARIANT.match(path)
    assert place is not None  # it was wanted for that
    if data["name"] != place["driver"]:
        yield Hit(
            path, f"name is {data['name']!r}, its folder is {place['driver']!r}: it is not found by its name"
        )
    if data["version"] != place["version"]:
        yield Hit(
            path,
            f"version is {data['version']!r}, its folder is {place['version']!r}, which driver-tool selects it by",
        )
    for key in ("name", "variant", "version"):
        if not _NAME.fullmatch(data[key]):
            yield Hit(path, f"{key} {data[key]!r}: xapi takes letters, digits and _ . @ alone")
        elif _HYPHEN.search(data[key]):
            yield Hit(path, f"{key} {data[key]!r} has a hyphen, which xapi's own check does not know", "W")


def _devices(context: RpmContext, path: str, ids: dict[str, Any]) -> Iterator[Hit]:
    folder = posixpath.dirname(path)
    there = {
        posixpath.basename(file.path) for file in context.modules if posixpath.dirname(file.path) == folder
    }
    if missing := sorted(there - ids.keys()):
        yield Hit(path, f"pci_ids lacks {', '.join(missing)}, which is never selected or seen as active")
    if strange := sorted(ids.keys() - there):
        yield Hit(path, f"pci_ids names {', '.join(strange)}, which does not lie beside it")
    for module, rows in ids.items():
        good = isinstance(rows, list) and all(
            isinstance(row, dict) and row.keys() == _ID_KEYS and all(map(_is_id, row.values()))
            for row in rows
        )
        if not good:
            words = "vendor_id, device_id, subvendor_id and subdevice_id, four lower-case digits each or *"
            yield Hit(path, f"pci_ids of {module} are no list of {words}")


@also_on_rpm("M1")
def modules_that_no_host_selects(context: RpmContext) -> Hits:
    """What dmv.py needs of the modules of variants: it links `*.ko` alone, and looks for info.json beside a module."""
    if not context.profile.multi_version_drivers:
        return
    paths = {file.path for file in context.info.files if file.is_file}
    for file in context.modules:
        if not _DMV.match(file.path):
            continue
        if not VARIANT.match(file.path):
            text, remedy = (
                "not in a folder dmv/<driver>/<version>: driver-tool does not find it",
                "put it there",
            )
            yield Hit(file.path, text, remedy=remedy)
        elif not file.path.endswith(".ko"):
            text, remedy = "compressed: driver-tool selects files called *.ko alone", "pack it as it is"
            yield Hit(file.path, text, remedy=remedy)
        elif f"{posixpath.dirname(file.path)}/info.json" not in paths:
            text = "no info.json beside it: driver-tool fails once it is selected"
            remedy = "have all modules of a variant in one folder, as env.KernelModule(variant=..) has them"
            yield Hit(file.path, text, remedy=remedy)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _is_of_a_variant(context: RpmContext, file: PayloadFile) -> bool:
    place = VARIANT.match(file.path)
    return bool(
        context.profile.multi_version_drivers
        and place
        and (place["rest"] == "info.json" or MODULE.search(file.path))
    )


@member_rule(
    "M2",
    "E",
    wants=_is_of_a_variant,
    meaning="a module of a variant has no note by which the host knows the variant once it is loaded",
    remedy="let env.KernelModule(variant=..) link it in, or add a section .note.XenServer to the module",
    bad="readelf -n acme.ko shows no XenServer",
    good="readelf -n acme.ko shows the owner XenServer (9 bytes), type 1, and the name of the variant",
)
def variant_note(context: RpmContext, member: Member) -> Hits:
    place = VARIANT.match(member.file.path)
    assert place is not None  # it was wanted for that
    said = context.variants.setdefault(f"{place['driver']}/{place['version']}", {})
    if place["rest"] == "info.json":
        said[""] = str(_read_info(member).get("variant", ""))
    elif member.elf is not None and not member.elf.variant:
        yield Hit(
            member.file.path,
            "no note of XenServer with the name of its variant, as driver-tool reads it: type 1, an owner of 9 bytes",
        )
    elif member.elf is not None:
        said[member.file.path] = member.elf.variant
    name = said.get("")
    for path in [path for path in said if path and name is not None]:
        variant = said.pop(path)
        if variant != name:
            yield Hit(path, f"its note says the variant {variant!r}, info.json {name!r}")


@pack_rule(
    "M3",
    "E",
    meaning="variants of a driver that get in each other's way; a W where the host lists one of them alone",
    remedy="give each variant a version of its own, and no file in updates/: driver-tool makes the links there",
    bad="dmv/acme/2.1/acme.ko and updates/acme.ko in one pack",
    good="dmv/acme/2.1/acme.ko and dmv/acme/2.2/acme.ko",
)
def variants_apart(context: PackContext) -> Hits:
    if not context.profile.multi_version_drivers:
        return
    yield from _same_folder(context.rpms)
    selected = {
        (place["kernel"], posixpath.basename(file.path)): info
        for info in context.rpms
        for file in info.files
        if (place := VARIANT.match(file.path)) and MODULE.search(file.path)
    }
    owners: dict[str, str] = {}
    for info in context.rpms:
        for file in info.files:
            place = _UPDATES.match(file.path)
            if place is None or file.is_dir:
                continue
            other = selected.get((place[1], posixpath.basename(file.path)))
            if other is not None:
                words = f"{other.file_name} has a variant of it, whose link would stand there"
                yield Hit(file.path, words, rpm=info.file_name)
            first = owners.setdefault(file.path, info.file_name)
            if first != info.file_name:
                yield Hit(file.path, f"{first} owns it, too", rpm=info.file_name)


@also_on_member("M3", wants=_is_info)
def one_of_a_name(context: RpmContext, member: Member) -> Hits:
    """dmv.py lists the variants of a driver by their names: of two with one name the host shows the last it reads."""
    del context
    path, data = member.file.path, _read_info(member)
    place = VARIANT.match(path)
    assert place is not None  # it was wanted for that
    driver, variant = data.get("name"), data.get("variant")
    if isinstance(driver, str) and isinstance(variant, str):
        words = f"the pack has the variant {variant!r} of {driver!r} for {place['kernel']} more than once"
        yield Hit(
            path,
            f"{words}: driver-tool and xe list one of them",
            "W",
            remedy="give each a name of its own, or ship one version",
            unless_alone=json.dumps([place["kernel"], driver, variant]),
        )


def _same_folder(rpms: tuple[RpmInfo, ...]) -> Iterator[Hit]:
    folders: dict[str, str] = {}
    for info in rpms:
        for file in info.files:
            place = VARIANT.match(file.path)
            if place is None or place["rest"] != "info.json":
                continue
            folder = posixpath.dirname(file.path)
            first = folders.setdefault(folder, info.file_name)
            if first != info.file_name:
                yield Hit(folder, f"{first} has a variant there, too", rpm=info.file_name)


def _is_signed_here(context: RpmContext, file: PayloadFile) -> bool:
    return context.profile.module_signatures == "enforced" and file.is_file and bool(MODULE.search(file.path))


@member_rule(
    "M4",
    "E",
    wants=_is_signed_here,
    meaning="a module without a signature of what it is, for a kernel that enforces them",
    remedy="give sign_key=[key, certificate], and change nothing after that",
    bad="acme.ko, stripped after it was signed, or with a byte changed",
    good="acme.ko, which ends with a signature of what stands before it and ~Module signature appended~",
)
def module_signature(context: RpmContext, member: Member) -> Hits:
    if member.elf is None:
        return
    signature, path = member.elf.signature, member.file.path
    if signature is None:
        yield Hit(path, "not signed")
        return
    if signature.fault:
        yield Hit(path, f"its signature: {signature.fault}")
    verdicts = [verify(signer, context.module_certificates) for signer in signature.signers]
    if "broken" in verdicts and "good" not in verdicts:
        yield Hit(path, "its signature is that of another content: it was changed after it was signed")


@member_rule(
    "M5",
    "E",
    wants=_is_signed_here,
    meaning="a module that is signed by nobody whom hosts know; a W where nobody said whom they know",
    remedy="sign with a key that they know; name the certificates of those keys in XSPACK_MODULE_KEYS "
    "(verify: --module-keys)",
    bad="acme.ko, signed by a key of your own that no host was given",
    good="acme.ko, signed by a key whose certificate is in XSPACK_MODULE_KEYS",
)
def module_signer(context: RpmContext, member: Member) -> Hits:
    signature = member.elf.signature if member.elf else None
    if signature is None or signature.fault:
        return
    known = context.module_certificates
    if any(verify(signer, known) != "unknown" for signer in signature.signers):
        return
    who = " and ".join(f"{one.name or 'nobody by name'} (key {one.key_id})" for one in signature.signers)
    if known:
        yield Hit(member.file.path, f"signed by {who}, whom hosts do not know")
    else:  # once for all modules of the RPM
        words = f"whom {context.profile.title} knows is not known here, nor whether they were changed since"
        yield Hit("", f"modules are signed by {who}; {words}", "W")


@member_rule(
    "M6",
    "E",
    wants=_is_signed_here,
    meaning="the hash of a module's signature is older than the kernel takes; a W where nobody said what it takes",
    remedy="sign with SHA-256 or better",
    bad="modinfo -F sig_hashalgo acme.ko says sha1",
    good="modinfo -F sig_hashalgo acme.ko says sha256",
)
def module_hash(context: RpmContext, member: Member) -> Hits:
    signature = member.elf.signature if member.elf else None
    taken = context.profile.module_hashes
    for name in dict.fromkeys(one.hash for one in signature.signers) if signature else ():
        if taken and name not in taken:
            yield Hit(
                member.file.path, f"signed with {name}; {context.profile.title} takes {', '.join(taken)}"
            )
        elif not taken and name not in _GOOD_HASHES:
            yield Hit(member.file.path, f"signed with {name}, which kernels of today do not take", "W")
