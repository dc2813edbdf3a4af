"""Health, readiness, metrics, and signing in."""

import asyncio

import pytest

from roadworthy.access import Grant, Principal, Role
from roadworthy.errors import DatabaseError

ME = Principal.terminal("tester")


async def test_the_process_lives_whatever_else_is_broken(desk, monkeypatch):
    """`/healthz` asks nothing of the database."""

    async def away(_work):
        message = "It is away."
        raise DatabaseError(message)

    monkeypatch.setattr(desk.app.database, "read", away)
    assert (await (await desk.open()).get("/healthz")).json() == {"status": "alive"}


async def test_every_part_is_named_and_why_is_told_to_those_who_may_know(serve):
    """503 with the part that is not ready; a stranger learns which, an operator why."""
    desk = await serve(service__min_free_disk_mb=1_000_000)
    stranger, viewer = await desk.open(), await desk.client(Grant(Role.VIEWER))
    terse, told = await stranger.get("/readyz"), await viewer.get("/readyz")
    assert (terse.status_code, terse.json()["ready"]) == (503, False)
    assert {name for name, part in terse.json()["parts"].items() if not part["ready"]} == {"disk"}
    assert list(terse.json()["parts"]) == ["service", "database", "worker", "models", "disk"]
    assert terse.json()["parts"]["disk"] == {"ready": False}
    assert "MB are free" in told.json()["parts"]["disk"]["why"]


async def test_a_database_that_is_away_is_named(desk, monkeypatch):
    """The look does not hang, and other parts still answer."""

    def away(_work):
        message = "The database postgresql://secret@host cannot be reached."
        raise DatabaseError(message)

    monkeypatch.setattr(desk.app.database, "read_now", away)
    answer = await (await desk.open()).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == {"ready": False}
    assert "secret" not in answer.text


async def test_a_route_whose_models_have_no_key_is_not_ready(serve, monkeypatch):
    """The name of the variable, never a key."""
    monkeypatch.delenv("DESK_KEY", raising=False)
    model = {
        "provider": "openai-compatible",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "m",
        "api_key_env": "DESK_KEY",
    }
    desk = await serve(models={"m": model}, routes={"default": {"models": ["m"]}})
    answer = await (await desk.client(Grant(Role.VIEWER))).get("/readyz")
    assert "DESK_KEY" in answer.json()["parts"]["models"]["why"]
    monkeypatch.setenv("DESK_KEY", "made-up")
    desk.service.health._seen = None
    assert (await (await desk.open()).get("/readyz")).status_code == 200


async def test_a_service_that_shuts_down_is_not_ready(desk):
    """Balancers stop sending before it stops listening."""
    desk.service.health.draining = True
    answer = await (await desk.open()).get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["service"]) == (503, {"ready": False})


async def test_metrics_count_what_happened(desk):
    """Runs by outcome, requests by route, queues and workers, in Prometheus's format."""
    client = await desk.client(Grant(Role.VIEWER), Grant(Role.SERVICE))
    for workflow in ("twice", "fails"):
        await client.post(f"/v1/workflows/{workflow}/runs?wait=20", json={"input": {"n": 1}})
    await desk.run("asks", name="word")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'roadworthy_runs_ended_total{workflow="twice",status="succeeded"} 1' in lines
    assert 'roadworthy_runs_ended_total{workflow="fails",status="dead"} 1' in lines
    assert (
        'roadworthy_http_requests_total{method="POST",route="/v1/workflows/{name}/runs",status="201"} 2'
        in lines
    )
    assert "roadworthy_workers_alive 1" in lines
    assert any(line.startswith("roadworthy_run_seconds_bucket{") for line in lines)
    assert any(line.startswith('roadworthy_runs_open{workflow="asks"') for line in lines)
    assert "run_" not in answer.text.replace("roadworthy_run_", "")


async def test_metrics_are_public_only_where_that_is_said(serve):
    """401 and 403 by default."""
    desk = await serve()
    assert (await (await desk.open()).get("/metrics")).status_code == 401
    assert (await (await desk.client()).get("/metrics")).status_code == 403
    public = await serve(service__public_metrics=True, work=False)
    assert (await (await public.open()).get("/metrics")).status_code == 200


