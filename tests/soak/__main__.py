"""``python -m tests.soak --minutes N``: changed files are read, builds are killed and damaged, for so long.

Prints the seeds of all that was tried and a table with counts; ends with 1 where there was a fault. What is behind one
number is tried again by ``--seed SEED --again 'KIND:NUMBER'``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from soak.builds import builds  # noqa: E402
from soak.inputs import Kind, kinds, try_one  # noqa: E402
from soak.work import Count, Limits, Worker, attempt, input_of  # noqa: E402

_HEAD = """\
# Soak

`./bootstrap python -m tests.soak --minutes {minutes:g} --seed {seed}` on the machine that RESULTS.md names: files are
changed at random and read by all that reads them, with 512 MB of memory and 30 seconds for each; builds are killed and
outputs damaged, and the next build is compared with a clean one in every file. A fault is anything but a file that is
taken, or refused in words: a crash, another error, a control character in a message, a page, a report for CI or on a
terminal, a byte that differs, a folder or a mount that is left. "by commands": `xspack` with all of its commands that
read such a file, and all forms of what they print.

"""


def main() -> int:
    args = _parser().parse_args()
    os.nice(10)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="xs-soak-", dir="/tmp") as name, kinds() as found:
        wanted = {kind: one for kind, one in found.items() if not args.kind or kind in args.kind}
        if args.again:
            return _again(found, seed, args.again, Path(name))
        counts = {kind: Count() for kind in wanted}
        late = time.monotonic() + args.minutes * 60
        worker = Worker(wanted, seed, Path(name) / "input", Limits())
        builder = threading.Thread(target=_build, args=(Path(name), seed, late, counts))
        if not args.kind:
            builder.start()
        _read(worker, wanted, counts, late)
        worker.end()
        if not args.kind:
            builder.join()
    table = _table(counts)
    print(table)
    if args.out:
        args.out.write_text(_HEAD.format(minutes=args.minutes, seed=seed) + table)
    return 1 if any(count.faults for count in counts.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, help="begins all random numbers (chosen, and printed)")
    parser.add_argument("--kind", action="append", help="read inputs of this kind alone (may be given again)")
    parser.add_argument("--again", metavar="KIND:NUMBER", help="try one input again, and show what happens")
    parser.add_argument("--out", type=Path, help="a file for the table")
    return parser


def _read(worker: Worker, wanted: Mapping[str, Kind], counts: dict[str, Count], late: float) -> None:
    """Slices of time, each kind its share of them."""
    for name in itertools.cycle(wanted):
        left = late - time.monotonic()
        if left <= 0:
            return
        first = counts[name].inputs
        _note(counts, name, first, worker.read(name, first, min(left, 0.4 * wanted[name].share)))


def _build(folder: Path, seed: int, late: float, counts: dict[str, Count]) -> None:
    with builds(folder / "builds") as ways:
        counts |= {name: Count() for name in ways}
        for name in itertools.cycle(ways):
            if time.monotonic() >= late:
                return
            first = counts[name].inputs
            _note(counts, name, first, attempt(ways[name], (seed << 20) + first))


def _note(counts: dict[str, Count], name: str, first: int, count: Count) -> None:
    counts[name].add(count)
    print(f"{name}: {first}..{first + count.inputs - 1}", flush=True)
    for number, fault in count.faults:
        print(f"FAULT {name}:{number}: {fault}", flush=True)


def _table(counts: Mapping[str, Count]) -> str:
    total = Count()
    rows = [
        "| what | tried | taken or healed | refused in words | faults | slowest | numbers |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for name, count in counts.items():
        total.add(count)
        rows.append(_row(name, count, f"0..{count.inputs - 1}"))
    return "\n".join([*rows, _row("all", total, ""), ""])


def _row(name: str, count: Count, numbers: str) -> str:
    refused = count.inputs - count.taken - len(count.faults)
    cells = (
        f"{count.inputs:,}",
        f"{count.taken:,}",
        f"{refused:,}",
        f"{len(count.faults)}",
        f"{count.slowest:.2f} s",
    )
    return f"| {name} | {' | '.join(cells)} | {numbers} |"


def _again(found: Mapping[str, Kind], seed: int, which: str, folder: Path) -> int:
    name, _, number = which.rpartition(":")
    content = input_of(found[name], name, seed, int(number))
    kept = Path(f"{name.replace(' ', '-')}-{number}")
    kept.write_bytes(content)
    print(f"the input: {kept}")
    print("taken" if try_one(found[name], content, folder / "input") else "refused in words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
