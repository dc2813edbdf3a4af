"""A batch as a document for programs, and in words for people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadworthy.workflows.batch import Batch


def as_document(batch: "Batch") -> dict[str, Any]:
    """A batch for `--json`."""
    return {
        "id": batch.id,
        "workflow": batch.workflow,
        "source": batch.source,
        "total": batch.total,
        "done": batch.done,
        "finished": batch.finished,
        "counts": {status.value: count for status, count in batch.counts.items()},
        "rejects": batch.rejects,
        "collected": batch.collected,
        "at_provider": batch.at_provider,
    }


def states(batch: "Batch") -> str:
    """How many items stand where, in words."""
    counted = [f"{count} {status}" for status, count in sorted(batch.counts.items())]
    others = {
        "rejected": batch.rejects,
        "collected for the provider's batch": batch.collected,
        "at the provider": batch.at_provider,
    }
    return ", ".join([*counted, *(f"{count} {what}" for what, count in others.items() if count)])
