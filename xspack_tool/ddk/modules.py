"""From linked modules to what is packed: debug data apart, stripped, signed, in one archive."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from xspack_tool.binary.module import MODULE, ModuleInfo, parse_module
from xspack_tool.ddk.request import module_name
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import StepError
from xspack_tool.files import whole, write_whole
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.run import run


@dataclass(frozen=True)
class ModuleKey:
    """A key that signs modules: files of the private key and of its certificate (PEM or DER).

    The key's passphrase, if it has one, is found in KBUILD_SIGN_PIN of the environment, as by the kernel's
    own scripts/sign-file.
    """

    key: Path
    certificate: Path
    digest: str = ""


@dataclass(frozen=True)
class Finished:
    """Modules and their separate debug data, by their places in the archives."""

    modules: dict[str, Path]
    debuginfo: dict[str, Path]


def finish_modules(
    found: Mapping[str, Path],
    folder: Path,
    tree: KernelTree,
    *,
    debug: bool,
    sign_key: ModuleKey | None,
    unstripped: Sequence[str] = (),
) -> Finished:
    """Copy the modules into ``folder`` and strip them there; sign them last, since stripping would cut the
    signature off. ``foo.ko.debug`` is what gdb and crash look for beside a debuglink."""
    shutil.rmtree(folder, ignore_errors=True)
    result = Finished({}, {})
    for name, source in sorted(found.items()):
        module = folder / name
        module.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, module)
        if debug:
            apart = module.with_name(f"{module.name}.debug")
            run(["objcopy", "--only-keep-debug", module, apart], what=f"debug data of {name}")
            result.debuginfo[f"{name}.debug"] = apart
        if module_name(name) not in map(module_name, unstripped):
            run(["strip", "--strip-debug", module], what=f"stripping {name}")
        if sign_key:
            _sign(module, name, tree, sign_key)
        result.modules[name] = module
    return result


def _sign(module: Path, name: str, tree: KernelTree, sign_key: ModuleKey) -> None:
    program = tree.path / "scripts" / "sign-file"
    if not program.is_file():
        raise StepError(
            f"signing {name}: the kernel tree {tree.path} has no scripts/sign-file; install its kbuild tools"
        )
    digest = sign_key.digest or tree.config("MODULE_SIG_HASH") or "sha256"
    if "KBUILD_SIGN_PIN" not in os.environ and _is_locked(Path(sign_key.key)):
        raise StepError(
            f"signing {name}: {Path(sign_key.key).name} has a passphrase; set KBUILD_SIGN_PIN to it in the environment"
        )
    secret = {"KBUILD_SIGN_PIN": os.environ["KBUILD_SIGN_PIN"]} if "KBUILD_SIGN_PIN" in os.environ else {}
    run([program, digest, sign_key.key, sign_key.certificate, module], env=secret, what=f"signing {name}")


def _is_locked(key: Path) -> bool:
    """Whether a PEM file's private key asks for a passphrase; sign-file would ask the terminal for it."""
    try:
        lines = key.read_bytes().splitlines()
    except OSError:  # sign-file tells
        return False
    return any(line.startswith((b"-----BEGIN ENCRYPTED", b"Proc-Type: 4,ENCRYPTED")) for line in lines)


def write_tar(target: Path, members: Mapping[str, Path]) -> None:
    """An archive that depends on names and content alone; it appears whole or not at all."""
    with whole(target) as beside, tarfile.open(beside, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, path in sorted(members.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o644, CONSTANT_TIME
            entry.uname = entry.gname = "root"
            with path.open("rb") as content:
                archive.addfile(entry, content)


def write_symvers(target: Path, symvers: Sequence[Path], root: Path) -> None:
    """The driver's own symbols, sorted. kbuild names modules by absolute paths; modpost of another driver
    takes the last part alone, so they become relative to the sources."""
    lines: set[str] = set()
    for path in symvers:
        lines |= set(path.read_text().splitlines()) if path.is_file() else set()
    ordered = sorted(lines, key=lambda line: line.split("\t")[1:2])
    write_whole(target, "".join(f"{line}\n".replace(f"\t{root}/", "\t") for line in ordered))


def modules_in(archive: Path) -> Iterator[ModuleInfo]:
    """What the modules in an archive of :func:`write_tar` say of themselves; ``file`` is the name without folders."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if MODULE.search(member.name) else None
            if content is not None:
                yield parse_module(PurePosixPath(member.name).name, content)  # type: ignore[arg-type]  # as BinaryIO
