"""The only code that starts other programs."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import Interrupted, StepError

#: What writing an index needs besides programs: createrepo_c's wheel is linked with GLib, and does not bring it.
INDEX_LIBRARY = "libgobject-2.0.so.0"
#: How to get each program, said before a build that needs it starts: (Debian package, EL package).
PACKAGES = {
    "rpmbuild": ("rpm", "rpm-build"),
    "rpmspec": ("rpm", "rpm-build"),
    "rpmsign": ("rpm", "rpm-sign"),
    "rpmkeys": ("rpm", "rpm"),
    "gpg": ("gnupg", "gnupg2"),
    "make": ("make", "make"),
    "gcc": ("gcc", "gcc"),
    "strip": ("binutils", "binutils"),
    "objcopy": ("binutils", "binutils"),
    "file": ("file", "file"),
    "bwrap": ("bubblewrap", "bubblewrap"),
    "ssh": ("openssh-client", "openssh-clients"),
    "dnf": ("dnf", "dnf"),
    "podman": ("podman", "podman"),
    INDEX_LIBRARY: ("libglib2.0-0", "glib2"),
}
#: How long, in seconds, a program that a killed build left behind is waited for.
PATIENCE = 60.0
#: The time limits of programs, in seconds: one that answers a question; one that reads, signs or installs, or waits for
#: somebody to type a passphrase; one that compiles or packs whatever it is given, and is stuck after that.
ASKING, WORKING, BUILDING = 60.0, 900.0, 6 * 3600.0


class Done(Struct, frozen=True):
    """What a finished program said and how it ended."""

    status: int
    out: str
    err: str


def missing_program(program: str) -> str | None:
    """How to install ``program`` if it is not on PATH, else None; or a library that the loader does not find."""
    if _is_loaded(program) if ".so." in program else shutil.which(program):
        return None
    debian, el = PACKAGES.get(program, (program, program))
    return f"{program} is needed: apt-get install {debian} (EL: dnf install {el})"


def _is_loaded(library: str) -> bool:
    # ctypes itself costs a build that has nothing to do more than all programs together.
    import _ctypes

    try:
        _ctypes.dlopen(library, os.RTLD_LAZY)
    except OSError:
        return False
    return True


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small fixed environment for programs: nothing of the caller's but PATH, HOME and TMPDIR."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    kept.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


#: What was started and has not ended, by whichever thread.
_running: set[subprocess.Popen[bytes]] = set()


#: How long, in seconds, a program that is asked to end has for its locks and temporary files.
_GRACE = 3.0


def _note_running(process: subprocess.Popen[bytes]) -> None:
    _running.add(process)
    if is_stopping():  # since it was started: nobody else knew of it then
        _asked_to_end(process.pid)


def end_programs() -> None:
    """End all programs that run now, so that threads that wait for one continue."""
    for process in tuple(_running):
        _end(process)


def end_children() -> None:
    """End whatever this process started, when it ends by a signal: one may come while a program is being started, and
    is not yet in the list of those that run."""
    children = _asked_to_end(os.getpid())
    late = time.monotonic() + _GRACE
    while time.monotonic() < late and _alive(children):
        time.sleep(0.01)
    _send(children, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started."""
    family = _asked_to_end(process.pid)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _send(family, signal.SIGKILL)


def _asked_to_end(first: int) -> dict[int, str]:
    """A process and all that descend from it, without our own, once each has SIGTERM. They are stopped first: one that
    goes on starts others meanwhile."""
    family: dict[int, str] = {}
    while more := {pid: begun for pid, begun in _family(first).items() if pid not in {*family, os.getpid()}}:
        _send(more, signal.SIGSTOP)
        family |= more
    for number in (signal.SIGTERM, signal.SIGCONT):
        _send(family, number)
    return family


def _family(first: int) -> dict[int, str]:
    """A process and all that descend from it -> when each began, which tells it from a later one of its number."""
    parents, begun = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError, IndexError):
            fields = _stat(name)
            parents[int(name)], begun[int(name)] = int(fields[1]), fields[19]
    family, children = {first}, {first}
    while children := {pid for pid, parent in parents.items() if parent in children} - family:
        family |= children
    return {pid: begun[pid] for pid in family if pid in begun}


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, .. and as the 20th when it began."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _alive(processes: dict[int, str]) -> list[int]:
    """Those that have not ended."""
    found = []
    for pid, begun in processes.items():
        with suppress(OSError, IndexError):
            fields = _stat(pid)
            if fields[19] == begun and fields[0] != "Z":
                found.append(pid)
    return found


