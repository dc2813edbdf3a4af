"""Models of the settings, ready to be asked."""

import asyncio
import threading
from typing import get_args

import pytest

from roadworthy.errors import ErrorKind, NotFound, ProviderError
from roadworthy.models.providers import PROVIDERS, make_provider
from roadworthy.settings.model import ProviderName

RULES = {"provider": "python", "function": "rules:answer"}


def test_every_provider_of_the_settings_is_implemented():
    """The registry has exactly the names that the settings accept."""
    assert set(PROVIDERS) == set(get_args(ProviderName))


async def test_an_unknown_provider_suggests_the_nearest(make_models):
    """A name that slipped past the settings is refused with a suggestion."""
    blueprint = make_models({"m": RULES}).target("m")._blueprint
    section = blueprint.settings.model_copy(update={"provider": "antropic"})
    object.__setattr__(blueprint, "settings", section)

    with pytest.raises(ProviderError, match="Did you mean 'anthropic'"):
        make_provider(blueprint)


async def test_a_route_lists_its_models_in_order(make_models):
    """A route's targets come in the order of the settings."""
    models = make_models({"a": RULES, "b": RULES}, {"answer": {"models": ["b", "a"]}})

    assert [target.name for target in models.route("answer")] == ["b", "a"]


async def test_unknown_names_suggest_the_nearest(make_models):
    """A model or route that does not exist is named, with what was probably meant."""
    models = make_models({"sonnet": RULES}, {"answer": {"models": ["sonnet"]}})

    with pytest.raises(NotFound, match="Did you mean 'sonnet'"):
        models.target("sonet")
    with pytest.raises(NotFound, match="Did you mean 'answer'"):
        models.route("answers")


async def test_no_more_requests_at_a_time_than_allowed(make_models, ask):
    """With two slots, two of six requests are with the provider at any time, and all are answered."""
    now, most = 0, 0

    async def answer(request):
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        return "done"

    models = make_models({"m": {**RULES, "max_concurrency": 2}}, functions={"rules:answer": answer})

    answers = await asyncio.gather(*(models.target("m").request(ask()) for _ in range(6)))

    assert [answer.text for answer in answers] == ["done"] * 6
    assert most == 2


async def test_waiting_for_a_slot_counts_as_time_and_sends_nothing(make_models, ask):
    """A request that finds no free slot in its time fails as a time-out that nobody bills."""
    entered, release = asyncio.Event(), asyncio.Event()
    calls = []

    async def answer(request):
        calls.append(request)
        entered.set()
        await release.wait()
        return "done"

    models = make_models({"m": {**RULES, "max_concurrency": 1}}, functions={"rules:answer": answer})
    target = models.target("m")
    first = asyncio.create_task(target.request(ask()))
    await entered.wait()

    with pytest.raises(ProviderError, match="no free slot") as caught:
        await target.request(ask(timeout_seconds=0.05))
    release.set()

    assert (await first).text == "done"
    assert (caught.value.kind, caught.value.may_be_billed) == (ErrorKind.TIMEOUT, False)
    assert len(calls) == 1


async def test_cancelled_and_failed_requests_give_their_slot_back(make_models, ask):
    """After a cancel and a time-out the only slot is free again."""
    entered = asyncio.Event()
    hang = True

    async def answer(request):
        entered.set()
        if hang:
            await asyncio.Event().wait()
        return "done"

    models = make_models({"m": {**RULES, "max_concurrency": 1}}, functions={"rules:answer": answer})
    target = models.target("m")
    task = asyncio.create_task(target.request(ask()))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProviderError):
        await target.request(ask(timeout_seconds=0.05))
    hang = False

    assert (await target.request(ask())).text == "done"


async def test_the_models_own_time_holds_too(make_models, ask):
    """The shorter of the request's and the model's time ends a request."""

    async def answer(request):
        await asyncio.Event().wait()

    section = {**RULES, "timeout_seconds": 0.05}
    models = make_models({"m": section}, functions={"rules:answer": answer})

    with pytest.raises(ProviderError, match=r"within 0\.05 seconds"):
        await models.target("m").request(ask(timeout_seconds=60))


async def test_each_event_loop_has_its_own_provider(make_models, ask):
    """A target that is used from a second event loop builds a second provider for it."""
    models = make_models({"m": RULES}, functions={"rules:answer": lambda request: "done"})
    target = models.target("m")
    answers = [(await target.request(ask())).text]
    first = target._here().provider
    seen = []

    async def elsewhere():
        answers.append((await target.request(ask())).text)
        seen.append(target._here().provider)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert answers == ["done", "done"]
    assert seen[0] is not first
