"""Whether a release provides what is asked for: our order of plain numbers is libsolv's."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from xspack_tool.model.dependency import Dependency
from xspack_tool.releases import packages
from xspack_tool.releases.packages import relation, satisfies

_VERSIONS = st.lists(
    st.sampled_from(["0", "00", "1", "01", "2", "9", "10", "84"]), min_size=1, max_size=4
).map(".".join)
_NEVER = re.compile("(?!)")


@given(have=_VERSIONS, asked=_VERSIONS, sign=st.sampled_from(["<", "<=", "=", ">=", ">"]))
@example(have="8.2.1", asked="8.2", sign="=")
@example(have="8.02", asked="8.2.0", sign="<")
def test_numbers_are_ordered_as_by_libsolv(have: str, asked: str, sign: str) -> None:
    wanted = relation(Dependency("product-version", sign, asked))
    answer = satisfies({"product-version": have}, wanted)
    numbers = packages._NUMBERS
    packages._NUMBERS = _NEVER
    try:
        assert satisfies({"product-version": have}, wanted) == answer
    finally:
        packages._NUMBERS = numbers


def test_other_versions_are_left_to_libsolv() -> None:
    wanted = relation(Dependency("product-version", ">=", "8.2"))
    assert not satisfies({"other": "8.4"}, wanted)
    assert satisfies({"product-version": "8.2a"}, wanted)
