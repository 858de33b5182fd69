"""What the user says of caches: whose entries are trusted, and by which key a build signs its own."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SCons.Script import ARGUMENTS

from xspack_tool.errors import Problem
from xspack_tool.plan.session import session, user_place

if TYPE_CHECKING:
    from xspack_tool.cache.keys import PublicKey, SigningKey

TRUST, SIGN_KEY = "XSPACK_CACHE_TRUST", "XSPACK_CACHE_SIGN_KEY"
#: How the text of a key begins.
_TEXTS = ("ssh-ed25519 ", "-----BEGIN")


@dataclass(frozen=True)
class CacheSettings:
    """Public keys, and a secret one; each is the path of a file, or a text. The secret is not in the `repr`."""

    trust: tuple[str, ...] = ()
    sign_key: _Secret | None = None

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
    trust, sign_key = _given(env, TRUST), _given(env, SIGN_KEY)
    texts = _trust_texts(trust) if trust else ()
    signing = _Secret(_path(env, str(sign_key))) if sign_key else None
    return CacheSettings(tuple(_path(env, text) for text in texts), signing)


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


@functools.cache
def _read(settings: CacheSettings) -> tuple[tuple[PublicKey, ...], SigningKey | None]:
    from xspack_tool.cache.keys import read_signing, read_trusted

    trusted = read_trusted(settings.trust)
    signing = read_signing(settings.sign_key) if settings.sign_key else None
    return (*trusted, *([signing.public] if signing else [])), signing


def check_settings(env: Any) -> None:
    """Note what is wrong with the settings of an environment, with the other mistakes."""
    if not (_given(env, TRUST) or _given(env, SIGN_KEY)):
        return
    for where, given in (
        ("the command line", ARGUMENTS.get(SIGN_KEY)),
        ("the SConstruct", env.get(SIGN_KEY)),
    ):
        if str(given or "").lstrip().startswith(_TEXTS):
            rule = f"a secret key must not be in {where}"
            remedy = "name its file, or put it into the environment under the same name"
            session().general.problems.append(
                Problem(SIGN_KEY, "..", rule, remedy, user_place(), "Environment")
            )
            return
    settings = settings_of(env)
    if not session().first_time(f"cache settings {hash(settings)}"):
        return
    from xspack_tool.cache.keys import KeyMistake

    try:
        settings.read()
    except KeyMistake as mistake:
        said = str(mistake)
        rule, _, remedy = said.partition("; ")
        session().general.problems.append(Problem("", "", rule, remedy, user_place(), f"{TRUST}, {SIGN_KEY}"))
