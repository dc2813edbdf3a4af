"""What was recorded is replayed; what was not is named; no secret reaches the file."""

import json
from dataclasses import replace

import openai
import pytest

from roadworthy.errors import ConfigurationError, ErrorKind, ProviderError
from roadworthy.models import Message, Options, Tool, ToolCall
from roadworthy.models.provider import Request, RequestFailed, Response
from roadworthy.records import Usage
from roadworthy.telemetry.scrubber import Scrubber
from roadworthy.testing.recording import Recorder, Recording, Replayer
from roadworthy.testing.simulated import SimulatedProvider

ASKED = Request((Message("system", "Be brief."), Message("user", "Where is my parcel?")), timeout_seconds=5)


class Scripted:
    """A provider that gives the next of its answers, or raises it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.closed = False

    async def request(self, request):
        """The next answer."""
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self):
        """Remember it."""
        self.closed = True


def said(text, **options):
    """A response with this text."""
    return Response(
        text,
        Usage(10, 3),
        "small-2026-01-01",
        "stop",
        "req_1",
        sent={"key": "sent"},
        received={"id": 1},
        **options,
    )


async def test_a_recorded_answer_is_replayed(tmp_path):
    """The replayed response is the recorded one, but for what was sent."""
    path = tmp_path / "calls.jsonl"
    live = said("On its way.", notes=("clamped",), rate_limit={"remaining": "3"})
    recorder = Recorder(Scripted(live), Recording.new(path), model="small")
    assert await recorder.request(ASKED) is live
    replayed = await Replayer(Recording.read(path), model="small").request(ASKED)
    assert replace(replayed, sent=live.sent) == live
    assert replayed.sent["messages"][1]["text"] == "Where is my parcel?"


async def test_a_conversation_is_known_by_its_tools_and_gives_its_calls(tmp_path):
    """Another set of tools is another request; what the model wanted called comes back as it was."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    asked = replace(ASKED, options=Options(tools=(Tool("look_up", {"type": "object"}),)))
    call = ToolCall("call_1", "look_up", '{"id": 7}')
    await Recorder(Scripted(said("", tool_calls=(call,))), recording, model="small").request(asked)
    replayer = Replayer(Recording.read(tmp_path / "calls.jsonl"), model="small")
    assert (await replayer.request(asked)).tool_calls == (call,)
    with pytest.raises(ProviderError):
        await replayer.request(ASKED)


async def test_timeouts_and_users_do_not_count(tmp_path):
    """A request is the same with another time limit and another end user."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    await Recorder(Scripted(said("yes")), recording, model="small").request(ASKED)
    again = replace(ASKED, timeout_seconds=60, user="somebody", inputs={"a": 1})
    assert (await Replayer(recording, model="small").request(again)).text == "yes"


async def test_repeated_requests_get_their_answers_in_order(tmp_path):
    """The same request gets the next answer, then the last one for ever."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    recorder = Recorder(Scripted(said("one"), said("two")), recording, model="small")
    for _ in range(2):
        await recorder.request(ASKED)
    replayer = Replayer(Recording.read(recording.path), model="small")
    assert [(await replayer.request(ASKED)).text for _ in range(3)] == ["one", "two", "two"]


async def test_failures_are_replayed_by_kind(tmp_path):
    """A recorded failure is raised again with its kind, usage and hints."""
    failure = RequestFailed(
        "Model 'small' is busy.",
        kind=ErrorKind.RATE_LIMIT,
        hint="Wait.",
        status=429,
        retry_after_seconds=2,
        provider_text="slow down",
    )
    failure.usage = Usage(5, 0)
    recording = Recording.new(tmp_path / "calls.jsonl")
    with pytest.raises(RequestFailed):
        await Recorder(Scripted(failure), recording, model="small").request(ASKED)
    with pytest.raises(RequestFailed) as raised:
        await Replayer(Recording.read(recording.path), model="small").request(ASKED)
    error = raised.value
    assert (error.kind, error.status, error.retry_after_seconds) == (ErrorKind.RATE_LIMIT, 429, 2)
    assert (str(error), error.usage) == ("Model 'small' is busy. Wait.", Usage(5, 0))


