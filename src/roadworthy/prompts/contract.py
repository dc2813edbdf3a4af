"""The inputs that a version declares are a contract with the code that asks it: `unmet` says what breaks it.

Nobody knows from outside what code passes. What is known is that its calls fit the version that serves: they
pass what that one needs, and nothing that it does not declare. A version that takes all of these calls can
serve in its place.
"""

from collections.abc import Iterator
from itertools import chain

from roadworthy.prompts.version import InputSpec, Version


def unmet(serving: Version, candidate: Version) -> tuple[str, ...]:
    """Why calls that fit the version that serves may not fit the candidate; nothing where all of them do."""
    return tuple(chain(_new(serving, candidate), _gone(serving, candidate)))


def _new(serving: Version, candidate: Version) -> Iterator[str]:
    for name, spec in candidate.inputs.items():
        before = serving.inputs.get(name)
        if before is None:
            if not spec.optional:
                yield f"It needs the input {name!r}, which {serving.label} does not take."
        elif before.optional and not spec.optional:
            yield f"It needs the input {name!r}, which may be left out of {serving.label}."
        elif not _takes(spec, before):
            yield f"Its input {name!r} is of type {spec.type}, that of {serving.label} of type {before.type}."


def _gone(serving: Version, candidate: Version) -> Iterator[str]:
    for name in serving.inputs:
        if name not in candidate.inputs:
            yield f"It does not take the input {name!r}, which {serving.label} takes."


def _takes(spec: InputSpec, before: InputSpec) -> bool:
    """Whether every value of the one type is one of the other."""
    return spec.type in (before.type, "any") or (before.type == "int" and spec.type == "float")
