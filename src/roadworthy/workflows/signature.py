"""A function's signature as data: binding arguments, and JSON for what goes in and comes out.

What a step returns is turned into JSON and back before the workflow sees it, so that a live value equals the
value that a replay reads.
"""

import hashlib
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from roadworthy.db.payloads import canonical
from roadworthy.errors import ConfigurationError, InvalidInput, did_you_mean
from roadworthy.records import Json


def content_hash(value: Json) -> str:
    """A short, stable hash of a JSON value."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def as_json(value: Any, what: str) -> Json:
    """`value` as JSON data. Raises `InvalidInput` that names `what` when it has no JSON form."""
    try:
        return cast("Json", to_jsonable_python(value, inf_nan_mode="null"))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{what} cannot be stored: a {type(value).__name__} has no JSON form ({_first_line(error)}).",
            hint="Use plain values, dataclasses or Pydantic models.",
        ) from error


class Signature:
    """What a user's function takes and returns."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        self._signature = inspect.signature(function)
        for parameter in self._signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ConfigurationError(
                    f"{name!r} takes {parameter}, which cannot be named in its record.",
                    hint="Give every argument a name of its own.",
                )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return tuple(self._signature.parameters)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, defaults included. Raises `InvalidInput` where they do not fit."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            wrong = next((name for name in kwargs if name not in self._signature.parameters), "")
            hint = (
                did_you_mean(wrong, self.parameters)
                if wrong
                else f"It takes: {', '.join(self.parameters) or 'nothing'}."
            )
            raise InvalidInput(f"{self._name}: {error}.", hint=hint) from error
        bound.apply_defaults()
        return dict(bound.arguments)

    def parse(self, values: Any) -> dict[str, Any]:
        """Typed arguments from JSON data. Raises `InvalidInput` that lists every fault."""
        if not isinstance(values, Mapping):
            raise InvalidInput(
                f"The input of {self._name!r} is an object of named values, not a {type(values).__name__}.",
                hint=f"It takes: {', '.join(self.parameters) or 'nothing'}.",
            )
        given = cast("Mapping[str, Any]", values)
        try:
            model = self._model.model_validate(dict(given))
        except ValidationError as error:
            faults = [
                f"{'.'.join(str(part) for part in fault['loc'])}: {self._explain(fault)}"
                for fault in error.errors()
            ]
            told = "; ".join(faults)
            raise InvalidInput(
                f"The input of {self._name!r} does not fit: {told}{'' if told.endswith('?') else '.'}",
                details={"faults": faults},
            ) from error
        return {name: getattr(model, name) for name in self.parameters}

    def input_schema(self) -> dict[str, Any]:
        """The JSON schema of the input."""
        return self._model.model_json_schema()

    def output_schema(self) -> dict[str, Any]:
        """The JSON schema of the result."""
        return self._returns.json_schema()

    def load(self, stored: Json) -> Any:
        """A stored result as the declared type."""
        return self._returns.validate_python(stored, strict=False)

    def dump(self, result: Any) -> Json:
        """A result as JSON. Raises `InvalidInput` when it does not fit what the function declares."""
        try:
            dumped = self._returns.dump_python(result, mode="json", warnings="error")
            self._returns.validate_python(dumped)
        except (PydanticSerializationError, ValidationError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"The result of {self._name!r} cannot be stored as what it declares: {_first_line(error)}.",
                hint="Return plain values, dataclasses or Pydantic models, and annotate the return type.",
            ) from error
        return cast("Json", dumped)

    def _explain(self, fault: Any) -> str:
        if fault["type"] == "extra_forbidden":
            return f"unknown. {did_you_mean(str(fault['loc'][0]), self.parameters)}".strip()
        if fault["type"] == "missing":
            return "missing"
        return str(fault["msg"])

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except NameError as error:
            raise ConfigurationError(
                f"An annotation of {self._name!r} is not known: {error}.",
                hint="Define the type at module level.",
            ) from error

    @cached_property
    def _model(self) -> Any:
        fields: dict[str, Any] = {
            name: (
                self._hints.get(name, Any),
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for name, parameter in self._signature.parameters.items()
        }
        return create_model(f"{self._name}_input", __config__=ConfigDict(extra="forbid"), **fields)

    @cached_property
    def _returns(self) -> TypeAdapter[Any]:
        try:
            return TypeAdapter(self._hints.get("return", Any))
        except PydanticUserError as error:
            raise ConfigurationError(
                f"The return type of {self._name!r} has no JSON form: {_first_line(error)}.",
                hint="Return plain values, dataclasses or Pydantic models.",
            ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__
