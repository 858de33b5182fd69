"""What `scons -h` says of xspack: the kinds, the variables, and every target that was declared."""

from __future__ import annotations

from typing import Any

import SCons.Script

from xspack_tool.plan.session import session

VARIABLES = {
    "XSPACK_TARGET": "dom0 release the packs are for, or the path of a profile of one's own",
    "XSPACK_DDK": "what kernel modules are compiled against: a kernel build tree, or env.Ddk(..)",
    "XSPACK_OUT": "where RPMs and packs go",
    "XSPACK_VENDOR, XSPACK_PACKAGER, XSPACK_LICENSE, XSPACK_URL": "defaults for declarations",
    "XSPACK_GNUPGHOME": "keyring with the secret key, instead of gpg's own",
    "XSPACK_BASE_REPO": "yum repository or installation ISO of the release",
    "XSPACK_BASELINE": "folder, repository or ISO of the last release",
    "XSPACK_STRICT": "W findings stop the build, too",
    "XSPACK_CACHE_TRUST": "public keys that entries of a cache must be signed by: files, or texts",
    "XSPACK_CACHE_SIGN_KEY": "secret key file by which a build signs what it puts into a cache",
}


def wanted() -> bool:
    """Whether SCons was called for help."""
    return bool(SCons.Script.GetOption("help"))


def introduce() -> None:
    """Tell the commands and variables, once."""
    if not wanted() or not session().first_time("help"):
        return
    rows = [f"  {name}\n      {meaning}" for name, meaning in VARIABLES.items()]
    commands = ["  scons pack      build and sign every pack"]
    SCons.Script.HelpFunction("\n".join(["xspack", *commands, "Variables:", *rows, "Declared:", ""]))


def tell_kind(kind: Any) -> None:
    """Tell of a kind that a SConstruct added."""
    if wanted():
        introduce()
        SCons.Script.HelpFunction(
            f"  env.{kind.__name__}(..): {(kind.__doc__ or '').strip().splitlines()[0]}\n"
        )


def tell(target: str, node: Any, content: str = "") -> None:
    """Tell of a declared target, the file it makes, and what it holds."""
    if wanted():
        introduce()
        SCons.Script.HelpFunction(f"  {target} -> {node}{f': {content}' if content else ''}\n")
