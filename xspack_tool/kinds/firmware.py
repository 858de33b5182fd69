"""``env.Firmware``: files that the kernel loads into devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from xspack_tool.kinds import validators
from xspack_tool.kinds.base import REQUIRED, Field, PackageKind
from xspack_tool.kinds.modprobe import MODPROBE, place_modprobe
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.plan.ddk import kernel_of
from xspack_tool.rpm.scriptlets.driver import kernel_problems


class Firmware(PackageKind):
    """Device firmware as an RPM, below /lib/firmware/updates/<kernel>, where the kernel looks first."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        **{name: field for name, field in PackageKind.FIELDS.items() if name != "config"},
        "files": Field(
            "name that the driver asks for -> file",
            REQUIRED,
            validators.FILE_TABLE,
            example='{"acme/nic.bin": "nic.bin"}',
        ),
        "kernel": Field(
            "`uname -r` it is for (or that of $XSPACK_DDK, or the profile's)",
            None,
            validators.TEXT,
            example='"4.19.0+1"',
            expands=True,
        ),
        "modprobe": MODPROBE,
    }
    ARCH: ClassVar[str] = "noarch"

    def destination(self, declaration: PackageDeclaration, path: str) -> str:
        """Below the firmware folder of the kernel."""
        if path.startswith("/"):
            rule = "firmware must be named as the driver asks for it, relative to the firmware folder"
            declaration.problem("files", path, rule, f"write {path.rsplit('/', 1)[1]!r}, or vendor/name")
        return f"/lib/firmware/updates/{self._kernel}/{path}"

    def fill(self, declaration: PackageDeclaration) -> None:
        place_modprobe(declaration, self.given["modprobe"])
        if not self._kernel:
            rule = f"the profile {declaration.profile.name} names no kernel, and XSPACK_DDK is not set"
            declaration.problem("kernel", None, rule, "give kernel= as uname -r says it on the host")
        else:
            declaration.problems += kernel_problems(self._kernel)

    @property
    def _kernel(self) -> str:
        return self.given["kernel"] or kernel_of(self.env)
