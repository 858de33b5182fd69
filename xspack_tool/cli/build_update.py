"""``xspack build-update``: the options of the public build-update, so that what calls it works unchanged.

Its meaning is that of build-update in the update-package of XenServer: one pack from RPMs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.compose import PackParts, compose
from xspack_tool.cli.output import Output
from xspack_tool.cli.progress import progress
from xspack_tool.cli.signers import add_keyring_argument, signer_of_uid
from xspack_tool.errors import BadInput, Problem, StepError, colour_wanted
from xspack_tool.hosts.index import read_groups
from xspack_tool.model import syntax
from xspack_tool.model.dependency import OPERATORS, Dependency, parse_dependency
from xspack_tool.model.pack import Pack, Rollup, make_volume_id
from xspack_tool.model.profile import Profile
from xspack_tool.releases import load_profile
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rules.context import PackContext, modules_of
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.report import Report, as_text, judge
from xspack_tool.signing.keys import PublicKey, read_public_key

_MAX_GROUPS = 2 << 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rpms", metavar="RPM", nargs="+", type=Path, help="packages to include")
    parser.add_argument("--uuid", required=True, help="uuid of this version of this pack")
    parser.add_argument("-l", "--label", required=True, help="label of the pack")
    parser.add_argument("-v", "--version", required=True, help="version of the pack")
    parser.add_argument("-d", "--description", required=True, help="what administrators read")
    parser.add_argument("-o", "--output", metavar="ISO", type=Path, required=True, help="file to write")
    parser.add_argument(
        "-k", "--key", metavar="UID", help="user id of the key to sign with; unsigned without"
    )
    parser.add_argument("--keyfile", type=Path, help="public key file, by whose name hosts look for the key")
    parser.add_argument("--base-requires", help="what the host must provide: 'product-version = 8.2.0'")
    parser.add_argument("--after-apply", help="guidance, with commas: restartXAPI, restartHost, ..")
    parser.add_argument("--precheck", type=Path, help="script that hosts run before the pack is applied")
    parser.add_argument("--remove", type=Path, help="script that removes the pack again")
    parser.add_argument(
        "--no-passphrase", action="store_true", help="accepted; a passphrase is never asked for here"
    )
    parser.add_argument("--rollups", help="uuids of earlier versions, with commas")
    parser.add_argument("--groupfile", type=Path, help="comps file to take as it is")
    parser.add_argument("--strict", action="store_true", help="E findings of the rules stop the pack")
    parser.add_argument(
        "--target", default="xenserver-8", metavar="T", help="release that the rules judge by (xenserver-8)"
    )
    add_keyring_argument(parser)


def _run(args: argparse.Namespace, out: Output) -> int:
    pack, profile = _pack(args), load_profile(args.target)
    for path in filter(None, (args.precheck, args.remove)):
        if not path.is_file():
            raise BadInput(path, "no such file")
    infos = [read_rpm(path) for path in args.rpms]
    for path, info in zip(args.rpms, infos, strict=True):
        if info.is_source:
            raise BadInput(path, "a source RPM, which no host installs: name the RPMs that are built of it")
    with tempfile.TemporaryDirectory(prefix="xspack-build-update-") as scratch:
        work = Path(scratch)
        signer = signer_of_uid(args.key, args.gnupghome, work) if args.key else None
        comps = _groups(args.groupfile) if args.groupfile else None
        report = _judge(args, pack, profile, infos, signer.key if signer else None, comps)
        if report.findings:
            sys.stderr.write(as_text([report], colour=colour_wanted(sys.stderr, args.color)))
        if args.strict and report.stops():
            raise StepError(f"{report.count('E')} E findings stop the pack; {args.output} was not written")
        parts = PackParts(args.rpms, profile.payload, args.precheck, args.remove, comps, signer)
        with progress("signing", len(args.rpms) + 1 + bool(pack.control_name)) as tell:
            compose(pack, parts, args.output, work, tell)
    return 0


COMMAND = Command(
    "build-update",
    "make a pack, with the options of build-update",
    _arguments,
    _run,
    reports=False,
    examples=("build-update --uuid UUID -l acme -v 1.0 -d 'Acme tools' -o acme.iso acme-1.0-1.noarch.rpm",),
)


def _pack(args: argparse.Namespace) -> Pack:
    """The pack that the options declare. Raises UsageError with every mistake that build-update would refuse."""
    requires = list(requirements(args.base_requires or ""))
    rollups = tuple(Rollup(uuid, args.label) for uuid in (args.rollups or "").split(",") if uuid)
    guidance = tuple((args.after_apply or "").split(",")) if args.after_apply else ()
    problems = [
        *syntax.check_uuid("--uuid", args.uuid),
        *syntax.check_label("--label", args.label),
        *syntax.check_version("--version", args.version),
        *syntax.check_guidance("--after-apply", guidance),
        *(problem for rollup in rollups for problem in syntax.check_uuid("--rollups", rollup.uuid)),
        *(one for one in requires if isinstance(one, Problem)),
    ]
    if problems:
        raise UsageError("; ".join(map(str, problems)))
    return Pack(
        label=args.label,
        version=args.version,
        uuid=args.uuid,
        description=args.description,
        key=args.keyfile.name if args.keyfile else "",
        requires=tuple(one for one in requires if isinstance(one, Dependency)),
        after_apply=guidance,
        rollups=rollups,
        has_precheck=args.precheck is not None,
        has_remove=args.remove is not None,
        volume_id=make_volume_id(args.label),
    )


def requirements(text: str) -> Iterator[Dependency | Problem]:
    """The text of rpm's Requires line: relations with blanks or commas between."""
    words = text.replace(",", " ").split()
    while words:
        count = 3 if len(words) > 1 and words[1] in OPERATORS else 1
        yield parse_dependency("--base-requires", " ".join(words[:count]))
        del words[:count]


