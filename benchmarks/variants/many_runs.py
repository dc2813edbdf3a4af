"""Fills a database with what a busy month leaves; most rows are made by the database itself, from numbers.

Runs with steps, calls and decisions; reviews; accounts of budgets; entries of the audit log; and the hours
that many more calls come to.
"""

from dataclasses import replace

import sqlalchemy as sa

from roadworthy import App
from roadworthy.access import Principal
from roadworthy.audit import Action
from roadworthy.budgets import Budgets
from roadworthy.calls.hours import hour_of
from roadworthy.db.payloads import pack
from roadworthy.db.tables.budgets import budget_accounts
from roadworthy.db.tables.review import review_items
from roadworthy.db.tables.rollups import rolled_up
from roadworthy.monitoring.latency import bucket_of
from roadworthy.review import Held, Kind
from roadworthy.review import store as reviews

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAYS, WORKFLOWS, TENANTS = 30, 7, 25
REVIEWS, OPEN_REVIEWS = 3_000, 200
ENTRIES = 20_000
ME = Principal.terminal("benchmark")

_RUNS = """
INSERT INTO runs (id, workflow, status, environment, tenant, user_id, input_hash, created_at, changed_at,
    started_at, finished_at, error_kind, error_message, cost_micro_usd)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}),
made AS (SELECT i, CAST({since} + i * {step} AS BIGINT) AS at FROM n)
SELECT 'run_' || {hex}, 'workflow_' || (i % {workflows}),
    CASE WHEN i % 97 = 0 THEN 'dead' WHEN i % 499 = 1 THEN 'parked' WHEN i % 61 = 2 THEN 'skipped'
         WHEN i >= {count} - 60 THEN 'running' ELSE 'succeeded' END,
    '{environment}', CASE WHEN i % 3 = 0 THEN '' ELSE 'tenant-' || (i % {tenants}) END,
    'user-' || (i % 5000), 'x', at, at + 4000, at + 50,
    CASE WHEN i >= {count} - 60 THEN NULL ELSE at + 4000 END,
    CASE WHEN i % 97 = 0 THEN CASE WHEN i % 2 = 0 THEN 'budget_spent' ELSE 'LookupError' END END,
    CASE WHEN i % 97 = 0 THEN 'There is no order of this number.' END,
    CASE WHEN i % 61 = 2 THEN 0 ELSE 800 + i * 7919 % 90000 END
FROM made
"""
_PAYLOADS = "INSERT INTO run_payloads (run_id, input, output) SELECT id, :payload, :payload FROM runs"
_KINDS = ("step", "call", "action")
_STEPS = """
INSERT INTO steps (id, run_id, position, name, key, kind, status, attempt_at, started_at, finished_at)
SELECT 'step_' || {number} || substr(id, 6), id, {number}, 'step_{number}', 'k{number}', '{kind}',
    'succeeded', started_at, started_at + {number} * 900, started_at + {number} * 900 + 800
FROM runs WHERE status <> 'skipped'
"""
_CALLS = """
INSERT INTO calls (id, run_id, step_id, workflow, step, environment, tenant, user_id, prompt_id,
    prompt_version, prompt_hash, route, status, rung, model, provider, attempts, input_tokens, output_tokens,
    cost_micro_usd, error_kind, started_at, finished_at)
SELECT 'call_' || substr(id, 5), id, 'step_1' || substr(id, 6), workflow, 'step_1', environment, tenant,
    user_id, 'prompt-' || substr(workflow, 10), 'prompt-' || substr(workflow, 10) || '@v1', 'x', 'default',
    CASE WHEN error_kind IS NULL THEN 'succeeded' ELSE 'failed' END, 'small', 'small', 'openai', 1, 1200, 180,
    cost_micro_usd, error_kind, started_at, started_at + 400 + cost_micro_usd % 4000
FROM runs WHERE status <> 'skipped'
"""
_ATTEMPTS = """
INSERT INTO call_attempts (call_id, number, reason, model, provider, status, input_tokens, output_tokens,
    cost_micro_usd, cost_source, started_at, finished_at)
SELECT id, 1, 'first', 'small', 'openai', status, input_tokens, output_tokens, cost_micro_usd, 'genai-prices',
    started_at, finished_at FROM calls
"""
_DECISIONS = """
INSERT INTO decisions (id, run_id, step_id, environment, workflow, tenant, prompt_version, prompt_hash,
    verdict, "by", name, value_hash, created_at)
SELECT 'decision_' || substr(id, 5), id, 'step_2' || substr(id, 6), environment, workflow, tenant,
    'prompt-' || substr(workflow, 10) || '@v1', 'x', 'approved', 'rule', 'bands', 'x', created_at + 3000
FROM runs WHERE status = 'succeeded'
"""
_KEYS = """
INSERT INTO call_keys (environment, workflow, step, prompt_id, prompt_version, model, tenant, task, rung,
    lane)
SELECT DISTINCT environment, workflow, step, prompt_id, prompt_version, rung, tenant, task, rung, lane
FROM calls
"""
_HOURS = """
INSERT INTO call_hours (key_id, hour, calls, answered, call_attempts, call_input_tokens, call_output_tokens,
    call_cost_micro_usd, attempts, input_tokens, output_tokens, cost_micro_usd)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {hours})
SELECT id, {first} + i * 3600000, {each}, {each}, {each}, {each} * 1200, {each} * 180, {each} * {cost},
    {each}, {each} * 1200, {each} * 180, {each} * {cost} FROM call_keys, n
"""
_COST = "(6000 + id * 97 % 5000 + ({first} / 3600000 + i) / 24 * 7919 % 1800)"
_LATENCIES = """
INSERT INTO call_latencies (key_id, hour, bucket, calls)
SELECT key_id, hour, {bucket} + (key_id + hour / 3600000) % 5, 1 + calls / 3 FROM call_hours
"""


