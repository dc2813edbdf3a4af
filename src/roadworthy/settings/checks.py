"""Rules across settings: what one section says must fit what another one says.

They look at the values before they are typed, so that a wrong type in one place does not hide a wrong name in
another; values of the wrong type are passed over here, because Pydantic reports them.
"""

from collections.abc import Iterator
from typing import Any, cast, get_args

from roadworthy.errors import did_you_mean
from roadworthy.settings.expand import Finding
from roadworthy.settings.faults import dotted, shown
from roadworthy.settings.layers import Table
from roadworthy.settings.lines import Key
from roadworthy.settings.model import BackoffSettings, ProviderName
from roadworthy.settings.operation import WorkerSettings

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
    workers = values.get("workers")
    if isinstance(workers, dict):
        yield from _order_findings(
            ("workers",),
            cast("Table", workers),
            ("heartbeat_seconds", WorkerSettings().heartbeat_seconds, 2),
            ("dead_after_seconds", WorkerSettings().dead_after_seconds),
        )


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
    backoff = route.get("backoff")
    if isinstance(backoff, dict):
        yield from _order_findings(
            (*key, "backoff"),
            cast("Table", backoff),
            ("initial_seconds", BackoffSettings().initial_seconds, 1),
            ("max_seconds", BackoffSettings().max_seconds),
        )


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
