"""Each kind that needs no code: what passes, what fails, with which category and which words."""

import json
from decimal import Decimal

import pytest

from roadworthy.evals import Case
from roadworthy.records import Usage

SOURCES = {
    "sources": [{"id": "a", "text": "Refunds take\n5 days."}, {"id": "b", "text": "Closed on Sunday."}]
}
ACTS = (
    {"action": "refund", "irreversible": True, "key": "k", "arguments": {"usd": 5, "to": "x"}},
    {"action": "mail", "irreversible": False, "key": "m", "arguments": {}},
)

# kind and settings, the output, what the case expects, passed (None: does not apply), a word of the reason
YES_OR_NO = [
    ({"kind": "exact"}, {"a": 1}, {"a": 1.0}, True, ""),
    ({"kind": "exact"}, [True], [1], False, "expected [1], got [True]"),
    ({"kind": "exact"}, {"a": 1}, None, None, ""),
    ({"kind": "exact", "field": "a"}, {"a": 1}, {"b": 1}, None, ""),
    ({"kind": "exact", "field": "a.0"}, {"a": ["x"]}, {"a": ["x"]}, True, ""),
    ({"kind": "exact", "field": "a.-1"}, {"a": []}, {"a": ["x"]}, False, "got nothing"),
    ({"kind": "exact", "field": "a.-1"}, {"a": ["x"]}, {"a": []}, None, ""),
    ({"kind": "exact", "field": "a"}, {}, {"a": "x"}, False, "got nothing"),
    ({"kind": "exact", "field": "a", "expected_field": ""}, {"a": "x"}, "x", True, ""),
    ({"kind": "exact", "value": "x"}, "x", None, True, ""),
    ({"kind": "exact", "partial": True}, {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1}}, True, ""),
    ({"kind": "exact"}, {"a": 1, "b": 2}, {"a": 1}, False, ""),
    ({"kind": "exact"}, float("nan"), 1, False, "nan"),
    ({"kind": "contains", "all": ["five"], "none": ["six"]}, "Five days", None, True, ""),
    ({"kind": "contains", "all": ["five"], "case_sensitive": True}, "Five", None, False, "'five'"),
    ({"kind": "contains", "none": ["six"]}, "In six days", None, False, "contains 'six'"),
    ({"kind": "contains", "any": ["a", "b"]}, "c", None, False, "none of"),
    ({"kind": "contains", "all": ["art"], "words": True}, "party, art!", None, True, ""),
    ({"kind": "contains", "all": ["art"], "words": True}, "party", None, False, ""),
    ({"kind": "contains"}, "Hello", ["hello", "bye"], False, "'bye'"),
    ({"kind": "contains"}, "Hello", [], None, ""),
    ({"kind": "contains", "all": ["x"]}, None, None, False, "no text"),
    ({"kind": "contains", "all": ['"a": 1']}, {"a": 1}, None, True, ""),
    ({"kind": "regex", "pattern": r"^t-\d+$"}, "t-17", None, True, ""),
    ({"kind": "regex", "pattern": r"(?i)SORRY", "matches": False}, "so sorry", None, False, "matches"),
    ({"kind": "regex", "pattern": "(a+)+$"}, "a" * 50_000 + "!", None, False, "does not match"),
    ({"kind": "similarity", "at_least": 0.5}, "the cat sat", "The cat!", True, ""),
    ({"kind": "similarity", "at_least": 0.9}, "the cat sat", "The cat!", False, "0.8"),
    ({"kind": "similarity", "at_least": 1}, "b", ["a", "b"], True, ""),
    ({"kind": "similarity", "measure": "edits", "at_least": 0.7}, "kitten", "mitten", True, ""),
    ({"kind": "similarity", "measure": "characters", "at_least": 0.5}, "Colour", "color", True, ""),
    ({"kind": "similarity", "at_least": 0.5}, None, "a", False, "no text"),
    ({"kind": "numeric"}, 10, 10.0, True, ""),
    ({"kind": "numeric"}, "10", 10, False, "no number"),
    ({"kind": "numeric"}, True, 1, False, "no number"),
    ({"kind": "numeric"}, 1, True, None, ""),
    ({"kind": "numeric", "absolute": 0.1}, 1.1, 1, True, ""),
    ({"kind": "numeric", "absolute": 0.1}, 1.11, 1, False, "expected 1.0, got 1.11"),
    ({"kind": "numeric", "relative": 0.01}, -101, -100, True, ""),
    ({"kind": "numeric", "parse": "last"}, "of 3 items 2 cost $1,234.50.", 1234.5, True, ""),
    ({"kind": "numeric", "parse": "first"}, "of 3 items 2", 3, True, ""),
    ({"kind": "numeric", "parse": "only"}, "of 3 items 2", 3, False, "no number"),
    ({"kind": "numeric", "parse": "only"}, "it is 42", "42", True, ""),
    ({"kind": "numeric", "parse": "only", "decimal_comma": True}, "1.234,5 €", 1234.5, True, ""),
    ({"kind": "numeric", "parse": "only"}, "\u22125 degrees", -5, True, ""),
    ({"kind": "numeric"}, float("inf"), 1, False, "no number"),
    ({"kind": "numeric"}, 10**5000, 1, False, "no number"),
    ({"kind": "set"}, ["b", "a", "a"], ["a", "b"], True, ""),
    ({"kind": "set"}, ["a", "c"], ["a", "b"], False, "missing 'b'; not expected 'c'"),
    ({"kind": "set", "measure": "recall"}, ["a", "c"], ["a"], True, ""),
    ({"kind": "set", "measure": "precision", "at_least": 0.5}, ["a", "c"], ["a"], True, ""),
    ({"kind": "set", "measure": "f1"}, [], [], True, ""),
    ({"kind": "set"}, [1, "1"], [1.0], False, "not expected '1'"),
    ({"kind": "set", "item_field": "id"}, [{"id": "a", "x": 1}], ["a"], True, ""),
    ({"kind": "set", "ignore_case": True}, ["A"], ["a"], True, ""),
    ({"kind": "set"}, "a", ["a"], False, "no list"),
    ({"kind": "set"}, ["a"], "a", None, ""),
    ({"kind": "list"}, ["a", "b"], ["b", "a"], False, "expected ['b', 'a'], got ['a', 'b']"),
    ({"kind": "list", "measure": "prefix"}, ["a", "b"], ["a"], True, ""),
    ({"kind": "list", "measure": "edits", "at_least": 0.5}, ["a", "b"], ["a", "c"], True, ""),
    ({"kind": "list", "measure": "recall", "k": 2}, ["x", "a", "b"], ["a", "b"], False, "0.5"),
    ({"kind": "list", "measure": "reciprocal_rank", "at_least": 0.5}, ["x", "a"], ["a"], True, ""),
    ({"kind": "list", "measure": "ndcg"}, ["a", "b"], {"a": 3, "b": 1}, True, ""),
    ({"kind": "list", "measure": "ndcg"}, ["b", "a"], {"a": 3, "b": 1}, False, ""),
    ({"kind": "list", "measure": "ndcg"}, ["b"], {"a": "much"}, None, ""),
    ({"kind": "list", "measure": "recall"}, ["a"], [], False, ""),
    (
        {"kind": "schema", "json_schema": {"type": "object", "required": ["a"]}},
        {},
        None,
        False,
        "a: is missing",
    ),
    ({"kind": "schema", "json_schema": {"type": "string"}}, "x", None, True, ""),
    ({"kind": "schema", "field": "a", "json_schema": {"type": "null"}}, {}, None, False, "nothing"),
    ({"kind": "not_empty"}, " \n", None, False, "empty"),
    ({"kind": "not_empty"}, [], None, False, "empty"),
    ({"kind": "not_empty"}, 0, None, True, ""),
    ({"kind": "length", "at_most": 3}, "four", None, False, "4 characters"),
    ({"kind": "length", "at_least": 2, "unit": "words"}, "one", None, False, "1 words"),
    ({"kind": "length", "at_most": 2, "unit": "items"}, [1, 2], None, True, ""),
    ({"kind": "length", "at_most": 2, "unit": "items"}, "ab", None, False, "no items"),
]


