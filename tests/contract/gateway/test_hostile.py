"""Wrong keys, broken bodies, hostile headers; and the same request twice."""

import asyncio
import json

import openai
import pytest

from roadworthy.testing.simulated import Reply, ServerError, Slow

ASKED = {"model": "default", "messages": [{"role": "user", "content": "Where is it?"}]}
KEYED = {"Idempotency-Key": "order-17"}


async def post(gateway, content, path="/chat/completions", **headers):
    """A request whose body is what it is."""
    return await gateway.http.post(path, content=content, headers={"content-type": "x/y", **headers})


@pytest.mark.parametrize(
    ("key", "kind"),
    [("wrong", openai.AuthenticationError), ("rw_reader", openai.PermissionDeniedError)],
)
async def test_a_key_that_may_not_is_refused(start, key, kind):
    """In OpenAI's shape, on every route, and nothing is sent."""
    gateway = await start()
    client = gateway.client(key)
    for refused in (
        client.chat.completions.create(**ASKED),
        client.responses.create(model="default", input="x"),
        client.embeddings.create(model="default", input="x"),
        client.models.retrieve("default"),
    ):
        with pytest.raises(kind) as error:
            await refused
        assert error.value.type
    assert gateway.server.count == 0
    await client.close()


async def test_a_call_belongs_to_the_keys_tenant(start):
    """One tenant's key needs no word, one of several needs one, and a foreign one is refused."""
    gateway = await start()
    acme, several = gateway.client("rw_acme"), gateway.client("rw_several")
    await acme.chat.completions.create(**ASKED)
    with pytest.raises(openai.BadRequestError, match="several tenants"):
        await several.chat.completions.create(**ASKED)
    await several.chat.completions.create(**ASKED, extra_headers={"Roadworthy-Tenant": "globex"})
    for client in (acme, several):
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(**ASKED, extra_headers={"Roadworthy-Tenant": "initech"})
        await client.close()
    assert [call["tenant"] for call in await gateway.recorded()] == ["acme", "globex"]


async def test_routes_are_listed_as_models(start):
    """`model` names a route."""
    gateway = await start(routes={"cheap": {}})
    assert [one.id async for one in gateway.openai.models.list()] == ["cheap", "default"]
    assert (await gateway.openai.models.retrieve("cheap")).id == "cheap"
    with pytest.raises(openai.NotFoundError, match="Did you mean 'cheap'"):
        await gateway.openai.models.retrieve("chaep")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "default", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "default", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "default", "temperature": NaN, "messages": [{"role": "user", "content": "x"}]}',
        b"[" * 100_000,
        b'{"model": "default", "messages": ' + b'[{"role":' * 5_000,
        json.dumps({"model": "default", "messages": "x"}).encode(),
        json.dumps({**ASKED, "model": ["default"]}).encode(),
        json.dumps({**ASKED, "max_tokens": 0}).encode(),
    ],
)
async def test_a_broken_body_is_a_bad_request(start, body):
    """Whatever comes, the answer is 400 in OpenAI's shape, and nothing is sent."""
    gateway = await start()
    for path in ("/chat/completions", "/responses", "/embeddings"):
        said = await post(gateway, body, path)
        assert said.status_code == 400
        assert set(said.json()["error"]) == {"message", "type", "code", "param"}
    assert gateway.server.count == 0


