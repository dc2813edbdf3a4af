"""A simulated provider of language models: a real HTTP server on loopback that real clients talk to.

It speaks OpenAI's Chat Completions, Responses and embeddings and Anthropic's Messages, streams and batches
included, answers from a script, a recording or rules, and fails on purpose in every way that providers do:

    with SimulatedProvider([RateLimited(retry_after_seconds=1), Reply("Hello")]) as provider:
        client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)

A request goes: `service` reads it by its dialect (`dialects/`), `answers` chooses, `journal` remembers and
bills, `delivery` sends or breaks; `batches/` are its own way. `server` is the thread around it, `__main__`
the process.
"""

from roadworthy.testing.simulated.answers import (
    Answer,
    Matcher,
    Rule,
    When,
    model_is,
    sometimes,
    text_contains,
)
from roadworthy.testing.simulated.batches import (
    BatchExpires,
    BatchFails,
    BatchFault,
    CutResults,
    MissingLines,
    ShuffledLines,
)
from roadworthy.testing.simulated.faults import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    CutStream,
    EmptyBody,
    ErrorInSuccess,
    Fault,
    Hang,
    HtmlPage,
    MalformedJson,
    ModelNotFound,
    NegativeTokens,
    Nonsense,
    NotJson,
    ObeyInjection,
    OtherModel,
    Overloaded,
    PromptBlocked,
    QuotaExceeded,
    RateLimited,
    Refused,
    ResetConnection,
    ServerError,
    Slow,
    Truncated,
    Unauthorized,
    Unavailable,
    WrongFields,
)
from roadworthy.testing.simulated.latency import Latency
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply, ToolCall
from roadworthy.testing.simulated.server import SimulatedProvider

__all__ = [
    "Answer",
    "BadRequest",
    "BatchExpires",
    "BatchFails",
    "BatchFault",
    "ContentFiltered",
    "ContextTooLong",
    "CutResults",
    "CutStream",
    "EmptyBody",
    "ErrorInSuccess",
    "Fault",
    "Hang",
    "HtmlPage",
    "Latency",
    "MalformedJson",
    "Matcher",
    "MissingLines",
    "ModelNotFound",
    "NegativeTokens",
    "Nonsense",
    "NotJson",
    "ObeyInjection",
    "OtherModel",
    "Overloaded",
    "PromptBlocked",
    "QuotaExceeded",
    "RateLimited",
    "Received",
    "Refused",
    "Reply",
    "ResetConnection",
    "Rule",
    "ServerError",
    "ShuffledLines",
    "SimulatedProvider",
    "Slow",
    "ToolCall",
    "Truncated",
    "Unauthorized",
    "Unavailable",
    "When",
    "WrongFields",
    "model_is",
    "sometimes",
    "text_contains",
]
