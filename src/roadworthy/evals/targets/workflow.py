"""A whole workflow, on a stage: in a database of its own, its actions recorded and not carried out.

A run that waits for a person has that as its outcome (`needs_person`): nobody is asked, and the run ends.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from roadworthy.evals.case import Case, digest
from roadworthy.evals.target import Asked, Outcome
from roadworthy.releases import pinned

Run = Callable[[str, Mapping[str, Any]], Awaitable[Outcome]]
"""Runs a workflow on the stage: its name, its inputs by name."""
_NOT_CODE = frozenset({"tests", "evals"})


class WorkflowTarget:
    """A workflow. Use it inside of `running`."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        root: Path,
        stage: AbstractAsyncContextManager[Run],
        pins: Mapping[str, str],
    ) -> None:
        """`settings` are all that decide how it runs; `stage` is entered when it does.

        `pins` are labels that serve there, by prompt.
        """
        self._name = name
        self._stage = stage
        self._pins = pins
        self._run: Run | None = None
        self._parts = {"workflow": name, "code": _code(root), "settings": digest(settings)}

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of."""
        return self._parts

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """The stage is up."""
        with pinned(prompts=self._pins):
            async with self._stage as run:
                self._run = run
                try:
                    yield
                finally:
                    self._run = None

    async def recall(self, asked: Sequence[Asked]) -> Mapping[tuple[str, int], Outcome]:
        """Nothing: its models are behind the tape, and its code runs again."""
        del asked
        return {}

    async def answer(self, case: Case, repeat: int) -> Outcome:
        """Run it."""
        del repeat
        assert self._run is not None, "a workflow runs on its stage"  # noqa: S101
        return await self._run(self._name, case.inputs)


def _code(root: Path) -> str:
    """A digest of the project's own Python files and prompts."""
    files = [
        path
        for path in sorted((*root.rglob("*.py"), *root.rglob("*.md")))
        if not any(part.startswith(".") or part in _NOT_CODE for part in path.relative_to(root).parts)
    ]
    state = hashlib.sha256()
    for path in files:
        state.update(f"{path.relative_to(root).as_posix()}\0".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()
