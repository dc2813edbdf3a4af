"""Batches of every dialect at the simulated provider: asked and read as live requests, and nothing lost."""

import gc
import json
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from roadworthy.errors import ErrorKind, InvalidInput, ProviderError
from roadworthy.models import RequestFailed, Response, outside
from roadworthy.models.provider_batch import BatchHandle, BatchItem, BatchTooLarge
from roadworthy.models.providers.batches.service import Look
from roadworthy.models.target import Models
from roadworthy.records import Usage
from roadworthy.testing import simulated as sim

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIALECTS = {
    "simulated": {"provider": "simulated", "model": "gpt-4o-mini"},
    "openai-responses": {"provider": "openai", "model": "gpt-4o-mini", "options": {"api": "responses"}},
    "anthropic": {"provider": "anthropic", "model": "claude-sonnet-4-6"},
    "google": {"provider": "google", "model": "gemini-2.5-flash"},
}
RELATIVES = {
    "openai": {"provider": "openai", "model": "gpt-4o-mini"},
    "openai-compatible": {"provider": "openai-compatible", "model": "any-model"},
    "azure-openai": {"provider": "azure-openai", "model": "deployment"},
    "azure-versioned": {"provider": "azure-openai", "model": "deployment", "api_version": "2024-10-21"},
}
OTHER_WAYS = {
    f"{dialect}-{mode}": {**DIALECTS[dialect], "output_mode": mode}
    for dialect in DIALECTS
    for mode in ("native", "tool", "prompted")
}
ALL = {**DIALECTS, **RELATIVES, **OTHER_WAYS}
TEXTS = ("one", "two", "three", "four")
WITH_FILES = ("simulated", "openai-responses", "anthropic")
"""Google's results are part of the batch itself."""
AT_ROOT = ("anthropic", "google")
"""Their clients put the version of the API behind the address by themselves."""


@pytest.fixture(scope="module")
def sections(server):
    """The settings of a model for each dialect and way of asking, all at the simulated provider."""
    return {
        name: {**section, "base_url": _address(server, section), "timeout_seconds": 5}
        for name, section in ALL.items()
    }


def _address(server, section):
    if section["provider"] in AT_ROOT or "api_version" in section:
        return server.url
    return server.base_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(open_models, sections) -> Models:
    """All of those models."""
    return open_models(sections)


@pytest_asyncio.fixture(loop_scope="module")
async def quiet(server):
    """The server with nothing left over from other tests; gives the number of its batches so far."""
    server.answers.clear()
    server.batches.hold = None
    server.batches.run_before_cancel = 0
    server.batches.finish()
    return len(server.batches.submitted)


@pytest.fixture
def items(ask):
    """Build items, each named after the text that it asks."""

    def make(*texts, **fields):
        return [BatchItem(text, ask(text, **fields)) for text in texts or TEXTS]

    return make


@pytest.fixture
def submit(models, quiet):
    """Submit items to a model; gives its batches and the handle."""

    async def go(dialect, given, key="key-1"):
        batches = await models.target(dialect).batch()
        return batches, await batches.submit(given, key=key)

    return go


async def read(batches, handle, requests=None):
    """All results, by their ids."""
    return {result.custom_id: result async for result in batches.results(handle, requests)}


async def failure(awaitable) -> ProviderError:
    """The error that it ends with."""
    with pytest.raises(ProviderError) as caught:
        await awaitable
    return caught.value


def said(response):
    """What a response says, but for the ids of this one exchange."""
    return replace(response, sent=None, received=None, provider_request_id="", rate_limit={})


