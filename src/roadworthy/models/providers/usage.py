"""Token counts, from what the library made of them or from the wire.

 The library takes the counts of many dialects apart and knows their oddities, so its numbers come first.
When one count is impossible it gives all of them up; then the body is read here. What cannot be true is put
right and noted.
"""

from typing import Protocol

from pydantic_ai.messages import ModelResponse

from roadworthy.records import Json, Usage


class _Counts(Protocol):
    """What the library counted."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


def read_usage(answer: ModelResponse, received: Json) -> tuple[Usage, bool, tuple[str, ...]]:
    """Tokens as reported, whether they were, and notes on counts that cannot be true."""
    return counts_of(answer.usage, received)


def counts_of(said: _Counts, received: Json) -> tuple[Usage, bool, tuple[str, ...]]:
    """The same of counts that stand by themselves."""
    counts = (said.input_tokens, said.output_tokens, said.cache_read_tokens, said.cache_write_tokens)
    if not any(counts):
        counts = _counts_on_the_wire(received)  # the library gives up when any of them is odd
    read, written, cache_read, cache_write = (max(0, count) for count in counts)
    notes: list[str] = []
    if min(counts) < 0:
        notes.append(f"the provider counted negative tokens {counts}; taken as 0")
    if cache_read + cache_write > read:
        notes.append(f"the provider counted more cached tokens than tokens read {counts}; counted as read")
        read = cache_read + cache_write
    return Usage(read, written, cache_read, cache_write), read + written > 0, tuple(notes)


def _counts_on_the_wire(received: Json) -> tuple[int, int, int, int]:
    """Read, written, cache read and cache written, as the formats name them."""
    google = received.get("usageMetadata") if isinstance(received, dict) else None
    if isinstance(google, dict):
        written = _count(google.get("candidatesTokenCount")) + _count(google.get("thoughtsTokenCount"))
        return (
            _count(google.get("promptTokenCount")),
            written,
            _count(google.get("cachedContentTokenCount")),
            0,
        )
    usage = received.get("usage") if isinstance(received, dict) else None
    if not isinstance(usage, dict):
        return (0, 0, 0, 0)
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    anthropic_read = _count(usage.get("cache_read_input_tokens"))
    anthropic_write = _count(usage.get("cache_creation_input_tokens"))
    return (
        _count(usage.get("prompt_tokens", usage.get("input_tokens"))) + anthropic_read + anthropic_write,
        _count(usage.get("completion_tokens", usage.get("output_tokens"))),
        _count(cached) + anthropic_read,
        anthropic_write,
    )


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0
