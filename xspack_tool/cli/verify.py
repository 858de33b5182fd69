"""``xspack verify``: would the hosts take a finished pack?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from xspack_tool.cli.command import Command
from xspack_tool.cli.context import pack_context, source_names
from xspack_tool.cli.origin import judge_provenance
from xspack_tool.cli.output import Output
from xspack_tool.cli.progress import progress
from xspack_tool.cli.release import add_release_arguments, host_of
from xspack_tool.cli.waivers import read_waivers
from xspack_tool.ddk.inbox import named_inbox
from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.evidence.formats import FORMATS
from xspack_tool.evidence.provenance import read_provenance
from xspack_tool.evidence.verdicts import judge_hosts
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import hash_rpms, open_pack, payloads
from xspack_tool.hosts.release import ROOT_BYTES
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.model.profile import Profile
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_open_rpm
from xspack_tool.rules.finding import Finding, to_plain
from xspack_tool.rules.report import Report, as_text, judge

#: How many reasons of one host are printed for people.
_SHOWN = 25


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument("--key", type=Path, metavar="F", help="the public key file that the host has")
    add_release_arguments(parser)
    parser.add_argument(
        "--baseline", type=Path, metavar="REPO", help="the last release of the pack: folder or ISO"
    )
    parser.add_argument(
        "--introduced",
        type=Path,
        action="append",
        metavar="ISO",
        help="a pack that the host knows already (may be given more than once)",
    )
    parser.add_argument(
        "--free", type=int, default=ROOT_BYTES, metavar="BYTES", help="free space on / of the host (18 GiB)"
    )
    parser.add_argument("--symvers", type=Path, metavar="F", help="Module.symvers of the release's kernel")
    parser.add_argument(
        "--inbox", type=Path, metavar="DIR|LIST", help="the release's modules, or its modules.alias"
    )
    parser.add_argument(
        "--source",
        type=Path,
        action="append",
        metavar="FILE|DIR",
        help="source RPM of a driver, or a folder with some (may be given more than once)",
    )
    parser.add_argument(
        "--module-keys",
        type=Path,
        action="append",
        default=[],
        metavar="F",
        help="certificates whose signatures of modules the host takes (may be given more than once)",
    )
    parser.add_argument("--shellcheck", action="store_true", help="ask shellcheck of scriptlets, too (S11)")
    parser.add_argument("--strict", action="store_true", help="W findings count as well")
    parser.add_argument(
        "--provenance",
        type=Path,
        metavar="FILE",
        help="statement of how it was made, its signature beside it",
    )
    parser.add_argument("--waive", type=Path, metavar="FILE", help='TOML: rule = "why it does not hold here"')
    parser.add_argument("--format", choices=sorted(FORMATS), help="print it for a CI system")


def _run(args: argparse.Namespace, out: Output) -> int:
    with ExitStack() as stack:
        try:
            iso = stack.enter_context(IsoReader(args.iso))
            opened = open_pack(iso, args.key)
        except HostileInput:
            raise
        except BadInput as bad:
            if bad.file != str(args.iso) or not args.iso.is_file():
                raise
            raise BadInput(bad.file, f"INVALID_UPDATE: no host can mount it: {bad.why}") from None
        return _verify(args, iso, opened, out)


def _verify(args: argparse.Namespace, iso: IsoReader, opened: ParsedPack, out: Output) -> int:
    profile, host = host_of(args, opened)
    driver_data = DriverData(
        args.symvers,
        named_inbox(args.inbox) if args.inbox else None,
        module_keys=tuple(args.module_keys),
        shellcheck=args.shellcheck,
    )
    pack, findings = read_all(opened, profile, driver_data, iso)
    origin = judge_provenance(args.provenance, pack, args.key) if args.provenance else None
    # What nobody signed says nothing of sources.
    is_signed = origin is not None and origin.accepted and not origin.unjudged
    built = read_provenance(args.provenance)[1] if is_signed else None
    context = pack_context(
        pack, profile, args.base, args.baseline, int(time.time()), source_names(args.source), built
    )
    report = judge(context, findings, read_waivers(args.waive) if args.waive else None)
    verdicts = [*judge_hosts(pack, host), *([origin] if origin else [])]
    if args.json:
        out.json(describe(verdicts, report))
    elif args.format:
        out.text(FORMATS[args.format](args.iso.name, verdicts, report))
    else:
        _show(verdicts, report, out)
    good = not any(verdict.rejections for verdict in verdicts) and not report.stops(args.strict)
    return 0 if good else 1


COMMAND = Command(
    "verify",
    "would hosts take it? xapi, the installer, yum or dnf, and the rules",
    _arguments,
    _run,
    examples=("xspack verify acme-1.0.iso --key RPM-GPG-KEY-Acme --target xcp-ng-8.3",),
)


def read_all(
    pack: ParsedPack, profile: Profile, driver_data: DriverData, iso: IsoReader | None = None
) -> tuple[ParsedPack, dict[str, list[Finding]]]:
    """The pack with its checksums, and what the rules find in each payload RPM; both are read at once."""
    total = sum(rpm.size for rpm in pack.rpms)
    with progress("reading", total, is_bytes=True) as tell, ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(hash_rpms, pack, tell, iso)
        findings = rule_findings(pack, profile, driver_data, iso)
        return hashed.result(), findings


def rule_findings(
    pack: ParsedPack, profile: Profile, driver_data: DriverData, iso: IsoReader | None = None
) -> dict[str, list[Finding]]:
    """What the rules find in each payload RPM, by file name. A payload that cannot be unpacked is X2's."""
    wanted = {id(rpm.info) for rpm in pack.payload if rpm.info and not rpm.info.is_source}
    findings: dict[str, list[Finding]] = {}
    for rpm, file in payloads(pack, lambda info: id(info) in wanted, iso):
        assert rpm.info is not None  # payloads() yields no others
        try:
            findings[rpm.info.file_name] = check_open_rpm(
                file, rpm.path, profile, driver_data, header=(rpm.info, rpm.offset)
            )[1]
        except HostileInput:
            raise
        except BadInput as bad:
            remedy = "make it anew: no host can unpack it"
            findings[rpm.info.file_name] = [
                Finding("X2", "E", bad.why, remedy, rpm=rpm.info.file_name, where="payload")
            ]
    return findings


