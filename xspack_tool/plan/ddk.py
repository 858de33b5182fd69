"""Kits: what kernel modules are compiled with, as an environment or a declaration names them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import SCons.Script
from msgspec import Struct, field
from msgspec.structs import asdict, replace
from SCons.Node import Node
from SCons.Util import flatten

from xspack_tool.ddk.compiler import default_command, find_compiler
from xspack_tool.ddk.enclosed import ImageDdk, RootDdk
from xspack_tool.ddk.grid import GridDdk
from xspack_tool.ddk.inbox import inbox_files, named_inbox
from xspack_tool.ddk.remote import Reached, RemoteFacts, fetch_symvers, known_facts, read_facts
from xspack_tool.ddk.request import Compiler
from xspack_tool.ddk.ssh import RemoteDdk
from xspack_tool.ddk.tree import AUTOCONF, COMPILE, SYMVERS, UTSRELEASE, KernelTree, read_tree
from xspack_tool.errors import BadInput, Problem, StepError
from xspack_tool.files import whole
from xspack_tool.plan.profile import profile_of, release_name, release_problems
from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.scons import built_problems
from xspack_tool.plan.session import once_a_run, session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.sources import built_tree
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.releases.local import kernel_trees

_read = once_a_run(read_tree)
#: What depmod and the kernel's own build leave of the devices that a release drives.
_INBOX_LISTS = ("modules.alias", "modules.pcimap")
#: A kit on another machine is asked again what it is after so many seconds.
ASK_AGAIN = 24 * 3600
#: The keywords that say where a kit is, if its tree is not a folder here.
ELSEWHERE = ("host", "root", "image", "grid")


class Unasked(Problem, frozen=True):
    """A machine that was never asked what kit it is, in a run that does not ask: one that removes or helps."""


class Ddk(Struct, frozen=True):
    """A kit as the user names it: a kernel build tree here, or a machine (``host``), a folder (``root``), an image or
    the workers of a ``grid`` that have one.

    ``release`` is the profile that its modules are for, ``inbox`` a modules.alias or modules.pcimap of that
    release. Paths are absolute; ``tree`` of the others is a path there, or empty for the one it has.
    """

    tree: str = ""
    host: str = ""
    port: int | None = None
    identity: str = ""
    known_hosts: str = ""
    root: str = ""
    image: str = ""
    grid: str = ""
    platform: Mapping[str, str] = field(default_factory=dict)
    deadline: int | None = None
    jobs: int | None = None
    release: str = ""
    inbox: str = ""


class Kit(Struct, frozen=True):
    """A kit as it was found: its kernel (`uname -r`) and architecture, and where its tree is."""

    kernel: str
    arch: str
    release: str = ""
    inbox: str = ""
    tree: KernelTree | None = None
    remote: Reached | None = None
    facts: RemoteFacts | None = None
    #: Where a machine's facts are cached.
    cache_file: Path = Path()

    @property
    def name(self) -> str:
        """What tells it from the others of a matrix: its release by name, else its kernel."""
        return Path(self.release).stem if "/" in self.release else self.release or self.kernel

    @property
    def signature(self) -> dict[str, str]:
        """What RPMs that a machine builds depend on; not where it is, nor where its tree lies there."""
        return (
            {name: value for name, value in asdict(self.facts).items() if name != "tree"}
            if self.facts
            else {}
        )

    def for_env(self, env: Any) -> Any:
        """The environment in which a driver for this kit is declared: with the kit's release as target."""
        return env.Override({"XSPACK_TARGET": self.release}) if self.release else env


def ddk_problems(env: Any, ddk: Ddk) -> list[Problem]:
    """What is wrong with the kit as the user wrote it, before it is looked for."""
    problems = []
    elsewhere = {name: value for name in ELSEWHERE if (value := getattr(ddk, name))}
    if not ddk.tree and not elsewhere:
        rule = "a kit must be a kernel build tree here, or a machine, a root folder, an image or a grid that has one"
        problems.append(
            Problem("tree", ddk.tree, rule, 'write env.Ddk("/usr/src/..") or env.Ddk(host="root@kit")')
        )
    if len(elsewhere) > 1:
        rule = f"a kit must be one of {', '.join(f'{name}=' for name in ELSEWHERE)}"
        problems.append(
            Problem(list(elsewhere)[1], list(elsewhere.values())[1], rule, "leave the others out")
        )
    for name in ("host", "image", "grid", "release", "inbox"):
        if not isinstance(getattr(ddk, name), str):
            problems.append(Problem(name, getattr(ddk, name), f"{name} must be a text", "write it so"))
    for name in ("platform", "deadline"):
        if getattr(ddk, name) and not ddk.grid:
            problems.append(
                Problem(
                    name, getattr(ddk, name), f"{name}= is for a grid alone", "leave it out, or name grid="
                )
            )
    if not problems and ddk.release:
        problems += release_problems(env, "release", ddk.release)
    return problems


