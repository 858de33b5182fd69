"""P and U3: which files belong where."""

from __future__ import annotations

import re

from xspack_tool.rpm.info import DOC, LICENSE, PayloadFile
from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, rpm_rule

#: Vendors of the base distributions of dom0, as their RPMs' headers name them.
_BASE_VENDORS = ("centos", "fedora", "red hat", "almalinux", "rocky", "oracle")
#: Rules of others than udev: polkit, audit, prelude-lml and the like keep theirs in folders of their own.
_OTHER_RULES = re.compile(
    r"^(?:/etc|/usr/share|/usr/lib)/(?:polkit-1|audit|prelude-\w+|fail2ban|snort|suricata)/"
)
_DOCUMENTATION = re.compile(r"^/usr/share/(?:doc|licenses)/")
_FIRMWARE = re.compile(r"^(?:/usr)?/lib/firmware/")
_FIRMWARE_PLACE = re.compile(r"^(?:/usr)?/lib/firmware/updates/([^/]+)/[^/]")
#: How a folder for one kernel begins: the running one looks into its own, then into updates itself.
_VERSION = re.compile(r"[0-9]+\.[0-9]")
_MANUALS = re.compile(r"^/usr/(?:share/|local/|local/share/)?(?:man|info)/")
#: Folders in /etc whose files are programs or descriptions, not settings (xapi's hooks, status reports).
_NO_SETTINGS = ("/etc/xapi.d/", "/etc/xensource/bugtool/")


def _files(context: RpmContext) -> list[PayloadFile]:
    return [file for file in context.info.files if not file.is_dir]


@rpm_rule(
    "P1",
    "E",
    meaning="udev rules outside /etc/udev/rules.d",
    remedy="install them in /etc/udev/rules.d (udev_rules= does)",
    bad="/usr/lib/udev/rules.d/70-acme.rules",
    good="/etc/udev/rules.d/70-acme.rules",
)
def udev_rules(context: RpmContext) -> Hits:
    vendor = context.info.vendor.lower()
    severity = "W" if vendor.startswith(_BASE_VENDORS) else "E"
    for file in _files(context):
        if not file.path.endswith(".rules") or file.path.startswith("/etc/udev/rules.d/"):
            continue
        if not _OTHER_RULES.match(file.path) and not _DOCUMENTATION.match(file.path):
            yield Hit(file.path, "udev rules outside /etc/udev/rules.d", severity)  # type: ignore[arg-type]


@rpm_rule(
    "P2",
    "E",
    meaning="firmware outside /lib/firmware/updates/<kernel>, or below it for a kernel that the release does not have; "
    "a W in a folder of updates that is named after no kernel, which every kernel reads",
    remedy="install it below /lib/firmware/updates/<kernel> (env.Firmware does)",
    bad="/lib/firmware/acme/nic.bin",
    good="/lib/firmware/updates/4.19.0+1/acme/nic.bin",
)
def firmware_place(context: RpmContext) -> Hits:
    known = context.profile.kernels
    for file in _files(context):
        if not _FIRMWARE.match(file.path):
            continue
        place = _FIRMWARE_PLACE.match(file.path)
        if not file.path.split("/lib/firmware/", 1)[1].startswith("updates/"):
            yield Hit(file.path, "firmware outside /lib/firmware/updates/<kernel>")
        elif not place or not _VERSION.match(place[1]):
            text = "firmware for every kernel that the host will ever run, not for one"
            yield Hit(file.path, text, "W")
        elif known and place[1] not in known:
            runs = f"{context.profile.title} runs {', '.join(known)}"
            yield Hit(file.path, f"{place[1]!r} is not the kernel's version; {runs}")


@rpm_rule(
    "P3",
    "W",
    meaning="a configuration file outside /etc",
    remedy="install it in /etc (config= does), or do not mark it %config",
    bad="%config /opt/acme/acme.conf",
    good="%config(noreplace) /etc/acme.conf",
)
def config_place(context: RpmContext) -> Hits:
    for file in _files(context):
        if file.is_config and not file.path.startswith("/etc/"):
            yield Hit(file.path, "a %config file outside /etc")


@rpm_rule(
    "P4",
    "W",
    meaning="documentation outside /usr/share/doc",
    remedy="install it in /usr/share/doc/<name> (docs= does)",
    bad="%doc /opt/acme/README",
    good="/usr/share/doc/acme-agent/README",
)
def documentation_place(context: RpmContext) -> Hits:
    for file in _files(context):
        if not file.flags & DOC or file.flags & LICENSE:
            continue
        if not _DOCUMENTATION.match(file.path) and not _MANUALS.match(file.path):
            yield Hit(file.path, "documentation outside /usr/share/doc")


@rpm_rule(
    "U3",
    "W",
    meaning="a file in /etc that an upgrade would overwrite",
    remedy="mark it %config(noreplace) (config= does)",
    bad="/etc/acme.conf as a plain file",
    good="%config(noreplace) /etc/acme.conf",
)
def keeps_settings(context: RpmContext) -> Hits:
    for file in context.info.files:
        if not file.is_file or file.is_ghost or not file.path.startswith("/etc/"):
            continue
        if not (file.is_config and file.is_noreplace) and not file.path.startswith(_NO_SETTINGS):
            how = "%config without noreplace" if file.is_config else "a plain file"
            yield Hit(file.path, f"{how} in /etc: an upgrade overwrites the administrator's changes")
