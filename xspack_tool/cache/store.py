"""A cache that several machines share, behind a URL: an object store or an HTTP server, in Bazel's layout, or a server
of its Remote Execution API.

``ac/<sha256 of the key>`` is a signed entry (see entry.py), with the content of a small file in it; ``cas/<sha256>``
the content of a larger one. Nothing that a server does fails a build or holds it up for longer than was agreed: what
cannot be had is built.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from xspack_tool.cache.entry import (
    DAMAGED,
    OTHER_ACTION,
    OTHER_KEY,
    UNSIGNED,
    Refused,
    read_signature,
    verified_entry,
    write_checked,
)
from xspack_tool.cache.keys import PublicKey
from xspack_tool.cache.url import is_grid
from xspack_tool.files import whole, write_whole
from xspack_tool.grid.connect import NO_HOST, UNREACHABLE, UNTRUSTED

if TYPE_CHECKING:
    from xspack_tool.cache.actions import Actions
    from xspack_tool.cache.objects import Objects

#: A file up to this size comes with its entry, in one request.
INLINE = 32 << 10
#: No entry is larger.
_LARGEST_ENTRY = 64 << 10
#: A request that takes longer than this, and its bytes at that rate, is one of a slow server.
_FAIR_SECONDS, _FAIR_RATE = 0.5, 1 << 20
#: So many failed requests one after the other end it.
_FAILURES = 3
#: What is written may take longer by its bytes at this rate.
_WRITE_RATE = 4 << 20
#: What it says where a token is wanted: the next request fares no better.
_REFUSES = ("it answers 401", "it answers UNAUTHENTICATED")
#: Then it cannot be read, either: one line is enough.
_UNREACHABLE = (UNTRUSTED, NO_HOST, UNREACHABLE)

EVICTED, OFF, ABSENT = "has been evicted in part", "is not asked for any more", "is not there"
#: Why an entry that is there is not taken.
REFUSALS = frozenset({UNSIGNED, OTHER_KEY, OTHER_ACTION, DAMAGED, EVICTED})


class _Failed(Exception):
    """What a server did, in words."""


class Counts(Struct):
    """What was done, for one line at the end."""

    taken: int = 0
    missed: int = 0
    written: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    seconds: float = 0.0
    #: What was wrong with the last request that failed.
    failure: str = ""

    def line(self) -> str:
        """As a user reads them."""
        parts = [f"{self.taken} taken", f"{self.missed} not", f"{self.written} written"]
        megabytes = (self.read_bytes + self.written_bytes) / 1e6
        parts.append(f"{megabytes:.1f} MB, {self.seconds:.1f} s of asking")
        return ", ".join([*parts, *([self.failure] if self.failure else [])])


class Store:
    """A shared cache. ``seconds`` is what a slow or failing server may cost a build, ``tell`` says something once.

    Results are written by a thread of its own; :meth:`finish` waits for it.
    """

    def __init__(
        self,
        url: str,
        tell: Callable[[str], None],
        seconds: float = 20.0,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.url, self.tell, self.seconds, self.environ = url, tell, seconds, environ
        self.counts = Counts()
        self.reads = self.writes = True
        self._left = self.seconds * 0.6
        self._once = self.seconds * 0.4
        self._failures = self._queued = 0
        self._lock = threading.Lock()
        self._queue: queue.Queue[Path | None] = queue.Queue()
        self._writer: threading.Thread | None = None
        self._back = _open(self.url, self.environ, self._once)

    def fetch(self, key: str, trusted: Sequence[PublicKey], place: Path) -> str:
        """Bring an entry to ``place``, its signature's text to ``place.sig``; why not, or nothing."""
        if not self.reads:
            return OFF
        why = ""
        try:
            self._fetch(key, trusted, place)
        except Refused as refused:
            why = str(refused)
        except FileNotFoundError:
            why = ABSENT
        except _Failed as failed:
            why = f"cannot be had ({failed})"
        except OSError as error:
            why = f"cannot be kept ({error.strerror or error})"
        with self._lock:
            self.counts.taken += not why
            self.counts.missed += bool(why)
        return why

    def _fetch(self, key: str, trusted: Sequence[PublicKey], place: Path) -> None:
        text = b"".join(self._read(_ac(key), _LARGEST_ENTRY))
        try:
            fields = json.loads(text)
            content = fields.pop("content", None)
            inline = None if content is None else base64.b64decode(content, validate=True)
            signature = json.dumps(fields, sort_keys=True) + "\n"
        except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
            raise Refused(UNSIGNED) from None
        entry = verified_entry(signature.encode(), key, trusted)
        if entry.mode == "link":
            raise Refused(DAMAGED)
        with whole(place, shared=True) as beside:
            try:
                blocks = self._read(f"cas/{entry.sha256}", entry.size) if inline is None else iter([inline])
                with beside.open("wb") as file:
                    write_checked(blocks, entry, file)
            except FileNotFoundError:
                raise Refused(EVICTED) from None
            beside.chmod(int(entry.mode, 8) | stat.S_IWUSR)
            write_whole(place.with_name(f"{place.name}.sig"), signature, shared=True)

    def write(self, place: Path) -> None:
        """Have the entry at ``place`` written, with the signature beside it, when there is time."""
        if not self.writes:
            return
        if self._writer is None:
            # A daemon: a server that hangs does not hold up the end of the build.
            self._writer = threading.Thread(target=self._write_all, daemon=True)
            self._writer.start()
        with self._lock:
            self._queued += place.lstat().st_size
        self._queue.put(place)

    def finish(self) -> None:
        """Wait for what is being written, for what is left of the agreed seconds besides its bytes' own time."""
        if self._writer is None:
            return
        self._queue.put(None)
        self._writer.join(max(self._left, 0.0) + self._queued / _WRITE_RATE)
        if self._writer.is_alive():
            self._stop_writing("it is too slow")

    def _write_all(self) -> None:
        failures = 0
        while place := self._queue.get():
            if not self.writes:
                continue
            try:
                size = place.lstat().st_size
                self._write(place.name, place, size)
                self._queued -= size
                failures = 0
            except (FileNotFoundError, Refused):
                continue  # the folder's entry is gone by now
            except Exception as error:
                if (why := self._back.words(error)) in _UNREACHABLE:
                    self._count(0.0, 0, why)
                    continue
                failures += 1
                if failures == 2 or self._back.is_final(error):
                    self._stop_writing(why)

    def _write(self, key: str, place: Path, size: int) -> None:
        if place.is_symlink() or (self._back.largest is not None and size > self._back.largest):
            return
        fields = json.loads(read_signature(place.with_name(f"{place.name}.sig")))
        content = None
        if size <= INLINE:
            fields["content"] = base64.b64encode(place.read_bytes()).decode()
        else:
            content = (fields["sha256"], size)
            self._back.put_file(*content, place, self._once + size / _WRITE_RATE)
        # The entry comes last: who finds it finds the content.
        text = json.dumps(fields, sort_keys=True).encode() + b"\n"
        self._back.put_entry(_ac(key), text, content)
        self.counts.written += 1
        self.counts.written_bytes += size

    def _stop_writing(self, why: str) -> None:
        if self.writes:
            self.writes = False
            self.tell(f"nothing more is written to the cache {self.url}: {why}")

    def _read(self, path: str, most: int) -> Iterator[bytes]:
        """The blocks of an object, at most so many bytes. Raises FileNotFoundError, Refused for what is larger, and
        _Failed; each of them after what it took was counted."""
        began, got, failed = time.monotonic(), 0, "it was interrupted"
        try:
            size, blocks = self._back.get(path, most)
            if size > most:
                raise Refused(DAMAGED)
            for block in blocks:
                got += len(block)
                if got > most:
                    raise Refused(DAMAGED)
                if time.monotonic() - began > self._once + got / _FAIR_RATE:
                    raise _Failed("it is too slow")
                yield block
            failed = ""
        except (FileNotFoundError, Refused):
            failed = ""
            raise
        except _Failed as error:
            failed = str(error)
            raise
        except Exception as error:
            failed = self._back.words(error)
            raise _Failed(failed) from None
        finally:
            self._count(time.monotonic() - began, got, failed)

    def _count(self, took: float, got: int, failed: str) -> None:
        with self._lock:
            self.counts.seconds += took
            self.counts.read_bytes += got
            self._failures = self._failures + 1 if failed else 0
            self.counts.failure = failed or self.counts.failure
            self._left -= took if failed else max(0.0, took - _FAIR_SECONDS - got / _FAIR_RATE)
            ends = self._failures >= _FAILURES or self._left <= 0 or failed.startswith(_REFUSES)
            if not ends or not self.reads:
                return
            self.reads = False
        self._stop(failed or "it is too slow")

    def _stop(self, why: str) -> None:
        self.writes = False
        self.tell(f"the cache {self.url} is not asked any more in this build: {why}")


def _open(url: str, environ: Mapping[str, str], once: float) -> Actions | Objects:
    """What speaks to the server; each with a library of its own."""
    if is_grid(url):
        from xspack_tool.cache.actions import Actions

        return Actions(url, environ, once)
    from xspack_tool.cache.objects import Objects

    return Objects(url, environ, once)


def _ac(key: str) -> str:
    return f"ac/{hashlib.sha256(f'xspack ac 1 {key}'.encode()).hexdigest()}"
