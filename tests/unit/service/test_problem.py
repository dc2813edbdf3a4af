"""Every error has one HTTP status, and tells a caller only what a caller can act on."""

import inspect

import pytest

from roadworthy import errors
from roadworthy.service.problem import problem_of, status_of

EVERY = [
    one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.RoadworthyError)
]
OPERATORS = (errors.ConfigurationError, errors.DatabaseError, errors.Bug)


def made(kind: type[errors.RoadworthyError]) -> errors.RoadworthyError:
    """An error of this class, whatever its constructor asks for."""
    error = kind.__new__(kind)
    errors.RoadworthyError.__init__(error, "secret place", hint="look there")
    return error


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_becomes_a_problem_of_its_kind(kind):
    """A status of an error, the class's code; operators' words stay here."""
    problem = problem_of(made(kind), "req_1")
    assert (problem.status, problem.code, problem.request_id) == (status_of(made(kind)), kind.code, "req_1")
    hidden = issubclass(kind, OPERATORS) or kind is errors.RoadworthyError
    assert ("secret place" in problem.detail) is not hidden
    assert bool(problem.hint) is not hidden


def test_what_the_caller_did_is_never_a_server_error():
    """Users, limits, access and conflicts are 4xx, but for time that ran out here."""
    for kind in EVERY:
        if issubclass(kind, (errors.UserError, errors.ConflictError, errors.AccessError)):
            assert 400 <= status_of(made(kind)) < 500
