"""What the organisation stands behind: `Decision`. Irreversible actions take nothing else.

    Decision.by_rule(answer, rule="…")     code that was written for this case says yes
    await app.decide(answer, …)            the workflow's bands, or a person (`workflows/decide.py`)

Only the second can carry a person's word. It is kept as a record under the decision's id, and an action
compares the two before it acts, so neither a decision made by hand nor a value changed since gets through.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar, cast, get_args, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, SchemaSerializer, core_schema

from roadworthy.calls.answer import Answer
from roadworthy.errors import InvalidInput, Rejected

D_co = TypeVar("D_co", covariant=True)
D = TypeVar("D")

By: TypeAlias = Literal["rule", "person", "people"]
Verdict: TypeAlias = Literal["approved", "edited", "rejected"]


class _Maker:
    """Held by this module alone: who wants to make a decision goes through `by_rule` or `app.decide`."""


_MAKER = _Maker()
_FIELDS = ("_value", "by", "name", "reason", "call_id", "verdict", "id")


def value_of(decision: "Decision[Any]") -> Any:
    """What was decided on, also where the decision is a no: for records, never to act on."""
    return object.__getattribute__(decision, "_value")


def as_data(decision: "Decision[Any]") -> dict[str, Any]:
    """What is stored of a decision that a step is given, or returns."""
    told: dict[str, Any] = {
        "value": value_of(decision),
        "by": decision.by,
        "name": decision.name,
        "reason": decision.reason,
        "call_id": decision.call_id,
    }
    return told if decision.id is None else {**told, "verdict": decision.verdict, "id": decision.id}


class Decision(Generic[D_co]):
    """A value that somebody stands behind: a named rule in code, or people. Or their no: see `rejected`."""

    __slots__ = _FIELDS

    by: By
    """Who decided; `people` are two or more who agreed."""
    name: str
    """The rule's or the people's names."""
    reason: str
    call_id: str | None
    """The call whose answer was decided on, where there was one."""
    verdict: Verdict
    id: str | None
    """Its record; None for a decision by `by_rule`."""

    def __init__(
        self,
        maker: _Maker,
        value: D_co,
        by: By,
        name: str,
        *,
        reason: str = "",
        call_id: str | None = None,
        verdict: Verdict = "approved",
        decision_id: str | None = None,
    ) -> None:
        if maker is not _MAKER:
            raise InvalidInput(
                "A decision is not made by hand.", hint="Use Decision.by_rule(…), or await app.decide(…)."
            )
        for field, given in zip(
            _FIELDS, (value, by, name, reason, call_id, verdict, decision_id), strict=True
        ):
            object.__setattr__(self, field, given)

    @property
    def rejected(self) -> bool:
        """Whether the decision is a no: there is no value to go on with."""
        return self.verdict == "rejected"

    @property
    def value(self) -> D_co:
        """What was decided. Raises `Rejected` when that was a no."""
        self.require()
        return cast("D_co", object.__getattribute__(self, "_value"))

    def require(self) -> None:
        """Raise `Rejected` when the decision is a no."""
        if self.rejected:
            why = f": {self.reason.rstrip('.')}" if self.reason else ""
            raise Rejected(f"Rejected by {self.by} {self.name!r}{why}.", decision_id=self.id)

    @overload
    @staticmethod
    def by_rule(value: Answer[D], *, rule: str, reason: str = "") -> "Decision[D]": ...
    @overload
    @staticmethod
    def by_rule(value: D, *, rule: str, reason: str = "") -> "Decision[D]": ...
    @staticmethod
    def by_rule(value: object, *, rule: str, reason: str = "") -> "Decision[Any]":
        """A decision made by code: `rule` names the deterministic check that the value has passed.

        Raises `InvalidInput` without a rule's name.
        """
        if not rule.strip():
            raise InvalidInput(
                "A decision by a rule needs the rule's name.", hint="Say which check stands behind it."
            )
        if isinstance(value, Answer):
            answer = cast("Answer[Any]", value)
            return Decision(_MAKER, answer.value, "rule", rule, reason=reason, call_id=answer.call_id)
        return Decision(_MAKER, value, "rule", rule, reason=reason)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A decision does not change: {name!r} cannot be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A decision does not change: {name!r} cannot be removed.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and as_data(self) == as_data(cast("Decision[Any]", other))

    def __hash__(self) -> int:
        return hash((self.by, self.name, self.call_id, self.verdict, self.id))

    def __repr__(self) -> str:
        told = {field.lstrip("_"): object.__getattribute__(self, field) for field in _FIELDS}
        return f"Decision({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A decision is neither copied nor pickled: it is what was said once, on record.")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (of,) = get_args(source) or (Any,)
        return core_schema.no_info_wrap_validator_function(
            _load,
            handler.generate_schema(of),
            serialization=core_schema.plain_serializer_function_ser_schema(as_data),
        )

    __pydantic_serializer__ = SchemaSerializer(
        core_schema.any_schema(serialization=core_schema.plain_serializer_function_ser_schema(as_data))
    )


def made(
    value: D,
    by: By,
    name: str,
    *,
    reason: str,
    call_id: str | None,
    verdict: Verdict,
    decision_id: str,
) -> Decision[D]:
    """A decision that is on record under `decision_id`; for `app.decide`."""
    return Decision(
        _MAKER,
        value,
        by,
        name,
        reason=reason,
        call_id=call_id,
        verdict=verdict,
        decision_id=decision_id,
    )


def _load(given: Any, value: Callable[[Any], Any]) -> Decision[Any]:
    """A stored decision. What it claims is compared with its record before anything is done on it."""
    if isinstance(given, Decision):
        return cast("Decision[Any]", given)
    if not isinstance(given, Mapping):
        message = "not a decision"
        raise ValueError(message)  # noqa: TRY004 - what Pydantic reports
    told = dict(cast("Mapping[str, Any]", given))
    if told.get("by") != "rule" and not told.get("id"):
        message = "a decision by people comes from app.decide, with its record"
        raise ValueError(message)
    try:
        return Decision(
            _MAKER,
            value(told["value"]),
            told["by"],
            told["name"],
            reason=told["reason"],
            call_id=told["call_id"],
            verdict=told.get("verdict", "approved"),
            decision_id=told.get("id"),
        )
    except KeyError as error:
        message = f"not a decision: {error} is missing"
        raise ValueError(message) from None
