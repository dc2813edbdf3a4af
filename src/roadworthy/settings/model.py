"""The sections of `roadworthy.toml`, one frozen model each, in the order in which people write them.

Nothing here reads a file or the environment: `load.py` does, and `faults.py` turns what Pydantic rejects into
sentences. A rule on one value stands in `rules.py`, a rule across values in `checks.py`.
The line under a field is its documentation: the reference page is made from it.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, field_serializer

from roadworthy.settings.rules import (
    Count,
    Cron,
    DatabaseUrl,
    Function,
    Hours,
    HttpUrl,
    ModelName,
    Name,
    PathText,
    RoleName,
    RuleKey,
    Rung,
    Seconds,
    SmallCount,
    Text,
    TimeZone,
    VariableName,
)
from roadworthy.settings.secrecy import masked, published

ProviderName = Literal[
    "anthropic",
    "openai",
    "azure-openai",
    "google",
    "google-vertex",
    "bedrock",
    "ollama",
    "openai-compatible",
    "local",
    "python",
    "simulated",
]

_KEY_VARIABLES: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "azure-openai": "AZURE_OPENAI_API_KEY",
    "google": "GOOGLE_API_KEY",
}


class Section(BaseModel):
    """What all sections share: frozen, strict about types, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ProjectSettings(Section):
    """`[project]`: what this project is called and where its parts are."""

    name: Text = "project"
    """The project's name in logs and on the dashboard. Left out, it is the name of the project's folder."""
    workflows: list[PathText] = []
    """The Python files that declare workflows, relative to the project. Empty: they are found."""
    prompts_dir: PathText = "prompts"
    """The folder of prompts, relative to the project."""


class DatabaseSettings(Section):
    """`[database]`: where all state lives."""

    url: DatabaseUrl = "sqlite:///.roadworthy/roadworthy.db"
    """`sqlite:///file`, relative to the project, or `postgresql://user@host/name`; passwords by `${NAME}`."""
    durability: Literal["normal", "full"] = "normal"
    """SQLite only. `normal` keeps every commit when the process dies; `full`, slower, also without power."""
    pool_size: SmallCount = 8
    """Connections that one process keeps open at most; 1 to 1,000."""
    connect_timeout_seconds: Seconds = 10
    """How long to wait for a new connection."""
    busy_timeout_seconds: Seconds = 10
    """SQLite only: how long to wait for another writer."""

    @property
    def display_url(self) -> str:
        """The URL without its password, for people, logs and dumps."""
        return masked(self.url)

    @field_serializer("url")
    def _hide_password(self, _: str) -> str:
        return self.display_url

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [
            (name, self.display_url if name == "url" else value) for name, value in super().__repr_args__()
        ]


Price = Annotated[Decimal, Strict(strict=False), Field(ge=0, le=1_000_000)]


class PriceSettings(Section):
    """`prices` of a model, in place of the public list."""

    input_usd_per_million: Price
    """US dollars for a million tokens read."""
    output_usd_per_million: Price
    """US dollars for a million tokens written."""
    cache_read_usd_per_million: Price | None = None
    """US dollars for a million tokens read from the provider's prefix cache. Left out, as input."""
    cache_write_usd_per_million: Price | None = None
    """US dollars for a million tokens written into the provider's prefix cache. Left out, as input."""
    batch_factor: Annotated[Decimal, Strict(strict=False), Field(ge=0, le=1)] | None = None
    """What a token costs in the provider's batch, as a share of its price, 0 to 1. Left out, all of it."""


class BreakerSettings(Section):
    """`breaker` of a model: when a model that fails is left alone."""

    enabled: bool = True
    """Whether it ever is."""
    window_seconds: Seconds = 30
    """How far back requests count."""
    minimum_requests: Count = 10
    """With fewer requests in the window nothing is concluded."""
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of failed requests from which on the model is left alone; more than 0, at most 1."""
    slow_seconds: Seconds | None = None
    """A request that takes longer counts as slow. Left out, none does."""
    slow_rate: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of slow requests from which on the model is left alone; more than 0, at most 1."""
    open_seconds: Seconds = 10
    """How long it is left alone at first; doubled each time that it still fails."""
    max_open_seconds: Seconds = 120
    """It is never left alone for longer without a probe."""
    probes: SmallCount = 2
    """How many requests probe it afterwards, and have to succeed."""


