"""What the figures of a drill mean for a project, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from roadworthy.errors import BudgetSpent, ErrorKind, NeedsPerson, NotPermitted, Throttled, TryLater
from roadworthy.settings import RouteSettings, Settings
from roadworthy.testing.drill.figures import LATER, REVIEW, UNFINISHED, Figures
from roadworthy.testing.drill.plan import LOUD, QUIET
from roadworthy.testing.drill.sacred import Ruling
from roadworthy.testing.drill.scenario import Scenario

_MUCH_RETRIED = 0.1
_FAIR = 5.0
_LISTED = 4
_ADVICE = {
    Throttled.code: "That is what the throttle is for, if so many came from one: tell users when to come "
    "back (retry_after_seconds). A drill asks faster than people do: --over 120.",
    NotPermitted.code: "Add a model in a region that [residency] permits for this kind of data.",
    BudgetSpent.code: 'Say when_spent = "degrade" and give the route a degrade_to that costs nothing, or a '
    'rung after the models: then = ["rule"].',
    NeedsPerson.code: "Let the workflow itself ask the model, not one of its steps, so that it can wait.",
    TryLater.code: "Let the workflow itself ask the model, not one of its steps, so that it can wait.",
}
"""What to do where runs are refused, by how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to do."""

    what: str
    do: str


@dataclass(frozen=True, slots=True)
class Case:
    """What findings are read from."""

    scenario: Scenario
    settings: Settings
    """Those of the project, not of the stage."""
    routes: tuple[str, ...]
    """That the workflow uses."""
    figures: Figures
    rulings: Sequence[Ruling]
    troubled: int
    """Requests to which something happened."""


def findings(case: Case) -> list[Finding]:
    """What was found, the gravest first."""
    return [*_broken(case), *_unserved(case), *_wrong(case), *_timely(case), *_quiet(case)]


def _broken(case: Case) -> Iterator[Finding]:
    advice = (
        "This is a fault of Roadworthy: please report it with the drill's --json.",
        "Lower max_tokens of the models, and report it: a budget must never be passed.",
        "Give the action a Decision: Decision.by_rule(answer, rule=...) after a check in code.",
        "Look for what the workflow's own code logs or puts into errors; keep telemetry.capture_content off.",
    )
    for ruling, do in zip(case.rulings, advice, strict=True):
        if not ruling.held:
            yield Finding(f"A sacred rule broke, {ruling.name}: {ruling.evidence}.", do)


def _unserved(case: Case) -> Iterator[Finding]:
    figures = case.figures
    if lost := sum(figures.dead.values()):
        yield Finding(
            f"{_of(lost, figures)} ended without a clear status ({_counts(figures.dead)}).",
            _unfinished_advice() if set(figures.dead) == {UNFINISHED} else _next_rung(case),
        )
    if left := figures.dead.get(ErrorKind.CIRCUIT_OPEN.value, 0):
        yield Finding(
            f"{left} of them met an open breaker, which in a short drill outlasts the outage.",
            "See how it is over minutes: --over 120; or lower breaker.open_seconds of the model.",
        )
    for kind, count in figures.refused.items():
        yield Finding(f"{_of(count, figures)} were refused ({kind}).", _ADVICE.get(kind) or _next_rung(case))
    if waiting := figures.answered.get(LATER, 0):
        yield Finding(
            f"{_of(waiting, figures)} wait to be asked again.",
            "Tell users when: the promise is promise_seconds in the route's later section.",
        )
    if waiting := figures.answered.get(REVIEW, 0):
        yield Finding(
            f"{_of(waiting, figures)} wait for a person.",
            "See that so many can be answered: roadworthy reviews list.",
        )


def _next_rung(case: Case) -> str:
    for name in case.routes:
        route = case.settings.routes[name]
        if len(route.models) == 1:
            return f"routes.{name} has one model: add another one, at another provider, or {_then(route)}."
        providers = {case.settings.models[model].provider for model in route.models}
        if len(providers) == 1 and len(route.then) == 0:
            provider = next(iter(providers))
            return f"All models of routes.{name} are at {provider}: add one elsewhere, or {_then(route)}."
        if not route.then:
            return f"routes.{name} ends with its models: {_then(route)}."
    return "Catch StepFailed in the workflow, and give its users the safe answer there is."


def _then(route: RouteSettings) -> str:
    missing = [rung for rung in ("cache", "rule", "review") if rung not in route.then]
    return f'say then = ["{missing[0] if missing else "later"}"]'


def _unfinished_advice() -> str:
    return "Give the workflow a timeout_seconds, or the drill more time: --patience."


def _wrong(case: Case) -> Iterator[Finding]:
    figures = case.figures
    if figures.irreversible_on_wrong:
        yield Finding(
            f"{figures.irreversible_on_wrong} irreversible actions were decided on an answer that was wrong.",
            "Their rules let it pass: check what the answer says, not only its form, before "
            "Decision.by_rule.",
        )
    if figures.wrong:
        acted = f"{figures.acted_on_wrong} of them were" if figures.acted_on_wrong else "none was"
        yield Finding(
            f"{figures.wrong} wrong answers came out of a call as a model's answer; {acted} acted on.",
            "Add a check to the prompt (@prompt.check) that such an answer does not pass.",
        )


def _timely(case: Case) -> Iterator[Finding]:
    figures = case.figures
    if figures.late:
        yield Finding(
            f"{_of(figures.late, figures)} were late.",
            "Lower timeout_seconds of the model that hangs, or set hedge_after_seconds on the route.",
        )
    if figures.retry_share > _MUCH_RETRIED:
        yield Finding(
            f"Retries added {figures.retry_share:.0%} of requests.",
            "Lower attempts of the route, or resilience.retries_per_minute_floor; a breaker needs "
            "minimum_requests to act.",
        )
    p99 = figures.by_tenant_p99_seconds
    if LOUD in p99 and QUIET in p99 and p99[QUIET] > _FAIR:
        yield Finding(
            f"The quiet tenant waited up to {p99[QUIET]:.1f} s beside the loud one.",
            'Throttle tenants: [throttles.<name>] with scope = "tenant"; or start more workers.',
        )


def _quiet(case: Case) -> Iterator[Finding]:
    scenario = case.scenario
    if scenario.troubles and not case.troubled:
        yield Finding(
            "Nothing went wrong: no request came while something would have happened to it.",
            "Drill more runs (--runs), or inputs for which a model is asked (--inputs).",
        )


def _of(count: int, figures: Figures) -> str:
    return f"{count} of {figures.runs} runs"


def _counts(counted: Mapping[str, int]) -> str:
    items = list(counted.items())
    said = ", ".join(f"{count} {what}" for what, count in items[:_LISTED])
    return f"{said}, ..." if len(items) > _LISTED else said
