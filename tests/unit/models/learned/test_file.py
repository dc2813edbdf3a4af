"""The file of a router is read as it was written, and nothing else is taken for one."""

import json

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.models.learned import RouterFile


def test_what_is_written_is_read(make_file, tmp_path):
    """Every figure survives; the folder is made; nothing unfinished stays behind."""
    made = make_file(threshold=0.1 + 0.2, terms={"\u914d": (1.0, 2.0), 'say "hi"': (3.5, -1e-08)})
    path = tmp_path / "routes" / "answer.json"
    made.write(path)
    assert RouterFile.read(path) == made
    assert [one.name for one in path.parent.iterdir()] == ["answer.json"]


def test_a_router_without_terms_is_valid_too(make_file, tmp_path):
    """Where there was nothing to learn, the file still is one."""
    made = make_file(terms={}, threshold=None, max_share=0.0, loss_bound=None, more_cases=120)
    made.write(tmp_path / "r.json")
    assert RouterFile.read(tmp_path / "r.json") == made


def test_the_file_has_a_line_for_each_term_in_order(make_file):
    """A review shows which words changed."""
    text = make_file(terms={"b": (1.0, 2.0), "a": (1.5, -0.25)}).text()
    assert text.endswith('  "terms": {\n    "a": [1.5, -0.25],\n    "b": [1.0, 2.0]\n  }\n}\n')
    assert text.startswith('{\n  "format": "roadworthy-router",\n  "version": 1,\n  "route": "answer",\n')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not the file of a trained router"),
        (b'{"format": "something"}', "is not the file of a trained router"),
        (b'{"format": "roadworthy-router", "version": 2}', "has another format than this program reads"),
        (b'{"format": "roadworthy-router", "version": 1}', "is damaged: route: Field required"),
    ],
)
def test_something_else_is_refused(tmp_path, content, said):
    """The message names the file, what is wrong, and that training makes a new one."""
    path = tmp_path / "router.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"router\.json") as caught:
        RouterFile.read(path)
    assert said in caught.value.message
    assert caught.value.hint == "Train it again: roadworthy routes train"


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("max_share", 1.5, "max_share"),
        ("max_share", "0.4", "max_share"),
        ("threshold", None, "the whole"),
        ("strong", "small", "the whole"),
        ("terms", {"parcel": [1.0]}, "terms.parcel"),
        ("terms", {"parcel": [1.0, float("nan")]}, "terms.parcel"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_damaged_file_is_refused(make_file, tmp_path, key, value, where):
    """A value that was changed by hand to what it cannot be is found when the file is read."""
    path = tmp_path / "router.json"
    path.write_text(json.dumps({**json.loads(make_file().text()), key: value}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"is damaged: {where}"):
        RouterFile.read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    """What cannot be read says so."""
    with pytest.raises(ConfigurationError, match=r"There is no trained router '.*gone\.json'"):
        RouterFile.read(tmp_path / "gone.json")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        RouterFile.read(tmp_path)
