"""Bodies of requests as people read them."""

import pytest

from roadworthy.dashboard.sent import MOST_CHARS, body_of, sent_of

DIALECTS = {
    "openai": {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    },
    "openai parts": {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        ],
    },
    "anthropic": {
        "model": "m",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": "Hello"}],
    },
    "google": {
        "model": "m",
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_messages_stand_apart_from_the_rest(dialect):
    """Whichever provider they were for."""
    sent = sent_of(DIALECTS[dialect])
    assert [(one.role, one.body.text) for one in sent.messages] == [
        ("system", "Be brief."),
        ("user", "Hello"),
    ]
    assert sent.rest.text == '{\n  "model": "m"\n}'


def test_what_is_more_than_text_is_shown_as_it_is():
    """A call of a tool, or a picture: nothing is left out."""
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "t1"}]}
    (message,) = sent_of({"messages": [call]}).messages
    assert '"t1"' in message.body.text


@pytest.mark.parametrize("odd", [None, "text", ["a"], {"messages": "no list"}, {"messages": [1, "two"]}])
def test_odd_bodies_are_shown(odd):
    """What nobody expected still has a form."""
    sent = sent_of(odd)
    assert sent.messages or sent.rest.text


def test_nothing_is_without_end():
    """A payload is cut, and says so; messages share what one may take."""
    assert body_of("x" * (MOST_CHARS + 1)).is_cut
    sent = sent_of({"messages": [{"content": "x" * MOST_CHARS}, {"content": "more"}]})
    assert [one.body.is_cut for one in sent.messages] == [False, True]
