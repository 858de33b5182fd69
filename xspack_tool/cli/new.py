"""``xspack new``: a first pack that builds at once."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
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
from xspack_tool.errors import DeclarationError, StepError
from xspack_tool.files import file_digest, write_all
from xspack_tool.releases import load_profile, profile_names
from xspack_tool.releases.local import kernel_trees
from xspack_tool.scaffold.answers import CI, KINDS, Answers, in_ascii, problems_of
from xspack_tool.scaffold.files import IGNORED, new_files
from xspack_tool.scaffold.found import (
    build_update_files,
    build_update_words,
    driver_sources,
    read_text,
    rpms_in,
)
from xspack_tool.scaffold.install import installed_from, origin

#: What is asked on a terminal: option, question.
_QUESTIONS = (
    ("kind", f"Kind of pack ({', '.join(KINDS)})"),
    ("name", "Name of the package"),
    ("vendor", "Vendor"),
    ("license", "Licence (SPDX)"),
    ("packager", "Packager"),
    ("target", "Release"),
    ("ddk", "Kernel build tree of the release (this machine's headers)"),
    ("key", "Your public key file (a throwaway test key)"),
    ("ci", f"CI ({', '.join(CI)})"),
)

_NO_HEADERS = (
    "no kernel headers here to compile against: apt-get install linux-headers-amd64 (EL: dnf install kernel-devel), "
    "or name the kernel build tree of the release with --ddk DIR"
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
    parser.add_argument("--key", metavar="FILE", help="your public key file (a throwaway test key)")
    parser.add_argument("--ddk", metavar="DIR", help="kernel build tree of the release")
    parser.add_argument("--ci", choices=CI, help="CI that the tree is for (none)")
    parser.add_argument(
        "--ci-install",
        default="",
        metavar="WHAT",
        help="what pip installs there (where this xspack came from)",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="Makefile or script that calls build-update"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    folder: Path = args.dir
    answers = _answers(args, folder, out)
    if problems := answers.problems():
        raise UsageError("; ".join(map(str, problems)))
    answers, values = _template_values(args, folder, answers)
    _write(folder, new_files(answers, values), out)
    if answers.ci != "none" and answers.xspack.endswith(".whl") and "://" not in answers.xspack:
        out.line(
            f"for {answers.ci}: python3 -m pip wheel --no-deps -w {shlex.quote(str(folder / 'tools'))} {origin()}"
        )
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    out.line(f"now: {there}{_scons()} pack")
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


def _scons() -> str:
    """How a shell here calls the SCons that has xspack; the first one on the PATH may be another."""
    own, first = Path(sys.executable).with_name("scons"), shutil.which("scons")
    is_first = first is not None and own.exists() and os.path.samefile(first, own)
    return "scons" if is_first or not own.exists() else shlex.quote(str(own))


def _kind_of(folder: Path, source: Path | None) -> str:
    """The kind that fits what lies in a folder."""
    if source or (folder.is_dir() and build_update_files(folder)):
        return "from-build-update"
    if not folder.is_dir():
        return "userspace"
    return "driver" if driver_sources(folder) else "driver-disk" if rpms_in(folder) else "userspace"


def _answers(args: argparse.Namespace, folder: Path, out: Output) -> Answers:
    """The answers: options, else what is asked on a terminal, else what is usual."""
    is_asked = sys.stdin.isatty() and sys.stdout.isatty()
    given: dict[str, str] = {}
    if is_asked and any(getattr(args, option) is None for option, _ in _QUESTIONS):
        out.line("Enter takes what is in brackets; nothing is written before the last answer.")
    for option, question in _QUESTIONS:
        proposed = _usual(option, given, args, folder)
        value = getattr(args, option)
        if value is None and is_asked and not (option == "ddk" and given["kind"] != "driver"):
            given[option] = _asked(option, question, proposed, folder, out)
        else:
            given[option] = value or proposed
    if given["kind"] not in KINDS:
        raise UsageError(f"{given['kind']!r} must be one of {', '.join(KINDS)}")
    if not given["vendor"] and given["kind"] != "from-build-update":
        raise UsageError("give --vendor: nobody can be asked here")
    vendor, target, key, ddk = given["vendor"] or "Vendor", given["target"], given["key"], given["ddk"]
    load_profile(target)  # tells of one that there is not
    if key and not Path(key).is_file():
        raise UsageError(_no_key(key))
    return Answers(
        kind=given["kind"],
        name=given["name"],
        vendor=vendor,
        licence=given["license"],
        packager=given["packager"] or f"{vendor} <builds@{_domain(vendor)}.example>",
        target=os.path.relpath(target, folder) if "/" in target or target.endswith(".toml") else target,
        today=date.today().isoformat(),
        uuid=str(uuid.uuid4()),
        key=os.path.relpath(key, folder) if key else "",
        ddk=os.path.relpath(ddk, folder) if ddk and not Path(ddk).is_absolute() else ddk,
        ci=given["ci"],
        xspack=args.ci_install or installed_from(),
    )


def _asked(option: str, question: str, proposed: str, folder: Path, out: Output) -> str:
    """What is typed, once nothing is wrong with it."""
    while True:
        value = _typed(f"{question}{f' [{proposed}]' if proposed else ''}: ") or proposed
        why = _wrong(option, value, folder)
        if not why:
            return value
        out.line(f"  {why}", "red")


def _wrong(option: str, value: str, folder: Path) -> str:
    """Why an answer cannot be right; empty where it can."""
    if option in ("kind", "ci"):
        known = KINDS if option == "kind" else CI
        if value not in known:
            return f"{value!r} must be one of {', '.join(known)}"
        return _lacking(value, folder) if option == "kind" else ""
    if option == "key":
        return _no_key(value) if value and not Path(value).is_file() else ""
    if option == "ddk":
        return "" if value or kernel_trees() else _NO_HEADERS
    if option == "target":
        try:
            load_profile(value)
        except DeclarationError as error:
            return "; ".join(map(str, error.problems))
        return ""
    return "; ".join(map(str, problems_of(option, value)))


def _no_key(key: str) -> str:
    return f"--key {key}: no such file; name the file of your public key"


def _lacking(kind: str, folder: Path) -> str:
    """What a kind needs and a folder has not."""
    if kind == "driver" and not driver_sources(folder):
        return f"{folder}: no Kbuild, Makefile with obj-m or dkms.conf there"
    if kind == "driver-disk" and not rpms_in(folder):
        return f"{folder}: no RPM there; copy the RPMs of the pack into it"
    return ""


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
    return {"target": "xenserver-8", "ci": "none"}.get(option, "")


def _domain(vendor: str) -> str:
    return in_ascii(vendor).lower() or "vendor"


def _template_values(
    args: argparse.Namespace, folder: Path, answers: Answers
) -> tuple[Answers, Mapping[str, Any]]:
    """What the template of a kind is filled with besides the answers, and the answers as the folder corrects
    them."""
    if lacking := _lacking(answers.kind, folder):
        raise StepError(lacking)
    if answers.kind == "driver":
        return _driver(args, folder, answers)
    if answers.kind == "driver-disk":
        return answers, {"rpms": [(path.name, file_digest(path)) for path in rpms_in(folder)]}
    if answers.kind == "from-build-update":
        return answers, _from_build_update(args.source, folder)
    return answers, {}


def _driver(args: argparse.Namespace, folder: Path, answers: Answers) -> tuple[Answers, Mapping[str, Any]]:
    if not answers.ddk and not kernel_trees():
        raise StepError(_NO_HEADERS)
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
