"""Scriptlets that carry state over from the installation that a host had before.

During an upgrade of the host the installer mounts the previous root read-only and names it in
XS_PREVIOUS_INSTALLATION (vendor guide, "Handling upgrades"; installers before 7.1).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from xspack_tool.errors import Problem
from xspack_tool.model.syntax import check_destination, normal_path

_POST = """\
if [ -n "${{XS_PREVIOUS_INSTALLATION:-}}" ] && [ -d "$XS_PREVIOUS_INSTALLATION" ]; then (
    old=$(cd -P "$XS_PREVIOUS_INSTALLATION" && pwd -P) || exit 0
    carry() {{ # $1: a path; what it was in the old root comes here, what is here now goes beside
        if [ -d "$old$1" ] && [ ! -L "$old$1" ] && [ -d "$1" ] && [ ! -L "$1" ]; then
            for entry in "$old$1"/* "$old$1"/.[!.]* "$old$1"/..?*; do
                [ -e "$entry" ] || [ -L "$entry" ] || continue
                carry "$1/${{entry##*/}}"
            done
            chown "$(stat -c %u:%g "$old$1")" "$1" && chmod "$(stat -c %a "$old$1")" "$1"
            return
        fi
        rm -rf "$1.rpmsave-new"
        if ! cp -a "$old$1" "$1.rpmsave-new"; then
            rm -rf "$1.rpmsave-new"
            return 1
        fi
        if [ -e "$1" ] || [ -L "$1" ]; then
            if [ -L "$1" ] || [ -L "$old$1" ] || ! cmp -s "$old$1" "$1"; then
                mv -f "$1" "$1.rpmnew"
            else
                rm -f "$1"
            fi
        fi
        mv "$1.rpmsave-new" "$1"
    }}
    for path in {paths}; do
        [ -e "$old$path" ] || [ -L "$old$path" ] || continue
        folder=$(cd -P "$old${{path%/*}}" && pwd -P) || continue
        case $folder/ in
            "$old${{path%/*}}/") ;;
            *) echo "{name}: $path of the previous installation lies behind a link: not carried over" >&2
                continue ;;
        esac
        mkdir -p "${{path%/*}}/"
        carry "$path" || echo "{name}: $path of the previous installation could not be carried over" >&2
    done
) || :
fi
"""


def migrate_problems(paths: Sequence[object]) -> list[Problem]:
    """What is wrong with the paths to carry over."""
    return [problem for n, path in enumerate(paths) for problem in check_destination(f"migrate[{n}]", path)]


def migrate_script(paths: Sequence[str], name: str) -> dict[str, str]:
    """The part of post that carries files and folders over with their modes and owners.

    ``name`` is the package's, for messages. A link is carried over as a link; a path that lies behind one is
    refused, so nothing outside the previous root is read. The new default stays beside as ``.rpmnew``.
    """
    if not paths:
        return {}
    quoted = " ".join(shlex.quote(normal_path(path)) for path in paths)
    return {"post": _POST.format(paths=quoted, name=name)}
