"""OpenID Connect: how a provider says who somebody is.

    attempt.py     what ties an attempt to one browser: state, nonce, PKCE, all made from one secret
    provider.py    one provider: where its addresses and keys are, what it answers for a code
    fetch.py       requests to it, bounded in time and size
    id_token.py    what it signs, checked
    store.py       attempts and identities in the database

`access/openid_sign_in.py` puts them together.
"""

from roadworthy.access.openid.attempt import Attempt
from roadworthy.access.openid.provider import Identity, Provider
from roadworthy.access.openid.trouble import Misconfigured, Refused, Trouble

__all__ = ["Attempt", "Identity", "Misconfigured", "Provider", "Refused", "Trouble"]
