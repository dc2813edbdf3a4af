"""A run with all that is known of it: as one JSON document, and as a tree for people."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from roadworthy.cli.terminal import clean, seconds, short_json, styled, usd
from roadworthy.records import from_micro_usd, iso

if TYPE_CHECKING:
    from rich.tree import Tree

    from roadworthy.workflows import Run, Shown, Step

Call = dict[str, Any]

_SHORT = 2000
_WHOLE = 1_000_000


def document(shown: "Shown", calls: "list[Call] | None" = None, *, payloads: bool = False) -> dict[str, Any]:
    """What `run --json` and `runs show --json` print."""
    steps = [step.as_json() for step in shown.steps]
    if not payloads:
        for step in steps:
            step.pop("input")
            step.pop("output")
    made: dict[str, Any] = {
        **shown.run.as_json(),
        "input": shown.input,
        "output": shown.output,
        "steps": steps,
        "children": [child.as_json() for child in shown.children],
    }
    if calls is not None:
        made["calls"] = [_call_document(call) for call in calls]
    return made


def _call_document(row: Call) -> dict[str, Any]:
    """A stored call or attempt with its times as ISO 8601 and its cost in dollars, as everywhere in JSON."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("started_at", "finished_at"):
            made[name] = None if value is None else iso(value)
        elif name == "cost_micro_usd":
            made["cost_usd"] = str(from_micro_usd(value))
        elif name == "tried":
            made["tried"] = [_call_document(one) for one in value]
        else:
            made[name] = value
    return made


def tree(shown: "Shown", calls: list[Call], *, attempts: bool, payloads: bool) -> "Tree":
    """The run, its steps with their attempts, its calls with theirs, and its children."""
    from rich.tree import Tree

    run = shown.run
    made = Tree(_line(run.id, clean(run.workflow), styled(run.status), *_facts(run)))
    most = _WHOLE if payloads else _SHORT
    made.add(f"input: {short_json(shown.input, most)}")
    for step in shown.steps:
        _add_step(made, step, [call for call in calls if call["step_id"] == step.id], attempts, payloads)
    for call in calls:
        if not any(call["step_id"] == step.id for step in shown.steps):
            _add_call(made, call, attempts, payloads)
    for child in shown.children:
        made.add(_line("child", child.id, clean(child.workflow), styled(child.status), *_facts(child)))
    if run.error_message:
        at = f" in step {clean(run.error_step)}" if run.error_step else ""
        made.add(f"error{at}: {clean(run.error_kind)}: {clean(run.error_message, most=most)}")
    if run.skip_reason:
        made.add(f"reason: {clean(run.skip_reason, most=most)}")
    if shown.output is not None:
        made.add(f"output: {short_json(shown.output, most)}")
    return made


def _facts(run: "Run") -> list[str]:
    facts = [f"{seconds(run.seconds)} s" if run.seconds is not None else "", f"created {iso(run.created_at)}"]
    facts += [f"{usd(run.cost_micro_usd)} USD" if run.cost_micro_usd else ""]
    named = {"tenant": run.tenant, "user": run.user_id, "tags": ",".join(run.tags), "batch": run.batch_id}
    named |= {"replay of": run.replay_of, "schedule": run.schedule}
    named |= {"key": None if run.batch_id else run.idempotency_key}
    named |= {"waits for": run.waiting_for}
    return [*facts, *(f"{name} {clean(value, most=200)}" for name, value in named.items() if value)]


def _add_step(made: "Tree", step: "Step", calls: list[Call], attempts: bool, payloads: bool) -> None:
    took = f"{seconds((step.finished_at - step.started_at) / 1000)} s" if step.finished_at else ""
    aside = "set aside" if step.rewound else ""
    often = f"{step.attempt} attempts" if step.attempt > 1 else ""
    kind = "" if step.kind == "step" else step.kind.value
    branch = made.add(
        _line(f"{step.position}.", clean(step.name), kind, styled(step.status), took, often, aside)
    )
    if step.error_message:
        branch.add(f"{clean(step.error_kind)}: {clean(step.error_message, most=_SHORT)}")
    if step.attempt > 1:
        for one in step.attempts:
            why = (
                f"{clean(one.error_kind)}: {clean(one.error_message, most=_SHORT)}"
                if one.error_message
                else ""
            )
            spent = f"{seconds((one.finished_at - one.started_at) / 1000)} s"
            branch.add(_line(f"attempt {one.number}", styled(one.status), spent, why))
    if payloads:
        branch.add(f"in: {short_json(step.input, _WHOLE)}")
        branch.add(f"out: {short_json(step.output, _WHOLE)}")
    for call in calls:
        _add_call(branch, call, attempts, payloads)


def _add_call(made: "Tree", call: Call, attempts: bool, payloads: bool) -> None:
    tokens = f"{call['input_tokens']} + {call['output_tokens']} tokens"
    branch = made.add(
        _line(
            f"call {call['id']}",
            clean(prompt_name(call)),
            f"by {clean(call['rung'])}" if call["rung"] else "",
            styled(call["status"]),
            _took(call),
            tokens,
            f"{usd(call['cost_micro_usd'], known=call['cost_known'])} USD",
            f"{clean(call['error_kind'])}: {clean(call['error_message'], most=_SHORT)}"
            if call["error_message"]
            else "",
        )
    )
    for one in call["tried"] if attempts else ():
        why = (
            f"{clean(one['error_kind'])}: {clean(one['error_message'], most=_SHORT)}"
            if one["error_message"]
            else ""
        )
        shape = [
            f"attempt {one['number']}",
            clean(one["model"]),
            f"({clean(one['provider_model'])})",
            one["reason"],
        ]
        twig = branch.add(
            _line(*shape, styled(one["status"]), _took(one), clean(one["finish_reason"] or ""), why)
        )
        if payloads and "sent" in one:
            twig.add(f"sent: {short_json(one['sent'], _WHOLE)}")
            twig.add(f"received: {short_json(one['received'], _WHOLE)}")


def prompt_name(call: Call) -> str:
    """The prompt and version of a call, for example `draft-reply@v2`."""
    version = str(call["prompt_version"])
    return version if "@" in version else f"{call['prompt_id']}@{version}"


def call_seconds(call: Call) -> float | None:
    """How long a call or attempt took."""
    return None if call["finished_at"] is None else (call["finished_at"] - call["started_at"]) / 1000


def total_usd(calls: list[Call]) -> Decimal:
    """What calls cost together, as far as it is known."""
    return sum((from_micro_usd(call["cost_micro_usd"]) for call in calls), Decimal(0))


def _took(call: Call) -> str:
    took = call_seconds(call)
    return "" if took is None else f"{seconds(took)} s"


def _line(*parts: Any) -> Any:
    from rich.text import Text

    return Text("  ").join(part if isinstance(part, Text) else Text(str(part)) for part in parts if part)
