"""The keys and packs that commands are tried with."""

from pack_maker import keys, make_pack

__all__ = ["keys", "make_pack"]