# The same as live


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize("structured", [True, False], ids=["json", "text"])
async def test_a_batch_asks_and_answers_what_a_live_request_does(
    *, server, models, submit, ask, schema, way, structured, quiet
):
    """To the byte the same body, and from the same reply the same answer, tokens, reason and notes."""
    reply = sim.Reply(
        '```json\n{"outcome": "answer", "message": "hi"}\n```'
        if "prompted" in way
        else {"outcome": "answer", "message": "hi"},
        usage=Usage(120, 30, cache_read_tokens=50),
    )
    fields = {"temperature": 0.5, "max_tokens": 77, "seed": 7, "stop": ("END",), "user": "u-1"}
    request = ask(output_schema=schema if structured else None, output_name="reply", **fields)
    server.add(reply, reply)

    live = await models.target(way).request(request)
    batches, handle = await submit(way, [BatchItem("a", request)])
    result = (await read(batches, handle, {"a": request}))["a"]
    blind = (await read(batches, handle))["a"]

    assert result.error is None
    sent = [received for received in server.requests if received.batch == handle.id]
    assert len(sent) == 1
    assert sent[0].body == live.sent == result.response.sent
    assert list(sent[0].body) == list(live.sent)
    assert result.response.usage == Usage(120, 30, cache_read_tokens=50)
    assert said(result.response) == said(live)
    assert result.response.provider_request_id
    assert blind.response.text == live.text
    assert blind.response.sent is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (sim.RateLimited(1.5), ErrorKind.RATE_LIMIT),
        (sim.QuotaExceeded(), ErrorKind.QUOTA),
        (sim.ServerError(500), ErrorKind.SERVER),
        (sim.Overloaded(), ErrorKind.UNAVAILABLE),
        (sim.Unauthorized(), ErrorKind.AUTHENTICATION),
        (sim.ModelNotFound(), ErrorKind.MODEL_NOT_FOUND),
        (sim.ContextTooLong(), ErrorKind.CONTEXT_WINDOW),
        (sim.BadRequest(), ErrorKind.BAD_REQUEST),
        (sim.PromptBlocked(), ErrorKind.REFUSED),
    ],
    ids=str,
)
async def test_an_error_of_one_request_has_the_kind_it_has_live(
    *, server, submit, items, dialect, key, fault, kind
):
    """A request that fails in a batch is an error by kind that nobody bills; the others are answered."""
    server.add(sim.When(sim.text_contains("two"), fault))
    batches, handle = await submit(dialect, items())

    results = await read(batches, handle)

    error = results.pop("two").error
    is_answer = dialect == "google" and kind is ErrorKind.REFUSED  # a blocked prompt has its tokens there
    assert (error.kind, error.may_be_billed) == (kind, is_answer)
    assert key not in f"{error} {error.provider_text} {error.received}"
    assert "gpt-4o-mini" not in str(error)
    assert {id_: result.response.text for id_, result in results.items()} == {
        "one": "echo: one",
        "three": "echo: three",
        "four": "echo: four",
    }


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_answers_that_are_none_are_told_as_live(server, submit, items, dialect):
    """Refusals carry their tokens, cut answers say so, and an odd count is noted, as in a live answer."""
    server.add(sim.Refused("no"), sim.ContentFiltered("half"), sim.Truncated(), sim.NegativeTokens())
    batches, handle = await submit(dialect, items())

    results = await read(batches, handle)

    for text in ("one", "two"):
        error = results[text].error
        assert isinstance(error, RequestFailed)
        assert (error.kind, error.may_be_billed, error.usage.output_tokens > 0, error.sent) == (
            ErrorKind.REFUSED,
            True,
            True,
            None,
        )
    assert results["three"].response.finish_reason == "length"
    assert "negative tokens" in results["four"].response.notes[0]


async def test_characters_that_end_lines_elsewhere_end_none_here(server, submit, items):
    """An answer with Unicode's other line ends arrives whole."""
    server.add(sim.Reply("a\u2028b\u2029c\x85d"))
    batches, handle = await submit("simulated", items("one"))

    assert (await read(batches, handle))["one"].response.text == "a\u2028b\u2029c\x85d"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_text_and_json_in_one_batch_are_read_each_in_its_way(server, submit, ask, schema, dialect):
    """In prompted mode a code fence is taken off JSON, and stays on text, without the requests at hand."""
    server.add(*['```json\n{"a": 1}\n```'] * 2)
    given = [BatchItem("json", ask(output_schema=schema)), BatchItem("text", ask())]
    batches, handle = await submit(f"{dialect}-prompted", given)

    results = await read(batches, handle)

    assert results["json"].response.text == '{"a": 1}'
    assert results["text"].response.text.startswith("```")


# One batch after the other


