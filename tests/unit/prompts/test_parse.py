"""What a prompt file may look like, and what its author is told otherwise."""

import pytest

from roadworthy.errors import PromptError
from roadworthy.prompts import CallSettings, InputSpec, Version, content_hash, parse

COMPLETE = """\
---
description: Answers a ticket.
inputs:
  ticket: object
  question: {type: str, description: what to answer, max_chars: 100}
  tone:
    type: str
    trusted: true
    default: friendly
  day: {type: date, optional: true}
settings:
  temperature: 0
  max_tokens: 300
  seed: 7
  stop: [END, "\\n\\n"]
  route: careful
---
# system
Be {{ tone }}.

# user
Hello

# assistant
Hi.

# user
{{ question }}
"""


def version(text: str | bytes) -> Version:
    """The version that the text describes."""
    return parse(text, prompt_id="reply", label="v1", file="prompts/reply/v1.md")


def faults(text: str | bytes) -> list[str]:
    """All faults of the text, one a line."""
    with pytest.raises(PromptError) as caught:
        version(text)
    return str(caught.value).splitlines()


def fault(text: str | bytes) -> str:
    """The only fault, without the name of the file."""
    (only,) = faults(text)
    return only.removeprefix("prompts/reply/v1.md:")


def test_a_complete_file_is_read() -> None:
    """Everything a file can say ends up in the version."""
    found = version(COMPLETE)
    assert found.name == "reply@v1"
    assert found.description == "Answers a ticket."
    assert found.settings == CallSettings(0, 300, 7, ("END", "\n\n"), "careful")
    assert [(section.role, section.source, section.line) for section in found.sections] == [
        ("system", "Be {{ tone }}.", 19),
        ("user", "Hello", 22),
        ("assistant", "Hi.", 25),
        ("user", "{{ question }}", 28),
    ]
    assert found.inputs == {
        "ticket": InputSpec("ticket", "object"),
        "question": InputSpec("question", "str", "what to answer", max_chars=100),
        "tone": InputSpec("tone", "str", trusted=True, optional=True, default="friendly"),
        "day": InputSpec("day", "date", optional=True),
    }


def test_a_file_needs_no_front_matter() -> None:
    """A prompt without inputs is only its sections."""
    found = version("# user\nHello\n")
    assert (found.inputs, found.settings, found.description) == ({}, CallSettings(), "")


def test_one_stop_text_needs_no_list() -> None:
    """`stop: END` is a list of one."""
    assert version("---\nsettings: {stop: END}\n---\n# user\nHello\n").settings.stop == ("END",)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(COMPLETE.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(COMPLETE.replace("\n", "\r").encode(), id="CR"),
        pytest.param(b"\xef\xbb\xbf" + COMPLETE.encode(), id="byte order mark"),
        pytest.param(COMPLETE.rstrip().encode(), id="no newline at the end"),
        pytest.param(COMPLETE + " \n\n\t\n", id="blank end"),
    ],
)
def test_the_hash_does_not_depend_on_what_editors_change(same) -> None:
    """Newlines, byte order mark and blank end are no change of content."""
    assert version(same).content_hash == version(COMPLETE).content_hash == content_hash(COMPLETE)
    assert version(same) == version(COMPLETE)


def test_the_hash_depends_on_everything_else() -> None:
    """One changed word is another version."""
    assert version(COMPLETE).content_hash != version(COMPLETE.replace("Hello", "Hullo")).content_hash
    assert version(COMPLETE) != version(COMPLETE.replace("Hello", "Hullo"))


@pytest.mark.parametrize(
    "line", ["## user", "# User guide", "#users", "text # user", "### System", "# Summary"]
)
def test_other_headings_are_text(line) -> None:
    """Only the three exact headings start a section."""
    (section,) = version(f"# user\nBefore\n{line}\nAfter\n").sections
    assert section.source == f"Before\n{line}\nAfter"


def test_a_backslash_makes_a_heading_text() -> None:
    r"""`\# user` is a line of text that reads `# user`; other backslashes stay."""
    (section,) = version("# user\nBefore\n\\# user\n\\# else\n").sections
    assert section.source == "Before\n# user\n\\# else"