def _named(value: object) -> str | None:
    return value["kind"] if isinstance(value, dict) and "kind" in value else ""


@pytest.mark.parametrize(("settings", "output", "expected", "passed", "words"), YES_OR_NO, ids=_named)
def test_a_kind_says_yes_or_no(build, case_of, say, settings, output, expected, passed, words):
    """A case that expects nothing to compare with is none of its business."""
    evaluator, case = build(**settings), case_of(expected)
    assert evaluator.applies(case) is (passed is not None)
    if passed is None:
        return
    said = say(evaluator, output, case)
    assert (said.passed, said.error) == (passed, False)
    assert words in said.reason
    assert bool(said.category) is not passed


CITED = [
    ([{"id": "a", "quote": "take\n5 days"}], {}, True, ""),
    ([{"id": "a", "quote": "take 5 days"}], {}, False, "wrong quote"),
    ([{"id": "a", "quote": "take 5 days"}], {"any_spaces": True}, True, ""),
    ([{"id": "b", "quote": "take\n5 days"}], {}, False, "wrong quote"),
    ([{"id": "b", "quote": ""}], {}, False, "wrong quote"),
    ([{"id": "b"}], {}, True, ""),
    (["a", "b"], {}, True, ""),
    (["a", "z"], {}, False, "unknown source"),
    ([{"id": 7}], {}, False, "unknown source"),
    ([{}], {}, False, "unknown source"),
    ([], {}, False, "no citation"),
    ([], {"required": False}, True, ""),
    (None, {}, False, "no citation"),
    ("a", {}, False, "no citation"),
]


