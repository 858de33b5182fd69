"""The wheel, installed beside SCons in another virtual environment: both ways to the tool work there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from support import ROOT, blocks, need, need_module

DECLARATION = """
rpm = env.Userspace(
    "hello", version="1.0", release="1", summary="A file", vendor="Acme", license="MIT",
    files={"/opt/hello/hello.txt": "hello.txt"},
)
import sys
for name in ("xspack", "SCons.Tool.xspack", "xspack_tool"):
    if name in sys.modules:
        print("from", sys.modules[name].__file__)
pack = env.Pack(
    "hello-pack", version="1.0", uuid="6bb9d5ab-1e0a-4a4b-9d0f-2f1d1c0d7f12", description="A file",
    packages=rpm, requires="product-version >= 8.2.0", key=env.TestKey("RPM-GPG-KEY-Hello"),
)
Default(pack)
"""
#: How an SConstruct asks for the tool, and which file SCons takes then.
WAYS = {
    "beside-scons": ("", "SCons/Tool/xspack.py"),
    "toolpath": ('toolpath=[PyPackageDir("xspack_tool.site_tools")]', "xspack_tool/site_tools/xspack.py"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_module("pip", "hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return next(folder.glob("xspack-*.whl"))


@pytest.fixture(scope="module")
def scons(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scons of a virtual environment with SCons and the wheel; libraries are borrowed from this one."""
    venv = tmp_path_factory.mktemp("user") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv), "installed_base": str(venv)}))
    spec = find_spec("SCons")
    assert spec is not None and spec.origin is not None
    # A copy of SCons that no xspack was ever installed into.
    shutil.copytree(
        Path(spec.origin).parent, own / "SCons", ignore=shutil.ignore_patterns("__pycache__", "xspack.py")
    )
    (own / "borrowed.pth").write_text(f"{Path(spec.origin).parents[1]}\n")
    words = ["--python", venv / "bin/python", "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return venv / "bin/scons"


def test_the_wheel_holds_what_is_needed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    package = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "xspack_tool").rglob("*")
        if file.suffix in (".py", ".toml", ".attr", ".j2", ".json", ".typed") or file.name == "rpmrc"
    }
    assert package - names == set()
    outside = {name for name in names - package if ".dist-info/" not in name and "/data/" not in name}
    assert outside == {"SCons/Tool/xspack.py"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.parametrize("way", WAYS)
def test_a_tree_of_ones_own_builds_with_it(scons: Path, tmp_path: Path, way: str) -> None:
    need("rpmbuild", "rpmsign", "gpg")
    (tmp_path / "hello.txt").write_text("hello\n")
    option, tool = WAYS[way]
    head = f'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", {option})'
    (tmp_path / "SConstruct").write_text(head + DECLARATION)
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run([scons, "-Q"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    library = scons.parents[1] / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    said = [line for line in done.stdout.splitlines() if line.startswith("from ")]
    assert said == [f"from {library}/{tool}", f"from {library}/xspack_tool/__init__.py"]
    assert (tmp_path / "build/rpms/hello-1.0-1.x86_64.rpm").is_file()
    assert (tmp_path / "build/hello-pack-1.0.iso").is_file()


@pytest.mark.long
@pytest.mark.parametrize("line", [0, 1, 2])
def test_each_line_of_the_readme_gives_both_programs(tmp_path: Path, line: int) -> None:
    """In a checkout, with a home of its own. They fetch what xspack needs, so a registry must be at hand."""
    need_module("uv")
    checkout, home, programs = tmp_path / "checkout", tmp_path / "home", tmp_path / "programs"
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    home.mkdir()
    programs.mkdir()
    (programs / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    (programs / "pipx").write_text('#!/bin/sh\nexec uv tool run pipx "$@"\n')
    (programs / "pipx").chmod(0o755)
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    env |= {
        "HOME": str(home),
        "PATH": f"{home}/.local/bin:{home}/xspack-env/bin:{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    words = blocks("README.md", "sh")[2].splitlines()[line]
    subprocess.run(["sh", "-ec", words], cwd=checkout, env=env, check=True)
    use = "xspack new acme --vendor Acme && cd acme && scons pack && xspack verify build/acme-1.0.iso"
    subprocess.run(["sh", "-ec", use], cwd=home, env=env, check=True)


@pytest.mark.long
def test_the_first_pack_of_a_newcomer(tmp_path: Path) -> None:
    """The block of the README as it stands, after its first line, which takes root and a mirror of the distribution."""
    need("gpg")
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    home.mkdir()
    install, _, rest = blocks("README.md", "sh")[1].partition("\n")
    assert install.startswith("apt-get install -y gnupg libglib2.0-0 python3-venv ")
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    env |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(["sh", "-ec", rest], cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nxapi: takes it\ninstaller: takes it\nyum: takes it\n" in done.stdout


def test_a_kind_that_is_a_package_of_its_own(scons: Path, tmp_path: Path) -> None:
    """As docs/extending.md has it: built, installed, and used by a tree."""
    need_module("pip", "hatchling")
    (project,) = blocks("docs/extending.md", "toml")
    tool, _, elsewhere, sconstruct = blocks("docs/extending.md", "python")
    source, tree = tmp_path / "source", tmp_path / "tree"
    (source / "acme_kinds").mkdir(parents=True)
    (source / "pyproject.toml").write_text(project)
    (source / "acme_kinds/__init__.py").touch()
    (source / "acme_kinds/python_app.py").write_text(tool)
    words = [
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--target",
        tmp_path / "lib",
        source,
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    shutil.copytree(ROOT / "examples/custom_kind/app", tree / "app")
    (tree / "SConstruct").write_text(elsewhere + sconstruct.split("\n\n", 2)[2])
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    env["PYTHONPATH"] = str(tmp_path / "lib")
    done = subprocess.run([scons, "-Q", "pack"], cwd=tree, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tree / "build/rpms/acme-report-1.3-1.noarch.rpm").is_file()
    assert (tree / "build/acme-report-pack-1.3.iso").is_file()


def test_the_lock_holds_every_requirement_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {re.split("[;=<>[]", word)[0].strip().lower() for word in wanted}
    assert names - {line.split("==")[0] for line in lock.splitlines() if "==" in line} == set()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > len(names)
