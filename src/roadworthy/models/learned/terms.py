"""What a text is to the router: its words and pairs of neighbouring words. Training and inference share it.

A change here makes every trained file wrong, so it needs a new version of the file's format.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, cast

_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Kana and Han: written without spaces, so each character is taken as a word."""
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_NUMBER = re.compile(r"\d+")
_MOST_CHARACTERS = 20_000
_MOST_DEPTH = 32


def words(text: str) -> list[str]:
    """The words in order, in small letters; a number is `0`, so that none is learned by heart.

    What stands after the first 20,000 characters is not looked at.
    """
    plain = unicodedata.normalize("NFC", text[:_MOST_CHARACTERS]).lower()
    return _WORD.findall(_NUMBER.sub("0", plain))


def terms(text: str) -> list[str]:
    """The words, and after them the pairs of neighbouring words."""
    single = words(text)
    return single + [f"{one} {two}" for one, two in pairwise(single)]


def text_of(inputs: Mapping[str, Any]) -> str:
    """The text of a prompt's inputs: every text and number in them, by the names' order, a line each."""
    found: list[str] = []
    _collect(inputs, found, 0)
    return "\n".join(found)


def _collect(value: Any, found: list[str], depth: int) -> None:
    value = _plain(value)
    if value is None or depth > _MOST_DEPTH:
        return
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        for name in sorted(items, key=str):
            _collect(items[name], found, depth + 1)
    elif isinstance(value, list | tuple):
        for one in cast("list[Any]", value):
            _collect(one, found, depth + 1)
    else:
        found.append(str(value))


def _plain(value: Any) -> Any:
    """The value as eval results in JSON have it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(map(str, cast("set[Any]", value)))
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json")
