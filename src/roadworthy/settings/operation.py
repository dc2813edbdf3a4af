"""The sections of `roadworthy.toml` that operators tune: workers, retention, telemetry and limits.

They are models of the same kind as those in `model.py`, which holds what authors of a project write.
"""

from typing import Annotated, Literal

from pydantic import Field

from roadworthy.settings.model import Section
from roadworthy.settings.openid import OpenIdSettings
from roadworthy.settings.rules import (
    Days,
    HttpUrl,
    PathName,
    PathText,
    PayloadBytes,
    Seconds,
    SmallCount,
    Text,
    VariableName,
)


class WorkerSettings(Section):
    """`[workers]`: the processes that execute runs."""

    concurrency: SmallCount = 20
    """Runs that one worker executes at a time; 1 to 1,000."""
    poll_seconds: Seconds = 0.5
    """How often a worker looks for new runs."""
    heartbeat_seconds: Seconds = 2
    """How often a worker says that it is alive."""
    dead_after_seconds: Seconds = 15
    """After how long a silence the others take a worker's runs over. More than twice `heartbeat_seconds`."""
    shutdown_seconds: Seconds = 30
    """How long a worker that was asked to stop finishes steps before it leaves its runs to the others."""
    park_after_seconds: Seconds = 5
    """A run that waits longer than this leaves the worker's memory until it is due."""
    health_host: Text = "127.0.0.1"
    """The address at which `roadworthy worker` tells its health; `0.0.0.0` for every one of the machine's."""
    health_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """The port for `/healthz`, `/readyz` and `/metrics` there; 0 for a free one. Left out, there is none."""


class ReleaseSettings(Section):
    """`[releases]`: what it takes to let a version of a prompt serve."""

    require_eval: bool | None = None
    """Refuse a version without a passing evaluation. Left out, everywhere but in `development`."""


class RetentionSettings(Section):
    """`[retention]`: how long what happened is kept."""

    runs_days: Days = 90
    """Finished runs with their steps; 1 to 36,500 days."""
    payloads_days: Days = 30
    """Inputs, results, messages and raw answers; 1 to 36,500 days."""
    calls_days: Days = 90
    """Calls with their attempts, tokens and costs; 1 to 36,500 days."""
    evals_days: Days = 365
    """Experiments with their results, and answers on tape; 1 to 36,500 days."""


class TelemetrySettings(Section):
    """`[telemetry]`: what is sent and logged."""

    exporter: Literal["none", "otlp", "console"] = "none"
    """Where OpenTelemetry spans and metrics go."""
    endpoint: HttpUrl | None = None
    """The OTLP/HTTP address. Left out, what the OpenTelemetry environment variables say."""
    log_format: Literal["json", "text"] = "json"
    """One JSON object a line for machines, or text for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is logged."""
    service_name: Text = "roadworthy"
    """The service's name in traces. Left out, the project's name."""
    capture_content: bool = False
    """Whether spans carry what was sent to models and what they answered."""


class LimitSettings(Section):
    """`[limits]`: sizes that are refused."""

    max_input_bytes: PayloadBytes = 20_000_000
    """The largest input of a run, as JSON; 1 to 1,000,000,000 bytes, the most that SQLite stores."""
    max_result_bytes: PayloadBytes = 20_000_000
    """The largest result of a step or run, as JSON; 1 to 1,000,000,000 bytes."""


class AccessSettings(Section):
    """`[access]`: how people sign in, and how long keys last."""

    session_idle_seconds: Seconds = 43_200
    """A session that is not used for so long ends."""
    session_seconds: Seconds = 604_800
    """A session ends after this long, however much it is used."""
    link_seconds: Seconds = 900
    """How long a sign-in link can be used, once."""
    sign_in_attempts_per_minute: SmallCount = 10
    """How often signing in may be tried in a minute, from one address and for one person; 1 to 1,000."""
    key_days: Days = 90
    """How long a key lasts unless it is said when it is made; 1 to 36,500 days."""
    max_key_days: Days = 365
    """How long a key may last at most; 1 to 36,500 days."""
    openid: dict[PathName, OpenIdSettings] = Field(default_factory=dict[str, OpenIdSettings])
    """Where people sign in beside the links: providers of OpenID Connect, as `[access.openid.<name>]`."""


class AuditSettings(Section):
    """`[audit]`: how the log of who did what is protected."""

    key_env: VariableName | None = None
    """The environment variable that holds the key which signs entries. Left out, they are not signed."""
    key_file: PathText | None = None
    """The file that holds that key and nothing else, relative to the project; not beside `key_env`."""
    old_key_files: list[PathText] = Field(default_factory=list[PathText])
    """Files with earlier keys, by which older entries are verified."""
    seal_after_seconds: Seconds = 300
    """How long a call must be over before an entry covers it."""
