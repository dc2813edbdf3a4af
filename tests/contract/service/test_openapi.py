"""The OpenAPI document: complete, and true for whatever a stranger's program sends by it."""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from roadworthy.access import Grant, Role

FOLLOWS = ("/v1/events", "/v1/runs/{run_id}/events")
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


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.OWNER, Role.SERVICE])
async def test_no_request_made_from_the_document_breaks_it(serve, role):
    """Schemathesis sends what fits the document: no 5xx, and no answer that the document does not know."""
    desk = await serve(work=False, database__pool_size=4)
    await desk.run()
    client = await desk.person(Grant(role))
    headers = {
        "x-csrf-token": client.headers["x-csrf-token"],
        "cookie": f"roadworthy_session={client.cookies['roadworthy_session']}",
    }
    document = (await client.get("/openapi.json")).json()
    for path in FOLLOWS:
        del document["paths"][path]  # they do not end; test_streams.py follows them
    schema = schemathesis.openapi.from_dict(document)
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
    ]

    def sweep() -> list[str]:
        failed: list[str] = []
        for found in schema.get_all_operations():
            operation = found.ok()

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
                given(case=operation.as_strategy())(send)()
            except Exception as error:  # noqa: BLE001 - every operation is tried, then all faults are shown
                failed.append(f"{operation.label}: {error}"[:1500])
        return failed

    assert await asyncio.to_thread(sweep) == []