async def test_a_miss_says_what_differs(tmp_path):
    """A request that was not recorded fails, naming the nearest one and its first differences."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    await Recorder(Scripted(said("yes")), recording, model="small").request(ASKED)
    changed = replace(
        ASKED, messages=(ASKED.messages[0], Message("user", "Where is my refund?")), temperature=0.5
    )
    with pytest.raises(ProviderError) as raised:
        await Replayer(recording, model="small").request(changed)
    error = raised.value
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert "'calls.jsonl' has no answer for this request to model 'small'" in error.message
    assert "line 1" in error.hint
    assert "messages[1].text: 'Where is my parcel?' recorded, 'Where is my refund?' asked" in error.hint
    assert "temperature: None recorded, 0.5 asked" in error.hint


async def test_a_miss_on_another_model_or_an_empty_recording_is_named(tmp_path):
    """The model counts, and an empty recording says that it is empty."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    with pytest.raises(ProviderError, match="It is empty"):
        await Replayer(recording, model="small").request(ASKED)
    await Recorder(Scripted(said("yes")), recording, model="small").request(ASKED)
    with pytest.raises(ProviderError, match="model: 'small' recorded, 'large' asked"):
        await Replayer(recording, model="large").request(ASKED)


async def test_no_secret_reaches_the_file(tmp_path):
    """Registered secrets, what looks like a key, and values under such names are kept out."""
    scrubber = Scrubber()
    scrubber.register("hunter2-hunter2")
    recording = Recording.new(tmp_path / "calls.jsonl", scrubber=scrubber)
    key = "sk-abcdefgh12345678"
    asked = replace(ASKED, messages=(Message("user", f"my key is {key}, my password hunter2-hunter2"),))
    answer = said(json.dumps({"api_key": "plain-value", "echo": key, "fine": "kept"}))
    await Recorder(Scripted(answer), recording, model="small").request(asked)
    text = recording.path.read_text()
    for secret in (key, "hunter2", "plain-value"):
        assert secret not in text
    replayed = await Replayer(Recording.read(recording.path, scrubber=scrubber), model="small").request(asked)
    assert json.loads(replayed.text) == {"api_key": "[redacted]", "echo": "[redacted]", "fine": "kept"}


async def test_a_recorder_closes_what_it_wraps(tmp_path):
    """Closing the recorder closes the provider."""
    provider = Scripted()
    await Recorder(provider, Recording.new(tmp_path / "calls.jsonl"), model="small").close()
    assert provider.closed


def test_a_file_that_is_no_recording_is_named(tmp_path):
    """A missing file and a broken line are configuration errors that say where."""
    with pytest.raises(ConfigurationError, match=r"missing\.jsonl"):
        Recording.read(tmp_path / "missing.jsonl")
    (tmp_path / "broken.jsonl").write_text('\n{"format": 1}\n')
    with pytest.raises(ConfigurationError, match="Line 2"):
        Recording.read(tmp_path / "broken.jsonl")


@pytest.mark.slow
async def test_the_simulated_provider_answers_from_a_recording(tmp_path):
    """Real clients get recorded answers over HTTP; messages that are not in it are an error."""
    recording = Recording.new(tmp_path / "calls.jsonl")
    await Recorder(Scripted(said("On its way.")), recording, model="small").request(ASKED)
    messages = [{"role": message.role, "content": message.text} for message in ASKED.messages]
    async with (
        SimulatedProvider(recording=recording) as provider,
        openai.AsyncOpenAI(base_url=provider.base_url, api_key="any", max_retries=0) as client,
    ):
        answer = await client.chat.completions.create(model="small", messages=messages)
        with pytest.raises(openai.BadRequestError, match=r"calls\.jsonl"):
            await client.chat.completions.create(model="small", messages=messages[1:])
    assert answer.choices[0].message.content == "On its way."
    assert (answer.model, answer.usage.prompt_tokens) == ("small-2026-01-01", 10)
