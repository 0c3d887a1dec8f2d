"""Reading JSON files with messages that name the place."""

from __future__ import annotations

import json

from mindpoint.errors import DataError

_LONGEST = 400  # digits


def load_json(path: str, kind: str, hint: str = "") -> object:
    """Return the content of a JSON file.

    Args:
        kind: what messages call the file, such as ``annotation file``.
        hint: what to add where the text is not JSON.

    Raises:
        DataError: no such file, it cannot be read, or it does not hold JSON; with line and column.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file, parse_int=_whole)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such {kind}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: is not JSON: {error.msg}{hint}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not JSON: byte {error.start} is not UTF-8 text") from error
    except RecursionError:
        raise DataError(f"{path}: the {kind} is nested too deeply") from None
    except _LongNumber as error:
        raise DataError(f"{path}: the {kind} cannot be used: a number has more than {_LONGEST} digits ({error}...)") from None


class _LongNumber(Exception):
    pass


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST:
        raise _LongNumber(digits[:20])
    return int(digits)
