"""Suites, data sets and their cards, for people and as JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from roadworthy.cli.terminal import clean, say, show, table

if TYPE_CHECKING:
    from roadworthy.cli.command import Place
    from roadworthy.evals.card import Card
    from roadworthy.evals.dataset import Dataset
    from roadworthy.evals.growing import Grown
    from roadworthy.evals.suite import Suite

_SHOWN = 20


def suite_document(suite: "Suite") -> dict[str, Any]:
    """A suite for `--json`."""
    kind, name = suite.target
    settings = suite.settings
    return {
        "suite": suite.name,
        "description": settings.description,
        "target": {"kind": kind, "name": name},
        "min_pass": settings.min_pass,
        "tags": settings.tags,
        "evaluators": [one.model_dump(mode="json", exclude_defaults=True) for one in settings.evaluators],
        "cases_file": str(suite.cases_file),
        "baseline": suite.baseline_file.is_file(),
        "tape": suite.tape_file.is_file(),
    }


def print_suites(place: "Place", suites: "Sequence[Suite]") -> None:
    """A table of suites."""
    from roadworthy.errors import ConfigurationError
    from roadworthy.evals import dataset

    if not suites:
        say(f"No suites. Make one: {place.command('evals', 'new', 'NAME')}")
        return
    made = table(
        "suite", "evaluates", "cases", "evaluators", "min pass", "baseline", right=("cases", "evaluators")
    )
    for suite in suites:
        try:
            cases = str(len(dataset.read(suite.cases_file, keep_going=True).cases))
        except ConfigurationError:
            cases = "?"
        kind, name = suite.target
        baseline = "yes" if suite.baseline_file.is_file() else ""
        settings = suite.settings
        made.add_row(
            suite.name,
            f"{kind} {clean(name)}",
            cases,
            str(len(settings.evaluators)),
            f"{settings.min_pass:g}",
            baseline,
        )
    show(made)


def print_suite(suite: "Suite", data: "Dataset") -> None:
    """A suite with its evaluators and its first cases."""
    settings, (kind, name) = suite.settings, suite.target
    said = f"{suite.name}: {kind} {clean(name)}, at least {settings.min_pass:.0%} of cases"
    say(f"{said}. {clean(settings.description)}".rstrip())
    for tag, share in settings.tags.items():
        say(f"  {clean(tag)}: at least {share:.0%}")
    made = table("evaluator", "kind", "for", "")
    for one in settings.evaluators:
        informs = "informs" if one.informs else ""
        made.add_row(clean(one.title), one.kind, clean(", ".join(one.tags)), informs)
    show(made)
    listed = table("case", "tags", "source", "note")
    for case in data.cases[:_SHOWN]:
        listed.add_row(
            clean(case.id), clean(", ".join(case.tags)), clean(case.source), clean(case.note, most=60)
        )
    show(listed)
    if len(data.cases) > _SHOWN:
        say(f"and {len(data.cases) - _SHOWN} more of {len(data.cases)} cases", style="dim")
    for fault in data.faults[:_SHOWN]:
        say(clean(fault), style="yellow")


def grown_document(grown: "Grown") -> dict[str, Any]:
    """What was added, for `--json`."""
    known = [
        {"source": one.source, "case": one.case_id, "alike": round(one.alike, 3), "differs": one.differs}
        for one in grown.known
    ]
    return {"added": [case.as_json() for case in grown.cases], "known": known, "scrubbed": grown.scrubbed}


def print_grown(suite: "Suite", grown: "Grown", *, dry_run: bool) -> None:
    """What was added, and what was there already."""
    word = "Would add" if dry_run else "Added"
    for case in grown.cases:
        expects = "with an expectation" if case.expected is not None else "without an expectation"
        say(f"{word} {case.id} from {case.source}, {expects}. {clean(case.note, most=100)}".rstrip())
    for one in grown.known:
        like = (
            f"equals case {one.case_id}" if one.alike == 1 else f"is {one.alike:.0%} like case {one.case_id}"
        )
        more = ", which expects something else" if one.differs else ""
        say(f"{one.source} {like}{more}.", style="dim")
    if not grown.cases:
        say("Nothing new.")
        return
    if grown.scrubbed:
        say(f"Secrets were replaced: {grown.scrubbed}.", style="yellow")
    where = "/".join(suite.cases_file.parts[-3:])
    say(f"Inputs stand in {where} as they were, personal data included: look at them before you commit.")


def print_card(place: "Place", suite: "Suite", card: "Card") -> None:
    """What a data set covers, and what it misses."""
    say(f"{suite.name}: {card.cases} cases")
    say(f"  tags: {_counted(card.tags, 'none')}")
    say(f"  from: {_counted(card.sources, 'not told')}")
    low, middle, high = card.characters
    said = f"{low:,} to {high:,} characters, half of them under {middle:,}"
    say(f"  inputs: {said}; letters: {_counted(card.scripts)}")
    if card.oldest:
        say(f"  on record between {card.oldest[:10]} and {(card.newest or '')[:10]}")
    if card.missing_tags:
        say(f"  no case is tagged {', '.join(card.missing_tags)}", style="yellow")
    if card.without_expectation:
        say(f"  {card.without_expectation} expect nothing")
    for one, other, alike in card.near_duplicates[:5]:
        say(f"  {clean(one)} is {alike:.0%} like {clean(other)}", style="yellow")
    if card.failures_without_case:
        say(f"  went wrong lately, in no case: {_counted(card.failures_without_case)}", style="yellow")
        say(f"    {place.command('evals', 'add', suite.name, '--from-failures')}", style="dim")
    if card.more_needed:
        said = f"about {card.more_needed} more cases would show a difference of 5 points"
        say(f"  {said} (one in ten differing)")
    else:
        say("  enough cases to show a difference of 5 points (one in ten differing)")


def _counted(counts: Mapping[str, int], empty: str = "none") -> str:
    return ", ".join(f"{clean(name) or empty} {often}" for name, often in counts.items()) or "none"