@pytest.mark.parametrize("dialect", [*DIALECTS, *RELATIVES])
async def test_only_the_handle_has_to_survive(*, server, quiet, open_models, sections, items, key, dialect):
    """Another process with the same settings goes on from the handle's JSON, which has no secret."""
    server.batches.hold = "in_progress"
    first = await open_models(sections).target(dialect).batch()
    handle = await first.submit(items(), key="k")
    kept = json.dumps(handle.to_json())
    await first.close()
    second = await open_models(sections).target(dialect).batch()
    handle = BatchHandle.from_json(json.loads(kept))

    running = await second.poll(handle)
    too_early = await failure(anext(second.results(handle)))
    server.batches.finish()
    results = await read(second, handle)

    assert (running, await second.poll(handle)) == ("running", "done")
    assert (too_early.kind, too_early.kind.retryable) == (ErrorKind.UNAVAILABLE, True)
    assert sorted(results) == sorted(TEXTS)
    assert results["one"].response.text == "echo: one"
    assert key not in kept
    assert "answer tickets" not in kept


@pytest.fixture(params=DIALECTS)
def dialect(request):
    """Each dialect in turn."""
    return request.param


@pytest.mark.parametrize(
    "fault", [sim.ResetConnection("during"), sim.HtmlPage(200), sim.EmptyBody()], ids=str
)
async def test_a_lost_submission_is_found_and_not_paid_twice(*, server, models, items, quiet, dialect, fault):
    """When the answer to a submission is lost, the batch is found by its key, with all that was asked."""
    batches = await models.target(dialect).batch()
    key = f"lost {dialect} {fault}"
    billed = server.billed_in_batches
    server.batches.on("create", fault)

    error = await failure(batches.submit(items(), key=key))
    found = await batches.find(key, items())
    results = await read(batches, found)

    assert error.may_be_billed
    assert sorted(results) == sorted(TEXTS)
    assert all(result.response for result in results.values())
    assert len(server.batches.submitted) == quiet + 1
    assert server.billed_in_batches == billed + 4


@pytest.mark.parametrize(
    "fault", [sim.ResetConnection("before"), sim.RateLimited(7), sim.ServerError(503)], ids=str
)
async def test_a_submission_that_never_was_is_not_found(*, server, models, items, quiet, dialect, fault):
    """When nothing was taken, no batch is found, and the same may be submitted again."""
    batches = await models.target(dialect).batch()
    key = f"never {dialect} {fault}"
    server.batches.on("create", fault)

    error = await failure(batches.submit(items(), key=key))

    assert error.may_be_billed is not isinstance(fault, sim.RateLimited)
    assert error.retry_after_seconds == (7 if isinstance(fault, sim.RateLimited) else None)
    assert await batches.find(key, items()) is None
    handle = await batches.submit(items(), key=key)
    assert (await batches.find(key)).id == handle.id
    assert len(server.batches.submitted) == quiet + 1


async def test_a_found_openai_batch_knows_its_items_by_itself(server, submit, items):
    """Without the items at hand, what was asked is read from the uploaded file: a missing line is noticed."""
    server.batches.add(sim.MissingLines((2,)))
    batches, _ = await submit("simulated", items(), key="by itself")

    results = await read(batches, await batches.find("by itself"))

    assert {id_ for id_, result in results.items() if result.error} == {"two"}


async def test_a_lost_anthropic_batch_is_not_given_up_while_it_runs(server, models, items, quiet):
    """Anthropic shows no key while a batch runs: then it cannot be told, unless all that run are known."""
    batches = await models.target("anthropic").batch()
    server.batches.hold = "in_progress"
    other = await batches.submit(items(), key="other")
    server.batches.on("create", sim.ResetConnection("during"))
    await failure(batches.submit(items("one", "two"), key="lost"))

    undecided = await failure(batches.find("lost", items("one", "two"), known=[other.id]))
    too_large = await batches.find("never", items("one"), known=[other.id])
    server.batches.finish()
    found = await batches.find("lost", items("one", "two"), known=[other.id])

    assert (undecided.kind, undecided.retry_after_seconds) == (ErrorKind.UNAVAILABLE, 60)
    assert too_large is None
    assert set(await read(batches, found)) == {"one", "two"}
    assert await batches.find("never", items()) is None


