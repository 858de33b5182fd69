"""The trees that are built: the same packages, written down for each of the tools."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LABEL, VERSION = "bench-pack", "1.0"
UUID = "1b0c3f4e-7d0f-4c57-9a0e-6f3c1a5e9d42"
VENDOR, DESCRIPTION = "Acme", "Packages to measure with"
_BLOCK = 1 << 20

_PROGRAM = """\
#!/bin/bash
# Reports the state of {name} to whoever asks.
set -u
conf=/etc/acme/{name}.conf
[ -r "$conf" ] && . "$conf"
case "${{1:-status}}" in
    status) echo "{name}: ${{LEVEL:-normal}}" ;;
    table) cat /opt/acme/{name}/share/table.dat ;;
    *) echo "usage: {name} [status|table]" >&2; exit 2 ;;
esac
"""
_CONFIG = "# Settings of {name}\nLEVEL=normal\nINTERVAL=60\n"
_POST = 'mkdir -p /var/lib/acme && echo "{name} $1" >>/var/lib/acme/installed || :'
_CHANGELOG = "* Fri Nov 20 2026 Acme Builds <builds@acme.example>\n- first release\n"


@dataclass(frozen=True)
class Shape:
    """What a tree is: so many packages, each with a data file of so many bytes; or a driver besides."""

    packages: int
    data: int = 4096
    compressible: bool = True
    #: C files of the driver.
    parts: int = 0

    @property
    def names(self) -> list[str]:
        return [f"acme-{number:04d}" for number in range(1, self.packages + 1)]


@dataclass
class Key:
    """A signing key: keyring, fingerprint, public key file."""

    home: Path
    fingerprint: str
    public: Path


@dataclass
class Tree:
    """A folder with the sources of a shape, and what was changed in it so far."""

    folder: Path
    shape: Shape
    key: Key
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.versions = dict.fromkeys(self.shape.names, VERSION)
        for name in self.shape.names:
            source = self.folder / "src" / name
            source.mkdir(parents=True)
            write(source / f"{name}.sh", _PROGRAM.format(name=name), 0o755)
            write(source / f"{name}.conf", _CONFIG.format(name=name))
            write_data(source / "table.dat", self.shape, name)
        write(self.folder / "precheck.sh", "#!/bin/sh\nexit 0\n", 0o755)

    def change_file(self, serial: int) -> None:
        """Another line in one package's program."""
        name = self.shape.names[len(self.shape.names) // 2]
        with open(self.folder / "src" / name / f"{name}.sh", "a", encoding="utf-8") as file:
            file.write(f"# change {serial}\n")

    def change_version(self, serial: int) -> None:
        """Another version of one package; a subclass writes it down its own way."""
        self.versions[self.shape.names[len(self.shape.names) // 3]] = f"1.{serial}"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def write_data(path: Path, shape: Shape, seed: str) -> None:
    """A data file."""
    with open(path, "wb") as file:
        file.writelines(blocks(shape.data, shape.compressible, seed))


def blocks(size: int, compressible: bool, seed: str) -> Iterator[bytes]:
    """Half of it random and half text, as programs with their tables are; or one block again and again."""
    source = random.Random(seed)
    line = b"%d the quick brown fox jumps over the lazy dog\n"
    text = b"".join(line % number for number in range(_BLOCK // 64))
    block = source.randbytes(_BLOCK // 2) + text[: _BLOCK // 2]
    for left in range(size, 0, -_BLOCK):
        yield block[: min(left, _BLOCK)]
        if not compressible:
            block = source.randbytes(_BLOCK // 2) + block[_BLOCK // 2 :]


class XspackTree(Tree):
    """A SConstruct with one pack."""

    def __post_init__(self) -> None:
        super().__post_init__()
        write(self.folder / "SConstruct", self._sconstruct())

    def change_version(self, serial: int) -> None:
        super().change_version(serial)
        write(self.folder / "SConstruct", self._sconstruct())

    def _sconstruct(self) -> str:
        versions = "".join(f"    {name!r}: {version!r},\n" for name, version in self.versions.items())
        post = _POST.format(name="{name}")
        return f"""\
VERSIONS = {{
{versions}}}
env = Environment(
    tools=["default", "xspack"],
    toolpath=[{str(ROOT / "site_scons/site_tools")!r}],
    XSPACK_VENDOR={VENDOR!r},
    XSPACK_LICENSE="MIT",
    XSPACK_GNUPGHOME={str(self.key.home)!r},
)
packages = [
    env.Userspace(
        name,
        version=version,
        arch="noarch",
        summary=f"Part {{name}} of the Acme agent",
        files={{
            f"/opt/acme/{{name}}/bin/{{name}}": f"src/{{name}}/{{name}}.sh",
            f"/opt/acme/{{name}}/share/table.dat": f"src/{{name}}/table.dat",
        }},
        config={{f"/etc/acme/{{name}}.conf": f"src/{{name}}/{{name}}.conf"}},
        scripts={{"post": f{post!r}}},
        requires=["bash", "coreutils >= 8.0"],
        changelog=["2026-11-20 Acme Builds <builds@acme.example>\\n- first release"],
    )
    for name, version in VERSIONS.items()
]
env.Alias("rpms", packages)
pack = env.Pack(
    {LABEL!r},
    version={VERSION!r},
    uuid={UUID!r},
    description={DESCRIPTION!r},
    packages=packages,
    requires=["product-version >= 8.2.0"],
    precheck="precheck.sh",
    key={str(self.key.public)!r},
)
env.Alias("pack", pack)
"""


class UsualTree(Tree):
    """A spec for each package, and a Makefile."""

    def __post_init__(self) -> None:
        super().__post_init__()
        gpg = os.environ.get("GPG", "/usr/bin/gpg")
        lines = {"LABEL": LABEL, "VERSION": VERSION, "KEY": self.key.fingerprint, "GPG": gpg}
        lines["GNUPGHOME"] = str(self.key.home)
        write(self.folder / "config.mk", "".join(f"{name} := {value}\n" for name, value in lines.items()))
        write(self.folder / "Makefile", (ROOT / "benchmarks/usual.mk").read_text(encoding="utf-8"))
        for name in self.shape.names:
            self._write_spec(name)
        write_pack_files(self.folder, self.key.public.name)

    def change_version(self, serial: int) -> None:
        before = dict(self.versions)
        super().change_version(serial)
        for name, version in self.versions.items():
            if before[name] != version:
                self._write_spec(name)

    def _write_spec(self, name: str) -> None:
        text = f"""\
Name: {name}
Version: {self.versions[name]}
Release: 1
Summary: Part {name} of the Acme agent
License: MIT
Vendor: {VENDOR}
BuildArch: noarch
Requires: bash, coreutils >= 8.0

%description
Part {name} of the Acme agent

%install
install -D -m 755 %{{_sourcedir}}/{name}.sh %{{buildroot}}/opt/acme/{name}/bin/{name}
install -D -m 644 %{{_sourcedir}}/table.dat %{{buildroot}}/opt/acme/{name}/share/table.dat
install -D -m 644 %{{_sourcedir}}/{name}.conf %{{buildroot}}/etc/acme/{name}.conf

%post
{_POST.format(name=name)}

%files
%dir /opt/acme
/opt/acme/{name}
%config(noreplace) /etc/acme/{name}.conf

%changelog
{_CHANGELOG}"""
        write(self.folder / "specs" / f"{name}.spec", text)


class NfpmTree(Tree):
    """A configuration of nfpm for each package, and a Makefile: the RPM step alone."""

    program: str = ""

    def use(self, program: Path) -> None:
        """Write the files that name the nfpm program."""
        write(self.folder / "config.mk", f"NFPM := {program}\n")
        write(self.folder / "Makefile", (ROOT / "benchmarks/nfpm.mk").read_text(encoding="utf-8"))
        for name in self.shape.names:
            self._write_yaml(name)

    def _write_yaml(self, name: str) -> None:
        write(self.folder / "nfpm" / f"{name}.post", _POST.format(name=name) + "\n")
        text = f"""\
name: {name}
version: "{self.versions[name]}"
release: "1"
arch: noarch
maintainer: Acme Builds <builds@acme.example>
vendor: {VENDOR}
license: MIT
description: Part {name} of the Acme agent
depends: [bash, "coreutils >= 8.0"]
scripts:
  postinstall: nfpm/{name}.post
rpm:
  compression: xz
contents:
  - src: src/{name}/{name}.sh
    dst: /opt/acme/{name}/bin/{name}
    file_info: {{mode: 0755}}
  - src: src/{name}/table.dat
    dst: /opt/acme/{name}/share/table.dat
  - src: src/{name}/{name}.conf
    dst: /etc/acme/{name}.conf
    type: config|noreplace
"""
        write(self.folder / "nfpm" / f"{name}.yaml", text)


def write_pack_files(folder: Path, key: str) -> None:
    """What the usual pipeline needs for the pack itself: document, group, the specs of the two generated RPMs."""
    document = f"""\
<update name-label="{LABEL}" version="{VERSION}" uuid="{UUID}" installation-size="@SIZE@"
 enforce-homogeneity="false" key="{key}" control="control-{LABEL}">
  <name-description>{DESCRIPTION}</name-description>
</update>
"""
    comps = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<comps><group><id>update</id><name>update</name><description>what xapi installs of this pack</description>
<default>false</default><uservisible>true</uservisible>
<packagelist><packagereq type="mandatory">update-{LABEL}</packagereq></packagelist></group></comps>
"""
    head = f"Version: {VERSION}\nRelease: 1\nLicense: MIT\nBuildArch: noarch\nVendor: {VENDOR}\n"
    about = f"%description\n{DESCRIPTION}\n\n%install\n"
    update = f"""\
Name: update-{LABEL}
{head}Summary: Stands for the supplemental pack {LABEL}
AutoReqProv: no

{about}install -D -m 644 %{{_sourcedir}}/update.xml %{{buildroot}}/var/update/applied/{UUID}

%files
/var/update/applied/{UUID}
"""
    control = f"""\
Name: control-{LABEL}
{head}Summary: Guards the supplemental pack {LABEL}
Requires: product-version >= 8.2.0

{about}install -D -m 755 %{{_sourcedir}}/precheck.sh %{{buildroot}}/var/update/{UUID}/precheck

%files
/var/update/{UUID}/precheck
"""
    write(folder / "update.xml.in", document)
    write(folder / "comps.xml", comps)
    write(folder / "update.spec.in", update)
    write(folder / "control.spec", control)
