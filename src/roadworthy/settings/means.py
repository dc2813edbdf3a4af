"""The sections that keep a project within its means: budgets, throttles, residency, retries, batches."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, Strict

from roadworthy.settings.model import Section
from roadworthy.settings.rules import Count, Name, Seconds, SmallCount, Text, TimeZone

Money = Annotated[Decimal, Strict(strict=False), Field(ge=0, le=1_000_000_000)]
"""US dollars."""
Tokens = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


class BudgetSettings(Section):
    """`[budgets.<name>]`: how much may be spent. The most that a request may cost is set aside beforehand."""

    scope: Literal["call", "run", "environment", "workflow", "tenant", "user", "prompt", "task"]
    """Each of what has its own account."""
    only: list[Name] = Field(default_factory=list[str])
    """Names of workflows, tenants, … (by `scope`) for which it holds. Empty: for every one."""
    usd: Money | None = None
    """`call` and `run` only: US dollars in all. 0 lets through only what is free."""
    tokens: Tokens | None = None
    """`call` and `run` only: tokens in all, read and written."""
    per_day_usd: Money | None = None
    """US dollars in a calendar day. 0 lets through only what is free."""
    per_month_usd: Money | None = None
    """US dollars in a calendar month."""
    per_day_tokens: Tokens | None = None
    """Tokens in a calendar day, read and written."""
    per_month_tokens: Tokens | None = None
    """Tokens in a calendar month, read and written."""
    timezone: TimeZone = "UTC"
    """The time zone whose days and months count."""
    when_spent: Literal["close", "degrade", "open"] = "close"
    """`close`: what does not fit is not sent. `degrade`: the route's `degrade_to` is taken. `open`: it is
    sent all the same, and reported."""
    warn_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of a limit at which it is reported as nearly spent; more than 0, at most 1."""


class ThrottleSettings(Section):
    """`[throttles.<name>]`: how often somebody may ask. Who asks too often is told when to come back."""

    scope: Literal["user", "tenant", "workflow", "environment"]
    """Each of what is counted by itself."""
    only: list[Name] = Field(default_factory=list[str])
    """Names of users, tenants or workflows (by `scope`) for which it holds. Empty: for every one."""
    requests_per_minute: Annotated[float, Field(gt=0, le=1_000_000)]
    """Calls in a minute; more than 0."""
    burst: SmallCount | None = None
    """How many may come at once. Left out, a sixth of a minute's, at least one."""


class ResidencySettings(Section):
    """`[residency.<kind of data>]`: where data of this kind may be computed on."""

    regions: Annotated[list[Text], Field(min_length=1)]
    """Regions of models; `eu` permits `eu-central-1` too. A model in this process is always permitted."""


class ResilienceSettings(Section):
    """`[resilience]`: how one process keeps an outage from becoming a storm of retries."""

    retry_ratio: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Retries for each first request at most, over time."""
    retries_per_minute_floor: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """So many retries a minute are made in any case."""


class ProviderBatchSettings(Section):
    """`[provider_batch]`: work that can wait, sent through the providers' batch APIs at their price."""

    submit_after_seconds: Seconds = 30
    """How long calls are collected before they are sent together."""
    max_requests: Annotated[int, Field(ge=1, le=50_000)] = 10_000
    """So many are sent at once without waiting; 1 to 50,000."""
    poll_seconds: Seconds = 60
    """How often the provider is asked whether it is done."""
    within_seconds: Seconds = 86_400
    """When the answer is not there by then, the live models are asked."""
    max_waiting: Count = 100_000
    """More calls than this are not collected; what comes on top is asked live."""
