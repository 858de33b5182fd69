"""Signing: RPMs in their headers, documents with a detached signature. The secret key stays with gpg's agent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.files import whole, write_whole
from xspack_tool.rpm.openpgp import armoured_signature
from xspack_tool.run import WORKING, missing_program, run, work_folder
from xspack_tool.signing.agent import Agent, AgentError, Place, find_key, remember_key_of
from xspack_tool.signing.home import gnupg_home
from xspack_tool.signing.keys import PublicKey, SecretKey, python_gnupg
from xspack_tool.signing.passphrase import FILE_VARIABLE, VARIABLE, passphrase_fd
from xspack_tool.signing.rpm_header import RsaKey, UnusualRpmError, signed_begin

#: rpm's own macros and no others: neither /etc/rpm nor ~/.rpmmacros say how we sign.
_OWN_MACROS = ("--macros=/usr/lib/rpm/macros", "--rcfile=/dev/null")

_BLOCK = 1 << 20


#: What gpg and its agent say where they would ask for a passphrase and have no terminal.
_UNASKED = (
    "Inappropriate ioctl",
    "No pinentry",
    "No passphrase given",
    "cannot open '/dev/tty'",
    "Operation cancelled",
)


def cannot_sign(key: PublicKey) -> str:
    """Why nothing is signed with a key that may certify alone; empty if it may sign."""
    if key.can_sign:
        return ""
    rule = f"key {key.fingerprint} may certify, not sign"
    if key.signing_subkeys:
        rule += f"; its sub-key {key.signing_subkeys[0]} may, but hosts do not know sub-keys"
    return f"{rule}; make a key that signs by itself: gpg --quick-generate-key 'Acme <..>' rsa4096 sign 10y"


def find_agent_key(home: Path | None, fingerprint: str) -> Place:
    """Where a key of the keyring in ``home`` (None: the user's own) is for gpg's agent. Raises AgentError."""
    return find_key(gnupg_home(home), fingerprint)


def remember_secret_key(home: Path | None, key: SecretKey) -> None:
    """Have gpg not asked once more for a secret key that it told of, as long as the keyring stays as it is."""
    remember_key_of(gnupg_home(home), key)


class Signer(Struct, frozen=True):
    """Signs with the primary key ``key``, secret in the keyring ``home`` (None: the user's own).

    The same content, time and RSA key give the same bytes. Signatures bear the later of the given time and
    the key's creation, since gpg does not sign before the key was made. Safe to use in several threads.
    """

    home: Path | None
    key: PublicKey
    passphrase: str | None = None

    def __repr__(self) -> str:
        return f"Signer({self.home!r}, {self.key!r})"  # the passphrase is in no message

    def sign_file(self, path: Path, out: Path, time: int) -> None:
        """Write the ASCII-armoured detached signature of ``path`` to ``out``.

        gpg's agent is asked where it can be, as for RPMs, and else gpg. Raises StepError with gpg's own words.
        """
        options = self._options(time)
        if lacking := missing_program("gpg"):
            raise StepError(lacking)
        if not self._sign_file_by_agent(path, out, time):
            self._sign_file_by_gpg(path, out, options)

    def _sign_file_by_agent(self, path: Path, out: Path, time: int) -> bool:
        """Whether this was one for the agent."""
        try:
            with self._agent_key() as key:
                packet = key.signature(path.read_bytes(), max(time, self.key.created))
        except AgentError:
            return False
        write_whole(out, armoured_signature(packet))
        return True

    def _sign_file_by_gpg(self, path: Path, out: Path, options: list[str]) -> None:
        gpg = python_gnupg(gnupg_home(self.home))
        result = gpg.sign_file(
            str(path),
            passphrase=self.passphrase,
            detach=True,
            clearsign=False,
            extra_args=[*options, "--digest-algo=SHA256", f"--local-user={self._which}"],
        )
        if not result or not result.data:
            said = _words(result.stderr)
            raise StepError(f"signing {path.name}: gpg made no signature\n    {said}{self._hint(said)}")
        write_whole(out, result.data)

    def sign_rpm(self, src: Path, dst: Path, time: int) -> None:
        """Write ``src`` to ``dst`` with this key's signature in place of any other.

        It is a header signature (RSA, SHA-256), which every rpm since 4.0 checks; the payload is covered by
        the digests in the header and, for rpm 4.11 that knows none there, by the signed index. One over
        header and payload besides (``--rpmv3``) would double the agent's work, which is most of the time.
        gpg's agent is asked over its socket where an RSA key lies on its disk; with other keys and agents, and for
        RPMs that are signed already, rpmsign does it. Raises StepError with gpg's own words.
        """
        if lacking := missing_program("gpg"):
            raise StepError(lacking)
        options = self._options(time)
        if not self._sign_by_agent(src, dst, time):
            self._sign_by_rpmsign(src, dst, options)

    def _sign_by_agent(self, src: Path, dst: Path, time: int) -> bool:
        """Whether this was one for the agent."""
        try:
            with self._agent_key() as key, src.open("rb") as file:
                begin = signed_begin(file, src.name, key, max(time, self.key.created))
                with whole(dst) as beside, beside.open("wb") as out:
                    out.write(begin)
                    shutil.copyfileobj(file, out, _BLOCK)
        except (AgentError, UnusualRpmError):
            return False
        return True

    @contextmanager
    def _agent_key(self) -> Iterator[RsaKey]:
        """The key in gpg's agent. Raises AgentError where gpg itself has to sign."""
        if self.key.algorithm != "RSA" or self.key.revoked:
            raise AgentError("a key that gpg has to judge")
        place = find_agent_key(self.home, self.key.fingerprint)
        with Agent(place.socket, self.passphrase) as agent:
            yield RsaKey(self.key.fingerprint, lambda digest: agent.sign(place.keygrip, digest))

    def _sign_by_rpmsign(self, src: Path, dst: Path, options: list[str]) -> None:
        secret = passphrase_fd(self.passphrase) if self.passphrase else nullcontext(None)
        with work_folder(dst) as work, secret as fd:
            new = work.path / dst.name
            shutil.copyfile(src, new)
            if fd is not None:
                options += ["--pinentry-mode", "loopback", "--passphrase-fd", str(fd)]
            gpg = shutil.which("gpg") or "gpg"
            argv = [
                *("rpmsign", "--addsign", *_OWN_MACROS, "--define", f"__gpg {gpg.replace('%', '%%')}"),
                *("--define", f"_gpg_name {self._which}", "--define", "_gpg_digest_algo SHA256"),
                *("--define", f"_gpg_sign_cmd_extra_args {' '.join(options)}", new.name),
            ]
            try:
                run(
                    argv,
                    cwd=work.path,
                    env={"GNUPGHOME": gnupg_home(self.home)},
                    pass_fds=[work.lock] if fd is None else [work.lock, fd],
                    timeout=WORKING,
                    what=f"signing {src.name}",
                )
            except StepError as error:
                raise StepError(f"{error}{self._hint(str(error))}") from None
            os.replace(new, dst)

    def _hint(self, said: str) -> str:
        """What to do where gpg wants a passphrase that nobody gave, or another one."""
        if self.passphrase is not None:
            return (
                f"\n    give the right one in {VARIABLE} or {FILE_VARIABLE}"
                if "Bad passphrase" in said
                else ""
            )
        if "Unsupported PGP signature" in said:
            return f"\n    this rpm knows no signatures of {self.key.algorithm} keys; sign with an RSA key"
        asked = "\n".join(
            line for line in said.splitlines() if "GPG_TTY" not in line
        )  # rpmsign always warns of it
        if not any(words in asked for words in _UNASKED):
            return ""
        return (
            f"\n    the key has a passphrase, and nobody is there to type it: set {VARIABLE} to it, or {FILE_VARIABLE} "
            "to a file whose first line it is"
        )

    @property
    def _which(self) -> str:
        return f"{self.key.fingerprint}!"  # '!': this very key, not one of its sub-keys

    def _options(self, time: int) -> list[str]:
        if why := cannot_sign(self.key):  # gpg says "Unusable secret key" only
            raise StepError(why)
        when = max(time, self.key.created)
        if self.key.expires is not None and when >= self.key.expires:  # gpg says "Unusable secret key" only
            day = datetime.fromtimestamp(self.key.expires, timezone.utc).date()
            remedy = (
                "extend it unless that was done, and export its public file again, or sign with another key"
            )
            raise StepError(f"key {self.key.fingerprint} expired on {day}; {remedy}")
        return ["--batch", "--no-options", "--no-tty", "--trust-model=always", f"--faked-system-time={when}!"]


def _words(stderr: str) -> str:
    """What gpg said, without the lines for machines."""
    lines = [line for line in stderr.splitlines() if line and not line.startswith("[GNUPG:]")]
    return "\n    ".join(line for line in lines if "faked system time" not in line)
