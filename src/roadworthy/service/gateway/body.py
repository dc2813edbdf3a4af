"""Reading a body: its bytes within bounds, its JSON, and what of it is understood.

What is known to OpenAI's API and cannot be done here is refused in words of its own; what nobody knows is
refused with the nearest name. Nothing is left out silently.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from roadworthy.errors import did_you_mean
from roadworthy.service.gateway.fault import Fault, refuse

Body = TypeVar("Body", bound=BaseModel)

_MOST_FAULTS = 3
_DRAIN_SECONDS = 3.0


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body, counted while it is read. Raises `Fault`."""
    declared = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = int(declared) if declared.isdecimal() and int(declared) > most_bytes else 0
    stream = request.stream()
    while size <= most_bytes:
        part = await anext(stream, None)
        if part is None:
            return b"".join(parts)
        size += len(part)
        parts.append(part)
    parts.clear()
    with suppress(TimeoutError):  # a reset would reach the client before the answer does
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in stream:
                pass
    raise _too_large(most_bytes)


def read(raw: bytes, form: type[Body], refused: Mapping[str, tuple[Any, str]]) -> Body:
    """The body as its form.

    Args:
        raw: JSON.
        form: What is understood.
        refused: What is known and cannot be done: the values that change nothing, and why others cannot.

    Raises:
        Fault: It is no JSON, or asks for something else.
    """
    try:
        given: Any = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise refuse("The body is not valid JSON in UTF-8.", code="invalid_json") from None
    if not isinstance(given, dict):
        raise refuse("The body has to be a JSON object.", code="invalid_json")
    wanted = cast("dict[str, Any]", given)
    for name in [name for name in wanted if name not in form.model_fields]:
        value = wanted.pop(name)
        if name not in refused:
            hint = did_you_mean(name, form.model_fields)
            raise refuse(
                f"Unknown parameter: {name[:100]!r}. {hint}".rstrip(), name[:100], "unknown_parameter"
            )
        neutral, why = refused[name]
        if value is not None and value not in neutral:
            raise refuse(f"The parameter {name!r} cannot be honoured: {why}", name, "unsupported_parameter")
    try:
        return form.model_validate(wanted)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> Fault:
    told: list[str] = []
    first: str | None = None
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_FAULTS]:
        place = ".".join(str(part) for part in one["loc"])[:100]
        first = first or place or None
        told.append(f"{place}: {one['msg']}" if place else one["msg"])
    return refuse(f"The request does not fit: {'; '.join(told)}.", first, "invalid_value")


def _too_large(most_bytes: int) -> Fault:
    told = f"The body is larger than {most_bytes:,} bytes."
    return Fault(413, told, code="request_too_large", headers={"connection": "close"})