async def test_find_looks_through_every_page_but_not_further_back_than_asked(server, submit, items, dialect):
    """A batch is found behind a hundred others, and not looked for among those from before its time.

    Google does not say that its list begins with the newest: there, all of it is looked through.
    """
    batches, oldest = await submit(dialect, items("one"), key=f"oldest {dialect}")
    for _ in range(101):
        await batches.submit(items("one"), key="another")
    since_ms = server.batches.submitted[-1].created_ms
    calls = len(server.batches.calls)

    recent = await batches.find(f"oldest {dialect}", since_ms=since_ms + 3_600_000)
    pages = server.batches.calls[calls:].count("list")

    assert (recent, pages) == (None, 2 if dialect == "google" else 1)
    assert (await batches.find(f"oldest {dialect}", since_ms=since_ms)).id == oldest.id


# Ends other than the good one


async def test_every_item_of_an_expired_batch_has_its_result(server, submit, items, dialect):
    """What was run is answered; the rest is a time-out that nobody bills."""
    server.batches.add(sim.BatchExpires(ran=1))
    batches, handle = await submit(dialect, items())

    results = await read(batches, handle)

    assert await batches.poll(handle) == "expired"
    assert results.pop("one").response.text == "echo: one"
    assert sorted(results) == ["four", "three", "two"]
    assert {(result.error.kind, result.error.may_be_billed) for result in results.values()} == {
        (ErrorKind.TIMEOUT, False)
    }
    assert all("expired" in str(result.error) for result in results.values())


async def test_every_item_of_a_cancelled_batch_has_its_result(server, submit, items, dialect):
    """A cancelled batch ends; what was run by then is answered, the rest was not run. Again is no error."""
    server.batches.hold = "in_progress"
    server.batches.run_before_cancel = 2
    batches, handle = await submit(dialect, items())

    await batches.cancel(handle)
    state = await batches.poll(handle)
    await batches.cancel(handle)
    results = await read(batches, handle)

    assert state == "cancelled"
    assert {id_ for id_, result in results.items() if result.response} == {"one", "two"}
    for text in ("three", "four"):
        assert (results[text].error.kind, results[text].error.may_be_billed) == (ErrorKind.TIMEOUT, False)