class ModelSettings(Section):
    """`[models.<name>]`: one model at one provider, under a name of the project's own."""

    provider: ProviderName
    """Who serves it; or `local` (a GGUF file in process), `python` (a function), `simulated` (for tests)."""
    model: ModelName = ""
    """The provider's name of the model, with its date or version; not needed for `local` and `python`."""
    region: Text | None = None
    """Where the provider computes, for example `eu-central-1`."""
    base_url: HttpUrl | None = None
    """The address of the API, without user, password or key."""
    api_key_env: VariableName | None = None
    """The environment variable that holds the key. Left out, the provider's usual one."""
    api_key_file: PathText | None = None
    """The file that holds the key and nothing else, relative to the project; not beside `api_key_env`."""
    api_version: Text | None = None
    """The version of the API, where the provider asks for one (Azure)."""
    timeout_seconds: Seconds = 30
    """How long one request may take."""
    max_concurrency: Count = 20
    """Requests to this model that one process has open at a time."""
    max_open_requests: Count | None = None
    """Requests to this model that all processes together have open at a time. Left out, no such limit."""
    requests_per_minute: Count | None = None
    """Requests to this model in a minute, over all processes. Left out, as many as the provider takes."""
    tokens_per_minute: Count | None = None
    """Tokens read and written in a minute, over all processes. Left out, as many as the provider takes."""
    breaker: BreakerSettings = BreakerSettings()
    """When this model is left alone because it fails."""
    retires_on: Annotated[date, Strict(strict=False)] | None = None
    """The day from which on the provider no longer serves it, where you know better than the price list."""
    prefix_cache: bool = True
    """Whether the provider is told to keep the beginning of a prompt, where it wants to be told."""
    max_tokens: Count | None = None
    """The most tokens that one answer may have, unless the prompt says less."""
    path: PathText | None = None
    """`local` only: the GGUF file, relative to the project, or `package:<name>` for an installed one."""
    function: Function | None = None
    """`python` only: the function to call, as `module:function`."""
    context_tokens: Count | None = None
    """How many tokens the model reads and writes at most in one request."""
    threads: SmallCount = 1
    """`local` only: processor threads, 1 to 1,000. More than there are free cores makes it slower."""
    prices: PriceSettings | None = None
    """What tokens cost. Left out, the public price list; nothing for `local`, `python` and `simulated`."""
    output_mode: Literal["auto", "native", "tool", "prompted"] = "auto"
    """How structure is asked for: by the provider's schema, by a tool, in words, or the best there is."""
    options: dict[str, Any] = {}
    """Further settings for the provider, handed on as they are."""

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds the key; `None` where a file does, or no key is needed."""
        if self.api_key_env is None and self.api_key_file is None:
            return _KEY_VARIABLES.get(self.provider)
        return self.api_key_env

    @field_serializer("options")
    def _publish(self, options: dict[str, Any]) -> Any:
        return published(options)


class BackoffSettings(Section):
    """`backoff` of a route: how long to wait before the same model is asked again."""

    initial_seconds: Seconds = 0.5
    """The wait after the first failure."""
    factor: Annotated[float, Field(ge=1, le=100)] = 2
    """How much longer each further wait is; 1 to 100."""
    max_seconds: Seconds = 30
    """No wait is longer than this."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """The share of a wait that is random, 0 to 1, so that many callers do not return at once."""


class RouteRuleSettings(Section):
    """`rules` of a route: for which calls other models are asked."""

    when: Annotated[dict[RuleKey, str | int | list[str]], Field(min_length=1)]
    """What must hold: `tenant`, `user`, `workflow`, `prompt`, `task` or `tag` (text, or a list of which one
    must fit), `min_characters` or `max_characters` of the rendered prompt."""
    models: Annotated[list[Name], Field(min_length=1)]
    """The models that are asked then, in this order."""


class AnswerCacheSettings(Section):
    """`cache` of a route: whether an answer is given again to the same request."""

    ttl_seconds: Annotated[float, Field(ge=0, le=315_360_000)] = 0
    """How long an answer is given again instead of asking. 0: only when no model answers."""
    stale_seconds: Annotated[float, Field(ge=0, le=315_360_000)] = 604_800
    """How long after that it still helps out when no model answers, marked as stale."""
    scope: Literal["tenant", "user", "everyone"] = "tenant"
    """Who may be given an answer that somebody else asked for."""


class LaterSettings(Section):
    """`later` of a route: how a call that no model answers waits for better times."""

    promise_seconds: Seconds = 86_400
    """By when it is answered, or goes to the next rung."""
    retry_seconds: Seconds = 60
    """How long it waits before the models are asked again; longer each time, up to ten times this."""


class RouteSettings(Section):
    """`[routes.<name>]`: which models answer, in which order, and how hard each is tried."""

    models: Annotated[list[Name], Field(min_length=1)]
    """Names from `[models]`: the first is asked, the next one when it cannot answer."""
    then: list[Rung] = []
    """What follows the last model, in order: `cache` (an older answer), `rule` (the prompt's own fallback),
    `later` (the run waits and asks again), `review` (a person)."""
    choose: Literal["order", "difficulty", "learned"] = "order"
    """`order`: the first model that can answer. `difficulty`: the next one also where an answer fails its
    checks or is unsure. `learned`: a trained router says which calls the first model answers well enough."""
    escalate_below: Annotated[float, Field(ge=0, le=1)] | None = None
    """`difficulty`: an answer less sure than this is asked for again from the next model; 0 to 1."""
    router: PathText | None = None
    """`learned`: the file that `roadworthy routes train` wrote, relative to the project."""
    rules: list[RouteRuleSettings] = []
    """Other models for some calls; the first rule that fits holds."""
    cache: AnswerCacheSettings | None = None
    """Whether answers are given again. Left out, they are kept only if `then` has `cache`."""
    hedge_after_seconds: Seconds | None = None
    """After this long without an answer the next model is asked as well, and the first answer counts."""
    degrade_to: Name | None = None
    """The route that is taken when a budget with `when_spent = "degrade"` is spent."""
    later: LaterSettings = LaterSettings()
    """How long the rung `later` waits."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Requests to each model at most, the first one included; 1 to 100."""
    repairs: Annotated[int, Field(ge=0, le=10)] = 1
    """How often an invalid answer is sent back to the model with what is wrong with it; 0 to 10."""
    timeout_seconds: Seconds = 120
    """How long the whole call may take, over all models, attempts and waits."""
    backoff: BackoffSettings = BackoffSettings()
    """The waits between attempts at one model."""


class PromptSettings(Section):
    """`[prompts.<id>]`: how one prompt is served in this environment."""

    route: Name | None = None
    """The route that answers it. Left out, the workflow's route, then the default one."""
    version: PathText | None = None
    """The label that serves until one is promoted, for example `v2`. Left out, the newest one."""
    task: Text | None = None
    """What the prompt is for, in a word, to sum up costs by. Left out, the prompt's id."""
    data: list[Name] = []
    """What kinds of data its inputs hold: names of `[residency]`, which say where they may go."""
    confidence: PathText | None = None
    """The file that `roadworthy confidence fit` wrote, relative to the project: it turns signals into the
    probability that an answer is right."""
    max_input_tokens: Count | None = None
    """A longer request is refused before any model is asked; by a plain estimate of its tokens."""
    approvers: list[Text] = []
    """Who may let another version serve, by name or id, outside of `development`. Left out, the approvers of
    the workflows that ask it."""


Score = Annotated[float, Field(ge=0, le=1)]


class BandSettings(Section):
    """`bands` of a workflow: what `app.decide` does by itself, by how sure one may be of an answer."""

    proceed: Score | None = None
    """An answer at least this sure is approved; 0 to 1."""
    reject: Score = 0.0
    """An answer less sure than this is rejected; 0 to 1. In between a person decides."""
    max_error_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """In place of `proceed`: at most this share of what is approved may be wrong; more than 0, less than 1.
    From which score on is learnt from reviewed answers (`roadworthy confidence fit`); until then, a person
    decides."""


class ReviewSampleSettings(Section):
    """`review_sample` of a workflow: which share of its automatic decisions people look at afterwards."""

    start: Score = 0.2
    """At least this share, until the bound on missed errors is met for the first time; 0 to 1."""
    floor: Annotated[float, Field(gt=0, le=1)] = 0.01
    """At least this share, however good the decisions are; more than 0, at most 1."""
    max_missed_error_rate: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Wrong automatic decisions that nobody looks at, as a share of all; more than 0, less than 1."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How probable it may be that the share above is ever passed; more than 0, less than 1."""


class ReviewSettings(Section):
    """`review` of a workflow: who decides what is handed over to people, and by when."""

    people: Annotated[int, Field(ge=1, le=2)] = 1
    """How many people have to agree, 1 or 2."""
    roles: Annotated[list[RoleName], Field(min_length=1)] = ["reviewer"]
    """Whoever has one of these roles may decide. An owner always may."""
    due_hours: Hours | None = None
    """Within how many hours it should be decided. Left out, there is no hurry."""
    escalate_to: list[RoleName] = []
    """The roles that it goes to, one after the other, when it is overdue or two people disagree."""
    escalate_after_hours: Hours = 24
    """How many hours each further role has."""


class WorkflowSettings(Section):
    """`[workflows.<name>]`: who answers for a workflow, and its limits."""

    business_owner: Text | None = None
    """Who answers for what the workflow decides."""
    technical_owner: Text | None = None
    """Who keeps it running."""
    approvers: list[Text] = []
    """Who may let another version serve of a prompt that its runs have asked, by name or id, outside of
    `development`; unless the prompt has approvers of its own."""
    reviewers: list[Text] = []
    """Who decides what the workflow hands over to a person. One name alone has it assigned from the start."""
    bands: BandSettings | None = None
    """What `app.decide` does by itself. Left out, a person decides every time."""
    review_sample: ReviewSampleSettings = ReviewSampleSettings()
    """Which share of the automatic decisions people look at afterwards."""
    review: ReviewSettings = ReviewSettings()
    """Who decides what is handed over to people, and by when."""
    on_call: Text | None = None
    """Who is called when it fails."""
    runbook: Text | None = None
    """The path or address of what to do then."""
    success: Text | None = None
    """In a sentence, what a good outcome is."""
    timeout_seconds: Seconds | None = None
    """How long a run may take in all; then it ends as timed out. Left out, without limit."""
    latency_budget_seconds: Seconds | None = None
    """How long a run should take; a longer one goes on, and is reported."""
    tags: list[Text] = []
    """Words to filter by."""
    route: Name | None = None
    """The route for those prompts of this workflow that name none."""
    data: list[Name] = []
    """What kinds of data its runs hold: names of `[residency]`, which say where they may go."""


class ScheduleSettings(Section):
    """`[schedules.<name>]`: a workflow that starts by the clock."""

    workflow: Name
    """The workflow to start."""
    cron: Cron
    """Minute, hour, day of month, month and day of week, for example `0 6 * * 1-5`."""
    timezone: TimeZone = "UTC"
    """The time zone of `cron`, for example `Europe/Berlin`."""
    input: dict[str, Any] = {}
    """The workflow's input."""
    enabled: bool = True
    """Whether it starts at all."""
    catch_up: bool = False
    """Whether starts that were missed while no worker ran are made up for."""

    @field_serializer("input")
    def _publish(self, values: dict[str, Any]) -> Any:
        return published(values)
