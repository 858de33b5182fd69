"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from xspack_tool.files import copy_whole, digest_of, file_digest, meanwhile, whole, write_whole


def test_it_gets_its_name_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "new folder" / "x"
    with whole(place) as beside:
        beside.write_text("a")
        assert [path.name for path in place.parent.iterdir()] == [".x.new"]
    assert [path.name for path in place.parent.iterdir()] == ["x"]
    assert place.read_text() == "a"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_nothing_is_left_of_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    place = tmp_path / "x"
    place.write_text("old")
    with pytest.raises(error), whole(place) as beside:
        beside.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert place.read_text() == "old"


@pytest.mark.parametrize("threads", [True, False])
def test_a_large_file_that_is_replaced_is_closed(
    threads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot_start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if not threads:
        monkeypatch.setattr(threading.Thread, "start", cannot_start)
    place = tmp_path / "large"
    place.write_bytes(bytes(2 << 20))
    before = os.listdir("/proc/self/fd")
    write_whole(place, b"new")
    for thread in threading.enumerate():
        if thread.name == "closing":
            thread.join()
    assert place.read_bytes() == b"new" and os.listdir("/proc/self/fd") == before


def test_writing_and_copying(tmp_path: Path) -> None:
    write_whole(tmp_path / "text", "ä\n", 0o750)
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n"
    assert (tmp_path / "text").stat().st_mode & 0o7777 == 0o750
    write_whole(tmp_path / "bytes", b"\0\xff")
    copy_whole(tmp_path / "bytes", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"\0\xff"


def test_digests_of_a_file_of_several_blocks(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "x").write_bytes(data)
    assert file_digest(tmp_path / "x") == hashlib.sha256(data).hexdigest()
    with open(tmp_path / "x", "rb") as file:
        file.seek(100)
        assert digest_of(file, "md5") == hashlib.md5(data[100:]).hexdigest()


def test_work_beside_a_block_has_ended_with_it() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> str:
        begun.wait(60)
        ended.set()
        return "done"

    with meanwhile(work) as result:
        assert not ended.is_set()
        begun.set()
        assert result() == "done"
    begun.clear()
    ended.clear()
    with pytest.raises(KeyError), meanwhile(work):
        begun.set()
        raise KeyError
    assert ended.is_set()


def test_an_error_of_work_beside_a_block_is_raised_in_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), meanwhile(lambda: file_digest(tmp_path / "none")) as result:
        result()
