"""How OpenAI words an error: the same for chat completions, responses and embeddings."""

from collections.abc import Mapping
from typing import Any

from roadworthy.testing.simulated.dialects.dialect import Event
from roadworthy.testing.simulated.faults import Problem

REQUEST_ID_HEADER = "x-request-id"


def error(problem: Problem, request_id: str) -> tuple[int, Mapping[str, Any]]:
    """Status and body."""
    del request_id
    return problem.status, {"error": _fields(problem)}


def error_event(problem: Problem, request_id: str) -> Event:
    """An error object in place of a chunk."""
    return Event(error(problem, request_id)[1])


def responses_error_event(problem: Problem, request_id: str) -> Event:
    """The `error` event of the Responses API."""
    del request_id
    fields = {"code": problem.openai_code, "message": problem.message, "param": problem.param}
    return Event({"type": "error", "sequence_number": 3, **fields}, "error")


def _fields(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "type": problem.openai_type,
        "param": problem.param,
        "code": problem.openai_code,
        **problem.extra,
    }
