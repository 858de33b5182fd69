"""Specs as vendors' drivers have them: built unchanged, to what plain rpmbuild makes with the kernel's macros."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from rebuild.lab import kernel as kernel_tree
from support import lacks, need
from trees import Tree

from xspack_tool.releases.local import kernel_trees
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.kernel_macros import kernel_macros
from xspack_tool.rpm.read import read_rpm

HEAD = 'env = Environment(tools=["xspack"], XSPACK_TARGET="local", ENV={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})\n'
MODULE = """\
#include <linux/module.h>
#include "acme_compat.h"
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION(ACME_WORDS);
"""
KCOMPAT = """\
#!/bin/sh
# Asks the kernel's headers what they have, as kcompat-generator.sh does.
test -d "$KSRC/include" || exit 1
echo '#define ACME_WORDS "from before"' > "$OUT"
"""
PATCH = """\
--- a/compat.sh
+++ b/compat.sh
@@ -2,3 +2,3 @@
 # Asks the kernel's headers what they have, as kcompat-generator.sh does.
 test -d "$KSRC/include" || exit 1
-echo '#define ACME_WORDS "from before"' > "$OUT"
+echo '#define ACME_WORDS "patched"' > "$OUT"
"""
SCRIPTS = """\
%post
/sbin/depmod %{kernel_version}
%{regenerate_initrd_post}

%postun
/sbin/depmod %{kernel_version}
%{regenerate_initrd_postun}

%posttrans
%{regenerate_initrd_posttrans}
"""
#: A NIC's driver: a script of its own that looks at the kernel, a patch, modprobe.d and depmod.d, what it replaces.
NIC = """\
%define vendor_name Acme
%define vendor_label acme
%define driver_name nic
%if %undefined module_dir
%define module_dir updates
%endif
Summary: %{vendor_name} %{driver_name} device drivers
Name: %{vendor_label}-%{driver_name}
Epoch: 1
Version: 2.1.0
Release: 3%{?release_suffix}%{?dist}
License: GPL
Source0: %{name}-%{version}.tar.gz
Source1: acme-nic.conf
Patch0: compat.patch
BuildRequires: gcc
BuildRequires: kernel-devel
%{?_cov_buildrequires}
Provides: vendor-driver
Obsoletes: acme-nic-legacy < 2
Requires: kernel-uname-r = %{kernel_version}
Requires(post): /usr/sbin/depmod
Requires(postun): /usr/sbin/depmod
%description
%{vendor_name} %{driver_name} device drivers for the Linux kernel %{kernel_version}.
%prep
%autosetup -p1 -n %{name}-%{version}
%{?_cov_prepare}
%build
KSRC=/lib/modules/%{kernel_version}/build OUT=src/acme_compat.h sh compat.sh
%{?_cov_wrap} %{make_build} -C /lib/modules/%{kernel_version}/build M=$(pwd)/src CONFIG_ACME=m modules
%install
%{?_cov_wrap} %{__make} %{?_smp_mflags} -C /lib/modules/%{kernel_version}/build M=$(pwd)/src CONFIG_ACME=m \\
    INSTALL_MOD_PATH=%{buildroot} INSTALL_MOD_DIR=%{module_dir} DEPMOD=/bin/true modules_install
