"""What ddk= takes. It is apart from the other validators: a tree without drivers loads nothing of kits."""

from __future__ import annotations

from SCons.Util import flatten

from xspack_tool.kinds.validators import Validator, is_source
from xspack_tool.plan.ddk import Ddk

KITS = Validator(
    "a kernel build tree, env.Ddk(..), or a list of them",
    lambda value: all(isinstance(one, Ddk) or is_source(one) for one in flatten([value])),
    "Sources | Ddk",
)