def _send(processes: dict[int, str], number: int) -> None:
    for pid in _alive(processes):
        with suppress(OSError):
            os.kill(pid, number)


_stopping: list[bool] = []


class _Held(threading.local):
    """The locks of the work folders that a thread works in: what it starts there holds them as long as it runs."""

    def __init__(self) -> None:
        self.locks: list[int] = []


_held = _Held()
#: A pipe that all programs of this process hold; see :func:`mark_programs`.
_marks: list[int] = []


def mark_programs(pipe: int) -> None:
    """Have all programs that this process starts, and what those start, hold the end of a pipe: whoever knows its inode
    can end them when this process has died (:func:`end_marked`)."""
    _marks.append(pipe)


def end_marked(inode: int) -> None:
    """End what holds an end of a pipe: programs that somebody left behind who was killed."""
    family: dict[int, str] = {}
    while more := {pid: begun for pid, begun in _holders(inode).items() if pid not in family}:
        _send(more, signal.SIGKILL)
        family |= more


def _holders(inode: int) -> dict[int, str]:
    """The processes of this user that hold a pipe -> when each began."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, IndexError):
            held = (os.readlink(f"/proc/{name}/fd/{one}") for one in os.listdir(f"/proc/{name}/fd"))
            if f"pipe:[{inode}]" in held:
                found[int(name)] = _stat(name)[19]
    return found


def ask_to_stop() -> None:
    """Have what waits for programs, or for others' machines, end soon; a signal's handler may call it. From a terminal
    programs get the signal anyway."""
    _stopping.append(True)
    for process in tuple(_running):
        _asked_to_end(process.pid)


#: Whether programs are started though the user has ended everything.
_cleaning = ContextVar("_cleaning", default=False)


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Programs that are started within end what was begun: they run also when the user has ended everything."""
    token = _cleaning.set(True)
    try:
        yield
    finally:
        _cleaning.reset(token)


def is_stopping() -> bool:
    """Whether the user ends the build."""
    return bool(_stopping)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float,
    check: bool = True,
    killed: bool = False,
    pass_fds: Sequence[int] = (),
    what: str = "",
    merge: bool = False,
) -> Done:
    """Run a program without a shell and return what it said.

    ``env`` is added to :func:`environment`. ``what`` says what was being done, for the message. With ``merge``
    ``out`` holds what it said on both of its outputs, in its order.
    Raises StepError with the program's own words and the command, ready to copy, if the program is
    missing, ends with another status than 0 (unless ``check`` is False) or outlasts ``timeout`` seconds;
    Interrupted if a signal ended it (unless that, too, is an answer: ``killed``), or if the user has ended everything
    by then (see :func:`cleaning_up`).
    """
    words = [os.fspath(word) for word in argv]
    command, head = shlex.join(words), f"{what}: " if what else ""
    if is_stopping() and not _cleaning.get():
        raise Interrupted(f"{head}{words[0]} was not started: interrupted")
    try:
        started = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            pass_fds=(*pass_fds, *_held.locks, *_marks),
        )
    except FileNotFoundError:
        if lacking := missing_program(words[0]):
            raise StepError(f"{head}{lacking}") from None
        raise
    try:
        done = _ended(started, stdin, timeout)
    except subprocess.TimeoutExpired as late:
        raise StepError(f"{head}{words[0]} did not end within {timeout:g} s\n  {command}") from late
    if done.status < 0 and not killed:
        raise Interrupted(f"{head}{words[0]} was ended by {_signal(-done.status)}\n  command: {command}")
    if check and done.status:
        said = (done.err.strip() or done.out.strip()).replace("\n", "\n    ")
        raise StepError(f"{head}{words[0]} ended with status {done.status}\n    {said}\n  command: {command}")
    return done


def _ended(started: subprocess.Popen[bytes], stdin: bytes | None, timeout: float) -> Done:
    """What a program said until it ended. It is ended when the waiting ends in any other way."""
    with started as process:
        _note_running(process)
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            _end(process)
            raise
        finally:
            _running.discard(process)
    return Done(process.returncode, out.decode(errors="replace"), (err or b"").decode(errors="replace"))


