"""Batches of each provider that has them: a name from the settings to the module that speaks to it.

`network` is what all have in common: items in, results out. `openai`, `anthropic` and `google` know the APIs,
`api` sends their requests, `spool` holds a body that is too large for memory, and `replay` has the live
provider write the requests and read the answers. Vertex's and Bedrock's batches are not spoken here.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from roadworthy.models.provider import Blueprint
from roadworthy.models.provider_batch import BatchProvider

__all__ = ["BATCH_PROVIDERS", "make_batch_provider"]

_OPENAI = "roadworthy.models.providers.batches.openai"

BATCH_PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "openai": _OPENAI,
        "azure-openai": _OPENAI,
        "openai-compatible": _OPENAI,
        "simulated": _OPENAI,
        "anthropic": "roadworthy.models.providers.batches.anthropic",
        "google": "roadworthy.models.providers.batches.google",
    }
)
"""Each provider with batches, and the module whose `make` builds them."""


def make_batch_provider(blueprint: Blueprint) -> BatchProvider | None:
    """The batches of the provider that the settings name; None when it has none. Call it in a thread.

    A server that is merely compatible may have none all the same: `submit` then says `MODEL_NOT_FOUND`.

    Raises:
        ProviderError: `NOT_CONFIGURED`, when something is missing on this machine.
    """
    module = BATCH_PROVIDERS.get(blueprint.settings.provider)
    if module is None:
        return None
    made: BatchProvider = importlib.import_module(module).make(blueprint)
    return made
