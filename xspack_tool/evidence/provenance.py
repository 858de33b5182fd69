"""How a pack was made: an in-toto statement v1 with SLSA's provenance v1 as its predicate
(github.com/in-toto/attestation, slsa.dev/spec/v1.0/provenance)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from xspack_tool.errors import BadInput
from xspack_tool.evidence.text import json_text
from xspack_tool.files import first_bytes

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://pypi.org/project/xspack/build/v1"
BUILDER = "https://pypi.org/project/xspack"
#: A statement has a line or two for each file of a pack's sources.
_LARGEST = 64 << 20


class Artifact(Struct, frozen=True, order=True):
    """A file by its name and SHA-256: what was made (a subject), or what it was made of (a material)."""

    name: str
    sha256: str

    def plain(self) -> dict[str, Any]:
        """As in-toto's ResourceDescriptor."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


def provenance(
    subjects: Iterable[Artifact],
    materials: Iterable[Artifact],
    parameters: Mapping[str, Any],
    programs: Mapping[str, str],
) -> str:
    """The statement: ``parameters`` are what was declared of the pack, ``programs`` the versions of what made it,
    xspack's own among them."""
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": dict(parameters),
            "internalParameters": {},
            "resolvedDependencies": [one.plain() for one in sorted(set(materials))],
        },
        "runDetails": {"builder": {"id": BUILDER, "version": dict(programs)}},
    }
    return json_text(
        {
            "_type": STATEMENT,
            "subject": [one.plain() for one in sorted(set(subjects))],
            "predicateType": PREDICATE,
            "predicate": predicate,
        }
    )


def read_provenance(path: Path) -> tuple[list[Artifact], frozenset[str]]:
    """The subjects of a statement, and the file names of the RPMs whose source RPM was at hand when they were built.
    Raises BadInput for what is no statement."""
    content = first_bytes(path, _LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"larger than {_LARGEST >> 20} MiB")
        data = json.loads(content)
        if data["_type"] != STATEMENT or data["predicateType"] != PREDICATE:
            raise ValueError("not a statement of this type")
        subjects = [Artifact(str(one["name"]), str(one["digest"]["sha256"])) for one in data["subject"]]
        parameters = data["predicate"]["buildDefinition"]["externalParameters"]
        return subjects, frozenset(map(str, parameters.get("with_source", ())))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(path, f"not the provenance of a pack: {error or type(error).__name__}") from None


def differences(stated: Sequence[Artifact], found: Sequence[Artifact]) -> list[str]:
    """What is wrong with a pack by its statement: each file that is missing, unknown or another. Digests tell which
    file is meant, as in-toto has it: one that was given another name is the same."""
    same = {one.sha256 for one in stated} & {one.sha256 for one in found}
    named, there = (
        {one.name: one.sha256 for one in side if one.sha256 not in same} for side in (stated, found)
    )
    said = [f"{name} is not in the pack" for name in sorted(named.keys() - there.keys())]
    said += [f"{name} is not in the provenance" for name in sorted(there.keys() - named.keys())]
    return said + [f"{name} is not the file that was built" for name in sorted(named.keys() & there.keys())]