def fill(app: App, runs: int, calls: int) -> None:
    """Put everything into an open app's empty database; hours are added up to the last whole one."""
    database, now_ms = app.database, app.clock.now_ms()
    since_ms = now_ms - DAYS * DAY_MS
    first, last = hour_of(since_ms), hour_of(now_ms - 1_800_000)
    hours = (last - first) // HOUR_MS
    made = _RUNS.format(
        count=runs,
        since=since_ms,
        step=DAYS * DAY_MS / runs,
        environment=app.settings.environment,
        workflows=WORKFLOWS,
        tenants=TENANTS,
        hex="printf('%032x', i)" if database.is_sqlite else "lpad(to_hex(i), 32, '0')",
    )
    steps = [_STEPS.format(number=number, kind=kind) for number, kind in enumerate(_KINDS)]

    def write(tx: sa.Connection) -> None:
        for statement in (made, *steps, _CALLS, _ATTEMPTS, _DECISIONS, _KEYS):
            tx.execute(sa.text(statement))
        tx.execute(
            sa.text(_PAYLOADS), {"payload": pack({"ticket": "broken parcel", "text": "Dear desk, " * 40})}
        )
        keys = tx.execute(sa.text("SELECT count(*) FROM call_keys")).scalar_one()
        each = max(1, calls // (keys * hours))
        tx.execute(
            sa.text(_HOURS.format(hours=hours, first=first, each=each, cost=_COST.format(first=first)))
        )
        for milliseconds in (500, 1_500, 4_000):
            tx.execute(sa.text(_LATENCIES.format(bucket=bucket_of(milliseconds))))
        tx.execute(sa.delete(rolled_up))
        tx.execute(sa.insert(rolled_up).values(id=1, rolled_until=last, swept_until=first))

    database.write_now(write)
    database.write_now(lambda tx: _accounts(tx, app, now_ms))
    database.write_now(lambda tx: _reviews(tx, app, now_ms))
    database.write_now(lambda tx: _entries(tx, app))
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _accounts(tx: sa.Connection, app: App, now_ms: int) -> None:
    for limit in Budgets(app.settings.budgets).every(app.settings.environment, now_ms):
        subjects = [limit.subject] if limit.subject else [f"tenant-{number}" for number in range(TENANTS)]
        rows = [
            {
                **replace(limit, subject=subject).key._asdict(),
                "spent_micro_usd": (limit.limit_micro_usd or 0) * (number * 37 % 100 + 45) // 120,
                "ends_at": limit.resets_at_ms,
                "updated_at": now_ms,
            }
            for number, subject in enumerate(subjects)
        ]
        tx.execute(sa.insert(budget_accounts), rows)


def _reviews(tx: sa.Connection, app: App, now_ms: int) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    held = Held(
        {"text": "Dear customer, " * 30}, schema, [{"title": "Terms", "text": "At most 5."}], "unsure"
    )
    for number in range(REVIEWS):
        made = app.reviews.new(
            held, reason="unsure", kind=Kind.DECISION, workflow=f"workflow_{number % WORKFLOWS}"
        )
        created_at = now_ms - (REVIEWS - number) * DAYS * DAY_MS // REVIEWS
        reviews.add(tx, replace(made, created_at=created_at, due_at=created_at + DAY_MS))
    its = review_items.c
    newest = sa.select(its.id).order_by(its.created_at.desc()).limit(OPEN_REVIEWS)
    closed = sa.case(
        (its.created_at % 11 == 0, "rejected"), (its.created_at % 7 == 0, "edited"), else_="approved"
    )
    tx.execute(
        sa.update(review_items)
        .where(its.id.not_in(newest))
        .values(status=closed, answered_at=its.created_at + 3 * HOUR_MS, answered_by="person_1")
    )


def _entries(tx: sa.Connection, app: App) -> None:
    for number in range(ENTRIES):
        entry = app.audit.entry(
            Action.RUN_CANCELLED, f"run_{number:032x}", workflow=f"workflow_{number % WORKFLOWS}"
        )
        app.audit.append(tx, entry)
