"""What is going on right now: which run, step, call and prompt version the current task works for.

The span helpers bind it on entry and take it back on exit, also when no exporter is configured, so that every
log line can say where it comes from. It lives in a context variable: concurrent tasks and the threads that
`asyncio.to_thread` starts each see their own.
"""

from contextvars import ContextVar
from typing import NamedTuple


class Bound(NamedTuple):
    """The ids of the work at hand; empty where there is none."""

    run_id: str = ""
    step_id: str = ""
    step: str = ""
    call_id: str = ""
    prompt_id: str = ""
    prompt_version: str = ""

    def fields(self) -> dict[str, str]:
        """Those that are not empty, as log lines and spans name them."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value}


NOTHING = Bound()
bound: ContextVar[Bound] = ContextVar("roadworthy_bound", default=NOTHING)
"""What the current task works for."""
