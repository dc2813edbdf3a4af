"""`roadworthy routes`: what a route is set to, and a router from eval results to the settings that use it."""

import json
import random
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to load

SETTINGS = """
[project]
name = "desk"

[models.small]
provider = "simulated"
model = "small-1"
requests_per_minute = 600

[models.large]
provider = "simulated"
model = "large-1"

[routes.answer]
models = ["small", "large"]
then = ["cache", "later"]
hedge_after_seconds = 3
cache = { ttl_seconds = 60 }
rules = [{ when = { tag = "legal" }, models = ["large"] }]

[routes.hard]
models = ["large"]
"""
LEARNED = 'models = ["small", "large"]\nchoose = "learned"\nrouter = "routes/answer.json"\nthen'
PAGE = (Path(__file__).parents[3] / "docs" / "routing.md").read_text(encoding="utf-8")


@pytest.fixture
def desk(tmp_path, roadworthy, monkeypatch):
    """A project that is only settings, with the results of 2,000 cases; the current folder."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS, encoding="utf-8")
    source = random.Random(4)
    with (tmp_path / "results.jsonl").open("w", encoding="utf-8") as file:
        for number in range(2000):
            easy = source.random() < 0.7
            words = source.choices(("parcel late where my" if easy else "tax levy law clause").split(), k=7)
            small = 1 if easy else source.randint(0, 1)
            row = {"id": f"t-{number}", "text": " ".join(words), "scores": {"small": small, "large": 1}}
            file.write(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def use(desk: Path) -> None:
    """Set choose and router, as the command says."""
    settings = SETTINGS.replace('models = ["small", "large"]\nthen', LEARNED)
    (desk / "roadworthy.toml").write_text(settings, encoding="utf-8")


def test_list_shows_what_each_route_is_set_to(roadworthy, desk):
    """A row for each route, with what is not set left empty."""
    out = roadworthy("routes", "list").out
    (row,) = (line for line in out.splitlines() if line.startswith("answer"))
    for part in (
        "small, large",
        "order",
        "cache, later",
        "60 s for tenant",
        "after 3 s",
        "small: 600 requests/min",
    ):
        assert part in row
    assert [one["name"] for one in roadworthy("routes", "list", "--json").json["routes"]] == [
        "answer",
        "hard",
    ]


def test_list_without_routes_says_how_to_add_one(roadworthy, desk):
    """An empty project is no error."""
    (desk / "roadworthy.toml").write_text('[project]\nname = "desk"\n', encoding="utf-8")
    outcome = roadworthy("routes", "list")
    assert (outcome.code, "[routes.<name>]" in outcome.out) == (0, True)


def test_show_names_everything_of_one_route(roadworthy, desk):
    """Rules, rungs, limits and waits, a line each."""
    outcome = roadworthy("routes", "show", "answer")
    assert outcome.code == 0
    for line in (
        "rule          when tag is legal: large",
        "limits        120 s, 3 attempts",
        "repairs       1",
    ):
        assert line in outcome.out.splitlines()
    row = roadworthy("routes", "show", "answer", "--json").json
    assert row["limits"]["small"]["requests_per_minute"] == 600
    assert row["router"] is None


def test_an_unknown_route_is_named(roadworthy, desk):
    """A typing mistake is answered with the nearest name."""
    outcome = roadworthy("routes", "show", "anser")
    assert outcome.code == 2
    assert "There is no route 'anser'." in outcome.err
    assert "Did you mean 'answer'?" in outcome.err


def test_a_router_is_trained_written_and_shown(roadworthy, desk):
    """From results to a file that the route uses, and a report that says what was proven."""
    trained = roadworthy("routes", "train", "answer", "--results", "results.jsonl", "--max-loss", "0.02")
    assert trained.code == 0
    assert 'choose = "learned"\nrouter = "routes/answer.json"' in trained.out
    share = float(re.match(r"At most ([\d.]+)% of the requests may go to small", trained.out)[1])
    assert 55 < share < 75

    use(desk)
    listed = roadworthy("routes", "list")
    assert f"learned, at most {share:.1f}% to small" in listed.out
    shown = roadworthy("routes", "show", "answer")
    assert shown.code == 0
    assert trained.out.splitlines()[0] in shown.out
    report = roadworthy("routes", "show", "answer", "--json").json["router"]["report"]
    assert round(report["max_share"] * 100, 1) == share
    assert report["served"] == {"small": "small-1", "large": "large-1"}
    assert "terms" not in report

    again = roadworthy("routes", "train", "answer", "--results", "results.jsonl", "--max-loss", "0.02")
    assert "choose =" not in again.out


def test_the_report_reads_as_in_the_documentation(roadworthy, desk):
    """The page shows the report's lines, with figures of its own."""

    def shape(text: str) -> list[str]:
        plain = (re.sub(r"[*\d.,%-]+", "#", " ".join(line.split())) for line in text.splitlines())
        return [line for line in plain if line.strip("─# ")]

    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    out = roadworthy("routes", "train", "answer", "--results", "results.jsonl", "--max-loss", "0.02").out
    assert shape(out.split("\nWritten to")[0]) == shape(shown)


