"""Compile a driver's modules against a kernel build tree."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.ddk.compile_commands import compile_commands
from xspack_tool.ddk.compiler import check_programs, find_compiler
from xspack_tool.ddk.module_key import ModuleKey
from xspack_tool.ddk.modules import Outputs, finish_modules, own_symvers
from xspack_tool.ddk.prepare import prepare_sources
from xspack_tool.ddk.request import (
    ENVIRONMENT,
    ONE_PATH,
    OWN_MAKEFILES,
    Compiler,
    KbuildPlace,
    KbuildRequest,
    kbuild_arguments,
    module_name,
    own_arguments,
)
from xspack_tool.ddk.staging import Staged, driver_sources, locked, staged_copy
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.ddk.uname import path_with_uname
from xspack_tool.errors import StepError, system_words
from xspack_tool.files import write_whole
from xspack_tool.model.canonical import canonical
from xspack_tool.run import BUILDING, Work, missing_program, plain_work_folder, run

#: Part of the key of a staged copy: raised when this room works differently in it.
_SCHEMA = 3
#: In the work folder: how each source was compiled.
COMMANDS = "compile_commands.json"
#: The signs of a path that neither make, nor kbuild, nor a shell takes for anything else.
_MAKES_OWN = re.compile(r"[\w./+@~-]*")
_ERROR = re.compile(
    r"\berror\b|\*\*\*|\bundefined\b|No such file|No rule|not found|cannot|Permission denied", re.I
)


class BuildResult(Struct, frozen=True):
    """What kbuild made. ``modules`` are paths in the tar; ``compiled`` the objects that were compiled this
    time, relative to the sources; ``log`` is all that kbuild said, with the user's own paths."""

    modules: tuple[str, ...]
    compiled: tuple[str, ...]
    log: str


def build_modules(  # noqa: PLR0913  # by keywords of the declaration
    tree: KernelTree,
    sources: Mapping[str, Path],
    work_dir: Path,
    outputs: Outputs,
    *,
    request: KbuildRequest | None = None,
    extra_symbols: Sequence[Path] = (),
    jobs: int = 1,
    compiler: Compiler | None = None,
    sign_key: ModuleKey | None = None,
    expected: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
) -> BuildResult:
    """Compile the driver whose ``sources`` are given by their relative names, in a copy kept in ``work_dir``;
    what an earlier build left among them is not taken. ``links`` are the symbolic links among them. ``compiler`` is
    what :func:`find_compiler` said, where it was asked before.

    The modules lie in the tar as kbuild's modules_install would place them below INSTALL_MOD_DIR: relative
    to their kbuild folder, sub-folders kept unless the request is flat. ``expected`` are names of modules that must
    result, such as those of a dkms.conf. Raises StepError with kbuild's own error lines; no output is left then.
    """
    request = request or KbuildRequest()
    compiler = compiler or find_compiler(tree, request.make_variables)
    check_programs(tree, compiler.command, compiler.prefix)
    with _work_place(work_dir, compiler.prefix) as place:
        result, noted = _build(
            tree,
            sources,
            place,
            outputs,
            request,
            extra_symbols=extra_symbols,
            jobs=jobs,
            compiler=compiler,
            sign_key=sign_key,
            expected=expected,
            links=links or {},
        )
    work_dir.mkdir(parents=True, exist_ok=True)
    write_whole(work_dir / COMMANDS, json.dumps(noted))
    return result


@contextmanager
def _work_place(work_dir: Path, compiler_prefix: str) -> Iterator[Work]:
    """Where kbuild works: in the folder itself, which is kept, or in a plain one that is not.

    The latter behind ccache or distcc, where its path is the same in every checkout: what another one compiled is found
    by it. And where the path of the folder is none for make. A comma is kbuild's own: it hands words to the
    preprocessor with -Wp, whose separator that is."""
    place = work_dir.resolve()
    if not compiler_prefix and _MAKES_OWN.fullmatch(str(place)):
        place.mkdir(parents=True, exist_ok=True)
        with locked(place) as lock:
            yield Work(place, lock)
        return
    name = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]
    with plain_work_folder(f"kbuild-{name}") as work:
        yield work


