"""What is seen of an experiment while it runs: how far it is, what passed, what it has cost."""

from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from roadworthy.cli import terminal
from roadworthy.cli.command import Place

if TYPE_CHECKING:
    from rich.progress import Progress

    from roadworthy.evals import Result
    from roadworthy.evals.plan import Plan


class Watching:
    """A bar for a person; elsewhere a line for every tenth. Says nothing when nothing takes long."""

    def __init__(self, place: Place, *, quiet: bool) -> None:
        self._place = place
        self._quiet = quiet
        self._bar: Progress | None = None
        self._around: AbstractContextManager[Any] = nullcontext()
        self._total = self._done = self._passed = self._taped = self._tenths = 0
        self._cost = Decimal(0)
        self._plan: Plan | None = None

    def __enter__(self) -> Self:
        if not self._quiet and terminal.is_terminal():
            from rich import progress

            self._bar = progress.Progress(
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.description}", markup=False),
                progress.TimeElapsedColumn(),
                console=terminal.console(),
                transient=True,
            )
            self._bar.add_task("", total=None)
            self._around = self._bar
        self._around.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._around.__exit__(kind, error, trace)
        if error is not None and self._plan is not None and self._done and not self._quiet:
            from roadworthy.evals.evals import again

            words = again(self._plan, self._plan.asking.task)
            terminal.say(f"{self._done} answers are kept.", errors=True)
            terminal.say(f"Go on: {self._place.command(*words)}", errors=True)

    def begun(self, plan: "Plan", answers: int) -> None:
        """It knows what it will do."""
        self._plan, self._total = plan, answers
        if self._quiet:
            return
        for fault in plan.dataset.faults:
            terminal.say(f"left out: {terminal.clean(fault)}", errors=True)
        for fault in plan.asking.tape.faults:
            terminal.say(f"not used: {terminal.clean(fault)}", errors=True)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=answers, description=plan.variant)

    def watch(self, result: "Result") -> None:
        """One more."""
        self._done += 1
        self._passed += result.passed is True
        self._taped += result.outcome.taped
        if not result.outcome.taped:
            self._cost += result.outcome.cost_usd
        if self._quiet:
            return
        so_far = f"{self._passed} passed, {self._taped} from tape, ${self._cost:.4f}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=so_far)
            return
        tenths = 10 * self._done // max(1, self._total)
        if tenths != self._tenths and self._taped < self._done:
            self._tenths = tenths
            terminal.say(f"{self._done} of {self._total}: {so_far}", errors=True)
