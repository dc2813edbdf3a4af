"""Bytes that are not what the protocol says."""

from dataclasses import dataclass
from typing import ClassVar

from roadworthy.testing.simulated.faults.fault import Fault


class BodyFault(Fault):
    """Answers with bytes that are not what the protocol says."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MalformedJson(BodyFault):
    """200 with JSON that ends in the middle; in a stream, one event whose data is no JSON."""

    billed: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class EmptyBody(BodyFault):
    """200 with nothing in it."""

    billed: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class HtmlPage(BodyFault):
    """The page of a proxy in place of JSON."""

    status: int = 200


@dataclass(frozen=True, slots=True)
class ErrorInSuccess(BodyFault):
    """200 whose body is the provider's error object; in a stream, an error event after the first part."""

    billed: ClassVar[bool] = True
