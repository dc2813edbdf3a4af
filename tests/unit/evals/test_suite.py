"""`suite.toml`: what it may say, and how what is wrong with it is told."""

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.evals.suite import load_suite

EXACT = '[[evaluators]]\nkind = "exact"\n'


def test_a_suite_evaluates_the_prompt_of_its_name(tmp_path):
    """Unless it names another one, a workflow or a function."""
    (tmp_path / "suite.toml").write_text(EXACT)
    assert load_suite(tmp_path).target == ("prompt", tmp_path.name)
    (tmp_path / "suite.toml").write_text('workflow = "w"\n' + EXACT)
    assert load_suite(tmp_path).target == ("workflow", "w")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("min_pas = 1.0\n" + EXACT, "there is no key 'min_pas'. Did you mean 'min_pass'?"),
        ("min_pass = 2.0\n" + EXACT, "'min_pass' must be at most 1.0, but is 2.0."),
        ("", "it needs 'evaluators'. Who judges."),
        ("evaluators = []", "'evaluators' must not be empty"),
        ('prompt = "a"\nworkflow = "b"\n' + EXACT, "the suite evaluates one thing"),
        (EXACT + EXACT, "has two evaluators that are called 'exact': give one a 'name'."),
        (EXACT + 'feild = "a"\n', "evaluator 1 (exact): there is no key 'feild'. Did you mean 'field'?"),
        (EXACT + '[[evaluators]]\nkind = "regex"\n', "evaluator 2 (regex): it needs 'pattern'."),
        (
            EXACT + '[[evaluators]]\nkind = "regx"\n',
            "evaluator 2: there is no kind 'regx'. Did you mean 'regex'? Kinds: exact, contains,",
        ),
        (EXACT + '[[evaluators]]\nname = "x"\n', "evaluator 2: it needs a 'kind'. Kinds: exact"),
        (
            '[[evaluators]]\nkind = "regex"\npattern = "(?=x)"\n',
            "evaluator 1 (regex): 'pattern' must be a pattern that is searched in linear time",
        ),
        (
            '[[evaluators]]\nkind = "all_of"\nof = [{ kind = "exact" }, { kind = "length", at_last = 3 }]\n',
            "evaluator 1 (all_of), of 2 (length): there is no key 'at_last'. Did you mean 'at_least'?",
        ),
        ('[[evaluators]]\nkind = "length"\n', "evaluator 1 (length): it must have 'at_least' or 'at_most'."),
        (
            '[[evaluators]]\nkind = "judge"\nprompt = "p"\nrepeats = 2\n',
            "evaluator 1 (judge): 'repeats' must be odd",
        ),
        (
            '[[evaluators]]\nkind = "exact"\nvalue = 2026-01-01\n',
            "evaluator 1 (exact): 'value' must be what JSON can say; a date or time stands in quotes",
        ),
        ("min_pass = \n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, words):
    """The evaluator by number and kind, the key, and what was probably meant."""
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_suite(tmp_path)
    assert words in str(caught.value)
