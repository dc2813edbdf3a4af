"""Values that fit a JSON schema, made without chance: the same schema gives the same value.

`sample(schema)` is plain (first member of an enum, smallest number, the property's name as its text). With
a `seed` the value is another one that fits and means nothing; with `words` every free text is those words.
Covers what Pydantic and the providers' strict modes produce: references, unions, constants, bounds, formats
and common patterns. Recursion ends with the shallowest value that fits.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from roadworthy.calls.pattern import matching

_DEEP = 6
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_NOISE = (
    "quartz",
    "lantern",
    "sideways",
    "umbrella",
    "seven",
    "marmalade",
    "tractor",
    "whisper",
    "opal",
    "gravel",
)


def sample(schema: Mapping[str, Any], *, seed: str = "", words: str = "") -> Any:
    """A value that fits `schema`."""
    return _Sampler(schema, seed, words).value(schema, "value", 0)


@dataclass(frozen=True, slots=True)
class _Sampler:
    root: Mapping[str, Any]
    seed: str
    words: str

    def value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._member(schema["enum"], name)
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            base = {key: item for key, item in schema.items() if key not in {"anyOf", "oneOf"}}
            return self.value({**base, **self._branch(branches, depth)}, name, depth)
        return self._typed(schema, name, depth)

    def _typed(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        match self._kind(schema):
            case "object":
                value: Any = self._object(schema, depth)
            case "array":
                value = self._array(schema, name, depth)
            case "string":
                value = self._string(schema, name)
            case "integer" | "number" as kind:
                value = self._number(schema, name, whole=kind == "integer")
            case "boolean":
                value = self._dice(name, 2) == 1
            case _:
                value = None
        return value

    def _dice(self, name: str, sides: int) -> int:
        """0 without a seed; with one, a number below `sides` that depends on seed and name alone."""
        if not self.seed or sides < 1:
            return 0
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:4], "big") % sides

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema with its reference followed and its `allOf` merged."""
        for _ in range(20):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            target: Any = self.root
            for part in reference.removeprefix("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = cast("dict[str, Any]", target).get(key, {}) if key else target
            schema = {**target, **{key: item for key, item in schema.items() if key != "$ref"}}
        merged = dict(schema)
        for part in merged.pop("allOf", []):
            for key, item in self._resolved(part).items():
                if key == "properties":
                    merged[key] = {**merged.get(key, {}), **item}
                elif key == "required":
                    merged[key] = [*merged.get(key, []), *item]
                else:
                    merged.setdefault(key, item)
        return merged

    def _member(self, members: list[Any], name: str) -> Any:
        lowered = self.words.lower()
        named = [member for member in members if str(member).lower() in lowered] if lowered else []
        return named[0] if named else members[self._dice(name, len(members))]

    def _branch(self, branches: list[dict[str, Any]], depth: int) -> Mapping[str, Any]:
        """The first branch that says something; when deep inside, one that ends the recursion."""
        resolved = [self._resolved(branch) for branch in branches]
        if depth >= _DEEP:
            simple = [branch for branch in resolved if self._kind(branch) not in {"object", "array"}]
            return simple[0] if simple else resolved[0]
        return next((branch for branch in resolved if branch.get("type") != "null"), resolved[0])

    def _kind(self, schema: Mapping[str, Any]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = cast("list[str]", kind)
            kind = next((item for item in kinds if item != "null"), "null")
        if isinstance(kind, str):
            return kind
        for key, meant in (("properties", "object"), ("items", "array"), ("minimum", "number")):
            if key in schema:
                return meant
        return "string"

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", []))
        found: dict[str, Any] = {}
        for name, part in schema.get("properties", {}).items():
            if depth < _DEEP or name in required:
                found[name] = self.value(part, name, depth + 1)
        extra = schema.get("additionalProperties")
        for number in range(len(found), int(schema.get("minProperties", 0))):
            part = cast("dict[str, Any]", extra) if isinstance(extra, dict) else {}
            found[f"key_{number}"] = self.value(part, f"key_{number}", depth + 1)
        return found

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        fixed: list[dict[str, Any]] = schema.get("prefixItems", [])
        found = [self.value(part, f"{name}_{number}", depth + 1) for number, part in enumerate(fixed)]
        wanted = int(schema.get("minItems", 0))
        if depth < _DEEP and not fixed and schema.get("maxItems", 1) >= 1:
            wanted = max(wanted, 1)
        item = schema.get("items", {})
        if not isinstance(item, dict):
            return found
        part = cast("dict[str, Any]", item)
        members: list[Any] = self._resolved(part).get("enum", []) if schema.get("uniqueItems") else []
        for number in range(len(found), wanted):
            fresh = (
                members[number] if number < len(members) else self.value(part, f"{name}_{number}", depth + 1)
            )
            found.append(fresh + number if schema.get("uniqueItems") and isinstance(fresh, int) else fresh)
        return found

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self.words or name
        if self.seed:
            text = " ".join(_NOISE[self._dice(f"{name}.{number}", len(_NOISE))] for number in range(4))
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not re.search(pattern, text):
            return matching(pattern)
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        text = text if len(text) >= least else (text + "x" * least)[: max(least, len(text))]
        return text if most is None else text[: int(most)]

    def _number(self, schema: Mapping[str, Any], name: str, *, whole: bool) -> int | float:
        step = schema.get("multipleOf") or (1 if whole else 0.5)
        low, high = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            bound = schema["exclusiveMinimum"]
            low = math.floor(bound) + 1 if whole else bound + _gap(schema, step)
        if "exclusiveMaximum" in schema:
            bound = schema["exclusiveMaximum"]
            high = math.ceil(bound) - 1 if whole else bound - _gap(schema, step)
        start = low if low is not None else min(0, high) if high is not None else 0
        start = -(-start // step) * step if whole or "multipleOf" in schema else start
        room = int((high - start) // step) + 1 if high is not None else 1000
        value = start + self._dice(name, max(room, 1)) * step
        return int(value) if whole else float(value)


def _gap(schema: Mapping[str, Any], step: float) -> float:
    """How far to stay away from an exclusive bound: half of the room there is, at most one step."""
    low = schema.get("exclusiveMinimum", schema.get("minimum"))
    high = schema.get("exclusiveMaximum", schema.get("maximum"))
    return step if low is None or high is None else min(step, (high - low) / 4)