def _groups(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_GROUPS)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, getattr(error, "strerror", None) or "not UTF-8") from None
    read_groups(text, str(path))
    return text


def _judge(
    args: argparse.Namespace,
    pack: Pack,
    profile: Profile,
    infos: list[RpmInfo],
    key: PublicKey | None,
    comps: str | None,
) -> Report:
    """What the rules find, and what is wrong with the options themselves."""
    context = PackContext(
        pack=pack,
        profile=profile,
        rpms=tuple(infos),
        key=key,
        key_name=args.keyfile.name if args.keyfile else "",
        now=int(time.time()),
        remove_script=_text(args.remove),
        precheck_script=_text(args.precheck),
    )
    by_rpm = {path.name: check_rpm(path, profile) for path in args.rpms}
    own = [*_key_findings(args, key), *_group_findings(pack, infos, comps)]
    report = judge(context, {**by_rpm, "": own})
    # What could not be checked, the original did not check either.
    return replace(report, findings=tuple(finding for finding in report.findings if not finding.skipped))


def _text(script: Path | None) -> str | None:
    """A script with its line ends as they are."""
    return script.read_bytes().decode("utf-8", "replace") if script else None


def _key_findings(args: argparse.Namespace, key: PublicKey | None) -> Iterator[Finding]:
    if key is None:
        return
    if args.keyfile is None:
        remedy = "name the public key file with --keyfile"
        yield Finding(
            "G2", "W", "signed, but update.xml names no key: hosts check no RPM", remedy, where="key"
        )
    elif args.keyfile.is_file():
        given = read_public_key(args.keyfile)
        if given.fingerprint != key.fingerprint:
            words = f"{args.keyfile.name} is {given.fingerprint}, --key signs with {key.fingerprint}"
            yield Finding("G2", "W", words, "name the public file of the key that signs", where="key")


def _group_findings(pack: Pack, infos: list[RpmInfo], comps: str | None) -> Iterator[Finding]:
    """Groups in which hosts would not find the pack."""
    remedy = f"list {pack.update_name} in it as mandatory, uservisible"
    groups = {group.id: group for group in read_groups(comps, "--groupfile")} if comps is not None else {}
    drivers = any(modules_of(info) for info in infos)
    if comps is None:
        if drivers:
            words = "no group 'drivers': the host installer does not offer the pack as a driver disk"
            yield Finding("X3", "W", words, "give --groupfile with such a group", where="groups")
        return
    for id, who in (("update", "xapi"), *((("drivers", "the host installer"),) if drivers else ())):
        group = groups.get(id)
        if group is None or pack.update_name not in group.packages:
            yield Finding(
                "X3", "W", f"{who} finds no {pack.update_name} in the group {id!r}", remedy, where="groups"
            )
        elif not group.visible:
            words = f"the group {id!r} is not uservisible: {who} does not see it"
            yield Finding("X3", "W", words, remedy, where="groups")
