"""The section of `roadworthy.toml` that configures the HTTP service."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from roadworthy.settings.model import Section
from roadworthy.settings.rules import Count, HttpUrl, Name, PayloadBytes, RuleError, Seconds, SmallCount, Text


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise RuleError("must be an IP address or network, such as '10.0.0.0/8'") from None
    return value


Network = Annotated[str, AfterValidator(_network)]


class ServiceSettings(Section):
    """`[service]`: the HTTP API and who may reach it."""

    host: Text = "127.0.0.1"
    """The address to listen at; `0.0.0.0` for every one of the machine's."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """The port to listen at; 0 for a free one."""
    public_url: HttpUrl | None = None
    """The address under which people reach it, for links. Left out, where it listens."""
    allowed_hosts: list[Name] = Field(default_factory=list[str])
    """The names, without ports, that requests may be addressed to, beside that of `public_url`. Empty: where
    it listens; every name if it listens at every address and has no `public_url`."""
    allowed_origins: list[HttpUrl] = Field(default_factory=list[str])
    """The origins whose scripts may call the API from a browser, with a key. Empty: none but its own."""
    trusted_proxies: list[Network] = Field(default_factory=list[str])
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    public_openapi: bool = True
    """Whether `/openapi.json` is for everybody; else it takes a key."""
    public_metrics: bool = False
    """Whether `/metrics` is for everybody; else it takes the permission `metrics.read`."""
    max_body_bytes: PayloadBytes = 1_000_000
    """The largest body of a request; 1 to 1,000,000,000 bytes."""
    max_gateway_body_bytes: PayloadBytes = 20_000_000
    """The same at the gateway, where requests carry images; 1 to 1,000,000,000 bytes."""
    max_connections: Count = 1_000
    """Connections that one process has open at most; further ones are answered with 503."""
    max_streams: Count = 200
    """Streams of events, and requests that wait for a run, that one process has open at most."""
    max_streams_each: SmallCount = 20
    """The same for one person or key; 1 to 1,000."""
    read_seconds: Seconds = 20
    """How long the headers, and then the body, of a request may take to arrive."""
    heartbeat_seconds: Seconds = 15
    """How often a stream without news says that it lives, and looks whether its key still holds."""
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 0
    """How long it still takes requests after it was asked to stop and `/readyz` says so; 0 to 3,600."""
    shutdown_seconds: Seconds = 10
    """How long requests under way may go on after that."""
    min_free_disk_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """With less free space than this where the database file lies, it is not ready; 0 to 1,000,000."""
