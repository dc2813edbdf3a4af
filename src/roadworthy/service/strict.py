"""Routes that take strict JSON: UTF-8, no NaN, no half characters, no depth that exhausts a parser."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import StringConstraints
from starlette.exceptions import HTTPException

DEEPEST = 64
"""So many objects and lists may stand in one another."""

Line = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""One line of text, as every database takes it."""


class StrictRequest(Request):
    """A request whose JSON is checked before anybody uses it."""

    async def json(self) -> Any:
        """The body's value. Raises `HTTPException`, 400."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that takes a `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, given a stricter request."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def parse(body: bytes) -> Any:
    """The value of a JSON document. Raises `HTTPException`, 400."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    _check(value)
    return value


def _refuse(name: str) -> Any:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _check(value: Any) -> None:
    """Refuse what is nested too deeply, and halves of characters, which no database stores."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                items = cast("dict[str, Any]", one)
                below.extend(items)
                below.extend(items.values())
            elif isinstance(one, list):
                below.extend(cast("list[Any]", one))
            elif isinstance(one, str):
                try:
                    one.encode()
                except UnicodeEncodeError:
                    raise HTTPException(400) from None
        if not below:
            return
        level = below
    raise HTTPException(400)
