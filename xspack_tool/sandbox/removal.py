"""Taking a pack off a chroot: by its own remove script, else in the order that such a script keeps."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.model.syntax import NAME
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.run import Done, end_programs
from xspack_tool.sandbox.dnf import Dnf, Outcome
from xspack_tool.sandbox.root import SandboxRoot

#: Where the script finds its rpm, yum and dnf, which ask outside of the root and print the answer. The scriptlets
#: of what is erased meanwhile do not find them there: nobody would answer.
_PIPES = "var/log/xspack-pipes"
_STUB = f"""\
#!/bin/busybox sh
set -f
echo "${{0##*/}}" $* >/{_PIPES}/requests
read -r status words </{_PIPES}/replies
[ -z "$words" ] || echo "$words"
exit "$status"
"""
_QUERIES = frozenset({"-q", "--query"})
_ERASES = frozenset({"-e", "-ev", "-evh", "--erase", "erase", "remove", "autoremove"})
_KNOWN = ("remove NAME alone", "-q NAME and -e NAME alone")
_LONGEST = 4096


def remove_pack(dnf: Dnf, pack: ParsedPack) -> Outcome:
    """Take the pack off. Its ``complaints`` tell how that was done as well."""
    script = pack.script("remove")
    if script is None or not (dnf.root.path / script.path.lstrip("/")).is_file():
        return _in_order(dnf, pack)
    text = pack.texts.get(script.path, "")
    if lacking := dnf.root.lacks_interpreter(text):
        said = f"remove was not run: the chroot has no {lacking}"
        return _together([_in_order(dnf, pack)], [said])
    notes = ["remove ran; what it told rpm, yum or dnf to erase was erased"]
    if re.search(r"\bxe\b", text):
        notes.append("there is no xapi: xe was a stub, which names this one host and does nothing else")
    return _by_script(dnf, pack, script, notes)


def _in_order(dnf: Dnf, pack: ParsedPack) -> Outcome:
    """``update-<label>`` first, then the payload, last the control package."""
    update, payload, control = _names(pack)
    return _together([dnf.remove(*names) for names in (update, payload, control) if names])


def _by_script(dnf: Dnf, pack: ParsedPack, script: PayloadFile, notes: list[str]) -> Outcome:
    """Run the script, and do outside of the root what it asks rpm, yum and dnf for."""
    erased: list[Outcome] = []
    requests, replies = _open_pipes(dnf.root)
    try:
        with ThreadPoolExecutor(1) as pool:
            path = f"PATH=/{_PIPES}:/usr/sbin:/usr/bin:/sbin:/bin"
            running = pool.submit(dnf.root.run, "/bin/busybox", "env", path, script.path)
            try:
                _serve(dnf, running, requests, replies, erased)
            except BaseException:
                end_programs()  # the pool waits for the script
                raise
    finally:
        os.close(requests)
        os.close(replies)
    done = running.result()
    wrong = []
    if done.status:
        wrong = [f"remove ended with status {done.status}", *(done.out + done.err).splitlines()[:10]]
    left = [name for names in _names(pack) for name in names if dnf.rpm("-q", name).status == 0]
    if left:
        wrong.append(f"remove left installed: {', '.join(left)}")
    merged = _together(erased, [*wrong, *notes])
    return Outcome(merged.good and not wrong, merged.steps, merged.complaints, merged.words)


def _names(pack: ParsedPack) -> tuple[list[str], list[str], list[str]]:
    """The names of its update package, of the payload, and of the control package if there is one."""
    document = pack.document
    assert document is not None  # without one nothing was applied
    payload = [rpm.info.name for rpm in pack.payload if rpm.info and not rpm.info.is_source]
    return [f"update-{document.label}"], payload, [document.control] if document.control else []


def _together(outcomes: Iterable[Outcome], notes: Iterable[str] = ()) -> Outcome:
    every = list(outcomes)
    return Outcome(
        all(found.good for found in every),
        tuple(step for found in every for step in found.steps),
        (*notes, *(line for found in every for line in found.complaints)),
        "",
    )


def _open_pipes(root: SandboxRoot) -> tuple[int, int]:
    """Descriptors of the pipes: requests, and replies."""
    folder: Path = root.path / _PIPES
    folder.mkdir()
    for name in ("rpm", "yum", "dnf"):
        (folder / name).write_text(_STUB)
        (folder / name).chmod(0o755)
    for name in ("requests", "replies"):
        os.mkfifo(folder / name)
    # For both directions: neither end waits for the other to be opened.
    return os.open(folder / "requests", os.O_RDWR), os.open(folder / "replies", os.O_RDWR | os.O_NONBLOCK)


def _serve(dnf: Dnf, running: Future[Done], requests: int, replies: int, erased: list[Outcome]) -> None:
    """Answer until the script has ended."""
    held = b""
    while not running.done():
        if select.select([requests], [], [], 0.05)[0]:
            *lines, held = (held + os.read(requests, _LONGEST))[-_LONGEST:].split(b"\n")
            for line in lines:
                status, words = _answer(dnf, line.decode("utf-8", "replace").split(), erased)
                with suppress(BlockingIOError):  # a script that asks and never listens
                    os.write(replies, f"{status} {' '.join(words.split())[:500]}\n".encode())


def _answer(dnf: Dnf, request: list[str], erased: list[Outcome]) -> tuple[int, str]:
    """Status and words of rpm, yum or dnf, to which only names of packages go; what was erased is put to ``erased``."""
    program, words = request[0] if request else "rpm", request[1:]
    names = [word for word in words if not word.startswith("-") and word not in _ERASES]
    known = bool(names) and all(map(NAME.fullmatch, names))
    if known and program == "rpm" and not _QUERIES.isdisjoint(words):
        answer = dnf.rpm("-q", *names)
        return answer.status, answer.out
    if not known or _ERASES.isdisjoint(words):
        return 1, f"xspack's {program} knows {_KNOWN[program == 'rpm']}, not: {' '.join(words)}"
    if program == "rpm" and "--nodeps" not in words:
        refused = dnf.rpm("-e", "--test", *names)
        if refused.status:
            lines = refused.err.splitlines()
            return 1, " ".join(line for line in lines if not line.startswith("rpm: "))  # Debian's warning
    erased.append(dnf.remove(*names))
    return (0, "") if erased[-1].good else (1, " ".join(erased[-1].complaints))
