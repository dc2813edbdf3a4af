"""The template language of prompts: Jinja's expressions, conditions and loops, and nothing that reaches out.

Values are plain data, so `.name` on an object is always its key (never a Python attribute or method), calls
are not part of the language (`check.py` refuses them), and the filters are those whose work and result are
bounded and the same every time. Loops count against one allowance for each rendering.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Final, cast

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

from roadworthy.errors import did_you_mean
from roadworthy.prompts.fence import defuse, fence
from roadworthy.prompts.inputs import to_json

COUNTERS: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
"""The parts of `loop` that are numbers, true or false."""
_FILTERS: Final = frozenset(
    {
        *(
            "abs",
            "capitalize",
            "count",
            "d",
            "default",
            "dictsort",
            "first",
            "float",
            "groupby",
            "int",
            "items",
        ),
        *("join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace"),
        *("reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim", "truncate"),
        *("unique", "upper", "wordcount"),
    }
)
_DATE_PARTS: Final = frozenset({"year", "month", "day", "hour", "minute", "second"})
_LOOP_PARTS: Final = COUNTERS | {"previtem", "nextitem"}
_SCALARS: Final = (bool, int, float, Decimal, date, type(None))
_JSON: Final = (bool, int, float, dict, list)
_MAX_ITERATIONS: Final = 100_000
_MAX_SHOWN: Final = 50

# These names cannot be written in a template: `check.py` puts them in.
FENCED: Final = "text from outside"
OWN: Final = "text of the project"
COUNTED: Final = "loop over"
WORK: Final = "work left"


@dataclass(slots=True)
class Work:
    """What one rendering may still do."""

    iterations: int = _MAX_ITERATIONS


class Sandbox(SandboxedEnvironment):
    """Jinja for plain data."""

    intercepted_binops = frozenset({"*", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
        self.filters = {name: FILTERS[name] for name in _FILTERS}
        self.filters |= {"tojson": _to_json, COUNTED: _counted}
        self.filters |= {name: _as_filter(write) for name, write in WRITERS.items()}
        self.globals = {"range": self.globals["range"]}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of an object, a part of a date, or a counter of `loop`."""
        if type(obj) is dict:
            return self._key(cast("dict[str, Any]", obj), attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP_PARTS:
            return getattr(obj, attribute)
        if isinstance(obj, date) and attribute in _DATE_PARTS and hasattr(obj, attribute):
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return getattr(obj, attribute)  # raises: says which name is missing
        return self.undefined(f"{_kind(obj)} has no {attribute!r}.", obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A key of an object, or an item or part of a list or text."""
        if type(obj) is dict:
            return self._key(cast("dict[Any, Any]", obj), argument)
        if isinstance(obj, Undefined):
            return obj[argument]  # raises: says which name is missing
        if isinstance(obj, str | list | tuple | range) and type(argument) in {int, slice}:
            try:
                return cast("Any", obj)[argument]
            except IndexError:
                return self.undefined(f"a list or text has no item {argument}.", obj=obj, name="")
        return self.undefined(f"{_kind(obj)} has no such item.", obj=obj, name="")

    def _key(self, obj: Mapping[Any, Any], key: Any) -> Any:
        try:
            return obj[key]
        except (KeyError, TypeError):
            if not (isinstance(key, str) and key.isidentifier() and len(key) <= _MAX_SHOWN):
                return self.undefined("an object has no such key.", obj=obj, name="")  # a key out of the data
            hint = did_you_mean(key, [name for name in obj if str(name).isidentifier()])
            return self.undefined(f"an object has no {key!r}. {hint}".rstrip(), obj=obj, name=key)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Only numbers are multiplied: a text times a number could fill the memory."""
        if not (isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal)):
            raise SecurityError(f"'{operator}' works on numbers only.")
        return super().call_binop(context, operator, left, right)


@cache
def sandbox() -> Sandbox:
    """The one language; it holds no state of its own."""
    return Sandbox()


def _kind(value: Any) -> str:
    for kind, words in ((list, "a list"), (str, "a text"), (dict, "an object"), (type(None), "None")):
        if isinstance(value, kind):
            return words
    return "a number or date"


def _to_json(value: Any, *, sort: bool = False) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises
    return to_json(value, sort=sort)


def _fenced(value: Any) -> str:
    text = _written(value)
    return text if isinstance(value, _SCALARS) else fence(text)


def _own(value: Any) -> str:
    return defuse(_written(value))


WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {FENCED: _fenced, OWN: _own}
"""How a value that is printed is written, by the filter that `check.py` puts around it."""


def _as_filter(write: Callable[[Any], str]) -> Callable[[Context, Any], str]:
    @pass_context  # so that Jinja does not apply it to a constant before its time
    def filtered(_: Context, value: Any) -> str:
        return write(value)

    return filtered


def _written(value: Any) -> str:
    """How a value reads in a prompt: text as it is, nothing for None, JSON for the rest."""
    if type(value) is str:
        return value
    if isinstance(value, (str, Undefined)):
        return str(value)  # raises when it is undefined
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, _JSON):
        value = list(value)  # what `map` and `select` give; a range
    return to_json(value, sort=False)


@pass_context
def _counted(context: Context, items: Any) -> Sequence[Any]:
    """What a loop goes over, taken off the allowance of this rendering."""
    work: Work = context.parent[WORK]
    taken: list[Any] = []
    for item in items:
        work.iterations -= 1
        if work.iterations < 0:
            raise SecurityError(f"its loops go around more than {_MAX_ITERATIONS:,} times; pass fewer items.")
        taken.append(item)
    return taken