@pytest.mark.parametrize(("cited", "settings", "passed", "category"), CITED)
def test_what_is_cited_is_there(build, case_of, say, cited, settings, passed, category):
    """An id is that of a source, and a quote stands in that source, not in another one."""
    evaluator, case = build(kind="citations", **settings), case_of(inputs=SOURCES)
    said = say(evaluator, {"citations": cited}, case)
    assert (said.passed, said.category) == (passed, category)


def test_sources_may_be_a_table_of_texts_or_expected(build, case_of, say):
    """A case without sources has nothing to cite from, and is not judged."""
    evaluator = build(kind="citations", sources="expected.passages")
    case = case_of({"passages": {"p1": "word for word"}})
    assert say(evaluator, {"citations": [{"id": "p1", "quote": "for word"}]}, case).passed
    assert not evaluator.applies(case_of({"passages": 3}))
    assert not evaluator.applies(case_of())


def test_a_share_of_right_citations_is_told(build, case_of, say):
    """Two of three hold."""
    said = say(build(kind="citations"), {"citations": ["a", "b", "z"]}, case_of(inputs=SOURCES))
    assert said.value == pytest.approx(2 / 3)


DECLINES = [
    ({"values": ["refuse"], "field": "outcome"}, {"outcome": "refuse"}, None, ("must-refuse",), True, ""),
    (
        {"values": ["refuse"], "field": "outcome"},
        {"outcome": "reply"},
        None,
        ("must-refuse",),
        False,
        "under-refusal",
    ),
    (
        {"values": ["refuse"], "field": "outcome"},
        {"outcome": "refuse"},
        None,
        ("edge",),
        False,
        "over-refusal",
    ),
    ({"values": ["refuse"], "field": "outcome"}, {"outcome": "refuse"}, {"outcome": "refuse"}, (), True, ""),
    (
        {"values": ["refuse"], "field": "outcome"},
        {"outcome": "refuse"},
        {"outcome": "reply"},
        ("must-refuse",),
        False,
        "over-refusal",
    ),
    ({}, "I\u2019m sorry, but I can\u2019t help with that.", None, ("must-refuse",), True, ""),
    ({}, "Of course!" + " " * 400 + "I cannot help", None, ("must-refuse",), False, "under-refusal"),
    ({}, "Here you are.", None, (), True, ""),
    ({}, "Here you are.", True, (), False, "under-refusal"),
    ({"phrases": ["no way"]}, "x" * 400 + " No way.", True, (), True, ""),
    (
        {"values": ["refuse"], "text_field": "message"},
        {"message": "I won't."},
        None,
        (),
        False,
        "over-refusal",
    ),
]


