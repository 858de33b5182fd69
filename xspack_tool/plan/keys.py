"""The key of a pack: its public key file as a node, and the keyring that holds the secret key."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, ValidationError, convert, to_builtins
from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.errors import BadInput, Place, Problem, StepError
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.syntax import NAME
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.outputs import journal_of
from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import keyring, out_path
from xspack_tool.plan.sources import exists, is_dir, nodes_of
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.signing.home import KEYRING

if TYPE_CHECKING:
    from xspack_tool.signing.keys import PublicKey
    from xspack_tool.signing.sign import Signer


class _CannotSign(Exception):
    """The key is for other things than signatures."""


class _NoSecretKey(Exception):
    """The keyring lacks the secret key with this fingerprint."""


class SigningKey(Struct, frozen=True):
    """A public key file, and the keyring that the environment names for its secret key; None is gpg's own."""

    node: Node
    keyring: Path | None

    @property
    def home(self) -> Path | None:
        """The keyring where the secret key is. That of a throwaway key is known once it is declared, which may be
        after whatever it signs."""
        return record_of(self.node).keyring or self.keyring

    @property
    def name(self) -> str:
        """The base name of the public key file, under which hosts look for it."""
        return str(self.node.name)

    def signer(self, public_file: Path) -> Signer:
        """Who signs, once the public key file is there."""
        from xspack_tool.signing.passphrase import read_passphrase
        from xspack_tool.signing.sign import Signer

        _remember_secret_keys()
        return Signer(self.home, public_key(public_file), read_passphrase())


def public_key(file: Path) -> PublicKey:
    """What a public key file holds. Raises BadInput."""
    from xspack_tool.signing.keys import read_public_key, remember_key

    for _, known in session().known_keys:
        remember_key(known)
    return read_public_key(file)


def _remember_secret_keys() -> None:
    """Have gpg not asked once more for keys that were found while reading, in this run or an earlier one."""
    from xspack_tool.signing.keys import SecretKey
    from xspack_tool.signing.sign import remember_secret_key

    for home, known in session().known_keys:
        if session().first_time(f"secret key {known.get('secret')} in {home}"):
            with suppress(KeyError, ValidationError):  # noted by another version
                remember_secret_key(home, convert(known["secret"], SecretKey))


def find_ahead(key: SigningKey) -> None:
    """Ask for a key, and have its agent started, before it is to sign."""
    from xspack_tool.signing.sign import find_agent_key

    _remember_secret_keys()
    find_agent_key(key.home, public_key(Path(key.node.get_abspath())).fingerprint)


class MakeTestKey(Step, frozen=True):
    """A throwaway key: public key file and keyring."""

    label: ClassVar[str] = "TestKey"
    unkeyed: ClassVar[tuple[str, ...]] = ("home",)

    name: str
    home: Path

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.signing.keys import make_test_key

        make_test_key(self.home, outputs.key, self.name, CONSTANT_TIME)


def test_key(env: Any, name: str, place: Place) -> NodeList:
    """A throwaway key, made once: public key file and keyring below XSPACK_OUT."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "a key's file name must be letters, digits and . _ + -"
        problem = Problem("", "", rule, "name it as RPM-GPG-KEY-Acme-Test")
        session().problems.append(problem.at(place, f"TestKey {name!r}"))
        name = "faulty"
    node = env.File(out_path(env, "keys", name))
    if record_of(node).keyring is not None:
        return NodeList([node])
    home = Path(env.Dir(out_path(env, "keys", "gnupg")).get_abspath())
    session().need("gpg", "keys and signatures")
    add_step(env, MakeTestKey(name, home=home), inputs={}, outputs={"key": node}, cached=False)
    own_record(node).keyring = home
    env.Clean(node, str(home))
    journal_of(env).keep(home)
    return NodeList([node])


def signing_key(env: Any, value: Any) -> tuple[SigningKey | None, list[Problem]]:
    """The key that a pack names, and what is wrong with it. A file that is not built is looked into here."""
    nodes = nodes_of(env, value)
    if len(nodes) != 1:
        return None, [Problem("key", str(value), "a pack must have one key", "name one public key file")]
    node = nodes[0]
    session().need("gpg", "keys and signatures")
    first = session().keys.setdefault((out_path(env), node.name), node)
    if first is not node:
        rule = f"{first} has the same name, under which signed RPMs are kept"
        return None, [Problem("key", str(node), rule, "rename one of them, or set another XSPACK_OUT")]
    return SigningKey(node, keyring(env)), []


def key_check(env: Any, key: SigningKey) -> Callable[[], list[Problem]]:
    """A check, for after reading, that the key file is there and its secret key in the keyring."""

    def check() -> list[Problem]:
        name = str(key.node)
        if key.node.has_builder() and not is_dir(key.node):
            return []
        if is_dir(key.node) or not exists(key.node):
            remedy = "export it with: gpg --armor --export FINGERPRINT, or try out with env.TestKey(..)"
            return [Problem("key", name, "public key file not found", remedy)]
        try:
            known = read_cached(env, f"keys of {name}", _state(key), lambda: _find_secret_key(key))
        except (BadInput, StepError) as error:
            return [Problem("key", name, str(error), "name the armoured public key of your release key")]
        except _CannotSign as error:
            rule, _, remedy = str(error).rpartition("; ")
            return [Problem("key", name, rule, remedy)]
        except _NoSecretKey as lacking:
            own = "gpg's own keyring"
            rule = f"{key.home or own} holds no secret key {lacking}"
            remedy = "import it there, or set XSPACK_GNUPGHOME to the keyring that has it"
            return [Problem("key", name, rule, remedy)]
        session().known_keys.append((key.home, known))
        session().ahead.append(("xspack_tool.plan.keys", "find_ahead", key))
        return []

    return check


def _find_secret_key(key: SigningKey) -> dict[str, Any]:
    """What is known of a key that can sign. Asking gpg takes longer than reading a small tree."""
    from xspack_tool.signing.keys import facts_of, read_public_key, secret_key
    from xspack_tool.signing.sign import cannot_sign

    path = Path(key.node.get_abspath())
    public, facts = read_public_key(path), facts_of(path)
    if why := cannot_sign(public):
        raise _CannotSign(why)
    fingerprint = public.fingerprint
    secret = secret_key(key.home, fingerprint)
    if secret is None:
        raise _NoSecretKey(fingerprint)
    return {**facts, "secret": to_builtins(secret)}


def _state(key: SigningKey) -> list[Any]:
    """What changes when the public key file or the keyring does."""
    home = str(key.home or os.environ.get("GNUPGHOME") or Path.home() / ".gnupg")
    places = [key.node.get_abspath(), *(os.path.join(home, name) for name in KEYRING)]
    return [_place_state(place) if os.path.exists(place) else place for place in places]


def _place_state(place: str) -> list[int]:
    """A folder changes when a file in it comes or goes. The time of its own change does not count: an agent that
    starts sets the folder's mode, the same as ever."""
    inode, size, written, changed = file_state(place)
    return [inode, size, written, *([] if os.path.isdir(place) else [changed])]
