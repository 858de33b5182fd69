"""``xspack new``: a first pack that builds at once."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from xspack_tool.cli import build_update
from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.output import Output
from xspack_tool.ddk.dkms import parse_dkms
from xspack_tool.errors import StepError
from xspack_tool.files import file_digest, write_all
from xspack_tool.releases import load_profile, profile_names
from xspack_tool.releases.local import kernel_trees
from xspack_tool.scaffold.answers import CI, KINDS, Answers
from xspack_tool.scaffold.files import IGNORED, new_files
from xspack_tool.scaffold.found import (
    build_update_files,
    build_update_words,
    driver_sources,
    read_text,
    rpms_in,
)

#: What is asked on a terminal: option, question.
_QUESTIONS = (
    ("kind", f"Kind of pack ({', '.join(KINDS)})"),
    ("name", "Name of the package"),
    ("vendor", "Vendor"),
    ("license", "Licence (SPDX)"),
    ("packager", "Packager"),
    ("target", "Release"),
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", nargs="?", default=Path(), help="folder (this one)")
    parser.add_argument("--kind", choices=KINDS, help="kind of pack (by what lies in DIR)")
    parser.add_argument("--name", help="name of the package (that of DIR)")
    parser.add_argument("--vendor", help="your company; needed where nobody can be asked")
    parser.add_argument("--license", help="SPDX expression (MIT, or GPL-2.0-only for drivers)")
    parser.add_argument("--packager", metavar="WHO", help="'Name <mail>', for the changelog")
    parser.add_argument(
        "--target", metavar="T", help=f"release (xenserver-8): {', '.join(profile_names())}, or a TOML file"
    )
    parser.add_argument(
        "--key", default="", metavar="FILE", help="your public key file (a throwaway test key)"
    )
    parser.add_argument("--ddk", default="", metavar="DIR", help="kernel build tree of the release")
    parser.add_argument("--ci", choices=CI, default="none", help="CI that the tree is for (none)")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="Makefile or script that calls build-update"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    folder: Path = args.dir
    answers = _answers(args, folder)
    if problems := answers.problems():
        raise UsageError("; ".join(map(str, problems)))
    answers, values = _template_values(args, folder, answers)
    _write(folder, new_files(answers, values), out)
    out.line("now: scons pack" if folder == Path() else f"now: cd {shlex.quote(str(folder))} && scons pack")
    return 0


COMMAND = Command(
    "new",
    "a first pack that builds at once",
    _arguments,
    _run,
    reports=False,
    examples=(
        "xspack new acme-tools --vendor Acme",
        "xspack new . --kind driver --vendor Acme --ddk /lib/modules/4.19.0+1/build",
    ),
)


def _kind_of(folder: Path, source: Path | None) -> str:
    """The kind that fits what lies in a folder."""
    if source or (folder.is_dir() and build_update_files(folder)):
        return "from-build-update"
    if not folder.is_dir():
        return "userspace"
    return "driver" if driver_sources(folder) else "driver-disk" if rpms_in(folder) else "userspace"


def _answers(args: argparse.Namespace, folder: Path) -> Answers:
    """The answers: options, else what is asked on a terminal, else what is usual."""
    is_asked = sys.stdin.isatty() and sys.stdout.isatty()
    given: dict[str, str] = {}
    for option, question in _QUESTIONS:
        proposed = _usual(option, given, args, folder)
        value = getattr(args, option)
        if value is None and is_asked:
            value = _typed(f"{question}{f' [{proposed}]' if proposed else ''}: ") or None
        given[option] = value or proposed
    if given["kind"] not in KINDS:
        raise UsageError(f"{given['kind']!r} must be one of {', '.join(KINDS)}")
    if not given["vendor"] and given["kind"] != "from-build-update":
        raise UsageError("give --vendor: nobody can be asked here")
    vendor, target = given["vendor"] or "Vendor", given["target"]
    load_profile(target)  # tells of one that there is not
    if args.key and not Path(args.key).is_file():
        raise UsageError(f"--key {args.key}: no such file; name the file of your public key")
    return Answers(
        kind=given["kind"],
        name=given["name"],
        vendor=vendor,
        licence=given["license"],
        packager=given["packager"] or f"{vendor} <builds@{_domain(vendor)}.example>",
        target=os.path.relpath(target, folder) if "/" in target or target.endswith(".toml") else target,
        today=date.today().isoformat(),
        uuid=str(uuid.uuid4()),
        key=os.path.relpath(args.key, folder) if args.key else "",
        ddk=os.path.relpath(args.ddk, folder) if args.ddk and not Path(args.ddk).is_absolute() else args.ddk,
        ci=args.ci,
    )


def _typed(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        raise UsageError("no answer; nothing was written") from None


def _usual(option: str, given: Mapping[str, str], args: argparse.Namespace, folder: Path) -> str:
    """What an answer is where none is given, after those before it."""
    if option == "kind":
        return _kind_of(folder, args.source)
    if option == "name":
        return re.sub(r"[^A-Za-z0-9_.+-]+", "-", folder.resolve().name).strip("-.") or "pack"
    if option == "license":
        return "GPL-2.0-only" if given["kind"] == "driver" else "MIT"
    if option == "packager" and given["vendor"]:
        return f"{given['vendor']} Builds <builds@{_domain(given['vendor'])}.example>"
    return "xenserver-8" if option == "target" else ""


def _domain(vendor: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", vendor.lower()).strip("-") or "vendor"


def _template_values(
    args: argparse.Namespace, folder: Path, answers: Answers
) -> tuple[Answers, Mapping[str, Any]]:
    """What the template of a kind is filled with besides the answers, and the answers as the folder corrects
    them."""
    if answers.kind == "driver":
        return _driver(args, folder, answers)
    if answers.kind == "driver-disk":
        rpms = rpms_in(folder)
        if not rpms:
            raise StepError(f"{folder}: no RPM there; copy the RPMs of the pack into it")
        return answers, {"rpms": [(path.name, file_digest(path)) for path in rpms]}
    if answers.kind == "from-build-update":
        return answers, _from_build_update(args.source, folder)
    return answers, {}


def _driver(args: argparse.Namespace, folder: Path, answers: Answers) -> tuple[Answers, Mapping[str, Any]]:
    if not driver_sources(folder):
        raise StepError(f"{folder}: no Kbuild, Makefile with obj-m or dkms.conf there")
    if not answers.ddk and not kernel_trees():
        raise StepError(
            "no kernel headers here to compile against: apt-get install linux-headers-amd64 (EL: dnf install "
            "kernel-devel), or name the kernel build tree of the release with --ddk DIR"
        )
    dkms = folder / "dkms.conf"
    if dkms.is_file():
        conf = parse_dkms(read_text(dkms), dkms)
        answers = replace(answers, name=args.name or conf.name, version=conf.version)
    return answers, {"source": ".", "dkms": dkms.name if dkms.is_file() else ""}


def _from_build_update(source: Path | None, folder: Path) -> Mapping[str, Any]:
    """The call of build-update, and the RPMs it packs."""
    callers = [source] if source else build_update_files(folder)
    if len(callers) != 1:
        names = ", ".join(path.name for path in callers) or "no file"
        raise UsageError(f"{folder}: {names} calls build-update; name one with --from FILE")
    parser = argparse.ArgumentParser(prog=f"{callers[0]}: build-update", add_help=False)
    build_update.COMMAND.add_to(parser)
    call = parser.parse_args(build_update_words(callers[0]))
    lacking = [str(path) for path in call.rpms if not (folder / path).is_file()]
    if lacking:
        raise StepError(
            f"{callers[0]}: RPM not found: {', '.join(lacking)}; build it first, as the file does"
        )
    if call.key is not None and call.keyfile is None:
        raise StepError(
            f"{callers[0]}: signs with --key and names no --keyfile; add the public key file there"
        )
    values = {
        "file": callers[0].name,
        "label": call.label,
        "version": call.version,
        "uuid": call.uuid,
        "description": call.description,
        "requires": [str(one) for one in build_update.requirements(call.base_requires or "")],
        "after_apply": (call.after_apply or "").split(",") if call.after_apply else [],
        "rollups": [one for one in (call.rollups or "").split(",") if one],
        "precheck": str(call.precheck or ""),
        "remove": str(call.remove or ""),
        "key": "" if call.key is None else str(call.keyfile),  # the user id may come out of a command
        "output": str(call.output or ""),
    }
    return {"call": values, "rpms": [(str(path), file_digest(folder / path)) for path in call.rpms]}


def _write(folder: Path, files: Mapping[str, str], out: Output) -> None:
    """Write the files, none of which may be there with another content, the SConstruct last: where an earlier call was
    killed, this one goes on."""
    there = [path for path, text in files.items() if not _may_write(folder / path, text)]
    if there:
        raise StepError(f"{folder}: {', '.join(there)}: there already; xspack new writes over nothing")
    texts = {folder / path: (text, 0o755 if path.endswith(".sh") else 0o644) for path, text in files.items()}
    write_all(_ignoring(folder / ".gitignore") | texts)
    for place in texts:
        out.line(str(place))


def _may_write(place: Path, text: str) -> bool:
    return not os.path.lexists(place) or (place.is_file() and place.read_bytes() == text.encode())


def _ignoring(place: Path) -> dict[Path, tuple[str, int]]:
    """What has version control pass by what is built."""
    there = place.is_file()
    lines = read_text(place).splitlines() if there else []
    text = "".join(f"{line}\n" for line in [*lines, *(one for one in IGNORED if one not in lines)])
    return {place: (text, place.stat().st_mode & 0o7777 if there else 0o644)}
