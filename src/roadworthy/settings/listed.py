"""The settings in force, one by one, as people may see them: without secrets, with where each was said."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from roadworthy.settings.load import Sections, Settings
from roadworthy.settings.secrecy import looks_secret

_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Listed:
    """One setting."""

    key: str
    """With dots: `routes.default.models`."""
    value: Any
    """As JSON has it."""
    source: str
    """File and line, or in words what said it; empty for a default."""


def listed_settings(settings: Settings) -> Iterator[Listed]:
    """Every setting that has a value, in the order of the sections."""
    for key, value in _flat(settings.model_dump(mode="json", include=set(Sections.model_fields))):
        yield Listed(".".join(key), _masked(value), settings.source(key))


def _flat(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        key = (*above, name)
        if isinstance(value, dict) and value:
            yield from _flat(cast("dict[str, Any]", value), key)
        elif value is not None and value not in ({}, []):
            yield key, value


def _masked(value: Any) -> Any:
    """What a variable of the environment put into a text may be a secret that no rule knows."""
    if isinstance(value, str):
        return _HIDDEN if looks_secret(value) else value
    if isinstance(value, list):
        return [_masked(one) for one in cast("list[Any]", value)]
    return value
