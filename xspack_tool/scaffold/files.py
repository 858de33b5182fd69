"""The files of a new tree, as texts by their paths."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from xspack_tool.scaffold.answers import Answers, literal, quoted

#: Never to be under version control: what is built, what SCons remembers, and the secret part of a test key.
IGNORED = ("/build/", ".sconsign*.dblite")
_CI_PLACES = {"github": ".github/workflows/pack.yml", "gitlab": ".gitlab-ci.yml"}
_PROGRAMS = "git gnupg libglib2.0-0 make python3-venv rpm"
_HELLO = """\
#!/bin/sh
# Shows that the pack is there, and what it was configured with.
. /etc/{name}.conf
echo "$GREETING"
"""


def new_files(answers: Answers, values: Mapping[str, Any]) -> dict[str, str]:
    """Every file of the tree, by its path in it; ``values`` are what the template of the kind is filled with besides
    the answers."""
    files = {}
    if answers.kind == "userspace":
        files["payload/hello.sh"] = _HELLO.format(name=answers.name)
        files["payload/settings.conf"] = f'GREETING="Hello from {answers.name}"\n'
    if answers.ci != "none":
        drivers = " gcc kmod linux-headers-amd64" if answers.kind == "driver" else ""
        call = values.get("call", {})
        iso = call.get("output") or "build/*.iso"
        given = {
            "programs": _PROGRAMS + drivers,
            "iso": iso,
            "beside": "" if iso.startswith("build/") else f"{iso.removesuffix('.iso')}*",
            "signs": bool(answers.key or call.get("key")),
            "public": answers.key or call.get("key") or f"build/keys/RPM-GPG-KEY-{answers.key_name}-Test",
            "is_unsigned": answers.kind == "from-build-update" and not call.get("key"),
        }
        files[_CI_PLACES[answers.ci]] = _filled(answers.ci, answers, given)
    return {**files, "SConstruct": _filled(answers.kind, answers, values)}


def _filled(template: str, answers: Answers, values: Mapping[str, Any]) -> str:
    environment = _environment()

    def pack(label: str, packages: str, more: str) -> str:
        given = {**asdict(answers), "key_name": answers.key_name, "label": label, "packages": packages}
        return str(environment.get_template("pack.j2").render(**given, more=more))

    given = {**asdict(answers), "key_name": answers.key_name, "built_for": answers.built_for, **values}
    return str(environment.get_template(f"{template}.j2").render(**given, pack=pack)) + "\n"


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["q"] = quoted
    environment.filters["sh"] = shlex.quote
    environment.filters["yaml"] = literal
    return environment
