"""When two RPMs cannot both own a path."""

from __future__ import annotations

from xspack_tool.rpm.info import PayloadFile


def file_difference(one: PayloadFile, other: PayloadFile) -> str:
    """Why two RPMs that bring the same path conflict; empty where rpm lets both have it (`rpmfilesCompare`)."""
    if one.is_ghost or other.is_ghost or (one.is_dir and other.is_dir):
        return ""
    if one.mode >> 12 != other.mode >> 12:
        return "another type"
    if (one.size, one.digest, one.link) != (other.size, other.digest, other.link):
        return "another content"
    if (one.mode, one.owner, one.group) != (other.mode, other.owner, other.group):
        return "another mode or owner"
    return ""
