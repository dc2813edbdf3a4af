"""Tables of the budgets feature: what each account has spent and set aside, and what each request set aside.

A row of `budget_accounts` is one account in one window; its limit stands in the settings. No index holds a
column that changes with a request, so that PostgreSQL can update a busy row where it is.
Times are milliseconds since 1970, money is micro-dollars.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

budget_accounts = sa.Table(
    "budget_accounts",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("window", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("spent_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("spent_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("unpriced", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("ends_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Index("budget_accounts_by_end", "ends_at"),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("accounts", sa.Text, nullable=False),
    sa.Column("micro_usd", sa.BigInteger),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("extra", sa.Text, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("reservations_by_expiry", "expires_at"),
)

__all__ = ["budget_accounts", "reservations"]
