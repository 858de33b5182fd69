"""Each example is a folder to copy: it builds alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import sentences
from support import ROOT, lacks, need
from trees import Tree, fields

from xspack_tool.releases.local import kernel_trees

EXAMPLES = (
    "userspace",
    "driver",
    "driver_variants",
    "firmware",
    "combined",
    "prebuilt",
    "spec",
    "custom_kind",
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_builds_in_a_copy_of_it_alone(tmp_path: Path, example: str) -> None:
    need("rpmbuild", "rpmsign", "gpg", "gcc")
    if example == "driver_variants":
        need("openssl")
    if example in ("driver", "driver_variants", "combined") and not kernel_trees():
        lacks(
            "a kernel build tree is needed: apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)"
        )
    argv = ["git", "-C", str(ROOT), "ls-files", f"examples/{example}"]
    for name in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines():
        place = tmp_path / Path(name).relative_to("examples")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place)
    tree = Tree(tmp_path / example)
    tree.scons("pack").good()
    assert len(list((tree.path / "build").glob("*.iso"))) == 1
    assert tree.scons("pack").good().said.endswith(f"{sentences.UP_TO_DATE}\n")


def test_no_kernel_headers_are_said_in_one_line(tmp_path: Path) -> None:
    """Never silently, and never a failure."""
    tree = Tree(tmp_path / "driver")
    for name in ("SConstruct", "driver/Kbuild", "driver/acme_nic.c"):
        tree.write({name: (ROOT / "examples/driver" / name).read_bytes()})
    text = (tree.path / "SConstruct").read_text()
    tree.write({"SConstruct": text.replace("env.XsKernelTrees()", "[]")})
    said = tree.scons("pack").good().said
    assert said.count("driver: left out, no kernel headers here (apt-get install linux-headers-amd64") == 1


def test_a_kind_of_ones_own_is_in_help_and_tells_mistakes_as_ours_do(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "custom_kind")
    shutil.copytree(ROOT / "examples/custom_kind", tree.path, dirs_exist_ok=True)
    said = tree.scons("-h").good().said
    assert (
        "  env.PythonApp(..): Python code below /opt, with a launcher in /usr/bin for the Python of the release.\n"
        in said
    )
    assert "  PythonApp 'acme-report' -> build/rpms/acme-report-1.3-1.noarch.rpm\n" in said
    text = (tree.path / "SConstruct").read_text()
    tree.write(
        {"SConstruct": text.replace('module="acme_report"', 'modul="acme_report"').replace("1.3", "1-3")}
    )
    line = text.splitlines().index("report = env.PythonApp(") + 1
    pack = text.splitlines().index("pack = env.Pack(") + 1
    mistakes = tree.scons("pack").refused()
    assert fields(mistakes) == [
        f"SConstruct:{line}: PythonApp 'acme-report': modul='acme_report'",
        f"SConstruct:{line}: PythonApp 'acme-report': module=None",
        f"SConstruct:{line}: PythonApp 'acme-report': version='1-3'",
        f"SConstruct:{pack}: Pack 'acme-report-pack': version='1-3'",
    ]
    # What a kind of a user's says is its own.
    assert mistakes[1].endswith(": is missing; give the module that the launcher runs")
