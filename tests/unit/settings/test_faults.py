"""Every kind of fault: its line, its key and its sentence."""

from pathlib import Path

import pytest

from roadworthy.settings.faults import shown

CASES = [
    tuple(case.rstrip("\n").split("\n-----\n"))
    for case in Path(__file__).with_name("faults.txt").read_text("utf-8").split("=====\n")[1:]
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_fault_has_its_line_its_key_and_a_sentence(project, text, expected):
    """Each kind of fault is told exactly as `faults.txt` says."""
    project.root.joinpath("roadworthy.toml").write_text(text, "utf-8")
    fault = project.faults()[0]
    assert f"{fault.file}:{fault.line} {fault.key}\n{fault.message}" == expected


def test_all_faults_are_told_in_one_go(project):
    """Wrong types, unknown names and broken references are found together, in the order of the file."""
    faults = project.faults("""
[project]
nmae = "desk"

[models.sonnet]
provider = "antropic"

[routes.answer]
models = ["sonet"]
attempts = "many"

[schedules.nightly]
workflow = "w"
cron = "never"
""")
    assert [(fault.line, fault.key) for fault in faults] == [
        (2, "project.nmae"),
        (5, "models.sonnet.provider"),
        (8, "routes.answer.models[1]"),
        (9, "routes.answer.attempts"),
        (13, "schedules.nightly.cron"),
    ]


def test_a_fault_in_an_overlay_names_the_overlay(project):
    """A value is blamed on the file it came from, and a missing one on the first that has its table."""
    project.write("\n[workers]\nconcurrency = 0\n[models.b]\nregion = 'eu'\n", "roadworthy.staging.toml")
    assert [
        (f.file, f.line, f.key) for f in project.faults("[workers]\npoll_seconds = 0\n[models.b]", "staging")
    ] == [
        ("roadworthy.toml", 2, "workers.poll_seconds"),
        ("roadworthy.toml", 3, "models.b.provider"),
        ("roadworthy.staging.toml", 2, "workers.concurrency"),
    ]


def test_a_fault_of_a_variable_names_the_variable_and_not_its_value(project, setenv):
    """A value from the environment is never repeated; the variable's name leads to it."""
    setenv("ROADWORTHY__WORKERS__CONCURRENCY", "many")
    setenv("ROADWORTHY__WORKERS__POLL_SECONDS", "-77")
    setenv("ROADWORTHY__WORKRS__X", "1")
    faults = project.faults("")
    assert [fault.message.partition(": ") for fault in faults] == [
        (
            "environment variable ROADWORTHY__WORKERS__CONCURRENCY",
            ": ",
            "'workers.concurrency' must be a whole number, but is text that is not shown here.",
        ),
        (
            "environment variable ROADWORTHY__WORKERS__POLL_SECONDS",
            ": ",
            "'workers.poll_seconds' must be more than 0, but is a value that is not shown here.",
        ),
        (
            "environment variable ROADWORTHY__WORKRS__X",
            ": ",
            "Unknown section [workrs]. Did you mean 'workers'?",
        ),
    ]
    assert {(fault.file, fault.line) for fault in faults} == {("", 0)}


@pytest.mark.parametrize(
    "name", ["ROADWORTHY__", "ROADWORTHY__A____B", "ROADWORTHY____A", "ROADWORTHY__" + "__".join("A" * 40)]
)
def test_a_variable_must_spell_a_key(project, setenv, name):
    """Names with nothing between the underscores, or without end, are told."""
    setenv(name, "1")
    (fault,) = project.faults("")
    assert fault.message.endswith("the name must be a key's, such as ROADWORTHY__DATABASE__URL.")


def test_a_variable_with_broken_bytes_is_told(project, setenv):
    """Bytes that are no UTF-8 are refused at the door, in variables and in references."""
    setenv("ROADWORTHY__PROJECT__NAME", "caf\udce9")
    setenv("BROKEN", "\udce9")
    assert project.complaints("[telemetry]\nservice_name = '${BROKEN}'") == [
        "roadworthy.toml:2: The environment variable 'BROKEN' is not UTF-8 text.",
        "environment variable ROADWORTHY__PROJECT__NAME: the value is not UTF-8 text.",
    ]


def test_a_fault_of_an_override_says_so(project):
    """What code or a command line passed in is not blamed on a file."""
    (fault,) = project.faults("", workers={"concurrency": 0})
    assert str(fault) == "override: 'workers.concurrency' must be at least 1, but is 0."


def test_names_cannot_write_to_the_terminal(project):
    """Control characters in keys and values come out escaped, and long ones short."""
    text = "\n".join(
        project.complaints('"\\u001b[31m" = 1\n[telemetry]\nlog_format = "\\u001b' + "x" * 5000 + '"')
    )
    assert "\x1b" not in text
    assert len(text) < 500


def test_no_words_of_pydantic_reach_a_person(project):
    """Whatever is wrong, the sentences are our own."""
    values = ["1", "1.5", "true", "'x'", "[]", "{}", "1979-05-27", "inf", "nan", "-1"]
    sections = [
        "project",
        "database",
        "models.m",
        "routes.m",
        "prompts.m",
        "workflows.m",
        "schedules.m",
        "workers",
    ]
    keys = [
        "name",
        "url",
        "provider",
        "prices",
        "models",
        "tags",
        "route",
        "cron",
        "input",
        "concurrency",
        "pool_size",
    ]
    for value in values:
        text = "\n".join(
            f"[{section}]\n" + "\n".join(f"{key} = {value}" for key in keys) for section in sections
        )
        complaints = "\n".join(project.complaints(text))
        assert "Input should" not in complaints
        assert "Value error" not in complaints
        assert "is not valid," not in complaints


def test_dangerous_looking_values_are_not_shown():
    """Keys of providers, URLs with passwords, and long mixed text are left out of messages."""
    for value in ["sk-ant-REDACTED", "https://a:b@c", "x" * 10 + "A" * 10 + "1", "0" * 32, "AKIA" + "X" * 16]:
        assert shown(value) == "text that is not shown here"
    assert shown("claude-sonnet-4-5-20250929") == "the text 'claude-sonnet-4-5-20250929'"