@pytest.mark.parametrize(("settings", "output", "expected", "tags", "passed", "category"), DECLINES)
def test_too_little_and_too_much_declining(
    build, case_of, say, settings, output, expected, tags, passed, category
):
    """Both are failures, of two kinds; the expectation has the last word before tags."""
    said = say(build(kind="refusal", **settings), output, case_of(expected, tags))
    assert (said.passed, said.category) == (passed, category)


@pytest.mark.parametrize(
    ("settings", "outcome", "tags", "passed", "category"),
    [
        ({}, {"rung": "review"}, ("must-escalate",), True, ""),
        ({}, {"rung": "model"}, ("must-escalate",), False, "missed escalation"),
        ({}, {"rung": "review"}, (), False, "needless escalation"),
        ({"actions": ["mail"]}, {"acts": ACTS}, ("must-escalate",), True, ""),
        ({"actions": ["call"]}, {"acts": ACTS}, ("must-escalate",), False, "missed escalation"),
        ({"category": "handover"}, {"rung": "review"}, (), False, "handover"),
        ({"field": "person"}, {"output": {"person": True}}, ("must-escalate",), True, ""),
    ],
)
def test_who_has_to_go_to_a_person(build, case_of, say, settings, outcome, tags, passed, category):
    """By a field, a rung of the route, or an action."""
    said = say(
        build(kind="escalation", **settings), outcome.pop("output", {}), case_of(None, tags), **outcome
    )
    assert (said.passed, said.category) == (passed, category)


@pytest.mark.parametrize(
    ("kind", "error", "tags", "passed"),
    [
        ("refusal", "refused", ("must-refuse",), True),
        ("refusal", "refused", (), False),
        ("refusal", "timeout", (), None),
        ("refusal", "needs_person", ("must-refuse",), None),
        ("escalation", "needs_person", ("must-escalate",), True),
        ("escalation", "needs_person", (), False),
        ("escalation", "refused", (), None),
        ("any_of", "timeout", (), None),
    ],
)
def test_a_failure_may_be_what_was_expected(build, case_of, say, kind, error, tags, passed):
    """A provider's own filter and a person are told apart from outages, which pass nothing."""
    several = {"of": [{"kind": "refusal"}, {"kind": "exact"}]} if kind == "any_of" else {}
    evaluator = build(kind=kind, **several)
    assert evaluator.judges_failures
    said = say(evaluator, None, case_of("x", tags), error=error, rung="review" * (error == "needs_person"))
    assert (said.passed, said.error) == (passed, False)


@pytest.mark.parametrize(
    ("settings", "expected", "passed", "category"),
    [
        ({"must": [{"action": "refund"}]}, None, True, ""),
        ({"must": [{"action": "refund", "arguments": {"usd": 5}}]}, None, True, ""),
        ({"must": [{"action": "refund", "arguments": {"usd": 6}}]}, None, False, "missing action"),
        ({"must_not": [{"action": "refund", "arguments": {"to": "x"}}]}, None, False, "forbidden action"),
        ({"must_not": [{"action": "delete"}]}, None, True, ""),
        ({}, {"acts": ["mail", "refund"]}, True, ""),
        ({"in_order": True}, {"acts": ["mail", "refund"]}, False, "missing action"),
        ({}, {"acts": ["mail", "mail"]}, False, "missing action"),
        ({"others": False}, {"acts": ["mail"]}, False, "unexpected action"),
        ({}, {"acts": []}, False, "unexpected action"),
        ({}, {"acts": [{"action": "refund", "arguments": {"to": "x"}}]}, True, ""),
        ({}, {"acts": [7]}, False, "missing action"),
        ({}, {"other": []}, None, ""),
    ],
)
def test_what_a_workflow_would_have_done(build, case_of, say, settings, expected, passed, category):
    """Each expected action counts once, with at least the arguments that are named."""
    evaluator, case = build(kind="acts", **settings), case_of(expected)
    assert evaluator.applies(case) is (passed is not None)
    if passed is not None:
        said = say(evaluator, None, case, acts=ACTS)
        assert (said.passed, said.category) == (passed, category or "")


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"kind": "latency", "at_most_seconds": 1}, 2.0),
        ({"kind": "cost", "at_most_usd": 0.01}, 0.02),
        ({"kind": "tokens", "at_most": 20}, 30),
        ({"kind": "tokens", "at_most": 5, "of": "output"}, 10),
    ],
)
def test_limits_of_what_an_answer_takes(build, say, settings, value):
    """The figure is told with the no; an answer of the exact limit passes."""
    taken = {"latency_seconds": 2.0, "cost_usd": Decimal("0.02"), "usage": Usage(20, 10)}
    said = say(build(**settings), "x", **taken)
    assert (said.passed, said.value) == (False, value)
    limit = next(name for name in settings if name.startswith("at_most"))
    assert say(build(**{**settings, limit: value}), "x", **taken).passed


