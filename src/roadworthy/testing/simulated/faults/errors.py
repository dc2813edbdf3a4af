"""HTTP errors, each with the body that the real provider sends for it.

The messages are ours but for the words by which clients tell one error from another.
"""

from dataclasses import dataclass

from typing_extensions import override

from roadworthy.testing.simulated.faults.fault import Fault, Problem
from roadworthy.testing.simulated.received import Received


class ErrorFault(Fault):
    """Answers with an HTTP error in the provider's own shape."""

    __slots__ = ()

    def problem(self, received: Received) -> Problem:
        """The error to send for this request."""
        raise NotImplementedError


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": f"{seconds:g}"}


@dataclass(frozen=True, slots=True)
class RateLimited(ErrorFault):
    """429: too many requests."""

    retry_after_seconds: float | None = 1.0
    """Sent as `Retry-After`; left out when `None`."""

    @override
    def problem(self, received: Received) -> Problem:
        return Problem(
            429,
            f"Rate limit reached for {received.model} on requests per minute.",
            "requests",
            "rate_limit_exceeded",
            "rate_limit_error",
            headers=_retry_after(self.retry_after_seconds),
        )


@dataclass(frozen=True, slots=True)
class QuotaExceeded(ErrorFault):
    """The account has no money left: 429 `insufficient_quota` at OpenAI, 400 at Anthropic."""

    @override
    def problem(self, received: Received) -> Problem:
        del received
        return Problem(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
            "invalid_request_error",
            anthropic_status=400,
            anthropic_message="Your credit balance is too low to access the API.",
        )


@dataclass(frozen=True, slots=True)
class ServerError(ErrorFault):
    """500, 502 or another failure of the provider."""

    status: int = 500

    @override
    def problem(self, received: Received) -> Problem:
        del received
        message = "The server had an error while processing the request."
        return Problem(self.status, message, "server_error", None, "api_error")


@dataclass(frozen=True, slots=True)
class Unavailable(ErrorFault):
    """503: down for the moment."""

    retry_after_seconds: float | None = None

    @override
    def problem(self, received: Received) -> Problem:
        del received
        headers = _retry_after(self.retry_after_seconds)
        message = "The service is temporarily unavailable."
        return Problem(
            503, message, "service_unavailable_error", "service_unavailable", "api_error", headers=headers
        )


@dataclass(frozen=True, slots=True)
class Overloaded(ErrorFault):
    """Too much load on the provider: 529 at Anthropic, 503 at OpenAI, which has no 529."""

    retry_after_seconds: float | None = None

    @override
    def problem(self, received: Received) -> Problem:
        del received
        return Problem(
            503,
            "The server is currently overloaded. Please try again later.",
            "service_unavailable_error",
            "server_is_overloaded",
            "overloaded_error",
            anthropic_status=529,
            anthropic_message="Overloaded",
            headers=_retry_after(self.retry_after_seconds),
        )


@dataclass(frozen=True, slots=True)
class Unauthorized(ErrorFault):
    """401: the key is wrong."""

    @override
    def problem(self, received: Received) -> Problem:
        del received
        return Problem(
            401,
            "Incorrect API key provided.",
            "invalid_request_error",
            "invalid_api_key",
            "authentication_error",
            anthropic_message="invalid x-api-key",
        )


@dataclass(frozen=True, slots=True)
class ModelNotFound(ErrorFault):
    """404: the provider does not, or no longer, serve this model."""

    @override
    def problem(self, received: Received) -> Problem:
        return Problem(
            404,
            f"The model `{received.model}` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
            "not_found_error",
            anthropic_message=f"model: {received.model}",
        )


@dataclass(frozen=True, slots=True)
class ContextTooLong(ErrorFault):
    """400: the request is longer than the model reads."""

    limit_tokens: int = 8192

    @override
    def problem(self, received: Received) -> Problem:
        sent = max(received.input_tokens, self.limit_tokens + 1)
        return Problem(
            400,
            f"This model's maximum context length is {self.limit_tokens} tokens; the messages have {sent}.",
            "invalid_request_error",
            "context_length_exceeded",
            "invalid_request_error",
            anthropic_message=f"prompt is too long: {sent} tokens > {self.limit_tokens} maximum",
            param="messages",
        )


@dataclass(frozen=True, slots=True)
class BadRequest(ErrorFault):
    """400: the provider rejects the request as it stands."""

    message: str = "Invalid value for a parameter."
    param: str | None = None

    @override
    def problem(self, received: Received) -> Problem:
        del received
        kind = "invalid_request_error"
        return Problem(400, self.message, kind, "invalid_value", kind, param=self.param)


@dataclass(frozen=True, slots=True)
class PromptBlocked(ErrorFault):
    """400: a filter in front of the model declined the prompt, as Azure OpenAI reports it."""

    @override
    def problem(self, received: Received) -> Problem:
        del received
        verdict = {"violence": {"filtered": True, "severity": "high"}}
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": verdict}
        return Problem(
            400,
            "The prompt was filtered because it triggered the content management policy.",
            None,
            "content_filter",
            "invalid_request_error",
            anthropic_message="Output blocked by content filtering policy",
            param="prompt",
            extra={"status": 400, "innererror": inner},
        )
