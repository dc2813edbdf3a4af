"""What serves here whatever is released: for evaluations and tests, `with pinned(prompts={...}): ...`.

A pin holds for the task that makes it and the tasks that it starts. A worker that runs already does not see
it: start the worker inside the block.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_pins: ContextVar[Mapping[str, str]] = ContextVar("roadworthy_pins")
_NONE: Mapping[str, str] = {}


@contextmanager
def pinned(
    *,
    prompts: Mapping[str, str] | None = None,
    routes: Mapping[str, str] | None = None,
    flags: Mapping[str, bool | str] | None = None,
) -> Generator[None]:
    """Let these labels, routes and values of flags serve in this block, by prompt, route and flag.

    Wins over releases, settings and shares, and leaves no exposure. An inner block adds to an outer one.
    """
    made = dict(current_pins())
    made |= {f"prompt:{name}": label for name, label in (prompts or {}).items()}
    made |= {f"route:{name}": route for name, route in (routes or {}).items()}
    for name, value in (flags or {}).items():
        made[f"flag:{name}"] = value if isinstance(value, str) else "on" if value else "off"
    token = _pins.set(made)
    try:
        yield
    finally:
        _pins.reset(token)


def current_pins() -> Mapping[str, str]:
    """What is pinned here, by subject."""
    return _pins.get(_NONE)
