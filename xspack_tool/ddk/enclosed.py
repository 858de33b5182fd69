"""A kit as a folder or as an image: programs run in it without a network, and write into one folder of ours alone."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from xspack_tool.ddk.ssh import slots, tree_problems
from xspack_tool.errors import Problem, StepError
from xspack_tool.run import ASKING, BUILDING, Done, cleaning_up, missing_program, plain_path, run

#: Where the one folder is that can be written, in each kit: paths in what is compiled are the same in all.
ROOM = "/var/tmp"
#: What programs find in their environment in a kit, and nothing else.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": ROOM, "LANG": "C.UTF-8", "TZ": "UTC"}
#: And in one that is ours alone.
_OUR_ENVIRONMENT = {**ENVIRONMENT, "XSPACK_JOB": f"{ROOM}/xspack-ddk"}
#: $1 root, $2 an empty folder where it is seen, $3 the folder that can be written, then the words to run. For root, in
#: namespaces of unshare's.
_ENTER = """\
set -eu
mount --bind "$1" "$2"
mount -o remount,bind,ro "$2"
mount --bind "$3" "$2/var/tmp"
mount -t tmpfs tmpfs "$2/tmp"
mount -t proc proc "$2/proc"
mount --rbind /dev "$2/dev"
root=$2
shift 3
exec chroot "$root" "$@"
"""


class RootDdk(Struct, frozen=True):
    """A kit as a folder: an unpacked image, or what debootstrap made. ``tree`` is the kernel build tree in it, empty
    for the one that it has. ``jobs`` builds run there at once."""

    root: Path
    tree: str = ""
    jobs: int = 1

    field = "root"

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        found = tree_problems(self.tree, self.jobs)
        # /bin may be a link that leads elsewhere outside of the folder.
        if not any(os.path.lexists(self.root / name / "sh") for name in ("bin", "usr/bin")):
            rule = "not the root folder of a kit: bin/sh not found"
            found.append(Problem("root", str(self.root), rule, "unpack an image there: docs/fleet.md"))
        if lacking := self.lacking():
            found.append(Problem("root", str(self.root), lacking, "a root is entered with it"))
        return found

    @property
    def name(self) -> str:
        """As messages call it."""
        return str(self.root)

    @property
    def key(self) -> str:
        """What tells kits apart."""
        return f"root {self.root} {self.tree}".rstrip()

    def lacking(self) -> str | None:
        """What must be installed here."""
        return None if _can_chroot() else missing_program("bwrap")

    def run(self, script: str, arguments: list[str], *, stdin: bytes, what: str, facts: str = "") -> Done:
        """Run a POSIX shell script there. Its status is the caller's to judge."""
        with slots(self.key, self.jobs), _room() as room:
            words = [*self.command(room), "/bin/sh", "-c", script, "xspack", *arguments]
            done = run(words, stdin=stdin, timeout=BUILDING, check=False, what=what)
        if done.status and re.match(r"(bwrap|unshare|mount|chroot): ", done.err):
            raise StepError(
                f"{what}: {self.root}: it cannot be entered: {done.err.splitlines()[0]}\n    bubblewrap needs user"
                " namespaces (sysctl user.max_user_namespaces), or root"
            )
        return done

    def command(self, room: Path) -> list[str]:
        """The words before those that run in the kit."""
        if shutil.which("bwrap"):
            words = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", str(self.root), "/"]
            words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", str(room), ROOM]
            words += ["--chdir", ROOM, "--clearenv"]
            return [
                *words,
                *(word for pair in _OUR_ENVIRONMENT.items() for word in ("--setenv", *pair)),
                "--",
            ]
        spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        words = ["unshare", *spaces, "--propagation", "private", "sh", "-c", _ENTER, "xspack"]
        values = [f"{name}={value}" for name, value in _OUR_ENVIRONMENT.items()]
        seen = room.with_name(f"{room.name}-root")
        seen.mkdir()
        return [*words, str(self.root), str(seen), str(room), "/usr/bin/env", "-i", *values]


