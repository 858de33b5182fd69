"""A root folder that stands for a host: busybox for its shell, stubs for programs that would touch a machine."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from xspack_tool.errors import StepError
from xspack_tool.files import file_digest
from xspack_tool.run import ASKING, WORKING, Done, run

#: Where the stubs write how they were called.
CALLS = "var/log/xspack-calls"
#: Programs that scriptlets call to change the machine; each stub logs its name and arguments.
STUB_PROGRAMS = (
    *(
        "depmod",
        "dracut",
        "ldconfig",
        "modprobe",
        "rmmod",
        "udevadm",
        "weak-modules",
        "new-kernel-pkg",
        "mkinitrd",
    ),
    *(
        "systemctl",
        "service",
        "chkconfig",
        "systemd-tmpfiles",
        "systemd-sysusers",
        "xe",
        "xe-toolstack-restart",
    ),
    *(
        "iptables",
        "iptables-restore",
        "iptables-save",
        "ip6tables",
        "ip6tables-restore",
        "ip6tables-save",
        "firewall-cmd",
        "firewall-offline-cmd",
    ),
    *(
        "useradd",
        "groupadd",
        "usermod",
        "userdel",
        "groupdel",
        "restorecon",
        "semodule",
        "update-alternatives",
    ),
)
_RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:RH-Firewall-1-INPUT - [0:0]
-A INPUT -j RH-Firewall-1-INPUT
-A RH-Firewall-1-INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""
#: The one host of the pool, as its inventory and the stub for xe name it.
_HOST = "00000000-0000-4000-8000-000000000001"
_XE = f"""\
case "$1 $*" in
    host-list*--minimal*) echo {_HOST} ;;
esac
"""
#: A stub that is called so again and again with the same words feeds a loop that would never end.
_MOST_CALLS = 200
_LOG = f"""\
#!/bin/busybox sh
call="${{0##*/}}${{*:+ $*}}"
[ "$(grep -cxF -- "$call" /{CALLS})" -lt {_MOST_CALLS} ] || exit 1
echo "$call" >>/{CALLS}
"""
#: iptables with rules that are there when they were added and gone when they were deleted, in the format of
#: iptables-save, a file for each table. What a rule means is not looked at.
_IPTABLES = r"""
name=${0##*/} family=${name%%-*}
state=/var/log/xspack-$family
restore() {
    table=filter
    while read -r line; do
        case $line in
            \**) table=${line#?}; : >"$state.$table" ;;
            :* | -A*) echo "$line" >>"$state.$table" ;;
        esac
    done
}
[ -e "$state.filter" ] || { : >"$state.filter"; restore <"/etc/sysconfig/$family"; } 2>/dev/null
case $name in
    *-restore) restore; exit 0 ;;
    *-save)
        for file in "$state".*; do echo "*${file##*.}"; cat "$file"; echo COMMIT; done
        exit 0 ;;
esac
table=filter op= chain= number= rule=
while [ $# -gt 0 ]; do
    case $1 in
        -w | --wait) shift; case $1 in [0-9]*) shift ;; esac ;;
        -t | --table) table=$2; shift 2 ;;
        -[ADICNXFLSP] | --append | --delete | --insert | --check | --new-chain | --delete-chain | --flush)
            op=$1; shift
            case $1 in -* | '') ;; *) chain=$1; shift ;; esac
            case $1 in [0-9]*) number=$1; shift ;; esac ;;
        *) rule="$rule $1"; shift ;;
    esac
done
file=$state.$table
[ -e "$file" ] || : >"$file"
export LINE="-A $chain$rule" CHAIN="$chain" NUMBER="$number"
edit() { awk "$1" "$file" >"$file.new" && mv "$file.new" "$file"; }
case $op in
    -A | --append) echo "$LINE" >>"$file" ;;
    -I | --insert)
        edit '!done && $1 == "-A" && $2 == ENVIRON["CHAIN"] && ++n >= ENVIRON["NUMBER"] + 0 {
                  print ENVIRON["LINE"]; done = 1 } { print }
              END { if (!done) print ENVIRON["LINE"] }' ;;
    -C | --check) grep -qxF -- "$LINE" "$file" ;;
    -D | --delete)
        [ -n "$number" ] || grep -qxF -- "$LINE" "$file" || exit 1
        edit '$1 == "-A" && $2 == ENVIRON["CHAIN"] { n++ }
              !done && ((ENVIRON["NUMBER"] != "" && $1 == "-A" && $2 == ENVIRON["CHAIN"] && n == ENVIRON["NUMBER"]) \
                        || (ENVIRON["NUMBER"] == "" && $0 == ENVIRON["LINE"])) { done = 1; next } { print }' ;;
    -N | --new-chain) ! grep -q "^:$chain " "$file" && echo ":$chain - [0:0]" >>"$file" ;;
    -X | --delete-chain)
        grep -q "^:$chain " "$file" || exit 1
        grep -v "^:$chain " "$file" >"$file.new"; mv "$file.new" "$file" ;;
    -F | --flush)
        [ -z "$chain" ] || grep -q "^:$chain " "$file" || exit 1
        edit '!($1 == "-A" && (ENVIRON["CHAIN"] == "" || $2 == ENVIRON["CHAIN"])) { print }' ;;
    -S | -L) grep -- "^-[A] $chain" "$file" || grep -q "^:$chain " "$file" ;;