def describe(verdicts: Sequence[Verdict], report: Report) -> dict[str, Any]:
    """The result as JSON's types."""
    return {
        "accepted": not any(verdict.rejections for verdict in verdicts),
        "hosts": {
            verdict.host: {
                "accepted": verdict.accepted,
                "rejections": [asdict(rejection) for rejection in verdict.rejections],
                "remarks": list(verdict.remarks),
                "unjudged": list(verdict.unjudged),
            }
            for verdict in verdicts
        },
        "findings": [to_plain(finding) for finding in report.findings],
    }


def _show(verdicts: Sequence[Verdict], report: Report, out: Output) -> None:
    for verdict in verdicts:
        taken = "takes it, as far as it can be judged" if verdict.unjudged else "takes it"
        words, style = (taken, "green") if verdict.accepted else ("does not take it", "bold red")
        if verdict.declines and not verdict.rejections:
            style = "yellow"
        out.line(f"{verdict.host}: {words}", style)
        for rejection in verdict.rejections[:_SHOWN]:
            out.line(f"  {rejection}")
        if len(verdict.rejections) > _SHOWN:
            out.line(f"  and {len(verdict.rejections) - _SHOWN} more, see --json")
        for remark in verdict.remarks:
            out.line(f"  {'' if verdict.declines else 'but: '}{remark}", "yellow")
    unjudged = [text for verdict in verdicts for text in verdict.unjudged]
    skipped: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.skipped:
            skipped.setdefault(_as_options(finding.found), []).append(finding.rule)
    unjudged += [f"rules {', '.join(ids)}: {words}" for words, ids in skipped.items()]
    for text in dict.fromkeys(unjudged):
        out.line(f"not judged: {text}", "cyan")
    out.line("rules:", "bold")
    shown = replace(report, findings=tuple(finding for finding in report.findings if not finding.skipped))
    for line in as_text([shown]).splitlines():
        out.line(f"  {line}", {"E": "red", "W": "yellow"}.get(line[:1], ""))


#: Where a build's words name a construction variable, and this command has an option.
_OPTIONS = (
    ("set XSPACK_BASELINE to", "give --baseline"),
    ("set XSPACK_BASE_REPO to", "give --base"),
    ("modules.alias: set XSPACK_DDK to a kernel that has one", "modules.alias: give --inbox"),
    ("Module.symvers: set XSPACK_DDK to a kernel build tree that has one", "Module.symvers: give --symvers"),
)


def _as_options(words: str) -> str:
    """What a rule lacks, in words of this command instead of a build's."""
    words = words.removeprefix("not checked: ")
    for variable, option in _OPTIONS:
        words = words.replace(variable, option)
    return words