class ImageDdk(Struct, frozen=True):
    """A kit as an image that podman runs, named by its digest: a tag may be another image tomorrow."""

    image: str
    tree: str = ""
    jobs: int = 1

    field = "image"

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        problems = tree_problems(self.tree, self.jobs)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}", self.image):
            rule = "an image must be named by its digest, NAME@sha256:.."
            name = self.image.partition("@")[0]
            remedy = f"podman inspect --format '{{{{.RepoDigests}}}}' {name} tells it"
            problems.append(Problem("image", self.image, rule, remedy))
        if lacking := self.lacking():
            problems.append(Problem("image", self.image, lacking, "an image is run by it"))
        return problems

    @property
    def name(self) -> str:
        """As messages call it."""
        return self.image

    @property
    def key(self) -> str:
        """What tells kits apart."""
        return f"image {self.image} {self.tree}".rstrip()

    def lacking(self) -> str | None:
        """What must be installed here."""
        return missing_program("podman")

    def run(self, script: str, arguments: list[str], *, stdin: bytes, what: str, facts: str = "") -> Done:
        """Run a POSIX shell script there. Its status is the caller's to judge."""
        with slots(self.key, self.jobs), _room() as room, plain_path(room) as plain:
            note = room.with_name(f"{room.name}.cid")
            words = [*self.command(plain, note), "-c", script, "xspack", *arguments]
            try:
                done = run(words, env=_of_podman(), stdin=stdin, timeout=BUILDING, check=False, what=what)
            except BaseException:
                # The container outlives the command that began it.
                with suppress(OSError, StepError), cleaning_up():
                    run(
                        ["podman", "rm", "--force", "--time=0", note.read_text().strip()],
                        env=_of_podman(),
                        timeout=ASKING,
                        check=False,
                    )
                raise
        if done.status in (125, 126, 127):
            last = done.err.strip().splitlines()[-1:] or [f"podman ended with status {done.status}"]
            raise StepError(f"{what}: {self.image}: it cannot be run\n    {last[0]}")
        return done

    def command(self, room: Path, note: Path) -> list[str]:
        """The words before those for the shell in the image. Podman writes the container's name to ``note``, and reads
        ``room``: a colon in it ends it."""
        words = [
            "podman",
            "run",
            "--rm",
            "--interactive",
            "--network=none",
            "--read-only",
            f"--cidfile={note}",
        ]
        words += [
            "--security-opt=label=disable",
            "--log-driver=none",
            "--entrypoint=/bin/sh",
            f"--workdir={ROOM}",
        ]
        words += [
            f"--volume={room}:{ROOM}:rw",
            *(f"--env={name}={value}" for name, value in _OUR_ENVIRONMENT.items()),
        ]
        return [*words, self.image]


def _of_podman() -> dict[str, str]:
    """Where podman finds its settings and its images, and the way to a registry."""
    names = (
        "CONTAINER",
        "XDG_",
        "DBUS_SESSION_BUS_ADDRESS",
        "REGISTRY_AUTH_FILE",
        "HTTP",
        "NO_PROXY",
        "http",
        "no_proxy",
    )
    return {name: value for name, value in os.environ.items() if name.startswith(names)}


def _can_chroot() -> bool:
    programs = ("unshare", "mount", "chroot")
    return os.geteuid() == 0 and all(map(shutil.which, programs))


@contextmanager
def _room() -> Iterator[Path]:
    """A folder on a disk, for its owner alone. Those of builds that were killed are removed."""
    top = Path(os.environ.get("TMPDIR") or "/var/tmp")
    for old in top.glob("xspack-kit.*"):
        owner = old.name.split(".")[1]
        with suppress(OSError, ValueError):
            if old.stat().st_uid == os.geteuid() and not os.path.exists(f"/proc/{int(owner)}"):
                _remove(old)
    try:
        place = Path(tempfile.mkdtemp(prefix=f"xspack-kit.{os.getpid()}.", dir=top))
    except OSError as error:
        raise StepError(f"{top}: {error.strerror or error}; set TMPDIR to a folder with space") from None
    try:
        (room := place / "job").mkdir()
        yield room
    finally:
        _remove(place)


def _remove(folder: Path) -> None:
    for place, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(place, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
