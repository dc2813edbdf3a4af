"""A schema for the answer is kept, whatever its model makes of it: a breach is repaired or refused."""

import json

import openai
import pytest

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 0}},
    "required": ["amount"],
    "additionalProperties": False,
}
RIGHT, WRONG = '{"amount": 5}', '{"amount": "much"}'
CLAUDE = {"main": {"provider": "anthropic", "model": "claude-3-haiku-20240307", "root_url": True}}


def body(schema=SCHEMA, *, strict=True, **options):
    """A request for an answer that fits."""
    named = {"name": "refund", "schema": schema, "strict": strict}
    form = {"type": "json_schema", "json_schema": named}
    return {
        "model": "default",
        "messages": [{"role": "user", "content": "How much?"}],
        "response_format": form,
    } | options


@pytest.mark.parametrize("models", [None, CLAUDE], ids=["native", "prompted"])
async def test_an_answer_that_breaks_the_schema_is_repaired(start, models):
    """The model is shown what is wrong, and its second answer counts; both are paid for."""
    gateway = await start(models)
    gateway.server.add(WRONG, RIGHT)
    said = await gateway.openai.chat.completions.create(**body())
    assert json.loads(said.choices[0].message.content) == {"amount": 5}
    assert [one["status"] for one in (await gateway.only())["tried"]] == ["invalid", "succeeded"]


@pytest.mark.parametrize("models", [None, CLAUDE], ids=["native", "prompted"])
async def test_an_answer_that_stays_wrong_is_refused(start, models):
    """502, and neither dialect gives it out."""
    gateway = await start(models)
    gateway.server.add(WRONG, WRONG, WRONG, WRONG)
    with pytest.raises(openai.InternalServerError) as error:
        await gateway.openai.chat.completions.create(**body())
    assert (error.value.status_code, error.value.code) == (502, "invalid_answer")
    text = {"format": {"type": "json_schema", "name": "refund", "schema": SCHEMA, "strict": True}}
    with pytest.raises(openai.InternalServerError):
        await gateway.openai.responses.create(model="default", input="How much?", text=text)


async def test_a_stream_that_breaks_the_schema_has_no_good_end(start):
    """The client has its pieces already, so that it is told that they are no answer."""
    gateway = await start()
    gateway.server.add(WRONG)
    raw = (await gateway.http.post("/chat/completions", json=body(stream=True))).text
    assert '"code":"invalid_answer"' in raw.replace(": ", ":")
    assert "[DONE]" not in raw


async def test_what_no_answer_is_checked_for_cannot_be_strict(start):
    """It is refused before anything is sent; where the schema is no promise, it passes."""
    gateway = await start()
    loose = {**SCHEMA, "patternProperties": {"^x": {}}}
    refused = await gateway.http.post("/chat/completions", json=body(loose))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert "'patternProperties'" in refused.json()["error"]["message"]
    assert gateway.server.count == 0
    gateway.server.add(RIGHT)
    assert (await gateway.http.post("/chat/completions", json=body(loose, strict=False))).status_code == 200
