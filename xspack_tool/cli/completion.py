"""``xspack completion``: completion of commands and options for shells."""

from __future__ import annotations

import argparse

from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.output import Output

SHELLS = ("bash", "zsh", "tcsh", "fish")
#: What `scons -h` says of the aliases is offered: it is asked anew each time, with the folder and the SConstruct that
#: the line names. bash takes : for the end of a word, so that what stands before it is taken off what is offered.
SCONS = r"""_xspack_scons() {
    local line=${COMP_LINE:0:COMP_POINT} options=() word last=
    local current=${line##*[[:space:]]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $last in -C | -f) options+=("$last" "$word") ;; esac
        case $word in -D | -u | -U) options+=("$word") ;; esac
        last=$word
    done
    case $current in -* | */*) return ;; esac
    COMPREPLY=($(compgen -W "$("$1" -Q "${options[@]}" -h 2>/dev/null </dev/null |
        sed -n 's/^  scons \([^ ]*\).*/\1/p')" -- "$current"))
    [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${current%:*}":}")
}
complete -o bashdefault -o default -F _xspack_scons scons
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads it")
    parser.add_argument(
        "--scons",
        action="store_true",
        help="of the aliases of packs behind `scons`: pack, pack:<label>, check, check:<label> (bash)",
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    if args.scons:
        if args.shell != "bash":
            raise UsageError(
                "--scons is for bash; zsh reads the same after: autoload -U bashcompinit && bashcompinit"
            )
        out.text(SCONS)
        return 0
    import shtab

    from xspack_tool.cli import make_parser

    out.text(shtab.complete(make_parser(), args.shell))
    return 0


COMMAND = Command(
    "completion",
    "completion for a shell",
    _arguments,
    _run,
    reports=False,
    examples=("xspack completion bash > /etc/bash_completion.d/xspack", "xspack completion bash --scons"),
)
