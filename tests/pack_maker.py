"""Packs for the tests of hosts and commands: made in a moment, and wrong where a test wants them so."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace
from support import need

from xspack_tool import cli
from xspack_tool.cli.compose import IsoParts, PackParts, generate, write_iso
from xspack_tool.model.canonical import canonical
from xspack_tool.model.pack import Pack
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.pack.document import render_document
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.pack.layout import Totals
from xspack_tool.repo.comps import comps_xml
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.write import write_rpm
from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import PublicKey, make_test_key, read_public_key
from xspack_tool.signing.sign import Signer

TIME = 1601553600
UUID = "9a1f0f0e-1111-4222-8333-444455556666"
PACK = Pack(
    label="acme",
    version="5.2",
    uuid=UUID,
    description="Acme drivers and agent",
    key="RPM-GPG-KEY-Acme",
    volume_id="ACME_5_2",
)


class SignedOnce(Signer):
    """Signs an RPM for real, but equal ones once only: equal input gives equal bytes."""

    done: ClassVar[dict[tuple[str, str], Path]] = {}

    def sign_rpm(self, src: Path, dst: Path, time: int) -> None:
        which = (self.key.fingerprint, hashlib.sha256(src.read_bytes()).hexdigest())
        if which not in self.done:
            self.done[which] = Path(tempfile.mkdtemp(dir=src.parents[1])) / src.name
            super().sign_rpm(src, self.done[which], time)
        dst.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.done[which], dst)


@dataclass(frozen=True)
class Key:
    """A throwaway key: its keyring, and its public file."""

    home: Path
    file: Path

    @property
    def public(self) -> PublicKey:
        return read_public_key(self.file)

    @property
    def signer(self) -> Signer:
        return SignedOnce(self.home, self.public)


def make_key(folder: Path, name: str) -> Key:
    """A key in ``folder``, whose path must be short."""
    key = Key(folder / name / "gnupg", folder / name / name)
    make_test_key(key.home, key.file, name, TIME)
    return key


def package(name: str = "acme-agent", files: Mapping[str, str] | None = None, **more: Any) -> Package:
    """A package that brings text files."""
    entries = tuple(
        FileEntry(path, "file", text=text, mode=0o644)
        for path, text in (files or {f"/opt/{name}/file": f"{name}\n"}).items()
    )
    given = {"version": "5.2", "release": "1", "summary": name, "license": "MIT", "arch": "noarch"}
    return Package(**{"name": name, "entries": entries, **given, **more})


@dataclass
class PackMaker:
    """Makes packs in ``folder``; what a test changes on the way makes them wrong."""

    folder: Path
    key: Key
    made: dict[str, list[Path]] = field(default_factory=dict)

    def rpm(self, package: Package, payload: str = "w2.gzdio") -> Path:
        """An unsigned RPM; a copy of the first one of the same declaration."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))

        def write() -> list[Path]:
            write_rpm(package, {}, folder / package.file_name, payload=payload, time=TIME)
            return [folder / package.file_name]

        return self._once(payload + canonical(package), write)[0]

    def _once(self, which: str, make: Callable[[], list[Path]]) -> list[Path]:
        """What was made, once only."""
        if which not in self.made:
            self.made[which] = make()
        return self.made[which]

    def __call__(
        self,
        pack: Pack = PACK,
        packages: Sequence[Package | Path] = (),
        *,
        precheck: str | None = None,
        remove: str | None = None,
        signer: Signer | bool | None = True,
        document: Callable[[str], str] = str,
        comps: Callable[[str], str] = str,
        rpms: Callable[[dict[str, Path]], dict[str, Path]] = dict,
        generated: Callable[[list[Path]], list[Path]] = list,
    ) -> Path:
        """The ISO of a pack. ``document``, ``comps``, ``rpms`` and ``generated`` change what they are given."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        pack = replace(pack, has_precheck=precheck is not None, has_remove=remove is not None)
        scripts = {}
        for name, text in (("precheck", precheck), ("remove", remove)):
            if text is not None:
                scripts[name] = work / name
                scripts[name].write_text(text)
        payload = [one if isinstance(one, Path) else self.rpm(one) for one in packages or (package(),)]
        infos = [read_rpm(path) for path in payload]
        parts = PackParts(payload, "w2.gzdio", **scripts)
        size = sum(info.installed_size for info in infos)
        which = canonical([pack, precheck, remove, size, [(info.name, info.evr) for info in infos]])
        made = self._once(which, lambda: generate(pack, parts, infos, Totals(size, TIME), work / "generated"))
        made = generated(made)
        iso_parts = IsoParts(
            document=document(render_document(pack, size)),
            rpms=rpms({f"Packages/{path.name}": path for path in (*payload, *made)}),
            comps=comps(comps_xml(pack.groups, pack.update_name)),
            volume_id=pack.volume_id,
            time=TIME,
            signer=self.key.signer if signer is True else signer or None,
        )
        out = work / f"{pack.label}-{pack.version}.iso"
        write_iso(iso_parts, out, work)
        return out

    def changed(self, iso: Path, change: Callable[[Path], None]) -> Path:
        """The ISO with files changed, added or removed by ``change`` in a folder, and nothing made to fit."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with IsoReader(iso) as reader:
            reader.extract(folder / "iso")
            volume = reader.volume_id
        change(folder / "iso")
        files = {
            str(path.relative_to(folder / "iso")): path
            for path in (folder / "iso").rglob("*")
            if path.is_file()
        }
        master_iso(files, folder / iso.name, volume, TIME)
        return folder / iso.name


@pytest.fixture(scope="session")
def keys() -> Iterator[dict[str, Key]]:
    """Throwaway keys by name, for each worker; a conftest.py takes this in by importing it."""
    need("gpg", "rpmbuild", "rpmsign", "rpmkeys")
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    made = {name: make_key(folder, f"RPM-GPG-KEY-{name}") for name in ("Acme", "Other")}
    yield made
    for key in made.values():
        end_agent(key.home)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_pack(keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> PackMaker:
    """One maker of packs for each worker, who signs with Acme's key."""
    return PackMaker(tmp_path_factory.mktemp("packs"), keys["Acme"])


def program(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """A program that must do well."""
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=True)


def copy_in(source: Path, folder: Path) -> Path:
    """A copy of a file below a folder."""
    return Path(shutil.copy(source, folder / source.name))


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def xspack(*argv: str | Path, main: Callable[[Sequence[str]], int] = cli.main) -> Said:
    """Run a command in this process, as in a pipe."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in argv])
    return Said(status, out.getvalue(), err.getvalue())
