"""Where in a TOML text each key stands, which `tomllib` does not tell.

`tomllib` has accepted the text before, so this reader may trust it: it walks over keys, strings and
brackets, writes down the line of each, and does not interpret values. That is less than a dependency on
`tomlkit`, which builds a whole editable document; the tests hold this reader against `tomllib` on generated
documents.
"""

import re
import tomllib
from typing import TypeAlias

Key: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and positions in lists."""

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[^\s.=\]]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\]+|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)


MAX_DEPTH = 32
"""Tables and lists inside each other: far more than settings need, far less than recursion allows."""


class TooDeepError(ValueError):
    """Tables or lists are nested more deeply than `MAX_DEPTH`."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested too deeply on line {line}")
        self.line = line


def find_lines(text: str) -> dict[Key, int]:
    """The line, counted from 1, of every table, key and list item of a valid TOML text.

    A table that several headers or dotted keys mention stands where its own header is, else where it is
    mentioned first. Raises `TooDeepError`.
    """
    finder = _Finder(text.replace("\r\n", "\n"))
    finder.document()
    return finder.lines


class _Finder:
    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._text = text
        self._at = 0
        self._counted = (0, 1)
        self._lengths: dict[Key, int] = {}
        """For each array of tables, how many of its `[[headers]]` were read."""

    def document(self) -> None:
        table: Key = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)

    def _header(self) -> Key:
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        names = self._names()
        self._at += brackets
        key: Key = ()
        for name in names[:-1]:
            key = (*key, name)
            self._note(key, line)
            if key in self._lengths:
                key = (*key, self._lengths[key] - 1)
        key = (*key, names[-1])
        if brackets == 1:
            self.lines[key] = line
            return key
        self._note(key, line)
        position = self._lengths.get(key, 0)
        self._lengths[key] = position + 1
        key = (*key, position)
        self.lines[key] = line
        return key

    def _pair(self, table: Key) -> None:
        line = self._line()
        key = table
        for name in self._names():
            key = (*key, name)
            self._note(key, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(key)

    def _note(self, key: Key, line: int) -> None:
        if len(key) > MAX_DEPTH:
            raise TooDeepError(line)
        self.lines.setdefault(key, line)

    def _value(self, key: Key) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._take(_STRING)
        elif first == "[":
            self._array(key)
        elif first == "{":
            self._inline_table(key)
        else:
            self._take(_SCALAR)

    def _array(self, key: Key) -> None:
        position = 0
        while self._another("]"):
            item = (*key, position)
            self._note(item, self._line())
            self._value(item)
            position += 1

    def _inline_table(self, key: Key) -> None:
        while self._another("}"):
            self._pair(key)

    def _another(self, end: str) -> bool:
        """Step over an opening bracket or a comma; whether an item follows, and not the end."""
        self._skip(_GAP)
        if self._text[self._at] in "[{,":
            self._at += 1
            self._skip(_GAP)
        if self._text[self._at] == end:
            self._at += 1
            return False
        return True

    def _names(self) -> list[str]:
        """A key, in its parts: `a."b.c".d` has three."""
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            if self._text[self._at] in "\"'":
                names.append(tomllib.loads(f"name = {self._take(_STRING)}")["name"])
            else:
                names.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _line(self) -> int:
        start, line = self._counted
        line += self._text.count("\n", start, self._at)
        self._counted = (self._at, line)
        return line

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:  # pragma: no cover  # only for a text that tomllib would have refused
            raise ValueError(self._text[self._at : self._at + 20])
        self._at = found.end()
        return found.group()
