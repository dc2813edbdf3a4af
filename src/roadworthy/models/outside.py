"""Keeps requests on this machine where they are not wanted elsewhere, as in tests.

The environment variable is inherited by the processes that a test starts, so they are held to it too.
"""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.settings import ModelSettings

VARIABLE = "ROADWORTHY_OUTSIDE_CALLS"
"""Set to `off`, it has every request refused that would leave this machine."""

_NEAR = frozenset({"local", "python", "simulated"})

refused: list[str] = []
"""The names of the models that were asked for in vain by this process; read by the pytest plugin."""


def check_outside(name: str, settings: ModelSettings) -> None:
    """Raise `ProviderError` when the model is elsewhere and requests are to stay here."""
    if os.environ.get(VARIABLE) != "off" or not is_outside(settings):
        return
    refused.append(name)
    raise ProviderError(
        f"Model {name!r} ({settings.provider}) is outside, and {VARIABLE} is off.",
        kind=ErrorKind.NOT_CONFIGURED,
        hint="Use provider = 'simulated', 'local' or 'python'; a test can be marked roadworthy_live.",
    )


def is_outside(settings: ModelSettings) -> bool:
    """Whether a model of these settings is reached over the network."""
    return settings.provider not in _NEAR and not _is_loopback(str(settings.base_url or ""))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
