"""Data sets of pydantic-evals: `read`, `write`.

An evaluator becomes one of ours where that judges the same, so that nothing else has to be installed; any
other stays what it is, as `kind = "pydantic-evals"`. One that asks a model by itself is told.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import yaml

from roadworthy.errors import ConfigurationError, Fault
from roadworthy.evals.case import Case
from roadworthy.evals.evaluators.exact import ExactSettings
from roadworthy.evals.evaluators.limits import LatencySettings
from roadworthy.evals.evaluators.pydantic_evaluator import (
    ASK_MODELS,
    NEED_SPANS,
    PydanticEvalsSettings,
)
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.evaluators.text import ContainsSettings
from roadworthy.evals.exchange.foreign import Foreign, inputs_of, plain
from roadworthy.evals.suite import SuiteSettings

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_CASE = frozenset({"name", "inputs", "expected_output", "metadata", "evaluators"})


def read(source: str) -> Foreign:
    """What the text of such a file holds. Raises `ConfigurationError` when it is none."""
    try:
        said: Any = yaml.load(source, _Loader)  # noqa: S506 - one of the safe loaders
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"This is not YAML: {error}.") from error
    whole = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    if not isinstance(whole.get("cases"), list):
        raise ConfigurationError("This is no data set of pydantic-evals: it has no list `cases`.")
    found = Foreign()
    for number, one in enumerate(cast("list[Any]", whole["cases"]), 1):
        case = _case(one, found)
        if isinstance(case, str):
            found.faults.append(Fault(f"Case {number}: {case}."))
        else:
            found.cases.append(case)
    for one in cast("list[Any]", whole.get("evaluators") or []):
        _take(one, found)
    for name in whole.keys() - {"cases", "evaluators", "name", "$schema"}:
        found.left[f"{name!r} of the data set"] += 1
    return found


def _case(said: Any, found: Foreign) -> Case | str:
    if not isinstance(said, dict) or "inputs" not in said:
        return "it has no `inputs`"
    its = cast("dict[str, Any]", said)
    try:
        inputs, expected = inputs_of(plain(its["inputs"])), plain(its.get("expected_output"))
    except (ValueError, RecursionError) as error:
        return f"it is no JSON ({error})"
    for one in cast("list[Any]", its.get("evaluators") or []):
        found.left[f"evaluator {_named(one)[0]!r} of one case"] += 1
    for name in its.keys() - _CASE:
        found.left[f"{name!r}"] += 1
    return Case(str(its.get("name") or ""), inputs, expected, **found.metadata(its.get("metadata")))


def _named(said: Any) -> tuple[str, dict[str, Any]]:
    """An evaluator's name and arguments; a single one without a name is called `value`."""
    if isinstance(said, dict) and len(cast("dict[str, Any]", said)) == 1:
        name, given = next(iter(cast("dict[str, Any]", said).items()))
        return name, cast("dict[str, Any]", given) if isinstance(given, dict) else {"value": given}
    return str(cast("object", said)), {}


_OURS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "EqualsExpected": lambda given: None if given else {"kind": "exact"},
    "Equals": lambda given: {"kind": "exact", "value": given["value"]} if len(given) == 1 else None,
    "Contains": lambda given: _contains(**given),
    "MaxDuration": lambda given: {
        "kind": "latency",
        "at_most_seconds": float(given["seconds"] if "seconds" in given else given["value"]),
    },
}


def _contains(value: Any, *, case_sensitive: bool = True) -> dict[str, Any] | None:
    if not isinstance(value, str):  # theirs looks into objects and lists
        return None
    return {"kind": "contains", "all": [value], "case_sensitive": case_sensitive}


def _take(said: Any, found: Foreign) -> None:
    name, given = _named(said)
    try:
        ours = _OURS[name](given) if name in _OURS else None
    except (KeyError, TypeError, ValueError):
        ours = None
    theirs = name in _OURS or name == "IsInstance"
    if name == "IsInstance" and set(given) == {"value"}:
        given = {"type_name": given["value"]}
    if ours is None and (name in (*ASK_MODELS, *NEED_SPANS) or (not theirs and set(given) == {"value"})):
        found.left[f"evaluator {name!r} of the data set"] += 1
        return
    told = {
        "kind": "pydantic-evals",
        "evaluator": name if theirs else f"MODULE:{name}",  # a file does not say where a class stands
        "options": {key: plain(value) for key, value in given.items() if value is not None},
    }
    found.evaluators.append(ours or {key: value for key, value in told.items() if value})


def write(cases: Sequence[Case], settings: SuiteSettings | None, name: str) -> tuple[str, Counter[str]]:
    """The text of such a file, and what it cannot hold."""
    left: Counter[str] = Counter()
    told: list[dict[str, Any]] = []
    for case in cases:
        one: dict[str, Any] = {"name": case.id, "inputs": case.inputs}
        if case.expected is not None:
            one["expected_output"] = case.expected
        if metadata := case.metadata:
            one["metadata"] = metadata
        told.append(one)
    evaluators: list[Any] = []
    for its in settings.evaluators if settings else ():
        theirs = _theirs(its)
        if theirs is None:
            left[f"evaluator {its.title!r}"] += 1
        else:
            evaluators.append(theirs)
    whole = {"name": name, "cases": told} | ({"evaluators": evaluators} if evaluators else {})
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110), left


def _theirs(its: Common) -> Any:
    """The evaluator of theirs that judges the same; None when there is none."""
    if its.field or its.tags or its.informs:
        return None
    if isinstance(its, PydanticEvalsSettings) and its.at_least is None and not its.passing:
        name = its.evaluator.rpartition(":")[2]
        return {name: its.options} if its.options else name
    if isinstance(its, ExactSettings) and not its.partial and its.expected_field is None:
        return "EqualsExpected" if its.value is None else {"Equals": {"value": its.value}}
    if isinstance(its, LatencySettings):
        return {"MaxDuration": {"seconds": its.at_most_seconds}}
    if isinstance(its, ContainsSettings) and len(its.all) == 1 and not (its.any or its.none or its.words):
        return {"Contains": {"value": its.all[0], "case_sensitive": its.case_sensitive}}
    return None
