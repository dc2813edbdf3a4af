"""Who acts. Whoever lets somebody in says so once, around the work: `with acting(Actor(...)): await ...`.

It is a context variable, so concurrent requests each have their own. Where nobody is named, the project's own
code acts: `SYSTEM`. Workers and what they execute act as the system, whoever started the process.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of somebody acted."""

    PERSON = "person"
    """Who is signed in; the id is `person_…`."""
    KEY = "key"
    """A program with a key; the id is `key_…`."""
    TERMINAL = "terminal"
    """Who runs the command line, by the operating system's name of that user."""
    SYSTEM = "system"
    """The project's own code, the scheduler, a worker."""
    ANONYMOUS = "anonymous"
    """Somebody who was not recognised."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and in which request."""

    kind: ActorKind
    id: str = ""
    name: str = ""
    request_id: str = ""
    """What ties entries to the request that led to them; empty outside of the service."""


SYSTEM = Actor(ActorKind.SYSTEM)

_actor: ContextVar[Actor] = ContextVar("roadworthy_actor", default=SYSTEM)


def current_actor() -> Actor:
    """Who acts in the current task; `SYSTEM` where nobody was named."""
    return _actor.get()


def act_as(actor: Actor) -> None:
    """Name who acts from here on in this context; for programs that act for one somebody."""
    _actor.set(actor)


@contextmanager
def acting(actor: Actor) -> Generator[Actor]:
    """Name who acts in this block, and in the tasks that it starts."""
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)
