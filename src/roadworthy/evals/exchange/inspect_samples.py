"""Samples of Inspect, one JSON object a line: `read`, `write`.

A sample's input is a text or a conversation. Inputs of several names, and expectations that are no text, lie
in its metadata as well, so that what is written can be read again.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

from roadworthy.errors import Fault
from roadworthy.evals.case import Case
from roadworthy.evals.exchange.foreign import Foreign

_SAMPLE = frozenset({"input", "target", "choices", "id", "metadata"})
_NAMES = ("input", "choices")


def read(source: str) -> Foreign:
    """What the lines hold."""
    found = Foreign()
    for number, line in enumerate(source.split("\n"), 1):
        if not line.strip():
            continue
        case = _case(line, number, found)
        if isinstance(case, str):
            found.faults.append(Fault(f"{case}.", line=number))
        else:
            found.cases.append(case)
    return found


def _case(line: str, number: int, found: Foreign) -> Case | str:
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"This is not JSON ({error})"
    if not isinstance(said, dict) or "input" not in said:
        return "A sample is a JSON object with `input`"
    its = cast("dict[str, Any]", said)
    metadata: Any = its.get("metadata")
    more = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
    inputs = more.get("inputs")
    if not isinstance(inputs, dict):
        inputs = {name: its[name] for name in _NAMES if its.get(name) is not None}
    for name in its.keys() - _SAMPLE:
        found.left[f"{name!r}"] += 1
    expected = more["expected"] if "expected" in more else its.get("target") or None
    name = "" if its.get("id") is None else str(its["id"])
    return Case(name, cast("dict[str, Any]", inputs), expected, line=number, **found.metadata(more))


def write(cases: Sequence[Case]) -> str:
    """The lines."""
    return "".join(json.dumps(_sample(case), ensure_ascii=False) + "\n" for case in cases)


def _sample(case: Case) -> dict[str, Any]:
    metadata = case.metadata
    simple = _is_simple(case.inputs)
    if simple:
        sample: dict[str, Any] = {"id": case.id, **case.inputs}
    else:
        sample = {"id": case.id, "input": json.dumps(case.inputs, ensure_ascii=False)}
        metadata["inputs"] = case.inputs
    if isinstance(case.expected, str):
        sample["target"] = case.expected
    elif case.expected is not None:
        sample["target"] = json.dumps(case.expected, ensure_ascii=False)
        metadata["expected"] = case.expected
    return {**sample, "metadata": metadata} if metadata else sample


def _is_simple(inputs: dict[str, Any]) -> bool:
    """Whether inputs are just what a sample has places for."""
    fits = isinstance(inputs.get("input"), str | list) and isinstance(inputs.get("choices", []), list)
    return fits and inputs.keys() <= set(_NAMES)
