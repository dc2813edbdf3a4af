"""Settings come in layers, each laid over the one before, and every value knows its place.

roadworthy.toml < roadworthy.<environment>.toml < variables `ROADWORTHY__A__B` < overrides from code or
command line. Tables merge key by key; anything else, lists included, replaces what was there. A `Layer`
carries beside its values the `Place` of every key, so that a fault found at the very end still names file
and line.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from roadworthy.settings.lines import Key, find_lines
from roadworthy.settings.secrecy import FromEnvironment

VARIABLE_PREFIX = "ROADWORTHY__"

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written."""

    file: str = ""
    line: int = 0
    source: str = ""
    """In words, where it is not a file: `environment variable ROADWORTHY__PROJECT__NAME`."""

    @property
    def from_environment(self) -> bool:
        """Whether an environment variable said it, so that it may not be shown."""
        return self.source.startswith("environment")


@dataclass(frozen=True, slots=True)
class Layer:
    """Some settings, not yet checked, with where each was written."""

    values: Table = field(default_factory=dict[str, Any])
    places: dict[Key, Place] = field(default_factory=dict[Key, Place])
    readings: dict[Key, Any] = field(default_factory=dict[Key, Any])
    """What text from the environment may also mean, 5 for `"5"`: used where the first has the wrong type."""


def overlay(base: Layer, over: Layer) -> Layer:
    """The two as one. Where both have a table, it stands where the base has it."""
    replaced: set[Key] = set()
    values = _merge(base.values, over.values, (), replaced)

    def kept(key: Key) -> bool:
        return not any(key[:length] in replaced for length in range(1, len(key) + 1))

    places = {**over.places, **{key: place for key, place in base.places.items() if kept(key)}}
    readings = {**{key: value for key, value in base.readings.items() if kept(key)}, **over.readings}
    return Layer(values, places, readings)


def _merge(base: Table, over: Table, above: Key, replaced: set[Key]) -> Table:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[name] = _merge(cast("Table", below), cast("Table", value), (*above, name), replaced)
        else:
            merged[name] = value
            replaced.add((*above, name))
    return merged


def place_of(places: Mapping[Key, Place], key: Key) -> Place:
    """Where a key was written, or else the nearest table around it."""
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    return Place()


def walk(value: object, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value inside a value, tables and lists included, with its key."""
    if key:
        yield key, value
    if isinstance(value, dict):
        for name, item in cast("Table", value).items():
            yield from walk(item, (*key, name))
    elif isinstance(value, list):
        for position, item in enumerate(cast("list[Any]", value)):
            yield from walk(item, (*key, position))


def variable_layer(base: Layer, variable: str, text: str) -> Layer:
    """What one `ROADWORTHY__…` variable says: its value is read as TOML where it is TOML, else as text."""
    key: Key = ()
    at: Any = base.values
    for part in variable.removeprefix(VARIABLE_PREFIX).split("__"):
        name = _known_name(part, at)
        key = (*key, name)
        at = cast("Table", at).get(name) if isinstance(at, dict) else None
    written = f"${{{variable}}}"
    raw = FromEnvironment(text, written)
    value = parse_value(text, written)
    layer = single(key, raw if value is None else value, Place(source=f"environment variable {variable}"))
    if value is not None and not isinstance(value, dict | list):
        layer.readings[key] = raw
    return layer


def _known_name(part: str, table: object) -> str:
    """Variables are upper case and have no dots or hyphens: take the key that fits, if there is one."""
    names = list(cast("Table", table)) if isinstance(table, dict) else []
    if part in names:
        return part
    fitting = [name for name in names if re.sub(r"\W", "_", name).lower() == part.lower()]
    return fitting[0] if len(fitting) == 1 else part.lower()


def parse_value(text: str, written: str) -> Any:
    """The text as a TOML value, every text in it marked as from the environment; `None` if it is no TOML."""
    try:
        document = tomllib.loads(f"value = {text}")
        find_lines(f"value = {text}")  # for its limit on depth
    except (ValueError, RecursionError):  # ValueError: also a number of more than 4,300 digits
        return None
    return _marked(document["value"], written) if len(document) == 1 else None


def _marked(value: object, written: str) -> Any:
    if isinstance(value, str):
        return FromEnvironment(value, written)
    if isinstance(value, dict):
        return {name: _marked(item, written) for name, item in cast("Table", value).items()}
    if isinstance(value, list):
        return [_marked(item, written) for item in cast("list[Any]", value)]
    return value


def override_layer(overrides: Mapping[str, Any]) -> Layer:
    """Nested tables, or dotted keys on the first level: `{"database.url": …}`. `None` leaves it as it is."""
    layer = Layer()
    for dotted, value in overrides.items():
        if value is not None:
            names = tuple(dotted.split("."))
            layer = overlay(layer, single(names, _plain(value), Place(source="override")))
    return layer


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(name): _plain(item) for name, item in items if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def single(key: Key, value: object, place: Place) -> Layer:
    """A layer that says one thing."""
    nested: Any = value
    for name in reversed(key):
        nested = {name: nested}
    return Layer(nested, {inner: place for inner, _ in walk(nested)})
