"""What is decided by itself and what a person decides: `rule_on`, a table in code.

| what is known of the answer                      | who decides | what            |
|---|---|---|
| the workflow has no bands                        | a person    |                 |
| the caller reports a conflict, or an edge case   | a person    |                 |
| it is degraded, or stale                         | a person    |                 |
| nothing is proven of the error rate asked for    | a person    |                 |
| nobody says how sure one may be of it            | a person    |                 |
| confidence >= proceed                            | rule `band` | approved        |
| confidence < reject                              | rule `band` | rejected        |
| in between                                       | a person    |                 |

The rows hold from the top. A confidence that is no number from 0 to 1 is none.
"""

from dataclasses import dataclass
from typing import Literal

RULE = "band"
"""The name of the rule that decides by itself."""


@dataclass(frozen=True, slots=True)
class Bands:
    """From which confidence on an answer is approved, and below which it is rejected; 0 to 1."""

    proceed: float
    reject: float
    unproven: str = ""
    """Why nothing may be decided by them yet; empty when it may."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to happen with an answer, and why."""

    outcome: Literal["approved", "rejected", "ask"]
    because: str
    """A few words that quote no content."""


def rule_on(
    confidence: float | None,
    bands: Bands | None,
    *,
    conflict: bool = False,
    edge_case: str = "",
    degraded: bool = False,
    stale: bool = False,
) -> Ruling:
    """Approve, reject or ask: the table above."""
    if bands is None:
        return Ruling("ask", "the workflow has no bands")
    always: list[tuple[bool, str]] = [
        (conflict, "the evidence is in conflict"),
        (bool(edge_case), f"edge case: {edge_case}"),
        (stale, "the answer is an old one"),
        (degraded, "the answer is degraded"),
        (bool(bands.unproven), bands.unproven),
    ]
    for holds, because in always:
        if holds:
            return Ruling("ask", because)
    if confidence is None or not 0 <= confidence <= 1:
        return Ruling("ask", "nobody says how sure one may be of the answer")
    if confidence >= bands.proceed:
        return Ruling("approved", f"confidence {confidence:.3g} is at least {bands.proceed:g}")
    if confidence < bands.reject:
        return Ruling("rejected", f"confidence {confidence:.3g} is below {bands.reject:g}")
    return Ruling("ask", f"confidence {confidence:.3g} is between {bands.reject:g} and {bands.proceed:g}")