async def test_it_is_known_by_the_names_that_are_allowed_and_that_of_its_public_url(serve):
    """Whoever scrapes it by another name than people use names that one only."""
    desk = await serve(service__public_url="https://desk.example", service__allowed_hosts=["service"])
    client = await desk.open()
    statuses = {
        name: (await client.get("/openapi.json", headers={"host": name})).status_code
        for name in ("desk.example", "service:8080", "127.0.0.1", "localhost", "evil.example")
    }
    assert statuses == {
        "desk.example": 200,
        "service:8080": 200,
        "127.0.0.1": 200,
        "localhost": 200,
        "evil.example": 421,
    }
    assert (await client.get("/healthz", headers={"host": "10.0.0.7:8080"})).status_code == 200


async def test_a_link_signs_in_once_also_when_it_comes_twice_at_once(desk):
    """One session; the other one is refused in words that tell nothing."""
    link = await desk.app.access.first_link(ME)
    client = await desk.open()
    opened = await client.get("/sign-in", params={"token": link.secret})
    assert opened.status_code == 200
    assert "<form" in opened.text
    answers = await asyncio.gather(*(client.post("/sign-in", data={"token": link.secret}) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [303, 401, 401, 401]
    cookie = next(one for one in answers if one.status_code == 303).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert (await client.get("/v1/runs")).status_code == 200


async def test_behind_a_trusted_proxy_with_https_the_cookie_is_bound_to_it(serve):
    """`__Host-` and Secure; a proxy that is not trusted is not believed."""
    desk = await serve(service__trusted_proxies=["127.0.0.1"])
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9, 127.0.0.1"}
    link = await desk.app.access.first_link(ME)
    answer = await (await desk.open()).post("/sign-in", data={"token": link.secret}, headers=headers)
    assert answer.headers["set-cookie"].startswith("__Host-roadworthy_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"]
    plain = await serve(work=False)
    refused = await (await plain.open()).get("/healthz", headers=headers)
    assert "strict-transport-security" not in refused.headers


async def test_a_session_changes_nothing_without_its_token_against_forgery(desk):
    """Reading works by cookie alone; every unsafe method takes the token of this very session."""
    client, other = await desk.person(Grant(Role.OPERATOR)), await desk.person(Grant(Role.OPERATOR))
    token = client.headers.pop("x-csrf-token")
    assert (await client.get("/v1/runs")).status_code == 200
    path, body = "/v1/workflows/twice/runs", {"input": {"n": 1}}
    for given in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": other.headers["x-csrf-token"]}):
        answer = await client.post(path, json=body, headers=given)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.post(path, json=body, headers={"x-csrf-token": token})).status_code == 201


async def test_signing_out_ends_the_session(desk):
    """Also for whoever copied the cookie."""
    client = await desk.person(Grant(Role.VIEWER))
    stolen = client.cookies["roadworthy_session"]
    token = client.headers.pop("x-csrf-token")
    assert (await client.post("/sign-out", data={"csrf": "x"})).status_code == 403
    assert (await client.post("/sign-out", data={"csrf": token})).status_code == 303
    thief = await desk.open(cookies={"roadworthy_session": stolen})
    assert (await thief.get("/v1/runs")).status_code == 401


async def test_signing_in_is_throttled(serve):
    """From one address only so often, whatever is tried; the refusal is on the audit log once."""
    desk = await serve(access__sign_in_attempts_per_minute=3)
    client = await desk.open()
    said = [await client.post("/sign-in", data={"token": f"rwl_{n}"}) for n in range(8)]
    assert all(one.status_code == 401 for one in said)
    assert any("too often" in one.text for one in said)


@pytest.mark.parametrize("origin", ["https://app.example.org"])
async def test_a_named_origin_may_call_with_a_key(serve, origin):
    """And no other one; cookies are never sent along."""
    desk = await serve(service__allowed_origins=[origin])
    client = await desk.open()
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    allowed = await client.options("/v1/runs", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in allowed.headers
    refused = await client.options("/v1/runs", headers={**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
