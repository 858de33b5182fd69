"""The scriptlets of drivers, run."""

from __future__ import annotations

import pytest

from xspack_tool.rpm.scriptlets.driver import driver_scripts, kernel_problems

KERNEL = "4.19.0+1"
FLAG = f"var/lib/rpm-state/regenerate-initrd-{KERNEL}"
DRACUT = f"dracut -f /boot/initrd-{KERNEL}.img {KERNEL}"
UDEV = ["udevadm trigger --attr-nomatch=driver", "udevadm settle -t 30"]


@pytest.fixture
def driver_host(host):
    for program in ("/sbin/depmod", "/usr/bin/dracut", "/sbin/udevadm"):
        host.fake(program)
    return host


def test_two_drivers_in_one_transaction_make_one_initrd(driver_host) -> None:
    scripts = driver_scripts(KERNEL)
    for _ in range(2):
        driver_host.run(scripts["post"])
    assert driver_host.calls() == [f"depmod {KERNEL}"] * 2
    assert (driver_host.root / FLAG).exists()
    for _ in range(2):
        driver_host.run(scripts["posttrans"])
    assert driver_host.calls() == [DRACUT, *UDEV]
    assert not (driver_host.root / FLAG).exists()


def test_an_upgrade_leaves_the_initrd_to_posttrans(driver_host) -> None:
    scripts = driver_scripts(KERNEL)
    driver_host.run(scripts["postun"], 1)
    assert driver_host.calls() == [f"depmod {KERNEL}"]
    assert (driver_host.root / FLAG).exists()


def test_the_last_removal_makes_the_initrd_at_once(driver_host) -> None:
    driver_host.run(driver_scripts(KERNEL)["postun"], 0)
    assert driver_host.calls() == [f"depmod {KERNEL}", DRACUT]
    assert not (driver_host.root / FLAG).exists()


def test_what_fails_is_said_and_does_not_abort(driver_host) -> None:
    for program in ("/sbin/depmod", "/usr/bin/dracut", "/sbin/udevadm"):
        driver_host.fake(program, "exit 1\n")
    scripts = driver_scripts(KERNEL)
    assert driver_host.run(scripts["post"]) == ""
    said = f"dracut could not make /boot/initrd-{KERNEL}.img\n"
    assert driver_host.run(scripts["posttrans"]) == said
    assert driver_host.run(scripts["postun"], 0) == said


@pytest.mark.parametrize("kernel", ["", "4.19 0", "4.19;reboot", "$(id)", "../x", "-r"])
def test_what_is_no_kernel_is_refused(kernel: str) -> None:
    (problem,) = kernel_problems(kernel)
    assert str(problem) == (
        f"kernel={kernel!r}: a kernel's version must be letters, digits and . _ + ~ -; "
        "write what uname -r says on the host, such as 4.19.0+1"
    )


def test_kernels_of_dom0_are_right() -> None:
    assert [
        p for kernel in ("4.4.0+10", "4.19.0+1", "6.12.0-55.el10.x86_64") for p in kernel_problems(kernel)
    ] == []
