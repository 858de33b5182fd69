"""What xapi says of a pack: introduce, precheck, apply.

Sources: `xapi_pool_update.ml` (introduce, resync), `gpg.ml` (signatures), and the host extensions
`pool_update.precheck` and `pool_update.apply` of xen-api: those that read yum's words, and the newer ones that read
dnf 5's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xspack_tool.errors import BadInput
from xspack_tool.hosts.package_manager import (
    Fault,
    group_faults,
    signature_faults,
    transaction,
    unjudged_key,
    unjudged_requirements,
)
from xspack_tool.hosts.parsed import ParsedPack, applied_path
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Rejection, Verdict
from xspack_tool.model.syntax import GUIDANCE
from xspack_tool.pack.document import Document, parse_document
from xspack_tool.pack.generated import SCRIPTS
from xspack_tool.pack.layout import DOCUMENT, SIGNED
from xspack_tool.rpm.info import PayloadFile, RpmInfo

#: The error codes that a precheck may print; of every other the user sees UNKNOWN_ERROR.
KNOWN_CODES = ("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION", "LICENCE_RESTRICTION")
_PRECHECK, _APPLY = "UPDATE_PRECHECK_FAILED_", "UPDATE_APPLY_FAILED"
_ERRORCODE = re.compile(r"""errorcode\s*=\s*\\?["']?([A-Za-z0-9_]+)""")
#: Labels of the product's own hotfixes, whose records a release upgrade removes (xenserver-release.spec).
_HOTFIX = re.compile(r"XS[0-9]{2}(E[0-9]{3})?")


def judge_xapi(pack: ParsedPack, host: Host) -> Verdict:
    """Whether xapi takes the pack, from its introduction to the record that it was applied."""
    installed = transaction(pack, host.release)
    rejections = [*_introduce(pack, host)]
    if pack.document is not None:
        rejections += _precheck(pack, pack.document, host)
        # The signature of the index is xapi's own affair before yum sees it.
        signatures = (fault for fault in signature_faults(pack) if fault.rpm is not None)
        faults = (*installed.faults, *signatures, *group_faults(pack, "update"))
        rejections += _transaction(pack, faults, host)
        rejections += _applied_record(pack, pack.document)
    return Verdict(
        "xapi",
        tuple(dict.fromkeys(rejections)),
        remarks=tuple(_remarks(pack)),
        unjudged=(*unjudged_key(pack), *unjudged_requirements(installed)),
    )


def _introduce(pack: ParsedPack, host: Host) -> Iterator[Rejection]:
    invalid = "INVALID_UPDATE"
    if not pack.has_rock_ridge:
        yield Rejection(
            invalid, "the ISO has no Rock Ridge names: no file is found by the name that hosts use"
        )
    if pack.document is None:
        yield Rejection(invalid, f"{DOCUMENT}: {pack.document_fault}")
    for path in SIGNED:
        if path in pack.paths:
            yield from _signature(pack, path)
        elif path != DOCUMENT:
            yield Rejection(invalid, f"{path} is missing")
    for earlier in host.introduced if pack.document else ():
        if pack.document and earlier.uuid == pack.document.uuid:
            yield Rejection(
                "UPDATE_ALREADY_EXISTS",
                f"uuid {earlier.uuid} is that of {earlier.label} {earlier.version}, which the host knows "
                "(UPDATE_ALREADY_APPLIED once its disk was cleaned up); give each version a uuid of its own",
            )


def _signature(pack: ParsedPack, path: str) -> Iterator[Rejection]:
    """One of the two files whose signatures xapi always verifies."""
    if f"{path}.asc" not in pack.paths:
        yield Rejection("INVALID_UPDATE", f"Invalid signature: {path}.asc is missing")
        return
    status = pack.signatures.get(path)
    if status is not None and not status.accepted:
        why = _signature_words(pack, path, status.tokens)
        yield Rejection("INVALID_UPDATE", f"Invalid signature: {why}")
    elif pack.key is not None and pack.key.algorithm != "RSA":
        yield Rejection(
            "INVALID_UPDATE", f"Invalid signature: {pack.key_name} is {pack.key.algorithm}, not RSA"
        )


def _signature_words(pack: ParsedPack, path: str, tokens: tuple[str, ...]) -> str:
    if "EXPKEYSIG" in tokens:
        return f"the key {pack.key_name} has expired (gpg says EXPKEYSIG)"
    if "BADSIG" in tokens:
        return f"{path} was changed after it was signed"
    if "NO_PUBKEY" in tokens:
        return f"{path} is signed by {', '.join(pack.signers.get(path, ())) or 'another key'}, not by {pack.key_name}"
    if "REVKEYSIG" in tokens:
        return f"the key {pack.key_name} is revoked"
    return f"{path}.asc is no signature that gpg can read"


def _precheck(pack: ParsedPack, document: Document, host: Host) -> Iterator[Rejection]:
    if document.installation_size > host.free:
        yield Rejection(
            f"{_PRECHECK}OUT_OF_SPACE",
            f"installation-size is {document.installation_size} bytes, / has {host.free} free",
        )
    if document.key and pack.key and document.key != pack.key_name:
        yield Rejection(
            f"{_PRECHECK}GPGKEY_NOT_IMPORTED",
            f"{DOCUMENT} names the key {document.key}, the host has {pack.key_name} in /etc/pki/rpm-gpg",
        )
    if document.control and (pack.control is None):
        yield Rejection(
            f"{_PRECHECK}UNKNOWN_ERROR",
            f"{DOCUMENT} names the control package {document.control}, which is not there",
        )
    script = pack.script("precheck")
    if script is not None and document.control:
        if not script.mode & 0o100:
            yield Rejection(
                f"{_PRECHECK}UNKNOWN_ERROR", f"precheck is not executable (mode {script.mode & 0o7777:04o})"
            )
        elif not (text := pack.texts.get(script.path, "#!")).startswith(("#!", "\x7fELF")):
            yield Rejection(
                f"{_PRECHECK}UNKNOWN_ERROR", f"precheck has no #! line, so it cannot run: {text[:40]!r}"
            )


