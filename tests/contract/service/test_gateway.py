"""The gateway in the service: real keys, roles and tenants, the service's limits, and its audit log."""

import pytest
from openai import AsyncOpenAI

from roadworthy.access import Grant, Permission, Principal, PrincipalKind, Role
from roadworthy.testing.simulated import SimulatedProvider

ASKED = {"model": "default", "messages": [{"role": "user", "content": "Where is it?"}]}
ROUTES = [
    ("POST", "/v1/chat/completions", ASKED),
    ("POST", "/v1/responses", {"model": "default", "input": "Where is it?"}),
    ("POST", "/v1/embeddings", {"model": "default", "input": "Where is it?"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/default", None),
]


@pytest.fixture
async def gateway(serve):
    """A service in front of a simulated provider."""
    async with SimulatedProvider() as provider:
        desk = await serve(
            work=False,
            models__main={"provider": "simulated", "base_url": provider.base_url, "model": "m"},
            routes__default={"models": ["main"]},
        )
        desk.provider = provider
        yield desk


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("workflow", ["", "twice"])
async def test_whoever_may_make_calls_may_and_nobody_else(gateway, role, workflow):
    """Every route for every role, as the table says; a grant within a workflow is not enough."""
    grant = Grant(role, workflow=workflow)
    principal = Principal(PrincipalKind.PERSON, "p", "p", frozenset({grant}))
    may = principal.may(Permission.CALLS_MAKE)
    client = await gateway.person(grant)
    for method, path, body in ROUTES:
        answer = await client.request(method, path, json=body)
        assert answer.status_code == (200 if may else 403), (path, answer.text)
        if not may:
            assert answer.json()["error"]["type"] == "permission_error"


async def test_without_a_key_nothing_is_answered(gateway):
    """401 in OpenAI's shape."""
    client = await gateway.open()
    for method, path, body in ROUTES:
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    assert gateway.provider.count == 0


async def test_the_official_client_asks_with_a_key_of_the_service(gateway):
    """Whole and as a stream; the call is the tenant's."""
    secret = await gateway.secret(Grant(Role.SERVICE, tenant="acme"))
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=secret, max_retries=0) as client:
        said = await client.chat.completions.with_raw_response.create(**ASKED)
        assert said.headers["x-request-id"]
        assert said.parse().choices[0].message.content
        stream = await client.chat.completions.create(**ASKED, stream=True)
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("size", [30_000_000, 2_000_000])
async def test_a_body_may_be_larger_than_elsewhere_and_not_without_end(gateway, size):
    """Images make requests long; what is too long is refused in OpenAI's shape by the service's own limit."""
    client = await gateway.client()
    body = {"model": "default", "messages": [{"role": "user", "content": "x" * size}]}
    answer = await client.post("/v1/chat/completions", json=body, timeout=60)
    if size > 20_000_000:
        assert answer.status_code == 413
        assert set(answer.json()["error"]) == {"message", "type", "code", "param"}
    else:
        assert answer.status_code in (200, 400)


async def test_other_addresses_and_methods_have_the_shape_too(gateway):
    """OpenAI's clients read what they get."""
    client = await gateway.client()
    for method, path in (("GET", "/v1/chat/completions"), ("POST", "/v1/chat/nothing")):
        answer = await client.request(method, path)
        assert answer.status_code in (404, 405)
        assert answer.json()["error"]["message"]
