"""Rules across settings: what one section says must fit what another one says.

They look at the values before they are typed, so that a wrong type in one place does not hide a wrong name in
another; values of the wrong type are passed over here, because Pydantic reports them.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast, get_args

from roadworthy.errors import did_you_mean
from roadworthy.settings.expand import Finding
from roadworthy.settings.faults import dotted, shown
from roadworthy.settings.layers import Table
from roadworthy.settings.lines import Key
from roadworthy.settings.model import BackoffSettings, ProviderName
from roadworthy.settings.operation import AccessSettings, WorkerSettings

_NEEDED_BY_PROVIDER: dict[str, tuple[str, ...]] = {
    "local": ("path",),
    "python": ("function",),
    "simulated": (),
    "azure-openai": ("model", "base_url"),
    "openai-compatible": ("model", "base_url"),
}


def cross_findings(values: Table) -> Iterator[Finding]:
    """Everything that does not fit together."""
    for name, model in _tables(values, "models"):
        yield from _model_findings(("models", name), model)
    for name, route in _tables(values, "routes"):
        yield from _route_findings(("routes", name), route, values)
    for section in ("prompts", "workflows"):
        for name, table in _tables(values, section):
            if "route" in table:
                yield from _name_findings((section, name, "route"), table["route"], values, "routes", "route")
            tags = table.get("data")
            for position, tag in enumerate(cast("list[Any]", tags) if isinstance(tags, list) else []):
                yield from _name_findings(
                    (section, name, "data", position), tag, values, "residency", "kind of data"
                )
    yield from _workflow_findings(values)
    yield from _openid_findings(values)
    for name, budget in _tables(values, "budgets"):
        yield from _budget_findings(("budgets", name), budget)
    for name, findings in _BY_SECTION.items():
        section = values.get(name)
        if isinstance(section, dict):
            yield from findings(cast("Table", section))


def _workflow_findings(values: Table) -> Iterator[Finding]:
    for name, workflow in _tables(values, "workflows"):
        yield from _band_findings(("workflows", name, "bands"), workflow.get("bands"))


def _worker_findings(workers: Table) -> Iterator[Finding]:
    usual = WorkerSettings()
    low, high = ("heartbeat_seconds", usual.heartbeat_seconds, 2), usual.dead_after_seconds
    yield from _order_findings(("workers",), workers, low, ("dead_after_seconds", high))


def _access_findings(access: Table) -> Iterator[Finding]:
    usual = AccessSettings()
    for low, high in (("session_idle_seconds", "session_seconds"), ("key_days", "max_key_days")):
        least, most = (low, getattr(usual, low), 1), (high, getattr(usual, high))
        yield from _order_findings(("access",), access, least, most)


def _openid_findings(values: Table) -> Iterator[Finding]:
    access, service = values.get("access"), values.get("service")
    public = isinstance(service, dict) and "public_url" in service
    by_issuer: dict[str, str] = {}
    for name, provider in _tables(cast("Table", access) if isinstance(access, dict) else {}, "openid"):
        key = ("access", "openid", name)
        if not public:
            yield (
                key,
                f"[{dotted(key)}] needs 'service.public_url': people come back to it from the provider.",
            )
        if "client_secret_env" in provider and "client_secret_file" in provider:
            said = f"[{dotted(key)}] has both 'client_secret_env' and 'client_secret_file'. Keep one."
            yield (*key, "client_secret_file"), said
        issuer = provider.get("issuer")
        if isinstance(issuer, str) and (other := by_issuer.setdefault(issuer, name)) != name:
            said = f"[{dotted(key)}] has the issuer of {other!r}. Keep one of the two."
            yield (*key, "issuer"), said
        rules = provider.get("admit")
        for number, rule in enumerate(cast("list[Any]", rules) if isinstance(rules, list) else []):
            if isinstance(rule, dict) and ("email_domain" in rule) == ("group" in rule):
                at = (*key, "admit", number)
                yield at, f"{dotted(at)!r} needs either 'email_domain' or 'group', to say whom it lets in."


def _audit_findings(audit: Table) -> Iterator[Finding]:
    if "key_env" in audit and "key_file" in audit:
        yield ("audit", "key_file"), "[audit] has both 'key_env' and 'key_file'. Keep one."


_BY_SECTION: dict[str, Callable[[Table], Iterator[Finding]]] = {
    "workers": _worker_findings,
    "access": _access_findings,
    "audit": _audit_findings,
}


def _band_findings(key: Key, bands: object) -> Iterator[Finding]:
    if isinstance(bands, dict):
        table = cast("Table", bands)
        yield from _order_findings(key, table, ("reject", 0.0, 1), ("proceed", 1.0))
        if ("proceed" in table) == ("max_error_rate" in table):
            said = "both 'proceed' and" if "proceed" in table else "neither 'proceed' nor"
            yield key, f"'{dotted(key)}' has {said} 'max_error_rate': say one of the two."


def _model_findings(key: Key, model: Table) -> Iterator[Finding]:
    provider = model.get("provider")
    if provider in get_args(ProviderName):
        for needed in _NEEDED_BY_PROVIDER.get(str(provider), ("model",)):
            if needed not in model or model[needed] == "":
                yield (
                    (*key, needed),
                    f"[{dotted(key)}] needs {needed!r}, because its provider is {str(provider)!r}.",
                )
    if "api_key_env" in model and "api_key_file" in model:
        yield (*key, "api_key_file"), f"[{dotted(key)}] has both 'api_key_env' and 'api_key_file'. Keep one."


def _route_findings(key: Key, route: Table, values: Table) -> Iterator[Finding]:
    models = route.get("models")
    if isinstance(models, list):
        for position, name in enumerate(cast("list[Any]", models)):
            yield from _name_findings((*key, "models", position), name, values, "models", "model")
    rules = route.get("rules")
    for number, rule in enumerate(cast("list[Any]", rules) if isinstance(rules, list) else []):
        when: Any = cast("Table", rule).get("when") if isinstance(rule, dict) else None
        if isinstance(when, dict):
            yield from _when_findings((*key, "rules", number, "when"), cast("Table", when))
        asked: Any = cast("Table", rule).get("models") if isinstance(rule, dict) else None
        for position, name in enumerate(cast("list[Any]", asked) if isinstance(asked, list) else []):
            yield from _name_findings(
                (*key, "rules", number, "models", position), name, values, "models", "model"
            )
    if "degrade_to" in route:
        yield from _name_findings((*key, "degrade_to"), route["degrade_to"], values, "routes", "route")
        yield from _circle_findings(key, route, values)
    if route.get("choose") == "learned" and "router" not in route:
        yield (*key, "router"), f"[{dotted(key)}] needs 'router', because it chooses by what was learned."
    backoff = route.get("backoff")
    if isinstance(backoff, dict):
        yield from _order_findings(
            (*key, "backoff"),
            cast("Table", backoff),
            ("initial_seconds", BackoffSettings().initial_seconds, 1),
            ("max_seconds", BackoffSettings().max_seconds),
        )


def _when_findings(key: Key, when: Table) -> Iterator[Finding]:
    for name, wanted in when.items():
        counts = name in ("min_characters", "max_characters")
        if counts and not _is_number(wanted):
            yield (*key, name), f"{dotted((*key, name))!r} must be a whole number, but is {shown(wanted)}."
        elif not counts and _is_number(wanted):
            yield (*key, name), f"{dotted((*key, name))!r} must be text, or a list of which one must fit."


def _circle_findings(key: Key, route: Table, values: Table) -> Iterator[Finding]:
    """A route that, degraded again and again, comes back to itself."""
    routes: Any = values.get("routes")
    seen, name = [str(key[-1])], route.get("degrade_to")
    while (
        isinstance(name, str)
        and isinstance(routes, dict)
        and isinstance(cast("Table", routes).get(name), dict)
    ):
        if name in seen:
            path = " -> ".join([*seen, name])
            yield (*key, "degrade_to"), f"{dotted((*key, 'degrade_to'))!r} leads back to itself: {path}."
            return
        seen.append(name)
        name = cast("Table", routes)[name].get("degrade_to")


def _budget_findings(key: Key, budget: Table) -> Iterator[Finding]:
    whole, by_time = (
        ("usd", "tokens"),
        tuple(f"per_{window}_{unit}" for window in ("day", "month") for unit in ("usd", "tokens")),
    )
    scope = budget.get("scope")
    if not isinstance(scope, str):
        return
    right, wrong = (whole, by_time) if scope in ("call", "run") else (by_time, whole)
    for name in wrong:
        if name in budget:
            yield (
                (*key, name),
                f"{name!r} has no meaning for scope {scope!r}. Use {', '.join(map(repr, right))}.",
            )
    if not any(name in budget for name in (*right, *wrong)):
        yield (*key, "scope"), f"[{dotted(key)}] sets no limit. Use {', '.join(map(repr, right))}."
    if scope == "call" and budget.get("only"):
        yield (*key, "only"), f"{dotted((*key, 'only'))!r} has no meaning for a budget of each call."


def _name_findings(key: Key, name: object, values: Table, section: str, noun: str) -> Iterator[Finding]:
    known = values.get(section, {})
    if not isinstance(name, str) or not name or not isinstance(known, dict) or name in known:
        return
    hint = did_you_mean(name, cast("Table", known)) or f"There is no [{section}.…] yet."
    yield key, f"{dotted(key)!r} names a {noun} that does not exist: {shown(name)}. {hint}"


def _order_findings(
    key: Key, table: Table, low: tuple[str, float, float], high: tuple[str, float]
) -> Iterator[Finding]:
    """`high` must not be less than so many times `low`."""
    low_name, low_default, times = low
    high_name, high_default = high
    least, most = table.get(low_name, low_default), table.get(high_name, high_default)
    if not _is_number(least) or not _is_number(most) or most >= least * times:
        return
    at = high_name if high_name in table else low_name
    factor = "" if times == 1 else f"{times:g} times "
    yield (*key, at), f"'{dotted((*key, high_name))}' must be at least {factor}'{dotted((*key, low_name))}'."


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tables(values: Table, section: str) -> Iterator[tuple[str, Table]]:
    tables = values.get(section)
    if isinstance(tables, dict):
        for name, table in cast("Table", tables).items():
            if isinstance(table, dict):
                yield name, cast("Table", table)
