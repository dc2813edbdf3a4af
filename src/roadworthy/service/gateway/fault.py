"""What goes wrong, in OpenAI's shape: `{"error": {"message", "type", "code", "param"}}`.

The one place where an error becomes a status for the gateway's clients. The words are ours, never a
provider's. What only the operator can change is logged, and the client is told no more than that.
"""

import json
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from roadworthy.errors import (
    BudgetSpent,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    ErrorKind,
    InvalidAnswer,
    InvalidInput,
    NotFound,
    NotPermitted,
    ProviderError,
    RoadworthyError,
    Throttled,
    TryLater,
)

_log = logging.getLogger("roadworthy.gateway")

_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 86_400
_LONGEST_MESSAGE = 2_000
_OF_KIND = {
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error", "unsupported_by_models"),
    ErrorKind.CONTEXT_WINDOW: (400, "invalid_request_error", "context_length_exceeded"),
    ErrorKind.REFUSED: (400, "invalid_request_error", "content_filter"),
    ErrorKind.NOT_ALLOWED: (403, "permission_error", "not_permitted"),
    ErrorKind.OVER_BUDGET: (429, "insufficient_quota", "budget_spent"),
    ErrorKind.TIMEOUT: (504, "server_error", "timeout"),
}
_BY_CODE = {
    "unauthenticated": (401, "authentication_error", "invalid_api_key"),
    "forbidden": (403, "permission_error", "forbidden"),
}


@dataclass(eq=False)
class Fault(Exception):
    """A refusal or failure, ready for the client."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after_seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def body(self) -> dict[str, Any]:
        """The error as OpenAI's clients read it."""
        told = self.message[:_LONGEST_MESSAGE]
        return {"error": {"message": told, "type": self.type, "code": self.code, "param": self.param}}

    def response(self) -> Response:
        """The whole response."""
        headers = dict(self.headers)
        if self.retry_after_seconds is not None:
            seconds = min(max(1, math.ceil(self.retry_after_seconds)), _LONGEST_RETRY_SECONDS)
            headers["retry-after"] = str(seconds)
        body = json.dumps(self.body, ensure_ascii=True).encode()
        return Response(body, self.status, headers, media_type="application/json")


def refuse(message: str, param: str | None = None, code: str | None = None) -> Fault:
    """That something was asked for in a way that is not understood or cannot be done."""
    return Fault(400, message, param=param, code=code)


def fault_of(error: BaseException, now_ms: int) -> Fault:
    """Whatever was raised, for the client."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, HTTPException):
        return Fault(error.status_code, str(error.detail), headers=dict(error.headers or {}))
    if not isinstance(error, RoadworthyError):
        _log.error("a request to the gateway failed", exc_info=error)
        return Fault(500, "Something went wrong here.", "server_error", "internal_error")
    if error.code in _BY_CODE:
        status, kind, code = _BY_CODE[error.code]
        return Fault(status, str(error), kind, code)
    return _of_limit(error, now_ms) or _of_model(error) or _of_request(error)


def _of_limit(error: RoadworthyError, now_ms: int) -> Fault | None:
    if isinstance(error, Throttled):
        retry = error.retry_after_seconds
        return Fault(429, str(error), "rate_limit_error", "rate_limit_exceeded", retry_after_seconds=retry)
    if isinstance(error, BudgetSpent):
        until = error.resets_at_ms
        retry = (until - now_ms) / 1000 if until is not None else _LONGEST_RETRY_SECONDS
        return Fault(429, error.message, "insufficient_quota", "budget_spent", retry_after_seconds=retry)
    if isinstance(error, NotPermitted):
        return Fault(403, error.message, "permission_error", "not_permitted")
    return None


def _of_model(error: RoadworthyError) -> Fault | None:
    if isinstance(error, ProviderError):
        status, kind, code = _OF_KIND.get(error.kind, (503, "server_error", "no_model_answered"))
        retry = (error.retry_after_seconds or _RETRY_SECONDS) if status in (429, 503) else None
        told = str(error) if code == "unsupported_by_models" else error.message
        return Fault(status, told, kind, code, retry_after_seconds=retry)
    if isinstance(error, InvalidAnswer):
        return Fault(502, error.message, "server_error", "invalid_answer")
    if isinstance(error, TryLater):
        retry = error.retry_after_seconds or _RETRY_SECONDS
        return Fault(503, error.message, "server_error", "try_later", retry_after_seconds=retry)
    return None


def _of_request(error: RoadworthyError) -> Fault:
    if isinstance(error, InvalidInput):
        return refuse(str(error), code=error.code)
    if isinstance(error, NotFound):
        return Fault(404, str(error), code="model_not_found", param="model")
    if isinstance(error, ConflictError):
        return Fault(409, str(error), "conflict_error", error.code)
    _log.error("a request to the gateway failed", exc_info=error)
    if isinstance(error, DatabaseError):
        told = "The gateway cannot reach its database."
        return Fault(503, told, "server_error", "unavailable", retry_after_seconds=_RETRY_SECONDS)
    if isinstance(error, ConfigurationError):
        return Fault(500, "The gateway is not set up for this route.", "server_error", error.code)
    return Fault(500, "Something went wrong here.", "server_error", "internal_error")


def route_class(now_ms: Callable[[], int], failed: Callable[[Request, Fault], None]) -> type[APIRoute]:
    """Routes whose errors, also those of what they depend on, have OpenAI's shape; `failed` hears of them."""

    class GatewayRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handled(request: Request) -> Response:
                try:
                    return await handle(request)
                except Exception as error:  # noqa: BLE001 - becomes a response, and is logged where it is ours
                    fault = fault_of(error, now_ms())
                    failed(request, fault)
                    return fault.response()

            return handled

    return GatewayRoute
