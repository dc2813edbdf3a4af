"""A drill for people and for programs: the figures, the rules, and what to do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from roadworthy.cli.terminal import clean, listing, print_json, say, show, table, usd

if TYPE_CHECKING:
    from roadworthy.settings import Settings
    from roadworthy.testing.drill import Figures, Outcome, Plan, Scenario


def say_scenarios(*, as_json: bool) -> None:
    """Print what can go wrong."""
    from roadworthy.testing.drill import SCENARIOS

    if as_json:
        print_json([{"name": one.name, "what": one.what, "when": one.when} for one in SCENARIOS.values()])
        return
    made = table("scenario", "what goes wrong", "when", whole=("scenario",))
    for one in SCENARIOS.values():
        made.add_row(one.name, one.what, one.when)
    show(made)


def say_plan(plan: "Plan", settings: "Settings", played: Sequence[str]) -> None:
    """Print what is drilled, and what is not as it would be."""
    say(
        f"Drilling {plan.workflow}: {plan.runs} runs, {plan.at_once} at a time, inputs: {plan.inputs.source}."
    )
    others = [name for name in settings.models if name not in played]
    as_is = f"; as they are: {listing(others)}" if others else ""
    say(f"Simulated models: {listing(played)}{as_is}. Actions are written down and not carried out.")
    if played and all(settings.models[name].provider in ("local", "python") for name in played):
        say("No model of this project is reached over the network, so those that run here are simulated.")
    if plan.inputs.made_up:
        say("The inputs are made up and fit the form only; better ones: --inputs FILE.jsonl", style="yellow")


def say_scenario(scenario: "Scenario") -> None:
    """Print what happens now."""
    say()
    say(f"{scenario.name}: {scenario.what} ({scenario.when})", style="bold")


def say_outcome(outcome: "Outcome") -> None:
    """Print what came of one scenario."""
    made = table("what users saw", "", whole=("what users saw",))
    for name, value in _rows(outcome.figures):
        made.add_row(name, value)
    show(made)
    rules = table("sacred rule", "", "", whole=("sacred rule",))
    for ruling in outcome.rulings:
        rules.add_row(ruling.name, "held" if ruling.held else "BROKEN", clean(ruling.evidence))
    show(rules)
    for finding in outcome.findings:
        say(f"- {clean(finding.what)} {clean(finding.do)}")
    say(f"({outcome.seconds:.1f} s)", style="dim")


def say_together(outcomes: "Sequence[Outcome]") -> None:
    """Print several scenarios beside each other."""
    if len(outcomes) < 2:  # noqa: PLR2004 - one has been said
        return
    figures = ("served", "put off", "refused", "dead", "wrong", "late", "p99 s", "USD", "retries")
    made = table("scenario", *figures, "sacred rules", right=figures, whole=("scenario",))
    for outcome in outcomes:
        seen = outcome.figures
        put_off = sum(seen.answered.values()) - seen.served
        counts = (seen.served, put_off, sum(seen.refused.values()), sum(seen.dead.values()), seen.wrong)
        made.add_row(
            outcome.scenario.name,
            *map(str, counts),
            str(seen.late),
            _seconds(seen.p99_seconds),
            usd(seen.spent_micro_usd, known=seen.cost_known),
            f"{seen.retry_share:.0%}",
            "held" if outcome.held else listing(one.name for one in outcome.rulings if not one.held),
        )
    say()
    show(made)


def document(plan: "Plan", outcomes: "Sequence[Outcome]") -> dict[str, Any]:
    """The JSON document."""
    return {
        "workflow": plan.workflow,
        "inputs": plan.inputs.source,
        "at_once": plan.at_once,
        "seed": plan.seed,
        "held": all(outcome.held for outcome in outcomes),
        "scenarios": [_document(outcome) for outcome in outcomes],
    }


def _document(outcome: "Outcome") -> dict[str, Any]:
    seen = outcome.figures
    return {
        "scenario": outcome.scenario.name,
        "what": outcome.scenario.what,
        "when": outcome.scenario.when,
        "runs": seen.runs,
        "answered": dict(seen.answered),
        "degraded": seen.degraded,
        "late": seen.late,
        "refused": dict(seen.refused),
        "dead": dict(seen.dead),
        "wrong": seen.wrong,
        "acted_on_wrong": seen.acted_on_wrong,
        "irreversible_on_wrong": seen.irreversible_on_wrong,
        "p50_seconds": seen.p50_seconds,
        "p99_seconds": seen.p99_seconds,
        "p99_seconds_by_tenant": dict(seen.by_tenant_p99_seconds),
        "spent_usd": f"{seen.spent_micro_usd / 1_000_000:.6f}",
        "cost_known": seen.cost_known,
        "calls": seen.calls,
        "requests": seen.requests,
        "retries": seen.retries,
        "retry_share": round(seen.retry_share, 4),
        "actions": seen.acts,
        "irreversible_actions": seen.irreversible,
        "repeated_actions": seen.repeated_acts,
        "rules": [
            {"rule": ruling.name, "held": ruling.held, "evidence": ruling.evidence}
            for ruling in outcome.rulings
        ],
        "findings": [{"what": finding.what, "do": finding.do} for finding in outcome.findings],
        "seconds": round(outcome.seconds, 1),
    }


def _rows(seen: "Figures") -> list[tuple[str, str]]:
    times = f"p50 {_seconds(seen.p50_seconds)} s, p99 {_seconds(seen.p99_seconds)} s"
    if len(seen.by_tenant_p99_seconds) > 1:
        each = (f"{tenant} {_seconds(value)} s" for tenant, value in seen.by_tenant_p99_seconds.items())
        times += f" (p99 by tenant: {listing(each)})"
    again = f", {seen.repeated_acts} of them asked for again under the same key" if seen.repeated_acts else ""
    acted = f"{seen.acted_on_wrong} actions on one, {seen.irreversible_on_wrong} of them irreversible"
    return [
        ("runs", str(seen.runs)),
        ("answered by", _counts(seen.answered)),
        ("degraded", str(seen.degraded)),
        ("late", str(seen.late)),
        ("refused", _counts(seen.refused)),
        ("dead", _counts(seen.dead)),
        ("wrong", f"{seen.wrong} answers, {acted}"),
        ("time", times),
        ("spent", f"{usd(seen.spent_micro_usd, known=seen.cost_known)} USD"),
        (
            "requests",
            f"{seen.requests} for {seen.calls} calls, {seen.retries} retries ({seen.retry_share:.0%})",
        ),
        ("actions", f"{seen.acts} written down, {seen.irreversible} irreversible{again}"),
    ]


def _counts(counted: Mapping[str, int]) -> str:
    ranked = sorted(counted.items(), key=lambda item: -item[1])
    return ", ".join(f"{clean(what)} {count}" for what, count in ranked) or "0"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