esac
"""
#: What belongs to the package manager and to the stubs, not to the pack.
_NOT_THE_PACKS = (
    "var/lib/rpm",
    "var/lib/dnf",
    "var/cache",
    "var/log",
    "usr/lib/sysimage",
    "etc/dnf",
    "root/.rpmdb",
    "dev",
    "proc",
)


class SandboxRoot:
    """A root folder at ``path``, empty until :meth:`furnish` was called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("bin", "sbin", "lib", "lib64"):
            (path / "usr" / name).mkdir(parents=True, exist_ok=True)
            (path / name).symlink_to(f"usr/{name}")

    def furnish(self) -> None:
        """Put in busybox, its programs where the release brings none, and the stubs over all else.

        Raises StepError where there is no busybox that runs in a chroot.
        """
        busybox = shutil.which("busybox")
        if busybox is None:
            raise StepError("busybox is needed: apt-get install busybox-static (EL: dnf install busybox)")
        shutil.copyfile(busybox, self.path / "usr/bin/busybox")
        (self.path / "usr/bin/busybox").chmod(0o755)
        listed = run(["chroot", self.path, "/bin/busybox", "--list"], check=False, timeout=ASKING)
        if listed.status:
            why = listed.err.strip() or "it does not run in a chroot"
            raise StepError(f"a static busybox is needed ({why}): apt-get install busybox-static")
        for name in {*listed.out.split(), "bash"}:
            link = self.path / "usr/bin" / name
            if not os.path.lexists(link) and not os.path.lexists(self.path / "usr/sbin" / name):
                link.symlink_to("sh" if name == "bash" else "busybox")
        self._tree()
        for name in STUB_PROGRAMS:
            self._program(name, _LOG + (_XE if name == "xe" else _IPTABLES if "tables" in name else ""))

    def _tree(self) -> None:
        for name in (
            "tmp",
            "var/tmp",
            "run",
            "var/log",
            "var/update",
            "etc/sysconfig",
            "root",
            "dev",
            "boot",
            # Of dom0's package `filesystem` and the like: scriptlets write there without asking.
            *(
                "var/lib/rpm-state",
                "var/lib/misc",
                "var/spool",
                "etc/modprobe.d",
                "etc/depmod.d",
                "etc/dracut.conf.d",
            ),
            *(
                "etc/udev/rules.d",
                "etc/systemd/system",
                "usr/lib/systemd/system",
                "lib/modules",
                "lib/firmware",
                "opt",
            ),
        ):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/group", "root:x:0:\n"),
            ("etc/sysconfig/iptables", _RULES),
            ("etc/xensource-inventory", f"INSTALLATION_UUID='{_HOST}'\n"),
            (CALLS, ""),
        ):
            if not (self.path / name).exists():
                (self.path / name).write_text(text)
        null = self.path / "dev/null"
        if not null.exists():
            with suppress(OSError):  # a user namespace may not make devices; a file does as well
                os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            null.touch()
            null.chmod(0o666)

    def _program(self, name: str, text: str) -> None:
        for folder in ("usr/sbin", "usr/bin"):
            (self.path / folder / name).unlink(missing_ok=True)
        place = self.path / "usr/sbin" / name
        place.write_text(text)
        place.chmod(0o755)

    def calls(self) -> list[str]:
        """How the stubs were called since the last time, in order."""
        log = self.path / CALLS
        lines = log.read_text("utf-8", "replace").splitlines()
        log.write_text("")
        return lines

    def lacks_interpreter(self, script: str) -> str:
        """The interpreter that a script's first line names, if the root does not have it."""
        found = re.match(r"#!\s*(\S+)", script)
        return "" if found is None or (self.path / found[1].lstrip("/")).exists() else found[1]

    def run(self, *argv: str) -> Done:
        """Run a program of the root in it."""
        words = [*unshare_words(), "chroot", str(self.path), *argv]
        return run(words, check=False, killed=True, timeout=WORKING, what=f"running {argv[-1]}")

    def snapshot(self) -> dict[str, str]:
        """Every path of the pack and of the host with what it is: mode and content."""
        return dict(self._walk(""))

    def _walk(self, folder: str) -> Iterator[tuple[str, str]]:
        for entry in sorted(os.scandir(self.path / folder), key=lambda entry: entry.name):
            path = f"{folder}/{entry.name}".lstrip("/")
            if path in _NOT_THE_PACKS:
                continue
            mode = f"{entry.stat(follow_symlinks=False).st_mode:o}"
            if entry.is_symlink():
                yield f"/{path}", f"{mode} {os.readlink(entry.path)}"
            elif entry.is_dir():
                yield f"/{path}", mode
                yield from self._walk(path)
            elif entry.is_file():
                yield f"/{path}", f"{mode} {file_digest(entry.path)}"


def unshare_words() -> list[str]:
    """The words before a command that runs foreign scripts: without the network, and with an end to all that they
    start when it ends, or is ended; where the kernel allows that."""
    if not shutil.which("unshare"):
        return []
    apart = ["unshare", "--net", "--ipc", "--uts"]
    ways = ([*apart, "--pid", "--fork", "--kill-child", "--mount-proc"], apart)
    return next(
        (words for words in ways if run([*words, "true"], check=False, timeout=ASKING).status == 0), []
    )


def become_root(argv: list[str]) -> None:
    """Go on as root of a user namespace, in place of this process, where it is not root. Raises StepError."""
    if os.geteuid() == 0:
        return
    words = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or run([*words, "true"], check=False, timeout=ASKING).status:
        raise StepError(
            "trying a pack needs root or user namespaces: run it as root, or allow them with "
            "sysctl kernel.unprivileged_userns_clone=1"
        )
    os.execvp(words[0], [*words, *argv])
