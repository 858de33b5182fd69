"""How each source of a driver was compiled, for editors: compile_commands.json with the user's own paths.

Out of what kbuild notes beside each object (``.acme.o.cmd``), as the kernel's gen_compile_commands.py reads it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from xspack_tool.files import write_whole

_NOTED = re.compile(r"^(?:saved)?cmd_(\S+\.o) := +(.+)$", re.M)
#: What kbuild does with an object after it was compiled.
_AFTER = re.compile(r" *(?:;|&&) .*")
_BLANKS, _QUOTES = re.compile("[ \t\r\n]+"), re.compile("[\"'\\\\]")
_LARGEST = 1 << 20


def compile_commands(
    root: Path, tree: Path, sources: Mapping[str, Path], *, place: str = ""
) -> list[dict[str, object]]:
    """An entry for each object that the copy ``root`` of the ``sources`` holds, sorted. kbuild's compiler works in the
    kernel tree. ``place`` is where the copy was when it was compiled, if not in ``root``."""
    commands: list[dict[str, object]] = []
    for path in sorted(root.rglob(".*.o.cmd")):
        with path.open(encoding="utf-8", errors="replace") as file:
            noted = _NOTED.search(file.read(_LARGEST))
        words = _words(_AFTER.sub("", noted[2])) if noted else []
        file_name = words[-1] if words else ""
        if not file_name.endswith((".c", ".S")) or file_name.endswith(".mod.c"):
            continue
        # What is written beside objects is kbuild's own.
        words = [
            _users(word, place or str(root), sources)
            for word in words
            if not word.startswith(("-Wp,-MMD,", "-Wp,-MD,"))
        ]
        commands.append({"directory": str(tree), "file": words[-1], "arguments": words})
    return commands


def _words(command: str) -> list[str]:
    """The words as a shell splits them. shlex looks at each sign by itself, of which a command has thousands: it gets
    the few words that have quotes, and all of it where one of them goes over several."""
    parts = [part for part in _BLANKS.split(command) if part]
    try:
        return [word for part in parts for word in (shlex.split(part) if _QUOTES.search(part) else [part])]
    except ValueError:
        pass
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _users(word: str, root: str, sources: Mapping[str, Path]) -> str:
    """A word with the user's file or folder for that of the copy, where there is one."""
    before, sign, below = word.partition(f"{root}/")
    if not sign:
        return word
    if below in sources:
        return f"{before}{sources[below]}"
    folder = next((name for name in sources if name.startswith(f"{below}/")), "")
    if folder and str(sources[folder]).endswith(f"/{folder}"):
        return before + str(sources[folder]).removesuffix(folder) + below
    return word


def write_compile_commands(target: Path, parts: Iterable[Path]) -> list[Path]:
    """Join what was noted of several drivers, for each source of the first that has it. Returns the notes that are
    damaged; they tell nothing."""
    entries: dict[object, dict[str, object]] = {}
    lost = []
    for part in parts:
        try:
            for entry in json.loads(part.read_text(encoding="utf-8")):
                entries.setdefault(entry["file"], entry)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            lost.append(part)
    if not entries:
        return lost
    text = json.dumps([entries[file] for file in sorted(entries, key=str)], indent=1) + "\n"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        write_whole(target, text)
    return lost
