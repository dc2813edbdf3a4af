"""What is wrong with a suite's file, in sentences: `told`. Evaluators are named by number and kind."""

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from roadworthy.errors import did_you_mean
from roadworthy.evals.evaluators import KINDS
from roadworthy.settings.faults import dotted, sentence_of, shown

_MOST = 8


def told(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One sentence for each fault, 8 at most."""
    return [_sentence(one, root) for one in error.errors(include_url=False)[:_MOST]]


def _sentence(error: ErrorDetails, root: type[BaseModel]) -> str:
    place, section, key = _place(error["loc"], root)
    kind, name = error["type"], dotted(key)
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        said = error.get("ctx", {}).get("tag", "").strip("'\"")
        near = did_you_mean(said, KINDS)
        near = f"{near} " if near.startswith("Did") else ""
        what = f"there is no kind {said!r}" if said else "it needs a 'kind'"
        return f"{_stands(place, name)}: {what}. {near}Kinds: {', '.join(KINDS)}."
    prefix = f"{', '.join(place)}: " if place else ""
    if kind == "extra_forbidden":
        return (
            f"{prefix}there is no key {name!r}. {did_you_mean(str(key[-1]), section.model_fields)}".rstrip()
        )
    if kind == "missing":
        field = section.model_fields.get(str(key[-1]))
        return f"{prefix}it needs {name!r}. {(field and field.description) or ''}".rstrip()
    sentence, hint = sentence_of(error)
    if not key:
        return f"{prefix or 'the suite '}{'it ' if prefix else ''}{sentence}. {hint}".rstrip()
    return f"{prefix}{name!r} {sentence}, but is {shown(error['input'])}. {hint}".rstrip()


def _place(
    loc: tuple[int | str, ...], root: type[BaseModel]
) -> tuple[list[str], type[BaseModel], tuple[int | str, ...]]:
    """The evaluators that a place is in, from the outermost; the innermost's settings; the key in those."""
    place: list[str] = []
    section, rest = root, list(loc)
    while len(rest) > 2 and isinstance(rest[1], int) and rest[2] in KINDS:  # noqa: PLR2004 - list, number, kind
        outer, number, kind = str(rest[0]), rest[1], str(rest[2])
        place.append(f"{'evaluator' if outer == 'evaluators' else outer} {number + 1} ({kind})")
        section, rest = KINDS[kind], rest[3:]
    return place, section, tuple(rest)


def _stands(place: list[str], name: str) -> str:
    number = name.removeprefix("evaluators[").removesuffix("]")
    own = f"evaluator {number}" if number.isdecimal() else name
    return ", ".join([*place, own])