def _transaction(pack: ParsedPack, faults: tuple[Fault, ...], host: Host) -> Iterator[Rejection]:
    """Where the package manager fails: while the control package is installed, or while the pack is."""
    checked = pack.document is not None and bool(pack.document.control)
    for fault in faults:
        if fault.kind in ("INDEX", "DOWNLOAD"):
            yield Rejection("INVALID_UPDATE", fault.why)
            continue
        in_control = checked and (fault.rpm is None or fault.rpm == pack.control) and fault.kind != "GROUP"
        code = _precheck_code(fault, host, host.release.manager)
        if in_control:
            yield Rejection(code, fault.why + _otherwise(fault, host, code))
        else:
            seen = (
                f" (xapi's precheck installs {pack.document.control} alone, so it is not {code})"
                if checked and pack.document
                else f" (the pack has no control package, so it is not {code})"
            )
            yield Rejection(_APPLY, fault.why + (seen if code.startswith(_PRECHECK) else ""))


def _otherwise(fault: Fault, host: Host, code: str) -> str:
    """The words for a code that the xapi of other releases does not give."""
    manager = "yum" if host.release.manager == "dnf" else "dnf"
    other = _precheck_code(fault, host, manager)
    if other == code:
        return ""
    return f" (so says the xapi of {host.release.title}; on releases with {manager} it is {other})"


def _precheck_code(fault: Fault, host: Host, manager: str) -> str:
    """How `pool_update.precheck` reads the package manager's words while it installs the control package."""
    if fault.kind == "GPG":
        return f"{_PRECHECK}GPGKEY_NOT_IMPORTED"
    if fault.kind == "CONFLICTS":
        return f"{_PRECHECK}CONFLICT_PRESENT"
    if manager == "dnf" and fault.kind == "REQUIRES" and fault.relation is not None:
        # It takes "nothing provides NAME OP VERSION needed by .." for a version, whatever of NAME is there.
        return f"{_PRECHECK}{'WRONG_SERVER_VERSION' if fault.relation.evr else 'PREREQUISITE_MISSING'}"
    if manager == "yum" and fault.kind in ("REQUIRES", "RPM") and fault.relation is not None:
        # "Installed:" stands below the requirement where another version of it is there.
        known = host.release.versions(fault.relation.name)
        return f"{_PRECHECK}{'WRONG_SERVER_VERSION' if known else 'PREREQUISITE_MISSING'}"
    return _APPLY if fault.kind in ("FILE_CONFLICT", "GROUP") else f"{_PRECHECK}UNKNOWN_ERROR"


def _applied_record(pack: ParsedPack, document: Document) -> Iterator[Rejection]:
    """The record that xapi parses once the RPMs are installed."""
    if pack.update is None or pack.update.info is None:
        yield Rejection(_APPLY, f"the pack holds no update-{document.label}")
        return
    path = applied_path(document)
    others = [file.path for file in _records(pack.update.info) if file.path != path]
    for other in others:
        yield Rejection(
            _APPLY,
            f"{pack.update.name} owns {other}, but the pack's uuid is {document.uuid}: they must agree",
        )
    if path in pack.texts:
        try:
            record = parse_document(pack.texts[path], path)
        except BadInput as bad:
            yield Rejection(_APPLY, f"the applied record of {pack.update.name} is malformed: {bad.why}")
            return
        if record.uuid != document.uuid:
            yield Rejection(_APPLY, f"{path} says uuid {record.uuid}: file name and attribute must agree")


def _records(info: RpmInfo) -> list[PayloadFile]:
    return [file for file in info.files if file.is_file and file.path.startswith(f"{SCRIPTS}/applied/")]


def _remarks(pack: ParsedPack) -> Iterator[str]:
    document = pack.document
    if document is None:
        return
    if unknown := [token for token in document.after_apply if token not in GUIDANCE]:
        yield f"after-apply-guidance {unknown[0]!r} is none that xapi knows: it drops the whole list silently"
    if _HOTFIX.fullmatch(document.label):
        yield f"the label {document.label} looks like a hotfix: its record is lost on a release upgrade"
    if pack.control is not None and not document.control:
        yield f"{DOCUMENT} names no control package, so {pack.control.name} is not installed and no precheck runs"
    if (
        pack.update
        and pack.update.info
        and applied_path(document) not in pack.texts
        and not _records(pack.update.info)
    ):
        yield f"{pack.update.name} brings no {applied_path(document)}: the pack will not be listed as applied"
    if not document.key:
        yield f"{DOCUMENT} names no key: RPMs and index are installed without a check of their signatures"
    script = pack.script("precheck")
    for code in dict.fromkeys(_ERRORCODE.findall(pack.texts.get(script.path, ""))) if script else ():
        if code not in KNOWN_CODES:
            yield f"where precheck prints errorcode {code}, its user sees {_PRECHECK}UNKNOWN_ERROR"
