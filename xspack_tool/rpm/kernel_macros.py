"""The macros that the kernel-devel package of a dom0 release brings, for specs that were written for its DDK."""

from __future__ import annotations

#: What they do on a host is what kernel-devel's own macros.kernel does (XCP-ng's kernel package, 8.0 to 8.3): after
#: installation the initrd is marked as old, after the last removal it is made at once, and at the end of the
#: transaction it is made where it is marked.
_OF_A_KERNEL = """\
%kernel_version {kernel}
%regenerate_initrd_post() \\
> {mark} \\
%{{nil}}
%regenerate_initrd_postun() \\
if [ $1 -eq 0 ]; then \\
    {dracut} \\
else \\
    > {mark} \\
fi \\
%{{nil}}
%regenerate_initrd_posttrans() \\
if [ -e {mark} ]; then \\
    rm {mark} \\
    {dracut} \\
    udevadm trigger --attr-nomatch=driver && udevadm settle -t 30 \\
fi \\
%{{nil}}
"""
_MARK = "/var/lib/rpm-state/regenerate-initrd-%{kernel_version}"
_DRACUT = "dracut -f /boot/initrd-%{kernel_version}.img %{kernel_version}"
#: Those by which the vendor's own builds are analysed: without its tools they do nothing.
_ANALYSIS = (
    "_cov_buildrequires",
    "_cov_install",
    "_cov_make_model",
    "_cov_prepare",
    "_cov_results_package",
    "_cov_wrap",
    "cov_wrap",
)
#: rpm's own since 4.13; CentOS 7's has it from its epel-rpm-macros.
_MAKE = "%make_build %{__make} %{?_make_output_sync} %{?_smp_mflags} %{?_make_verbose}\n"


def kernel_macros(kernel: str, module_dir: str) -> str:
    """A macro file: for modules of ``kernel`` (`uname -r`; none where it is empty) in the folder ``module_dir``."""
    text = _OF_A_KERNEL.format(kernel=kernel, mark=_MARK, dracut=_DRACUT) if kernel else ""
    folder = f"%module_dir {module_dir}\n" if module_dir else ""
    return text + folder + _MAKE + "".join(f"%{name} %{{nil}}\n" for name in _ANALYSIS)
