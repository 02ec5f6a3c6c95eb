"""The data files beside the code, such as prices and limits: TOML in a given shape."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from headroom.operator_error import OperatorError

T = TypeVar("T")


class DataFileError(OperatorError):
    """A data file is wrong; the text says where."""


def read(path: Path, kind: type[T]) -> T:
    """Return the content of a file. Raises DataFileError, which names the wrong field."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), kind)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise DataFileError(f"{path}: {error}") from None
