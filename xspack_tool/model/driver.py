"""What is known of a driver besides its RPM: what its sources and its kit tell while they are read."""

from __future__ import annotations

import re

from msgspec import Struct

#: Where the variants of a driver lie side by side: what an administrator selects is linked into updates/.
VARIANT = re.compile(
    r"^(?:/usr)?/lib/modules/(?P<kernel>[^/]+)/dmv/(?P<driver>[^/]+)/(?P<version>[^/]+)/(?P<rest>.+)$"
)


class DriverNotes(Struct, frozen=True):
    """``running_kernel`` are the lines of Makefiles that ask for the running kernel: file, line, text.
    ``compilers`` are that of the kernel and that of the kit in their own words, where they differ by more than a minor
    version; ``not_run`` the directives of a dkms.conf, named first, whose programs are not run."""

    running_kernel: tuple[tuple[str, int, str], ...] = ()
    compilers: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
