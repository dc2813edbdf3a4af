"""From what is wrong to what a person reads: one `Fault` for each, with file, line, key and a sentence.

A value is repeated in a message only when it does not look like a secret; a value from the environment
never is. One key has one fault: the first that was found.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from roadworthy.errors import Fault, SettingsError, did_you_mean
from roadworthy.settings.expand import Finding
from roadworthy.settings.layers import Layer, Place, place_of
from roadworthy.settings.lines import Key
from roadworthy.settings.rules import RuleError
from roadworthy.settings.secrecy import FromEnvironment, looks_secret

_SHOWN_CHARACTERS = 60

_SENTENCES: Mapping[str, str] = {
    "string_type": "must be text in quotes",
    "string_unicode": "must be UTF-8 text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": 'must be a list, such as ["a", "b"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:,}",
}

WRONG_TYPE = frozenset(name for name in _SENTENCES if name.endswith(("_type", "_parsing")))
"""The kinds of Pydantic errors after which another reading of the same text is tried."""


@dataclass(slots=True)
class Faults:
    """What was found so far."""

    files: list[str] = field(default_factory=list[str])
    """The files in the order in which they are read; faults are told in this order."""
    whole: list[Fault] = field(default_factory=list[Fault])
    """Faults of a whole file, which have no key."""
    by_key: dict[tuple[str, Key], Fault] = field(default_factory=dict[tuple[str, Key], Fault])

    def add(self, findings: Iterable[Finding], places: Mapping[Key, Place]) -> None:
        """Take note of findings, each at the place of its key."""
        for key, message in findings:
            place = place_of(places, key)
            text = f"{place.source}: {message}" if place.source else message
            self.by_key.setdefault((place.file, key), Fault(text, place.file, place.line, dotted(key)))

    def raise_if_any(self, *, hint: str = "") -> None:
        """Raise `SettingsError` with all of them."""
        order = {name: position for position, name in enumerate(self.files)}
        faults = [*self.whole, *self.by_key.values()]
        if faults:
            faults.sort(key=lambda fault: (order.get(fault.file, len(order)), fault.line, fault.key))
            raise SettingsError(faults, hint=hint)


def dotted(key: Key) -> str:
    """The key as TOML writes it: `models."gpt-4.1".region`; list items count from 1: `routes.a.models[2]`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part, re.ASCII)
            text += ("." if text else "") + (part if bare else _quoted(part))
    return text


def _quoted(name: str) -> str:
    plain = "…" if looks_secret(name) else repr(_shortened(name))[1:-1]
    return f'"{plain}"'


def shown(value: object, *, hidden: bool = False) -> str:
    """A value as a message may show it: what kind of thing it is, and what it says if that is harmless."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, str):
        concealed = hidden or isinstance(value, FromEnvironment) or looks_secret(value)
        return "text that is not shown here" if concealed else f"the text {_shortened(value)!r}"
    if isinstance(value, bool | int | float):
        return "a value that is not shown here" if hidden else _shortened(str(value).lower())
    return "a date or time"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def translate(error: ErrorDetails, root: type[BaseModel], layer: Layer) -> Finding:
    """One error of Pydantic, as a key and a sentence of our own."""
    of_the_name = bool(error["loc"]) and error["loc"][-1] == "[key]"
    key: Key = error["loc"][:-1] if of_the_name else error["loc"]
    if error["type"] == "extra_forbidden":
        return key, _unknown(key, error["input"], root)
    if error["type"] == "missing":
        return key, _missing(key, root)
    sentence, hint = sentence_of(error)
    what = f"The name {dotted(key[-1:])!r}" if of_the_name else repr(dotted(key))
    hidden = key in layer.readings or place_of(layer.places, key).from_environment
    is_what = "" if of_the_name else f", but is {shown(error['input'], hidden=hidden)}"
    return key, f"{what} {sentence}{is_what}. {hint}".rstrip()


def sentence_of(error: ErrorDetails) -> tuple[str, str]:
    """What must stand there, as the rest of a sentence, and the nearest that might have been meant."""
    context: dict[str, Any] = error.get("ctx", {})
    broken = context.get("error")
    if isinstance(broken, RuleError):
        return str(broken), broken.hint
    sentence = _SENTENCES.get(error["type"], "is not valid").format(**context)
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        hint = did_you_mean(error["input"], re.findall(r"'([^']*)'", str(context["expected"])))
        return sentence, hint if hint.startswith("Did you mean") else ""
    return sentence, ""


def _unknown(key: Key, value: object, root: type[BaseModel]) -> str:
    name, above = str(key[-1]), key[:-1]
    section = section_at(root, above)
    hint = did_you_mean(name, section.model_fields if section else ())
    what = f"Unknown key {dotted((name,))!r} in [{dotted(above)}]."
    if not above:
        what = (
            f"Unknown section [{dotted(key)}]."
            if isinstance(value, dict)
            else f"Unknown key {dotted(key)!r}."
        )
    return f"{what} {hint}".rstrip()


def _missing(key: Key, root: type[BaseModel]) -> str:
    section = section_at(root, key[:-1])
    described = section.model_fields[str(key[-1])].description if section else None
    return f"[{dotted(key[:-1])}] needs {str(key[-1])!r}. {described or ''}".rstrip()


def section_at(root: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """The model that describes the table at this key; `None` where tables are free or there is none."""
    at: Any = root
    for name in key:
        if isinstance(at, type) and issubclass(at, BaseModel):
            described = at.model_fields.get(str(name))
            at = described.annotation if described else None
        else:
            at = get_args(at)[1] if get_origin(at) is dict else None
        if get_origin(at) in {Union, UnionType}:
            at = next(kind for kind in get_args(at) if kind is not type(None))
    return at if isinstance(at, type) and issubclass(at, BaseModel) else None
