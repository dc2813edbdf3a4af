"""One version of a prompt: what its file says, ready to be rendered, compared and stored.

A version is a file `prompts/<id>/<label>.md`. The label is what people call it; the content hash, over the
text with its newlines, byte order mark and end made uniform, is what it truly is. Two files with the same
hash are the same prompt. `parse.py` makes versions from text, `render.py` makes messages from versions and
inputs.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
InputType: TypeAlias = Literal["str", "int", "float", "bool", "date", "list", "object", "any"]

SCALARS: Final = frozenset[InputType]({"int", "float", "bool", "date"})
"""Types whose values are too narrow to carry an instruction, so that they need no fence."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input, as the front matter declares it."""

    name: str
    type: InputType = "str"
    description: str = ""
    trusted: bool = False
    """True only for text that the project's own code wrote; everything else is fenced."""
    optional: bool = False
    """A caller may leave it out; `default` stands in."""
    default: Any = None
    max_chars: int | None = None
    """Longer text, or longer JSON of a list or object, is refused."""

    @property
    def carries_text(self) -> bool:
        """Whether text from outside can come in through this input."""
        return not self.trusted and self.type not in SCALARS


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How the model is to be called; None leaves it to the route or the provider."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One message of the prompt, before its inputs are known."""

    role: Role
    source: str
    """The template's source."""
    line: int
    """Where `source` starts in the file, counted from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A prompt's text under one label. Equal when id, label and content are equal."""

    prompt_id: str
    label: str
    content_hash: str
    """SHA-256 of `text`, in hexadecimal."""
    text: str
    """The file's text after `normalise`."""
    sections: tuple[Section, ...]
    inputs: Mapping[str, InputSpec]
    settings: CallSettings
    description: str = ""
    file: str = ""
    """The file as the user would name it; empty when it came from elsewhere."""

    @property
    def name(self) -> str:
        """How people write it, for example `draft-reply@v2`."""
        return f"{self.prompt_id}@{self.label}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.content_hash == other.content_hash and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.content_hash, self.label))


def normalise(text: str) -> str:
    """The text without what editors and git change on their own: byte order mark, newlines, blank end."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip()
    return f"{text}\n" if text else ""


def content_hash(text: str) -> str:
    """The true version of a prompt's text."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()


_DIGITS = re.compile(r"([0-9]+)")


def natural_key(label: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts v2 before v10, and 1.9 before 1.10."""
    parts = _DIGITS.split(label)
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part)
