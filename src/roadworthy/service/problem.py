"""Errors as RFC 9457 problem details: the one place where a class of `errors.py` becomes an HTTP status.

A problem says what the caller can act on. What only the operator can act on (settings, the database, a bug)
is logged under the request's id, and the caller is told that id and nothing more.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from roadworthy import errors
from roadworthy.db.payloads import canonical
from roadworthy.errors import RoadworthyError
from roadworthy.service.exchange import Exchange, exchange_of

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5
_MOST_FAULTS = 20
_LONGEST_FAULT = 200
_log = logging.getLogger("roadworthy.service")


class Problem(BaseModel):
    """What went wrong, after RFC 9457; `type` is always `about:blank`, and `code` tells kinds apart."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no run 'run_019a2b3c'.",
                    "code": "not_found",
                    "request_id": "req_019a2b3c4d5e7f60",
                }
            ]
        },
    )

    type: str = "about:blank"
    """Always `about:blank`."""
    title: str
    """The HTTP status in words."""
    status: int = Field(ge=400, le=599)
    """The HTTP status."""
    detail: str
    """What went wrong, for a person."""
    code: str
    """The kind of error, for a program; stable."""
    hint: str = ""
    """What to do next."""
    details: dict[str, Any] = {}
    """More, by the kind of error; `faults` lists what is wrong with an input."""
    request_id: str = ""
    """What the operator finds in the log."""


STATUS: Mapping[type[RoadworthyError], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.UserError: 400,
    errors.SchemaError: 503,
    errors.RenderError: 500,
    errors.ConfigurationError: 500,
    errors.ProviderError: 502,
    errors.TransportError: 502,
    errors.InvalidAnswer: 502,
    errors.StepFailed: 502,
    errors.NeedsPerson: 409,
    errors.TryLater: 503,
    errors.StepTimeout: 504,
    errors.RunTimeout: 504,
    errors.NotPermitted: 403,
    errors.BudgetSpent: 429,
    errors.Throttled: 429,
    errors.LimitError: 429,
    errors.Unauthenticated: 401,
    errors.TooManySignIns: 429,
    errors.AccessError: 403,
    errors.ConflictError: 409,
    errors.DatabaseError: 503,
    errors.Bug: 500,
    errors.RoadworthyError: 500,
}
"""The status of a class is its own, else that of the nearest class above it."""

_FOR_OPERATORS = (errors.ConfigurationError, errors.DatabaseError, errors.Bug)
_SAID: Mapping[int, str] = {
    500: "Something is wrong here; the operator finds it in the log under this request's id.",
    503: "The service cannot do this at the moment.",
}


def status_of(error: RoadworthyError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_of(error: RoadworthyError, request_id: str = "") -> Problem:
    """An error as a problem; what concerns only the operator is left out."""
    status = status_of(error)
    hidden = isinstance(error, _FOR_OPERATORS) or type(error) is RoadworthyError
    return Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=_SAID[status] if hidden else error.message,
        code=error.code,
        hint="" if hidden else error.hint,
        details={} if hidden else error.details,
        request_id=request_id,
    )


def response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response."""
    body = problem.model_dump(exclude_defaults=True) | {"type": problem.type}
    return Response(
        canonical(body).encode("utf-8", "replace"), problem.status, dict(headers or {}), media_type=MEDIA_TYPE
    )


def answer(error: RoadworthyError, request: Request) -> Response:
    """The response to an error; what the operator has to know is logged."""
    exchange = exchange_of(request.scope)
    problem = problem_of(error, exchange.request_id)
    exchange.code = error.code
    if problem.status in _SAID and isinstance(error, _FOR_OPERATORS):
        _log.error("request %s failed: %s", exchange.request_id, error)
    return response(problem, _headers(error, problem.status))


def _headers(error: RoadworthyError, status: int) -> dict[str, str]:
    wait = getattr(error, "retry_after_seconds", None)
    headers: dict[str, str] = {}
    if wait is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(max(1, math.ceil(_RETRY_SECONDS if wait is None else wait)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="roadworthy"'
    return headers


def plain(
    status: int, detail: str, request_id: str, *, code: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """A problem that no class of `errors.py` stands for: what HTTP itself forbids."""
    phrase = HTTPStatus(status).phrase
    made = Problem(
        title=phrase,
        status=status,
        detail=detail,
        code=code or phrase.lower().replace(" ", "_").replace("-", "_"),
        request_id=request_id,
    )
    return response(made, headers)


def unexpected(exchange: Exchange) -> Response:
    """The response to an error that nobody foresaw. Whoever catches it logs it."""
    exchange.code = errors.Bug.code
    return plain(500, _SAID[500], exchange.request_id, code=errors.Bug.code)


def add_to(api: FastAPI) -> None:
    """Let every error that a route raises become a problem."""

    async def known(request: Request, error: Exception) -> Response:
        return answer(cast("RoadworthyError", error), request)

    async def unfit(request: Request, error: Exception) -> Response:
        return _unfit(request, cast("RequestValidationError", error))

    async def of_http(request: Request, error: Exception) -> Response:
        http = cast("HTTPException", error)
        exchange = exchange_of(request.scope)
        said = _HTTP_SAYS.get(http.status_code, "The request cannot be answered.")
        made = plain(http.status_code, said, exchange.request_id, headers=http.headers)
        exchange.code = exchange.code or HTTPStatus(http.status_code).phrase.lower().replace(" ", "_")
        return made

    async def unforeseen(request: Request, _: Exception) -> Response:
        return unexpected(exchange_of(request.scope))  # raised on, and logged at the edge

    api.add_exception_handler(RoadworthyError, known)
    api.add_exception_handler(Exception, unforeseen)
    api.add_exception_handler(RequestValidationError, unfit)
    api.add_exception_handler(HTTPException, of_http)


_HTTP_SAYS: Mapping[int, str] = {
    400: "The body is not valid JSON in UTF-8, or is nested too deeply.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is larger than this service takes.",
}


def _unfit(request: Request, error: RequestValidationError) -> Response:
    """What Pydantic rejects: 404 for an id that cannot be one, 400 for what is no JSON, else 422."""
    exchange = exchange_of(request.scope)
    found = cast("Sequence[Mapping[str, Any]]", error.errors())
    if any(fault["type"] == "json_invalid" for fault in found):
        return plain(400, _HTTP_SAYS[400], exchange.request_id, code="invalid_json")
    if any(fault["loc"] and fault["loc"][0] == "path" for fault in found):
        return answer(errors.NotFound("There is nothing of that name or id."), request)
    faults = [_told(fault) for fault in found[:_MOST_FAULTS]]
    return answer(
        errors.InvalidInput(
            f"The request does not fit: {'; '.join(faults)}.".replace("..", "."), details={"faults": faults}
        ),
        request,
    )


def _told(fault: Mapping[str, Any]) -> str:
    """Where and what, without the value: it may be long, or secret."""
    where = ".".join(str(part) for part in fault["loc"])[:_LONGEST_FAULT]
    return f"{where}: {str(fault['msg'])[:_LONGEST_FAULT]}"
