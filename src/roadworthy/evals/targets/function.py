"""A function of the project: it takes a case's inputs by name, and what it returns is the output."""

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

from pydantic_core import PydanticSerializationError, to_jsonable_python

from roadworthy.errors import RoadworthyError
from roadworthy.evals.case import Case
from roadworthy.evals.named import code_of, named
from roadworthy.evals.target import Asked, Outcome
from roadworthy.records import Json


class FunctionTarget:
    """A function, asked anew each time: only it knows whether it would say the same."""

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        self._function = function
        self._waits = inspect.iscoroutinefunction(function)
        self._parts = {"function": name or function.__qualname__, "code": code_of(function)}

    @classmethod
    def load(cls, name: str, suite: Path, root: Path) -> "FunctionTarget":
        """The function `module:function` of a project. Raises `ConfigurationError`."""
        return cls(named(name, root, suite.name), name)

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of."""
        return self._parts

    def running(self) -> AbstractAsyncContextManager[None]:
        """Nothing is needed."""
        return nullcontext()

    async def recall(self, asked: Sequence[Asked]) -> Mapping[tuple[str, int], Outcome]:
        """Nothing: a function is not on tape."""
        del asked
        return {}

    async def answer(self, case: Case, repeat: int) -> Outcome:
        """Call it; a synchronous function in a thread."""
        del repeat
        began = time.perf_counter()
        try:
            if self._waits:
                said = await self._function(**case.inputs)
            else:
                said = await asyncio.to_thread(self._function, **case.inputs)
            output = cast("Json", to_jsonable_python(said))
        except PydanticSerializationError as error:
            return Outcome(error="not_json", message=f"What it returned is no JSON: {error}")
        except RoadworthyError as error:
            return Outcome(error=error.code, message=error.message)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - however it fails, or ends, is its outcome
            return Outcome(error=type(error).__name__, message=str(error))
        return Outcome(output=output, latency_seconds=time.perf_counter() - began)
