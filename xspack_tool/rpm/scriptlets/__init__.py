"""Scriptlets and files that are written for the user: pure functions from values to shell text.

Each text is a part of a scriptlet: it never calls ``exit``, does not depend on ``set -e``, ends with status 0,
and runs in any POSIX shell, in the chroot of the host installer as well as on a running host.
"""
