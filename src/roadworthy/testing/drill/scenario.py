"""What may go wrong in a drill: scenarios, each a small value that says what, when, and with which faults.

A `Trouble` is what befalls requests to some models during a part of the drill; parts are counted in runs
begun, so that a slow machine drills the same as a fast one. What is not a matter of single requests (a flood,
a spent budget, a killed worker, a database that is away) is a field of the scenario.
"""

from dataclasses import dataclass
from typing import Literal

from roadworthy.errors import NotFound, did_you_mean
from roadworthy.testing.simulated import (
    ContentFiltered,
    CutStream,
    EmptyBody,
    ErrorInSuccess,
    Fault,
    Hang,
    HtmlPage,
    MalformedJson,
    NegativeTokens,
    Nonsense,
    NotJson,
    ObeyInjection,
    OtherModel,
    PromptBlocked,
    RateLimited,
    Refused,
    ResetConnection,
    Truncated,
    Unavailable,
    WrongFields,
)

Whom = Literal["first", "provider", "all"]
"""The first model of each route that the workflow uses, all models at the same providers, or every model."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls requests for a while."""

    faults: tuple[Fault, ...] = ()
    """One of them, each as often as the others."""
    share: float = 1.0
    """Of the requests, 0 to 1."""
    whom: Whom = "first"
    begins: float = 0.0
    """After this share of the runs has begun, 0 to 1."""
    ends: float = 1.0
    """When this share of the runs has begun, 0 to 1; at 1 it never ends."""
    slower: float = 1.0
    """So many times as long as usual does an answer take; without `faults` only."""

    def holds(self, begun: float) -> bool:
        """Whether it is on when this share of the runs has begun."""
        return self.begins <= begun and (begun < self.ends or self.ends >= 1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which things go wrong."""

    name: str
    what: str
    """In a sentence, for people."""
    when: str
    """During which part of the drill."""
    troubles: tuple[Trouble, ...] = ()
    flood: int = 1
    """So many times as many runs at once, from one tenant beside a quiet one."""
    spends_budget: bool = False
    """Whether a budget of this drill is spent in the middle."""
    kills_worker: bool = False
    """Whether one of two worker processes is killed in the middle."""
    database_away_seconds: float = 0.0
    """How long nothing can be written to the database, from the middle on."""


_MALFORMED: tuple[Fault, ...] = (
    HtmlPage(),
    EmptyBody(),
    CutStream(),
    MalformedJson(),
    ErrorInSuccess(),
    NotJson(),
    WrongFields(),
    Truncated(),
    OtherModel(),
    NegativeTokens(),
)
_REFUSALS: tuple[Fault, ...] = (Refused(), ContentFiltered(), PromptBlocked())

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "provider-outage",
            "The provider of the first model resets connections and answers 503.",
            "the middle third",
            (Trouble((ResetConnection(), Unavailable()), whom="provider", begins=1 / 3, ends=2 / 3),),
        ),
        Scenario(
            "slow-provider",
            "The provider of the first model takes ten times as long; one request in ten hangs.",
            "all the time",
            (Trouble((Hang(),), share=0.1, whom="provider"), Trouble(slower=10, whom="provider")),
        ),
        Scenario(
            "rate-limits",
            "The first model answers 60 % of its requests with 429 and Retry-After: 1.",
            "all the time",
            (Trouble((RateLimited(retry_after_seconds=1),), share=0.6),),
        ),
        Scenario(
            "malformed",
            "The first model gives HTML, empty or cut bodies, broken JSON, other fields, another model's "
            "name, counts below zero.",
            "all the time, 60 % of its requests",
            (Trouble(_MALFORMED, share=0.6),),
        ),
        Scenario(
            "wrong-answers",
            "Models answer nonsense in the right form.",
            "all the time, 40 % of all requests",
            (Trouble((Nonsense(),), share=0.4, whom="all"),),
        ),
        Scenario(
            "refusals",
            "The first model declines, or a filter in front of it does.",
            "all the time, 60 % of its requests",
            (Trouble(_REFUSALS, share=0.6),),
        ),
        Scenario(
            "injection-obeyed",
            "Models do what a text in their input orders, not what the prompt asks.",
            "all the time, half of all requests",
            (Trouble((ObeyInjection(),), share=0.5, whom="all"),),
        ),
        Scenario(
            "flood",
            "One tenant sends five times as much at once as is usual, beside a quiet one.",
            "all the time",
            flood=5,
        ),
        Scenario(
            "budget-spent",
            "What is left of a budget is spent elsewhere.",
            "from the middle on",
            spends_budget=True,
        ),
        Scenario(
            "crash",
            "One of two worker processes is killed (SIGKILL); the other takes over.",
            "once, in the middle",
            kills_worker=True,
        ),
        Scenario(
            "database-away",
            "Another process holds the database for five seconds: nothing can be written.",
            "once, in the middle",
            database_away_seconds=5.0,
        ),
    )
}
"""Every scenario by its name."""


def scenarios(names: list[str]) -> tuple[Scenario, ...]:
    """Scenarios by name, each once; `all` is every one. Raises `NotFound`."""
    chosen = list(SCENARIOS) if "all" in names else list(dict.fromkeys(names))
    for name in chosen:
        if name not in SCENARIOS:
            raise NotFound(f"There is no scenario {name!r}.", hint=did_you_mean(name, ["all", *SCENARIOS]))
    return tuple(SCENARIOS[name] for name in chosen)
