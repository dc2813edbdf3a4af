"""What `roadworthy reviews` prints for people: lists, one item with its evidence, figures."""

from typing import TYPE_CHECKING

from roadworthy.cli.command import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.records import Json
    from roadworthy.review import Held, Item, Question, Stats, Vote


def print_list(place: Place, page: "list[Item]", following: str | None) -> None:
    """A table of items."""
    from roadworthy.cli.terminal import clean, say, short_id, show, styled, table

    if not page:
        say("No reviews.")
        return
    columns = ("review", "kind", "workflow", "prompt", "status", "created", "due", "by", "why")
    made = table(*columns, whole=("review", "kind", "status"))
    for item in page:
        created = _short(item.created_at)
        about = (
            item.kind.value,
            clean(item.workflow),
            clean(item.prompt_version),
            styled(item.status),
            created,
        )
        due = "" if item.due_at is None else _short(item.due_at)
        who = clean(item.answered_by or item.assigned_to or "")
        made.add_row(short_id(item.id), *about, due, who, clean(item.reason, most=80))
    show(made)
    if following:
        say(f"More: {place.command('reviews', 'list', '--after', following)}", style="dim")


def print_item(item: "Item") -> None:
    """What is known of an item, without content."""
    from roadworthy.cli.terminal import clean, say
    from roadworthy.records import iso

    say(f"{item.id}  {item.kind}  {item.status}  created {iso(item.created_at)}", style="bold")
    named = {
        "workflow": item.workflow,
        "prompt": item.prompt_version,
        "run": item.run_id,
        "call": item.call_id,
        "tenant": item.tenant,
        "user": item.user_id,
        "due": iso(item.due_at) if item.due_at is not None else None,
        "for": " or ".join(item.roles) + (", two people" if item.people > 1 else ""),
        "assigned to": item.assigned_to,
        "claimed by": item.claimed_name,
        "decision": item.decision_id,
        "why": item.reason,
    }
    for name, value in named.items():
        if value:
            say(f"{name}: {clean(value)}")


def print_question(question: "Question") -> None:
    """What the models were asked, and what they said."""
    from roadworthy.cli.terminal import clean, say

    for role, text in question.messages:
        say(f"\n{clean(role)}:", style="bold")
        say(clean(text, lines=True))
    say("\ninputs:", style="bold")
    say(_lines(question.inputs))
    for one in question.said:
        wrong = f"  {clean(one.error_kind)}: {clean(one.error)}" if one.error else ""
        say(f"\n{clean(one.model)}: {clean(one.status)}{wrong}", style="bold")
        if one.text is not None:
            say(clean(one.text, lines=True))


def print_end(item: "Item") -> None:
    """How a closed item was closed."""
    from roadworthy.cli.terminal import clean, say
    from roadworthy.records import iso

    if item.answered_at is None:
        return
    by = f" by {clean(item.answered_by)}" if item.answered_by else ""
    say(f"\n{item.status}{by} {iso(item.answered_at)}", style="bold")
    if item.status in ("answered", "edited"):
        say(_lines(item.answer))
    if item.note:
        say(f"note: {clean(item.note)}")


def print_how_to_answer(place: Place, item: "Item") -> None:
    """What form the answer must have, and the commands that give or refuse it."""
    from roadworthy.cli.terminal import say
    from roadworthy.review import Question

    schema = Question.from_json(item.question).schema
    say(f"\nthe answer must {'be text' if schema is None else 'fit this schema'}:", style="bold")
    if schema is not None:
        say(_lines(schema))
    option = ("--text", "TEXT") if schema is None else ("--value", "JSON")
    say(f"\nAnswer it: {place.command('reviews', 'answer', item.id, *option)}")
    say(f"Or say why not: {place.command('reviews', 'decline', item.id, '--note', 'WHY')}")


def print_held(held: "Held") -> None:
    """An answer, the evidence for it, and what is known of it."""
    from roadworthy.cli.terminal import clean, say
    from roadworthy.review import exhibits

    for number, one in enumerate(exhibits(held.evidence), start=1):
        named = "  ".join(clean(part) for part in (one.title, one.url) if part)
        say(f"\nevidence {number}{': ' if named else ''}{named}", style="bold")
        if one.text:
            say(clean(one.text, lines=True))
        if one.rest is not None:
            say(_lines(one.rest))
    model = f" by {clean(held.rung)}" if held.rung else ""
    say(f"\nanswer{model}:", style="bold")
    say(_lines(held.value))
    known = {
        "confidence": None if held.confidence is None else f"{held.confidence:.3g}",
        "bands": None if held.proceed is None else f"reject < {held.reject:g}, proceed >= {held.proceed:g}",
        "checks passed": ", ".join(("form", *held.checks)),
        "decided by rule": held.verdict,
        "because": held.because,
    }
    say("")
    for name, value in known.items():
        if value:
            say(f"{name}: {clean(value, lines=True)}")


def print_verdicts(said: "Sequence[Vote]") -> None:
    """What each person said."""
    from roadworthy.cli.terminal import clean, say

    for one in said:
        note = f": {clean(one.note)}" if one.note else ""
        say(f"{clean(one.by_name)} said {one.choice}{note}")


def print_draft(draft: "Json") -> None:
    """What the reader has written before."""
    from roadworthy.cli.terminal import say

    say("\nyour draft:", style="bold")
    say(_lines(draft))


def print_how_to_decide(place: Place, item: "Item") -> None:
    """The commands that decide."""
    from roadworthy.cli.terminal import say

    say(f"\nIt is right: {place.command('reviews', 'approve', item.id)}")
    say(f"Change it: {place.command('reviews', 'edit', item.id, '--value', 'JSON')}")
    say(f"It is wrong: {place.command('reviews', 'reject', item.id, '--note', 'WHY')}")


def print_stats(found: "Sequence[Stats]") -> None:
    """How much was decided by whom, how well, and what would lower the share that people look at."""
    from roadworthy.cli.terminal import clean, say
    from roadworthy.records import iso

    if not found:
        say("No decisions yet.")
    for one in found:
        quality, watch, aim = one.quality, one.quality.watch, one.aim
        say(f"{clean(quality.workflow)}  {clean(quality.prompt_version)}", style="bold")
        so_far = "" if one.share_so_far is None else f", {one.share_so_far:.1%} so far"
        held = "" if one.share_held is None else f" ({one.share_held:.1%} of all)"
        lines = {
            "decided by rule": f"{one.automatic}, by people {one.held}{held}",
            "reviewed afterwards": f"{one.share_now:.1%} now{so_far}; "
            f"{one.waiting} wait, {quality.reviewed} reviewed, {quality.errors} wrong",
            "error rate": f"at most {watch.upper:.2%}, by {watch.reviewed} reviews with {watch.errors} wrong",
            "wrong and unseen": f"at most {one.missed_error_rate:.2%} of decisions by rule "
            f"(aim {aim.max_missed_error_rate:.2%}, holds with {1 - aim.alpha:.0%})",
        }
        if quality.alarm_at is not None:
            lines["alarms"] = f"{quality.alarms}, the last {iso(quality.alarm_at)}: counted anew since then"
        for name, text in lines.items():
            say(f"  {name}: {text}")
        for share, more in one.lowered_by():
            say(f"  {more} more reviews without an error lower the share to {share:.1%}")


def _short(time_ms: int) -> str:
    from roadworthy.records import iso

    return iso(time_ms)[5:19].replace("T", " ")


def _lines(value: "Json") -> str:
    """A value for people: text as it is, everything else as indented JSON."""
    import json

    from roadworthy.cli.terminal import clean

    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return clean(text, lines=True)
