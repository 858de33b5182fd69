"""SCons's CacheDir with a checksum beside each entry: a damaged one is noticed, removed, and built instead.

A checksum tells damage and truncation. It does not tell malice: who may write into a cache may write checksums.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import SCons.CacheDir
import SCons.Script
from SCons.Node import Node

from xspack_tool.plan.memo import sha256_of

#: The end of a checksum's file name; SCons's own entries are plain hexadecimal digits.
ENDING = ".sha256"


class CheckedCache(SCons.CacheDir.CacheDir):
    """The default CACHEDIR_CLASS where xspack is loaded. It reads and writes the entries of plain SCons."""

    def retrieve(self, node: Node) -> bool:
        """As SCons does it, if the entry is whole."""
        if not self.is_enabled():
            return False
        entry = self.cachepath(node)[1]
        step = hasattr(node.attributes, "xspack_step")
        if os.path.exists(entry) and not _is_whole(entry, needed=step):
            self._discard(node, entry)
            return False
        if step and not SCons.Script.GetOption("no_exec"):
            node.attributes.xspack_journal.begin()
        return bool(super().retrieve(node))

    @classmethod
    def copy_from_cache(cls, env: Any, src: str, dst: str) -> str:
        """Copy so that the output appears whole or not at all."""
        folder, name = os.path.split(dst)
        beside = os.path.join(folder, f".{name}.new")
        super().copy_from_cache(env, src, beside)
        os.replace(beside, dst)
        return dst

    @classmethod
    def copy_to_cache(cls, env: Any, src: str, dst: str) -> str:
        """Copy into the folder in which SCons prepares an entry, and put the checksum into its place, before
        SCons moves the entry to its own."""
        result: str = super().copy_to_cache(env, src, dst)
        if not os.path.islink(src):
            final = os.path.join(os.path.dirname(os.path.dirname(dst)), os.path.basename(dst))
            with open(dst + ENDING, "w", encoding="ascii") as file:
                file.write(sha256_of(src) + "\n")
            os.replace(dst + ENDING, final + ENDING)
        return result

    def _discard(self, node: Node, entry: str) -> None:
        sys.stderr.write(
            f"xspack: {node}: its entry in the cache {self.path} is damaged; it is built instead\n"
        )
        if not self.is_readonly() and not SCons.Script.GetOption("no_exec"):
            for path in (entry, entry + ENDING):
                with suppress(OSError):
                    os.unlink(path)


def _is_whole(entry: str, needed: bool) -> bool:
    """Whether an entry is what was put there. One without a checksum, as plain SCons writes, is taken unless a
    checksum is ``needed``: for our own there always is one."""
    try:
        with open(entry + ENDING, encoding="ascii") as file:
            wanted = file.read(65).strip()
    except (OSError, UnicodeDecodeError):
        return not needed
    try:
        return sha256_of(entry) == wanted
    except OSError:
        return False
