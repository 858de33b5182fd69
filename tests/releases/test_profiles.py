"""The dom0 profiles: facts of pack-format, own files, and every mistake in them named."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from xspack_tool.errors import DeclarationError
from xspack_tool.model.profile import KEYS, Profile, profile_problems, profile_schema, schema_text
from xspack_tool.releases import load_profile, local, profile_names

CENTOS_7 = ("citrix-hypervisor-8.2", "xcp-ng-8.2", "xcp-ng-8.3", "xenserver-8")
NOT_IN_RPM_4_11 = {
    "rpmlib(PayloadIsZstd)",
    "rpmlib(RichDependencies)",
    "rpmlib(LargeFiles)",
    "rpmlib(CaretInVersions)",
}


def own(tmp_path: Path, change: str = "", drop: str | tuple[str, ...] = ()) -> Path:
    """A user's profile: ``change``, then xenserver-9's text without the lines that begin with ``drop``."""
    text = (Path(local.__file__).parent / "xenserver-9.toml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(drop)]
    file = tmp_path / "acme.toml"
    file.write_text("\n".join([change, *kept]))
    return file


def mistakes(name_or_path: object) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        load_profile(str(name_or_path))
    return [str(problem) for problem in caught.value.problems]


def test_names() -> None:
    assert profile_names() == tuple(sorted((*CENTOS_7, "local", "xcp-ng-9", "xenserver-9")))


@pytest.mark.parametrize("name", CENTOS_7)
def test_centos_7_family(name: str) -> None:
    profile = load_profile(name)
    assert (profile.name, profile.manager, profile.firewall, profile.arch) == (
        name,
        "yum",
        "iptables",
        "x86_64",
    )
    assert (profile.kernels, profile.glibc, profile.glibcxx) == (("4.19.0+1",), "2.17", "3.4.19")
    assert (profile.rpm, profile.payload, profile.releasever) == ("4.11.3", "w2.xzdio", "7")
    assert not NOT_IN_RPM_4_11 & set(profile.rpmlib)
    assert "rpmlib(PayloadIsXz)" in profile.rpmlib
    assert set(profile.pythons.values()) == {"2.7", "3.6"}
    assert set(profile.pythons) < set(profile.interpreters)
    assert profile.python == "/usr/bin/python3"
    assert profile.provides["product-build"] == "0x"
    assert profile.sets_previous_installation is False


@pytest.mark.parametrize(
    ("name", "product", "platform", "folders"),
    [
        ("citrix-hypervisor-8.2", "8.2.1", "3.2.1", ("updates",)),
        ("xenserver-8", "8.4.0", "3.4.0", ("updates",)),
        ("xcp-ng-8.2", "8.2.1", "3.2.1", ("updates", "override", "extra")),
        ("xcp-ng-8.3", "8.3.0", "3.4.0", ("updates", "override", "extra")),
    ],
)
def test_what_tells_the_releases_apart(
    name: str, product: str, platform: str, folders: tuple[str, ...]
) -> None:
    profile = load_profile(name)
    assert (profile.provides["product-version"], profile.provides["platform-version"]) == (product, platform)
    assert profile.module_dirs == folders


def test_xenserver_9_leaves_empty_what_is_not_known() -> None:
    profile = load_profile("xenserver-9")
    assert (profile.manager, profile.firewall, profile.python) == ("dnf", "firewalld", "/usr/bin/python3")
    assert (profile.kernels, profile.glibc, profile.glibcxx, profile.pythons, profile.rpm) == (
        (),
        "",
        "",
        {},
        "",
    )
    assert set(profile.rpmlib) > NOT_IN_RPM_4_11


def test_almalinux_10() -> None:
    profile = load_profile("xcp-ng-9")
    assert (profile.manager, profile.glibc, profile.glibcxx, profile.rpm) == (
        "dnf",
        "2.39",
        "3.4.33",
        "4.19.1.1",
    )
    assert profile.python == "/usr/bin/python3"
    assert profile.crypto_policy == "el9"
    assert set(profile.rpmlib) > NOT_IN_RPM_4_11


def test_local_is_this_machine() -> None:
    profile = load_profile("local")
    assert profile is load_profile("local")
    assert profile.arch == os.uname().machine
    assert f"glibc {profile.glibc}" == os.confstr("CS_GNU_LIBC_VERSION")
    for path, version in profile.pythons.items():
        said = subprocess.run([path, "-V"], capture_output=True, text=True, check=True)
        assert (said.stdout + said.stderr).startswith(f"Python {version}.")
    assert "/bin/sh" in profile.interpreters
    assert all(os.access(path, os.X_OK) for path in profile.interpreters)


def test_local_kernels_are_those_of_build_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = {
        "whole": '#define UTS_RELEASE "6.1.0-56-amd64"\n',
        "other": '#define UTS_RELEASE "5.10.1"\n',
        "odd": "?",
    }
    for name, text in trees.items():
        header = tmp_path / name / "include/generated/utsrelease.h"
        header.parent.mkdir(parents=True)
        header.write_text(text)
    (tmp_path / "headers-only" / "include").mkdir(parents=True)
    (tmp_path / "again").symlink_to(tmp_path / "whole")
    monkeypatch.setattr(local, "KERNEL_TREES", (f"{tmp_path}/*", f"{tmp_path}/no/*"))
    assert local.kernels() == ["5.10.1", "6.1.0-56-amd64"]


def test_own_profile(tmp_path: Path) -> None:
    profile = load_profile(str(own(tmp_path)))
    assert profile == msgspec.structs.replace(load_profile("xenserver-9"), name="acme")


def test_own_profile_is_read_again_when_it_changed(tmp_path: Path) -> None:
    assert load_profile(str(own(tmp_path))).glibc == ""
    assert load_profile(str(own(tmp_path, 'glibc = "2.39"', drop="glibc ="))).glibc == "2.39"


def test_unknown_name_offers_the_nearest() -> None:
    known = f"known are {', '.join(profile_names())}, or "
    (near,) = mistakes("xenserver8")
    assert (
        near.startswith("XSPACK_TARGET='xenserver8': ") and f"; did you mean 'xenserver-8'? {known}" in near
    )
    (far,) = mistakes("q")
    assert far.startswith("XSPACK_TARGET='q': ") and f"; {known}" in far


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        'kernel = ["6.1"]\nglibc = 2.39\nmanager = "zypper"',
        drop=("kernels =", "glibc =", "manager ="),
    )
    assert sorted(mistakes(file)) == sorted(
        [
            f"kernel=['6.1']: {file}: unknown key; did you mean 'kernels'?",
            f"{file}: the key 'kernels' is missing; give kernels: a list of texts",
            f'glibc=2.39: {file}: must be a version such as "2.17", or ""; correct it',
            f'manager=\'zypper\': {file}: must be "yum" or "dnf"; correct it',
        ]
    )


@pytest.mark.parametrize("key", sorted(KEYS))
def test_no_key_may_be_missing(tmp_path: Path, key: str) -> None:
    data = json.loads(load_profile("xenserver-8").canonical)
    file = tmp_path / "acme.toml"
    rest = {name: value for name, value in data.items() if name not in (key, "name")}
    tables = [name for name, value in rest.items() if isinstance(value, dict)]
    for name, value in (
        ("sets_previous_installation", False),
        ("multi_version_drivers", False),
        ("module_signatures", ""),
        ("module_keys", []),
        ("module_hashes", []),
        ("dist", ""),
        ("driver_disks_alone", False),
        ("crypto_policy", ""),
    ):
        rest.setdefault(name, value)
    rest.pop(key, None)
    plain = [f"{name} = {json.dumps(value)}" for name, value in rest.items() if name not in tables]
    deep = [
        line
        for name in tables
        for line in (f"[{name}]", *(f'"{k}" = {json.dumps(v)}' for k, v in rest[name].items()))
    ]
    file.write_text("\n".join([*plain, *deep]))
    assert mistakes(file) == [f"{file}: the key {key!r} is missing; give {key}: {KEYS[key][1].words}"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory; name an existing file"),
        (b"title = \xff", "not UTF-8; save it as UTF-8"),
        (b"title = ", "not TOML: Invalid value (at end of document); correct it"),
    ],
)
def test_unreadable_file(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "acme.toml"
    if content is not None:
        file.write_bytes(content)
    assert mistakes(file) == [f"XSPACK_TARGET={str(file)!r}: the profile cannot be read: {why}"]


def test_canonical_is_the_same_in_every_process() -> None:
    script = (
        "import hashlib; from xspack_tool.releases import load_profile as l;"
        "print(hashlib.sha256(l('xenserver-8').canonical.encode()).hexdigest())"
    )
    root = str(Path(local.__file__).parents[2])
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {hashlib.sha256(load_profile("xenserver-8").canonical.encode()).hexdigest()}


def test_a_profile_can_be_a_key_and_cross_to_another_process() -> None:
    profile = load_profile("xenserver-8")
    assert {profile: 1}[pickle.loads(pickle.dumps(profile))] == 1
    assert set(KEYS) | {"name"} == set(Profile.__struct_fields__)


SCHEMA = Path(local.__file__).parent / "profile.schema.json"
#: Values that keys may hold, and some that none does.
VALUES = (
    *("", "a", "2.17", "2", "2.", "2.x", "yum", "enforced", "iptables", True, 1, 1.5, None),
    *(
        [],
        ["a"],
        ["/a"],
        [1],
        {},
        {"a": "b"},
        {"/a": "3.6"},
        {"/a": "3"},
        {"/a": ""},
        {"a": "3.6"},
        {"/a": 3},
    ),
)


def test_the_schema_that_is_shipped_is_that_of_the_loader() -> None:
    text = schema_text()
    if os.environ.get("GOLDEN") == "update":
        SCHEMA.write_text(text)
    assert SCHEMA.read_text() == text
    jsonschema.Draft7Validator.check_schema(profile_schema())


@pytest.mark.parametrize("name", sorted(set(profile_names()) - {"local"}))
def test_profiles_are_valid_by_the_schema(name: str) -> None:
    data = tomllib.loads((SCHEMA.parent / f"{name}.toml").read_text())
    jsonschema.validate(data, profile_schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize("key", KEYS)
def test_schema_and_loader_refuse_the_same(key: str) -> None:
    good = tomllib.loads((SCHEMA.parent / "xcp-ng-8.3.toml").read_text())
    validator = jsonschema.Draft7Validator(profile_schema())
    for data in (
        *({**good, key: value} for value in VALUES),
        {**good, f"{key}s": good[key]},
        _without(good, key),
    ):
        assert validator.is_valid(data) == (not profile_problems("f", data)), data.get(key)


def _without(data: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in data.items() if name != key}
