"""Scripts in JSON become replies and faults, and every mistake in them is named."""

import json

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.records import Usage
from roadworthy.testing.simulated import RateLimited, Reply, Slow, ToolCall
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.script import read_script


def read(tmp_path, entries):
    """The script made of these entries."""
    path = tmp_path / "script.json"
    path.write_text(json.dumps(entries))
    return read_script(path)


def received(model="m", text="hello"):
    """A request, as the conditions see it."""
    return Received(1, "chat", "/", model, (("user", text),), None, None, False, {}, {}, 0)


def test_entries_become_replies_and_faults(tmp_path):
    """Fields are those of the classes."""
    entries = [
        {"reply": "hi", "finish": "length", "usage": {"input_tokens": 3}},
        {"reply": "", "tool_calls": [{"name": "search", "arguments": {"q": "x"}}]},
        {"fault": "rate_limited", "retry_after_seconds": 3},
        {"fault": "slow", "seconds": 1, "then": {"fault": "rate_limited"}},
    ]
    assert [entry.answer for entry in read(tmp_path, entries)] == [
        Reply("hi", finish="length", usage=Usage(3)),
        Reply("", tool_calls=(ToolCall("search", {"q": "x"}),)),
        RateLimited(3),
        Slow(1, RateLimited()),
    ]


def test_conditions_choose_requests(tmp_path):
    """Model and text have to fit; `times` may be open."""
    [entry] = read(tmp_path, [{"when": {"model": "small", "text": "t-17"}, "times": None, "reply": 1}])
    assert entry.times is None
    assert entry.matches(received("small", "about t-17"))
    assert not entry.matches(received("large", "about t-17"))
    assert not entry.matches(received("small", "about t-18"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"reply": "x"}, "has to be a JSON list"),
        (["x"], "entry 1 is no JSON object"),
        ([{"reply": "x"}, {"repl": "x"}], "entry 2 has neither 'reply' nor 'fault'"),
        ([{"fault": "rate_limitd"}], "Did you mean 'rate_limited'"),
        ([{"fault": "rate_limited", "retry_after": 1}], "Did you mean 'retry_after_seconds'"),
        ([{"reply": "x", "finnish": "stop"}], "Did you mean 'finish'"),
        ([{"reply": "x", "when": {"txt": "a"}}], "unknown condition 'txt'. Did you mean 'text'"),
        ([{"fault": "slow"}], "entry 1 lacks a field"),
    ],
)
def test_mistakes_are_named(entries, message, tmp_path):
    """The entry and the wrong word are in the message, and the right word too."""
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, entries)
    assert message in str(raised.value)


def test_an_unreadable_script_is_named(tmp_path):
    """A missing file and broken JSON are configuration errors."""
    with pytest.raises(ConfigurationError, match=r"missing\.json"):
        read_script(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text("[")
    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        read_script(tmp_path / "broken.json")
