"""Follows a run to its end: a live table where a person watches, a line for each change elsewhere."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from roadworthy.cli.terminal import clean, console, is_terminal, say, seconds, short_json, styled, table, usd
from roadworthy.errors import RunTimeout

if TYPE_CHECKING:
    from rich.live import Live

    from roadworthy.app import App
    from roadworthy.cli.execution import GoesOn
    from roadworthy.workflows import Run, Step

_LOOK_EVERY_SECONDS = 0.15
_MOST_ROWS = 25
_MOST_OUTPUT_CHARS = 4000


class RunView:
    """What is shown of one run while it goes on; quiet shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live: Live | None = None
        self._said: dict[str, str] = {}

    def open(self) -> AbstractContextManager[Any]:
        """Show it as long as the context lasts."""
        if self._quiet or not is_terminal():
            return nullcontext()
        from rich.live import Live

        self._live = Live(console=console(), refresh_per_second=8)
        return self._live

    def update(self, run: "Run", steps: "Sequence[Step]", now_ms: int) -> None:
        """Show how the run stands."""
        if self._live is not None:
            self._live.update(_picture(run, steps, now_ms))
        elif not self._quiet:
            self._say_changes(run, steps, now_ms)

    def _say_changes(self, run: "Run", steps: "Sequence[Step]", now_ms: int) -> None:
        for step in steps:
            state = f"{step.status} {step.attempt}"
            if self._said.get(step.id) != state:
                self._said[step.id] = state
                again = f", attempt {step.attempt}" if step.attempt > 1 else ""
                took = f" {seconds(_step_seconds(step, now_ms))} s" if step.finished_at else ""
                why = f": {clean(step.error_message, most=300)}" if step.error_message else ""
                say(f"  {step.position}. {clean(step.name)} {step.status}{again}{took}{why}")
        if run.status in {"waiting", "parked"} and self._said.get(run.id) != run.status:
            say(f"  {run.status}{f' for {clean(run.waiting_for)}' if run.waiting_for else ''}")
        self._said[run.id] = run.status


async def follow_run(
    app: "App", run_id: str, goes_on: "GoesOn", view: RunView, *, timeout_seconds: float | None = None
) -> "Run | None":
    """Wait until the run ends or is parked; None when nobody works on it any more. Raises `RunTimeout`."""
    give_up_at = None if timeout_seconds is None else app.clock.monotonic() + timeout_seconds
    while True:
        run, steps = await app.runs.get(run_id), await app.runs.steps(run_id)
        view.update(run, steps, app.clock.now_ms())
        if run.status in _ended():
            return run
        if give_up_at is not None and app.clock.monotonic() >= give_up_at:
            raise RunTimeout(f"Run {run_id} did not finish within {timeout_seconds:g} s; it is {run.status}.")
        if not await goes_on():
            return None
        try:
            await app.runs.finished(run_id, timeout_seconds=_LOOK_EVERY_SECONDS)
        except RunTimeout:
            continue


def _ended() -> frozenset[Any]:
    from roadworthy.workflows import FINISHED, RunStatus

    return FINISHED | {RunStatus.PARKED}


def say_result(run: "Run", output: Any) -> None:
    """The line at the end, and what came out."""
    took = f" in {seconds(run.seconds)} s" if run.seconds is not None else ""
    cost = f", {usd(run.cost_micro_usd)} USD" if run.cost_micro_usd else ""
    say(f"{run.status}{took}{cost}", style=_style(run))
    if run.skip_reason:
        say(f"reason: {clean(run.skip_reason, most=500)}")
    if run.error_message:
        at = f" (step {clean(run.error_step)})" if run.error_step else ""
        say(f"{clean(run.error_kind)}{at}: {clean(run.error_message, most=2000)}")
    if run.status == "succeeded":
        say(f"output: {short_json(output, _MOST_OUTPUT_CHARS)}")


def _style(run: "Run") -> str:
    from roadworthy.cli.terminal import STYLES

    return f"bold {STYLES.get(run.status, '')}".strip()


def _picture(run: "Run", steps: "Sequence[Step]", now_ms: int) -> Any:
    from rich.console import Group
    from rich.text import Text

    made = table("", "step", "status", "attempts", "seconds", right=("", "attempts", "seconds"))
    shown = [step for step in steps if not step.rewound][-_MOST_ROWS:]
    for step in shown:
        made.add_row(
            str(step.position),
            clean(step.name),
            styled(step.status),
            str(step.attempt),
            seconds(_step_seconds(step, now_ms)),
        )
    waits = f" for {clean(run.waiting_for)}" if run.waiting_for else ""
    head = Text.assemble(f"{run.id}  {clean(run.workflow)}  ", styled(run.status), waits)
    return Group(head, made)


def _step_seconds(step: "Step", now_ms: int) -> float:
    return max(0, (step.finished_at or now_ms) - step.started_at) / 1000
