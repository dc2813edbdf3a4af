"""Which configured models are gone, about to go, or said to be going: `lives`.

What is known comes from three places, the surest first:

    retires_on     a date in the model's settings
    refusals       what the provider answered of late: it does not know the model (`refusals` reads them)
    price list     genai-prices marks entries as deprecated; dates stand, if at all, in its comments

The price list knows little: in 0.2.3 it marks 71 of 2,330 entries, of Google's models five, and none of
Anthropic's, OpenAI's, Azure's and Bedrock's. A model that it lists without a mark counts as in service.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, Protocol

import sqlalchemy as sa

from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.errors import ErrorKind
from roadworthy.models.token_rates import Priced, find_entry, is_local
from roadworthy.records import iso

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

State = Literal["ok", "deprecated", "retiring", "retired", "refused", "unknown"]
"""`ok`: nothing is known against it. `deprecated`: the provider advises against it, without a date.
`retiring`: it goes within 90 days. `retired`: its day has come, or it is gone. `refused`: the provider said
of late that it does not know it. `unknown`: the price list has no such model: nothing is known of it."""

REFUSALS_DAYS = 7
"""How far back to read refusals."""
_SOON_DAYS = 90
_MOST_QUOTED = 240

_DATE = r"(?:on\s+|by\s+)?(?P<date>\d{4}-\d{2}-\d{2}|[A-Z][a-z]{2,8}\.?\s+\d{1,2},?\s+\d{4})"
_GONE_ON = re.compile(
    rf"(?:retires|retired|retirement|shut\s?down|discontinued(?:\s[^.;,]{{0,40}}?)?)\s+{_DATE}", re.IGNORECASE
)
_GONE = re.compile(
    r"shut\s?down|no\s+longer\s+(?:listed|lists|in\b|available|served)|\bretired\b", re.IGNORECASE
)
_OPENS_WITH = re.compile(r"\W*(?:deprecated|retired|retires|shut\s?down)\b", re.IGNORECASE)
"""What a comment on an entry without a mark begins with if it is about the model, not about a part of it."""
_TELLING = re.compile(r"deprecat|retire|shut\s?down|no\s+longer|discontinued|recommend", re.IGNORECASE)
_OTHER_PLATFORMS = frozenset({"google-vertex", "azure-openai"})
"""Where models go by dates of their own, while the price list speaks of the maker's own service."""


class Served(Priced, Protocol):
    """A model in use, under its name in the settings. `Target` is one."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """That a provider does not know a model, as attempts on record say."""

    model: str
    """Its name in the settings."""
    count: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Life:
    """How long one model will be there."""

    model: str
    """Its name in the settings."""
    state: State
    retires_on: date | None
    """From that day on it is not served, as far as known."""
    why: str
    """Where that is known from; empty when `state` is `ok`."""
    advice: str
    """What to do; empty when there is nothing to do."""

    @property
    def warning(self) -> str | None:
        """What to tell the operator; None when there is nothing to do."""
        return f"models.{self.model}: {self.why} {self.advice}" if self.advice else None


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the price list says of a model."""

    known: bool
    deprecated: bool = False
    gone: bool = False
    retires_on: date | None = None
    quote: str = ""


def lives(targets: Iterable[Served], now_ms: int, refused: Iterable[Refusal] = ()) -> list[Life]:
    """What is known of each model. Reads the price list, which takes 0.9 s of CPU at first."""
    by_name = {refusal.model: refusal for refusal in refused}
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return [_life(target, today, by_name.get(target.name)) for target in targets]


def refusals(tx: sa.Connection, since_ms: int, *, environment: str | None = None) -> list[Refusal]:
    """Models that their provider did not know since then, and that have not answered after that."""
    attempt = call_attempts.c
    unknown = attempt.error_kind == ErrorKind.MODEL_NOT_FOUND.value
    last_refused = sa.func.max(sa.case((unknown, attempt.started_at)))
    last_answered = sa.func.max(sa.case((attempt.status.in_(("succeeded", "invalid")), attempt.started_at)))
    query = (
        sa.select(attempt.model, sa.func.count(sa.case((unknown, 1))), last_refused)
        .select_from(sa.join(call_attempts, calls, calls.c.id == attempt.call_id))
        .where(calls.c.started_at >= since_ms, attempt.started_at >= since_ms)
        .group_by(attempt.model)
        .having(sa.func.coalesce(last_refused, 0) > sa.func.coalesce(last_answered, 0))
        .order_by(attempt.model)
    )
    if environment is not None:
        query = query.where(calls.c.environment == environment)
    return [Refusal(model, count, last_ms) for model, count, last_ms in tx.execute(query)]


def _life(target: Served, today: date, refusal: Refusal | None) -> Life:
    own = target.settings.retires_on
    listed = _listed(target)
    retires_on = own or listed.retires_on
    said = f"its settings say that it retires on {own}." if own else listed.quote
    state: State = "ok" if listed.known else "unknown"
    why, advice = "" if listed.known else "the price list has no such model.", ""
    change = f"Choose another one, evaluate it, and change models.{target.name}.model."
    if (retires_on is not None and retires_on <= today) or (own is None and listed.gone):
        state, why, advice = "retired", said, change
    elif refusal is not None:
        times = "once" if refusal.count == 1 else f"{refusal.count} times"
        said = f"{target.provider} said {times} that it has no model {target.model!r}"
        state, why = "refused", f"{said}, last at {iso(refusal.last_ms)}."
        advice = "Check its name and what your key may use, or choose another one."
    elif retires_on is not None and (retires_on - today).days <= _SOON_DAYS:
        state, why, advice = "retiring", said, change
    elif own is None and listed.deprecated:
        state, why, advice = "deprecated", said, change
    return Life(target.name, state, retires_on, why, advice)


def _listed(target: Served) -> _Listed:
    if is_local(target):
        return _Listed(known=True)
    info = find_entry(target, target.model)
    if info is None:
        return _Listed(known=False)
    listed = _read(info)
    return replace(listed, gone=False, retires_on=None) if target.provider in _OTHER_PLATFORMS else listed


def _read(info: "ModelInfo") -> _Listed:
    """What an entry says. Its texts are about prices: only what is surely about the model is believed."""
    texts = [text for text in (info.price_comments, info.description) if text]
    if not info.deprecated:
        texts = [text for text in texts if _OPENS_WITH.match(text)]
        if not texts:
            return _Listed(known=True)
    text = ". ".join(texts)
    found = _GONE_ON.search(text)
    retires_on = _day(found["date"]) if found is not None else None
    return _Listed(
        known=True,
        deprecated=True,
        gone=retires_on is None and _GONE.search(text) is not None,
        retires_on=retires_on,
        quote=_quote(text),
    )


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%b %d %Y", "%B %d %Y"):
        try:
            return datetime.strptime(text.replace(",", "").replace(".", ""), form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None


def _quote(text: str) -> str:
    """The sentences that say something of the model's end."""
    sentences = [one for one in re.split(r"(?<=[.;])\s+", " ".join(text.split())) if _TELLING.search(one)]
    told = " ".join(sentences)
    if not told:
        return "the price list marks it as deprecated."
    return f"the price list says: {told[:_MOST_QUOTED].rstrip(' .;,')}."
