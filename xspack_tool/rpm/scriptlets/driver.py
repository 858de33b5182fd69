"""Scriptlets of an RPM with kernel modules: depmod, and one initrd for a whole transaction.

Source: the scriptlets of the XCP-ng and XenServer driver packages, see pack-format "Driver RPMs".
"""

from __future__ import annotations

import re

from xspack_tool.errors import Problem

_KERNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+~-]*")


def kernel_problems(kernel: str) -> list[Problem]:
    """What is wrong with the text as the version of a kernel (``uname -r``)."""
    if _KERNEL.fullmatch(kernel):
        return []
    rule = "a kernel's version must be letters, digits and . _ + ~ -"
    return [Problem("kernel", kernel, rule, "write what uname -r says on the host, such as 4.19.0+1")]


def driver_scripts(kernel: str) -> dict[str, str]:
    """The parts of post, postun and posttrans for modules of ``kernel`` (``uname -r`` of the host).

    The file below /var/lib/rpm-state says that an initrd is due: however many drivers a transaction brings,
    the first posttrans makes it, and the others find nothing to do.
    """
    flag = f"/var/lib/rpm-state/regenerate-initrd-{kernel}"
    due = f"mkdir -p /var/lib/rpm-state && : > {flag} || :"
    initrd = f"dracut -f /boot/initrd-{kernel}.img {kernel}"
    failed = f'echo "dracut could not make /boot/initrd-{kernel}.img" >&2'
    return {
        "post": f"/sbin/depmod {kernel} || :\n{due}\n",
        "postun": (
            f"/sbin/depmod {kernel} || :\n"
            'if [ "$1" = 0 ]; then\n'
            f"    {initrd} || {failed}\n"
            "else\n"
            f"    {due}\n"
            "fi\n"
        ),
        "posttrans": (
            f"if [ -e {flag} ]; then\n"
            f"    rm -f {flag}\n"
            f"    {initrd} || {failed}\n"
            "    # Devices that no driver has taken so far are announced again.\n"
            "    udevadm trigger --attr-nomatch=driver && udevadm settle -t 30 || :\n"
            "fi\n"
        ),
    }
