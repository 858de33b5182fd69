"""The SCons tool ``xspack`` in a checkout of its own project; see xspack_tool."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[3])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from xspack_tool import exists, generate  # noqa: E402

__all__ = ["exists", "generate"]
