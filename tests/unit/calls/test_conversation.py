"""Conversations: what decides their answers, their versions, and how replies are read."""

import pytest

from roadworthy.calls import Conversation, ReplyOutput, VectorsOutput, ad_hoc_version
from roadworthy.errors import InvalidAnswer
from roadworthy.models import Image, Message, Options, Request, Response, Tool, ToolCall, likely_tokens
from roadworthy.models.tokens import estimate_usage
from roadworthy.prompts import CallSettings
from roadworthy.records import Usage
from roadworthy.settings import ModelSettings

PLAIN = (Message("system", "Be kind."), Message("user", "Hello"))
TOOL = Tool("weather", {"type": "object"})


class Limits:
    """A model as far as its limits go."""

    settings = ModelSettings(provider="simulated", model="m", max_tokens=100)


def response(text="Hello", **more):
    """What a model said."""
    its = {"finish_reason": "stop", "provider_request_id": None, "sent": None, "received": None, **more}
    return Response(text, Usage(1, 1), "m", **its)


OTHERS = [
    Conversation(PLAIN, Options(tools=(TOOL,))),
    Conversation(PLAIN, Options(tools=(Tool("weather", {"type": "object", "properties": {}}),))),
    Conversation(PLAIN, Options(tool_choice="none")),
    Conversation(PLAIN, Options(top_p=0.5)),
    Conversation(PLAIN, Options(json_object=True)),
    Conversation(PLAIN, Options(reasoning_effort="low")),
    Conversation((PLAIN[0], Message("user", "Hello", ("Hello", Image("https://x/1.png"))))),
    Conversation((PLAIN[0], Message("user", "Hello", ("Hello", Image("https://x/2.png"))))),
    Conversation((*PLAIN, Message("assistant", "", tool_calls=(ToolCall("1", "weather", "{}"),)))),
    Conversation(PLAIN, vectors=True),
    Conversation(PLAIN, vectors=True, dimensions=5),
]


def test_whatever_decides_the_answer_changes_the_digest():
    """So that no cache gives one conversation the answer of another."""
    digests = [one.digest for one in (Conversation(PLAIN), *OTHERS)]
    assert len(set(digests)) == len(digests)
    assert Conversation(PLAIN).digest == Conversation(PLAIN).digest


def test_a_version_is_its_instructions_and_tools():
    """Whatever the user says, and never what another prompt is called."""
    settings = CallSettings()
    one = ad_hoc_version("gateway", Conversation(PLAIN), settings)
    again = ad_hoc_version("gateway", Conversation((PLAIN[0], Message("user", "Bye"))), settings)
    tools = ad_hoc_version("gateway", OTHERS[0], settings)
    assert one == again != tools
    assert one.name == f"gateway@{one.content_hash[:12]}"


def test_images_tools_and_calls_are_counted_before_they_are_sent():
    """A budget rests on the most that they can be."""

    def most(conversation):
        request = Request(conversation.messages, 1, options=conversation.options)
        return estimate_usage(Limits(), request).input_tokens

    plain = most(Conversation(PLAIN))
    assert most(OTHERS[0]) > plain + 1_000
    assert most(OTHERS[6]) >= plain + 50_000
    assert most(OTHERS[8]) > plain
    assert likely_tokens(OTHERS[6].messages) > likely_tokens(PLAIN)
    vectors = Request(PLAIN, 1, vectors=True)
    assert estimate_usage(Limits(), vectors).output_tokens == 0


def test_a_reply_survives_being_kept():
    """With its tool calls and its reason."""
    output = ReplyOutput()
    said = output.read(response("", finish_reason="tool_calls", tool_calls=(ToolCall("1", "f", "{}"),)))
    assert output.load(output.dump(said)) == said
    assert said.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (ReplyOutput(), response("")),
        (ReplyOutput(), response("\ud800")),
        (ReplyOutput(is_json=True), response("Sure!")),
        (ReplyOutput({"type": "object"}), response('{"a": 1, "a": 2}')),
        (VectorsOutput(2), response("[[1.0]]")),
        (VectorsOutput(2), response("[[1.0], [1.0, 2.0]]")),
        (VectorsOutput(1), response("[[]]")),
    ],
)
def test_what_is_no_answer_is_refused(output, said):
    """Nothing, half characters, what is no JSON where it must be, vectors that do not fit their texts."""
    with pytest.raises(InvalidAnswer):
        output.read(said)


def test_a_length_that_was_asked_for_is_an_answer():
    """Also where it cuts JSON."""
    said = ReplyOutput(is_json=True).read(response('{"a": ', finish_reason="length"))
    assert (said.text, said.finish_reason) == ('{"a": ', "length")
