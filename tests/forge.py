"""Small real RPMs, ELF files and kernel modules for the tests of the rooms that read them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import need

_HOME = Path("/usr/lib/rpm")
_MACROS = """\
%__os_install_post %{nil}
%debug_package %{nil}
%_build_id_links none
%_wrong_version_format_terminate_build 0
%_missing_doc_files_terminate_build 0
%_buildhost forge
%_rpmformat 4
%use_source_date_epoch_as_buildtime 1
%_use_internal_dependency_generator 1
%__spec_install_template %{___build_template}
"""


@dataclass(frozen=True)
class Forged:
    """What an RPM shall be; written by plain rpmbuild, without xspack's own writer.

    ``files`` are path -> content; a content that is a str is a link's target, None a folder. ``attributes``
    are what %files says before a path (``%config(noreplace)``), ``modes`` octal modes. ``lines`` go into
    the preamble, ``scripts`` after it (``%post`` -> text).
    """

    name: str = "acme"
    version: str = "1.0"
    release: str = "1"
    arch: str = "x86_64"
    license: str = "MIT"
    files: Mapping[str, bytes | str | None] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    lines: Sequence[str] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    payload: str = "w1.gzdio"
    source: bool = False

    def spec(self) -> str:
        """Its spec file."""
        head = [
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            "Summary: forged",
            f"License: {self.license}",
            "AutoReqProv: no",
            *(["BuildArch: noarch"] if self.arch == "noarch" else []),
            *self.lines,
            "%description",
            "forged for a test",
        ]
        scripts = [f"{section}\n{text}" for section, text in self.scripts.items()]
        files = [
            " ".join(filter(None, [self.attributes.get(path, ""), "%dir" if content is None else "", path]))
            for path, content in self.files.items()
        ]
        return "\n".join([*head, *scripts, "%files", "%defattr(-,root,root)", *files, ""])


def forge(wanted: Forged, folder: Path) -> Path:
    """Build it, or take it out of ``folder`` where an equal one was built before (by any worker)."""
    need("rpmbuild")
    contents = [(path, content, wanted.modes.get(path)) for path, content in wanted.files.items()]
    said = repr((wanted.spec(), contents, wanted.payload, wanted.source, wanted.arch))
    home = folder / hashlib.sha256(said.encode()).hexdigest()[:20]
    if not home.is_dir():
        work = folder / f".{home.name}.{os.getpid()}"
        _build(wanted, work)
        with contextlib.suppress(OSError):  # another worker was quicker
            os.rename(work / "out", home)
        shutil.rmtree(work)
    return next(home.rglob("*.src.rpm" if wanted.source else "*.rpm"))


def _build(wanted: Forged, work: Path) -> None:
    root = work / "root"
    root.mkdir(parents=True)
    for path, content in wanted.files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            place.mkdir(exist_ok=True)
        elif isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)
            place.chmod(wanted.modes.get(path, 0o644))
    (work / "spec").write_text(wanted.spec())
    (work / "macros").write_text(_MACROS)
    macros = [_HOME / "macros", _HOME / "platform/x86_64-linux/macros", work / "macros"]
    kept = work / "kept"
    root.rename(kept)
    argv = [
        "rpmbuild",
        "-bs" if wanted.source else "-bb",
        "--quiet",
        f"--macros={':'.join(map(str, macros))}",
        f"--target={'x86_64' if wanted.arch == 'noarch' else wanted.arch}",
        f"--define=_topdir {work}",
        f"--define=_rpmdir {work}/out",
        f"--define=_srcrpmdir {work}/out",
        f"--define=_binary_payload {wanted.payload}",
        f"--define=__forged {kept}",
        "--buildroot",
        str(root),
        str(work / "spec"),
    ]
    text = wanted.spec()  # not read back, which would change its line ends
    install = f"%install\nrm -rf %{{buildroot}}\ncp -a {kept} %{{buildroot}}\n"
    (work / "spec").write_text(text.replace("%files\n", f"{install}%files\n", 1))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1600000000", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def module(vermagic: str = "4.19.0+1 SMP mod_unload modversions ", **words: Sequence[str]) -> bytes:
    """A kernel module as far as readers look: .modinfo, and __versions from ``symbols=["name 0xcrc"]``."""
    symbols = words.pop("symbols", ())
    info = [f"vermagic={vermagic}"] if vermagic else []
    info += [f"{key}={value}" for key, values in words.items() for value in values]
    lines = ['.section .modinfo,"a"', *(f'.asciz "{item}"' for item in info)]
    lines += ['.section __versions,"a"'] if symbols else []
    for symbol in symbols:
        name, crc = symbol.split()
        lines += [f".quad {crc}", f'.ascii "{name}"', f".zero {56 - len(name)}"]
    return _gcc(["-c", "-x", "assembler"], "\n".join([*lines, ""]))


def program(*options: str) -> bytes:
    """A program of this machine's compiler and C library."""
    return _gcc(options, '#include <stdio.h>\nint main(void) { return puts(""); }\n')


def sections(file: Path) -> set[str]:
    """The names of an ELF file's sections."""
    said = subprocess.run(["readelf", "-SW", file], check=True, capture_output=True, text=True).stdout
    return {word for word in said.split() if word.startswith(".")}


def needing(library: str, version: str) -> bytes:
    """A shared object that needs a symbol version of a library, whatever this machine has."""
    need("gcc")
    with _Folder() as folder:
        (folder / "map").write_text(f"{version} {{ global: wanted; }};\n")
        (folder / "lib.c").write_text("void wanted(void) {}\n")
        (folder / "use.c").write_text("void wanted(void); void use(void) { wanted(); }\n")
        base = ["gcc", "-shared", "-fPIC", "-nostdlib"]
        made = [f"-Wl,--version-script={folder}/map", f"-Wl,-soname,{library}", "-o", f"{folder}/{library}"]
        subprocess.run([*base, f"{folder}/lib.c", *made], check=True)
        subprocess.run([*base, f"{folder}/use.c", f"{folder}/{library}", "-o", f"{folder}/out"], check=True)
        return (folder / "out").read_bytes()


def for_machine(elf: bytes, number: int) -> bytes:
    """The same ELF file, said to be for another machine (e_machine of elf.h)."""
    return elf[:18] + number.to_bytes(2, "little") + elf[20:]


def _gcc(options: Sequence[str], source: str) -> bytes:
    need("gcc")
    language = [] if "-x" in options else ["-x", "c"]
    with _Folder() as folder:
        argv = ["gcc", *options, *language, "-", "-o", f"{folder}/out"]
        subprocess.run(argv, input=source, text=True, check=True, capture_output=True)
        return (folder / "out").read_bytes()


class _Folder:
    """A temporary folder as a Path."""

    def __enter__(self) -> Path:
        import tempfile

        self._made = tempfile.TemporaryDirectory()
        return Path(self._made.name)

    def __exit__(self, *_: object) -> None:
        self._made.cleanup()


def forge_folder(base: Path) -> Path:
    """Where forged RPMs are kept: with workers, one folder for all of them; ``base`` is pytest's own."""
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "forged"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """An RPM with the fields of Forged; equal ones are built once for all workers."""
    folder = forge_folder(tmp_path_factory.getbasetemp())
    return lambda **fields: forge(Forged(**fields), folder)
