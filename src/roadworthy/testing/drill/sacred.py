"""The four sacred rules, each checked on the record and at the simulated provider or in the logs.

1. No finished step runs twice, and none is billed twice.
2. No budget is overspent, and nothing that a provider billed is missing in the books.
3. No irreversible action follows from an unchecked answer: a rule or a person stands behind each.
4. No secret, and nothing personal that a user wrote, stands in a log line.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from roadworthy.settings import Settings
from roadworthy.testing.drill.acts import Acted
from roadworthy.testing.drill.book import Book
from roadworthy.testing.drill.conduct import Conducted

NAMES = (
    "no finished step twice",
    "no budget overspent",
    "no unchecked answer acted on",
    "nothing secret in logs",
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a rule held, and by what one can see it."""

    name: str
    held: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Billed:
    """What one simulated model would charge for."""

    requests: int
    micro_usd: int


def rulings(
    book: Book,
    settings: Settings,
    conducted: Conducted,
    billed: Mapping[str, Billed],
    acts: Sequence[Acted],
    leaks: Mapping[str, int],
    log_lines: int,
) -> tuple[Ruling, ...]:
    """How the four rules fared in a scenario."""
    return (
        _once(book, settings, conducted, billed, acts),
        _within_budget(book, conducted, billed),
        _decided(book, acts),
        _silent(leaks, log_lines),
    )


def _once(
    book: Book,
    settings: Settings,
    conducted: Conducted,
    billed: Mapping[str, Billed],
    acts: Sequence[Acted],
) -> Ruling:
    broken: list[str] = []
    of_calls = {step["id"] for step in book.steps if step["kind"] == "call"}
    ended = Counter(one["step_id"] for one in book.step_attempts if one["status"] == "succeeded")
    answered = Counter(
        call["step_id"]
        for call in book.calls
        if call["status"] == "succeeded" and call["step_id"] in of_calls
    )
    broken += _more_than_once(ended, "steps finished")
    broken += _more_than_once(answered, "steps were answered by a model")
    done_at = {(one["action"], one["key"]): one["done_at"] for one in book.actions if one["done_at"]}
    again = sum(act.time_ms > done_at.get((act.action, act.key), act.time_ms) for act in acts)
    if again:
        broken.append(f"{again} actions were asked for after they were done")
    asked = Counter(one["model"] for one in book.requests)
    extra = sum(max(0, one.requests - asked[model]) for model, one in billed.items())
    allowed = _most_lost(book, settings, conducted)
    if extra > allowed:
        broken.append(f"{extra} requests were billed that no record explains")
    total = sum(one.requests for one in billed.values())
    evidence = f"{len(ended)} steps finished, {total} requests billed, {sum(asked.values())} on record"
    if conducted.killed:
        under_way = f"{conducted.open_steps} steps ({conducted.open_calls} calls)"
        evidence += f"; {under_way} were under way in the killed worker"
    return _ruling(0, broken, evidence)


def _more_than_once(counted: Counter[str], what: str) -> list[str]:
    twice = sum(count > 1 for count in counted.values())
    return [f"{twice} {what} more than once"] if twice else []


def _most_lost(book: Book, settings: Settings, conducted: Conducted) -> int:
    """How many billed requests may be without a record: those of calls that never ended, at most."""
    unended = sum(call["status"] in ("running", "lost") for call in book.calls)
    requests = max(
        (len(route.models) * (route.attempts + route.repairs) for route in settings.routes.values()),
        default=1,
    )
    return (conducted.open_calls + unended) * requests


def _within_budget(book: Book, conducted: Conducted, billed: Mapping[str, Billed]) -> Ruling:
    broken: list[str] = []
    limited = [one for one in book.standings if one.account.window != "call"]
    for standing in limited:
        if standing.account.when_spent != "open" and standing.share > 1:
            account = standing.account
            broken.append(f"budget {account.budget!r} ({account.subject}) stands at {standing.share:.1%}")
    recorded = sum(one["cost_micro_usd"] for one in book.requests)
    charged = sum(one.micro_usd for one in billed.values())
    lost = conducted.open_calls or any(call["status"] in ("running", "lost") for call in book.calls)
    if charged > recorded and not lost:
        missing = (charged - recorded) / 1_000_000
        broken.append(f"providers billed {missing:.6f} US dollars that are not on record")
    fullest = max((one.share for one in limited if one.account.when_spent != "open"), default=None)
    accounts = sum(bool(one.account.subject) for one in limited)
    stand = (
        f"accounts: {accounts}, the fullest at {fullest:.1%}" if fullest is not None else "no budget is set"
    )
    evidence = f"{stand}; billed {charged / 1_000_000:.6f}, on record {recorded / 1_000_000:.6f} US dollars"
    return _ruling(1, broken, evidence)


def _decided(book: Book, acts: Sequence[Acted]) -> Ruling:
    broken: list[str] = []
    irreversible = [act for act in acts if act.irreversible]
    undecided = sum(not act.is_decided for act in irreversible)
    if undecided:
        broken.append(f"{undecided} irreversible actions had no rule and no person behind them")
    written = {(act.action, act.key) for act in acts}
    unseen = sum((one["action"], one["key"]) not in written for one in book.actions if one["done_at"])
    if unseen:
        broken.append(f"{unseen} actions are on record that nobody asked for")
    names = Counter(one["name"] for act in irreversible for one in act.decisions)
    by = ", ".join(f"{name} {count}" for name, count in names.most_common(5))
    return _ruling(
        2, broken, f"{len(irreversible)} irreversible actions{f', decided by: {by}' if by else ''}"
    )


def _silent(leaks: Mapping[str, int], log_lines: int) -> Ruling:
    broken = [f"{what} stands in {count} log lines" for what, count in leaks.items()]
    return _ruling(3, broken, f"{log_lines} log lines searched for a planted key and address")


def _ruling(number: int, broken: Iterable[str], evidence: str) -> Ruling:
    said = "; ".join(broken)
    return Ruling(NAMES[number], not said, said or evidence)
