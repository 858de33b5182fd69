"""Threads that need the decoder of a type at the same moment get a whole one."""

from __future__ import annotations

import re
import subprocess
import sys

from support import ROOT

#: Types that take a while to read, and threads that change turns all the time. Where each thread makes its own decoder,
#: Python crashes within the first few.
CODE = """\
import sys, threading
import msgspec
from xspack_tool.binary.decoders import decoder_of

sys.setswitchinterval(1e-6)
wrong = []

def read(kind, together):
    together.wait()
    value = decoder_of(kind).decode('{"f0": {"f0": [{"x": [1]}]}, "f19": {"f19": [{"y": [2, 3]}]}}')
    if (value.f0.f0, value.f19.f19) != ([{"x": (1,)}], [{"y": (2, 3)}]):
        wrong.append(value)

def struct(name, annotation):
    annotations = {f"f{number}": annotation for number in range(20)}
    values = {"__module__": __name__, "__annotations__": annotations, **dict.fromkeys(annotations)}
    return type(msgspec.Struct)(name, (msgspec.Struct,), values)

for _ in range(200):
    Inner = struct("Inner", "list[dict[str, tuple[int, ...]]] | None")
    kind, together = struct("Kind", "Inner | None"), threading.Barrier(3)
    threads = [threading.Thread(target=read, args=(kind, together)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(wrong)
"""


def test_threads_that_need_one_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_nobody_else_makes_one() -> None:
    making = re.compile(r"msgspec\.(\w+\.Decoder\(|\w+\.decode\(|convert\()")
    found = {
        str(path.relative_to(ROOT / "xspack_tool"))
        for path in (ROOT / "xspack_tool").rglob("*.py")
        if making.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"binary/decoders.py"}
