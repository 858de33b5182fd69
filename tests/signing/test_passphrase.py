"""Where the passphrase comes from, and that nobody sees it."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xspack_tool.errors import StepError
from xspack_tool.signing.passphrase import passphrase_fd, read_passphrase


def test_sources(tmp_path):
    file = tmp_path / "pass"
    file.write_text("from file\r\nsecond line\n")
    assert read_passphrase({}) is None
    assert read_passphrase({"XSPACK_PASSPHRASE": "", "XSPACK_PASSPHRASE_FILE": ""}) is None
    assert read_passphrase({"XSPACK_PASSPHRASE_FILE": str(file)}) == "from file"
    assert read_passphrase({"XSPACK_PASSPHRASE": " é ", "XSPACK_PASSPHRASE_FILE": str(file)}) == " é "


def test_bad_sources_do_not_show_it(tmp_path):
    cases = [
        ({"XSPACK_PASSPHRASE": "geheim\nx"}, "XSPACK_PASSPHRASE: gpg takes a passphrase of one line"),
        ({"XSPACK_PASSPHRASE": "geheim" * 99}, "XSPACK_PASSPHRASE: gpg takes a passphrase of one line"),
        (
            {"XSPACK_PASSPHRASE_FILE": f"{tmp_path}/no"},
            f"XSPACK_PASSPHRASE_FILE: {tmp_path}/no: No such file",
        ),
        ({"XSPACK_PASSPHRASE_FILE": str(tmp_path)}, f"XSPACK_PASSPHRASE_FILE: {tmp_path}: Is a directory"),
    ]
    for environ, message in cases:
        with pytest.raises(StepError) as caught:
            read_passphrase(environ)
        assert str(caught.value).startswith(message) and "geheim" not in str(caught.value)


def test_the_descriptor_holds_it_once():
    with passphrase_fd("é x") as fd:
        assert os.read(fd, 100) == "é x\n".encode()
        assert os.read(fd, 100) == b""
    with pytest.raises(OSError):
        os.fstat(fd)


def test_nobody_sees_it(locked_key, plain_rpm, tmp_path):
    """Signs in a process of its own while every command line and environment on the machine is watched.

    gpg and rpmsign are reached through scripts that note how they were called, however short they live.
    """
    calls = tmp_path / "calls"
    for program in ("gpg", "rpmsign"):
        script = tmp_path / "bin" / program
        script.parent.mkdir(exist_ok=True)
        note = f"{{ echo; echo {program} \"$@\"; env; }} >>'{calls}'"
        script.write_text(f'#!/bin/sh\n{note}\nexec {shutil.which(program)} "$@"\n')
        script.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    code = (
        "import logging, sys; from pathlib import Path; logging.basicConfig(level=1)\n"
        "from xspack_tool.signing.keys import read_public_key; from xspack_tool.signing.sign import Signer\n"
        "home, keyfile, rpm, out, passphrase = *map(Path, sys.argv[1:]), sys.stdin.readline().strip()\n"
        "signer = Signer(home, read_public_key(keyfile), passphrase); print(signer)\n"
        "for n in range(4):\n"
        "    signer.sign_rpm(rpm, out / 'x.rpm', n); signer.sign_file(rpm, out / 'x.asc', n)\n"
        "    signer._sign_by_rpmsign(rpm, out / 'y.rpm', signer._options(n))\n"
        "    signer._sign_file_by_gpg(rpm, out / 'y.asc', signer._options(n))\n"
        "print('signed')\n"
    )
    secret, seen, over = b"correct horse", set(), threading.Event()

    def watch() -> None:
        me = str(os.getpid())
        while not over.is_set():
            for entry in os.listdir("/proc"):
                if entry.isdigit() and entry != me:
                    for name in ("cmdline", "environ"):
                        try:
                            seen.add(Path(f"/proc/{entry}/{name}").read_bytes())
                        except OSError:
                            continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    words = [locked_key.home, locked_key.file, plain_rpm, tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], input=secret + b"\n", env=env, capture_output=True, check=False
    )
    over.set()
    watcher.join()
    assert done.returncode == 0 and done.stdout.endswith(b"signed\n"), done.stderr.decode()
    called = calls.read_text().splitlines()
    assert len([line for line in called if line.startswith("rpmsign --addsign ")]) == 4
    assert len([line for line in called if line.startswith("gpg ") and "--passphrase-fd" in line]) == 8
    assert not [line for line in seen if secret in line]
    assert secret not in done.stdout + done.stderr
    for folder in (tmp_path, locked_key.home):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes()
