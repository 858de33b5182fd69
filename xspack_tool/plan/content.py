"""Content signatures of our outputs: one that is as SCons left it is not read again.

SCons itself reads every file that is younger than two days (max_drift) in every build, an ISO and each RPM too.
"""

from __future__ import annotations

import SCons.Node
from SCons.Node import Node


def trust_unchanged(node: Node) -> None:
    """Have the stored signature of an output taken while its time and size are those that it had with it, and
    it is not built anew. Its time is the file system's own, finer than any two builds follow each other.

    Everything that asks for a signature, an Alias or a Decider, comes after SCons has noted what it saw of the file.
    """
    node.store_info = _STORE


def _store_info(node: Node) -> None:
    if node.get_state() != SCons.Node.executed:
        seen, known = node.get_ninfo(), node.get_stored_info().ninfo
        csig = getattr(known, "csig", None)
        same = (
            getattr(known, "timestamp", None) == seen.timestamp and getattr(known, "size", None) == seen.size
        )
        if csig and same and not hasattr(seen, "csig"):
            seen.csig = csig
    SCons.Node.store_info_file(node)


_STORE = max(SCons.Node.store_info_map) + 1
SCons.Node.store_info_map[_STORE] = _store_info
