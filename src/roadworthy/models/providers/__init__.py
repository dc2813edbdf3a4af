"""Who answers requests: a name from the settings to the module that implements it, imported when first used.

`pydantic_ai` serves everything on the network (with `clients`, `faults`, `usage` and `wire`), `local`
runs a GGUF file in this process, `python` calls a function.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from roadworthy.errors import did_you_mean
from roadworthy.models.provider import Blueprint, Provider, not_configured

__all__ = ["PROVIDERS", "make_provider"]

_NETWORK = "roadworthy.models.providers.pydantic_ai"

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "anthropic": _NETWORK,
        "openai": _NETWORK,
        "azure-openai": _NETWORK,
        "google": _NETWORK,
        "google-vertex": _NETWORK,
        "bedrock": _NETWORK,
        "ollama": _NETWORK,
        "openai-compatible": _NETWORK,
        "simulated": _NETWORK,
        "local": "roadworthy.models.providers.local",
        "python": "roadworthy.models.providers.python",
    }
)
"""Each provider's name in the settings, and the module whose `make` builds it."""


def make_provider(blueprint: Blueprint) -> Provider:
    """Build the provider that the settings name. Imports libraries and loads files: call it in a thread.

    Raises:
        ProviderError: `NOT_CONFIGURED`, when something is missing on this machine.
    """
    name = blueprint.settings.provider
    module = PROVIDERS.get(name)
    if module is None:
        raise not_configured(
            blueprint.name, f"has the unknown provider {name!r}", did_you_mean(name, PROVIDERS)
        )
    provider: Provider = importlib.import_module(module).make(blueprint)
    return provider
