"""Two texts side by side: every line of both is there once, in order, whatever the texts are."""

from hypothesis import given
from hypothesis import strategies as st

from roadworthy.prompts.difference import side_by_side

TEXTS = st.lists(
    st.sampled_from(["", "a", "b", "one two three", "one 2 three", "<b>x</b>"]), max_size=12
).map("\n".join)


def text_of(line):
    """What a line says, put together."""
    return "".join(part.text for part in line.parts)


def test_words_that_differ_are_marked():
    """What both lines have is not."""
    (row,) = side_by_side("answer politely.", "answer briefly.")
    assert [(part.text, part.differs) for part in row.new.parts] == [
        ("answer ", False),
        ("briefly", True),
        (".", False),
    ]


def test_lines_far_from_a_change_are_left_out():
    """Three around it are shown; how many are missing is told."""
    same = "\n".join(f"line {number}" for number in range(20))
    rows = side_by_side(f"{same}\nold", f"{same}\nnew")
    assert [row.left_out for row in rows] == [17, 0, 0, 0, 0]
    assert (rows[-1].old.number, rows[-1].new.number) == (21, 21)


def test_equal_texts_have_no_rows():
    """Nor have empty ones."""
    assert side_by_side("a\nb", "a\nb") == side_by_side("", "") == []


@given(TEXTS, TEXTS)
def test_nothing_is_lost(old, new):
    """Lines that are shown and lines that are left out make both texts."""
    rows = side_by_side(old, new)
    if not rows:
        assert old.splitlines() == new.splitlines()
        return
    for side, text in (("old", old), ("new", new)):
        shown = [getattr(row, side) for row in rows if getattr(row, side)]
        lines = text.splitlines()
        assert all(text_of(line) == lines[line.number - 1] for line in shown)
        assert [line.number for line in shown] == sorted({line.number for line in shown})
        assert len(shown) + sum(row.left_out for row in rows) == len(lines)
