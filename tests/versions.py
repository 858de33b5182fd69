"""Runs tests with the lowest or the highest versions of the libraries that pyproject.toml allows, or with another
Python and the versions of the lock file:

    python tests/versions.py lowest            # the whole suite
    python tests/versions.py highest tests/plan -k order
    python tests/versions.py 3.13 tests/rpm

The libraries are installed into .venv-lowest, .venv-highest or .venv-3.13 of the checkout; what follows goes to
pytest. A Python is taken from PATH or pyenv; where neither has it, uv downloads it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
WHICH = ("lowest", "highest")
UV = (sys.executable, "-m", "uv", "--quiet")


def wanted(project: dict[str, Any], which: str) -> list[str]:
    """What pip is asked for: the libraries, each at its floor or as high as it may be; those of the tests alone as high
    as they may be."""
    extras = project["optional-dependencies"]
    libraries = [*project["dependencies"], *extras["cache"]]
    if which == "lowest":
        libraries = [re.sub(r">=([^,;\s]+)(,[^;]*)?", r"==\1", library) for library in libraries]
    names = {_name(library) for library in libraries}
    return [*libraries, *(one for one in extras["test"] if _name(one) not in names)]


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0]


def make(which: str) -> Path:
    """The Python of an environment with these libraries, brought up to date."""
    folder = ROOT / f".venv-{which}"
    python = folder / "bin/python"
    if which not in WHICH:
        return _make_locked(which, python)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    subprocess.run([*install, "--upgrade-strategy=eager", *wanted(project, which)], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    return python


def with_pyenv(version: str) -> dict[str, str]:
    """The environment in which uv sees pyenv's Pythons: the shims on PATH run only what `pyenv global` names."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    path = [*map(str, sorted(pyenv.glob(f"versions/{version}.*/bin"))), os.environ["PATH"]]
    return {**os.environ, "PATH": ":".join(path)}


def _make_locked(version: str, python: Path) -> Path:
    """The same with another Python and the versions of the lock file."""
    if not python.exists():
        make = [*UV, "venv", "--no-project", "--python", version, python.parents[1]]
        subprocess.run(make, env=with_pyenv(version), check=True)
    install = [*UV, "pip", "install", "--python", python]
    subprocess.run([*install, "--require-hashes", "--requirements", ROOT / "requirements.lock"], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    return python


def main(words: list[str]) -> int:
    """Run pytest with the versions that the first word says."""
    if not words or not re.fullmatch(rf"{'|'.join(WHICH)}|3\.\d+", words[0]):
        print(__doc__, file=sys.stderr)
        return 2
    python = make(words[0])
    environment = {
        **os.environ,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(python.parents[1]),
    }
    return subprocess.run([python, "-m", "pytest", *words[1:]], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
