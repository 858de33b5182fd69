"""A change of every keyword of every kind that makes an RPM, and what it shall have built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What runs for an RPM whose content changed.
CHAIN = (
    "RPM rpms/{}",
    "Sign signed/KEY/{}",
    "Record records/xenserver-8/KEY/{}.json",
)


@dataclass(frozen=True)
class Case:
    """Keywords after the change, ``old`` ones before it (besides the kind's own), as Python expressions.

    ``runs`` are the steps of this package, with {} for the RPM's file. ``file`` is the RPM after the change,
    where its name changes. ``says`` is part of what --debug=explain says of the RPM. In expressions and texts
    NAME stands for the package's name.
    """

    new: Mapping[str, str]
    old: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[str, ...] = CHAIN
    file: str = ""
    says: str = ""
    #: The RPM before the change, where it is not the one that the kind's own keywords give.
    was: str = ""
    #: Whether the RPM becomes another package, so that the one before stays.
    stays: bool = False


def one(keyword: str, new: str, says: str, old: str = "") -> Case:
    """A change of one keyword that changes the RPM's content and not its name."""
    return Case({keyword: new}, {keyword: old} if old else {}, says=says)


def renamed(keyword: str, new: str, file: str, **old: str) -> Case:
    """A change after which the RPM has another name."""
    return Case({keyword: new}, old, file=file)


def nothing(keyword: str, new: str) -> Case:
    """A change that concerns no step of the package."""
    return Case({keyword: new}, runs=())


def common(files: str, arch: str) -> dict[str, Case]:
    """The keywords of all kinds whose RPM is declared; ``files`` is another value of files."""
    other = "x86_64" if arch == "noarch" else "noarch"
    return {
        "version": renamed("version", "'2'", f"NAME-2-1.{arch}.rpm"),
        "release": renamed("release", "'2'", f"NAME-1-2.{arch}.rpm"),
        "epoch": one("epoch", "1", "package.epoch: (not there) -> 1"),
        "arch": renamed("arch", f"'{other}'", f"NAME-1-1.{other}.rpm"),
        "summary": one("summary", "'b'", 'package.summary: "a" -> "b"', "'a'"),
        "description": one("description", "'b'", 'package.description: (not there) -> "b"'),
        "license": one("license", "'Zlib'", 'package.license: "MIT" -> "Zlib"'),
        "vendor": one("vendor", "'Acme'", 'package.vendor: (not there) -> "Acme"'),
        "packager": one("packager", "'Ann'", 'package.packager: (not there) -> "Ann"'),
        "url": one("url", "'https://b'", 'package.url: "https://a" -> "https://b"', "'https://a'"),
        "files": one("files", files, "package.entries["),
        "config": one("config", "{'/etc/NAME.conf': 'f'}", "package.entries[/etc/NAME.conf]"),
        "docs": one("docs", "['f']", "package.entries[/usr/share/doc/NAME/f]"),
        "licenses": one("licenses", "['f']", "package.entries[/usr/share/licenses/NAME/f]"),
        "requires": one(
            "requires", "['bash >= 5']", 'package.requires[bash].evr: "4" -> "5"', "['bash >= 4']"
        ),
        "provides": one("provides", "['x-NAME']", 'package.provides[x-NAME].name: (not there) -> "x-NAME"'),
        "conflicts": one(
            "conflicts", "['y-NAME']", 'package.conflicts[y-NAME].name: (not there) -> "y-NAME"'
        ),
        "obsoletes": one(
            "obsoletes", "['z-NAME']", 'package.obsoletes[z-NAME].name: (not there) -> "z-NAME"'
        ),
        "scripts": one("scripts", "{'pre': ': b'}", '": a" -> ": b"', "{'pre': ': a'}"),
        "changelog": one(
            "changelog", "['2026-11-20 A <a@b.example> 1-1\\n- b']", "package.changelog[2026-11-20]"
        ),
        "ghost": one("ghost", "['/var/lib/NAME/state']", "package.entries[/var/lib/NAME/state]"),
        "users": one("users", "['b']", "useradd", "['a']"),
        "groups": one("groups", "['b']", "groupadd", "['a']"),
        "hide_provides": one("hide_provides", "['lib.*']", "package.hidden_provides"),
        "hide_requires": one("hide_requires", "['lib.*']", "package.hidden_requires"),
        "automatic_provides": one("automatic_provides", "False", "package.not_automatic"),
        "automatic_requires": one("automatic_requires", "False", "package.not_automatic"),
        "triggers": one("triggers", "{'triggerin bash': ': b'}", ": b"),
        "target": Case({"target": "'#build/rpms/other/NAME-1-1.ARCH.rpm'"}, runs=("RPM rpms/other/{}",)),
        "waive": nothing("waive", "{'B3': 'it is ours'}"),
    }


#: Keywords of each kind before any change.
BASES: dict[str, dict[str, str]] = {
    "Userspace": {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/NAME/f': 'f'}"},
    "Firmware": {"version": "'1'", "files": "{'NAME/f': 'f'}"},
    "KernelModule": {"version": "'1'", "source": "env.Dir('driver')", "ddk": "'#kernel'"},
    "SpecRpm": {"sources": "['f']"},
    "PrebuiltRpm": {},
}
ARCHES = {"Userspace": "noarch", "Firmware": "noarch", "KernelModule": "x86_64"}

_REPORT = "env.XsStatusReport('NAME', pii='no', files=['/var/log/{}'])"
#: What has debug data.
_PROGRAM = {"arch": "'x86_64'", "files": "{'/opt/NAME/f': 'program'}"}

CASES: dict[str, dict[str, Case]] = {
    "Userspace": common("{'/opt/NAME/g': 'f'}", "noarch")
    | {
        "systemd_units": one(
            "systemd_units", "['u.service']", "package.entries[/usr/lib/systemd/system/u.service]"
        ),
        "udev_rules": one("udev_rules", "['70-u.rules']", "package.entries[/etc/udev/rules.d/70-u.rules]"),
        "logrotate": one("logrotate", "['u.logrotate']", "package.entries[/etc/logrotate.d/u]"),
        "firewall": one(
            "firewall", "['-p tcp --dport 2 -j ACCEPT']", "--dport 2", "['-p tcp --dport 1 -j ACCEPT']"
        ),
        "modprobe": one(
            "modprobe", "['options a b=2']", "package.entries[/etc/modprobe.d/NAME.conf]", "['options a b=1']"
        ),
        "migrate": one("migrate", "['/etc/b']", "/etc/b", "['/etc/a']"),
        "status_report": one("status_report", _REPORT.format("b"), "/var/log/b", _REPORT.format("a")),
        "debuginfo": Case(
            {"debuginfo": "True", **_PROGRAM},
            _PROGRAM,
            CHAIN,
            was="NAME-1-1.x86_64.rpm",
            says='outputs.rpms: "0+1" -> "0+2"',
        ),
    },
    "Firmware": {name: case for name, case in common("{'NAME/g': 'f'}", "noarch").items() if name != "config"}
    | {
        "kernel": one("kernel", "'4.19.0+9'", "package.entries[/lib/firmware/updates/4.19.0+9/NAME/f]"),
        "modprobe": one(
            "modprobe", "['options a b=2']", "package.entries[/etc/modprobe.d/NAME.conf]", "['options a b=1']"
        ),
    },
    "PrebuiltRpm": {
        "sha256": nothing("sha256", "sha256('NAME.rpm')"),
        # A submission alone takes it.
        "source_rpm": nothing("source_rpm", "'f'"),
        "target": Case({"target": "'#build/rpms/other/NAME-1-1.noarch.rpm'"}, runs=("Copy rpms/other/{}",)),
        "waive": nothing("waive", "{'B3': 'it is ours'}"),
    },
    "SpecRpm": {
        "sources": Case(
            {"sources": "['other/f']"}, runs=("SpecRpm rpms/{}", *CHAIN[1:]), says="`src/other/f'"
        ),
        "defines": Case(
            {"defines": "{'extra': '2'}"},
            {"defines": "{'extra': '1'}"},
            ("SpecRpm rpms/{}", *CHAIN[1:]),
            says='defines.extra: "1" -> "2"',
        ),
        # The bytes stay as they were: it uses none of them, and there is nothing to strip.
        "macros": Case({"macros": "['m']"}, runs=("SpecRpm rpms/{}",), says="src/m"),
        # It needs none of the kernel's macros; they are given to it all the same. It is judged by the kit's symbols.
        "ddk": Case(
            {"ddk": "'#kernel'"},
            runs=("SpecRpm rpms/{}", "Record records/xenserver-8/KEY/{}.json"),
            says="release_macros: ",
        ),
        "nodeps": nothing("nodeps", "True"),
        "brp": Case({"brp": "False"}, runs=("SpecRpm rpms/{}",), says="brp: true -> false"),
        "rpms": Case({"rpms": "'NAME-1-1.noarch.rpm'"}, runs=("SpecRpm rpms/{}",), says="rpms[s-rpms].arch"),
        "waive": nothing("waive", "{'B3': 'it is ours'}"),
    },
}

_MODULES = "Modules modules/NAME-6.1.0-acme.tar"
_OTHER_NAME = "NAME-modules-{}-6.1.0-acme"


def compiled(keyword: str, new: str, *, same: bool = False, says: str = "", **kept: str) -> Case:
    """A change that compiles the modules again; with ``same`` they come out as they were, and nothing follows. What is
    ``kept`` stands before and after."""
    return Case({keyword: new, **kept}, kept, runs=(_MODULES,) if same else (_MODULES, *CHAIN), says=says)


def another_package(old: Mapping[str, str], new: Mapping[str, str], before: str, after: str) -> Case:
    """A change of the package's own name."""
    modules = f"Modules modules/{after}-6.1.0-acme.tar"
    return Case(new, old, (modules, *CHAIN), f"{after}-1-1.x86_64.rpm", "", f"{before}-1-1.x86_64.rpm", True)


CASES["KernelModule"] = common("{'/opt/NAME/g': 'f'}", "x86_64") | {
    "source": compiled("source", "env.Dir('driver2')", says="`build/modules/NAME-6.1.0-acme.tar' changed"),
    "ddk": Case(
        {"ddk": "'#kernel2'"},
        runs=("Modules modules/NAME-KERNEL.tar", *CHAIN),
        says='package.requires[kernel-uname-r].evr: "6.1.0-acme" -> "6.1.0-beta"',
    ),
    "module_dir": one("module_dir", "'extra'", "package.entries[/lib/modules/6.1.0-acme/extra]"),
    "kernel_in_name": another_package({}, {"kernel_in_name": "True"}, "NAME", _OTHER_NAME.format("xen")),
    "flavour": another_package(
        {"kernel_in_name": "True"},
        {"kernel_in_name": "True", "flavour": "'x'"},
        _OTHER_NAME.format("xen"),
        _OTHER_NAME.format("x"),
    ),
    "kbuild_dir": compiled("kbuild_dir", "['sub']"),
    "make_variables": compiled("make_variables", "{'FLAG': 'B'}"),
    "kconfig": compiled("kconfig", "{'ACME': 'y'}"),
    "prepare": compiled("prepare", "'true'", same=True),
    "modules": compiled("modules", "['a']", same=True),
    "exclude": compiled("exclude", "['b']", source="env.Dir('two')"),
    "dkms": compiled("dkms", "'dkms.conf'", same=True),
    "extra_symbols": compiled("extra_symbols", "['x.symvers']", same=True),
    "firmware": one(
        "firmware", "{'NAME.bin': 'f'}", "package.entries[/lib/firmware/updates/6.1.0-acme/NAME.bin]"
    ),
    "debuginfo": Case({"debuginfo": "True"}, runs=(_MODULES, "RPM rpms/NAME-debuginfo-1-1.x86_64.rpm")),
    "modprobe": one(
        "modprobe", "['options a b=2']", "package.entries[/etc/modprobe.d/NAME.conf]", "['options a b=1']"
    ),
    # Of releases that let administrators select a variant.
    "variant": nothing("variant", "'generic'"),
    "driver": nothing("driver", "'a'"),
    "priority": nothing("priority", "1"),
    "status": nothing("status", "'beta'"),
    "category": nothing("category", "'storage'"),
    "sign_key": compiled("sign_key", "['module.key', 'module.crt']"),
    "compiler_prefix": compiled("compiler_prefix", "'nice'", same=True),
}
