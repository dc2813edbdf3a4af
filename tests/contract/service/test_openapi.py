"""The OpenAPI document: complete, and true for whatever a stranger's program sends by it."""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode as Mode

from roadworthy.access import Grant, Role
from roadworthy.testing.simulated import SimulatedProvider

FOLLOWS = ("/v1/events", "/v1/runs/{run_id}/events")
ANYTHING = ("/v1/models/{name}",)
"""Every text may be a name."""
EXAMPLES = 12


async def test_every_operation_says_what_it_takes_and_gives(serve):
    """A permission or public, typed answers, problems, a summary, a name of its own."""
    desk = await serve(work=False)
    document = (await (await desk.open()).get("/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    named = []
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            named.append(said["operationId"])
            assert said["summary"], path
            assert said["tags"], path
            public = path in ("/healthz", "/readyz")
            assert ("x-permission" in said) is not public, path
            good = [one for status, one in said["responses"].items() if status < "300"]
            assert all(one["content"] for one in good), (method, path)
            problems = {status for status in said["responses"] if status >= "400"}
            assert {"400", "429", "500"} <= problems
            assert public or {"401", "403"} <= problems
            if method == "post":
                assert {"408", "413"} <= problems, path
    assert len(named) == len(set(named))
    assert {"key", "session"} == set(document["components"]["securitySchemes"])


async def test_the_document_can_be_kept_to_those_with_a_key(serve):
    """By a setting."""
    desk = await serve(service__public_openapi=False, work=False)
    assert (await (await desk.open()).get("/openapi.json")).status_code == 401
    assert (await (await desk.client()).get("/openapi.json")).status_code == 200


@pytest.fixture
async def provider():
    """What the gateway asks."""
    async with SimulatedProvider() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "mode"),
    [(Role.OWNER, Mode.POSITIVE), (Role.SERVICE, Mode.POSITIVE), (Role.OWNER, Mode.NEGATIVE)],
)
async def test_no_request_made_from_the_document_breaks_it(serve, provider, role, mode):
    """Schemathesis sends what fits the document, and what does not.

    There is no 5xx, no answer that the document does not know, and nothing malformed is taken.
    """
    desk = await serve(
        work=False,
        database__pool_size=4,
        models__main={"provider": "simulated", "base_url": provider.base_url, "model": "m"},
        routes__default={"models": ["main"]},
    )
    await desk.run()
    client = await desk.person(Grant(role))
    headers = {
        "x-csrf-token": client.headers["x-csrf-token"],
        "cookie": f"roadworthy_session={client.cookies['roadworthy_session']}",
    }
    document = (await client.get("/openapi.json")).json()
    for path in FOLLOWS:
        del document["paths"][path]  # they do not end; test_streams.py follows them
    for said in (one for methods in document["paths"].values() for one in methods.values()):
        said.pop("security", None)  # every request carries the session, so that it gets as far as it may
    for name, form in document["components"]["schemas"].items():
        if name.startswith("OpenAI.") and name.endswith("Request"):
            form["properties"]["model"]["enum"] = ["default"]  # any other one is not found
    schema = schemathesis.openapi.from_dict(document)
    rejects = schema.config.checks.negative_data_rejection
    rejects.expected_statuses = [str(status) for status in range(400, 500)]
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
        schemathesis.specs.openapi.checks.negative_data_rejection,
    ]

    def sweep() -> list[str]:
        failed: list[str] = []
        for found in schema.get_all_operations():
            operation = found.ok()
            takes = [*operation.iter_parameters(), *operation.body]
            if mode is Mode.NEGATIVE and (not takes or operation.path in ANYTHING):
                continue  # nothing of it could be malformed

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def send(case):
                case.call_and_validate(base_url=desk.url, headers=headers, checks=checks, timeout=20)

            from hypothesis import given

            try:
                given(case=operation.as_strategy(mode))(send)()
            except Exception as error:  # noqa: BLE001 - every operation is tried, then all faults are shown
                failed.append(f"{operation.label}: {error}"[:1500])
        return failed

    failed = await asyncio.to_thread(sweep)
    assert not failed, "\n\n".join(failed)
