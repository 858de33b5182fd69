"""A cache that several machines share: what one made comes to another, in any folder, by HTTP and by S3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sentences
from cache_fleet import DECLARED, TARGETS, Fleet, by_grid, by_http, by_s3, counted, made, told
from cache_servers import READER, WRITER, Nginx, azurite, bucket, nginx, seaweedfs
from support import ROOT, blocks, need, need_module, need_root

from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key


def test_a_second_clone_builds_nothing(fleet: Fleet, server: Nginx) -> None:
    first, second, third = fleet.clone(), fleet.clone(), fleet.clone()
    ran = fleet.run(first, {**fleet.writer, "XSPACK_CACHE": server.url}, "-j2").good()
    assert counted(ran) == "0 taken, 4 not, 5 written"
    # Of the module's files, only the first that is missing is asked for.
    assert [status for method, _, status in server.requests() if method == "GET"] == ["404"] * 4
    ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": server.url}, "-j2").good()
    assert made(ran) == set() and told(ran) == []
    assert counted(ran) == "5 taken, 0 not, 0 written"
    assert second.outputs() == first.outputs()
    # What came is in the local folder now, and asked for no more.
    before = len(server.requests())
    shutil.rmtree(second.path / "build")
    ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": server.url}).good()
    assert made(ran) == set() and len(server.requests()) == before
    assert second.outputs() == first.outputs()
    # A clone without any cache makes the same bytes.
    third.scons(*TARGETS).good()
    assert third.outputs() == first.outputs()


def test_the_layout_is_bazel_s_and_small_results_take_one_request(fleet: Fleet, server: Nginx) -> None:
    fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": server.url}).good()
    names = [str(path.relative_to(server.folder / "root/xspack")) for path in server.objects()]
    assert all(len(name.partition("/")[2]) == 64 for name in names)
    assert sorted(name.partition("/")[0] for name in names) == ["ac"] * 5 + ["cas"]
    inline = [json.loads(path.read_bytes()) for path in server.objects() if path.parent.name == "ac"]
    assert sum("content" in entry for entry in inline) == 4


def test_nothing_but_what_pays_is_shared(fleet: Fleet, server: Nginx, short_dir: Path) -> None:
    """No signed RPM, key, finding or ISO, nor what is made faster than fetched."""
    lab = fleet.clone()
    make_test_key(short_dir / "gnupg", lab.path / "src/KEY", "Acme", 1_500_000_000)
    pack = {
        "version": "'1'",
        "uuid": "'9a1f0f0e-0000-4000-8000-000000000000'",
        "description": "'a'",
        "packages": "[made['p']]",
        "key": "'KEY'",
    }
    lab.declare_all([*DECLARED, ("Pack", "one", pack)], {"XSPACK_GNUPGHOME": str(short_dir / "gnupg")})
    env = {**fleet.writer, "XSPACK_CACHE": server.url}
    ran = lab.scons("build", env={**env, "XDG_CACHE_HOME": str(lab.path.parent / "home")}).good()
    end_agent(short_dir / "gnupg")
    # With the pack's own RPM and the driver's source RPM.
    assert counted(ran) == "0 taken, 6 not, 7 written"
    shared = b"".join(path.read_bytes() for path in server.objects())
    assert b"PGP" not in shared and str(fleet.folder).encode() not in shared


def test_the_user_s_own_objects_are_shared_if_wanted(fleet: Fleet, server: Nginx) -> None:
    lab = fleet.clone()
    text = (
        'env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", ENV={"PATH": "/usr/bin:/bin"}, OBJECTS)\n'
    )
    text += (
        f'env.CacheDir("{fleet.folder}/local")\nenv.Command("o", "lab.json", Copy("$TARGET", "$SOURCE"))\n'
    )
    env = {**fleet.writer, "XSPACK_CACHE": server.url}
    lab.write({"SConstruct": text.replace(", OBJECTS", "")})
    lab.scons("o", env=env).good()
    assert server.objects() == []
    lab.write({"SConstruct": text.replace("OBJECTS", "XSPACK_CACHE_OBJECTS=True"), "lab.json": "{ }"})
    lab.scons("o", env=env).good()
    assert len(server.objects()) == 1


def test_a_token_is_needed_where_the_server_wants_one(fleet: Fleet, short_dir: Path) -> None:
    rule = 'if ($http_authorization != "Bearer open-sesame") { return 401; }'
    with nginx(short_dir, rule) as server:
        env = {**fleet.writer, "XSPACK_CACHE": server.url}
        ran = fleet.run(fleet.clone(), env).good()
        assert len(told(ran)) == 1 and "it answers 401 Unauthorized, see XSPACK_CACHE_TOKEN" in told(ran)[0]
        assert server.objects() == []
        token = {"XSPACK_CACHE_TOKEN": "open-sesame"}
        ran = fleet.run(fleet.clone(), {**env, **token}).good()
        assert counted(ran) == "0 taken, 4 not, 5 written" and "open-sesame" not in ran.said
        ran = fleet.run(fleet.clone(), {**fleet.reader, **token, "XSPACK_CACHE": server.url}).good()
        assert made(ran) == set()


def test_a_password_comes_from_netrc(fleet: Fleet, short_dir: Path) -> None:
    rule = 'if ($http_authorization != "Basic YWNtZTpzZWNyZXQ=") { return 401; }'
    (fleet.folder / "netrc").write_text("machine 127.0.0.1 login acme password secret\n")
    with nginx(short_dir, rule) as server:
        env = {**fleet.writer, "XSPACK_CACHE": server.url, "NETRC": f"{fleet.folder}/netrc"}
        assert counted(fleet.run(fleet.clone(), env).good()) == "0 taken, 4 not, 5 written"


def test_a_private_authority_is_trusted_where_it_is_named(fleet: Fleet, short_dir: Path) -> None:
    with nginx(short_dir, tls=True) as server:
        env = {**fleet.writer, "XSPACK_CACHE": server.url}
        (line,) = told(fleet.run(fleet.clone(), env).good())
        assert line.endswith(sentences.CERTIFICATE)
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            ran = fleet.run(fleet.clone(), {**env, "SSL_CERT_FILE": "", name: f"{short_dir}/cert.pem"}).good()
            taken, written = ("0", "5") if name == "SSL_CERT_FILE" else ("5", "0")
            assert told(ran) == []
            assert counted(ran).startswith(f"{taken} taken, ") and counted(ran).endswith(
                f", {written} written"
            )
        ran = fleet.run(fleet.clone(), {**env, "SSL_CERT_FILE": f"{short_dir}/none.pem"}).good()
        assert told(ran)[0].endswith(
            f"{short_dir}/none.pem: No such file or directory; name a file of certificates"
        )


def test_a_proxy_is_asked_where_there_is_one(fleet: Fleet, server: Nginx) -> None:
    """The server takes requests for any host."""
    proxy = {
        "HTTP_PROXY": server.url.removesuffix("/xspack"),
        "http_proxy": server.url.removesuffix("/xspack"),
    }
    env = {**fleet.writer, **proxy, "XSPACK_CACHE": "http://cache.example/xspack"}
    assert counted(fleet.run(fleet.clone(), env).good()) == "0 taken, 4 not, 5 written"
    assert len(server.objects()) == 6


def test_a_server_that_lets_nobody_write_is_still_read(fleet: Fleet, short_dir: Path) -> None:
    with nginx(short_dir) as server:
        fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": server.url}).good()
    with nginx(short_dir, "limit_except GET { deny all; }") as server:
        lab = fleet.clone()
        lab.write({"src/f": "changed\n"})
        ran = fleet.run(lab, {**fleet.writer, "XSPACK_CACHE": server.url}).good()
        assert made(ran) == {"rpms/p-1-1.noarch.rpm"}
        url = server.url
        assert told(ran) == [
            f"xspack: {sentences.NOT_WRITTEN} {url}: it answers 403 Forbidden: access denied"
        ]


def test_s3_with_one_who_may_only_read(fleet: Fleet, short_dir: Path) -> None:
    with seaweedfs(short_dir) as endpoint:
        import obstore

        url = "s3://acme/builds"
        first, second = fleet.clone(), fleet.clone()
        ran = fleet.run(first, {**fleet.writer, **endpoint, **WRITER, "XSPACK_CACHE": url}).good()
        assert f"xspack: cache {url}: 0 taken, 4 not, 5 written" in ran.said
        paths = sorted(
            one["path"].split("/")[1] for batch in obstore.list(bucket(endpoint), "builds") for one in batch
        )
        assert paths == ["ac"] * 5 + ["cas"]
        ran = fleet.run(second, {**fleet.reader, **endpoint, **READER, "XSPACK_CACHE": url}).good()
        assert made(ran) == set() and second.outputs() == first.outputs()
        # Who may not write is told so once, and goes on reading.
        third = fleet.clone()
        third.write({"src/f": "changed\n"})
        ran = fleet.run(third, {**fleet.writer, **endpoint, **READER, "XSPACK_CACHE": url}).good()
        assert made(ran) == {"rpms/p-1-1.noarch.rpm"}
        assert len(told(ran)) == 1 and sentences.NOT_WRITTEN in told(ran)[0]


def test_google_s_requests(fleet: Fleet, short_dir: Path) -> None:
    """gs:// by the requests of Google's XML API, which no emulator answers (fake-gcs-server knows its JSON API); nginx
    does, with the one header that is missing."""
    with nginx(short_dir, "add_header ETag '\"x\"' always;") as server:
        account = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        base = server.url.removesuffix("/xspack")
        key = short_dir / "account.json"
        key.write_text(json.dumps({**account, "gcs_base_url": base, "disable_oauth": True}))
        env = {"XSPACK_CACHE": "gs://xspack/builds", "GOOGLE_SERVICE_ACCOUNT": str(key)}
        first, second = fleet.clone(), fleet.clone()
        ran = fleet.run(first, {**fleet.writer, **env}).good()
        assert "xspack: cache gs://xspack/builds: 0 taken, 4 not, 5 written" in ran.said
        ran = fleet.run(second, {**fleet.reader, **env}).good()
        assert made(ran) == set() and second.outputs() == first.outputs()
        names = [str(path.relative_to(short_dir / "root")) for path in server.objects()]
        assert sorted(name.rpartition("/")[0] for name in names) == ["xspack/builds/ac"] * 5 + [
            "xspack/builds/cas"
        ]


def test_azure_s_blob_storage(fleet: Fleet, tmp_path: Path) -> None:
    with azurite(tmp_path) as endpoint:
        url = "az://acme/builds"
        first, second, third = fleet.clone(), fleet.clone(), fleet.clone()
        ran = fleet.run(first, {**fleet.writer, **endpoint, "XSPACK_CACHE": url}).good()
        assert f"xspack: cache {url}: 0 taken, 4 not, 5 written" in ran.said
        ran = fleet.run(second, {**fleet.reader, **endpoint, "XSPACK_CACHE": url}).good()
        assert made(ran) == set() and second.outputs() == first.outputs()
        # Of one who is not let in nothing is taken.
        wrong = {"AZURE_STORAGE_ACCOUNT_KEY": "AAAA"}
        ran = fleet.run(third, {**fleet.reader, **endpoint, **wrong, "XSPACK_CACHE": url}).good()
        (line,) = told(ran)
        assert line.endswith("it answers 403 Forbidden: access denied")


@pytest.mark.parametrize("serving", [by_http, by_s3, by_grid])
def test_another_user_takes_them_too(
    short_dir: Path, serving: Callable[[Path], AbstractContextManager[dict[str, str]]]
) -> None:
    """In another folder, with an empty local cache; whichever the server is, all comes from there."""
    need_root()
    need("setpriv", "make", "gcc", "strip")
    need_module("obstore")
    with serving(short_dir / "server") as settings:
        _take_as_another(short_dir, settings)


def _take_as_another(short_dir: Path, settings: Mapping[str, str]) -> None:
    (short_dir / "fleet").mkdir()
    fleet = Fleet(short_dir / "fleet")
    first, second = fleet.clone(), fleet.clone()
    fleet.run(first, {**fleet.writer, **settings}).good()
    for place in (second.path.parent, *second.path.parent.rglob("*")):
        os.chown(place, 65534, 65534)
    home = second.path.parent / "home"
    env = {
        **os.environ,
        **fleet.reader,
        **settings,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home),
    }
    env["XDG_CONFIG_HOME"] = f"{home}/config"
    # Python itself may lie in root's own folder: the other user may read everything, and write nothing of root's.
    words = [
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", sys.executable),
        "-m",
        "SCons",
        "-Q",
    ]
    done = subprocess.run(
        [*words, f"--site-dir={ROOT / 'site_scons'}", *TARGETS],
        cwd=second.path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 taken, 0 not" in done.stderr
    assert second.outputs() == first.outputs()


def test_why_is_said_of_each_step(fleet: Fleet, server: Nginx) -> None:
    """A URL may have signs of its own in it."""
    url = f"{server.url}/of%20all"

    def said(env: Mapping[str, str]) -> list[str]:
        ran = fleet.run(fleet.clone(), {**env, "XSPACK_CACHE": url}, "--cache-debug=-").good()
        step = "CacheRetrieve(build/rpms/p-1-1.noarch.rpm):  "
        return [line.removeprefix(step) for line in ran.said.splitlines() if line.startswith(step)]

    here, there = said(fleet.writer)
    assert here.endswith(" not in cache") and there.startswith(f"{url}: ") and there.endswith(" is not there")
    here, there, taken = said(fleet.reader)
    assert here.endswith(" not in cache") and there.startswith(f"{url}: ") and there.endswith(" was fetched")
    assert taken.startswith("retrieving from ")


def test_looking_fetches_nothing(fleet: Fleet, server: Nginx) -> None:
    fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": server.url}).good()
    before = len(server.requests())
    lab = fleet.clone()
    fleet.run(lab, {**fleet.reader, "XSPACK_CACHE": server.url}, "-n").good()
    assert len(server.requests()) == before and not (lab.path / "build/rpms").exists()


MISTAKES = {
    "https://user:secret@cache.example/x": "a URL must hold no secret; put the token into XSPACK_CACHE_TOKEN",
    "https://cache.example/x?token=secret": "a URL must hold no secret; put the token into XSPACK_CACHE_TOKEN",
    "ftp://cache.example/x": "not the URL of a cache; write it as https://.., http://.., s3://.., gs://.., az://.., grpcs://",
    "/var/cache": "not the URL of a cache; write it as",
}


@pytest.mark.parametrize("url", MISTAKES)
def test_a_wrong_url_is_a_mistake(fleet: Fleet, url: str) -> None:
    ran = fleet.run(fleet.clone(), {**fleet.reader, "XSPACK_CACHE": url})
    (mistake,) = ran.refused()
    assert mistake.startswith("src/SConscript:") and MISTAKES[url] in mistake and "secret@" not in mistake
    assert "token=secret" not in ran.said


def test_a_shared_cache_needs_keys(fleet: Fleet) -> None:
    (mistake,) = fleet.run(fleet.clone(), {"XSPACK_CACHE": "https://cache.example/x"}).refused()
    assert "a shared cache needs XSPACK_CACHE_TRUST, the public keys whose entries are taken" in mistake


def test_a_token_does_not_travel_by_http(fleet: Fleet) -> None:
    env = {**fleet.reader, "XSPACK_CACHE": "http://cache.example/x", "XSPACK_CACHE_TOKEN": "secret"}
    (mistake,) = fleet.run(fleet.clone(), env).refused()
    assert "a token must not travel by http; use https, or unset XSPACK_CACHE_TOKEN" in mistake


def test_a_number_of_seconds_is_one(fleet: Fleet) -> None:
    env = {**fleet.reader, "XSPACK_CACHE": "https://cache.example/x", "XSPACK_CACHE_SECONDS": "soon"}
    (mistake,) = fleet.run(fleet.clone(), env).refused()
    assert (
        "XSPACK_CACHE_SECONDS='soon': must be a number of seconds up to 3600; leave it out for 20" in mistake
    )


def test_the_server_of_the_page_works_as_it_says(fleet: Fleet, short_dir: Path) -> None:
    """The nginx of docs/fleet.md, with our port and folder, and no TLS: everyone reads, who has the token writes."""
    page = (ROOT / "docs/fleet.md").read_text()
    (config, *_) = blocks("docs/fleet.md", "nginx")
    token = config.split('"Bearer ')[1].split('"')[0]
    with nginx(short_dir, config=config) as server:
        env = {**fleet.writer, "XSPACK_CACHE": server.url}
        (line,) = told(fleet.run(fleet.clone(), env).good())
        assert line.endswith("it answers 403 Forbidden: access denied") and server.objects() == []
        ran = fleet.run(fleet.clone(), {**env, "XSPACK_CACHE_TOKEN": token}).good()
        assert counted(ran) == "0 taken, 4 not, 5 written" and told(ran) == []
        ran = fleet.run(fleet.clone(), {**fleet.reader, "XSPACK_CACHE": server.url}).good()
        assert made(ran) == set()
        # Its eviction: what nobody read for a month.
        command = next(line for line in page.split("`") if line.startswith("find /srv/cache"))
        words = command.replace("/srv/cache", str(short_dir / "root")).split()
        old, *rest = server.objects()
        os.utime(old, (1, 1))
        subprocess.run(words, check=True)
        assert server.objects() == rest