def test_only_cases_with_its_tags_are_judged(build, case_of):
    """One of them is enough."""
    evaluator = build(kind="not_empty", tags=["edge", "common"])
    assert evaluator.applies(case_of(tags=("edge", "x")))
    assert not evaluator.applies(case_of(tags=("x",)))


def test_a_schema_comes_from_a_file_of_the_suite(build, say, tmp_path):
    """The version changes with the file."""
    from roadworthy.evals.evaluator import Workshop

    async def ask(*_):
        raise AssertionError

    def made():
        shop = Workshop(functions={}, ask=ask, digest_of=str, folder=tmp_path)
        return build(shop, kind="schema", file="answer.json")

    (tmp_path / "answer.json").write_text('{"type": "string"}')
    before = made()
    assert say(before, 3).passed is False
    (tmp_path / "answer.json").write_text('{"type": "integer"}')
    assert say(made(), 3).passed
    assert made().version != before.version


HOSTILE = [
    "\ud800 half \udfff",
    "nul\0",
    "x" * 10_000_000,
    "",
    None,
    float("nan"),
    float("-inf"),
    10**5000,
    -0.0,
    {"": {"\ud800": None}},
    [[]] * 1000,
    {"citations": [[[]], {"id": {}}, None, {"id": "a", "quote": "\ud800"}]},
]
DEEP: object = "x"
for _ in range(20_000):
    DEEP = [DEEP]
HOSTILE.append(DEEP)
KINDS = [
    {"kind": "exact"},
    {"kind": "contains", "all": ["x"], "none": ["\0"], "words": True},
    {"kind": "regex", "pattern": r"(x+x+)+y"},
    *({"kind": "similarity", "measure": one} for one in ("tokens", "characters", "edits")),
    {"kind": "numeric", "parse": "last", "value": 5},
    {"kind": "set", "value": ["x", 1, {"a": 1}]},
    {"kind": "list", "value": ["x", 1], "measure": "edits"},
    {"kind": "list", "value": ["x", 1], "measure": "ndcg"},
    {"kind": "schema", "json_schema": {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}},
    {"kind": "not_empty"},
    {"kind": "length", "at_most": 5, "unit": "words"},
    {"kind": "citations"},
    {"kind": "refusal"},
    {"kind": "escalation", "field": "a"},
    {"kind": "acts", "must": [{"action": "x"}]},
]


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: "-".join(map(str, list(one.values())[:2])))
def test_no_output_breaks_an_evaluator(build, say, settings):
    """Half characters, ten megabytes, NaN, a thousand levels: each gets a score that can be stored."""
    evaluator = build(**settings)
    for output in HOSTILE:
        case = Case("c-1", SOURCES, expected="some text")
        said = say(evaluator, output, case)
        stored = json.dumps(said.as_json(), ensure_ascii=False, allow_nan=False).encode()
        assert len(stored) < 2000


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: "-".join(map(str, list(one.values())[:2])))
def test_a_version_is_its_settings(build, settings):
    """The same settings are the same version; another field is another one, another category is not."""
    assert build(**settings).version == build(**settings, category="words").version
    assert build(**settings).version != build(**{**settings, "field": "other"}).version
