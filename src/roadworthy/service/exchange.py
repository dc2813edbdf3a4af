"""A request and its response, as the service's layers see them: id, addresses, who asks, what came of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Scope

if TYPE_CHECKING:
    from roadworthy.access import Principal
    from roadworthy.errors import RoadworthyError

_KEY = "roadworthy.exchange"


@dataclass(slots=True)
class Exchange:
    """What is known of a request while it is answered."""

    request_id: str
    peer: tuple[str, int]
    """The other end of the connection: a client, or a proxy."""
    client: str
    """The client's address; what a trusted proxy says it is."""
    https: bool
    principal: "Principal | None" = None
    refused: "RoadworthyError | None" = None
    """Why the credentials that were given do not hold; None when they do, or none were given."""
    cookie: bool = False
    """Whether a cookie said who asks, so that an unsafe method needs a token against forgery."""
    route: str = ""
    """The route's pattern, such as `/v1/runs/{run_id}`; empty when there is none."""
    status: int = 0
    code: str = ""
    """The kind of error, when it is one."""


def put(scope: Scope, exchange: Exchange) -> None:
    """Keep it with the request."""
    scope[_KEY] = exchange


def exchange_of(scope: Any) -> Exchange:
    """What is known of this request."""
    return cast("Exchange", scope[_KEY])
