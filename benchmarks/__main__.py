"""``python -m benchmarks``: measure, print a table, write it to benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.lab import Lab
from benchmarks.measure import Failed
from benchmarks.report import results, table
from benchmarks.shared import shared
from benchmarks.trees import ROOT

EVERY = {**CASES, "shared": shared}


def main(argv: list[str]) -> int:
    """Run the cases; 0 if all could be measured, whatever the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="xspack beside the usual tools")
    parser.add_argument(
        "--case", action="append", choices=sorted(EVERY), help="only this case; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: tries the cases, says nothing of speed"
    )
    parser.add_argument("--rounds", type=int, help="how often each is measured (5; with --quick 1)")
    parser.add_argument("--out", type=Path, help="file to write (benchmarks/RESULTS.md if all cases are run)")
    parser.add_argument("--keep", action="store_true", help="do not remove the trees, and say where they are")
    wanted = parser.parse_args(argv)
    rounds = wanted.rounds or (1 if wanted.quick else 5)
    cases = [name for name in EVERY if not wanted.case or name in wanted.case]
    out = wanted.out or (None if wanted.case or wanted.quick else ROOT / "benchmarks/RESULTS.md")
    folder = Path(tempfile.mkdtemp(prefix="xspack-bench-"))
    lab = Lab(folder, rounds, wanted.quick, lambda text: print(text, file=sys.stderr, flush=True))
    rows = []
    try:
        for name in cases:
            for row in EVERY[name](lab):
                rows.append(row)
                print(table([row]).splitlines()[2], flush=True)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        lab.close()
        if wanted.keep:
            print(f"the trees are in {folder}")
        else:
            shutil.rmtree(folder)
    print(f"\n{table(rows)}")
    if out:
        words = ["python -m benchmarks", *argv]
        out.write_text(results(rows, " ".join(words), rounds), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