def _build(  # noqa: PLR0913  # as build_modules
    tree: KernelTree,
    sources: Mapping[str, Path],
    work: Work,
    outputs: Outputs,
    request: KbuildRequest,
    *,
    extra_symbols: Sequence[Path],
    jobs: int,
    compiler: Compiler,
    sign_key: ModuleKey | None,
    expected: Sequence[str],
    links: Mapping[str, str],
) -> tuple[BuildResult, list[dict[str, object]]]:
    """What was made, and how each source was compiled."""
    names = driver_sources([*sources, *links])
    sources = {name: sources[name] for name in names if name in sources}
    links = {name: links[name] for name in names if name in links}
    for program in ("make", "strip"):
        if lacking := missing_program(program):
            raise StepError(f"compiling modules: {lacking}")
    _check_request(sources, links, request)
    for path in outputs.paths():
        path.unlink(missing_ok=True)
    debug = outputs.debuginfo is not None
    key = canonical([_SCHEMA, str(work.path), str(tree.path), tree.digest, compiler, request, debug])
    fresh = bool(request.prepare)
    with staged_copy(work.path, key, sources, links, fresh=fresh, lock=work.lock) as staged:
        _remove_links(staged.root, sources)
        others = _copy_symbols(work.path / "symbols", extra_symbols)
        making = _Making(tree, request, sources, staged, compiler, work.path, jobs, debug)
        text, own_symbols = _make_all(making, others)
        noted = compile_commands(
            staged.root, tree.path, {name: path.absolute() for name, path in sources.items()}
        )
        modules = _find_modules(staged.root, request, sources, expected)
        modules = _placed(_chosen(modules, request), request)
        made = finish_modules(
            modules,
            work.path / "finished",
            debug=debug,
            sign_key=replace(sign_key, digest=tree.config("MODULE_SIG_HASH") or "") if sign_key else None,
            unstripped=request.unstripped,
        )
        outputs.write(made, own_symvers([path.read_text() for path in own_symbols], staged.root))
    return BuildResult(tuple(sorted(modules)), tuple(_compiled(text)), text), noted


class _Making(Struct, frozen=True):
    """What all calls of make for a driver have in common."""

    tree: KernelTree
    request: KbuildRequest
    sources: Mapping[str, Path]
    staged: Staged
    compiler: Compiler
    work_dir: Path
    jobs: int
    debug: bool


def _make_all(making: _Making, others: Sequence[Path]) -> tuple[str, list[Path]]:
    """Have the driver's own Makefile, else kbuild in each folder, make the modules. ``others`` are Module.symvers of
    other drivers; what was said comes back, and the driver's own."""
    request, root = making.request, making.staged.root
    search_path = path_with_uname(making.work_dir / "bin", making.tree.kernel)
    prepared = prepare_sources(
        request,
        root,
        making.work_dir / "tmp",
        tree=making.tree.path,
        kernel=making.tree.kernel,
        path=search_path,
        lock=making.staged.lock,
    )
    for folder in request.kbuild_dirs:
        _check_folder(root, folder)
    macros = [option for name, option in request.macros().items() if making.tree.config(name) is None]
    calls = request.own_makes if _has_makefile(root) else ()
    log, own_symbols = [prepared], list[Path]()
    for call in calls:
        words = own_arguments(request, call, _place(making, others), macros=macros, debug=making.debug)
        log.append(_make(making, words, request.called_in(""), search_path))
    for folder in () if calls else request.kbuild_dirs:
        place = _place(making, [*others, *own_symbols])
        words = kbuild_arguments(request, folder, place, macros=macros, debug=making.debug)
        log.append(_make(making, words, request.called_in(folder), search_path))
        own_symbols.append(root / folder / "Module.symvers")
    if calls:
        own_symbols = sorted(root.rglob("Module.symvers"))
    return "\n".join(log), [path for path in own_symbols if path.is_file()]


def _place(making: _Making, symbols: Sequence[Path]) -> KbuildPlace:
    compiler = making.compiler
    return KbuildPlace(
        str(making.tree.path),
        str(making.staged.root),
        making.tree.kernel,
        tuple(map(str, symbols)),
        compiler.prefix_map,
        compiler.prefix,
        compiler.command,
        pipe=True,
    )


def _check_request(sources: Mapping[str, Path], links: Mapping[str, str], request: KbuildRequest) -> None:
    if problems := request.problems():
        raise StepError("\n".join(map(str, problems)))
    for name in (*sources, *links):
        if name.startswith("/") or ".." in name.split("/") or not name:
            raise StepError(f"{name!r} must be a path below the driver's source folder")


def _has_makefile(root: Path) -> bool:
    return any((root / name).is_file() for name in OWN_MAKEFILES)


def _check_folder(root: Path, folder: str) -> None:
    if not any((root / folder / name).is_file() for name in ("Kbuild", "Makefile")):
        raise StepError(
            f"the driver's folder {folder or '.'!r} holds neither Kbuild nor Makefile: "
            "name the one that does in kbuild_dir"
        )


def _chosen(found: Mapping[str, Path], request: KbuildRequest) -> dict[str, Path]:
    """The modules that are packaged, of those that were built."""
    wanted, unwanted = ({module_name(name) for name in names} for names in (request.modules, request.exclude))
    names = {path: module_name(path) for path in found}
    if lacking := sorted((wanted | unwanted) - set(names.values())):
        raise StepError(f"kbuild did not make {', '.join(lacking)}; it made {', '.join(sorted(found))}")
    chosen = {
        path: file
        for path, file in found.items()
        if (not wanted or names[path] in wanted) and names[path] not in unwanted
    }
    if not chosen:
        raise StepError(f"all modules that kbuild made are excluded: {', '.join(sorted(found))}")
    return chosen


