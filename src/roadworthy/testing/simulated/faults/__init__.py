"""Everything that can go wrong with a provider, each as a small value to put into a script or a rule.

Four families, by where they act: `errors` are HTTP errors in the provider's own shape, `bodies` are not what
the protocol says, `answers` are well formed and wrong, `lines` are about the connection and time. `billed`
tells whether the provider would charge for the request; only those reach the ledger.
"""

from roadworthy.testing.simulated.faults.answers import (
    AnswerFault,
    ContentFiltered,
    NegativeTokens,
    Nonsense,
    NotJson,
    ObeyInjection,
    OtherModel,
    Refused,
    Truncated,
    WrongFields,
)
from roadworthy.testing.simulated.faults.bodies import (
    BodyFault,
    EmptyBody,
    ErrorInSuccess,
    HtmlPage,
    MalformedJson,
)
from roadworthy.testing.simulated.faults.errors import (
    BadRequest,
    ContextTooLong,
    ErrorFault,
    ModelNotFound,
    Overloaded,
    PromptBlocked,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Unauthorized,
    Unavailable,
)
from roadworthy.testing.simulated.faults.fault import Fault, Problem
from roadworthy.testing.simulated.faults.lines import CutStream, Hang, ResetConnection, Slow, TransportFault

__all__ = [
    "AnswerFault",
    "BadRequest",
    "BodyFault",
    "ContentFiltered",
    "ContextTooLong",
    "CutStream",
    "EmptyBody",
    "ErrorFault",
    "ErrorInSuccess",
    "Fault",
    "Hang",
    "HtmlPage",
    "MalformedJson",
    "ModelNotFound",
    "NegativeTokens",
    "Nonsense",
    "NotJson",
    "ObeyInjection",
    "OtherModel",
    "Overloaded",
    "Problem",
    "PromptBlocked",
    "QuotaExceeded",
    "RateLimited",
    "Refused",
    "ResetConnection",
    "ServerError",
    "Slow",
    "TransportFault",
    "Truncated",
    "Unauthorized",
    "Unavailable",
    "WrongFields",
]
