"""Batches of the simulated provider: OpenAI's files and batches, Anthropic's Message Batches, Gemini's.

`store` keeps them and is what a test holds in its hand (`SimulatedProvider.batches`); `batch` is one of them,
`faults` what can happen to it. `openai`, `anthropic` and `google` are the APIs, `serving` their way
over HTTP. The requests in a batch are answered as live ones are, by script, recording, rules or echo, when
the batch ends.
"""

from roadworthy.testing.simulated.batches.batch import Batch, Entry, Outcome
from roadworthy.testing.simulated.batches.faults import (
    BatchExpires,
    BatchFails,
    BatchFault,
    CutResults,
    MissingLines,
    ShuffledLines,
)
from roadworthy.testing.simulated.batches.store import Batches

__all__ = [
    "Batch",
    "BatchExpires",
    "BatchFails",
    "BatchFault",
    "Batches",
    "CutResults",
    "Entry",
    "MissingLines",
    "Outcome",
    "ShuffledLines",
]
