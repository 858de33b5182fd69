"""Real transactions of dnf in a chroot, as xapi asks for them."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.errors import Interrupted
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.model.profile import Profile
from xspack_tool.run import WORKING, Done, run
from xspack_tool.sandbox.root import SandboxRoot, unshare_words

#: What dnf says while it does something: the order of a transaction.
_STEP = re.compile(
    r"^ {2}(Installing|Upgrading|Reinstalling|Downgrading|Obsoleting|Running scriptlet|Cleanup|Erasing)\s*: (\S+)"
)
_TROUBLE = re.compile(r"^(?:warning|error|Error)[: ]|scriptlet failed|^ +- |^  Problem", re.MULTILINE)
#: What ends a program that is at fault itself.
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
_TEST = re.compile(r"[Tt]ransaction (?:test|check) error")
_MISSING = re.compile(r"nothing provides (.+?) needed by")


class Outcome(Struct, frozen=True):
    """What a transaction came to: its steps in order, what dnf complained of, and whether it went through."""

    good: bool
    steps: tuple[str, ...]
    complaints: tuple[str, ...]
    words: str


class Dnf:
    """dnf on one chroot, with nothing of this machine's configuration."""

    def __init__(self, root: SandboxRoot, profile: Profile, work: Path) -> None:
        self.root, self._profile, self._work = root, profile, work
        self._unshare = unshare_words()

    def install(self, source: Path, key: Path | None, label: str, wanted: Sequence[str]) -> Outcome:
        """Install from the repository in ``source`` as xapi does; signatures are checked where there is a key."""
        conf = self._work / f"{label}.conf"
        conf.write_text(yum_conf(label, source, key))
        return self._dnf(conf, "install", *wanted)

    def install_local(self, *rpms: Path) -> Outcome:
        """Install RPM files of ours, with no repository at all."""
        conf = self._work / "local.conf"
        conf.write_text(_main(signed=False))
        return self._dnf(conf, "install", *map(str, rpms))

    def fill(self, source: Path, packages: Sequence[str]) -> Outcome:
        """Install packages of the release; their scriptlets are not what is tried."""
        conf = self._work / "base.conf"
        conf.write_text(yum_conf("base", source, None))
        return self._dnf(conf, "--setopt=tsflags=noscripts", "install", *packages)

    def remove(self, *names: str) -> Outcome:
        """Erase packages, and none that came with them."""
        conf = self._work / "local.conf"
        conf.write_text(_main(signed=False))
        return self._dnf(conf, "--setopt=clean_requirements_on_remove=0", "remove", *names)

    def rpm(self, *words: str) -> Done:
        """What rpm says of the root's packages; it changes nothing by being asked with -q or --test."""
        argv = [*self._unshare, "rpm", "--root", str(self.root.path), *words]
        return run(argv, check=False, timeout=WORKING, what=f"rpm {words[0]}")

    def _dnf(self, conf: Path, *words: str) -> Outcome:
        argv = [
            *self._unshare,
            *("dnf", "-y", "--noplugins", "-c", str(conf), "--installroot", str(self.root.path)),
            *(
                "--releasever",
                self._profile.releasever or "7",
                "--forcearch",
                self._profile.arch or "x86_64",
                *words,
            ),
        ]
        env = {"COLUMNS": "300", "TMPDIR": str(self._work)}
        done = run(argv, check=False, killed=True, timeout=WORKING, env=env, what=f"dnf {words[0]}")
        if done.status >= 0:
            return read_outcome(done)
        name = signal.Signals(-done.status).name
        if -done.status not in _CRASHES:
            raise Interrupted(f"dnf {words[0]} was ended by {name}")
        # A damaged index does that to its library; a host's dnf is no better.
        return read_outcome(replace(done, err=f"{done.err}\nError: dnf crashed ({name})"))


def read_outcome(done: Done) -> Outcome:
    """What dnf's output tells."""
    text = f"{done.out}\n{done.err}"
    steps = [(found[1], found[2]) for line in text.splitlines() if (found := _STEP.match(line))]
    complaints = list(_complaints(text))
    return Outcome(
        done.status == 0 and not any("scriptlet failed" in line for line in complaints if "%pre" in line),
        tuple(f"{what.lower()} {nevra}" for what, nevra in steps),
        tuple(dict.fromkeys(complaints)),
        text,
    )


def _complaints(text: str) -> Iterator[str]:
    """What dnf complained of; the reasons of a failed test of the transaction stand below it, indented."""
    is_reason = False
    for line in text.splitlines():
        is_reason = line.startswith("  ") if is_reason else False
        if is_reason or _TROUBLE.search(line):
            yield line.strip()
        is_reason = is_reason or bool(_TEST.search(line))


def yum_conf(label: str, source: Path, key: Path | None) -> str:
    """The configuration that xapi writes (`create_yum_config`), for a repository in a folder."""
    keyed = f"gpgkey=file://{key.absolute()}\n" if key else ""
    return f"{_main(signed=key is not None)}\n[{label}]\nname={label}\nbaseurl=file://{source.absolute()}\n{keyed}"


def _main(*, signed: bool) -> str:
    check = int(signed)
    return (
        f"[main]\nkeepcache=0\nreposdir=/dev/null\ngpgcheck={check}\nrepo_gpgcheck={check}\n"
        # yum's `install` upgrades what is there in an older version; dnf 4 does so with best=1 only.
        "installonlypkgs=\ngroup_command=compat\nvarsdir=/dev/null\nbest=1\n"
    )


def precheck_code(found: Outcome, pack: ParsedPack, known: Sequence[str], manager: str) -> str:
    """How xapi's `pool_update.precheck` would read the failure; ``known`` are the capabilities of which the
    release has some version, which counts where its ``manager`` is yum."""
    missing = _MISSING.search(found.words)
    if "GPG" in found.words and missing is None:
        return "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED"
    if "conflicts with" in found.words:
        return "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT"
    if missing:
        words = missing[1].split()
        version = len(words) > 1 if manager == "dnf" else words[0] in known
        return f"UPDATE_PRECHECK_FAILED_{'WRONG_SERVER_VERSION' if version else 'PREREQUISITE_MISSING'}"
    if "checksum" in found.words.lower() or "Error downloading packages" in found.words:
        return "INVALID_UPDATE"
    return "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR"
