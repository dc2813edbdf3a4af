"""What has to be remembered of a batch's items until the results come: `Manifest`, kept in the handle.

Ids, to find out what is missing; which items wanted JSON, as answers are read by that; and what was not sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from roadworthy.errors import ErrorKind, InvalidInput
from roadworthy.models.provider_batch import BatchHandle, BatchItem
from roadworthy.records import Json


@dataclass(slots=True)
class Manifest:
    """The items of one batch, in their order."""

    custom_ids: dict[str, None] = field(default_factory=dict[str, None])
    structured: set[str] = field(default_factory=set[str])
    """Those that wanted JSON."""
    not_sent: dict[str, ErrorKind] = field(default_factory=dict[str, ErrorKind])
    """Those that could not be said to the model, and why."""

    def add(self, item: BatchItem) -> None:
        """Remember an item.

        Raises:
            InvalidInput: Another one has its id.
        """
        if item.custom_id in self.custom_ids:
            raise InvalidInput(f"Two requests of a batch are named {item.custom_id!r}.")
        self.custom_ids[item.custom_id] = None
        if item.request.output_schema is not None:
            self.structured.add(item.custom_id)

    def numbers(self) -> dict[str, int]:
        """The ids of what was sent, each with the number of its line, from 1."""
        sent = (custom_id for custom_id in self.custom_ids if custom_id not in self.not_sent)
        return {custom_id: number for number, custom_id in enumerate(sent, 1)}

    def to_extra(self) -> dict[str, Json]:
        """The part of a handle that remembers it."""
        structured: Json = len(self.structured) == len(self.custom_ids)
        if self.structured and not structured:
            structured = [*sorted(self.structured)]
        extra: dict[str, Json] = {"custom_ids": [*self.custom_ids], "structured": structured}
        if self.not_sent:
            extra["not_sent"] = {custom_id: str(kind) for custom_id, kind in self.not_sent.items()}
        return extra

    @classmethod
    def of(cls, handle: BatchHandle) -> "Manifest | None":
        """What the handle remembers; None when it was found without its items."""
        extra = cast("Mapping[str, Any]", handle.extra)
        if "custom_ids" not in extra:
            return None
        custom_ids = dict.fromkeys(cast("list[str]", extra["custom_ids"]))
        structured = extra["structured"]
        named = custom_ids if structured is True else structured or ()
        not_sent = {id_: ErrorKind(kind) for id_, kind in extra.get("not_sent", {}).items()}
        return cls(custom_ids, set(named), not_sent)