def _placed(found: Mapping[str, Path], request: KbuildRequest) -> dict[str, Path]:
    """The modules by the places where they are packaged."""
    if not request.flat:
        return dict(found)
    placed: dict[str, Path] = {}
    for file in found.values():
        if file.name in placed:
            raise StepError(ONE_PATH.format(file.name))
        placed[file.name] = file
    return placed


def _remove_links(root: Path, sources: Mapping[str, Path]) -> None:
    """Remove what only linking makes: modules that are made no more, and their symbols, would stay."""
    for pattern in ("*.ko", "Module.symvers", "modules.order"):
        for path in root.rglob(pattern):
            if path.relative_to(root).as_posix() not in sources:
                path.unlink()


def _copy_symbols(folder: Path, extra_symbols: Sequence[Path]) -> list[Path]:
    """Other drivers' Module.symvers under names that kbuild can take: its list is separated by blanks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return [
        Path(shutil.copyfile(path, folder / f"{number}.symvers")) for number, path in enumerate(extra_symbols)
    ]


def _make(making: _Making, words: Sequence[str], folder: str, search_path: str) -> str:
    """What make said, with the user's own paths. Raises StepError where it failed."""
    argv = ["make", f"-j{making.jobs}", *words]
    root = making.staged.root
    # make tells no other folder than the caller's by $(PWD): it never sets that itself.
    # The locale of rpm's %build; any other is loaded by each of the hundreds of processes.
    env = {**ENVIRONMENT, "LANG": "C", "LC_ALL": "C", "PATH": search_path, "PWD": str(root / folder)}
    if making.compiler.prefix:
        env |= {name: value for name, value in os.environ.items() if name.startswith(("CCACHE_", "DISTCC_"))}
    done = run(
        argv,
        cwd=root / folder,
        env=env,
        timeout=BUILDING,
        check=False,
        pass_fds=[making.staged.lock],
        what="compiling modules",
    )
    place = re.compile(re.escape(str(root)) + r"/([^\s:'\"]+)")
    out, err = (
        place.sub(lambda match: str(making.sources.get(match[1], match[1])), text)
        for text in (done.out, done.err)
    )
    if done.status:
        said = "\n    ".join(error_lines(err) or error_lines(out) or (err or out).splitlines()[-20:])
        head = f"compiling modules: make ended with status {done.status}"
        if (full := "No space left on device") in done.out + done.err:
            head += f": {system_words(OSError(errno.ENOSPC, full))}"
        raise StepError(f"{head}\n    {said}\n  command: {shlex.join(argv)}")
    return out + err


def error_lines(said: str, limit: int = 60) -> list[str]:
    """The lines that tell what went wrong, each with what follows it indented; at most ``limit``."""
    kept: list[str] = []
    following = False
    for line in said.splitlines():
        following = bool(_ERROR.search(line)) or (following and line.startswith(" "))
        if following:
            kept.append(line.rstrip())
    return kept if len(kept) <= limit else [*kept[:limit], f"({len(kept) - limit} more lines)"]


def warning_lines(said: str, limit: int = 20) -> list[str]:
    """The warnings of kbuild and the compiler, each once; at most ``limit``."""
    found = list(dict.fromkeys(line.strip() for line in said.splitlines() if "warning:" in line))
    return found if len(found) <= limit else [*found[:limit], f"({len(found) - limit} more warnings)"]


def _find_modules(
    root: Path, request: KbuildRequest, sources: Mapping[str, Path], expected: Sequence[str]
) -> dict[str, Path]:
    """The modules by their places below INSTALL_MOD_DIR."""
    modules: dict[str, Path] = {}
    for folder in request.kbuild_dirs:
        base = root / folder
        for path in sorted(base.rglob("*.ko")):
            if path.is_symlink() or path.relative_to(root).as_posix() in sources:
                continue
            name = path.relative_to(base).as_posix()
            if name in modules:
                raise StepError(ONE_PATH.format(name))
            modules[name] = path
    if not modules:
        raise StepError(
            "kbuild made no module: no Kbuild or Makefile adds one to obj-m; is a CONFIG_ switch missing?"
        )
    names = set(map(module_name, modules))
    if lacking := [name for name in expected if module_name(name) not in names]:
        raise StepError(f"kbuild did not make {', '.join(lacking)}; it made {', '.join(sorted(modules))}")
    return modules


def _compiled(log: str) -> list[str]:
    """What kbuild says it compiled or assembled, without the generated ``.mod.o`` of each module."""
    found = re.findall(r"^  (?:CC|AS|CPP|HOSTCC)\s+(?:\[M\]\s+)?(\S+\.o)$", log, re.M)
    return sorted(name for name in found if not name.endswith(".mod.o"))
