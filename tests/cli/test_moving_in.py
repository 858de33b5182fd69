"""The Makefile and the SConstruct of docs/from-build-update.md make the same pack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pack_maker import Key, xspack
from support import ROOT, blocks, need
from trees import SCONS

SPEC = """\
Name: acme-agent
Version: 5.2
Release: 1
Summary: Acme monitoring agent
License: MIT
Source0: agent.sh
BuildArch: noarch
%description
Acme monitoring agent.
%install
install -D -m 755 %{SOURCE0} %{buildroot}/opt/acme/agent
%files
%dir /opt/acme
/opt/acme/agent
"""


def test_both_make_the_same_pack(keys: dict[str, Key], tmp_path: Path) -> None:
    need("make", "rpmbuild", "rpmsign", "gpg", "awk")
    key, page = keys["Acme"], "docs/from-build-update.md"
    (makefile,), (sconstruct,) = blocks(page, "make"), blocks(page, "python")
    # A public key alone in its ring is what the Makefile's GPG_UID counts on.
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/build-update"
    code = "import sys; from xspack_tool.cli import build_update_main; sys.exit(build_update_main())"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
    script.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GNUPGHOME": str(key.home),
    }
    for name, text in (
        ("Makefile", makefile),
        ("SConstruct", sconstruct),
        ("acme-agent.spec", SPEC),
        ("agent.sh", "#!/bin/sh\nexit 0\n"),
        ("precheck.sh", "#!/bin/sh\nexit 0\n"),
        ("RPM-GPG-KEY-Acme", key.file.read_text()),
    ):
        (tmp_path / name).write_text(text)
    for argv in (["make", "-s"], [*SCONS, "pack"]):
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    made, built = tmp_path / "acme-agent.iso", tmp_path / "build/acme-agent-5.2.iso"
    found = xspack("diff", made, built, "--json").json
    assert (found["document"], found["rpms_added"], found["rpms_removed"], found["devices"]) == (
        [],
        [],
        [],
        [],
    )
    about = {name: {change["what"] for change in changes} for name, changes in found["rpms_changed"].items()}
    # The Makefile's rpmbuild follows the machine's taste, ours the release's.
    assert about.pop("acme-agent.noarch", set()) <= {"payload", "requires"}
    assert about == {}
    for iso in (made, built):
        assert xspack("verify", iso, "--key", key.file).status == 0
