"""Sentences of ours, and of programs, that several files of tests expect: each stands here once."""

from __future__ import annotations

UP_TO_DATE = "scons: `pack' is up to date."
#: rpm's word for a signature of a header.
HEADER_SIGNATURE = "Header V4 RSA/SHA256 Signature, key ID"
MISTAKES = "mistakes in the declarations, nothing was built"
NO_ROOM = "No space left on device; make room there"

# Of kits.
ASKING = "asking the kit what it is"
KIT_CHANGED = "the kit has changed since it was first asked; build again"
DISK_FULL = "its disk is full in its /var/tmp (or TMPDIR); free some space there"

# Of caches and grids.
NOT_ASKED = "is not asked any more in this build: it"
NOT_WRITTEN = "nothing more is written to the cache"
BUILT_INSTEAD = "it is built instead, and so are others like it"
CERTIFICATE = "its certificate is not trusted, see SSL_CERT_FILE"
FULL = "it answers RESOURCE_EXHAUSTED, it is full"

# Of packs.
DAMAGED = "does not have the SHA-256 that the index says: it is damaged"
UNMET = "which neither host nor pack provides"
OVERLAP = "its files overlap: they are many times its size"
ATTRIBUTES = "it is over attributes, which kernels refuse"
