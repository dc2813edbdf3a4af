"""Hostile and clumsy callers: each is answered with a problem, or cut off, and nothing is left behind."""

import asyncio
import json
import time

import httpx2
import pytest

from roadworthy.access import Grant, Principal, Role

PROBLEM = "application/problem+json"
EVIL = [
    "'; DROP TABLE runs; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "$(id)",
    "{{7*7}}",
    "é" * 200,
]


async def raw(desk, sent: bytes, *, seconds: float = 10) -> bytes:
    """What the service answers to these bytes until it closes the connection."""
    host, port = desk.server.bind().getsockname()[:2]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(sent)
    await writer.drain()
    try:
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


async def post(client, content, *, kind="application/json"):
    """Start a run with a body as it is."""
    return await client.post("/v1/workflows/twice/runs", content=content, headers={"content-type": kind})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"input": {"n": NaN}}', b'{"input": "\\ud800"}', b"[" * 100_000, b"1" * 5000,
     b'{"input":' + b'{"a":' * 70 + b"1" + b"}" * 71],
    ids=["empty", "cut", "no utf-8", "nan", "half a character", "deep", "long number", "too deep"],
)  # fmt: skip
async def test_what_is_no_json_is_a_bad_request(desk, content):
    """400 or 422 as a problem; never 500."""
    answer = await post(await desk.client(), content)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM


async def test_a_body_of_another_kind_is_refused(desk):
    """A form cannot start a run, so no page elsewhere can make a browser do it."""
    client = await desk.client()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert (await post(client, b'{"input": {"n": 1}}', kind=kind)).status_code == 422


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_of_fifty_megabytes_is_refused_and_never_held(desk, chunked):
    """413, however it is sent, and the answer reaches the client."""
    client = await desk.client()

    async def body():
        for _ in range(50):
            yield b"x" * 1_000_000

    answer = await post(client, body() if chunked else b"x" * 50_000_000)
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.headers["connection"] == "close"


async def test_strangers_get_a_small_body_only(desk):
    """Nobody fills the memory without a key."""
    answer = await post(await desk.open(), b"x" * 20_000)
    assert answer.status_code == 413