def test_a_changed_model_is_a_warning(roadworthy, desk):
    """What was evaluated is not what answers: the route says that its router is out of use."""
    roadworthy("routes", "train", "answer", "--results", "results.jsonl", "--max-loss", "0.02")
    use(desk)
    settings = (desk / "roadworthy.toml").read_text(encoding="utf-8")
    (desk / "roadworthy.toml").write_text(settings.replace("small-1", "small-2"), encoding="utf-8")
    assert "learned, but small changed" in roadworthy("routes", "list").out
    shown = roadworthy("routes", "show", "answer")
    assert shown.code == 0
    assert "warning: another model stands behind 'small' now" in shown.out


def test_a_router_that_cannot_be_used_is_said(roadworthy, desk):
    """Nothing was trained: the list goes on, and show ends with 1."""
    use(desk)
    assert "its router cannot be used" in roadworthy("routes", "list").out
    shown = roadworthy("routes", "show", "answer")
    assert shown.code == 1
    assert "warning: There is no trained router" in shown.out


def test_too_few_cases_write_a_router_that_routes_nothing(roadworthy, desk):
    """The file is written all the same, so that an older one does not stay in use."""
    lines = (desk / "results.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    (desk / "few.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = ("routes", "train", "answer", "--results", "few.jsonl", "--max-loss", "0.01", "--out", "r.json")
    outcome = roadworthy(*words)
    assert outcome.code == 0
    assert outcome.out.startswith("Nothing may go to small instead of large: 0% of the requests.")
    assert "more are needed" in outcome.out
    repeated = "\n".join([*lines, *(line.replace('"id": "', '"id": "again-') for line in lines)])
    (desk / "few.jsonl").write_text(repeated, encoding="utf-8")
    assert "60 of them say the same words as others" in roadworthy(*words).out
    assert roadworthy(*words, "--json").json["max_share"] == 0
    assert json.loads((desk / "r.json").read_text(encoding="utf-8"))["threshold"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hard", "--results", "results.jsonl"), "Route 'hard' has one model"),
        (("answer", "--results", "results.jsonl", "--strong", "larg"), "Did you mean 'large'?"),
        (("answer", "--results", "gone.jsonl"), "'gone.jsonl' cannot be read"),
        (("answer", "--results", "roadworthy.toml"), "line 2: this is not JSON."),
        (("gone", "--results", "results.jsonl"), "There is no route 'gone'."),
    ],
)
def test_what_cannot_be_trained_is_said(roadworthy, desk, words, said):
    """A mistake is one message, exit code 2, and nothing is written."""
    outcome = roadworthy("routes", "train", *words, "--max-loss", "0.01")
    assert outcome.code == 2
    assert said in outcome.err
    assert not (desk / "routes").exists()