async def test_a_batch_that_is_cancelled_too_late_is_done(server, submit, items, dialect):
    """Cancelling what has ended changes nothing; cancelling what does not exist is an error."""
    batches, handle = await submit(dialect, items())
    assert await batches.poll(handle) == "done"

    await batches.cancel(handle)

    assert await batches.poll(handle) == "done"
    unknown = replace(handle, id=handle.id + "9")
    assert (await failure(batches.cancel(unknown))).kind is ErrorKind.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    ("fails", "kinds"),
    [
        (sim.BatchFails("token_limit_exceeded", "Too much is enqueued."), {ErrorKind.RATE_LIMIT}),
        (sim.BatchFails("billing_hard_limit_reached", "No money."), {ErrorKind.QUOTA}),
        (sim.BatchFails("unheard_of", "Something."), {ErrorKind.BAD_REQUEST}),
        (sim.BatchFails("invalid_json_line", "Bad.", line=2), {ErrorKind.BAD_REQUEST, ErrorKind.SERVER}),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_a_rejected_openai_batch_blames_the_right_items(server, submit, items, fails, kinds):
    """A batch that fails has an error for each item: by its cause, and retryable for those not at fault."""
    server.batches.add(fails)
    batches, handle = await submit("simulated", items())

    results = await read(batches, handle)

    assert await batches.poll(handle) == "failed"
    assert sorted(results) == sorted(TEXTS)
    assert {result.error.kind for result in results.values()} == kinds
    assert not any(result.error.may_be_billed for result in results.values())
    if fails.line:
        at_fault = {id_ for id_, result in results.items() if not result.error.kind.retryable}
        assert at_fault == {"two"}


async def test_a_rejected_google_batch_has_an_error_for_each_item(server, submit, items):
    """The operation's own error is theirs; nothing was run."""
    server.batches.add(sim.BatchFails())
    batches, handle = await submit("google", items())

    results = await read(batches, handle)

    assert await batches.poll(handle) == "failed"
    assert sorted(results) == sorted(TEXTS)
    assert {(result.error.kind, result.error.may_be_billed) for result in results.values()} == {
        (ErrorKind.BAD_REQUEST, False)
    }


@pytest.mark.parametrize(("shown", "may_be_billed"), [(2, False), (1, True), (0, True)])
@pytest.mark.parametrize("state", ["expired", "cancelled"])
async def test_what_google_answered_and_does_not_show_may_be_billed(models, state, shown, may_be_billed):
    """A batch that ended early counts its answers; those that it does not give are not taken for free."""
    service = (await models.target("google").batch())._service
    answers = [{"metadata": {"key": str(n)}, "response": {"candidates": []}} for n in range(shown)]
    output = {"inlinedResponses": {"inlinedResponses": answers}}
    stats = {"requestCount": "4", "successfulRequestCount": "2"}
    look = Look(state, {"name": "batches/1", "metadata": {"batchStats": stats, "output": output}})

    cause = service.cause(look, 1)

    assert [line.custom_id async for line in service.lines(look)] == [str(n) for n in range(shown)]
    assert (cause.kind, cause.may_be_billed) == (ErrorKind.TIMEOUT, may_be_billed)


async def test_an_answer_without_a_key_is_nobodys(models):
    """Google's answers come in any order: by its place, one could be taken for another's."""
    service = (await models.target("google").batch())._service
    answers = [{"response": {"candidates": []}}, {"metadata": {"key": "b"}, "response": {"candidates": []}}]
    look = Look("done", {"response": {"inlinedResponses": {"inlinedResponses": answers}}})

    assert [line.custom_id async for line in service.lines(look)] == ["b"]


async def test_results_come_in_any_order(server, submit, items, dialect):
    """Each result belongs to its item, whatever the order of the lines."""
    server.batches.add(sim.ShuffledLines(seed=1))
    batches, handle = await submit(dialect, items())

    results = await read(batches, handle)

    assert list(results) != list(TEXTS)
    assert {id_: result.response.text for id_, result in results.items()} == {
        text: f"echo: {text}" for text in TEXTS
    }


@pytest.mark.parametrize(
    ("dialect", "fault", "gone"),
    [
        *((dialect, sim.MissingLines((1, 3)), {"one", "three"}) for dialect in DIALECTS),
        *((dialect, sim.CutResults(), {"four"}) for dialect in WITH_FILES),
    ],
)
async def test_a_line_that_is_missing_is_an_error_of_its_item(server, submit, items, dialect, fault, gone):
    """An item without a line, or with half of one, is malformed and may be billed; the others count."""
    server.batches.add(fault)
    batches, handle = await submit(dialect, items())

    results = await read(batches, handle)

    errors = {id_: result.error for id_, result in results.items() if result.error}
    assert set(errors) == gone
    assert {(error.kind, error.may_be_billed) for error in errors.values()} == {(ErrorKind.MALFORMED, True)}
    assert sorted(results) == sorted(TEXTS)


async def test_results_that_break_off_can_be_read_again(server, submit, items, dialect):
    """A connection that breaks in the middle is an error that says so; the next reading has everything."""
    batches, handle = await submit(dialect, items())
    server.batches.on("results" if dialect in WITH_FILES else "get", sim.CutStream())

    error = await failure(read(batches, handle))

    assert (error.kind, error.kind.retryable, error.may_be_billed) == (ErrorKind.CONNECTION, True, False)
    assert sorted(await read(batches, handle)) == sorted(TEXTS)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (sim.RateLimited(3), ErrorKind.RATE_LIMIT),
        (sim.QuotaExceeded(), None),
        (sim.ServerError(502), ErrorKind.SERVER),
        (sim.Unauthorized(), ErrorKind.AUTHENTICATION),
        (sim.HtmlPage(200), ErrorKind.MALFORMED),
        (sim.HtmlPage(503), ErrorKind.UNAVAILABLE),
        (sim.EmptyBody(), ErrorKind.MALFORMED),
        (sim.MalformedJson(), ErrorKind.MALFORMED),
        (sim.ErrorInSuccess(), ErrorKind.SERVER),
        (sim.ResetConnection("before"), ErrorKind.CONNECTION),
        (sim.CutStream(), ErrorKind.CONNECTION),
    ],
    ids=str,
)
async def test_a_look_that_fails_says_nothing_of_the_batch(
    *, server, submit, items, key, dialect, fault, kind
):
    """A failed poll is an error by kind after one request, without the key; the next one counts."""
    batches, handle = await submit(dialect, items())
    server.batches.on("get", fault)
    calls = len(server.batches.calls)

    error = await failure(batches.poll(handle))

    assert kind is None or error.kind is kind
    assert error.may_be_billed is False
    assert server.batches.calls[calls:] == ("get",)
    assert key not in f"{error} {error.provider_text} {error.received}"
    assert await batches.poll(handle) == "done"


