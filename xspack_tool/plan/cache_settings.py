"""What the user says of caches: where the shared one is, whose entries are trusted, and by which key a build signs."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import SCons.Defaults
import SCons.Errors
from msgspec import Struct
from SCons.Script import ARGUMENTS

from xspack_tool.errors import Problem
from xspack_tool.plan.session import once_a_run, session, user_place

if TYPE_CHECKING:
    from xspack_tool.cache.keys import PublicKey, SigningKey

URL, TRUST, SIGN_KEY = "XSPACK_CACHE", "XSPACK_CACHE_TRUST", "XSPACK_CACHE_SIGN_KEY"
OBJECTS, SECONDS = "XSPACK_CACHE_OBJECTS", "XSPACK_CACHE_SECONDS"
_ALL = (URL, TRUST, SIGN_KEY, OBJECTS, SECONDS)
#: How the text of a key begins.
_TEXTS = ("ssh-ed25519 ", "-----BEGIN")


class CacheSettings(Struct, frozen=True):
    """Public keys, and a secret one; each is the path of a file, or a text. The secret is not in the `repr`."""

    trust: tuple[str, ...] = ()
    sign_key: _Secret | None = None
    #: Where the shared cache is, whether the user's own objects go there, and what a slow server may cost.
    url: str = ""
    objects: bool = False
    seconds: float = 20.0

    def read(self) -> tuple[tuple[PublicKey, ...], SigningKey | None]:
        """The keys. Raises KeyMistake."""
        return _read(self)


class _Secret(str):
    """A text that no message shows by mistake."""

    def __repr__(self) -> str:
        return "(a key)"


def settings_of(env: Any) -> CacheSettings:
    """Those of the command line, else of the process environment, else of a construction environment; a secret key
    never enters the last as a text."""
    trust, url, sign_key = _given(env, TRUST), _given(env, URL), _given(env, SIGN_KEY)
    if not (trust or url or sign_key):
        return _NOTHING
    return CacheSettings(
        tuple(_path(env, text) for text in _trust_texts(trust)) if trust else (),
        _Secret(_path(env, str(sign_key))) if sign_key else None,
        str(url or "").rstrip("/"),
        str(_given(env, OBJECTS) or "").lower() not in ("", "0", "no", "false", "off"),
        float(_given(env, SECONDS) or 20.0),
    )


_NOTHING = CacheSettings()


def _given(env: Any, name: str) -> Any:
    return ARGUMENTS.get(name) or os.environ.get(name) or env.get(name)


def _trust_texts(given: Any) -> Sequence[str]:
    """A list; one key's text; or paths with a colon between them, as in PATH."""
    if not isinstance(given, str) and isinstance(given, Sequence):
        return [str(one) for one in given]
    text = str(given)
    if text.lstrip().startswith(_TEXTS):
        return [text]
    return [part for part in text.split(os.pathsep) if part]


def _path(env: Any, text: str) -> str:
    """A path relative to the top of the tree made absolute; a key's text as it is."""
    if text.lstrip().startswith(_TEXTS):
        return text
    return os.path.join(env.fs.Top.get_abspath(), os.path.expanduser(text))


@once_a_run
def _read(settings: CacheSettings) -> tuple[tuple[PublicKey, ...], SigningKey | None]:
    from xspack_tool.cache.keys import read_signing, read_trusted

    trusted = read_trusted(settings.trust)
    signing = read_signing(settings.sign_key) if settings.sign_key else None
    return (*trusted, *([signing.public] if signing else [])), signing


def check_settings(env: Any) -> None:
    """Note what is wrong with the settings of an environment, with the other mistakes."""
    # Asked for each step; what else could say something new stays as it is while files are read.
    given = hash(tuple(str(env.get(name)) for name in _ALL))
    if not session().first_time(f"cache of {id(env)}: {given}"):
        return
    for where, given in (
        ("the command line", ARGUMENTS.get(SIGN_KEY)),
        ("the SConstruct", env.get(SIGN_KEY)),
    ):
        if given and str(given).lstrip().startswith(_TEXTS):
            rule = f"a secret key must not be in {where}"
            _note(SIGN_KEY, "..", rule, "name its file, or put it into the environment under the same name")
            return
    if seconds := _given(env, SECONDS):
        try:
            good = 0 < float(seconds) < 3600
        except (TypeError, ValueError):
            good = False
        if not good:
            _note(SECONDS, seconds, "must be a number of seconds up to 3600", "leave it out for 20")
            return
    settings = settings_of(env)
    if settings.url and session().first_time(f"cache folder {id(env)}"):
        # Once all was read: the user may name a folder of his own later.
        session().at_start.append(functools.partial(_prepare_folder, env))
    if settings == _NOTHING or not session().first_time(f"cache settings {hash(settings)}"):
        return
    from xspack_tool.cache.keys import KeyMistake

    try:
        settings.read()
    except KeyMistake as mistake:
        rule, _, remedy = str(mistake).partition("; ")
        _note("", "", rule, remedy, f"{TRUST}, {SIGN_KEY}")
    if settings.url:
        _check_url(settings)


def _check_url(settings: CacheSettings) -> None:
    from xspack_tool.cache.url import StoreMistake, check_url, is_grid
    from xspack_tool.grid.connect import LACKING, has_libraries

    shown = urlsplit(settings.url)._replace(netloc=urlsplit(settings.url).netloc.rpartition("@")[2], query="")
    try:
        check_url(settings.url, os.environ)
    except StoreMistake as mistake:
        rule, _, remedy = str(mistake).partition("; ")
        _note(URL, shown.geturl(), rule, remedy)
        return
    if not settings.trust and not settings.sign_key:
        rule = f"a shared cache needs {TRUST}, the public keys whose entries are taken"
        _note(URL, settings.url, rule, "`xspack cache-key FILE` makes a pair, FILE and FILE.pub")
    if is_grid(settings.url):
        if not has_libraries():
            needed, _, remedy = LACKING.partition(": ")
            _note(URL, settings.url, needed, remedy)
    elif importlib.util.find_spec("obstore") is None:
        _note(
            URL, settings.url, "obstore is needed", "pip install 'xspack[cache]', with Python 3.11 or later"
        )


def _note(field: str, value: object, rule: str, remedy: str, target: str = "Environment") -> None:
    session().general.problems.append(Problem(field, value, rule, remedy, user_place(), target))


def _prepare_folder(env: Any) -> None:
    """Give an environment with a shared cache a local one, where the user named none."""
    if hasattr(env, "_CacheDir_path") or not settings_of(env).url:
        return
    default = SCons.Defaults.DefaultEnvironment(tools=[])
    if default._CacheDir_path is not None:
        return
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(home, "xspack/cachedir")
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        env.CacheDir(folder)
    except (OSError, SCons.Errors.SConsEnvironmentError) as error:
        env._CacheDir_path = None
        tell_once(
            "folder", f"the cache {settings_of(env).url} is not used: {folder}: {error}; set env.CacheDir(..)"
        )


def tell_once(what: str, text: str) -> None:
    """Say something to the user, the first time in a run."""
    if session().first_time(f"cache: {what}"):
        sys.stderr.write(f"xspack: {text}\n")
