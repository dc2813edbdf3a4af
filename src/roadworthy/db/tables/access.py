"""Tables of the access feature: people, keys, what they are granted, sessions, and ways to begin one.

Of a secret only its SHA-256 is stored. An empty `workflow` of a grant is every workflow; `all_tenants` says
that it is not for one tenant only.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("oidc_issuer", sa.Text),
    sa.Column("oidc_subject", sa.Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("last_seen_at", sa.BigInteger),
    sa.UniqueConstraint("email", name="people_once_per_email"),
    sa.UniqueConstraint("oidc_issuer", "oidc_subject", name="people_once_per_subject"),
)

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used_at", sa.BigInteger),
    sa.UniqueConstraint("hash", name="access_keys_once_per_hash"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("all_tenants", sa.Boolean, primary_key=True),
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("last_seen_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.UniqueConstraint("hash", name="sessions_once_per_hash"),
    sa.Index("sessions_by_person", "person_id"),
    sa.Index("sessions_by_end", "expires_at"),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger),
    sa.Column("session_id", sa.Text),
    sa.Index("sign_in_links_by_end", "expires_at"),
    sa.Index("sign_in_links_by_person", "person_id"),
)

openid_attempts = sa.Table(
    "openid_attempts",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("return_to", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("session_id", sa.Text),
    sa.Index("openid_attempts_by_end", "expires_at"),
)

sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("window", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Index("sign_in_attempts_by_window", "window"),
)

__all__ = [
    "access_keys",
    "grants",
    "openid_attempts",
    "people",
    "sessions",
    "sign_in_attempts",
    "sign_in_links",
]
