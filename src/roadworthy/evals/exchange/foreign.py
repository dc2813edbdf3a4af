"""What a file of another tool comes to before it is checked: `Foreign`, and what metadata means to us."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from roadworthy.errors import Fault
from roadworthy.evals.case import Case


@dataclass(slots=True)
class Foreign:
    """Cases, and what could not be taken over."""

    cases: list[Case] = field(default_factory=list[Case])
    faults: list[Fault] = field(default_factory=list[Fault])
    left: Counter[str] = field(default_factory=Counter[str])
    evaluators: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def metadata(self, said: Any) -> dict[str, Any]:
        """Tags, source and note from metadata; anything else in it is noted as left."""
        given = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name == "tags" and isinstance(value, list):
                found["tags"] = tuple(str(tag) for tag in cast("list[Any]", value) if tag)
            elif name in ("source", "note") and isinstance(value, str):
                found[name] = value
            elif name not in ("inputs", "expected"):
                self.left[f"metadata {name!r}"] += 1
        return found


def plain(value: Any) -> Any:
    """A value as JSON says it: dates become texts. Raises `ValueError` for what goes round in circles."""
    return json.loads(json.dumps(value, default=str))


def inputs_of(value: Any) -> dict[str, Any]:
    """Inputs by name; a value without a name is called `input`."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else {"input": value}