@pytest.mark.parametrize("line", ["# User", "#user", "# user:", " # user", "# SYSTEM #", "#  assistant"])
def test_a_heading_that_is_nearly_right_is_refused(line) -> None:
    """A mistyped heading would put instructions into the wrong message, so it is never taken as text."""
    assert fault(f"# user\nBefore\n{line}\nAfter\n").startswith("3: write '# ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the file is empty: write a line '# user' and the text of the message below it."),
        (" \n\n", "1: the file is empty: write a line '# user' and the text of the message below it."),
        ("# system\nBe kind.\n", "1: there is no user section: write a line '# user'"),
        (
            "Hello\n# user\nHi\n",
            "1: text stands before the first section: write '# system' or '# user' above it.",
        ),
        ("# user\nA\n# user\nB\n", "4: a second user section follows: put the text into one section."),
        ("# system\nA\n# user\nB\n# system\nC\n", "6: a second system section follows"),
        ("# user\nB\n# system\nC\n", "4: the system section must be the first: move it up."),
        (
            "# assistant\nB\n# user\nC\n",
            "2: an assistant section answers a user section: write '# user' above it.",
        ),
        ("# user\nB\n# assistant\nC\n", "4: the last section must be the user's"),
        ("# system\n\n# user\nC\n", "1: the system section is empty: write its text, or remove its heading."),
        (
            "---\ndescription: x\n# user\nHi\n",
            "1: the front matter is not closed: write '---' on a line of its own",
        ),
        (b"# user\nHi\n\xff\xfe\n", "3: byte 10 is not UTF-8: save the file with the encoding UTF-8."),
        ("# user\nHi\0\n", "2: the text contains a NUL character"),
        ("# user\n{{ 'a' }\n", "2: the template does not parse: "),
        ("# user\nHi\n{% for x in [1] %}\n", "3: the template does not parse: "),
        ("# user\nHi\n{% fro x %}\n", "3: the template does not parse: "),
        ("# user\nHello {{ name }}\n", "2: 'name' is not declared: add it under 'inputs'."),
        ("# user\n{{ 'a' | uper }}\n", "2: there is no filter 'uper'. Did you mean 'upper'?"),
        ("# user\n{% if 1 is od %}x{% endif %}\n", "2: there is no test 'od'. Did you mean 'odd'?"),
        ("# user\n<untrusted-x>\n", "2: '<untrusted' is kept for the fences that Roadworthy adds"),
    ],
)
def test_a_faulty_file_is_explained(text, expected) -> None:
    """Each fault has its line and says what to write."""
    assert fault(text).startswith(expected)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("descripton: x", "2: unknown key 'descripton'. Did you mean 'description'?"),
        (
            "temperature: 0",
            "2: unknown key 'temperature'. Write it under 'settings:', indented: '  temperature: …'.",
        ),
        ("settings:\n  temprature: 0", "3: unknown key 'settings.temprature'. Did you mean 'temperature'?"),
        (
            "settings:\n  temperature: 3",
            "3: 'settings.temperature' should be less than or equal to 2, not 3.",
        ),
        ("settings:\n  temperature: .nan", "3: 'settings.temperature' should be"),
        (
            "settings:\n  max_tokens: 0",
            "3: 'settings.max_tokens' should be greater than or equal to 1, not 0.",
        ),
        ("settings:\n  max_tokens: '9'", "3: 'settings.max_tokens' should be a valid integer, not '9'."),
        ("settings:\n  seed: true", "3: 'settings.seed' should be a valid integer, not True."),
        ("settings:\n  stop:\n  - a\n  - 1", "5: 'settings.stop.1' should be a valid string, not 1."),
        ("settings: warm", "2: 'settings' must be lines of 'name: value', indented below it."),
        ("description: [a]", "2: 'description' should be a valid string, not ['a']."),
        ("inputs:\n  a: strr", "3: 'inputs.a.type' names no type: 'strr'. Did you mean 'str'?"),
        (
            "inputs:\n  a:",
            "3: 'inputs.a' needs a type: write it like 'ticket: str', indented under 'inputs:'.",
        ),
        ("inputs: [a]", "2: 'inputs' needs a type: write it like"),
        ("inputs:\n  a: {typ: int}", "3: unknown key 'inputs.a.typ'. Did you mean 'type'?"),
        ("inputs:\n  a: {trusted: 1}", "3: 'inputs.a.trusted' should be a valid boolean, not 1."),
        (
            "inputs:\n  a: {type: int, default: x}",
            "3: the default of 'a' is a str, but the prompt declares int.",
        ),
        ("inputs:\n  a-b: str", "3: 'a-b' cannot name an input: use letters, digits and '_'"),
        ("inputs:\n  loop: str", "3: 'loop' cannot name an input"),
        ("inputs:\n  class: str", "3: 'class' cannot name an input"),
        ("inputs:\n  on: str", "3: YAML does not read 'on' as text here: write it in quotes."),
        ("inputs:\n  a: str\n  a: int", "4: 'a' stands here twice: keep one."),
        ("- a\n- b", "2: the front matter must be lines of 'name: value'"),
        ("description: 'x", "2: the front matter is not valid YAML: "),
        ("a: &x 1\nb: *x", "3: the front matter is not valid YAML: an alias ('*name') is not allowed"),
        ("description: !!python/name:os.system x", "2: the front matter is not valid YAML: "),
        ("description: 2026-13-45", "2: the front matter is not valid YAML: "),
        ("description: " + "[" * 5_000, "2: the front matter is nested too deeply."),
    ],
)
def test_a_faulty_front_matter_is_explained(front, expected) -> None:
    """Each fault has the line of its key and says what to write."""
    assert fault(f"---\n{front}\n---\n# user\nHi\n").startswith(expected)


def test_all_faults_are_found_in_one_go() -> None:
    """An author sees everything that is wrong, in the order of lines."""
    found = faults("---\ninputs:\n  a: str\n---\n# system\n{{ a }}\n# User\n{{ b }}\n# user\n{{ c }}\n")
    assert [line.split(":")[1] for line in found] == ["6", "7", "8", "10"]


def test_faults_are_data_too() -> None:
    """The error carries file, line and message for programs."""
    with pytest.raises(PromptError) as caught:
        version("# user\nHello {{ name }}\n")
    (found,) = caught.value.details["faults"]
    assert (found["file"], found["line"]) == ("prompts/reply/v1.md", 2)


def test_a_file_of_megabytes_is_refused() -> None:
    """Long texts are inputs, not prompts."""
    assert "more than 1,000,000 bytes" in faults("# user\n" + "x" * 1_000_000)[0]


@pytest.mark.parametrize("deep", ["(" * 3_000 + ")" * 3_000, "{% if 1 %}" * 3_000 + "{% endif %}" * 3_000])
def test_a_template_nested_too_deeply_is_refused(deep) -> None:
    """No file can break the parser."""
    text = f"# user\n{deep}\n" if deep.startswith("{%") else f"# user\n{{{{ {deep} }}}}\n"
    assert "the template does not parse: " in fault(text)
