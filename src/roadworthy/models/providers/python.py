"""A function of the user's as a model: the simpler, deterministic method to fall back to.

The function gets the `Request`, with the prompt's inputs in `request.inputs`, and returns the answer:
text, or anything that becomes JSON (a dict, a Pydantic object, a dataclass). A sync function runs in a
thread. What it raises becomes a `ProviderError`; the exception's text is kept for the record only.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from roadworthy.errors import ErrorKind, ProviderError, did_you_mean
from roadworthy.models.provider import Blueprint, Request, Response, cannot, not_configured, timed_out
from roadworthy.records import Json, Usage

_LONGEST_MESSAGE = 4_000


def make(blueprint: Blueprint) -> "PythonProvider":
    """The provider for `models.<name>.function`."""
    return PythonProvider(blueprint.name, _load(blueprint))


class PythonProvider:
    """Answers with a function of this process. Costs nothing and counts no tokens."""

    def __init__(self, name: str, function: Callable[[Request], Any]) -> None:
        self._name = name
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)
        self._label = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', name)}"

    async def request(self, request: Request) -> Response:
        """Call the function, in a thread unless it is async."""
        if request.vectors:
            raise cannot(self._name, "a function makes no vectors")
        deadline = asyncio.timeout(request.timeout_seconds)
        try:
            async with deadline:
                value = await self._call(request)
        except ProviderError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's code, which may end as a script does
            if deadline.expired():
                raise timed_out(self._name, request.timeout_seconds, sent=_sent(request)) from None
            raise ProviderError(
                f"Function {self._label!r} of model {self._name!r} raised {type(error).__name__}.",
                kind=ErrorKind.SERVER,
                hint="The record of the attempt has its message.",
                provider_text=f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE],
            ) from None
        text = self._text(value)
        return Response(
            text=text,
            usage=Usage(),
            model=self._label,
            finish_reason="stop",
            provider_request_id=None,
            sent=_sent(request),
            received=text,
        )

    async def _call(self, request: Request) -> Any:
        if self._is_async:
            return await self._function(request)
        value = await asyncio.to_thread(self._function, request)
        return await value if inspect.isawaitable(value) else value

    async def close(self) -> None:
        """Nothing is held."""

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        try:
            return to_json(value).decode()
        except (PydanticSerializationError, ValueError) as error:
            raise ProviderError(
                f"Function {self._label!r} of model {self._name!r} returned {type(value).__name__}.",
                kind=ErrorKind.MALFORMED,
                hint="Return text, or a value that JSON can say.",
                provider_text=str(error)[:_LONGEST_MESSAGE],
            ) from None


def _sent(request: Request) -> Json:
    return {
        "messages": [{"role": message.role, "content": message.text} for message in request.messages],
        "inputs": to_jsonable_python(dict(request.inputs or {}), fallback=repr),
    }


def _load(blueprint: Blueprint) -> Callable[[Request], Any]:
    path = blueprint.settings.function
    if not path:
        raise not_configured(
            blueprint.name,
            "has no `function`",
            f'Set `function = "module:function"` in models.{blueprint.name}.',
        )
    if path in blueprint.functions:
        return blueprint.functions[path]
    module_name, _, function_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise not_configured(
            blueprint.name,
            f"names the function {path!r}, whose module cannot be imported ({type(error).__name__})",
            f"Check models.{blueprint.name}.function, and import {module_name!r} by itself to see why.",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise not_configured(
            blueprint.name,
            f"names the function {path!r}, which does not exist",
            did_you_mean(function_name, known) or f"Define {function_name!r} in {module_name!r}.",
        )
    return function
