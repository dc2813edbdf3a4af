"""Data sets of other tools: read with everything told that cannot be taken over, and written for them.

pydantic-evals   YAML or JSON: cases with inputs, expected output, metadata, and evaluators
inspect          JSONL of `Sample`: input, target, choices, id, metadata
csv              one case a line, columns by name; read only
jsonl            our own
"""

from roadworthy.evals.exchange.exchange import Exported, Format, Imported, export, import_
from roadworthy.evals.exchange.table import Columns

__all__ = ["Columns", "Exported", "Format", "Imported", "export", "import_"]
