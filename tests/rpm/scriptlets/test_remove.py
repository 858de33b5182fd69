"""The removal script, run on a pool of stand-ins that keep the state of real ones."""

from __future__ import annotations

import pytest

from xspack_tool.rpm.scriptlets.remove import removal_script

UUID = "9a1f0f0e-0000-4000-8000-000000000001"
SCRIPT = removal_script("acme", UUID, "control-acme", "update-acme", ["acme-agent", "libacme++"])
RECORD = f"/var/update/applied/{UUID}"
REMOVE = f"/var/update/{UUID}/remove"
#: rpm with its database in /rpms: a package that is erased takes its files along.
RPM = f"""\
for name; do :; done
case $1 in
    -q) grep -q -x "$name" /rpms ;;
    -e) shift
        for name; do
            grep -v -x "$name" /rpms > /rpms.new; mv /rpms.new /rpms
            [ "$name" != control-acme ] || rm -f {REMOVE}
        done ;;
esac
"""
#: xe of a pool with the hosts h1 (this one) and those in /others; /known says whether xapi knows the pack.
XE = """\
case "$*" in
    host-list*) echo "h1$(cat /others 2>/dev/null)"; exit ;;
    host-param-get*) echo 10.0.0.2; exit ;;
esac
if [ ! -e /known ]; then
    echo "The uuid you supplied was invalid." >&2; exit 1
fi
case "$*" in
    update-destroy*) grep -q update-acme /rpms && { echo UPDATE_IS_APPLIED >&2; exit 1; }; rm /known ;;
esac
exit 0
"""
CALLS_OF_ONE = [
    f"xe update-pool-clean uuid={UUID}",
    "rpm -e update-acme",
    "rpm -e acme-agent libacme++",
    "xe update-resync-host host-uuid=h1",
    f"xe update-destroy uuid={UUID}",
    "rpm -e control-acme",
]


@pytest.fixture
def pool(host):
    """A pool of one host with the pack applied."""
    host.fake("/bin/xe", XE)
    host.fake("/bin/rpm", RPM)
    host.write("/rpms", "base\nacme-agent\nlibacme++\nupdate-acme\ncontrol-acme\n")
    host.write("/known", "")
    host.write(RECORD, "<update/>")
    host.write("/etc/xensource-inventory", "INSTALLATION_UUID='h1'\n")
    host.write(REMOVE, SCRIPT, 0o755)
    return host


def remove(pool) -> tuple[int, str, list[str]]:
    """Run the script where the control package put it: status, messages, calls that change something."""
    done = pool.try_run(f"exec sh {REMOVE}")
    changes = [
        call for call in pool.calls() if not call.startswith(("rpm -q", "xe host-list", "xe host-param"))
    ]
    return done.returncode, done.stderr, changes


def test_everything_goes_in_order(pool) -> None:
    assert remove(pool) == (0, "", CALLS_OF_ONE)
    assert pool.read("/rpms") == "base\n"
    assert not (pool.root / RECORD[1:]).exists() and not (pool.root / REMOVE[1:]).exists()
    assert list((pool.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("rpms", "known"),
    [
        ("base\nacme-agent\ncontrol-acme\n", True),
        ("base\ncontrol-acme\n", True),
        ("base\ncontrol-acme\n", False),
        ("base\n", False),
    ],
)
def test_it_goes_on_where_it_was_stopped(pool, rpms: str, known: bool) -> None:
    pool.write("/rpms", rpms)
    if not known:
        (pool.root / "known").unlink()
    status, said, _ = remove(pool)
    assert (status, said) == (0, "")
    assert pool.read("/rpms") == "base\n" and not (pool.root / "known").exists()


def test_a_payload_that_cannot_go_keeps_the_pack(pool) -> None:
    pool.fake("/bin/rpm", '[ "$1" != -e ] || [ "$2" != acme-agent ] || { echo needed >&2; exit 1; }\n' + RPM)
    status, said, changes = remove(pool)
    assert status == 1
    assert said == "needed\nacme: not removed from:  h1; put that right and run this script again\n"
    assert changes[-1] == "rpm -e acme-agent libacme++"
    assert "control-acme\n" in pool.read("/rpms") and (pool.root / "known").exists()


def test_xapi_refusing_keeps_the_script(pool) -> None:
    pool.fake("/bin/xe", 'case "$*" in update-destroy*) echo BUSY >&2; exit 1 ;; esac\n' + XE)
    status, said, _ = remove(pool)
    assert (status, said) == (1, f"xe update-destroy uuid={UUID}: BUSY\n")
    assert (pool.root / REMOVE[1:]).exists()


def test_without_xapi_nothing_is_removed(pool) -> None:
    pool.fake("/bin/xe", "exit 1\n")
    status, said, changes = remove(pool)
    assert (status, changes) == (1, [])
    assert said == "acme: xapi does not say which hosts the pool has: nothing was removed\n"


def test_each_host_of_the_pool(pool) -> None:
    pool.write("/others", ",h2")
    pool.fake("/bin/ssh", 'shift; echo "h2: $*" >> /log; sh -c "$*"\n')
    pool.write("/rpms", "base\nacme-agent\nlibacme++\nupdate-acme\ncontrol-acme\n")
    status, said, changes = remove(pool)
    assert (status, said) == (0, "")
    assert changes == [
        *CALLS_OF_ONE[:4],
        "ssh root@10.0.0.2 sh -s -- --payload",
        "h2: sh -s -- --payload",
        "xe update-resync-host host-uuid=h2",
        f"xe update-destroy uuid={UUID}",
        "ssh root@10.0.0.2 sh -s -- --control",
        "h2: sh -s -- --control",
        "rpm -e control-acme",
    ]


def test_a_host_that_cannot_be_reached_is_named(pool) -> None:
    pool.write("/others", ",h2")
    pool.fake("/bin/ssh", "exit 255\n")
    status, said, changes = remove(pool)
    assert status == 1
    assert said == "acme: not removed from:  h2; put that right and run this script again\n"
    assert f"xe update-destroy uuid={UUID}" not in changes and (pool.root / REMOVE[1:]).exists()
