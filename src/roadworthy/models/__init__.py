"""Models: one request to one provider, with its price.

`provider.py` is the contract and `providers/` what fulfils it; `target.py` makes the models of the
settings ready to be asked; `prices.py` says what a request cost, `aliases.py` which model names may change
behind our back. Retry, repair and the way from model to model belong to the call (`roadworthy.calls`).
"""

from roadworthy.models.aliases import is_floating
from roadworthy.models.prices import Price, estimate, estimate_usage, price
from roadworthy.models.provider import Message, Provider, Request, RequestFailed, Response
from roadworthy.models.target import Models, Target

__all__ = [
    "Message",
    "Models",
    "Price",
    "Provider",
    "Request",
    "RequestFailed",
    "Response",
    "Target",
    "estimate",
    "estimate_usage",
    "is_floating",
    "price",
]