async def test_a_look_that_hangs_is_a_time_out(server, open_models, sections, items, quiet, dialect):
    """A provider that does not answer a poll is given up after the model's time."""
    target = open_models({"m": {**sections[dialect], "timeout_seconds": 0.3}}).target("m")
    batches = await target.batch()
    handle = await batches.submit(items(), key="hang")
    server.batches.on("get", sim.Hang())

    assert (await failure(batches.poll(handle))).kind is ErrorKind.TIMEOUT


async def test_an_unreachable_address_was_not_submitted(open_models, sections, items, dialect):
    """When nothing listens, a submission fails without having left."""
    async with sim.SimulatedProvider() as gone:
        address = gone.url if dialect in AT_ROOT else gone.base_url
    batches = await open_models({"m": {**sections[dialect], "base_url": address}}).target("m").batch()

    error = await failure(batches.submit(items(), key="k"))

    assert (error.kind, error.may_be_billed) == (ErrorKind.CONNECTION, False)


# What is kept, and what cannot be


async def test_what_a_provider_keeps_can_be_deleted(server, submit, items, dialect):
    """After `forget` no text of the batch is left at the provider, and to do it again is no error."""
    server.add(sim.When(sim.text_contains("two"), sim.ServerError()))
    files = set(server.batches.files)
    batches, handle = await submit(dialect, items())
    await read(batches, handle)

    await batches.forget(handle)
    await batches.forget(handle)

    assert set(server.batches.files) == files
    assert dialect not in AT_ROOT or server.batches.submitted[-1].deleted


async def test_a_refused_submission_leaves_no_file_behind(server, submit, items):
    """When OpenAI refuses a batch, the file that was uploaded for it is deleted."""
    files = set(server.batches.files)
    server.batches.on("create", sim.RateLimited())

    await failure(submit("simulated", items()))

    assert set(server.batches.files) == files


async def test_what_cannot_be_said_is_left_out(server, submit, items, ask, dialect):
    """An item that no body can be made of is an error; the others are asked. Alone, it is refused."""
    broken = BatchItem("broken", ask("\ud800"))
    batches, handle = await submit(dialect, [*items("one"), broken, *items("two")])

    results = await read(batches, handle)

    assert server.batches.submitted[-1].entries[1].body != {}
    assert len(server.batches.submitted[-1].entries) == 2
    error = results["broken"].error
    assert (error.kind, error.may_be_billed) == (ErrorKind.BAD_REQUEST, False)
    assert results["two"].response.text == "echo: two"
    assert (await failure(batches.submit([broken], key="k"))).kind is ErrorKind.BAD_REQUEST


async def test_more_than_one_batch_takes_is_told_before_it_is_sent(
    *, server, open_models, sections, items, quiet, dialect
):
    """Too many items, or bytes, are refused with the number of those that fit; that many then do."""
    batches = await open_models(sections).target(dialect).batch()
    await batches.submit(items("one"), key="key-1")
    service = batches._service
    body = (await batches._replay.write(items("one")[0].request)).body
    size_bytes = len(service.line("one", body, "key-1"))
    around = len(service.opening + service.between + service.closing)
    service.most_items = 3
    many = await failure(batches.submit(items(), key="many"))
    service.most_items, service.most_bytes = 4, size_bytes * 2 + around
    long = await failure(batches.submit(items(), key="long"))

    assert isinstance(many, BatchTooLarge)
    assert (many.fits, long.fits, many.may_be_billed) == (3, 2, False)
    assert len(server.batches.submitted) == quiet + 1
    await batches.submit(items()[:2], key="fits")