async def test_a_body_that_does_not_come_times_out(serve):
    """408, and the connection closes."""
    desk = await serve(service__read_seconds=0.3)
    secret = await desk.secret()
    head = f"POST /v1/workflows/twice/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
    answer = await raw(desk, f"{head}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode())
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: lo"], ids=["nothing", "line", "header"]
)
async def test_headers_that_do_not_come_time_out(serve, sent):
    """A connection on which nothing, or half a request, arrives is not kept."""
    desk = await serve(service__read_seconds=0.3)
    began = time.monotonic()
    answer = await raw(desk, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5


async def test_what_is_no_http_is_a_bad_request(desk):
    """A newline in a header, a header without end, a request that is none, a header twice too long."""
    for sent in (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\nc\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhi",
    ):
        answer = await raw(desk, sent)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")), (sent[:60], answer[:60])
        assert PROBLEM.encode() in answer


async def test_addresses_that_try_tricks_are_not_found(desk):
    """No path leads out of the routes, and a long address is refused."""
    client = await desk.client()
    for path in (
        "/../etc/passwd",
        "/v1/../../etc",
        "//v1/runs",
        "/v1/runs/",
        "/v1/runs/%2e%2e",
        "/v1/runs/..%2f",
        "/%00",
    ):
        answer = await client.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == PROBLEM
    assert (await client.get("/v1/runs?text=" + "a" * 9000)).status_code == 414


@pytest.mark.parametrize("evil", EVIL)
async def test_text_that_tries_to_be_code_is_only_text(desk, evil):
    """In every field that takes text it is stored and given back, or refused, never run or interpreted."""
    client = await desk.client(Grant(Role.OPERATOR))
    body = {"input": {"n": 1}, "user_id": evil, "tags": [evil], "tenant": evil}
    made = await client.post("/v1/workflows/twice/runs", json=body)
    assert made.status_code == 201
    assert (made.json()["user_id"], made.json()["tags"], made.json()["tenant"]) == (evil, [evil], evil)
    names = ("workflow", "tag", "tenant", "user", "error", "text", "batch", "parent")
    for name in names:
        answer = await client.get("/v1/runs", params={name: evil})
        assert answer.status_code == 200, name
    for path in (f"/v1/workflows/{evil}", f"/v1/runs/{evil}", f"/v1/prompts/{evil}/versions/{evil}"):
        answer = await client.get(httpx2.URL(desk.url).join(httpx2.URL(desk.url).copy_with(path=path)))
        assert answer.status_code == 404
    for headers in ({"idempotency-key": evil}, {"last-event-id": evil}, {"x-request-id": evil}):
        encoded = {name: value.encode() for name, value in headers.items()}
        answer = await client.post("/v1/workflows/twice/runs", json=body, headers=encoded)
        assert answer.status_code in (200, 201, 422)


@pytest.mark.parametrize("control", ["\x00", "a\nb", "\x1b[31m", "x" * 256])
async def test_control_characters_and_endless_text_are_refused(desk, control):
    """What no database takes, or a terminal obeys, is a fault of the input."""
    client = await desk.client()
    for body in ({"user_id": control}, {"tags": [control]}, {"tenant": control}):
        assert (
            await client.post("/v1/workflows/twice/runs", json={"input": {"n": 1}, **body})
        ).status_code == 422
    assert (await client.get("/v1/runs", params={"text": control})).status_code == 422


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer", "Basic YTpi", "Bearer " + "x" * 5000, "bearer rw_" + "A" * 49, ""]
)
async def test_a_wrong_key_is_unauthorized_in_the_same_words(desk, header):
    """401, whatever is wrong with it; the key is in no log."""
    client = await desk.open()
    answer = await client.get("/v1/runs", headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_revoked_key_opens_nothing_any_more(desk):
    """At once in the process that revoked it."""
    client = await desk.client()
    assert (await client.get("/v1/runs")).status_code == 200
    owner = await desk.person(Grant(Role.OWNER))
    (key,) = (await owner.get("/v1/keys")).json()["keys"]
    assert (await owner.post(f"/v1/keys/{key['id']}/revoke")).json() == {"changed": True}
    assert (await client.get("/v1/runs")).status_code == 401


async def test_another_host_name_is_not_served(desk):
    """A page of another site cannot have its own name lead here (DNS rebinding)."""
    client = await desk.open()
    assert (await client.get("/openapi.json", headers={"host": "evil.example"})).status_code == 421
    for name in ("localhost", "127.0.0.1:99", "[::1]:8080"):
        assert (await client.get("/healthz", headers={"host": name})).status_code == 200


async def test_a_request_id_is_taken_only_when_it_is_harmless(desk):
    """Printable and short, else a new one; it comes back in header and body."""
    client = await desk.open()
    kept = await client.get("/v1/runs", headers={"x-request-id": "abc-1"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "abc-1"
    for given in ("a b", "x" * 129, b"\xe9"):
        answer = await client.get("/v1/runs", headers={"x-request-id": given})
        assert answer.headers["x-request-id"].startswith("req_")


async def test_every_answer_carries_the_security_headers(desk):
    """Pages, API, errors alike; and no other origin is let in unless it is named."""
    client = await desk.open()
    for path in ("/sign-in", "/v1/runs", "/nope", "/healthz", "/openapi.json"):
        headers = (await client.get(path, headers={"origin": "https://evil.example"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


async def test_a_crash_is_a_problem_without_its_traceback(desk, monkeypatch, caplog):
    """500 with the request's id, which the log has, with the traceback."""
    client = await desk.client()

    async def broken(*_args, **_options):
        message = "secret detail"
        raise RuntimeError(message)

    monkeypatch.setattr(desk.app.runs, "find", broken)
    answer = await client.get("/v1/runs")
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "secret detail" not in answer.text
    assert "RuntimeError" not in answer.text
    assert any(answer.json()["request_id"] in record.getMessage() for record in caplog.records)


async def test_what_only_the_operator_can_mend_is_not_told(desk, monkeypatch):
    """A database that is away is 503 with `Retry-After`, without its address."""
    from roadworthy.errors import DatabaseError

    client = await desk.client()
    await client.get("/v1/runs")

    async def away(*_args, **_options):
        message = "sqlite:///secret/place cannot be reached."
        raise DatabaseError(message)

    monkeypatch.setattr(desk.app.runs, "find", away)
    answer = await client.get("/v1/runs")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_error")
    assert "secret/place" not in answer.text
    assert int(answer.headers["retry-after"]) > 0


async def test_a_flood_of_refusals_is_a_few_entries_in_the_audit_log(desk):
    """Each kind of refusal of each caller is one entry for a minute, with a count."""
    client, stranger = await desk.client(), await desk.open()
    for _ in range(30):
        await stranger.get("/v1/runs")
        await client.post(f"/v1/runs/run_{'0' * 32}/cancel")
    await desk.service.refusals.write()
    owner = await desk.person(Grant(Role.OWNER))
    entries = (await owner.get("/v1/audit", params={"action": "request.refused"})).json()["entries"]
    counts = {(one["actor_kind"], one["detail"]["status"]): 0 for one in entries}
    for one in entries:
        counts[one["actor_kind"], one["detail"]["status"]] += one["detail"]["count"]
    assert counts == {("anonymous", 401): 30, ("key", 403): 30}
    assert len(entries) <= 4  # over the turn of a minute, two of each


async def test_no_secret_reaches_the_log(desk, caplog):
    """Neither keys nor the tokens of links: the log says routes, not addresses."""
    caplog.set_level("INFO")
    secret = await desk.secret()
    client = await desk.open(headers={"authorization": f"Bearer {secret}"})
    await client.get("/v1/runs")
    link = await desk.app.access.first_link(Principal.terminal("t"))
    await client.get("/sign-in", params={"token": link.secret})
    ours = [record for record in caplog.records if not record.name.startswith("httpx2")]
    said = json.dumps([getattr(record, "roadworthy", record.getMessage()) for record in ours])
    assert "/v1/runs" in said
    assert "/sign-in" in said
    assert secret not in said
    assert link.secret not in said
