"""What the tests of packs share: real programs or a skip."""

import os
from collections.abc import Callable

import pytest

from xspack_tool.run import missing_program


@pytest.fixture(scope="session")
def need() -> Callable[..., None]:
    """Skip without these programs, saying what to install; fail where CI=true."""

    def check(*programs: str) -> None:
        for program in programs:
            if lacking := missing_program(program):
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lacking)

    return check