@pytest.mark.parametrize("name", ["", "with space", "a" * 47, "ümlaut", "a.b"])
async def test_an_id_has_to_suit_every_provider(ask, name):
    """An id that some provider would refuse is refused where the item is made."""
    with pytest.raises(InvalidInput, match="46"):
        BatchItem(name, ask())


async def test_items_are_told_apart_by_their_ids(submit, items, dialect):
    """Two items of one id, and a batch of none, are refused before anything is sent."""
    with pytest.raises(InvalidInput, match="'one'"):
        await submit(dialect, items("one", "one"))
    with pytest.raises(InvalidInput, match="without requests"):
        await submit(dialect, [])


@pytest.mark.parametrize("value", [None, {}, {"provider": "p", "id": 1, "extra": {}}, []])
async def test_what_is_no_handle_is_refused(value):
    """Only what `to_json` wrote is a handle."""
    with pytest.raises(InvalidInput):
        BatchHandle.from_json(value)


@pytest.mark.parametrize(
    "section",
    [
        {"provider": "ollama", "model": "llama3.2:3b"},
        {
            "provider": "bedrock",
            "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
            "region": "eu-central-1",
        },
        {"provider": "google-vertex", "model": "gemini-2.5-flash"},
        {"provider": "python", "function": "json:dumps"},
    ],
    ids=lambda section: section["provider"],
)
async def test_a_provider_without_batches_has_none(open_models, section):
    """Where there is no batch API that is spoken here, there is nothing to submit to."""
    assert await open_models({"m": section}).target("m").batch() is None


async def test_batches_stay_at_home_where_calls_do(open_models, monkeypatch):
    """Where calls to the outside are off, so are batches."""
    monkeypatch.setenv(outside.VARIABLE, "off")
    target = open_models({"m": {"provider": "openai", "model": "gpt-4o-mini"}}).target("m")

    assert (await failure(target.batch())).kind is ErrorKind.NOT_CONFIGURED
    outside.refused.clear()  # else the plugin of these very tests fails this one for trying


async def test_settings_of_the_model_go_along(server, open_models, sections, items, quiet, dialect):
    """Headers of the settings go with the batch, and the model's own limits into each body."""
    options = {**sections[dialect].get("options", {}), "extra_headers": {"x-team": "desk"}}
    section = {**sections[dialect], "max_tokens": 33, "options": options}
    batches = await open_models({"m": section}).target("m").batch()

    await batches.submit(items("one"), key="k")

    batch = server.batches.submitted[-1]
    assert batch.headers["x-team"] == "desk"
    body = batch.entries[0].body
    assert 33 in [*body.values(), *body.get("generationConfig", {}).values()]


async def test_features_that_requests_ask_for_in_a_header_are_asked_for_the_batch(
    server, open_models, sections, items, quiet
):
    """Anthropic's beta features, which live requests name in a header, are named for the whole batch."""
    section = {**sections["anthropic"], "options": {"anthropic_betas": ["feature-2026-01-01"]}}
    batches = await open_models({"m": section}).target("m").batch()

    await batches.submit(items(), key="k")

    assert "feature-2026-01-01" in server.batches.submitted[-1].headers["anthropic-beta"].split(",")


# Many


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "count"), [("simulated", 2_000), ("anthropic", 1_000)])
async def test_a_large_batch_passes_one_by_one(*, server, models, ask, quiet, dialect, count):
    """Neither the items nor the results of a large batch are ever in memory together."""
    batches = await models.target(dialect).batch()
    items_alive, results_alive = 0, 0

    def alive(kind):
        return sum(isinstance(found, kind) for found in gc.get_objects())

    def make():
        nonlocal items_alive
        for number in range(count):
            if number % (count // 4) == 0:
                items_alive = max(items_alive, alive(BatchItem))
            yield BatchItem(f"item-{number}", ask(f"question {number} " + "x" * 500))

    handle = await batches.submit(make(), key=f"many {dialect}")
    seen = 0
    async with aclosing(batches.results(handle)) as results:
        async for result in results:
            assert result.response.text.startswith(f"echo: question {result.custom_id[5:]} ")
            seen += 1
            if seen % (count // 4) == 0:
                results_alive = max(results_alive, alive(Response))

    assert seen == count
    assert items_alive < 100  # a few of other tests may not be collected yet
    assert results_alive < 100
