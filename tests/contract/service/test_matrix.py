"""Who may do what, for each operation of the OpenAPI document: every role, at its own and a foreign tenant.

What is expected is computed from the table of `access`, so a route that asks for another permission than it
says, or for none, is found here.
"""

import re

import pytest

from roadworthy.access import PERMISSIONS, Grant, Permission, Role
from roadworthy.review import Kind

OWN, FOREIGN = "acme", "other"
EVERYWHERE = {
    "/metrics",
    "/v1/budgets",
    "/v1/flags/{name}",
    "/v1/flags/{name}/outcomes",
    "/v1/people",
    "/v1/people/{person_id}/disable",
    "/v1/people/{person_id}/enable",
    "/v1/people/{person_id}/grants",
    "/v1/people/{person_id}/grants/take",
    "/v1/people/{person_id}/link",
    "/v1/prompts/{prompt}/clear",
    "/v1/prompts/{prompt}/outcomes",
    "/v1/prompts/{prompt}/promote",
    "/v1/prompts/{prompt}/rollback",
    "/v1/prompts/{prompt}/split",
    "/v1/reviews/stats",
    "/v1/routes/{name}/clear",
    "/v1/routes/{name}/outcomes",
    "/v1/routes/{name}/split",
}
"""What is not of one tenant: a role for one does not reach it."""
BODIES = {
    "/v1/workflows/{name}/runs": {"input": {"n": 1}},
    "/v1/runs/{run_id}/signals": {"name": "word"},
    "/v1/feedback": {"rating": 1},
    "/v1/keys": {"name": "k", "grants": [{"role": "service", "tenant": OWN}]},
    "/v1/people": {"name": "Bo"},
    "/v1/people/{person_id}/grants": {"role": "viewer"},
    "/v1/people/{person_id}/grants/take": {"role": "viewer"},
    "/v1/flags/{name}": {"shares": {"on": 10, "off": 90}},
    "/v1/prompts/{prompt}/clear": {},
    "/v1/prompts/{prompt}/promote": {"label": "v1"},
    "/v1/prompts/{prompt}/rollback": {},
    "/v1/prompts/{prompt}/split": {"shares": {"v1": 50, "v2": 50}},
    "/v1/routes/{name}/clear": {},
    "/v1/routes/{name}/split": {"shares": {"twice": 100}},
    "/v1/reviews/{review_id}/decide": {"verdict": "approve"},
    "/v1/reviews/{review_id}/answer": {"value": "5 euros"},
    "/v1/reviews/{review_id}/decline": {"note": "Nobody knows."},
    "/v1/reviews/{review_id}/draft": {"draft": {"amount": 4}},
    "/v1/reviews/{review_id}/assign": {"to": "Ann"},
}
UNKNOWN = ("{key_id}", "{prompt}", "/v1/routes/{name}")
"""What is asked of things that do not exist here."""
QUESTIONS = ("/v1/reviews/{review_id}/answer", "/v1/reviews/{review_id}/decline")
"""What is about a question, not about an answer that is held."""


async def operations(desk):
    """Method, path pattern and permission of each operation that takes one, but for test_gateway.py's."""
    document = (await (await desk.open()).get("/openapi.json")).json()
    return [
        (method.upper(), path, Permission(said["x-permission"]))
        for path, methods in document["paths"].items()
        for method, said in methods.items()
        if "x-permission" in said and "gateway" not in said["tags"]
    ]


async def review_of(desk, pattern, tenant):
    """The id of a review such as this operation is about."""
    kind = Kind.ANSWER if pattern in QUESTIONS else Kind.DECISION
    return await desk.review(kind, tenant=tenant or "") if "{review_id}" in pattern else "review_none"


async def ask(client, desk, method, pattern, run_id, *, tenant=None):
    """Ask one operation of a run, or of things that do not exist; its status and kind of error."""
    unknown = {
        "key_id": f"key_{'0' * 32}",
        "person_id": f"person_{'0' * 32}",
        "name": "twice",
        "run_id": run_id,
        "review_id": await review_of(desk, pattern, tenant),
    }
    path = re.sub(r"\{(\w+)\}", lambda found: unknown.get(found[1], "none"), pattern)
    body = BODIES.get(pattern)
    if pattern == "/v1/feedback":
        body = {**body, "subject": run_id}
    if pattern == "/v1/workflows/{name}/runs" and tenant is not None:
        body = {**body, "tenant": tenant}
    async with client.stream(method, path, json=body if method in ("POST", "PUT") else None) as answer:
        if answer.headers["content-type"].startswith("text/event-stream"):
            return answer.status_code, ""
        await answer.aread()
    return answer.status_code, answer.json().get("code", "") if answer.status_code >= 400 else ""


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("own", [True, False], ids=["own", "foreign"])
async def test_every_operation_does_what_the_table_says(serve, role, own):
    """Refused without the permission; with it, allowed at home, and elsewhere as if nothing were there."""
    desk = await serve(access__sign_in_attempts_per_minute=1000, work=False)
    client = await desk.person(Grant(role, tenant=OWN))
    wrong = []
    for method, pattern, permission in await operations(desk):
        run_id = await desk.run(tenant=OWN if own else FOREIGN)
        status, code = await ask(client, desk, method, pattern, run_id, tenant=OWN if own else FOREIGN)
        has = permission in PERMISSIONS[role]
        of_a_run = (
            "{run_id}" in pattern or "{review_id}" in pattern or (method, pattern) == ("POST", "/v1/feedback")
        )
        starts = pattern == "/v1/workflows/{name}/runs"
        if not has or pattern in EVERYWHERE:
            expected = status == 403
        elif of_a_run and not own:
            expected = status == 404
        elif starts and not own:
            expected = status == 403
        elif any(one in pattern for one in UNKNOWN):
            expected = status == 404
        else:
            expected = status < 400 or (status, code) == (409, "state_conflict")
        if not expected:
            wrong.append((method, pattern, status, code))
    assert wrong == []


async def test_without_credentials_nothing_but_health_is_answered(serve):
    """401 everywhere, with a header that says how to ask."""
    desk = await serve(work=False)
    client = await desk.open()
    for method, pattern, _ in await operations(desk):
        status, code = await ask(client, desk, method, pattern, f"run_{'0' * 32}")
        assert (status, code) == (401, "unauthenticated"), pattern
    answer = await client.get("/v1/runs")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_owner_of_everything_may_do_everything(serve):
    """No operation refuses an owner; what does not exist is not found."""
    desk = await serve(work=False)
    client = await desk.person(Grant(Role.OWNER))
    for method, pattern, _ in await operations(desk):
        status, _ = await ask(client, desk, method, pattern, await desk.run())
        unknown = any(one in pattern for one in (*UNKNOWN, "{person_id}"))
        assert status == 404 if unknown else status < 400 or status == 409, (pattern, status)
