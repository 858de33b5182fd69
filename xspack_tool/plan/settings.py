"""Where the construction variables of xspack come from, which there are, and the values that declarations share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from SCons.Script import ARGUMENTS

from xspack_tool.errors import Place, Problem
from xspack_tool.model.syntax import nearest
from xspack_tool.plan.session import session

#: Every variable, with its meaning.
VARIABLES = {
    "XSPACK_TARGET": "dom0 release the packs are for, or the path of a profile of your own",
    "XSPACK_DDK": "what kernel modules are compiled against: a kernel build tree, or env.Ddk(..)",
    "XSPACK_OUT": "where RPMs and packs go",
    "XSPACK_VENDOR": "vendor, where a declaration names none",
    "XSPACK_PACKAGER": "packager, where a declaration names none",
    "XSPACK_LICENSE": "licence, where a declaration names none",
    "XSPACK_URL": "home page, where a declaration names none",
    "XSPACK_GNUPGHOME": "keyring with the secret key, instead of gpg's own",
    "XSPACK_WRITER": 'who writes the RPMs of declarations: "xspack" (the default), or "rpmbuild", this machine\'s',
    "XSPACK_BASE_REPO": "yum repository or installation ISO of the release",
    "XSPACK_BASELINE": "folder, repository or ISO of the last release",
    "XSPACK_MODULE_KEYS": "certificates whose signatures of modules the hosts take: files, in PEM or DER",
    "XSPACK_STRICT": "W findings stop the build, too",
    "XSPACK_SHELLCHECK": "shellcheck, where it is installed, is asked of scriptlets",
    "XSPACK_REPORT": "a page is written for each pack that was made, as `xspack report` does (0)",
    "XSPACK_VERBOSE": "a line for each step; else there is one for each package on a terminal, and one for each pack",
    "XSPACK_CACHE": "URL of a cache that several machines share: https, s3, gs, az, grpcs (docs/fleet.md)",
    "XSPACK_CACHE_OBJECTS": "whether objects of the tree's own builders go there, too",
    "XSPACK_CACHE_SECONDS": "what a slow or failing shared cache may cost a build (20)",
    "XSPACK_CACHE_TRUST": "public keys that entries of a cache must be signed by: files, or texts",
    "XSPACK_CACHE_SIGN_KEY": "secret key file by which a build signs what it puts into a cache",
}
#: What they are where nobody sets them.
DEFAULTS = {
    "XSPACK_TARGET": "xenserver-8",
    "XSPACK_OUT": "#build",
    "XSPACK_GNUPGHOME": "",
    "XSPACK_REPORT": "0",
}
#: Of the process environment alone: a secret is not a construction variable.
_SECRETS = (
    *("XSPACK_PASSPHRASE", "XSPACK_PASSPHRASE_FILE", "XSPACK_CACHE_TOKEN"),
    *("XSPACK_GRID_TOKEN", "XSPACK_GRID_TOKEN_FILE", "XSPACK_GRID_CERT", "XSPACK_GRID_KEY"),
)
_PATHS = ("XSPACK_DDK", "XSPACK_OUT", "XSPACK_GNUPGHOME", "XSPACK_BASE_REPO", "XSPACK_BASELINE")
#: Several paths, with spaces between.
_LISTS = ("XSPACK_MODULE_KEYS",)


def with_settings(env: Any) -> Any:
    """The environment as a declaration sees it: what the command line says (``scons XSPACK_STRICT=1``) holds before
    the process environment, that before the SConstruct, and that before the default."""
    chosen = {
        name: _from_the_top(name, source[name])
        for source in (os.environ, ARGUMENTS)
        for name in VARIABLES
        if name in source
        and not name.startswith("XSPACK_CACHE")  # a key may be a text: plan/cache_settings.py
    }
    return env.Override(chosen) if chosen else env


def _from_the_top(name: str, value: str) -> str:
    """A path that was not written in an SConscript is relative to the top of the tree."""
    if name in _LISTS:
        return " ".join(f"#{part}" if part[0] not in "#/" else part for part in value.split())
    is_path = name in _PATHS or (name == "XSPACK_TARGET" and ("/" in value or value.endswith(".toml")))
    return (
        f"#{value}" if is_path and value and value[0] not in "#/" and not value.startswith("file:") else value
    )


def unknown_variables() -> None:
    """Note each ``XSPACK_`` variable that there is not, wherever it was set."""
    places = [(ARGUMENTS, Place("the command line", 0)), (os.environ, Place("the process environment", 0))]
    places += [(env.Dictionary(), place) for env, place in session().environments]
    for values, place in places:
        for name in sorted(name for name in values if str(name).startswith("XSPACK_")):
            if name in VARIABLES or (values is os.environ and name in _SECRETS):
                continue
            remedy = nearest(name, VARIABLES) or f"the variables are {', '.join(VARIABLES)}"
            rule = f"{name} is not a construction variable of xspack"  # its value may be a secret
            session().general.problems.append(Problem("", "", rule, remedy).at(place, ""))


def out_path(env: Any, *parts: str) -> str:
    """A path below XSPACK_OUT."""
    return "/".join([text_of(env, "XSPACK_OUT").rstrip("/"), *parts])


def text_of(env: Any, variable: str) -> str:
    """The value of a variable; substitution is slow, so it is left out where there is nothing to substitute."""
    value = env.get(variable, "")
    return value if type(value) is str and "$" not in value else str(env.subst(f"${variable}"))


def is_on(env: Any, variable: str) -> bool:
    """Whether a variable that is a switch is on."""
    return text_of(env, variable).lower() not in ("", "0", "no", "false", "off")


def source_date_epoch() -> int | None:
    """SOURCE_DATE_EPOCH of the caller's environment, in seconds since 1970."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not value:
        return None
    if not value.isdigit():
        problem = Problem("SOURCE_DATE_EPOCH", value, "not a number of seconds", "set it to one, or unset it")
        session().general.problems.append(problem)
        return None
    return int(value)


def keyring(env: Any) -> Path | None:
    """XSPACK_GNUPGHOME, or None for gpg's own."""
    home = env.subst("$XSPACK_GNUPGHOME")
    return Path(env.Dir(home).srcnode().get_abspath()) if home else None
