"""Settings files, from the disk to a `Layer`; each that cannot be used gives one fault that says why.

A file is read whole, decoded, parsed by `tomllib`, and gone over once more for the line of each key.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from roadworthy.errors import Fault, SettingsError
from roadworthy.settings.layers import Layer, Place
from roadworthy.settings.lines import TooDeepError, find_lines

FILE_NAME = "roadworthy.toml"
INIT_HINT = "Run `roadworthy init` to make a project, or go to the folder of yours."

_ENVIRONMENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TOML_SAYS: Mapping[str, str] = {
    "Invalid value": "the value is not valid (text needs quotes)",
    "Cannot overwrite a value": "this key stands here for the second time",
    "Expected '=' after a key in a key/value pair": "a key needs '=' and a value",
    "Unterminated string": "a text has no closing quote",
    'Expected "\'"': "a text has no closing quote",
    "Illegal character '\\n'": "a text has no closing quote",
}


def find_root(start: Path) -> Path:
    """The nearest folder with a roadworthy.toml, from a file or folder upwards. Raises `SettingsError`."""
    start = start.absolute()
    for folder in [start, *start.parents]:
        if os.path.lexists(folder / FILE_NAME):
            return folder
    fault = Fault(f"There is no {FILE_NAME} in {display(start)} or in any folder above it.")
    raise SettingsError([fault], hint=INIT_HINT)


def environment_name(given: str | None) -> str:
    """The environment that was asked for, by `ROADWORTHY_ENV`, or `development`. Raises `SettingsError`."""
    name = given or os.environ.get("ROADWORTHY_ENV") or "development"
    if not _ENVIRONMENT_NAME.fullmatch(name):
        source = "The environment's name" if given else "The environment's name in ROADWORTHY_ENV"
        message = f"{source} may have only lower-case letters, digits, '-' and '_', such as 'production'."
        raise SettingsError([Fault(message, key="environment")])
    return name


def display(path: Path) -> str:
    """A path as a person would name it from where they stand."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current folder is gone
        return str(path)


def read_file(path: Path) -> Layer | Fault | None:
    """What the file says, why it cannot be used, or `None` when it does not exist."""
    file = display(path)
    if path.is_dir():
        return Fault(f"{file} is a folder. A settings file must stand there.", file)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Fault(f"{file} cannot be read: {error.strerror or type(error).__name__}.", file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Fault(f"{file} is not UTF-8 text. Save it with that encoding.", file, line)
    return parse(text, file)


def parse(text: str, file: str) -> Layer | Fault:
    """The text of a file as a layer, or the fault in its syntax."""
    deep = "Tables or lists are nested too deeply."
    try:
        values = tomllib.loads(text)
        lines = find_lines(text)
    except tomllib.TOMLDecodeError as error:
        return _syntax_fault(str(error), text, file)
    except TooDeepError as error:
        return Fault(deep, file, error.line)
    except RecursionError:
        return Fault(deep, file)
    except ValueError:
        return Fault("A number has too many digits.", file, _longest_line(text))
    return Layer(values, {key: Place(file, line) for key, line in lines.items()})


def _syntax_fault(message: str, text: str, file: str) -> Fault:
    """`tomllib` ends its message with "(at line 3, column 5)" or "(at end of document)"."""
    said, _, place = message.rpartition(" (at ")
    found = re.match(r"line (\d+)", place)
    line = int(found[1]) if found else len(text.rstrip().splitlines()) or 1
    if twice := re.match(r"Cannot (?:declare|mutate) .*", said):
        said = "this table stands here for the second time" if "twice" in twice[0] else said
    said = _TOML_SAYS.get(said, said)
    return Fault(f"This is not valid TOML: {said[:1].lower()}{said[1:]}.", file, line)


def _longest_line(text: str) -> int:
    lines = text.splitlines()
    return max(range(len(lines)), key=lambda position: len(lines[position])) + 1
