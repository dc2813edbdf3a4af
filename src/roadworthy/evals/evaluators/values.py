"""Values in outputs, which may be anything: where they stand, whether two are the same, how they are shown.

Outputs are hostile until shown otherwise: half characters, ten megabytes, a thousand levels. Nothing here
raises for what a value is, and what people read of one is short and printable.
"""

import json
from collections.abc import Iterator
from reprlib import Repr
from typing import Any, Final, cast

MISSING: Final = object()
"""There is nothing at that place."""

_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = 90
_SHOWN.maxlist = _SHOWN.maxdict = 6
_SHOWN.maxlevel = 4
_SHOWN.maxlong = 40
_MOST_SHOWN = 200
_MOST_SAID = 500


def found(value: Any, path: str) -> Any:
    """What stands at a dotted path in JSON; `MISSING` when nothing does. An empty path is all of it."""
    for part in path.split(".") if path else ():
        if isinstance(value, dict) and part in value:
            value = cast("dict[str, Any]", value)[part]
        elif isinstance(value, list) and part.removeprefix("-").isdecimal():
            items, place = cast("list[Any]", value), int(part)
            value = items[place] if -len(items) <= place < len(items) else MISSING
        else:
            return MISSING
    return value


def same(value: Any, other: Any, *, partial: bool = False) -> bool:
    """Whether two values are the same JSON: 1 is 1.0, and not true.

    With `partial`, an object may have more keys than `other` has.
    """
    if type(value) is str:
        return value == other
    left = [(value, other)]
    while left:
        one, two = left.pop()
        if isinstance(one, dict) and isinstance(two, dict):
            its, wanted = cast("dict[str, Any]", one), cast("dict[str, Any]", two)
            if not (wanted.keys() <= its.keys() if partial else wanted.keys() == its.keys()):
                return False
            left.extend((its[key], wanted[key]) for key in wanted)
        elif isinstance(one, list) and isinstance(two, list):
            items, others = cast("list[Any]", one), cast("list[Any]", two)
            if len(items) != len(others):
                return False
            left.extend(zip(items, others, strict=True))
        elif not _same_plain(one, two):
            return False
    return True


def _same_plain(one: Any, other: Any) -> bool:
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def shown(value: Any) -> str:
    """A value for people, on one line, 200 characters at most."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, str):
        value = value[:_MOST_SHOWN]  # what is longer is not copied to be cut
    try:
        text = _SHOWN.repr(cast("object", value))
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def text_of(value: Any) -> str | None:
    """A value as text: a text as it is, anything else as JSON; None for nothing."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return None
    try:
        return json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        return None


def whole(text: str) -> str:
    """The text with half characters replaced, for what takes only Unicode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def readable(text: str) -> str:
    """What somebody else's code says, as far as it can be stored and read; 500 characters at most."""
    return whole(text[:_MOST_SAID]).replace("\0", "")


def texts_of(value: Any) -> list[str]:
    """A text, or those of a list; other things as JSON, nothing where there is nothing."""
    given = items_of(value)
    return [one for one in map(text_of, [value] if given is None else given) if one is not None]


def items_of(value: Any) -> list[Any] | None:
    """The items of a list; None for what is no list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def keys_of(items: list[Any], path: str, *, ignore_case: bool = False) -> Iterator[str | None]:
    """What stands for each item where items are compared: its text, or what stands at `path` in it, as JSON.

    None for an item that has nothing there.
    """
    for item in items:
        value = found(item, path)
        if isinstance(value, str):
            yield value.casefold() if ignore_case else value
        elif value is MISSING:
            yield None
        else:
            yield _key(value)


def _key(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return f"\0{json.dumps(value, sort_keys=True)}"  # no text is taken for a number
    except (RecursionError, ValueError):
        return f"\0{type(value).__name__}"
