"""The canary is planted in every text, and found in any log line."""

from roadworthy.testing.drill.canary import Canary

CANARY = Canary("the-key-1234", "kim@person.example")


def test_every_text_of_an_input_carries_the_address():
    """Also texts inside of lists and objects; nothing else changes."""
    given = {"a": "x", "b": {"c": ["y", 1, None]}, "d": True}
    assert CANARY.planted(given) == {
        "a": "x kim@person.example",
        "b": {"c": ["y kim@person.example", 1, None]},
        "d": True,
    }


def test_leaks_are_counted_by_line(tmp_path):
    """Each kind by itself, over all files; a clean log has none."""
    clean, leaky = tmp_path / "log-1.jsonl", tmp_path / "log-2.jsonl"
    clean.write_text('{"message": "run.started"}\n')
    leaky.write_text(
        '{"error": "key the-key-1234"}\n{"message": "kim@person.example"}\n{"a": "the-key-1234"}\n'
    )
    assert CANARY.leaks([clean]) == {}
    assert CANARY.leaks([clean, leaky]) == {"the key": 2, "the address": 1}


def test_two_drills_have_two_canaries():
    """What an earlier drill left somewhere is not taken for a leak of this one."""
    assert Canary.new() != Canary.new()
