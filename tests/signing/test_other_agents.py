"""Keys and agents that are not gpg-agent with an RSA key on its disk: rpmsign and gpg sign, or the bytes are theirs."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import need

from xspack_tool.errors import StepError
from xspack_tool.signing.agent import Agent, AgentError, find_key
from xspack_tool.signing.home import end_agent, gnupg_home
from xspack_tool.signing.sign import Signer
from xspack_tool.signing.verify import verify_file, verify_rpm

LATER = 1700000000


def signed(signer: Signer, key_file: Path, rpm: Path, folder: Path) -> tuple[bytes, bytes]:
    """An RPM and a document with its signature, each found good by the judges."""
    need("rpmsign")
    folder.mkdir()
    signer.sign_rpm(rpm, folder / "signed.rpm", LATER)
    signer.sign_file(rpm, folder / "signed.asc", LATER)
    assert verify_rpm(key_file, folder / "signed.rpm").accepted
    assert verify_file(key_file, rpm, folder / "signed.asc").accepted
    return (folder / "signed.rpm").read_bytes(), (folder / "signed.asc").read_bytes()


@pytest.mark.parametrize("algorithm", ["ed25519", "dsa3072"])
def test_other_algorithms(make_key, plain_rpm, tmp_path, algorithm):
    key = make_key(f"other-{algorithm}", "Other <o@x.example>", algorithm, "sign", "never")
    signed(Signer(key.home, key.key), key.file, plain_rpm, tmp_path / "out")


def test_an_algorithm_that_rpm_does_not_know(make_key, plain_rpm, tmp_path):
    """rpmsign's warning that it has no terminal is no word on a passphrase."""
    need("rpmsign")
    key = make_key("nist", "Nist <n@x.example>", "nistp256", "sign", "never")
    with pytest.raises(StepError) as caught:
        Signer(key.home, key.key).sign_rpm(plain_rpm, tmp_path / "out.rpm", LATER)
    assert "this rpm knows no signatures of ECDSA keys; sign with an RSA key" in str(caught.value)
    assert "passphrase" not in str(caught.value) and not (tmp_path / "out.rpm").exists()


@contextmanager
def relayed(place: Path, to: str, change: Callable[[bytes], bytes]) -> Iterator[list[bytes]]:
    """A socket at ``place`` that is the agent's at ``to`` with its answers changed, as ssh forwards one; what it was
    asked."""
    asked: list[bytes] = []

    def carry(source: socket.socket, target: socket.socket, tell: Callable[[bytes], bytes]) -> None:
        with suppress(OSError), source.makefile("rb") as lines:
            for line in lines:
                target.sendall(tell(line))
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def note(line: bytes) -> bytes:
        asked.append(line)
        return line

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            agent = socket.socket(socket.AF_UNIX)
            agent.connect(to)
            for words in ((client, agent, note), (agent, client, change)):
                threading.Thread(target=carry, args=words, daemon=True).start()

    with socket.socket(socket.AF_UNIX) as server:
        place.unlink(missing_ok=True)
        server.bind(str(place))
        server.listen()
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            place.unlink(missing_ok=True)


def elsewhere(key, folder: Path) -> Path:
    """A home with the public key alone, as on a machine to which an agent is forwarded."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--import", key.file], check=True)
    end_agent(home)
    return home


def listens_at(home: Path, name: str = "agent-socket") -> str:
    words = ["gpgconf", "--homedir", gnupg_home(home), "--list-dirs", name]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _card(line: bytes) -> bytes:
    """The agent's word that a key is on a card, in place of its disk."""
    words = line.split(b" ")
    return b" ".join([*words[:3], b"T", *words[4:]]) if line.startswith(b"S KEYINFO") else line


def _other_words(line: bytes) -> bytes:
    return b"S KEYINFO\n" if line.startswith(b"S KEYINFO") else line


@pytest.mark.parametrize("change", [bytes, _card, _other_words], ids=["forwarded", "card", "strange"])
def test_an_agent_elsewhere(make_key, plain_rpm, tmp_path, short_dir, change):
    """Forwarded by the socket that it has for this (extra-socket): it does not show all that the usual one does."""
    name = f"far-{change.__name__}"
    key = make_key(name, "Far <far@x.example>", "rsa2048", "sign", "never")
    near = signed(Signer(key.home, key.key), key.file, plain_rpm, tmp_path / "near")
    home = elsewhere(key, short_dir)
    place = Path(listens_at(home))
    place.parent.mkdir(parents=True, exist_ok=True)
    with relayed(place, listens_at(key.home, "agent-extra-socket"), change) as asked:
        assert signed(Signer(home, key.key), key.file, plain_rpm, tmp_path / "far") == near
        assert any(line.startswith(b"PKSIGN") for line in asked)
        if change is not bytes:
            with pytest.raises(AgentError, match=r"^no secret key$|gpg has to judge|not on the agent"):
                find_key(gnupg_home(home), key.key.fingerprint)
    assert not list(home.glob("private-keys-v1.d/*"))


def test_a_socket_that_names_another(make_key, plain_rpm, tmp_path, short_dir):
    """libassuan follows a file of this form; a socket it is not."""
    key = make_key("named", "Named <named@x.example>", "rsa2048", "sign", "never")
    near = signed(Signer(key.home, key.key), key.file, plain_rpm, tmp_path / "near")
    home = elsewhere(key, short_dir)
    place = Path(listens_at(home))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"%Assuan%\nsocket={listens_at(key.home, 'agent-extra-socket')}\n")
    with pytest.raises(AgentError, match=r"^no agent: "):
        Agent(str(place), None)
    assert signed(Signer(home, key.key), key.file, plain_rpm, tmp_path / "far") == near


@pytest.mark.parametrize(
    "answer", [b"", b"OK\n", b"OK", b"OK\nOK\nS KEYINFO\nOK\n", b"\0\xff" * 4000, b"D x\n" * 2000]
)
def test_what_is_no_agent(make_key, short_dir, answer):
    """It says what it likes and hangs up: told as an AgentError, never waited for."""
    place = short_dir / "S.gpg-agent"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(answer)
                client.shutdown(socket.SHUT_WR)
                client.recv(4096)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(AgentError), Agent(str(place), None) as agent:
            agent.check("0" * 40)
            agent.sign("0" * 40, bytes(32))
        thread.join(10)
