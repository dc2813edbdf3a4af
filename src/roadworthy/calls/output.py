"""The declared type of an answer: its JSON schema for the model, and the way from text to a checked value.

Providers take schemas of objects only, so any other type travels as `{"value": …}`. An answer is read twice:
once for being JSON that can be understood in one way only (no duplicate keys, no NaN), once by Pydantic for
being of the declared type. Whatever is wrong becomes `InvalidAnswer`, in words that the model can be shown.
"""

import json
import math
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from roadworthy.errors import ConfigurationError, InvalidAnswer
from roadworthy.models import Response
from roadworthy.records import Json

T = TypeVar("T")

_FENCE = "```"
_MOST_FAULTS = 8
_LONGEST_FAULT = 300
"""Characters: a fault may quote a key or a value of the answer, and the model may have written anything."""
_LONGEST_NAME = 60


class Output(Generic[T]):
    """What a call is to return: `str` for plain text, else anything that Pydantic can check."""

    def __init__(self, declared: type[T]) -> None:
        self.declared = declared
        self.is_text = declared is str

    @cached_property
    def name(self) -> str:
        """What the schema is called on the wire."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", getattr(self.declared, "__name__", "answer"))
        return plain[:_LONGEST_NAME]

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """The declared type, for Pydantic."""
        with _explained(self.declared):
            return TypeAdapter(self.declared)

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The schema that the model is given: always an object, since providers take no other. None for text.

        Raises:
            ConfigurationError: The type has no JSON schema.
        """
        if self.is_text:
            return None
        return self._object_schema or _schema(self._wrapper)

    def read(self, response: Response) -> T:
        """The checked value in a response. Raises what `parse` does, also when the answer was cut."""
        if response.finish_reason == "length":
            raise InvalidAnswer(
                "The answer was cut off at max_tokens.",
                hint="Raise max_tokens in the prompt's settings.",
                details={"faults": ["the answer was cut off because it was too long: answer more briefly"]},
            )
        return self.parse(response.text)

    def parse(self, text: str) -> T:
        """The checked value. Raises `InvalidAnswer` whose `details["faults"]` can be shown to the model."""
        if self.is_text:
            return cast("T", self._checked_text(text))
        body = self.require_json(text)
        try:
            if self._object_schema is not None:
                return self.adapter.validate_json(body)
            return cast("T", self._wrapper.validate_json(body).value)
        except ValidationError as error:
            raise self._invalid(_faults(error)) from error
        except Exception as error:  # a validator of the user's own may stumble over a hostile value
            fault = f"the answer's check could not be made ({type(error).__name__})"
            raise self._invalid([fault]) from error

    def require_json(self, text: str) -> str:
        """The JSON that the text is. Raises `InvalidAnswer` when it is none, or can be read in two ways."""
        body = _without_fence(text)
        try:
            _STRICT_JSON.decode(body)
        except _Ambiguous as error:
            raise self._invalid([str(error)]) from None
        except (ValueError, RecursionError):
            raise self._invalid(["the answer is not JSON"]) from None
        return body

    def dump(self, value: T) -> Json:
        """The value as JSON, for storage."""
        return cast("Json", self.adapter.dump_python(value, mode="json"))

    def as_said(self, value: T) -> Json:
        """The value as a model would have said it: what `parse` takes, and what the schema describes."""
        plain = self.dump(value)
        return plain if self.is_text or self._object_schema is not None else {"value": plain}

    def load(self, stored: Json) -> T:
        """The value that `dump` gave."""
        return self.adapter.validate_python(stored)

    @cached_property
    def _object_schema(self) -> dict[str, Any] | None:
        """The declared type's own schema; None when it is not that of an object."""
        schema = _schema(self.adapter)
        reference = schema.get("$ref")
        if isinstance(reference, str):  # a model that contains itself
            root: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
            schema = {**root, "$defs": schema["$defs"]}
        return schema if schema.get("type") == "object" else None

    @cached_property
    def _wrapper(self) -> TypeAdapter[Any]:
        """An object around a type that is none."""
        closed = ConfigDict(json_schema_extra={"additionalProperties": False}, arbitrary_types_allowed=True)
        with _explained(self.declared):
            fields: dict[str, Any] = {"value": (self.declared, ...)}
            return TypeAdapter(create_model("Answer", __config__=closed, **fields))

    def _checked_text(self, text: str) -> str:
        if not text.strip():
            raise self._invalid(["the answer is empty"])
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._invalid(["the answer has characters that are not Unicode"]) from None
        return text

    def _invalid(self, faults: list[str]) -> InvalidAnswer:
        shown = [fault[:_LONGEST_FAULT] for fault in faults[:_MOST_FAULTS]]
        message = f"The answer does not fit {self.name!r}: {'; '.join(shown)}."
        return InvalidAnswer(message, details={"faults": shown})


class _Ambiguous(ValueError):
    """JSON that readers understand in different ways."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            message = f"the key {key[:_LONGEST_NAME]!r} appears twice in one object"
            raise _Ambiguous(message)
        seen.add(key)


def _no_constant(name: str) -> None:
    message = f"{name} is no number in JSON"
    raise _Ambiguous(message)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        message = "a number is too large"
        raise _Ambiguous(message)
    return number


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)


def _without_fence(text: str) -> str:
    """The text inside a Markdown code block, where the whole answer is one."""
    body = text.strip()
    if body.startswith(_FENCE) and body.endswith(_FENCE):
        first, newline, rest = body.partition("\n")
        if newline and first.removeprefix(_FENCE).strip().lower() in ("", "json"):
            return rest.removesuffix(_FENCE)
    return body


def _faults(error: ValidationError) -> list[str]:
    found: list[str] = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part)[:_LONGEST_NAME] for part in fault["loc"])
        found.append(f"{place or 'answer'}: {fault['msg']}")
        if len(found) == _MOST_FAULTS:
            break
    return found


def _schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    with _explained(adapter.core_schema.get("cls", "of this prompt")):
        return adapter.json_schema()


@contextmanager
def _explained(declared: object) -> Generator[None]:
    """Say of a type that Pydantic cannot work with what to do about it."""
    try:
        yield
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigurationError(
            f"The answer type {declared!r} has no JSON schema.",
            hint="Use a Pydantic model, a dataclass or plain types.",
        ) from error
