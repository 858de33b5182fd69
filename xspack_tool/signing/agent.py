"""gpg-agent asked over its own socket, by the Assuan protocol: it signs a digest, the secret key never leaves it.

Only for keys that lie on its disk. Whatever else there is (smart cards, agents elsewhere, odd answers) is told as an
AgentError, and gpg itself is asked.
"""

from __future__ import annotations

import functools
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.run import ASKING, run
from xspack_tool.signing.home import KEYRING, agent_socket, usual_sockets
from xspack_tool.signing.keys import SecretKey, secret_key

#: An agent's longest answer here is a signature of some hundred bytes; Assuan's lines have at most 1000.
_LONGEST = 2000
_PATIENCE = 120.0


class AgentError(Exception):
    """Why the agent did not sign; never with the passphrase."""


class Place(Struct, frozen=True):
    """Where a primary key is: the socket of an agent, and what that calls the key."""

    socket: str
    keygrip: str


#: What is known of keyrings.
_State = tuple[tuple[int, int, int] | None, ...]
#: (home, fingerprint, state of the keyring) -> what an earlier run found.
_remembered: dict[tuple[str, str, _State], SecretKey] = {}


def find_key(home: str, fingerprint: str) -> Place:
    """Where an RSA key of a keyring is, if it can sign; gpg is asked again when the keyring changed. Starts the agent
    if none runs."""
    return _find_key(home, fingerprint, _state(home))


def remember_key_of(home: str, key: SecretKey) -> None:
    """Have gpg not asked for a key that an earlier run found, as long as the keyring stays as it is: that takes as long
    as two signatures."""
    _remembered[home, key.fingerprint, _state(home)] = key


def _state(home: str) -> _State:
    return tuple(_state_of(os.path.join(home, name)) for name in KEYRING)


def _state_of(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@functools.lru_cache(maxsize=64)
def _find_key(home: str, fingerprint: str, state: _State) -> Place:
    try:
        key = _remembered.get((home, fingerprint, state)) or secret_key(Path(home), fingerprint)
        place = _running(home)
    except StepError as error:
        raise AgentError(str(error)) from None
    if key is None:
        raise AgentError("no secret key")
    if not key.grip:
        raise AgentError("a key that gpg has to judge")
    with Agent(place, None) as agent:
        agent.check(key.grip)
    return Place(place, key.grip)


def _running(home: str) -> str:
    """The socket of the home's agent, which is started unless it answers at one of the usual places."""
    for folder in usual_sockets(home):
        with suppress(AgentError), Agent(f"{folder}/S.gpg-agent", None):
            return f"{folder}/S.gpg-agent"
    run(["gpgconf", "--homedir", home, "--launch", "gpg-agent"], timeout=ASKING, what="starting gpg-agent")
    return agent_socket(home)


class Agent:
    """A connection to an agent."""

    def __init__(self, place: str, passphrase: str | None) -> None:
        self.passphrase = passphrase
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(_PATIENCE)
        try:
            self.socket.connect(place)
        except OSError as error:
            self.socket.close()
            raise AgentError(f"no agent: {error}") from None
        self.file = self.socket.makefile("rb")
        self._owed = 1  # its greeting

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self.socket.close()

    def check(self, grip: str) -> None:
        """Raise AgentError unless a key lies on the agent's disk."""
        words = self._ask(f"KEYINFO {grip}")[1].split()
        if words[2:3] != [grip.encode()] or words[3:4] != [b"D"]:
            raise AgentError("the key is not on the agent's disk")

    def sign(self, grip: str, digest: bytes) -> int:
        """The RSA signature of a SHA-256 digest."""
        if self.passphrase is not None:
            self._ask("OPTION pinentry-mode=loopback")  # alone: refused, nothing must be signed
        hashed = f"SETHASH --hash=sha256 {digest.hex().upper()}"
        data, _ = self._ask(f"SIGKEY {grip}", hashed, "PKSIGN")
        answer = re.fullmatch(rb"\(7:sig-val\(3:rsa\(1:s(\d{1,4}):(.*)\)\)\)", data, re.S)
        if not answer or len(answer[2]) != int(answer[1]):
            raise AgentError("no RSA signature")
        return int.from_bytes(answer[2], "big")

    def _ask(self, *commands: str) -> tuple[bytes, bytes]:
        """The answer to the last command. They are sent together: each time that both wait for each other costs as much
        as a part of a signature."""
        self._owed += len(commands)
        try:
            self.socket.sendall("".join(f"{command}\n" for command in commands).encode())
        except OSError as error:
            raise AgentError(str(error)) from None
        while self._owed:
            self._owed -= 1
            answer = self._answer()
        return answer

    def _answer(self) -> tuple[bytes, bytes]:
        """The data and the last status line before OK."""
        data, status = b"", b""
        while True:
            try:
                line = self.file.readline(_LONGEST)
                if line.startswith(b"INQUIRE "):
                    self.socket.sendall(self._told(line))
            except OSError as error:
                raise AgentError(str(error)) from None
            if not line.endswith(b"\n") or line.startswith(b"ERR") or len(data) > _LONGEST:
                raise AgentError(line.decode(errors="replace").strip() or "the agent has ended")
            if line.startswith(b"OK"):
                return data, status
            if line.startswith(b"D "):
                data += re.sub(
                    rb"%([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), line[2:-1]
                )
            elif line.startswith(b"S "):
                status = line

    def _told(self, line: bytes) -> bytes:
        """What is answered to a question of the agent: the passphrase, or nothing."""
        if not line.startswith(b"INQUIRE PASSPHRASE") or self.passphrase is None:
            return b"END\n"
        text = re.sub(rb"[%\r\n]", lambda sign: b"%%%02X" % sign[0][0], self.passphrase.encode())
        return b"D " + text + b"\nEND\n"