def ddk_paths(env: Any, ddk: Ddk) -> Ddk:
    """The kit with its paths made absolute; relative ones are those of the SConscript being read."""

    def absolute(value: Any) -> str:
        node = env.fs.Entry(os.path.expanduser(env.subst(value))) if isinstance(value, str) else value
        return str(node.srcnode().get_abspath())

    is_here = not any(getattr(ddk, name) for name in ELSEWHERE)
    names = ["identity", "known_hosts", "root", "inbox", *(["tree"] if is_here else [])]
    paths: dict[str, Any] = {name: absolute(value) for name in names if (value := getattr(ddk, name))}
    return replace(ddk, **paths, release=release_name(env, ddk.release))


def kits_of(env: Any, value: Any = None) -> list[Kit | Problem]:
    """The kits that ``value`` (of ddk=), else XSPACK_DDK, names; empty where neither is given."""
    field = "ddk" if value else "XSPACK_DDK"
    named = value or env.get("XSPACK_DDK") or []
    return [_kit(env, field, one) for one in flatten([named])]


def kit_folders(kits: list[Kit]) -> list[tuple[Kit, str]] | Problem:
    """Several kits, each with the folder below rpms/ that tells its RPMs from those of the others."""
    names = [kit.name for kit in kits]
    if len(set(names)) < len(names):
        names = [f"{kit.name}-{kit.kernel}" if kit.release else kit.kernel for kit in kits]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        rule = f"two kits for {twice[0]}"
        return Problem("ddk", twice[0], rule, "say which release each is for: env.Ddk(.., release=..)")
    return list(zip(kits, names, strict=True))


def kit_of(env: Any) -> Kit | Problem | None:
    """The kit of XSPACK_DDK."""
    found = kits_of(env)
    return found[0] if found else None


def _kit(env: Any, field: str, named: Any) -> Kit | Problem:
    if not isinstance(named, Ddk):
        named = ddk_paths(env, Ddk(named))
    if named.inbox and (wrong := _inbox_problem(env, Path(named.inbox))):
        return wrong
    if any(getattr(named, name) for name in ELSEWHERE):
        return _remote(env, named)
    tree = _read(field, named.tree)
    if isinstance(tree, Problem):
        return tree
    session().checks.append(partial(_built_tree, env, field, tree.path))
    return Kit(tree.kernel, tree.arch, named.release, named.inbox, tree)


def _built_tree(env: Any, field: str, tree: Path) -> list[Problem]:
    """The files of a kernel build tree that the build makes: they were read already, as they were."""
    remedy = "build the kernel before, in a run of its own"
    nodes = [env.File(str(tree / name)) for name in (UTSRELEASE, AUTOCONF, SYMVERS, COMPILE)]
    return [problem for node in nodes for problem in built_problems(field, node, remedy)]


def _built_root(env: Any, root: str) -> list[Problem]:
    """The folder of a kit that the build makes: it was asked what it is already."""
    if built_tree(env, env.Dir(root), is_awaited=False) is None:
        return []
    rule, remedy = "it is asked what it is while the SConstruct is read, and is built later", "make it before"
    return [Problem("root", root, rule, f"{remedy}, in a run of its own")]


def _inbox_problem(env: Any, path: Path) -> Problem | None:
    """What is wrong with a list of devices that was named, looked at in every build: without it no driver would be
    found to be one that the release has."""

    def read() -> bool:
        named_inbox(path)
        return True

    try:
        files = inbox_files(path)
        state = [[*file_state(file), os.access(file, os.R_OK)] for file in files]
        read_cached(env, f"inbox {path}", state, read)
    except FileNotFoundError:
        rule = "list of devices not found"
    except BadInput as error:
        rule = error.why
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
    else:
        return None
    return Problem("inbox", str(path), rule, "name a modules.alias, or a folder with modules")


def _remote(env: Any, named: Ddk) -> Kit | Problem:
    remote = _reached(named)
    if problems := remote.problems():
        return problems[0]
    place = out_path(env, ".xspack", f"kit-{hashlib.sha256(remote.key.encode()).hexdigest()[:16]}.json")
    cache_file = Path(env.File(place).get_abspath())
    facts = _ask(remote, cache_file)
    if isinstance(facts, Problem):
        return facts
    if named.host:
        session().need("ssh", "building on another machine")
    if named.root:
        session().checks.append(partial(_built_root, env, named.root))
    return Kit(
        facts.kernel,
        facts.arch,
        named.release,
        named.inbox,
        remote=remote,
        facts=facts,
        cache_file=cache_file,
    )