rm -f %{buildroot}/lib/modules/%{kernel_version}/modules.*
find %{buildroot}/lib/modules/%{kernel_version} -name "*.ko" -type f | xargs chmod u+x
install -D -m 644 %{SOURCE1} %{buildroot}%{_sysconfdir}/modprobe.d/%{driver_name}.conf
mkdir -p %{buildroot}/etc/depmod.d
echo 'override acme %{kernel_version} %{module_dir}' > %{buildroot}/etc/depmod.d/%{driver_name}.conf
%{?_cov_install}
SCRIPTS
%files
%config(noreplace) %{_sysconfdir}/modprobe.d/*.conf
/etc/depmod.d/%{driver_name}.conf
/lib/modules/%{kernel_version}/*/*.ko
%{?_cov_results_package}
%changelog
* Tue Nov 24 2026 Acme <a@acme.example> - 2.1.0-3
- first
"""
#: Firmware alone, and tools of one architecture in a sub-package.
FIRMWARE = """\
%define fwdir /lib/firmware/updates/%{kernel_version}/acme
Name: acme-firmware
Version: 20260101
Release: 1
Summary: Firmware of Acme's devices
License: Redistributable, no modification permitted
Source0: nic.bin
BuildRequires: kernel-devel
%description
Firmware.
%ifarch x86_64
%package tools
Summary: Tools for it
Requires: %{name} = %{version}-%{release}
%description tools
Tools.
%endif
%install
install -D -m 644 %{SOURCE0} %{buildroot}%{fwdir}/nic.bin
ln -s nic.bin %{buildroot}%{fwdir}/nic-default.bin
%ifarch x86_64
install -d %{buildroot}/opt/acme/bin
printf '#!/bin/sh\\nexec cat %{fwdir}/nic.bin\\n' > %{buildroot}/opt/acme/bin/show
chmod 755 %{buildroot}/opt/acme/bin/show
%endif
%post
%{regenerate_initrd_post}
%postun
%{regenerate_initrd_postun}
%posttrans
%{regenerate_initrd_posttrans}
%files
%dir %{fwdir}
%{fwdir}/*
%ifarch x86_64
%files tools
/opt/acme/bin
%endif
"""


@pytest.fixture
def kernel() -> str:
    """The kernel that the profile ``local`` names first, where its tree is at its usual place."""
    need("rpmbuild", "make", "gcc", "strip", "file")
    for version in kernel_trees():
        if Path("/lib/modules", version, "build").exists():
            return version
        break
    lacks("a kernel build tree is needed: apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)")


def archive(top: str, files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mtime = len(text), 1_700_000_000
            tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def tree_of(tmp_path: Path) -> Tree:
    sources = {"compat.sh": KCOMPAT, "src/Makefile": "obj-$(CONFIG_ACME) := acme.o\n", "src/acme.c": MODULE}
    return Tree(tmp_path / "tree").write(
        {
            "acme-nic.spec": NIC.replace("SCRIPTS\n", SCRIPTS),
            "acme-nic-2.1.0.tar.gz": archive("acme-nic-2.1.0", sources),
            "acme-nic.conf": "options acme rings=2\n",
            "compat.patch": PATCH,
            "acme-firmware.spec": FIRMWARE,
            "nic.bin": b"\0\1\2",
        }
    )


def plain(tree: Tree, spec: str, kernel: str) -> dict[str, RpmInfo]:
    """What rpmbuild itself makes of a spec in the folder of its sources, with the kernel's macros among the
    machine's own."""
    (tree.path / "macros.kernel").write_text(kernel_macros(kernel, "updates"))
    files = subprocess.run(["rpm", "--showrc"], capture_output=True, text=True, check=True).stdout
    (path,) = (line.split(": ")[1] for line in files.splitlines() if line.startswith("Macro path: "))
    top = tree.path.parent / f"plain {spec}".replace(" ", "-")
    argv = ["rpmbuild", f"--macros={path}:{tree.path}/macros.kernel", "--define", f"_topdir {top}"]
    argv += ["--define", "_wrong_version_format_terminate_build 0"]  # a Debian kernel has two dashes
    argv += ["--define", "_build_id_links none"]  # which CentOS 7 knows nothing of
    argv += ["--define", f"_sourcedir {tree.path}", "-bb", "--nodeps", str(tree.path / spec)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {rpm.name: read_rpm(rpm) for rpm in (top / "RPMS").rglob("*.rpm")}


def shape(info: RpmInfo) -> dict[str, object]:
    """What a host sees of an RPM: all but the times, the compression and who built it."""
    return {
        "nevra": info.nevra,
        "files": [(f.path, f.mode, f.owner, f.group, f.link, f.flags) for f in info.files],
        "requires": sorted(str(r) for r in info.requires if not r.name.startswith("rpmlib(Payload")),
        "provides": sorted(map(str, info.provides)),
        "obsoletes": sorted(map(str, info.obsoletes)),
        "scripts": info.scripts,
        "changelog": info.changelog,
    }


@pytest.mark.parametrize(
    ("spec", "sources", "made"),
    [
        (
            "acme-nic.spec",
            ["acme-nic-2.1.0.tar.gz", "acme-nic.conf", "compat.patch"],
            ["acme-nic-2.1.0-3.x86_64.rpm"],
        ),
        (
            "acme-firmware.spec",
            ["nic.bin"],
            ["acme-firmware-20260101-1.x86_64.rpm", "acme-firmware-tools-20260101-1.x86_64.rpm"],
        ),
    ],
)
def test_a_drivers_spec_as_it_is(
    tmp_path: Path, kernel: str, spec: str, sources: list[str], made: list[str]
) -> None:
    pack = 'requires=["product-version >= 8"], uuid="7c0a7d0e-3c39-4b4c-8f3f-6d4a5f8f1d13", key=None, unsigned=True'
    tree = tree_of(tmp_path).declare(
        f"rpms = env.SpecRpm({spec!r}, sources={sources!r})\n"
        f'env.Pack("p", version="1", description="d", packages=rpms, {pack})\n',
        HEAD,
    )
    tree.scons("-j2", "build/p-findings.json", "build/rpms").good()
    found = (tree.path / "build/p-findings.json").read_text()
    assert '"rule"' in found and not re.search(r'"(K7|S8|S9)"', found), found
    ours = {
        rpm.name: read_rpm(rpm)
        for rpm in (tree.path / "build/rpms").glob("*.rpm")
        if not rpm.name.startswith(("update-", "control-"))
    }
    theirs = plain(tree, spec, kernel)
    assert sorted(ours) == sorted(theirs) == made
    for name, info in ours.items():
        assert shape(info) == shape(theirs[name])
    if spec == "acme-nic.spec":
        (info,) = ours.values()
        assert f"/lib/modules/{kernel}/updates/acme.ko" in [file.path for file in info.files]
        posttrans = next(script.text for script in info.scripts if script.phase == "posttrans")
        assert f"dracut -f /boot/initrd-{kernel}.img {kernel} " in posttrans


def test_the_macros_of_a_release(tmp_path: Path) -> None:
    """Kernel and folder are the profile's; what is given counts more; with no kernel known, none is made up."""
    need("rpmbuild")
    spec = (
        "Name: a\nVersion: 1\nRelease: %{?kernel_version}%{!?kernel_version:0}.%{module_dir}\nSummary: s\n"
        "License: MIT\nBuildArch: noarch\n%description\nd\n%files\n"
    )
    tree = Tree(tmp_path / "tree").write(
        {f"{name}.spec": spec.replace("Name: a", f"Name: {name}") for name in "abcd"}
    )
    tree.write({"k.macros": "%kernel_version 5.0\n%module_dir extra"})
    tree.declare(
        'env.SpecRpm("a.spec")\n'
        'env.SpecRpm("b.spec", macros=["k.macros"])\n'
        'env.SpecRpm("c.spec", macros="k.macros", defines={"module_dir": "override"})\n'
        'env.Clone(XSPACK_TARGET="xenserver-9").SpecRpm("d.spec")\n',
        'env = Environment(tools=["xspack"], XSPACK_TARGET="xcp-ng-8.3")\n',
    )
    tree.scons("build/rpms").good()
    assert sorted(path.name for path in (tree.path / "build/rpms").iterdir()) == [
        "a-1-4.19.0+1.updates.noarch.rpm",
        "b-1-5.0.extra.noarch.rpm",
        "c-1-5.0.override.noarch.rpm",
        "d-1-0.updates.noarch.rpm",
    ]


def test_a_macro_file_is_part_of_the_input(tmp_path: Path) -> None:
    """Also for the RPMs' names."""
    need("rpmbuild")
    spec = "Name: a\nVersion: %{v}\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n%files\n"
    tree = Tree(tmp_path / "tree").write({"a.spec": spec, "m": "%v 1\n"})
    tree.declare('env.SpecRpm("a.spec", macros=["m"])\n')
    assert tree.scons("build/rpms").good().built == {"build/rpms/a-1-1.noarch.rpm"}
    assert tree.scons("build/rpms").good().built == set()
    tree.write({"m": "%v 2\n"})
    assert tree.scons("build/rpms").good().built == {"build/rpms/a-2-1.noarch.rpm"}
    assert [path.name for path in (tree.path / "build/rpms").iterdir()] == ["a-2-1.noarch.rpm"]


PLAIN = "Name: a\nVersion: @V@\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n%files\n"
MAKE = 'env.Substfile("a.spec.in", SUBST_DICT={"@V@": "1.5"})\n'
TEXTFILE = 'env = Environment(tools=["textfile", "xspack"], ENV={"PATH": "/usr/bin:/bin"})\n'
PACKED = """\
env.Pack("p", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=a, unsigned=True)
"""


@pytest.mark.parametrize("before", [True, False])
def test_a_spec_that_is_built(tmp_path: Path, before: bool) -> None:
    """The declaration names its RPMs, wherever the statement stands that builds it."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"a.spec.in": PLAIN})

    def declare(rpms: str, make: str = MAKE) -> Tree:
        spec = f'a = env.SpecRpm("a.spec"{rpms})\n{PACKED}'
        return tree.declare(make + spec if before else spec + make, TEXTFILE)

    named = ', rpms=["a-1.5-1.noarch.rpm"]'
    tree = declare(named)
    assert "build/rpms/a-1.5-1.noarch.rpm" in tree.scons("pack").good().built
    assert tree.scons("pack").good().built == set()
    tree.write({"a.spec.in": PLAIN.replace("Summary: s", "Summary: t")})
    assert "build/rpms/a-1.5-1.noarch.rpm" in tree.scons("pack").good().built

    ran = declare(named, MAKE.replace("1.5", "1.6")).scons("pack")
    assert ran.status == 2
    assert 'a.spec makes other RPMs than rpms= names; write rpms=["a-1.6-1.noarch.rpm"]' in ran.said

    # An older one lies there, and would be taken for the new one.
    (said,) = declare("").scons("pack").refused()
    rule = "a spec that is built: the RPMs that the spec makes are not known yet"
    assert said.endswith(f"SpecRpm 'a.spec': {rule}; name them: rpms=[\"acme-1.0-1.x86_64.rpm\"]"), said


def test_a_macro_file_that_is_built(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"a.spec": PLAIN.replace("@V@", "%{v}\nEpoch: 3"), "m": "%v 2\n"})
    macros = 'env.SpecRpm("a.spec", macros=[env.Command("n", "m", Copy("$TARGET", "$SOURCE"))]'
    tree.declare(f'{macros}, rpms="a-3:2-1.noarch.rpm")\n')
    assert tree.scons("build/rpms").good().built == {"build/rpms/a-2-1.noarch.rpm"}
    ran = tree.declare(f'{macros}, rpms="a-2-1.noarch.rpm")\n').scons("build/rpms")
    assert ran.status == 2 and 'write rpms=["a-3:2-1.noarch.rpm"]' in ran.said
    (said,) = tree.declare(f"{macros})\n").scons().refused()
    assert "macros='n': a macro file that is built: the RPMs that the spec makes are not known yet" in said
    (said,) = tree.declare(f'{macros}, rpms="a.rpm")\n').scons().refused()
    assert said.endswith("rpms='a.rpm': not the file name of an RPM; write it as \"acme-1.0-1.x86_64.rpm\"")


def test_of_which_kernel_the_macros_are(tmp_path: Path) -> None:
    """That of ddk=, else of XSPACK_DDK, else of the profile."""
    need("rpmbuild")
    spec = "Name: NAME\nVersion: %{kernel_version}\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n"
    spec += "%description\nd\n%files\n"
    tree = Tree(tmp_path / "tree").write({f"{name}.spec": spec.replace("NAME", name) for name in "abc"})
    for name in ("one", "two"):
        Tree(tmp_path / name).write(kernel_tree(f"6.1.0.{name}"))
    tree.declare(
        'env.SpecRpm("a.spec")\nkit = env.Clone(XSPACK_DDK="../one")\nkit.SpecRpm("b.spec")\n'
        'kit.SpecRpm("c.spec", ddk="../two")\n'
    )
    tree.scons("build/rpms").good()
    assert sorted(path.name for path in (tree.path / "build/rpms").iterdir()) == [
        "a-4.19.0+1-1.noarch.rpm",
        "b-6.1.0.one-1.noarch.rpm",
        "c-6.1.0.two-1.noarch.rpm",
    ]


def test_what_a_failed_build_leaves(tmp_path: Path) -> None:
    """Below XSPACK_OUT, named in the message, and gone with -c or the next good build."""
    need("rpmbuild")
    spec = (
        "Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n"
        "%install\necho 'no luck'; RESULT\n%files\n"
    )
    tree = Tree(tmp_path / "tree").write({"a.spec": spec.replace("RESULT", "false")})
    tree.declare('env.SpecRpm("a.spec")\n')
    ran = tree.scons()
    assert ran.status == 2
    assert "rpmbuild ended with status 1 in %install" in ran.said
    assert "\n    no luck\n" in ran.said
    folder = next(iter((tree.path / "build/.xspack/failed").iterdir()))
    assert f"  command: cd {folder} && " in ran.said
    tree.scons("-c").good()
    assert not folder.exists()
    assert tree.scons().status == 2
    assert folder.exists()
    tree.write({"a.spec": spec.replace("RESULT", "true")})
    tree.scons().good()
    assert not folder.exists()


def test_pointers_in_the_place_of_a_source(tmp_path: Path) -> None:
    need("rpmbuild")
    spec = "Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\nd\n%files\n"
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    key = "SHA256E-s5--0.tar.gz"
    tree = Tree(tmp_path / "tree").write(
        {
            "a.spec": spec,
            "lfs.tar.gz": pointer,
            "annex.tar.gz": f"/annex/objects/{key}\n",
            "good": "version 1\n",
        }
    )
    (tree.path / "link.tar.gz").symlink_to(f".git/annex/objects/ab/cd/{key}/{key}")
    tree.declare('env.SpecRpm("a.spec", sources=["good", "lfs.tar.gz", "annex.tar.gz", "link.tar.gz"])\n')
    assert [line.partition("sources=")[2] for line in tree.scons("build/rpms").refused()] == [
        "'lfs.tar.gz': a pointer of Git LFS, not the file itself; fetch it: git lfs pull lfs.tar.gz",
        "'annex.tar.gz': a pointer of git-annex, not the file itself; fetch it: git annex get annex.tar.gz",
        "'link.tar.gz': a pointer of git-annex, not the file itself; fetch it: git annex get link.tar.gz",
    ]


UNGIVEN = """\
Name: a
Version: 1
Release: 1
Summary: s
License: MIT
BuildArch: noarch
Source0: https://acme.example/%{name}.conf
Source1: %{name}.more
Patch7: fix.patch
%description
d
%install
install -D -m 644 USED %{buildroot}/etc/a.conf
%files
/etc/a.conf
"""


def test_sources_that_are_not_given(tmp_path: Path) -> None:
    """Named where the build fails, and where the source RPM is written, which holds all of them."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"a.spec": UNGIVEN.replace("USED", "%{SOURCE1}"), "a.conf": "x"})
    tree.declare('env.SpecRpm("a.spec", sources=["a.conf"])\n')
    ran = tree.scons("build/rpms")
    told = "files that the spec names and sources= does not: a.more, fix.patch\n"
    assert ran.status == 2 and f"\n  {told}" in ran.said
    tree.write({"a.spec": UNGIVEN.replace("USED", "%{SOURCE0}")})
    tree.scons("build/rpms").good()
    ran = tree.scons("build/srpms")
    assert ran.status == 2 and f"writing a-1-1.src.rpm: {told}" in ran.said


DEFINED = """\
Name: %{called}
Version: 1
Release: 1
Summary: s
License: MIT
BuildArch: noarch
%description
d
%post
%{body}
%files
"""
#: A value of defines= -> the scriptlet that is it.
BODIES: dict[str | int, str] = {
    "echo a\necho b": "echo a\necho b",
    "if a; then\n  b\nfi\n": "if a; then\n  b\nfi",
    "\n\necho after": "\n\necho after",
    "# one\necho two": "# one\necho two",
    "echo a \\\n  b\\": "echo a \\\n  b\\",
    "echo 'a b' \"c\" { } $D ${e} $(f) `g`": "echo 'a b' \"c\" { } $D ${e} $(f) `g`",
    "echo \u00e9 \u20ac": "echo \u00e9 \u20ac",
    "echo 100%% of %{name}": "echo 100% of x7",
    7: "7",
}


def test_a_define_is_whole(tmp_path: Path) -> None:
    """Whatever its value is made of; macros in it are expanded."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({f"x{at}.spec": DEFINED for at in range(len(BODIES))})
    tree.declare(
        "".join(
            f'env.SpecRpm("x{at}.spec", defines={{"called": "x{at}", "body": {value!r}}})\n'
            for at, value in enumerate(BODIES)
        )
    )
    tree.scons("build/rpms").good()
    found = {info.name: info for info in map(read_rpm, (tree.path / "build/rpms").iterdir())}
    for at, text in enumerate(BODIES.values()):
        assert [script.text for script in found[f"x{at}"].scripts] == [text]


@pytest.mark.parametrize("value", ["True", "None", "1.5", '["a"]', '{"a": "b"}'])
def test_a_define_of_another_type(tmp_path: Path, value: str) -> None:
    tree = Tree(tmp_path / "tree").write({"a.spec": DEFINED})
    tree.declare(f'env.SpecRpm("a.spec", defines={{"called": "a", "body": {value}}})\n')
    (said,) = tree.scons("build").refused()
    assert said.endswith("defines must be a table, name -> text or number; correct it, or leave it out")


VARIANT = """\
Name: acme-%{variant}
Version: %{driver_version}
Release: 1
Summary: s
License: GPL-2.0-only
BuildArch: noarch
%description
d
%install
mkdir -p %{buildroot}/lib/modules/%{kernel_version}/dmv/acme/%{version}
echo %{variant} > %{buildroot}/lib/modules/%{kernel_version}/dmv/acme/%{version}/info.json
%files
/lib/modules/%{kernel_version}/dmv/acme
"""


def test_a_spec_of_several_variants(tmp_path: Path) -> None:
    """One spec, declared once for each variant of its driver: by defines, for variant= is KernelModule's."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"acme.spec": VARIANT})
    loop = 'for variant, version in {}:\n    env.SpecRpm("acme.spec", defines={{"variant": variant, {}}})\n'
    declared = loop.format([("generic", "1.0"), ("dell", "1.1")], '"driver_version": version')
    tree.declare(declared, HEAD)
    rpms = {"acme-dell-1.1-1.noarch.rpm", "acme-generic-1.0-1.noarch.rpm"}
    sources = {"acme-dell-1.1-1.src.rpm", "acme-generic-1.0-1.src.rpm"}
    tree.scons("build/rpms", "build/srpms").good()
    assert (tree.files("build/rpms"), tree.files("build/srpms")) == (rpms, sources)
    tree.declare(declared.replace("1.1", "1.2"), HEAD)
    assert tree.scons("build/rpms", "build/srpms").good().built == {
        "build/rpms/acme-dell-1.2-1.noarch.rpm",
        "build/srpms/acme-dell-1.2-1.src.rpm",
    }
    assert tree.files("build/rpms") == {"acme-dell-1.2-1.noarch.rpm", "acme-generic-1.0-1.noarch.rpm"}
    assert tree.files("build/srpms") == {"acme-dell-1.2-1.src.rpm", "acme-generic-1.0-1.src.rpm"}

    # Two that make the same RPM, and what only a driver that is compiled here has.
    tree.write({"acme.spec": VARIANT.replace("acme-%{variant}", "acme")})
    tree.declare(loop.format([("generic", "1.0"), ("dell", "1.0")], '"driver_version": version'), HEAD)
    mistakes = tree.scons().refused()
    assert mistakes and all("already taken by SpecRpm 'acme.spec'" in said for said in mistakes), mistakes
    tree.declare('env.SpecRpm("acme.spec", variant="generic")\n', HEAD)
    (said,) = tree.scons().refused()
    assert "variant='generic'" in said, said