async def test_schemas_that_bite_their_own_tail_are_survived(start):
    """References to themselves and deep nesting end in an answer or a refusal, never in an error here."""
    gateway = await start()
    deep = {"type": "object"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep}}
    looped = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"$ref": "#/$defs/A"}},
    }
    for schema in (deep, looped, {"type": ["object", 5]}, {"$ref": "nowhere"}):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        said = await gateway.http.post("/chat/completions", json={**ASKED, "response_format": form})
        assert said.status_code in (200, 400, 502, 503), said.text


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_fifty_megabytes_is_refused(start, declared):
    """By its declared length, or as soon as it has grown too long."""
    gateway = await start(most_bytes=1_000_000)

    async def chunks():
        for _ in range(50):
            yield b"x" * 1_000_000

    content = b"x" * 50_000_000 if declared else chunks()
    said = await post(gateway, content)
    assert said.status_code == 413
    assert said.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "header",
    [
        b"Roadworthy-User: ann\nX-Evil: 1",
        b"Roadworthy-Task: a\r\n b",
        b"Roadworthy-User: \x07bell",
        b"Roadworthy-User: " + b"x" * 300,
        b"Roadworthy-Prompt: ../../etc",
        b"Roadworthy-Prompt: ' OR 1=1 --",
        b"Roadworthy-Tags: " + b"a," * 20 + b"b," * 20 + b",".join(b"%d" % n for n in range(20)),
    ],
)
async def test_a_hostile_header_is_a_bad_request(start, header):
    """Newlines, control characters, paths and SQL get no further."""
    gateway = await start()
    body = json.dumps(ASKED).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: x",
        f"Authorization: {gateway.http.headers['authorization']}".encode(),
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        header,
    ]
    writer.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
    await writer.drain()
    status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()
    if header.startswith((b"Roadworthy-User: ann\n", b"Roadworthy-Task: a\r\n")):
        assert status in (b"400", b"200")  # parsers may end the header there, or join the lines
        assert all("\n" not in call["user_id"] + call["task"] for call in await gateway.recorded())
    else:
        assert status == b"400"


async def test_the_same_key_gets_the_same_answer(start, fresh_database_url):
    """Made once, billed once, whole or as a stream; another body under the key is a conflict."""
    gateway = await start()
    gateway.server.add("First.", "Second.")
    one = await gateway.http.post("/chat/completions", json=ASKED, headers=KEYED)
    again = await gateway.http.post("/chat/completions", json=ASKED, headers=KEYED)
    assert one.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (one.headers["Roadworthy-Call-Id"], one.headers["Roadworthy-Cost-Usd"]) == (
        again.headers["Roadworthy-Call-Id"],
        again.headers["Roadworthy-Cost-Usd"],
    )
    other = await gateway.http.post("/chat/completions", json={**ASKED, "seed": 1}, headers=KEYED)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert gateway.server.count == 1
    assert (await gateway.only())["status"] == "succeeded"
    acme = await gateway.http.post(
        "/chat/completions", json=ASKED, headers={**KEYED, "authorization": "Bearer rw_acme"}
    )
    assert acme.json()["choices"][0]["message"]["content"] == "Second."


async def test_a_stream_under_a_key_is_given_again(start, fresh_database_url):
    """Also when its client left: the call goes on, and its answer is there when the client asks again."""
    gateway = await start()
    gateway.server.add(Reply("one two three four five six", chunk_seconds=0.05))
    asked = {**ASKED, "stream": True}
    async with gateway.http.stream("POST", "/chat/completions", json=asked, headers=KEYED) as response:
        await anext(response.aiter_lines())
    early = await gateway.http.post("/chat/completions", json=asked, headers=KEYED)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "idempotency_in_progress")
    await gateway.calls.settled()
    again = await gateway.http.post("/chat/completions", json=asked, headers=KEYED)
    assert "one two three four five six" in again.text
    assert again.text.rstrip().endswith("[DONE]")
    assert gateway.server.count == 1
    assert (await gateway.only())["status"] == "succeeded"


async def test_a_failed_call_gives_its_key_back(start, fresh_database_url):
    """What failed may be tried again under the same key."""
    gateway = await start()
    gateway.server.add(ServerError())
    failed = await gateway.http.post("/chat/completions", json=ASKED, headers=KEYED)
    assert failed.status_code == 503
    again = await gateway.http.post("/chat/completions", json=ASKED, headers=KEYED)
    assert again.status_code == 200


async def test_ten_at_once_under_one_key_are_one_call(start, fresh_database_url):
    """The others are told to come again."""
    gateway = await start()
    gateway.server.add(Slow(0.3, then=Reply("Once.")))
    said = await asyncio.gather(
        *(gateway.http.post("/chat/completions", json=ASKED, headers=KEYED) for _ in range(10))
    )
    statuses = sorted(one.status_code for one in said)
    assert statuses == [200] + [409] * 9
    assert gateway.server.count == 1
