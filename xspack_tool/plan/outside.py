"""What lies outside the tree, which findings depend on: the repository of a release, the last release of a pack, and
the devices that a release drives."""

from __future__ import annotations

import collections
import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from SCons.Node import Node

from xspack_tool.errors import BadInput, Problem
from xspack_tool.files import file_digest
from xspack_tool.plan.read_cache import file_sha256, read_cached
from xspack_tool.plan.scons import built_above, built_below, built_problems
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import is_dir

#: The variables that name repositories.
REPOSITORIES = ("XSPACK_BASE_REPO", "XSPACK_BASELINE")


def content_of(env: Any, path: Path | None) -> str:
    """A digest of a list of devices, or of a folder with some, that lies outside the tree; cached."""
    if path is None:
        return ""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    nodes = [env.File(str(file)) for file in files]
    session().checks.append(
        functools.partial(_built_files, "inbox", nodes, "name a list that is there before the build")
    )
    return hashlib.sha256("".join(file_sha256(env, node) for node in nodes).encode()).hexdigest()


def _built_files(field: str, nodes: Sequence[Node], remedy: str) -> list[Problem]:
    """The files of a list of devices, or of a repository, that the build makes: they were read as they were."""
    return [problem for node in nodes for problem in built_problems(field, node, remedy)]


def outside(env: Any, value: str) -> Path | None:
    """The place of a repository that lies outside the tree, if there is one."""
    value = env.subst(value)
    if value.startswith("file:/"):
        value = "/" + value.removeprefix("file:").lstrip("/")
    return Path(env.Dir(".").Entry(value).srcnode().get_abspath()) if value else None


def repository(env: Any, name: str) -> Path | None:
    """The place that a variable names, to be looked at when everything was read."""
    place = outside(env, f"${name}")
    if place is not None:
        session().checks.append(_repository_check(env, name, place))
    return place


def _repository_check(env: Any, name: str, place: Path) -> Callable[[], list[Problem]]:
    """A check, for every build, that a repository that rules compare with is there and can be read: without it they
    would pass what they are for."""

    def check() -> list[Problem]:
        from xspack_tool.releases.packages import PackageSet
        from xspack_tool.releases.trees import read_rpms, repository_root

        def read() -> bool:
            if name == "XSPACK_BASE_REPO":
                PackageSet(place, (), "")
            else:
                collections.deque(read_rpms(place), maxlen=0)
            return True

        try:
            read_cached(env, f"{name} {place}", state_of(place), read)
        except BadInput as error:
            why = error.why
        except OSError as error:
            why = error.strerror or str(error)
        else:
            remedy = (
                "name a folder into which the build puts nothing, or build it before, in a run of its own"
            )
            return _built_files(name, _built_of(env.fs.Entry(str(repository_root(place)))), remedy)
        remedy = f"name a folder, repository or ISO that is there, or leave {name} out"
        return [Problem(name, str(place), f"cannot be read: {why}", remedy)]

    return check


def _built_of(entry: Node) -> list[Node]:
    """What the build makes of a repository, which may lie outside the tree."""
    from xspack_tool.releases.trees import is_repository_file

    top = entry.disambiguate()
    if above := built_above(top):
        return [above]
    return [
        node
        for node in built_below(top)
        if node is top or is_dir(node) or is_repository_file(node.get_path(top))
    ]


def state_of(place: Path | None) -> Any:
    """What tells that a repository outside the tree changed: its index, or what is known of its files from outside.
    Raises OSError where it cannot be read."""
    if place is None:
        return None
    from xspack_tool.releases.trees import repository_files

    return [_file_state(file) for file in repository_files(place)]


def _file_state(file: Path) -> list[Any]:
    if file.name == "repomd.xml":
        return [file_digest(file)]
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns, os.access(file, os.R_OK)]
