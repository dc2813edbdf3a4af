"""`eval_suite`: a suite of evaluations as one test of a user's test run."""

import json

import pytest

pytest_plugins = "pytester"

SETTINGS = """
[project]
name = "desk"
[models.rule]
provider = "python"
function = "desk:by_rule"
[routes.default]
models = ["rule"]
"""

DESK = """
import roadworthy

app = roadworthy.App.load(__file__)
reply = app.prompt("reply")


def by_rule(request):
    return "delivery" if "parcel" in request.inputs["text"] else "other"


async def sort(text):
    return "delivery" if "parcel" in text else "other"
"""

SUITE = '{target}\nmin_pass = 0.5\n[[evaluators]]\nkind = "exact"\ncategory = "wrong queue"\n'
CASES = [
    ("a", "Where is my parcel?", "delivery"),
    ("b", "It has not arrived.", "delivery"),
    ("c", "Hi", "other"),
]


@pytest.fixture
def run(pytester, run_pytest):
    """Run tests of a project whose suites are `sort`, a function, and `reply`, a prompt without a tape."""
    (pytester.path / "roadworthy.toml").write_text(SETTINGS)
    (pytester.path / "desk.py").write_text(DESK)
    (pytester.path / "prompts" / "reply").mkdir(parents=True)
    (pytester.path / "prompts" / "reply" / "v1.md").write_text(
        "---\ninputs: {text: str}\n---\n# user\n{{ text }}\n"
    )
    for name, target in {"sort": 'function = "desk:sort"', "reply": ""}.items():
        folder = pytester.path / "evals" / name
        folder.mkdir(parents=True)
        (folder / "suite.toml").write_text(SUITE.format(target=target))
        lines = [
            json.dumps({"id": one, "inputs": {"text": text}, "expected": queue}) for one, text, queue in CASES
        ]
        (folder / "cases.jsonl").write_text("\n".join(lines))

    def run(test, *options):
        pytester.makepyfile(f"import pytest\nfrom roadworthy.testing import eval_suite\n{test}")
        return run_pytest(*options, with_asyncio="-pno:asyncio" not in options)

    return run


@pytest.mark.parametrize("options", [(), ("-pno:asyncio",)])
def test_a_suite_is_one_test_that_passes_at_its_share(run, options):
    """Two of three are enough for 60%, with and without pytest-asyncio."""
    run("test_sort = eval_suite('sort', min_pass=0.6)", *options).assert_outcomes(passed=1)


def test_a_suite_below_its_share_names_the_cases_that_failed(run):
    """With their categories and reasons, and the verdict."""
    result = run("test_sort = eval_suite('sort', min_pass=0.9)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "sort: 66.7% of 3 cases passed, at least 90.0% asked for.",
            "  wrong queue (1)",
            "    b: expected 'delivery', got 'other'",
            "Verdict: inconclusive",
            "  inconclusive threshold: *",
        ]
    )


def test_without_a_share_the_verdict_counts(run):
    """Too few cases to say is no fail."""
    run("test_sort = eval_suite('sort')").assert_outcomes(passed=1)


def test_what_is_not_on_tape_is_not_asked(run):
    """The test says how to record it; marked as live, it asks."""
    result = run("test_reply = eval_suite('reply')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  not_on_tape (3)", "Record what is missing*eval reply --save-tape"])
    live = run("test_reply = pytest.mark.roadworthy_live(eval_suite('reply', min_pass=0.6))")
    live.assert_outcomes(passed=1)


def test_a_suite_that_is_not_there_is_told(run):
    """By its name, with the nearest one."""
    result = run("test_typo = eval_suite('repli')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*There is no suite 'repli'*"])
