"""SCons's CacheDir with a signature beside each entry: one that was not signed by a trusted key for just this
result is noticed, and built instead. Behind it, where there is one, a cache that several machines share."""

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

from xspack_tool.files import write_whole
from xspack_tool.plan.cache_settings import CacheSettings, settings_of, tell_once
from xspack_tool.plan.node_record import planned_of, record_of
from xspack_tool.plan.scons import is_cached, keeps_times, shows_cached
from xspack_tool.plan.session import session

if TYPE_CHECKING:
    from xspack_tool.cache.keys import PublicKey, SigningKey
    from xspack_tool.cache.store import Store

#: The end of a signature's file name; SCons's own entries are plain hexadecimal digits.
ENDING = ".sig"

#: The steps whose results go to a shared cache: those that cost more than to fetch them.
SHARED = frozenset({"RPM", "SpecRpm", "Modules", "SourceRpm", "Remote"})
_lock = threading.Lock()


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
        settings = settings_of(env)
        keys = keys_of(self.path, settings)
        if keys is None:
            return False
        self.requests += 1
        place = self.cachepath(node)[1]
        if why := self._take_here(node, env, place, keys):
            self.CacheDebug(f"CacheRetrieve(%s):  %s {why}\n", node, place)
            store = store_of(node, settings)
            if store is None or os.path.lexists(place) or SCons.Script.GetOption("no_exec"):
                return False
            from xspack_tool.cache.store import REFUSALS

            why = store.fetch(os.path.basename(place), keys.trusted, Path(place))
            url, said = (text.replace("%", "%%") for text in (store.url, why or "was fetched"))
            self.CacheDebug(f"CacheRetrieve(%s):  {url}: %s {said}\n", node, place)
            if why:
                if why in REFUSALS:
                    _tell_refused(node, store.url, why)
                return False
            if self._take_here(node, env, place, keys):
                return False
        self.hits += 1
        self.CacheDebug("CacheRetrieve(%s):  retrieving from %s\n", node, place)
        if shows_cached():
            node.build(presub=0, execute=0)
        else:
            _SHOW(node, [], env, execute=1)
        return True

    def _take(self, node: Node, env: Any, place: str, keys: Keys) -> str:
        """Put an entry's file to its place, whole or not at all; why not, or nothing."""
        if SCons.Script.GetOption("no_exec"):
            return _why_bad(place, keys)
        if record_of(node).step is not None:
            planned_of(node).journal.begin()
        output = node.get_abspath()
        folder, name = os.path.split(output)
        beside = os.path.join(folder, f".{name}.new")
        with suppress(FileNotFoundError):
            os.unlink(beside)
        if why := _why_bad(place, keys, beside):
            return why
        try:
            if keeps_times(env):
                stored = os.lstat(place)
                times = (stored.st_atime_ns, stored.st_mtime_ns)
                os.utime(beside, ns=times, follow_symlinks=False)
            os.replace(beside, output)
        except OSError as error:
            return f"cannot be taken ({error.strerror or error})"
        with suppress(OSError):
            os.utime(place, None, follow_symlinks=False)
        return ""

    def _take_here(self, node: Node, env: Any, place: str, keys: Keys) -> str:
        """The entry of the folder, if there is a good one; a bad one is told, and removed where we write."""
        if not os.path.lexists(place):
            return "not in cache"
        if why := self._take(node, env, place, keys):
            _tell_refused(node, self.path, why)
            if keys.signer and not self.is_readonly() and not SCons.Script.GetOption("no_exec"):
                _remove(place)
        return why

    def push(self, node: Node) -> Any:
        """As SCons does it, with a signature put beside the entry before it is there."""
        if self.is_readonly() or not self.is_enabled() or not is_cached(node):
            return None
        settings = settings_of(node.get_build_env())
        keys = keys_of(self.path, settings)
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
            write_whole(Path(place + ENDING), sign_entry(entry, keys.signer), shared=True)
        except OSError as error:
            why = error.strerror or error
            tell_once("write", f"the cache {self.path} cannot be written, which costs time alone: {why}")
            return None
        result = super().push(node)
        # What is shared is signed by a key that was given, never by one that was made unasked.
        if settings.sign_key and (store := store_of(node, settings)):
            store.write(Path(place))
        return result


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


def _tell_refused(node: Node, cache: str, why: str) -> None:
    tell_once(
        f"{cache} {why}",
        f"{node}: its entry in the cache {cache} {why}; it is built instead, and so are others like it",
    )


def store_of(node: Node, settings: CacheSettings) -> Store | None:
    """The shared cache, if there is one, and what this node is goes there: only what pays."""
    if not settings.url:
        return None
    planned = record_of(node).step
    if not (planned.step.label in SHARED if planned else settings.objects):
        return None
    with _lock:
        if settings.url not in session().cache_stores:
            session().cache_stores[settings.url] = _open_store(settings)
        return session().cache_stores[settings.url]


def _open_store(settings: CacheSettings) -> Store | None:
    from xspack_tool.cache.store import Store
    from xspack_tool.cache.url import StoreMistake

    def tell(text: str) -> None:
        tell_once(text, text)

    def finish() -> None:
        store.finish()
        sys.stderr.write(f"xspack: cache {store.url}: {store.counts.line()}\n")

    try:
        store = Store(settings.url, tell, settings.seconds)
    except StoreMistake as mistake:
        tell_once("store", f"the cache {settings.url} is not used: {mistake}")
        return None
    session().at_end.append(finish)
    return store


def keys_of(folder: str, settings: CacheSettings) -> Keys | None:
    """Whose entries are taken from ``folder``; None, told once, if nobody's can be."""
    with _lock:
        if (folder, settings) not in session().cache_keys:
            session().cache_keys[folder, settings] = _find_keys(folder, settings)
        return session().cache_keys[folder, settings]


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
