"""Google's and Bedrock's dialects on canned responses over a real socket."""

import asyncio
import json

import pytest
import pytest_asyncio

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.records import Usage

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOGLE = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": '{"outcome": "answer"}'}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 10, "totalTokenCount": 100},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r-1",
}
BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [{"text": '{"outcome": "answer"}'}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 90, "outputTokens": 10, "totalTokens": 100},
    "metrics": {"latencyMs": 1},
}
ANSWERS = {"google": GOOGLE, "google-vertex": GOOGLE, "bedrock": BEDROCK}
SCHEMA = {"type": "object", "properties": {"outcome": {"type": "string"}}, "required": ["outcome"]}


class Canned:
    """An HTTP server that gives one prepared response and remembers what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.headers: dict[str, str] = {}
        self.heads: list[str] = []
        self.sent: list[dict] = []

    def prepare(self, body, status: int = 200, **headers: str) -> None:
        """What the next requests get."""
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                text = head.decode()
                self.heads.append(text)
                lengths = [
                    line.split(":")[1] for line in text.lower().split("\r\n") if "content-length:" in line
                ]
                self.sent.append(json.loads(await reader.readexactly(int(lengths[0]))))
                lines = [f"HTTP/1.1 {self.status} X", "content-type: application/json"]
                lines += [f"{name.replace('_', '-')}: {value}" for name, value in self.headers.items()]
                lines += [f"content-length: {len(self.body)}", "", ""]
                writer.write("\r\n".join(lines).encode() + self.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def canned():
    """The server; `address` is where it listens."""
    made = Canned()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def targets(canned, open_models):
    """A target for each of the dialects."""
    models = open_models(
        {
            "google": {"provider": "google", "model": "gemini-2.5-flash", "base_url": canned.address},
            "google-vertex": {
                "provider": "google-vertex",
                "model": "gemini-2.5-flash",
                "base_url": canned.address,
            },
            "bedrock": {
                "provider": "bedrock",
                "model": "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
                "region": "eu-central-1",
                "base_url": canned.address,
            },
        }
    )
    return {name: models.target(name) for name in ANSWERS}


@pytest.mark.parametrize("dialect", ANSWERS)
async def test_a_structured_answer_comes_back_with_its_record(canned, targets, ask, key, dialect):
    """The answer has text, tokens and both bodies; the key went over the wire but into no record."""
    canned.prepare(ANSWERS[dialect])

    response = await targets[dialect].request(ask(output_schema=SCHEMA, max_tokens=50, temperature=0.0))

    assert json.loads(response.text) == {"outcome": "answer"}
    assert response.usage == Usage(90, 10)
    assert response.finish_reason == "stop"
    assert response.sent == canned.sent[-1]
    assert response.received == ANSWERS[dialect]
    assert key in canned.heads[-1]
    assert key not in repr(response)


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            429,
            {"error": {"status": "RESOURCE_EXHAUSTED", "code": 429, "message": "slow"}},
            ErrorKind.RATE_LIMIT,
        ),
        (500, {"error": {"status": "INTERNAL", "code": 500, "message": "oops"}}, ErrorKind.SERVER),
        (503, {"error": {"status": "UNAVAILABLE", "code": 503, "message": "later"}}, ErrorKind.UNAVAILABLE),
        (
            403,
            {"error": {"status": "PERMISSION_DENIED", "code": 403, "message": "no"}},
            ErrorKind.AUTHENTICATION,
        ),
        (404, {"error": {"status": "NOT_FOUND", "code": 404, "message": "no"}}, ErrorKind.MODEL_NOT_FOUND),
        (400, {"error": {"status": "INVALID_ARGUMENT", "code": 400, "message": "no"}}, ErrorKind.BAD_REQUEST),
        (200, b"<html>proxy</html>", ErrorKind.MALFORMED),
    ],
)
async def test_each_failure_has_its_kind_after_one_request(
    *, canned, targets, ask, dialect, status, body, kind
):
    """A status or a broken body becomes its kind, and is asked for once: no library retries by itself."""
    canned.prepare(body, status, retry_after="3")
    before = len(canned.sent)

    with pytest.raises(ProviderError) as caught:
        await targets[dialect].request(ask())

    assert caught.value.kind is kind
    assert len(canned.sent) == before + 1
    assert caught.value.retry_after_seconds == 3.0
