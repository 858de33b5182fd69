"""Packs for the tests of this room."""

from pack_maker import keys, make_pack

__all__ = ["keys", "make_pack"]
