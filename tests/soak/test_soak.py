"""The soak itself: what it reads is read, and what goes wrong is seen."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from module_keys import make_pair
from soak.commands import harmless
from soak.inputs import Kind, kinds, try_one
from soak.mutate import mutated
from soak.work import Limits, Worker, input_of
from support import ROOT, need

from xspack_tool.binary.signature import certificates_in
from xspack_tool.ddk.compile_commands import write_compile_commands
from xspack_tool.ddk.devices import read_names
from xspack_tool.ddk.inbox import read_inbox
from xspack_tool.errors import BadInput
from xspack_tool.evidence.provenance import read_provenance
from xspack_tool.evidence.timeline import read_timeline
from xspack_tool.plan.record import read_records
from xspack_tool.plan.verdict import read_report
from xspack_tool.repo.fragment import read_fragments
from xspack_tool.rules.finding import Finding, to_plain
from xspack_tool.rules.report import Report, as_json


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Kind]]:
    need("gpg", "rpmbuild", "rpmsign", "gcc")
    with kinds() as made:
        yield made


def test_each_kind_is_read(found: dict[str, Kind], tmp_path: Path) -> None:
    """Its originals are taken as they are, and changed ones crash nothing."""
    for name, kind in found.items():
        assert any(try_one(kind, original, tmp_path / "input") for original in kind.originals), name
        for number in range(20):
            try_one(kind, input_of(kind, name, 1, number), tmp_path / "input")


def test_a_number_is_the_same_input_again(found: dict[str, Kind]) -> None:
    kind = found["update.xml"]
    assert [input_of(kind, "a", 1, 7), input_of(kind, "a", 1, 7)] == [input_of(kind, "a", 1, 7)] * 2
    assert len({input_of(kind, "a", seed, number) for seed in (1, 2) for number in range(10)}) > 10


def test_every_change_leaves_bytes(found: dict[str, Kind]) -> None:
    """Also of a file that is nearly empty."""
    for number in range(2000):
        mutated(b"ab", random.Random(number), [b"c"])


def _crash(content: bytes, place: Path) -> None:
    ctypes.string_at(0)


def _loop(content: bytes, place: Path) -> None:
    ctypes.CDLL(None).sleep(60)


def _wrong(content: bytes, place: Path) -> None:
    raise ValueError("no words of ours")


def _raw(content: bytes, place: Path) -> None:
    class Raw(BadInput):
        def __str__(self) -> str:
            return "two\nlines"

    raise Raw("x", "y")


def _greedy(content: bytes, place: Path) -> None:
    bytearray(1 << 30)


def _page(content: bytes, place: Path) -> None:
    harmless("a\x1b[2J", "a page")


def _library(content: bytes, place: Path) -> None:
    os.write(2, b"error: \x1b[2J: BAD\n")


FAULTS: dict[Callable[[bytes, Path], None], str] = {
    _crash: r"the reader ended with -11",
    _loop: r"the reader took more than 1 s",
    _wrong: r"ValueError: 'no words of ours' at .*test_soak\.py:\d+",
    _raw: r"AssertionError: 'two\\nlines' at ",
    _greedy: r"MemoryError: '' at ",
    _library: r"AssertionError: .*what a library said holds .* raw",
    _page: r"AssertionError: .*a page holds .* raw",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen(fault: Callable[[bytes, Path], None], tmp_path: Path) -> None:
    """And the next inputs are read."""

    def read(content: bytes, place: Path) -> None:
        if content == b"bad":
            fault(content, place)

    kind = {"bad": Kind([b"bad"], read, 1), "good": Kind([b"good"], read, 1)}
    for one in kind.values():
        object.__setattr__(one, "input", lambda rng, one=one: one.originals[0])
    worker = Worker(kind, 1, tmp_path / "input", Limits(seconds=1))
    count = worker.read("bad", 5, 0)
    good = worker.read("good", 0, 0)
    worker.end()
    ((number, what),) = count.faults
    assert (number, count.inputs) == (5, 1)
    assert re.match(FAULTS[fault], what)
    assert (good.inputs, good.taken, good.faults) == (1, 1, [])


def test_the_command(tmp_path: Path) -> None:
    need("gpg", "rpmbuild", "rpmsign", "gcc")
    argv = [sys.executable, "-m", "tests.soak", "--minutes", "0.02", "--seed", "7", "--kind", "update.xml"]
    done = subprocess.run(
        [*argv, "--out", tmp_path / "table.md"], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"seed 7\nupdate.xml: 0\.\.\d+\n", done.stdout)
    table = (tmp_path / "table.md").read_text()
    assert table.startswith("# Soak\n\n`./bootstrap python -m tests.soak --minutes 0.02 --seed 7`")
    assert re.search(r"\| all \| [\d,]+ \| [\d,]+ \| [\d,]+ \| 0 \| ", table)


def test_what_was_found_lines_in_lines() -> None:
    """A word of a file's in a message of one line; an odd path, too."""
    bad = BadInput("a\nb.rpm", "its payload is zstd, its header says zs\r\n")
    assert str(bad) == "a\\x0ab.rpm: its payload is zstd, its header says zs\\x0d\\x0a"
    assert bad.why == "its payload is zstd, its header says zs\\x0d\\x0a"


def test_what_was_found_memory_for_the_largest_file(tmp_path: Path) -> None:
    """It is taken for what is there."""
    place = tmp_path / "small"
    place.write_text("alias pci:v00008086d*sv*sd*bc*sc*i* acme\n")
    with pytest.raises(BadInput, match="provenance of a pack"):
        read_provenance(place)
    tracemalloc.start()
    for read in (
        lambda: read_inbox(place),
        lambda: read_names({"pci": [place]}),
        lambda: read_provenance(place),
    ):
        with contextlib.suppress(BadInput):
            read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_what_was_found_a_certificate_of_an_unknown_version(tmp_path: Path) -> None:
    lines = make_pair(tmp_path / "pair").certificate.read_text().splitlines()
    der = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    assert certificates_in(der, "x")
    for place in range(100):  # the version is somewhere in the beginning
        changed = der[:place] + bytes([der[place] ^ 0x40]) + der[place + 1 :]
        with contextlib.suppress(BadInput):
            certificates_in(changed, "x")


@pytest.mark.parametrize("change", [{"severity": "X"}, {"found": 5}, {"line": "1"}, {"rule": None}])
def test_what_was_found_a_finding_of_another_shape(tmp_path: Path, change: dict[str, object]) -> None:
    place, finding = tmp_path / "findings.json", Finding("B1", "E", "found")
    place.write_text(as_json(Report("acme", "1", (finding,))))
    assert read_report(place).findings == (finding,)
    place.write_text(json.dumps({"pack": "acme", "version": "1", "findings": [to_plain(finding) | change]}))
    with pytest.raises(BadInput, match="damaged since it was built"):
        read_report(place)


def test_what_was_found_a_timeline_that_is_no_text(tmp_path: Path) -> None:
    place = tmp_path / "timeline"
    place.write_bytes(b'{"sha256":"\xfd"}')
    assert read_timeline(place, "") is None


def test_what_was_found_json_that_is_nested(tmp_path: Path) -> None:
    """The decoders of files of a build give up where Python does."""
    place = tmp_path / "nested"
    for text in ("[" * 100_000, '{"name":' * 100_000):
        place.write_text(text)
        for read in (read_fragments, read_records):
            with pytest.raises(BadInput, match="damaged since it was built"):
                read([place])
        with pytest.raises(BadInput, match="damaged since it was built"):
            read_report(place)
        assert read_timeline(place, "") is None
        assert write_compile_commands(tmp_path / "all", [place]) == [place]