@contextmanager
def within(process: subprocess.Popen[bytes], name: str, seconds: float) -> Iterator[None]:
    """For a program that a library started and waits for: it is ended when the time is over, and when the waiting
    ends in any other way. Raises Interrupted if a signal ended it."""
    late = threading.Timer(seconds, _end, [process])
    late.daemon = True
    late.start()
    _note_running(process)
    try:
        yield
    except BaseException:
        _end(process)
        raise
    finally:
        late.cancel()
        _running.discard(process)
    if process.returncode is not None and process.returncode < 0:
        raise Interrupted(f"{name} was ended by {_signal(-process.returncode)}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Work(Struct, frozen=True):
    """A folder for programs to work in. ``lock`` is to be in `pass_fds` of each: it is held while one runs."""

    path: Path
    lock: int


@contextmanager
def work_folder(out: Path) -> Iterator[Work]:
    """An empty folder ``.NAME.work`` beside ``out``, removed at the end.

    A program that outlived a killed build may still write there, under the very names of this build: it is
    waited for. Raises StepError if that takes longer than :data:`PATIENCE`.
    """
    path = out.with_name(f".{out.name}.work")
    with _emptied(path, _lock(path)) as work:
        yield work


@contextmanager
def plain_work_folder(name: str) -> Iterator[Work]:
    """An empty folder for what is to be built under ``name``, removed at the end. Its path is the same in every tree
    and on every machine, for compilers write it into what they make, and plain, for neither rpm's macros nor the
    shell of a spec may find anything in it.

    Two builds of one name wait for each other; after :data:`PATIENCE`, the second gets another folder.
    """
    with _emptied(*_plain_lock(name)) as work:
        yield work


@contextmanager
def _emptied(path: Path, lock: int) -> Iterator[Work]:
    """A locked folder, empty at first, and gone with its lock at the end."""
    try:
        _empty(path)
        _held.locks.append(lock)
        yield Work(path, lock)
    finally:
        if lock in _held.locks:
            _held.locks.remove(lock)
        with suppress(OSError):
            _empty(path)
            path.rmdir()
        os.close(lock)


#: The signs of a path that neither rpm's macros and patterns nor a shell take for anything else.
_PLAIN = re.compile(r"[A-Za-z0-9_./+,=@~-]*")


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Whether a path means itself to rpm and to a shell."""
    return _PLAIN.fullmatch(os.fspath(path)) is not None


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """A plain path of a folder: its own, or that of a link which lasts as long."""
    if is_plain(path):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="xspack-", dir=plain_folder()))
    try:
        (folder / "link").symlink_to(path)
        yield folder / "link"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain_folder() -> str:
    """Where temporary folders with plain paths are made."""
    folders = ("/var/tmp", "/tmp")
    for folder in folders:
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise StepError(f"neither of {' and '.join(folders)} can be written to; allow it for one of them")


def _plain_lock(name: str) -> tuple[Path, int]:
    top, late, number = plain_folder(), time.monotonic() + PATIENCE, 0
    while True:
        path = Path(top, f"xspack-{name}-{number}" if number else f"xspack-{name}")
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        lock = -1
        try:
            # Everybody may write here: a link, or a folder of somebody else's, is left alone.
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if os.fstat(lock).st_uid != os.geteuid():
                number += 1
            else:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(path, follow_symlinks=False)):
                    return path, lock
        except FileNotFoundError:
            pass
        except BlockingIOError:
            number += time.monotonic() > late
            time.sleep(0.05)
        except OSError:
            number += 1
        if lock >= 0:
            os.close(lock)


def _lock(path: Path) -> int:
    """The descriptor of a folder that is there, and locked by us."""
    late = time.monotonic() + PATIENCE
    while time.monotonic() < late:
        path.mkdir(parents=True, exist_ok=True)
        lock = -1
        try:
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it before may have removed it.
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        if lock >= 0:
            os.close(lock)
        time.sleep(0.05)
    raise StepError(f"{path} is in use by another build, or by a program that a killed one left; end it")


def _empty(folder: Path) -> None:
    try:
        _remove_all(folder)
    except PermissionError:  # a spec may have made a folder read-only
        for place, folders, _ in os.walk(folder):
            for name in folders:
                if not os.path.islink(path := os.path.join(place, name)):
                    os.chmod(path, 0o700)
        _remove_all(folder)


def _remove_all(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
