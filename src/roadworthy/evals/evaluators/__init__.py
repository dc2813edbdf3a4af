"""The evaluators that a suite can name, one file for each family; `[[evaluators]]` with `kind = …`.

A family is a settings class and an evaluator that it builds. `of` is every kind; the settings of a suite are
checked against it.
"""

from roadworthy.evals.evaluators.exact import ExactSettings

EvaluatorSettings = ExactSettings
"""Any of them."""

__all__ = ["EvaluatorSettings"]
