"""The sections of `roadworthy.toml` that let people sign in at a provider of OpenID Connect."""

from typing import Literal

from pydantic import Field

from roadworthy.settings.model import Section
from roadworthy.settings.rules import Domain, Issuer, Name, PathText, Seconds, VariableName

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""How an ID token may be signed: with a private key only, as a shared secret could be anybody's."""


class AdmitSettings(Section):
    """`admit` of a provider: who is let in without having been added, and as what."""

    email_domain: Domain | None = None
    """Whoever has a verified address of exactly this domain. Either this or `group`."""
    group: Name | None = None
    """Whoever is in this group, by the provider's `groups_claim`."""
    role: Literal["owner", "operator", "approver", "reviewer", "viewer"]
    """What they may act as from their first sign-in on; see docs/access.md."""
    workflow: Name | None = None
    """For this workflow only; left out, for all."""
    tenant: Name | None = None
    """For this tenant only; left out, for all."""


class OpenIdSettings(Section):
    """`openid` of `[access]`: a provider of OpenID Connect, under a name of the project's own."""

    issuer: Issuer
    """The provider's issuer, exactly as its discovery document says it."""
    client_id: Name
    """What the provider calls this service."""
    client_secret_env: VariableName | None = None
    """The environment variable that holds the client secret. Left out, and no file: a public client."""
    client_secret_file: PathText | None = None
    """The file that holds it and nothing else, relative to the project; not beside `client_secret_env`."""
    label: Name | None = None
    """What the sign-in page calls it. Left out, its name."""
    scopes: list[Name] = Field(default_factory=lambda: ["email", "profile"])
    """What is asked for beside `openid`."""
    algorithms: list[Algorithm] = Field(
        default_factory=lambda: list[Algorithm](["RS256", "PS256", "ES256"]), min_length=1
    )
    """How ID tokens may be signed; of these, what the provider says that it uses."""
    email_domains: list[Domain] = Field(default_factory=list[str])
    """The domains whose addresses this provider is believed to know. Empty: every one."""
    groups_claim: Name = "groups"
    """The claim that names a person's groups."""
    admit: list[AdmitSettings] = Field(default_factory=list[AdmitSettings])
    """Who is let in beside those who were added with their address. Empty: nobody."""
    timeout_seconds: Seconds = 5
    """How long one request to the provider may take."""
