"""Releases as the API shows and takes them: arms, changes, shares, and what came of a split."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.errors import NotFound
from roadworthy.monitoring import outcomes
from roadworthy.releases import Change, Release, arm_json
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import Line

if TYPE_CHECKING:
    from roadworthy.app import App

_MOST = 100

Limit = Annotated[int, Query(ge=1, le=_MOST)]
Before = Annotated[int | None, Query(ge=1, le=2**53)]
Reason = Annotated[Line, Field(max_length=255)]
Revision = Annotated[int, Field(ge=0, le=2**53)]


class ReasonBody(BaseModel):
    """Why something is changed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Reason = ""
    """Why; kept on record."""
    expect: Revision | None = None
    """The revision that was looked at: 409 when something else serves by now. Left out, the present one."""


class ShareBody(ReasonBody):
    """Names with their shares."""

    shares: Annotated[dict[Line, Decimal], Field(min_length=1, max_length=20)]
    """Percent by name, 100 in all, to a hundredth: versions of a prompt, routes, or values of a flag."""


class ArmOut(Shown):
    """One of the things that serve."""

    name: str
    content_hash: str
    percent: float


class ChangeOut(Shown):
    """One change."""

    id: str
    revision: int
    kind: str
    arms: list[ArmOut]
    """What served from then on; none where settings or code say."""
    before: list[ArmOut]
    by: str
    by_name: str
    reason: str
    evidence: dict[str, Any] | None
    """The evaluation that let each version be, by label."""
    at: str


class HistoryOut(Shown):
    """What serves, and how that came about, newest first."""

    source: str
    """`release`, or `settings` where nobody changed what settings and code say."""
    revision: int
    """What a change says that it looked at; 0 where settings and code say."""
    arms: list[ArmOut]
    changes: list[ChangeOut]
    next: int | None
    """For `before`, to get earlier changes."""


class MeasureOut(Shown):
    """One measure of an arm, and how much more it is than the first arm's."""

    value: float | None
    """A share, seconds, US dollars, or a rating from 0 to 1; null where there is nothing to measure."""
    count: int
    """How many calls, decisions or ratings it is over."""
    difference: float | None
    """Null for the first arm, and where there are too few users to tell."""
    low: float | None
    """Where the 95% interval of the difference begins."""
    high: float | None
    """Where it ends."""


class ArmOutcomeOut(Shown):
    """What became of one arm."""

    name: str
    percent: float
    """Its share now; 0 when it is out."""
    keys: int
    """How many keys, which are mostly users, met it."""
    calls: int
    latency_p50_seconds: float | None
    latency_p95_seconds: float | None
    measures: dict[str, MeasureOut]


class OutcomesOut(Shown):
    """The newest split, arm by arm; the others are compared with the first."""

    subject: str
    revision: int
    mismatch_p: float
    """How probable the numbers of keys are if nothing loses users of one arm."""
    mismatched: bool
    """They are not: nothing can be concluded from these figures."""
    arms: list[ArmOutcomeOut]


def arms_of(release: Release) -> list[ArmOut]:
    """The arms of a release."""
    return [ArmOut.model_validate(arm_json(arm)) for arm in release.arms]


def change_out(change: Change) -> ChangeOut:
    """A change, as the API says it."""
    return ChangeOut.model_validate(change.as_json())


async def history_of(
    app: "App", subject: str, default: list[ArmOut], limit: int, before: int | None
) -> dict[str, Any]:
    """The fields of a `HistoryOut`; `default` is what serves where there is no release."""
    release = await app.releases.now(subject)
    found = await app.releases.history(subject, limit=limit + 1, before=before)
    return {
        "source": "settings" if release is None else "release",
        "revision": 0 if release is None else release.revision,
        "arms": default if release is None else arms_of(release),
        "changes": [change_out(one) for one in found[:limit]],
        "next": found[limit - 1].revision if len(found) > limit else None,
    }


async def outcomes_of(app: "App", subject: str) -> OutcomesOut:
    """What came of the newest split. Raises `NotFound` where there never was one."""
    environment = app.settings.environment
    found = await app.database.read(lambda tx: outcomes(tx, environment, subject))
    if found is None:
        raise NotFound(f"Nothing was ever split for {subject!r} in {environment!r}.")
    return OutcomesOut.model_validate(found.as_json())
