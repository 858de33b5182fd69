"""Builds a pack of each of Debian's -dkms packages by ``dkms=`` alone, and writes docs/dkms-packages.md.

    .venv/bin/python tests/drivers/debian_dkms.py [PACKAGE ..]

The packages are fetched by apt and unpacked, never installed. With names, only those are built anew, and the rows of
the others stay.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/dkms-packages.md"
SCONSTRUCT = """\
env = Environment(tools=["xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="GPL-2.0-only", XSPACK_DDK="{headers}",
                  ENV={{"PATH": "/usr/bin:/bin"}})
driver = env.KernelModule("{name}", dkms="driver/dkms.conf")
env.Alias("pack", env.Pack("{name}-disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-000000000001", packages=[driver],
                           description="{name}", requires=["product-version >= 8.2.0"],
                           key=env.TestKey("RPM-GPG-KEY-Test")))
"""
HEAD = """\
# Debian's DKMS packages as packs

Made by `tests/drivers/debian_dkms.py`, which fetches each `-dkms` package of Debian {release} and builds a pack of
it for the kernel {kernel}:

```python
driver = env.KernelModule("acme", dkms="driver/dkms.conf")
```

No other keyword is given, and what a driver's own configure asks for (libxtables-dev) is installed.
{good} of {all} become packs{because}.

| package | version | pack |
|---|---|---|
"""
REASONS = ", the others for the reason that stands beside them: mistakes that xspack names, or what make says"


@dataclass(frozen=True)
class Outcome:
    """What became of a package: its modules, or why there is no pack."""

    package: str
    version: str
    modules: tuple[str, ...]
    why: str = ""

    def row(self) -> str:
        """Its row of the table."""
        said = f"yes: {', '.join(self.modules)}" if self.modules else f"no: {self.why}"
        return f"| {self.package} | {self.version} | {said.replace('|', '/')} |\n"


def main(chosen: list[str]) -> int:
    """Build them, and write the table: after each one, since all take a while."""
    folder = Path(tempfile.mkdtemp(prefix="dkms-"))
    rows = known_rows() if chosen else {}
    release = Path("/etc/debian_version").read_text(encoding="utf-8").split(".")[0]
    try:
        headers = sorted(Path("/usr/src").glob("linux-headers-*[0-9]-amd64"))[-1]
        for package in chosen or packages():
            rows[package] = build(package, folder, headers).row()
            print(rows[package], end="", flush=True)
            PAGE.write_text(
                page(rows, headers.name.removeprefix("linux-headers-"), release), encoding="utf-8"
            )
            shutil.rmtree(folder / package)
    finally:
        shutil.rmtree(folder)
    return 0


def known_rows() -> dict[str, str]:
    """The rows of the page as it is, by package."""
    lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True) if PAGE.is_file() else []
    return {line.split(" ")[1]: line for line in lines if re.match(r"\| \S+-dkms \|", line)}


def packages() -> list[str]:
    """The names of Debian's packages that bring sources for DKMS; dh-dkms makes such packages."""
    found = asked("apt-cache", "search", "--names-only", "--", "-dkms$")
    return sorted({line.split(" ")[0] for line in found.splitlines()} - {"dh-dkms"})


def build(package: str, folder: Path, headers: Path) -> Outcome:
    """Fetch one package and build a pack of its driver."""
    place = folder / package
    place.mkdir()
    asked("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=place)
    (deb,) = place.glob("*.deb")
    version = asked("dpkg-deb", "-f", str(deb), "Version").strip()
    asked("dpkg-deb", "-x", str(deb), str(place / "deb"))
    confs = sorted((place / "deb/usr/src").glob("*/dkms.conf"))
    if not confs:
        return Outcome(package, version, (), "it brings no dkms.conf")
    shutil.copytree(confs[0].parent, place / "tree/driver", symlinks=True)
    name = package.removesuffix("-dkms")
    (place / "tree/SConstruct").write_text(SCONSTRUCT.format(name=name, headers=headers), encoding="utf-8")
    scons = [sys.executable, "-m", "SCons", "-Q", f"--site-dir={ROOT}/site_scons", "-j2", "pack"]
    done = subprocess.run(scons, cwd=place / "tree", capture_output=True, text=True)
    shutil.rmtree(place / "deb")
    if done.returncode:
        return Outcome(package, version, (), reason(done.stdout + done.stderr, place / "tree"))
    assert (place / f"tree/build/{name}-disk-1.iso").is_file()
    (archive,) = (place / "tree/build/modules").glob("*.tar")
    with tarfile.open(archive) as modules:
        names = sorted(Path(module).name.removesuffix(".ko") for module in modules.getnames())
    return Outcome(package, version, tuple(names))


def reason(said: str, tree: Path) -> str:
    """Why there is no pack: the first line that tells it, without the folder of this run."""
    plain = said.replace(f"{tree}/", "")
    lines = [line.strip() for line in plain.splitlines()]
    wanted = (
        r"SConstruct:\d+:|^E |\berror:|ERROR:|\*\*\* No rule|kbuild (did not make|made no)|^! .*not found"
    )
    found = next((line for line in lines if re.search(wanted, line)), lines[-1] if lines else "no word")
    found = re.sub(r"^SConstruct:\d+: KernelModule '[^']*': |^scons: \*\*\* \[[^]]*\] ", "", found)
    return found[:300]


def page(rows: dict[str, str], kernel: str, release: str) -> str:
    """The page with the table."""
    good = sum(1 for row in rows.values() if "| yes: " in row)
    because = REASONS if good < len(rows) else ""
    head = HEAD.format(release=release, kernel=kernel, good=good, all=len(rows), because=because)
    return head + "".join(rows[package] for package in sorted(rows))


def asked(*words: str, cwd: Path | None = None) -> str:
    """What a program says."""
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
