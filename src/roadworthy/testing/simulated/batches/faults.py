"""What can happen to a batch as a whole, or to the file of its results.

What happens to one request of a batch is told as for a live one, by script and rules: an error becomes its
line in the results. What happens to a call of the API (a submission that is lost, a poll that fails) is told
by `Batches.on`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from typing_extensions import override

T = TypeVar("T")


class BatchFault:
    """Base of what happens to a batch."""

    __slots__ = ()

    def order(self, lines: Sequence[T]) -> list[T]:
        """The lines of a file of results, or the entries of a list of them, as this batch has them."""
        return list(lines)

    def cut(self, content: bytes) -> bytes:
        """A file of results as it is read for the first time."""
        return content


@dataclass(frozen=True, slots=True)
class BatchFails(BatchFault):
    """The batch is rejected after it was taken; nothing is run or billed.

    Anthropic knows no such end: there each request has this error.
    """

    code: str = "invalid_json_line"
    message: str = "This line is not parseable as valid JSON."
    line: int | None = None
    """The line at fault, from 1; None for the whole."""


@dataclass(frozen=True, slots=True)
class BatchExpires(BatchFault):
    """The batch ends before all is run."""

    ran: int = 0
    """So many requests were run, from the first on."""


@dataclass(frozen=True, slots=True)
class MissingLines(BatchFault):
    """The results leave out lines of requests that were run and billed."""

    lines: tuple[int, ...] = (1,)
    """By their place in the file, from 1."""

    @override
    def order(self, lines: Sequence[T]) -> list[T]:
        return [line for number, line in enumerate(lines, 1) if number not in self.lines]


@dataclass(frozen=True, slots=True)
class ShuffledLines(BatchFault):
    """The results come in another order than the requests."""

    seed: int = 0

    @override
    def order(self, lines: Sequence[T]) -> list[T]:
        return random.Random(self.seed).sample(lines, len(lines))  # noqa: S311 - repeatable on purpose


@dataclass(frozen=True, slots=True)
class CutResults(BatchFault):
    """The file of results ends in the middle of its last line, in good order, each time that it is read.

    Google has no such file.
    """

    @override
    def cut(self, content: bytes) -> bytes:
        last = content.rstrip(b"\n").rfind(b"\n") + 1
        return content[: last + (len(content) - last) // 2]
