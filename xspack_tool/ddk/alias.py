"""The patterns by which modules claim devices, as the kernel's scripts/mod/file2alias.c writes them."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_ID4, _ID8, _BYTE = r"[0-9A-F]{4}|\*", r"[0-9A-F]{8}|\*", r"[0-9A-F]{2}|\*"
_PCI = re.compile(
    rf"pci:v(?P<vendor>{_ID8})d(?P<device>{_ID8})sv(?P<subvendor>{_ID8})sd(?P<subdevice>{_ID8})"
    rf"bc(?P<base>{_BYTE})sc(?P<sub>{_BYTE})i(?P<interface>{_BYTE})\*?"
)
_USB = re.compile(
    rf"usb:v(?P<vendor>{_ID4})p(?P<device>{_ID4})d(?P<release>[^d]*)dc(?P<base>{_BYTE})dsc(?P<sub>{_BYTE})"
    rf"dp(?P<protocol>{_BYTE})ic(?P<ibase>{_BYTE})isc(?P<isub>{_BYTE})ip(?P<iprotocol>{_BYTE})in(?:{_BYTE})\*?"
)
_HID = re.compile(rf"hid:b(?P<bus>{_ID4})g(?:{_ID4})v(?P<vendor>{_ID8})p(?P<device>{_ID8})\*?")
#: BUS_USB of linux/input.h: a HID device on USB has the USB device's own ids.
_HID_ON_USB = "0003"
_MAX_LENGTH = 1000


class DeviceId(Struct, frozen=True, order=True):
    """The ids in an alias: four lower case hexadecimal digits each, or ``*`` for any.

    ``bus`` is pci, usb, or hid (an input device, with the ids of its USB device). ``device_class`` is base
    class, sub class and interface (on USB: the interface's if named) of two digits each; empty for any.
    """

    bus: str
    vendor: str
    device: str
    subvendor: str = "*"
    subdevice: str = "*"
    device_class: str = ""


def parse_alias(alias: str) -> DeviceId | None:
    """The ids of a PCI, USB or HID alias; None for every other."""
    if len(alias) > _MAX_LENGTH:
        return None
    if pci := _PCI.fullmatch(alias):
        vendor, device, subvendor, subdevice = map(
            _short, pci.group("vendor", "device", "subvendor", "subdevice")
        )
        device_class = _class(pci["base"], pci["sub"], pci["interface"])
        return DeviceId("pci", vendor, device, subvendor, subdevice, device_class)
    if usb := _USB.fullmatch(alias):
        whole = _class(usb["base"], usb["sub"], usb["protocol"])
        interface = _class(usb["ibase"], usb["isub"], usb["iprotocol"])
        return DeviceId("usb", _short(usb["vendor"]), _short(usb["device"]), device_class=interface or whole)
    if (hid := _HID.fullmatch(alias)) and hid["bus"] == _HID_ON_USB:
        return DeviceId("hid", _short(hid["vendor"]), _short(hid["device"]))
    return None


def _short(digits: str) -> str:
    return digits[-4:].lower()


def _class(*parts: str) -> str:
    return "" if set(parts) == {"*"} else "".join(part.lower() if part != "*" else "**" for part in parts)


#: A token of a pattern: any text, or the characters that may stand at one place (None: any one).
_ANY_TEXT = "*"
_Token = str | frozenset[str] | None


@lru_cache(maxsize=65_536)
def tokens(pattern: str) -> tuple[_Token, ...]:
    """The parts of a pattern, read as fnmatch does: ``*``, ``?``, ``[0-9A]``, ``[!0]``, plain characters."""
    tokens: list[_Token] = []
    position = 0
    while position < len(pattern):
        sign = pattern[position]
        end = pattern.find("]", position + 2) if sign == "[" else -1
        if sign == "*":
            if not tokens or tokens[-1] != _ANY_TEXT:
                tokens.append(_ANY_TEXT)
        elif sign == "?":
            tokens.append(None)
        elif end > 0:
            tokens.append(_set(pattern[position + 1 : end]))
            position = end
        else:
            tokens.append(frozenset(sign))
        position += 1
    return tuple(tokens)


#: The characters that occur in aliases: what a negated set leaves.
_ALPHABET = frozenset(map(chr, range(0x20, 0x7F)))


def _set(inside: str) -> frozenset[str]:
    negated, body = inside[:1] in "!^", inside.lstrip("!^") if inside[:1] in "!^" else inside
    chosen: set[str] = set()
    position = 0
    while position < len(body):
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            chosen |= set(map(chr, range(ord(body[position]), min(ord(body[position + 2]), 0x7F) + 1)))
            position += 3
        else:
            chosen.add(body[position])
            position += 1
    return _ALPHABET - chosen if negated else frozenset(chosen)


def overlap(one: str, other: str) -> bool:
    """Whether some device is claimed by both patterns."""
    return _walk(tokens(one), tokens(other), both=True)


def covers(pattern: str, claim: str) -> bool:
    """Whether ``pattern`` takes all devices that ``claim`` takes; a device's own modalias is a claim, too."""
    return _walk(tokens(pattern), tokens(claim), both=False)


def _walk(left: tuple[_Token, ...], right: tuple[_Token, ...], *, both: bool) -> bool:
    """Go through both patterns in step; ``both`` lets either side's ``*`` swallow the other's parts."""
    seen: set[tuple[int, int]] = set()
    waiting = [(0, 0)]
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        at, of = state
        if at == len(left) and of == len(right):
            return True
        first = left[at] if at < len(left) else ""
        second = right[of] if of < len(right) else ""
        if first == _ANY_TEXT:
            waiting.append((at + 1, of))
            if second != "":
                waiting.append((at, of + 1))
        elif second == _ANY_TEXT:
            if both:
                waiting.append((at, of + 1))
                if first != "":
                    waiting.append((at + 1, of))
        elif first != "" and second != "" and _fits(first, second, both=both):
            waiting.append((at + 1, of + 1))
    return False


def _fits(first: _Token, second: _Token, *, both: bool) -> bool:
    """Whether a character fits both tokens, or (not ``both``) all that fit the second fit the first."""
    if first is None or (second is None and both):
        return True
    if second is None or isinstance(first, str) or isinstance(second, str):
        return False
    return bool(first & second) if both else second <= first
