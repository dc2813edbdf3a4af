"""Who asks, and what they say about it in headers.

    Roadworthy-Tenant    which of the key's tenants it is for; needed where the key has several
    Roadworthy-User      the end user; else the body's `user`
    Roadworthy-Task      what it is for, in a word
    Roadworthy-Tags      for rules of routes, separated by commas
    Roadworthy-Data      kinds of data in it, names of `[residency]`, separated by commas
    Roadworthy-Prompt    the prompt it is recorded under; `gateway` where nothing is said
    Idempotency-Key      the same key gets the same answer, made once

One that does not fit is refused.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fastapi import Request

from roadworthy.service.gateway.fault import Fault, refuse

_PROMPT = "gateway"
_MOST_LISTED = 16
_LONGEST = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may make calls."""

    id: str
    """Of the key or person."""
    tenants: tuple[str, ...] | None = None
    """For whom; None: for every tenant, and for none."""


Authenticate: TypeAlias = Callable[[Request], Awaitable[Caller]]
"""Says who asks. Raises `Unauthenticated` or `Forbidden`."""


@dataclass(frozen=True, slots=True)
class About:
    """What a request says of itself, beside its body."""

    caller_id: str
    tenant: str
    user_id: str
    task: str
    tags: tuple[str, ...]
    data: tuple[str, ...]
    prompt_id: str
    idempotency_key: str


def about(request: Request, caller: Caller) -> About:
    """What the headers say. Raises `Fault`."""
    headers = request.headers
    prompt = _one(headers, "Roadworthy-Prompt") or _PROMPT
    if not _NAME.fullmatch(prompt):
        raise refuse("The header Roadworthy-Prompt takes a name of letters, digits, '.', '_' and '-'.")
    return About(
        caller_id=caller.id,
        tenant=_tenant(caller, _one(headers, "Roadworthy-Tenant")),
        user_id=_one(headers, "Roadworthy-User"),
        task=_one(headers, "Roadworthy-Task") or prompt,
        tags=_several(headers, "Roadworthy-Tags"),
        data=_several(headers, "Roadworthy-Data"),
        prompt_id=prompt,
        idempotency_key=_one(headers, "Idempotency-Key"),
    )


def _tenant(caller: Caller, named: str) -> str:
    if caller.tenants is None:
        return named
    if named:
        if named in caller.tenants:
            return named
        raise Fault(403, "The key may not make calls for this tenant.", "permission_error", "forbidden")
    if len(caller.tenants) == 1:
        return caller.tenants[0]
    raise refuse("The key is for several tenants: name one in the header Roadworthy-Tenant.")


def _one(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if len(value) > _LONGEST or not value.isprintable():
        raise refuse(f"The header {name} takes at most {_LONGEST} printable characters.")
    return value


def _several(headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, (one.strip() for one in _one(headers, name).split(",")))))
    if len(found) > _MOST_LISTED:
        raise refuse(f"The header {name} takes at most {_MOST_LISTED} names.")
    return found
