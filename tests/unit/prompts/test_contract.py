"""What calls of one version may not fit another."""

import pytest

from roadworthy.prompts import parse, unmet


def version(label, inputs):
    """A version with these inputs."""
    return parse(f"---\ninputs: {{{inputs}}}\n---\n# user\nHello.\n", prompt_id="reply", label=label)


@pytest.mark.parametrize(
    ("serving", "candidate"),
    [
        ("text: str", "text: str"),
        ("text: str", "text: any"),
        ("count: int", "count: float"),
        ("text: str", "text: {type: str, default: hello}"),
        ("text: str", "text: str, tone: {type: str, optional: true}"),
        ("text: str, tone: {default: kind}", "text: str, tone: {optional: true}"),
    ],
)
def test_a_version_that_takes_every_call_of_the_other_keeps_its_contract(serving, candidate) -> None:
    """Inputs may be added that may be left out, and types may become wider."""
    assert unmet(version("v1", serving), version("v2", candidate)) == ()


@pytest.mark.parametrize(
    ("serving", "candidate", "told"),
    [
        ("text: str", "text: str, tone: str", "needs the input 'tone', which v1 does not take"),
        ("tone: {default: kind}", "tone: str", "needs the input 'tone', which may be left out of v1"),
        ("text: str, tone: str", "text: str", "does not take the input 'tone', which v1 takes"),
        ("count: float", "count: int", "'count' is of type int, that of v1 of type float"),
        ("text: any", "text: str", "'text' is of type str, that of v1 of type any"),
    ],
)
def test_what_some_calls_would_not_fit_is_told(serving, candidate, told) -> None:
    """Each input that a call of the version that serves may lack, or have too much, is named."""
    (found,) = unmet(version("v1", serving), version("v2", candidate))
    assert told in found
