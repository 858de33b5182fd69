"""From linked modules to what is packed: debug data apart, stripped, signed, in one archive."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from xspack_tool.binary.module import MODULE, ModuleInfo, parse_module
from xspack_tool.binary.tar_write import write_tar
from xspack_tool.ddk.module_key import ModuleKey
from xspack_tool.ddk.request import module_name
from xspack_tool.files import write_whole
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.run import WORKING, run


class Finished(Struct, frozen=True):
    """Modules and their separate debug data, by their places in the archives."""

    modules: dict[str, Path]
    debuginfo: dict[str, Path]


class Outputs(Struct, frozen=True):
    """The files to write: the stripped modules, the driver's Module.symvers, the separate debug data."""

    modules: Path
    symvers: Path | None = None
    debuginfo: Path | None = None

    def paths(self) -> list[Path]:
        return [path for path in (self.modules, self.symvers, self.debuginfo) if path]

    def write(self, made: Finished, symvers: str) -> None:
        """Write all of them, or none."""
        try:
            write_tar(self.modules, made.modules, time=CONSTANT_TIME)
            if self.symvers:
                write_whole(self.symvers, symvers)
            if self.debuginfo:
                write_tar(self.debuginfo, made.debuginfo, time=CONSTANT_TIME)
        except BaseException:
            for path in self.paths():
                path.unlink(missing_ok=True)
            raise


def finish_modules(
    found: Mapping[str, Path],
    folder: Path,
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
            run(
                ["objcopy", "--only-keep-debug", module, apart], timeout=WORKING, what=f"debug data of {name}"
            )
            result.debuginfo[f"{name}.debug"] = apart
        if module_name(name) not in map(module_name, unstripped):
            run(["strip", "--strip-debug", module], timeout=WORKING, what=f"stripping {name}")
        if sign_key:
            # Imported here: what it needs costs much, and few drivers are signed.
            from xspack_tool.ddk.sign import sign_module

            sign_module(module, name, sign_key)
        result.modules[name] = module
    return result


def own_symvers(texts: Iterable[str], root: Path) -> str:
    """The driver's own symbols, sorted. kbuild names modules by absolute paths; modpost of another driver
    takes the last part alone, so they become relative to the sources."""
    lines = {line for text in texts for line in text.splitlines()}
    ordered = sorted(lines, key=lambda line: line.split("\t")[1:2])
    return "".join(f"{line}\n".replace(f"\t{root}/", "\t") for line in ordered)


def modules_in(archive: Path) -> Iterator[ModuleInfo]:
    """What the modules in an archive of :class:`Outputs` say of themselves; ``file`` is the name without folders."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if MODULE.search(member.name) else None
            if content is not None:
                yield parse_module(PurePosixPath(member.name).name, content)  # type: ignore[arg-type]  # as BinaryIO
