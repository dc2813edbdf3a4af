"""How layers lie over each other, and what an environment variable says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.settings.layers import (
    Layer,
    Place,
    overlay,
    override_layer,
    place_of,
    single,
    variable_layer,
    walk,
)

keys = st.sampled_from(["a", "b", "c", "d"])
leaves = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3)
tables = st.recursive(
    st.dictionaries(keys, leaves, max_size=4), lambda inner: st.dictionaries(keys, leaves | inner, max_size=4)
)


def at(values: Any, key: tuple[str | int, ...]) -> Any:
    """The value at a key."""
    for part in key:
        values = values[part]
    return values


def layer_of(values: dict[str, Any], file: str) -> Layer:
    """The values, all from line 1 of a file."""
    return Layer(values, {key: Place(file, 1) for key, _ in walk(values)})


@given(tables, tables)
def test_the_upper_layer_wins_and_the_lower_one_shines_through(base, over):
    """Each value of the upper layer stands; of the lower one, what is not hidden."""
    merged = overlay(layer_of(base, "base"), layer_of(over, "over")).values
    for key, value in walk(over):
        if not isinstance(value, dict):
            assert at(merged, key) == value
    said = dict(walk(over))
    for key, value in walk(base):
        around = [key[:length] for length in range(1, len(key) + 1)]
        lowest = next((part for part in around if not isinstance(at(base, part), dict)), key)
        hidden = lowest in said or any(not isinstance(said.get(part, {}), dict) for part in around)
        if not isinstance(value, dict) and not hidden:
            assert at(merged, key) == value


@given(tables, tables)
def test_every_merged_value_knows_the_file_it_came_from(base, over):
    """Places name exactly the keys that are left, and the file that a value is from."""
    merged = overlay(layer_of(base, "base"), layer_of(over, "over"))
    assert set(merged.places) == {key for key, _ in walk(merged.values)}
    upper = dict(walk(over))
    for key, value in walk(merged.values):
        if not isinstance(value, dict):
            lists = [key[:length] for length in range(1, len(key) + 1)]
            from_over = any(part in upper and not isinstance(upper[part], dict) for part in lists)
            assert merged.places[key].file == ("over" if from_over else "base")


@given(tables, tables, tables)
def test_a_layer_laid_over_twice_changes_nothing_more(one, two, three):
    """Only the last word counts, and an empty layer says nothing."""
    layers = [layer_of(values, name) for values, name in ((one, "1"), (two, "2"), (three, "3"))]
    joined = overlay(overlay(layers[0], layers[1]), layers[2])
    assert overlay(joined, layers[2]).values == joined.values
    assert overlay(Layer(), joined) == joined == overlay(joined, Layer())


def test_neither_layer_is_changed():
    """Merging leaves both as they were, so that a file can be laid over twice."""
    base, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert overlay(Layer(base), Layer(over)).values == {"a": {"b": 1, "c": 2}}
    assert (base, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ('{ x = "y" }', {"x": "y"}),
        ('"5"', "5"),
        ("plain", "plain"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("a # b", "a # b"),
        ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
        ("{" + ".".join("a" * 99) + " = 1}", "{" + ".".join("a" * 99) + " = 1}"),
    ],
)
def test_a_variable_is_toml_or_else_text(text, value):
    """A value that reads as one TOML value is that value; anything else, however odd, is text."""
    assert variable_layer(Layer(), "ROADWORTHY__A__B", text).values == {"a": {"b": value}}


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("ROADWORTHY__MODELS__SONNET__MODEL", "sonnet"),
        ("ROADWORTHY__MODELS__GPT_4_1__MODEL", "gpt-4.1"),
        ("ROADWORTHY__MODELS__BIG__MODEL", "Big"),
        ("ROADWORTHY__MODELS__new__MODEL", "new"),
        ("ROADWORTHY__MODELS__X_1__MODEL", "x_1"),
    ],
)
def test_a_variable_finds_the_name_that_it_can_only_nearly_spell(variable, name):
    """Names with capitals, dots and hyphens are reached; between two that fit, neither is guessed."""
    base = Layer({"models": {"sonnet": {}, "gpt-4.1": {}, "Big": {}, "x.1": {}, "X-1": {}}})
    assert variable_layer(base, variable, "m").values == {"models": {name: {"model": "m"}}}


def test_overrides_are_nested_or_dotted():
    """Both spellings mean the same; None leaves a value alone; tuples become lists."""
    layer = override_layer(
        {"database.url": "x", "workers": {"concurrency": 3, "poll_seconds": None}, "a": ("b",), "c": None}
    )
    assert layer.values == {"database": {"url": "x"}, "workers": {"concurrency": 3}, "a": ["b"]}


def test_a_missing_key_stands_where_its_table_does():
    """The place of what is not there is the nearest thing around it that is."""
    layer = single(("a", "b"), {"c": 1}, Place("f", 3))
    assert place_of(layer.places, ("a", "b", "x")) == Place("f", 3)
    assert place_of(layer.places, ("z",)) == Place()
