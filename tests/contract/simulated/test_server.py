"""The server itself: sources of answers, memory, ledger, starting and stopping, and the process."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading

import openai
import pytest

from roadworthy.errors import ConfigurationError, TransportError
from roadworthy.testing.clock import FakeClock
from roadworthy.testing.simulated import (
    Hang,
    Latency,
    RateLimited,
    Reply,
    ServerError,
    SimulatedProvider,
    When,
    model_is,
    sometimes,
    text_contains,
)


async def test_the_script_is_used_up_from_the_front(provider, ask_chat):
    """Plain entries serve any request, once each, in order."""
    provider.add("first", Reply("second"))
    answers = [(await ask_chat()).choices[0].message.content for _ in range(3)]
    assert answers == ["first", "second", "echo: hello"]
    assert provider.answers.waiting == 0


async def test_entries_can_be_for_some_requests_only(provider, ask_chat):
    """A `When` waits for its request and lets the others pass."""
    provider.add(
        When(text_contains("t-17"), "special", times=None), When(model_is("other"), "never"), "plain"
    )
    answers = [(await ask_chat(text)).choices[0].message.content for text in ("a", "t-17", "b", "t-17")]
    assert answers == ["plain", "special", "echo: b", "special"]


async def test_rules_answer_or_decline(provider, ask_chat):
    """Rules are asked in order; `None` passes the request on."""
    provider.answers.rules += [
        lambda received: Reply("short") if len(received.text) < 3 else None,
        lambda received: ServerError() if received.text == "break" else None,
    ]
    assert (await ask_chat("hi")).choices[0].message.content == "short"
    with pytest.raises(openai.InternalServerError):
        await ask_chat("break")
    assert (await ask_chat("else")).choices[0].message.content == "echo: else"


async def test_a_share_of_requests_fails_the_same_way_each_time(ask_chat, provider):
    """`sometimes` picks requests by their numbers, so that a run can be repeated."""
    provider.answers.rules.append(sometimes(RateLimited(), share=0.5, seed=3))
    failed = []
    for _ in range(20):
        try:
            await ask_chat()
        except openai.RateLimitError:
            failed.append(provider.count)
    expected = [number for number in range(1, 21) if _drawn(number) < 0.5]
    assert failed == expected
    assert 0 < len(failed) < 20


def _drawn(number):
    return random.Random(f"3:{number}").random()


async def test_keys_are_not_kept(provider, ask_chat, ask_messages):
    """What is remembered of a request has no key in it."""
    await ask_chat()
    await ask_messages()
    assert "sk-simulated-key" not in repr(provider.requests)
    assert provider.requests[0].headers["content-type"] == "application/json"


async def test_time_comes_from_the_clock():
    """Answers carry the time of the clock that was given."""
    async with (
        SimulatedProvider(clock=FakeClock(1_700_000_000_000)) as provider,
        openai.AsyncOpenAI(base_url=provider.base_url, api_key="any") as client,
    ):
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert answer.created == 1_700_000_000


async def test_billed_requests_reach_the_ledger(tmp_path, openai_client):
    """The ledger has one line for each billed request, and none for an error."""
    ledger = tmp_path / "ledger.jsonl"
    async with SimulatedProvider([RateLimited()], ledger_path=ledger) as provider:
        client = openai_client.copy(base_url=provider.base_url)
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model="m", input="refused")
        await asyncio.gather(*(client.responses.create(model="m", input=f"t-{n}") for n in range(20)))
        assert (provider.count, provider.billed) == (21, 20)
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert sorted(line["text"] for line in lines) == sorted(f"t-{number}" for number in range(20))
    assert all(line["input_tokens"] == 1 for line in lines)


async def test_stopping_ends_hanging_requests_and_the_thread(openai_client):
    """Nothing is left after the block, also when a request hangs."""
    async with SimulatedProvider([Hang()]) as provider:
        client = openai_client.copy(base_url=provider.base_url)
        asking = asyncio.create_task(client.responses.create(model="m", input="wait"))
        await provider.arrived(1)
    with pytest.raises(openai.APIConnectionError):
        await asking
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("simulated-provider") == 1, "only the fixture's own server is left"


async def test_a_stopped_provider_can_start_again_on_its_port(openai_client):
    """A provider keeps its port, so that an outage can be played."""
    provider = SimulatedProvider()
    async with provider:
        first = provider.url
    async with provider:
        assert provider.url == first
        answer = await openai_client.copy(base_url=provider.base_url).responses.create(
            model="m", input="back"
        )
    assert answer.output_text == "echo: back"


def test_a_taken_port_is_a_clear_error():
    """Two providers cannot share a port; the message says which."""
    with SimulatedProvider() as first, pytest.raises(ConfigurationError, match=str(first.port)):
        SimulatedProvider(port=first.port).start()


def test_waiting_for_requests_that_do_not_come_is_an_error(tmp_path):
    """The wait says how many came."""
    with SimulatedProvider() as provider, pytest.raises(TransportError, match=r"2 requests.*; 0 came"):
        provider.wait_for(2, timeout_seconds=0.01)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"model": 3}', b'{"model": "m", "input": 5}'])
async def test_bad_bodies_are_the_callers_fault(body, provider, openai_client):
    """What is no request gets the provider's error for a bad request."""
    client = openai_client._client
    for path in ("chat/completions", "responses", "messages", "embeddings"):
        response = await client.post(f"{provider.base_url}/{path}", content=body)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_latency_has_the_median_and_the_tail_that_were_asked_for():
    """Half of the draws are below the median, one in a hundred above the 99th percentile."""
    latency = Latency(median_seconds=0.2, p99_seconds=2.0)
    drawn = [latency.seconds(number) for number in range(5000)]
    assert abs(sum(1 for seconds in drawn if seconds < 0.2) / 5000 - 0.5) < 0.03
    assert abs(sum(1 for seconds in drawn if seconds > 2.0) / 5000 - 0.01) < 0.006
    assert latency.seconds(7) == drawn[7]
    assert Latency(0.3).seconds(1) == 0.3


def test_the_process_serves_until_it_is_stopped(tmp_path):
    """Started by its module, it prints its address, answers from a script and writes the ledger."""
    script = tmp_path / "script.json"
    script.write_text('[{"when": {"text": "t-17"}, "reply": {"outcome": "answer"}}]')
    command = [sys.executable, "-m", "roadworthy.testing.simulated", "--script", str(script)]
    with subprocess.Popen(
        [*command, "--ledger", str(tmp_path / "ledger")], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip()
        with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
            answer = client.responses.create(model="m", input="ticket t-17")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert answer.output_text == '{"outcome": "answer"}'
    assert len((tmp_path / "ledger").read_text().splitlines()) == 1


def test_the_process_says_what_is_wrong_with_its_script(tmp_path):
    """A faulty script is one line on the error output, without a traceback."""
    script = tmp_path / "script.json"
    script.write_text('[{"fault": "rate_limit"}]')
    command = [sys.executable, "-m", "roadworthy.testing.simulated", "--script", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown fault 'rate_limit'. Did you mean 'rate_limited'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_process_says_that_a_recording_is_missing(tmp_path):
    """A recording that cannot be read is one line on the error output, without a traceback."""
    command = [sys.executable, "-m", "roadworthy.testing.simulated", "--recording", str(tmp_path / "a.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a.jsonl' cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
