"""The YAML block at the top of a prompt file, checked key by key, with the line of every fault.

YAML is read twice over: `_Plain` turns it into plain values and remembers the line of every key, then the
models below say what a front matter may contain. Anchors and aliases are refused: a prompt needs none, and
they can make a small file huge.
"""

import keyword
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, TypeAlias, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from roadworthy.errors import Fault, did_you_mean
from roadworthy.prompts.inputs import UnfitError, fit
from roadworthy.prompts.version import CallSettings, InputSpec, InputType

Path: TypeAlias = tuple[str, ...]

_RESERVED: Final = frozenset(
    {"loop", "range", "true", "false", "none", "self", "caller", "varargs", "kwargs"}
)
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Settings(_Strict):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: int | None = None
    stop: Annotated[list[str], BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop)] = []
    route: Annotated[str, Field(min_length=1)] | None = None


class _Input(_Strict):
    type: InputType = "str"
    description: str = ""
    trusted: bool = False
    optional: bool = False
    default: Any = None
    max_chars: Annotated[int, Field(ge=1)] | None = None


def _long_form(declared: Any) -> Any:
    return {"type": declared} if isinstance(declared, str) else declared


class _Top(_Strict):
    description: str = ""
    inputs: dict[str, Annotated[_Input, BeforeValidator(_long_form)]] = {}
    settings: _Settings = _Settings()


@dataclass(slots=True)
class FrontMatter:
    """What a front matter says, and what is wrong with it."""

    description: str = ""
    inputs: dict[str, InputSpec] = field(default_factory=dict[str, InputSpec])
    settings: CallSettings = field(default_factory=CallSettings)
    faults: list[Fault] = field(default_factory=list[Fault])


def read_front_matter(text: str, *, first_line: int, file: str) -> FrontMatter:
    """The front matter in `text`, which starts at `first_line`. Faults are returned, not raised."""
    source = _Plain(text, first_line, file)
    if source.faults:
        return FrontMatter(faults=source.faults)
    given = {key: value for key, value in source.top.items() if value is not None}
    try:
        top = _Top.model_validate(given)
    except ValidationError as error:
        return FrontMatter(faults=[_fault(detail, source) for detail in error.errors(include_url=False)])
    settings = CallSettings(
        temperature=top.settings.temperature,
        max_tokens=top.settings.max_tokens,
        seed=top.settings.seed,
        stop=tuple(top.settings.stop),
        route=top.settings.route,
    )
    front = FrontMatter(top.description, {}, settings, source.faults)
    for name, declared in top.inputs.items():
        front.inputs[name] = _spec(name, declared, source)
    return front


class _Plain:
    """YAML as plain values, with the line of every key."""

    def __init__(self, text: str, first_line: int, file: str) -> None:
        self.faults: list[Fault] = []
        self.top: dict[str, Any] = {}
        self._file = file
        self._first_line = first_line
        self._lines: dict[Path, int] = {(): first_line}
        self._loader = _Loader(text)
        try:
            node = self._loader.get_single_node()
            top = None if node is None else self._value(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._lines[()] += mark.line if mark else 0
            self.fault((), f"the front matter is not valid YAML: {error.problem or error.context}.")
        except (yaml.YAMLError, ValueError) as error:
            self.fault((), f"the front matter is not valid YAML: {str(error).splitlines()[0]}.")
        except RecursionError:
            self.fault((), "the front matter is nested too deeply.")
        else:
            if isinstance(top, dict):
                self.top = top
            elif top is not None:
                self.fault((), "the front matter must be lines of 'name: value', such as 'description: …'.")

    def fault(self, path: Path, message: str) -> None:
        """Note a fault at the line of this key, or of the nearest one around it."""
        known = path
        while known not in self._lines:
            known = known[:-1]
        self.faults.append(Fault(message, file=self._file, line=self._lines[known], key=".".join(path)))

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.SequenceNode):
            items: list[yaml.Node] = node.value
            for place, item in enumerate(items):
                self._lines[*path, str(place)] = self._first_line + item.start_mark.line
            return [self._value(item, (*path, str(place))) for place, item in enumerate(items)]
        if not isinstance(node, yaml.MappingNode):
            return cast("Any", self._loader).construct_object(node)
        result: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            self._lines[*path, name] = self._first_line + key.start_mark.line
            if key.tag != _TEXT_TAG:
                self.fault((*path, name), f"YAML does not read {name!r} as text here: write it in quotes.")
            elif name in result:
                self.fault((*path, name), f"{name!r} stands here twice: keep one.")
            result[name] = self._value(value, (*path, name))
        return result


class _Loader(yaml.SafeLoader):
    """YAML without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        events = cast("Any", self)  # the parser's methods have no types
        if events.check_event(yaml.AliasEvent):
            problem = "an alias ('*name') is not allowed: write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=events.peek_event().start_mark)
        return super().compose_node(parent, index)


_KNOWN: Final[dict[int, type[BaseModel]]] = {1: _Top, 2: _Settings, 3: _Input}
"""By the depth of a key: `seed`, `settings.seed`, `inputs.ticket.seed`."""


def _fault(detail: ErrorDetails, source: _Plain) -> Fault:
    path = tuple(str(part) for part in detail["loc"])
    key = ".".join(path)
    reason = detail["msg"].removeprefix("Input ")
    match detail["type"]:
        case "extra_forbidden" if len(path) == 1 and path[0] in _Settings.model_fields:
            message = f"unknown key {key!r}. Write it under 'settings:', indented: '  {key}: …'."
        case "extra_forbidden":
            message = (
                f"unknown key {key!r}. {did_you_mean(path[-1], _KNOWN[len(path)].model_fields)}".rstrip()
            )
        case "literal_error":
            value = str(detail["input"])
            known = did_you_mean(value, InputType.__args__)
            message = f"{key!r} names no type: {value!r}. {known}".rstrip()
        case "model_type" | "dict_type" if path[0] == "inputs":
            message = f"{key!r} needs a type: write it like 'ticket: str', indented under 'inputs:'."
        case "model_type" | "dict_type":
            message = f"{key!r} must be lines of 'name: value', indented below it."
        case _:
            message = f"{key!r} {reason}, not {detail['input']!r}."
    source.fault(path, message)
    return source.faults.pop()


def _spec(name: str, declared: _Input, source: _Plain) -> InputSpec:
    path = ("inputs", name)
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED or name.startswith("_"):
        words = "use letters, digits and '_', starting with a letter, and no word of the template language"
        source.fault(path, f"{name!r} cannot name an input: {words}.")
    spec = InputSpec(
        name=name,
        type=declared.type,
        description=declared.description,
        trusted=declared.trusted,
        optional=declared.optional or "default" in declared.model_fields_set,
        max_chars=declared.max_chars,
    )
    if declared.default is None:
        return spec
    try:
        return replace(spec, default=fit(spec, declared.default))
    except UnfitError as error:
        source.fault((*path, "default"), f"the default of {name!r} {error}")
        return spec
