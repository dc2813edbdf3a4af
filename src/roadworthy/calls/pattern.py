"""A text that matches a regular expression, for the expressions that schemas use.

Reads the expression from left to right: literals, classes, escapes, groups, the first branch of an
alternation, the least number of repetitions. Look-arounds are skipped. What cannot be met this way is an
error that names the pattern, never a text that does not match.
"""

import re
from dataclasses import dataclass

from roadworthy.errors import InvalidInput

_ESCAPES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
_COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_COMMON = ("0", "a", "A", "1.0", "2026-01-31", "09:30", "abc", "ABC-1", "aaaaaaaaaaaa")


def matching(pattern: str) -> str:
    """A short text that `pattern` matches."""
    made = _Reader(pattern).alternation() if pattern else ""
    for text in (made, *_COMMON):
        if re.search(pattern, text):
            return text
    message = f"The simulated model cannot make a text that matches the pattern {pattern!r}."
    raise InvalidInput(message, hint="Script the answer for this request, or loosen the pattern.")


@dataclass(slots=True)
class _Reader:
    pattern: str
    at: int = 0

    def alternation(self) -> str:
        """The first branch; the others are read and dropped."""
        first = self._sequence()
        while self._peek() == "|":
            self.at += 1
            self._sequence()
        return first

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self) -> str:
        char = self._peek()
        self.at += 1
        return char

    def _sequence(self) -> str:
        out: list[str] = []
        while self._peek() and self._peek() not in "|)":
            piece = self._piece()
            out.append(piece * self._times())
        return "".join(out)

    def _piece(self) -> str:
        char = self._take()
        if char in "^$":
            return ""
        if char == ".":
            return "a"
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if char == "\\":
            escaped = self._take()
            return "" if escaped in "bBAZz" else _ESCAPES.get(escaped, escaped)
        return char

    def _group(self) -> str:
        skipped = False
        if self.pattern.startswith(("?=", "?!", "?<=", "?<!"), self.at):
            skipped = True
        if self._peek() == "?":
            named = re.compile(r"\?(?:P?<\w+>|<?[=!]|:)").match(self.pattern, self.at)
            self.at = named.end() if named else self.at + 1
        inside = self.alternation()
        self.at += 1
        return "" if skipped else inside

    def _class(self) -> str:
        negated = self._peek() == "^"
        if negated:
            self.at += 1
        members: list[str] = []
        while self._peek() and (self._peek() != "]" or not members):
            char = self._take()
            members.append(_ESCAPES.get(escaped := self._take(), escaped) if char == "\\" else char)
        self.at += 1
        if not negated:
            return members[0]
        return next(char for char in "a0-_ ~" if char not in members)

    def _times(self) -> int:
        char = self._peek()
        counted = _COUNT.match(self.pattern, self.at)
        if char and char in "*?":
            self.at += 1
            least = 0
        elif char == "+":
            self.at += 1
            least = 1
        elif counted is not None:
            self.at = counted.end()
            least = int(counted[1] or 0)
        else:
            return 1
        if self._peek() and self._peek() in "?+":
            self.at += 1
        return least
