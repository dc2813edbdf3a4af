"""`record` and `replay` around an app: what the simulated provider said is said again without it."""

import textwrap

import pytest

from roadworthy import App, ProviderError
from roadworthy.testing.recording import Recording, record, replay
from roadworthy.testing.simulated import RateLimited, SimulatedProvider, When, text_contains

SETTINGS = """
    [models.writer]
    provider = "simulated"
    model = "small"
    prices = {{ input_usd_per_million = 1, output_usd_per_million = 2 }}
    base_url = "{base_url}"
    api_key_file = "key"

    [models.rule]
    provider = "python"
    function = "rules:answer"

    [routes.default]
    models = ["writer"{fallback}]
    backoff = {{ initial_seconds = 0.01 }}
"""
KEY = "very-secret-0123456789"


@pytest.fixture
def provider():
    """A simulated provider that runs while the test wants it to."""
    with SimulatedProvider() as running:
        yield running


@pytest.fixture
def make_app(tmp_path, provider, monkeypatch):
    """Build the app of a small project, with a function to fall back to or without."""
    (tmp_path / "prompts" / "ask").mkdir(parents=True)
    (tmp_path / "prompts" / "ask" / "v1.md").write_text("---\ninputs: {text: str}\n---\n# user\n{{ text }}\n")
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "rules.py").write_text("def answer(request):\n    return 'by rule'\n")
    monkeypatch.syspath_prepend(tmp_path)

    def make(fallback=""):
        text = SETTINGS.format(base_url=provider.base_url, fallback=fallback)
        (tmp_path / "roadworthy.toml").write_text(textwrap.dedent(text))
        return App.load(tmp_path)

    return make


async def answers(app, *texts):
    """What the app's prompt answers to these texts."""
    ask = app.prompt("ask")
    return [await ask(text=text) for text in texts]


async def test_what_was_recorded_is_replayed_without_the_provider(make_app, provider, tmp_path):
    """Answers, costs and a failure on the way are the same, and nothing is sent; no key is in the file."""
    provider.add(RateLimited(retry_after_seconds=0.01), "one", f"two, with {KEY}")
    path = tmp_path / "kept" / "answers.jsonl"
    async with make_app().running(work=False) as app:
        with record(app, path):
            recorded = await answers(app, "first", "second")
    assert provider.count == len(Recording.read(path).exchanges) == 3
    provider.stop()
    (tmp_path / "key").unlink()

    app = make_app()
    with replay(app, str(path)):
        async with app.running(work=False):
            replayed = await answers(app, "first", "second")

    assert [its.value for its in replayed] == ["one", "two, with [redacted]"]
    assert [its.cost_usd for its in replayed] == [its.cost_usd for its in recorded]
    assert [(its.rung, its.attempts) for its in replayed] == [("writer", 2), ("writer", 1)]
    assert KEY not in path.read_text()


async def test_the_models_are_asked_again_after_the_block(make_app, provider, tmp_path):
    """Recording and replaying end with their blocks, also with an error."""
    async with make_app().running(work=False) as app:
        before = app.models
        with record(app, tmp_path / "a"):
            await answers(app, "first")
        with pytest.raises(ZeroDivisionError), replay(app, tmp_path / "a"):
            raise ZeroDivisionError
        assert app.models is before
        await answers(app, "other")
    assert provider.count == 2
    assert len((tmp_path / "a").read_text().splitlines()) == 1


async def test_a_miss_that_a_fallback_hid_is_an_error(make_app, tmp_path):
    """The block ends with what differs, although the rule answered."""
    async with make_app(fallback=', "rule"').running(work=False) as app:
        with record(app, tmp_path / "a"):
            await answers(app, "where is my parcel")
        with pytest.raises(ProviderError, match="refund</untrusted>' asked"), replay(app, tmp_path / "a"):
            hidden = await answers(app, "where is my refund")
    assert [(its.value, its.rung) for its in hidden] == [("by rule", "rule")]


async def test_a_miss_comes_before_what_it_caused(make_app, tmp_path):
    """The test's own failure is the cause that is shown with it."""
    async with make_app().running(work=False) as app:
        with record(app, tmp_path / "a"):
            pass
        with pytest.raises(ProviderError, match="It is empty") as raised, replay(app, tmp_path / "a"):
            await answers(app, "anything")
    assert isinstance(raised.value.__cause__, ProviderError)


async def test_functions_of_the_project_run_and_are_not_recorded(make_app, provider, tmp_path):
    """A replay runs the rule again after the recorded failure of the model."""
    provider.add(When(text_contains("casino"), RateLimited(retry_after_seconds=0.01), times=None))
    async with make_app(fallback=', "rule"').running(work=False) as app:
        with record(app, tmp_path / "a") as recording:
            await answers(app, "casino")
        with replay(app, tmp_path / "a"):
            [answer] = await answers(app, "casino")
    assert {its.model for its in recording.exchanges} == {"writer"}
    assert answer.value == "by rule"


async def test_a_set_up_that_is_wrong_is_not_recorded(make_app, tmp_path):
    """A missing key is no answer of the model, so there is nothing to replay."""
    make_app()
    (tmp_path / "key").unlink()
    overrides = {"models.writer.provider": "openai"}
    async with App.load(tmp_path, overrides=overrides).running(work=False) as app:
        with record(app, tmp_path / "a") as recording, pytest.raises(ProviderError, match="key"):
            await answers(app, "anything")
    assert recording.exchanges == ()
