"""What of a JSON schema no answer is checked for: `unchecked`.

A client that asks for a strict schema is promised that its answer fits. What `fit.faults` would let pass
cannot be promised, and is refused before anything is sent.
"""

from collections.abc import Generator, Mapping
from typing import Any, cast

from roadworthy.calls.fit import FORMATS, TYPES, Check, listed, of_pattern

_LONGEST = 60
_SAYS_NOTHING = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$schema",
        "$comment",
        "discriminator",
    }
)
_BY_NAME = frozenset({"properties", "$defs", "definitions"})
_IN_LISTS = frozenset({"anyOf", "allOf", "prefixItems"})
_ALONE = frozenset({"items", "additionalProperties"})
_NUMBERS = (
    *("minLength", "maxLength", "minItems", "maxItems", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
)
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(_BY_NAME, dict),
    **dict.fromkeys((*_IN_LISTS, "enum", "required"), list),
    **dict.fromkeys(_NUMBERS, int | float),
}
_BESIDE_REFERENCES = _SAYS_NOTHING | {"$ref", "$defs", "definitions"}


def unchecked(schema: Mapping[str, Any]) -> str | None:
    """The first thing in a schema that `faults` would let pass, in a few words; None: it checks all."""
    try:
        return next(_unchecked(schema, Check(schema)), None)
    except RecursionError:
        return "such deep nesting"


def _unchecked(schema: Any, check: Check) -> Generator[str]:
    if schema is True:
        return
    if not isinstance(schema, dict):
        yield f"a schema that is {schema!r}"[:_LONGEST]
        return
    its = cast("dict[str, Any]", schema)
    if "$ref" in its and not (its.keys() <= _BESIDE_REFERENCES and check.resolves(its)):
        yield f"the reference {str(its['$ref'])[:_LONGEST]!r}"
    for name, said in its.items():
        for part in _inside(name, said):
            yield from _unchecked(part, check)
        if not _is_checked(name, said):
            yield f"{name[:_LONGEST]!r}"


def _inside(name: str, said: Any) -> list[Any]:
    """The schemas in a keyword."""
    if name in _BY_NAME and isinstance(said, dict):
        return list(cast("dict[str, Any]", said).values())
    if name in _IN_LISTS and isinstance(said, list):
        return cast("list[Any]", said)
    closed = name == "additionalProperties" and said is False
    return [said] if name in _ALONE and not closed else []


def _is_checked(name: str, said: Any) -> bool:
    if name == "pattern":
        return isinstance(said, str) and of_pattern(said) is not None
    if name == "format":
        return said in FORMATS
    if name == "type":
        return bool(listed(said)) and all(kind in TYPES for kind in listed(said))
    kind = _KINDS.get(name)
    if kind is not None:
        return isinstance(said, kind)
    return name in _ALONE or name in _SAYS_NOTHING or name in ("const", "$ref")
