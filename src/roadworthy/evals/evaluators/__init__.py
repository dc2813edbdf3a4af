"""The evaluators that a suite can name, one file for each family; `[[evaluators]]` with `kind = …`.

A kind is a settings class and an evaluator that it builds. `EvaluatorSettings` is any of them; the settings
of a suite are checked against it.
"""

from typing import Annotated, Final, get_args

from pydantic import Field

from roadworthy.evals.evaluators import (
    acts,
    citations,
    compose,
    declining,
    exact,
    form,
    function,
    judge,
    limits,
    lists,
    numeric,
    pairwise,
    pydantic_evaluator,
    sets,
    similarity,
    text,
)
from roadworthy.evals.evaluators.settings import Common

EvaluatorSettings = Annotated[
    exact.ExactSettings
    | text.ContainsSettings
    | text.RegexSettings
    | similarity.SimilaritySettings
    | numeric.NumericSettings
    | sets.SetSettings
    | lists.ListSettings
    | form.SchemaSettings
    | form.NotEmptySettings
    | form.LengthSettings
    | citations.CitationsSettings
    | declining.RefusalSettings
    | declining.EscalationSettings
    | acts.ActsSettings
    | limits.LatencySettings
    | limits.CostSettings
    | limits.TokensSettings
    | function.PythonSettings
    | judge.JudgeSettings
    | pairwise.PairwiseSettings
    | pydantic_evaluator.PydanticEvalsSettings
    | compose.AllOfSettings
    | compose.AnyOfSettings
    | compose.NoneOfSettings,
    Field(discriminator="kind"),
]
"""Any of them."""

# What those of several hold is any of them, which is known only here; they are built when they are used.
setattr(compose, "EvaluatorSettings", EvaluatorSettings)  # noqa: B010 - to a checker it is there already

KINDS: Final[dict[str, type[Common]]] = {
    one.model_fields["kind"].annotation.__args__[0]: one for one in get_args(get_args(EvaluatorSettings)[0])
}
"""The settings class of each kind, by its name."""

__all__ = ["KINDS", "EvaluatorSettings"]
