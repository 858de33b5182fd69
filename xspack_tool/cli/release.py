"""The release that a command judges a pack by."""

from __future__ import annotations

import argparse
from pathlib import Path

from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import open_pack
from xspack_tool.hosts.release import ROOT_BYTES, Host
from xspack_tool.model.profile import Profile
from xspack_tool.releases import load_profile, profile_names
from xspack_tool.releases.known import KnownRelease


def add_release_arguments(parser: argparse.ArgumentParser) -> None:
    """``--target`` and ``--base``, for commands that judge a pack against a release."""
    names = ", ".join(profile_names())
    parser.add_argument(
        "--target", default="xenserver-8", metavar="T", help=f"release: {names}, or a TOML file (xenserver-8)"
    )
    parser.add_argument(
        "--base", type=Path, metavar="REPO", help="repository or installation ISO with the release's packages"
    )


def host_of(args: argparse.Namespace, pack: ParsedPack) -> tuple[Profile, Host]:
    """The host that the arguments describe."""
    profile = load_profile(args.target)
    introduced = tuple(
        found.document for found in map(open_pack, getattr(args, "introduced", None) or ()) if found.document
    )
    release = KnownRelease(profile, pack.infos, args.base)
    return profile, Host(release, getattr(args, "free", None) or ROOT_BYTES, introduced)
