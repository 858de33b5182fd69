"""What a driver does to its sources before they are compiled: its own commands, run in the staged copy.

They may write there and nowhere else, and reach no network.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from xspack_tool.ddk.request import (
    ENVIRONMENT,
    KERNEL,
    SOURCES,
    TREE,
    KbuildRequest,
    usual_variables,
)
from xspack_tool.errors import Problem, StepError
from xspack_tool.run import BUILDING, missing_program, run

#: The folder in the copy of scripts that lie elsewhere.
SCRIPTS = ".xspack"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def words_of(command: str) -> tuple[str, ...] | Problem:
    """The words of a command as the user writes it, in which $KVER, $KDIR and the other usual names, and $PWD, stand
    for the kit's kernel, its tree and the sources."""
    meanings = {**usual_variables(KERNEL, TREE), "PWD": SOURCES}
    try:
        words = shlex.split(command)
    except ValueError as error:
        return Problem("prepare", command, f"no command: {error}", "close what is quoted")
    if not words:
        return Problem("prepare", command, "no command", "name a script, or a command of the sources")
    for word in words:
        for variable in _VARIABLE.finditer(word):
            if (variable[1] or variable[2]) not in meanings:
                rule = f"{variable[0]} is not a variable of a kit"
                return Problem("prepare", command, rule, "use $KVER, $KDIR or $PWD, or write a script")
    return tuple(_VARIABLE.sub(lambda variable: meanings[variable[1] or variable[2]], word) for word in words)


def prepare_sources(
    request: KbuildRequest, root: Path, work: Path, *, tree: Path, kernel: str, path: str, lock: int
) -> str:
    """Run the commands at the top of the copy ``root``; what they said. ``work`` is a folder for temporary files.
    Raises StepError with a command's own words."""
    if request.prepare and (lacking := missing_program("bwrap")):
        raise StepError(f"preparing the sources: {lacking}")
    work.mkdir(parents=True, exist_ok=True)
    meanings = {SOURCES: str(root), TREE: str(tree), KERNEL: kernel}
    env = {
        **ENVIRONMENT,
        **usual_variables(kernel, str(tree)),
        "PATH": path,
        "PWD": str(root),
        "TMPDIR": str(work),
        "HOME": str(work),
    }
    sandbox = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-net"]
    sandbox += ["--bind", str(root), str(root), "--bind", str(work), str(work), "--die-with-parent", "--"]
    said = []
    for command in request.prepare:
        words = [_meant(word, meanings) for word in command]
        script = root / words[0]
        # A file that nobody marked as a program is one for the shell.
        call = ["sh", *words] if script.is_file() and not script.stat().st_mode & 0o100 else words
        done = run([*sandbox, *call], cwd=root, env=env, timeout=BUILDING, check=False, pass_fds=[lock])
        if done.status:
            lines = (done.err.strip() or done.out.strip()).splitlines()[-20:]
            last = "\n    ".join(line.replace(f"{root}/", "") for line in lines)
            head = f"preparing the sources: {words[0]} ended with status {done.status}"
            raise StepError(f"{head}\n    {last}\n  command: {shlex.join(words)}")
        said.append(done.out + done.err)
    return "\n".join(said)


def _meant(word: str, meanings: dict[str, str]) -> str:
    for text, meaning in meanings.items():
        word = word.replace(text, meaning)
    return word


def prepare_lines(request: KbuildRequest, quote: Sequence[str]) -> str:
    """The same as shell in a spec; ``quote`` are the commands, quoted for it. Where there is no bubblewrap, a kit
    refuses, unless it is enclosed itself (XSPACK_JOB); a rebuild of the source RPM by hand prints a warning."""
    if not quote:
        return ""
    exports = "".join(
        f"export {name}={value}\n" for name, value in usual_variables('"$kernel"', '"$tree"').items()
    )
    return f"{_FUNCTION}(\n{exports}" + "".join(f"prepare {command}\n" for command in quote) + ")\n"


_FUNCTION = """\
prepare() {
    name=$1
    if test -f "$1" && ! test -x "$1"; then set -- sh "$@"; fi
    if bwrap --ro-bind / / true 2>/dev/null; then
        set -- bwrap --ro-bind / / --dev /dev --proc /proc --unshare-net --bind "$sources" "$sources" \\
            --bind "${TMPDIR:-/tmp}" "${TMPDIR:-/tmp}" --die-with-parent -- "$@"
    elif test -z "${XSPACK_JOB:-}"; then
        said="$name is not kept from writing elsewhere: bubblewrap is not installed, or may not run"
        %{?xspack_made:echo "preparing the sources: error: $said; there: dnf install bubblewrap" >&2; exit 1}
        echo "preparing the sources: warning: $said" >&2
    fi
    "$@" || { echo "preparing the sources: error: $name ended with status $?" >&2; exit 1; }
}
"""