def _reached(named: Ddk) -> Reached:
    jobs = 1 if named.jobs is None else named.jobs
    if named.root:
        return RootDdk(Path(named.root), named.tree, jobs)
    if named.image:
        return ImageDdk(named.image, named.tree, jobs)
    if named.grid:
        platform = tuple(sorted((str(name), str(value)) for name, value in named.platform.items()))
        # Without a number, SCons's own is the limit: a grid has queues.
        jobs = 1000 if named.jobs is None else named.jobs
        deadline = {} if named.deadline is None else {"deadline": named.deadline}
        return GridDdk(named.grid, platform, named.tree, jobs, **deadline)
    files = {name: Path(getattr(named, name)) for name in ("identity", "known_hosts") if getattr(named, name)}
    return RemoteDdk(named.host, named.port, tree=named.tree, jobs=jobs, **files)


@once_a_run
def _ask(remote: Reached, cache_file: Path) -> RemoteFacts | Problem:
    """The facts of a machine, cached. Each build there compares them once more before it begins, so that
    what is cached may be old; a machine that cannot be reached is taken as it was."""
    if any(map(SCons.Script.GetOption, ("clean", "help"))):
        if not (facts := known_facts(remote, cache_file)):
            print(f"xspack: {remote.name} was never asked what kit it is: its drivers are left out")
        return facts or Unasked(remote.field, remote.name, "it was never asked what kit it is", "build first")
    try:
        known = read_facts(remote, cache_file)
    except StepError as error:
        # Without the command, which is no part of one line of an error.
        said = [line.strip() for line in str(error).splitlines()[:2]]
        return Problem(remote.field, remote.name, ": ".join(said), "then build again")
    if time.time() - cache_file.stat().st_mtime < ASK_AGAIN:
        return known
    try:
        with whole(cache_file) as fresh:
            facts = read_facts(remote, fresh)
    except StepError:
        os.utime(cache_file)
        return known
    return facts


def installed_trees() -> list[str]:
    """The kernel build trees that this machine has, the newest kernel's last."""
    return list(kernel_trees().values())


def kernel_of(env: Any) -> str:
    """The kernel (`uname -r`) that an environment's packages are for: of its kit, else of its profile."""
    kit = kit_of(env)
    if isinstance(kit, Kit):
        return kit.kernel
    kernels = profile_of(env).kernels
    return kernels[0] if kernels else ""


def inbox_of(kit: Kit | None) -> Path | None:
    """The list of what the kit's release drives itself: the one that was named, else what the kernel's package
    or its build tree has on this machine."""
    if kit is None:
        return None
    if kit.inbox:
        return Path(kit.inbox)
    folders = [Path("/lib/modules", kit.kernel), *([kit.tree.path] if kit.tree else [])]
    found = (folder / name for folder in folders for name in _INBOX_LISTS)
    return next((path for path in found if path.is_file() and path.stat().st_size), None)


class FetchSymvers(Step, frozen=True):
    """The Module.symvers of a kit's kernel on another machine."""

    label: ClassVar[str] = "Fetch"
    unkeyed: ClassVar[tuple[str, ...]] = ("remote", "facts", "cache_file")

    kit: str
    remote: Reached
    facts: RemoteFacts
    cache_file: Path

    def run(self, inputs: Named, outputs: Named) -> None:
        fetch_symvers(self.remote, self.facts, outputs.symvers, cache_file=self.cache_file)


def fetched_symvers(env: Any, kit: Kit) -> Node | None:
    """The Module.symvers of a kit's kernel on another machine, fetched once for each state of the kit. None for a
    kit here."""
    if kit.remote is None or kit.facts is None:
        return None
    node: Node = env.File(str(kit.cache_file.with_suffix(".symvers")))
    if not node.has_builder():
        step = FetchSymvers(kit.facts.digest, remote=kit.remote, facts=kit.facts, cache_file=kit.cache_file)
        add_step(env, step, inputs={}, outputs={"symvers": node})
    return node


def compiler_of(env: Any, tree: KernelTree, variables: Mapping[str, str], prefix: str) -> Compiler | Problem:
    """The compiler for modules of ``tree``; asked for its version again only when its file changes."""
    command = variables.get("CC") or default_command(tree, variables)
    file = shutil.which(command.split(" ")[0])
    status = os.stat(file) if file else None
    state = [file, status.st_size, status.st_mtime_ns] if status else None
    key = f"compiler {command} {prefix} {sorted(variables.items())}"
    try:
        fields = read_cached(env, key, state, lambda: asdict(find_compiler(tree, variables, prefix)))
    except StepError as error:
        return Problem("ddk", str(tree.path), str(error), "then build again")
    return Compiler(**fields)
