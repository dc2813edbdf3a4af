"""`/audit`: who did what, newest first; an entry with its place in the chain; and whether the chain holds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.audit import Action, Entry, Filter, Outcome, Verified
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.search import Field, parse_into, time_ms
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.dashboard.words import plural
from roadworthy.db.tables.audit import audit_entries
from roadworthy.errors import InvalidInput, NotFound, did_you_mean
from roadworthy.records import iso

_PAGE = 50
_MOST_SEQ = 2**53
_MOST_VERIFIED = 50_000
"""Entries that are read for somebody who waits; more are for the command line."""
_EXPORTED = 200
_LINKED = {"run_": "/runs/", "review_": "/reviews/"}
"""Where the thing is shown that an id of this kind means."""
_KINDS = tuple(dict.fromkeys(f"{action.partition('.')[0]}." for action in Action))


@dataclass(frozen=True, slots=True)
class Checked:
    """What verifying the chain came to, and when."""

    at: int
    said: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """One entry, with whether it is as it was written."""

    entry: Entry
    detail: Mapping[str, Any]
    fits: bool
    """Whether its hash is its own, and what it says came before did."""


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.AUDIT_READ)
    one_at_a_time = asyncio.Lock()
    checked: Checked | None = None

    @made.get("/audit")
    async def listed(
        visit: Annotated[Visit, Depends(reads)],
        q: Annotated[str, Query(max_length=500)] = "",
        after: Annotated[int | None, Query(ge=1, le=_MOST_SEQ)] = None,
        entry: Annotated[int | None, Query(ge=1, le=_MOST_SEQ)] = None,
    ) -> Response:
        fault, found, where = "", list[Entry](), Filter(environment=app.settings.environment)
        try:
            where = parse(q, app.clock.now_ms(), where)
        except InvalidInput as error:
            fault = f"{error.message} {error.hint}".strip()
        else:
            visible = visit.caller.scope.condition(audit_entries.c.workflow, audit_entries.c.tenant)
            found = await app.audit.find(where, limit=_PAGE + 1, after=after, visible=visible)
        shown = found[:_PAGE]
        return await renderer.page(
            visit,
            "audit.html",
            search=q,
            fault=fault,
            entries=shown,
            older=visit.address(after=str(shown[-1].seq), entry=None) if len(found) > _PAGE else "",
            newest=visit.address(after=None, entry=None) if after else "",
            opened=None if entry is None else await _open(app, visit, entry),
            linked=_link,
            iso=iso,
            export=_export(where),
            may_verify=visit.may(Permission.AUDIT_READ),
            checked=checked,
            suggestions={
                name: {"said": field.said, "values": _VALUES.get(name, [])} for name, field in FIELDS.items()
            },
        )

    @made.post("/audit/verify")
    async def verify(
        visit: Annotated[Visit, Depends(visits(app, Permission.AUDIT_READ, everywhere=True))],
    ) -> Response:
        nonlocal checked
        head = await app.audit.head()
        if head.seq > _MOST_VERIFIED:
            raise InvalidInput(
                f"The log has {head.seq:,} entries, which is too many to verify while you wait.",
                hint="Run `roadworthy audit verify` beside the database.",
            )
        async with one_at_a_time:
            checked = _checked(await app.audit.verify(calls=False), app.clock.now_ms())
        return visit.go("/audit")

    return made


def parse(text: str, now_ms: int, where: Filter) -> Filter:
    """The filter that a text means. Raises `InvalidInput`."""
    where, words = parse_into(where, FIELDS, text, now_ms)
    if words:
        raise InvalidInput(f"What is {words!r}?", hint=f"Say it: actor:{words.split()[0]} or subject:…")
    return where


def _action(where: Filter, value: str, _: int) -> Filter:
    if value not in set(Action) and value not in _KINDS:
        raise InvalidInput(f"There is no action {value!r}.", hint=did_you_mean(value, [*Action, *_KINDS]))
    return replace(where, action=value)


def _outcome(where: Filter, value: str, _: int) -> Filter:
    if value not in set(Outcome):
        raise InvalidInput(f"There is no outcome {value!r}.", hint="It is done or refused.")
    return replace(where, outcome=value)


FIELDS: Mapping[str, Field[Filter]] = {
    "actor": Field("who: an id or a name", lambda where, value, _: replace(where, actor=value)),
    "action": Field("what; with a dot at its end, all that begin so", _action),
    "subject": Field("to what: its id", lambda where, value, _: replace(where, subject=value)),
    "outcome": Field("done or refused", _outcome),
    "since": Field(
        "at or after: 24h, 7d, 2026-03-01",
        lambda where, value, now_ms: replace(where, from_ms=time_ms(value, now_ms)),
    ),
    "until": Field("before", lambda where, value, now_ms: replace(where, before_ms=time_ms(value, now_ms))),
    "workflow": Field("of this workflow", lambda where, value, _: replace(where, workflow=value)),
    "tenant": Field("of this customer", lambda where, value, _: replace(where, tenant=value)),
}
_VALUES: Mapping[str, list[str]] = {
    "action": [*_KINDS, *(str(action) for action in Action)],
    "outcome": [str(outcome) for outcome in Outcome],
    "since": ["1h", "24h", "7d", "30d"],
}


async def _open(app: App, visit: Visit, seq: int) -> Opened:
    try:
        entry = await app.audit.get(seq)
        before = await app.audit.get(seq - 1) if seq > 1 else None
    except NotFound:
        raise nothing_here() from None
    seen = visit.may(Permission.AUDIT_READ, entry.workflow, entry.tenant)
    if not seen or entry.environment != app.settings.environment:
        raise nothing_here()
    follows = entry.prev_hash == (before.hash if before else "")
    values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    detail = entry.as_json()["detail"]
    return Opened(
        entry,
        detail if isinstance(detail, dict) else {},
        fits=follows and app.audit.keyring.hash(values) == entry.hash,
    )


def _link(subject: str) -> str:
    """Where a subject is shown; empty where it is not."""
    return next((f"{page}{subject}" for kind, page in _LINKED.items() if subject.startswith(kind)), "")


def _export(where: Filter) -> str:
    """The same entries as JSON, page by page."""
    times = {"since": where.from_ms, "until": where.before_ms}
    given = {name: getattr(where, name) for name in ("action", "actor", "subject", "outcome")}
    given |= {name: iso(value) for name, value in times.items() if value is not None}
    kept = {name: value for name, value in given.items() if value}
    return f"/v1/audit?{urlencode(kept | {'limit': _EXPORTED})}"


def _checked(found: Verified, now_ms: int) -> Checked:
    if not found.ok:
        said = (
            f"{found.fault} {plural(found.entries, 'entry', 'entries')} before that are as they were written."
        )
        return Checked(now_ms, said, ok=False)
    said = f"{plural(found.entries, 'entry', 'entries')} are as they were written."
    if found.signed_from is not None:
        said += f" Signed from entry {found.signed_from:,} on."
    else:
        said += " They are not signed: keep the head elsewhere, or set [audit] key_env."
    return Checked(now_ms, f"{said} Head: {found.head}", ok=True)
