"""A kind of one's own: ``env.PythonApp`` makes an RPM of a folder of Python code, with a launcher."""

from xspack_tool.kinds import REQUIRED, Field, PackageKind, validators


class PythonApp(PackageKind):
    """Python code below /opt, with a launcher in /usr/bin for the Python of the release."""

    FIELDS = {
        **PackageKind.FIELDS,
        "source": Field("folder of Python code", REQUIRED, validators.FILE),
        "module": Field("module that the launcher runs", REQUIRED, validators.TEXT),
    }
    ARCH = "noarch"

    def fill(self, declaration):
        home, python = f"/opt/{self.name}", declaration.profile.python
        if not python:
            rule = f"{declaration.profile.name} has no Python"
            declaration.problem("module", self.given["module"], rule, "choose another target")
        declaration.tree(home, self.folder("source"), field="source", exclude=["__pycache__"])
        launcher = f'#!/bin/sh\nPYTHONPATH={home} exec {python} -B -m {self.given["module"]} "$@"\n'
        declaration.text(f"/usr/bin/{self.name}", launcher, mode=0o755, field="module")
        declaration.relate("requires", python)


def generate(env):
    env.XsKind(PythonApp)


def exists(env):
    return True
