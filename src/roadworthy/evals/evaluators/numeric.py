"""`numeric`: a number is the expected one, within a tolerance. Reckoned in decimals: 1.1 is 0.1 from 1."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Wanting
from roadworthy.evals.evaluators.values import found, shown
from roadworthy.evals.target import Outcome

_NUMBER = re.compile(
    r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,400})(?:\.\d{1,400})?(?:[eE][-+]?\d{1,3})?"
)
_WITH_COMMA = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:\.\d{3})+(?!\d)|\d{1,400})(?:,\d{1,400})?")
_MOST_CHARACTERS = 1_000_000

Tolerance = Annotated[float, Field(ge=0)]


class NumericSettings(Wanting):
    """`kind = "numeric"`: a number within a tolerance of the expected one; the larger of the two holds."""

    kind: Literal["numeric"]
    """Which evaluator."""
    absolute: Tolerance = 0.0
    """How far away it may be."""
    relative: Tolerance = 0.0
    """How far away it may be, as a share of the expected number."""
    parse: Literal["no", "only", "first", "last"] = "no"
    """Whether a number is read from a text: its only one, its first or its last. `no`: it has to be one."""
    decimal_comma: bool = False
    """Whether texts write 1.234,5 for 1,234.5."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Numeric(self)


class _Numeric(Plain[NumericSettings]):
    def __init__(self, settings: NumericSettings) -> None:
        super().__init__(settings)
        self._absolute, self._relative = Decimal(str(settings.absolute)), Decimal(str(settings.relative))

    def applies(self, case: Case) -> bool:
        return super().applies(case) and self._read(self.settings.wanted(case)) is not None

    def score(self, case: Case, outcome: Outcome) -> Score:
        wanted = self._read(self.settings.wanted(case))
        value = found(outcome.output, self.settings.field)
        got = self._read(value)
        if wanted is None or got is None:
            return self.no(f"expected {wanted}, got no number: {shown(value)}", category="no number")
        try:
            if abs(got - wanted) <= max(self._absolute, self._relative * abs(wanted)):
                return self.yes()
        except ArithmeticError:  # a number of so many digits is near to none but itself
            pass
        return self.no(f"expected {shown(float(wanted))}, got {shown(float(got))}")

    def _read(self, value: Any) -> Decimal | None:
        if self.settings.parse == "no" or not isinstance(value, str):
            return _number(value)
        comma = self.settings.decimal_comma
        told = (_WITH_COMMA if comma else _NUMBER).findall(value[:_MOST_CHARACTERS])
        if not told or (self.settings.parse == "only" and len(told) > 1):
            return None
        text = told[-1] if self.settings.parse == "last" else told[0]
        text = text.replace(".", "").replace(",", ".") if comma else text.replace(",", "")
        return _number_in(text.replace("\u2212", "-"))


def _number(value: Any) -> Decimal | None:
    """A number of JSON; None for what is none, not finite, or true or false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return _number_in(repr(value))
    except ValueError:  # a whole number of thousands of digits
        return None


def _number_in(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
