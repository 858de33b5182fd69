"""Real RPMs, made once a worker."""

import os
import subprocess
from pathlib import Path

import pytest
from support import need

SPEC = """\
Name: {name}
Version: 1.0
Release: 1
Epoch: {epoch}
Summary: {name} <&> summary
License: MIT
BuildArch: noarch
%description
Something to index.
%install
mkdir -p %{{buildroot}}/opt/{name}
echo {name} > %{{buildroot}}/opt/{name}/file
%files
/opt/{name}
%changelog
* Thu Oct 01 2020 Acme <a@acme.example> 1.0-1
- new
"""


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two payload RPMs and the RPM of the pack ``acme``, which is alone in its groups."""
    need("rpmbuild")
    top = tmp_path_factory.mktemp("rpmbuild")
    for name, epoch in (("one", 0), ("two", 3), ("update-acme", 0)):
        (top / f"{name}.spec").write_text(SPEC.format(name=name, epoch=epoch))
    words = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", "--define", "_buildhost h"]
    pinned = ["--define", "use_source_date_epoch_as_buildtime 1"]
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1601553600"}
    specs = sorted(top.glob("*.spec"))
    subprocess.run([*words, *pinned, *specs], check=True, capture_output=True, env=env)
    return {path.name.rsplit("-", 2)[0]: path for path in sorted(top.glob("RPMS/noarch/*.rpm"))}
