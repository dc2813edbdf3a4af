"""What every fault is, and an error in the words of both families of providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


class Fault:
    """Base of everything that goes wrong on purpose."""

    __slots__ = ()
    billed: ClassVar[bool] = False
    """Whether the provider charges for a request that ends like this."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as both families of providers word it."""

    status: int
    message: str
    openai_type: str | None
    openai_code: str | None
    anthropic_type: str
    anthropic_status: int = 0
    """The status in Anthropic's dialect where it differs; 0 when it is the same."""
    anthropic_message: str = ""
    """The message in Anthropic's dialect where clients go by its words."""
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of the error object in OpenAI's dialect."""
