"""SCons's CacheDir with a signature beside each entry: one that was not signed by a trusted key for just this
result is noticed, and built instead."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SCons.CacheDir
import SCons.Script
from SCons.Action import Action
from SCons.Node import Node

from xspack_tool.plan.cache_settings import CacheSettings, settings_of
from xspack_tool.plan.session import session

if TYPE_CHECKING:
    from xspack_tool.cache.keys import PublicKey, SigningKey

#: The end of a signature's file name; SCons's own entries are plain hexadecimal digits.
ENDING = ".sig"

_lock = threading.Lock()
_keys: dict[tuple[str, CacheSettings], Keys | None] = {}


class Keys:
    """Whose entries a build takes from a folder, and by which key it writes; without one it only reads."""

    def __init__(self, trusted: tuple[PublicKey, ...], signer: SigningKey | None) -> None:
        self.trusted, self.signer = trusted, signer


class SignedCache(SCons.CacheDir.CacheDir):
    """The default CACHEDIR_CLASS where xspack is loaded. Its entries are those of plain SCons, each with a signature
    beside it."""

    def retrieve(self, node: Node) -> bool:
        """As SCons does it, if the entry is signed, and whole."""
        if not self.is_enabled():
            return False
        env = node.get_build_env()
        keys = keys_of(self.path, settings_of(env))
        if keys is None:
            return False
        self.requests += 1
        place = self.cachepath(node)[1]
        if not os.path.lexists(place):
            self.CacheDebug("CacheRetrieve(%s):  %s not in cache\n", node, place)
            return False
        if why := self._take(node, env, place, keys):
            self._refuse(node, place, keys, why)
            return False
        self.hits += 1
        self.CacheDebug("CacheRetrieve(%s):  retrieving from %s\n", node, place)
        if SCons.CacheDir.cache_show:
            node.build(presub=0, execute=0)
        else:
            _SHOW(node, [], env, execute=1)
        return True

    def _take(self, node: Node, env: Any, place: str, keys: Keys) -> str:
        """Put an entry's file to its place, whole or not at all; why not, or nothing."""
        if SCons.Script.GetOption("no_exec"):
            return _why_bad(place, keys)
        if hasattr(node.attributes, "xspack_step"):
            node.attributes.xspack_step.journal.begin()
        output = node.get_abspath()
        folder, name = os.path.split(output)
        beside = os.path.join(folder, f".{name}.new")
        with suppress(FileNotFoundError):
            os.unlink(beside)
        if why := _why_bad(place, keys, beside):
            return why
        try:
            if not env.cache_timestamp_newer:
                found = os.lstat(place)
                times = (found.st_atime_ns, found.st_mtime_ns)
                os.utime(beside, ns=times, follow_symlinks=False)
            os.replace(beside, output)
        except OSError as error:
            return f"cannot be taken ({error.strerror or error})"
        with suppress(OSError):
            os.utime(place, None, follow_symlinks=False)
        return ""

    def _refuse(self, node: Node, place: str, keys: Keys, why: str) -> None:
        self.CacheDebug(f"CacheRetrieve(%s):  %s {why}\n", node, place)
        tell_once(
            f"entry {why}",
            f"{node}: its entry in the cache {self.path} {why}; it is built instead, and so are others like it",
        )
        if keys.signer and not self.is_readonly() and not SCons.Script.GetOption("no_exec"):
            _remove(place)

    def push(self, node: Node) -> Any:
        """As SCons does it, with a signature put beside the entry before it is there."""
        if self.is_readonly() or not self.is_enabled() or node.nocache:
            return None
        keys = keys_of(self.path, settings_of(node.get_build_env()))
        if keys is None or keys.signer is None:
            return None
        folder, place = self.cachepath(node)
        from xspack_tool.cache.entry import entry_of, sign_entry

        if os.path.lexists(place):
            # Of several files of one step, only the first bad one was looked at.
            if not _why_bad(place, keys):
                return None
            _remove(place)
        try:
            os.makedirs(folder, exist_ok=True)
            entry = entry_of(node.get_abspath(), os.path.basename(place))
            _write_whole(place + ENDING, sign_entry(entry, keys.signer))
        except OSError as error:
            why = error.strerror or error
            tell_once("write", f"the cache {self.path} cannot be written, which costs time alone: {why}")
            return None
        return super().push(node)


def _why_bad(place: str, keys: Keys, out: str | None = None) -> str:
    """Why an entry is not to be taken, or nothing; it is copied to ``out`` then."""
    from xspack_tool.cache.entry import Refused, read_signature, take, verified_entry

    try:
        name = os.path.basename(place)
        entry = verified_entry(read_signature(Path(place + ENDING)), name, keys.trusted)
        take(place, entry, out)
    except Refused as refused:
        return str(refused)
    except OSError as error:
        return f"cannot be taken ({error.strerror or error})"
    return ""


def _remove(place: str) -> None:
    for path in (place, place + ENDING):
        with suppress(OSError):
            os.unlink(path)


def _show(target: Any, source: Any, env: Any) -> int:
    return 0


def _shown(target: Any, source: Any, env: Any) -> str:
    return f"Retrieved `{target[0].get_internal_path()}' from cache"


_SHOW = Action(_show, _shown)


def keys_of(folder: str, settings: CacheSettings) -> Keys | None:
    """Whose entries are taken from ``folder``; None, told once, if nobody's can be."""
    with _lock:
        if (folder, settings) not in _keys:
            _keys[folder, settings] = _find_keys(folder, settings)
        return _keys[folder, settings]


def _find_keys(folder: str, settings: CacheSettings) -> Keys | None:
    from xspack_tool.cache.keys import KeyMistake, own_key

    try:
        trusted, signer = settings.read()
    except KeyMistake as mistake:
        tell_once("cache keys", f"the cache {folder} is not used: {mistake}")
        return None
    why_shared = _why_shared(folder)
    if not why_shared:
        try:
            own = own_key(_own_key_file(), create=not SCons.Script.GetOption("no_exec"))
        except KeyMistake as mistake:
            own, why_shared = None, str(mistake)
        if own:
            trusted, signer = (*trusted, own.public), signer or own
    if trusted:
        return Keys(trusted, signer)
    if why_shared:
        tell_once(
            "cache keys",
            f"the cache {folder} is not used: {why_shared}; name the public keys whose entries you trust in"
            " XSPACK_CACHE_TRUST (`xspack cache-key FILE` makes a pair), or use a folder that you alone can write",
        )
    return None


def _why_shared(folder: str) -> str:
    """Why others may have written there, or nothing."""
    try:
        found = os.stat(folder)
    except OSError as error:
        return error.strerror or str(error)
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    return "others can write to it (chmod go-w changes that)" if found.st_mode & 0o022 else ""


def _own_key_file() -> Path:
    """Outside the folder: who keeps copies of a cache, as CI does, must not keep the key with them."""
    try:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:  # no HOME, and an unknown user
        home = Path("/nonexistent")
    return home / "xspack/cache-key"


def _write_whole(path: str, text: str) -> None:
    beside = f"{path}.{os.getpid()}.{threading.get_ident()}.new"
    with open(beside, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(beside, path)


def tell_once(what: str, text: str) -> None:
    """Say something to the user, the first time in a run."""
    if session().first_time(f"cache: {what}"):
        sys.stderr.write(f"xspack: {text}\n")
