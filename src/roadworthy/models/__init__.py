"""Models: one request to one provider, with its price, and what stands before it.

`provider.py` is the contract and `providers/` what fulfils it; `target.py` makes the models of the settings
ready to be asked; `prices.py` says what a request cost, `aliases.py` which model names may change behind our
back, `life.py` which are about to go, `residency.py` which may see which data. `gate.py` stands before every
request (breaker, pace), `rates.py` holds what all processes share, `cache.py` the answers that are given
again, `learned/` a router that was trained. Retry, repair and the way from model to model belong to the call
(`roadworthy.calls`).

`rates` (SQL) is imported on its own: `from roadworthy.models import rates`.
"""

from roadworthy.models.aliases import is_floating
from roadworthy.models.cache import AnswerCache, Cached
from roadworthy.models.cache_key import Digests, answer_key
from roadworthy.models.conversation import Delta, Image, Message, Options, Tool, ToolCall
from roadworthy.models.fair import FairSlots
from roadworthy.models.gate import Pass
from roadworthy.models.gates import Gates
from roadworthy.models.learned import LearnedRouter, text_of
from roadworthy.models.prices import (
    Price,
    Processing,
    estimate,
    estimate_usage,
    likely_tokens,
    prefix_saving,
    price,
)
from roadworthy.models.provider import DEFAULT_MAX_TOKENS, Provider, Request, RequestFailed, Response
from roadworthy.models.rates import Bucket
from roadworthy.models.residency import allowed
from roadworthy.models.retry_budget import RetryBudget
from roadworthy.models.target import Models, Target

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "AnswerCache",
    "Bucket",
    "Cached",
    "Delta",
    "Digests",
    "FairSlots",
    "Gates",
    "Image",
    "LearnedRouter",
    "Message",
    "Models",
    "Options",
    "Pass",
    "Price",
    "Processing",
    "Provider",
    "Request",
    "RequestFailed",
    "Response",
    "RetryBudget",
    "Target",
    "Tool",
    "ToolCall",
    "allowed",
    "answer_key",
    "estimate",
    "estimate_usage",
    "is_floating",
    "likely_tokens",
    "prefix_saving",
    "price",
    "text_of",
]
