"""Words for a route as `routes list` and `routes show` have it: what is set, on a line each."""

from typing import Any


def choice_of(row: dict[str, Any]) -> str:
    """How a model is chosen."""
    if row["choose"] == "difficulty" and row["escalate_below"] is not None:
        return f"difficulty, below {row['escalate_below']:g}"
    router = row["router"]
    if router is None:
        return str(row["choose"])
    if router["fault"]:
        return "learned, but its router cannot be used"
    if router["changed"]:
        return f"learned, but {' and '.join(router['changed'])} changed: train it again"
    return f"learned, at most {router['report']['max_share']:.1%} to {router['report']['cheap']}"


def cache_of(cache: dict[str, Any] | None) -> str:
    """How long an answer is given again, and to whom."""
    if cache is None:
        return ""
    if not cache["ttl_seconds"]:
        return f"stale only, for {cache['scope']}"
    return f"{cache['ttl_seconds']:g} s for {cache['scope']}"


def hedge_of(row: dict[str, Any]) -> str:
    """When the next model is asked as well."""
    return "" if row["hedge_after_seconds"] is None else f"after {row['hedge_after_seconds']:g} s"


_UNITS = {
    "requests_per_minute": "requests/min",
    "tokens_per_minute": "tokens/min",
    "max_open_requests": "open in all",
    "max_concurrency": "open here",
}


def limits_of(row: dict[str, Any]) -> list[str]:
    """The route's limits, and then each model's."""
    lines = [f"{row['timeout_seconds']:g} s, {row['attempts']} attempts"]
    for model, limits in row["limits"].items():
        said = ", ".join(f"{limits[key]:,} {unit}" for key, unit in _UNITS.items() if limits[key] is not None)
        lines.append(f"{model}: {said}")
    return lines


def lines_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything about a route, under its names; what is not set is left out."""
    rules = [
        f"when {', '.join(f'{key} is {wanted}' for key, wanted in rule['when'].items())}: "
        f"{', '.join(rule['models'])}"
        for rule in row["rules"]
    ]
    backoff = row["backoff"]
    lines = [
        ("route", row["name"]),
        ("models", ", ".join(row["models"])),
        ("choose", choice_of(row)),
        *(("rule", rule) for rule in rules),
        ("then", ", ".join(row["then"])),
        ("cache", cache_of(row["cache"])),
        ("hedge", hedge_of(row)),
        ("degrade to", row["degrade_to"] or ""),
        ("later", f"within {row['later']['promise_seconds']:g} s" if "later" in row["then"] else ""),
        *(("limits", line) for line in limits_of(row)),
        ("repairs", str(row["repairs"])),
        (
            "backoff",
            f"{backoff['initial_seconds']:g} s, times {backoff['factor']:g}, to {backoff['max_seconds']:g} s",
        ),
        ("router", row["router"]["file"] if row["router"] else ""),
    ]
    return [(name, value) for name, value in lines if value]


def warnings_of(row: dict[str, Any]) -> list[str]:
    """What is wrong with the route's trained router."""
    router = row["router"]
    if router is None:
        return []
    if router["fault"]:
        return [router["fault"]]
    return [
        f"another model stands behind {name!r} now than when the router was trained, so all go to "
        f"{router['report']['strong']!r}. Train it again: roadworthy routes train {row['name']}"
        for name in router["changed"]
    ]
