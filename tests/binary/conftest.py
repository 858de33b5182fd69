"""What the tests of binaries share with those of the kits: compiled modules."""

from __future__ import annotations

from ddk.conftest import headers, module_of, tree

__all__ = ["headers", "module_of", "tree"]
