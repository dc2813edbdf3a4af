"""The constrained types of settings, and the rule behind each.

A validator raises `RuleError` with the rest of a sentence that begins with the key: what must stand there,
never what does stand there. `faults.py` adds that, if it may be shown.
"""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from roadworthy.errors import did_you_mean
from roadworthy.settings.secrecy import is_secret_name, password_of

_A_YEAR_SECONDS = 31_536_000
_CRON_FIELDS = 5
RUNGS = ("cache", "later", "review", "rule")
RULE_KEYS = (
    "max_characters",
    "min_characters",
    "prompt",
    "tag",
    "task",
    "tenant",
    "user",
    "workflow",
)


class RuleError(ValueError):
    """A value breaks a rule; the message says what must stand there."""

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


def _name(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise RuleError("must be printable text on one line, not empty and without spaces at its ends")
    return value


def _model_name(value: str) -> str:
    return _name(value) if value else value


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value, re.ASCII):
        raise RuleError(
            "must be the name of an environment variable, such as 'ANTHROPIC_API_KEY', not the key itself"
        )
    return value


def _function(value: str) -> str:
    module, _, function = value.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *function.split(".")]):
        raise RuleError("must name a Python function as 'module:function'")
    return value


def _role(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", value, re.ASCII):
        raise RuleError("must be the name of a role, such as 'reviewer': lower-case letters, digits, - and _")
    return value


def _rung(value: str) -> str:
    if value not in RUNGS:
        raise RuleError(f"must be one of {', '.join(map(repr, RUNGS))}", hint=did_you_mean(value, RUNGS))
    return value


def _rule_key(value: str) -> str:
    if value not in RULE_KEYS:
        raise RuleError(
            f"must be one of {', '.join(map(repr, RULE_KEYS))}", hint=did_you_mean(value, RULE_KEYS)
        )
    return value


def _http_url(value: str) -> str:
    sentence = "must be an address such as 'https://models.example.com/v1'"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise RuleError(sentence) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not value.isprintable() or " " in value:
        raise RuleError(sentence)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.username is not None or any(is_secret_name(name) for name in names):
        raise RuleError(f"{sentence}, without user, password or key")
    return value


def _issuer(value: str) -> str:
    sentence = "must be an https address such as 'https://id.example.com', without query and fragment"
    parts = urlsplit(_http_url(value))
    if (parts.scheme != "https" and not is_loopback(parts.hostname or "")) or parts.query or parts.fragment:
        raise RuleError(sentence, hint="Only a provider on this machine may be reached by http.")
    return value


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, so that no network lies in between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _domain(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value, re.ASCII):
        raise RuleError("must be a domain in lower case, such as 'example.org', without '@'")
    return value


def _path_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", value, re.ASCII):
        raise RuleError("must begin with a lower-case letter and have only those, digits, - and _")
    return value


def _database_url(value: str) -> str:
    if value.startswith("sqlite:"):
        path = value.partition("?")[0].removeprefix("sqlite:///")
        if not value.startswith("sqlite:///") or path in {"", ":memory:"} or not value.isprintable():
            raise RuleError("must name a SQLite file, such as 'sqlite:///.roadworthy/roadworthy.db'")
        return value
    if not re.match(r"postgres(ql)?(\+psycopg)?://", value):
        raise RuleError("must be 'sqlite:///file' or 'postgresql://user@host/name'")
    try:
        _ = urlsplit(value).port
        plain = not re.search(r"[/@?#]", password_of(value))
    except ValueError:
        plain = False
    if not plain:
        raise RuleError(
            "must have a valid host and port",
            hint="Write special characters of the password percent-encoded, for example %2F for a slash.",
        )
    return re.sub(r"^postgres(?=[:+])", "postgresql", value)


def _cron(value: str) -> str:
    from croniter import croniter  # 50 ms that a project without schedules should not pay

    sentence = "must be a cron expression of five fields, such as '0 6 * * 1-5'"
    if len(value.split()) != _CRON_FIELDS or not re.fullmatch(r"[0-9A-Za-z*,/#? -]+", value, re.ASCII):
        raise RuleError(sentence)
    if re.search(r"(?<![A-Za-z])[RH](?![A-Za-z])", value, re.IGNORECASE):
        raise RuleError(f"{sentence}, without random times")
    try:
        moments = croniter(value, datetime(2000, 1, 1, tzinfo=UTC))
    except (ValueError, KeyError):
        raise RuleError(sentence) from None
    try:
        moments.get_next()
    except ValueError:
        raise RuleError("must be a cron expression that comes true on some day") from None
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(value, available_timezones())
        raise RuleError("must be an IANA time zone, such as 'Europe/Berlin'", hint=hint) from None
    return value


Seconds = Annotated[float, Field(gt=0, le=_A_YEAR_SECONDS)]
"""More than 0, at most a year."""
Hours = Annotated[float, Field(gt=0, le=_A_YEAR_SECONDS / 3600)]
"""More than 0, at most a year."""
Count = Annotated[int, Field(ge=1, le=100_000_000)]
SmallCount = Annotated[int, Field(ge=1, le=1_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]
PayloadBytes = Annotated[int, Field(ge=1, le=1_000_000_000)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name)]
ModelName = Annotated[str, AfterValidator(_model_name)]
"""May be empty: not every provider needs one."""
PathText = Annotated[str, AfterValidator(_name)]
VariableName = Annotated[str, AfterValidator(_variable)]
Function = Annotated[str, AfterValidator(_function)]
RoleName = Annotated[str, AfterValidator(_role)]
Rung = Annotated[str, AfterValidator(_rung)]
RuleKey = Annotated[str, AfterValidator(_rule_key)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Issuer = Annotated[str, AfterValidator(_issuer)]
Domain = Annotated[str, AfterValidator(_domain)]
PathName = Annotated[str, AfterValidator(_path_name)]
"""A name that is a part of an address."""
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
Cron = Annotated[str, AfterValidator(_cron)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
