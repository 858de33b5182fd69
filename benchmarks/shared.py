"""A second clone of the examples, with a cache that the first one filled, and without."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Goal, Row
from benchmarks.lab import SCONS, Lab
from benchmarks.measure import Failed, Sample, measure
from benchmarks.trees import ROOT

#: What does not bear a signature: the RPMs and the compiled modules of all examples.
TARGETS = ("build/rpms", "build/modules")
_QUICK = 'SConscript("examples/firmware/SConstruct")\n'
_NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/bodies;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location / {{
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""


def shared(lab: Lab) -> Iterator[Row]:
    """By HTTP from nginx on this machine; each clone in a folder of another name, with an empty local cache."""
    if not shutil.which("nginx"):
        lab.say("the shared cache is left out: no nginx here (apt-get install nginx-light)")
        return
    folder = lab.folder / "shared"
    folder.mkdir()
    key = folder / "key"
    words = [
        SCONS[0],
        "-c",
        "import sys; from xspack_tool.cli import main; sys.exit(main())",
        "cache-key",
        key,
    ]
    measure(words, folder, {"PYTHONPATH": str(ROOT)})
    targets = TARGETS[:1] if lab.quick else TARGETS
    with _server(folder) as url:
        both = {"XSPACK_CACHE": url, "XSPACK_CACHE_TRUST": f"{key}.pub"}
        first = _clone(folder / "first", lab.quick)
        _build(first, targets, {**both, "XSPACK_CACHE_SIGN_KEY": str(key)})
        samples: dict[str, list[Sample]] = {"xspack": [], "xspack without a cache": []}
        for number in range(lab.rounds):
            turns: dict[str, Mapping[str, str]] = {"xspack": both, "xspack without a cache": {}}
            for name, env in turns.items():
                clone = _clone(folder / name.replace(" ", "-") / ("d" * (number + 1)), lab.quick)
                samples[name].append(_build(clone, targets, env))
                if _digests(clone) != _digests(first):
                    raise Failed(f"{clone} has other RPMs or modules than {first}")
    row = Row("the examples' RPMs in a second clone, shared cache, -j2", samples)
    ratio = row.wall("xspack") / row.wall("xspack without a cache")
    yield Row(
        row.what, samples, [Goal("of the time without a cache at most 0.3", f"{ratio:.2f}", ratio <= 0.3)]
    )


def _clone(folder: Path, quick: bool) -> Path:
    folder.mkdir(parents=True)
    for name in ("examples", "site_scons", "xspack_tool"):
        skip = shutil.ignore_patterns("__pycache__", "build", ".scons*")
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    shutil.copyfile(ROOT / "SConstruct", folder / "SConstruct")
    if quick:
        (folder / "SConstruct").write_text(_QUICK, encoding="utf-8")
    return folder


def _build(clone: Path, targets: Sequence[str], env: Mapping[str, str]) -> Sample:
    home = {"XDG_CACHE_HOME": str(clone / ".cache"), "XDG_CONFIG_HOME": str(clone / ".config")}
    return measure([*SCONS, "-j2", *targets], clone, {**home, **env})


def _digests(clone: Path) -> dict[str, str]:
    found = [path for name in TARGETS for path in (clone / name).rglob("*") if path.is_file()]
    files = [path for path in found if ".work" not in path.parts]  # kbuild's own, with its paths
    return {str(path.relative_to(clone)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "root").mkdir()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port), encoding="utf-8")
    words = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "early.log"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/xspack"
    finally:
        process.terminate()
        process.wait(20)
