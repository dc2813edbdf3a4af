"""Vectors for texts, over the same client as everything else that its provider does."""

import json
from typing import TYPE_CHECKING, Any, cast

from roadworthy.models.provider import Request, Response, cannot
from roadworthy.models.providers import wire
from roadworthy.models.providers.clients import Client
from roadworthy.models.providers.usage import counts_of

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel


def embedding_model(name: str, client: Client) -> "EmbeddingModel":
    """The library's model for vectors. Raises `ProviderError` where the provider has none."""
    library: Any = client.model
    if client.dialect in ("chat", "responses"):
        from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

        return OpenAIEmbeddingModel(library.model_name, provider=library.provider)
    if client.dialect == "google":
        from pydantic_ai.embeddings.google import GoogleEmbeddingModel

        return GoogleEmbeddingModel(library.model_name, provider=library.provider)
    if client.dialect == "bedrock":
        from pydantic_ai.embeddings.bedrock import BedrockEmbeddingModel

        return BedrockEmbeddingModel(library.model_name, provider=library.provider)
    raise cannot(name, "its provider makes no vectors")


async def embed(model: "EmbeddingModel", request: Request, exchange: wire.Exchange) -> Response:
    """One vector for each message, as a JSON list of lists."""
    settings: Any = {"dimensions": request.dimensions} if request.dimensions else None
    texts = [message.text for message in request.messages]
    result = await model.embed(texts, input_type="document", settings=settings)
    vectors = [list(map(float, vector)) for vector in result.embeddings]
    usage, reported, notes = counts_of(result.usage, exchange.received())
    long = len(vectors[0]) if vectors else 0
    return Response(
        text=json.dumps(vectors, separators=(",", ":")),
        usage=usage,
        model=result.model_name,
        finish_reason="stop",
        provider_request_id=exchange.request_id or result.provider_response_id,
        sent=exchange.sent(),
        received={
            "vectors": len(vectors),
            "dimensions": long,
            "usage": cast("Any", {"input_tokens": usage.input_tokens}),
        },
        usage_reported=reported,
        notes=notes,
        rate_limit=exchange.rate_limit,
    )
