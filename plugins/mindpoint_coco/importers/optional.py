"""Files that need a library of the extra ``importers``. None of them is ever unpickled."""

from __future__ import annotations

import contextlib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Iterator, List, Sequence

import numpy as np
from mindpoint.errors import ConfigError, DataError

_MOST_BYTES = 1 << 30  # of one array


def library(name: str, path: Path) -> ModuleType:
    """Return a library. Raises ConfigError, with advice, if it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ConfigError(f"{path}: reading it needs {package}: pip install {package}, or mindpoint with the extra 'importers'") from error


@contextlib.contextmanager
def hdf5(path: Path) -> Iterator[object]:
    """Open an HDF5 file; whatever fails in the block for the file's sake is one DataError."""
    h5py = library("h5py", path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError, IndexError, AttributeError) as error:
        said = str(error).strip("'\"")
        raise DataError(f"{path}: cannot be used: {said or type(error).__name__}; it is damaged, or no file of this kind") from error


def table(file: object, name: str, columns: Sequence[str] = ()) -> np.ndarray:
    """Return an array of an open HDF5 file. Raises ValueError if it is too large, or lacks a column of numbers."""
    data = file[name]
    absent = [column for column in columns if data.dtype.names is None or column not in data.dtype.names or data.dtype[column].kind not in "fiub"]
    if absent:
        raise ValueError(f"'{name}' has no numbers '{absent[0]}'")
    if data.size * data.dtype.itemsize > _MOST_BYTES:
        raise ValueError(f"'{name}' has {data.size:,} entries")
    return data[()]


def texts(file: object, name: str) -> List[str]:
    """Return a list of texts of an open HDF5 file."""
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in table(file, name)]


def matlab_array(path: Path, name: str) -> np.ndarray:
    """Return an array of numbers in a Matlab file (version 5 to 7). Raises DataError: damaged, or without it."""
    reader = library("scipy.io", path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: has {path.stat().st_size:,} bytes; at most {_MOST_BYTES:,} are read")
        array = reader.loadmat(str(path), variable_names=[name]).get(name)
    except DataError:
        raise
    except Exception as error:  # scipy answers damage with errors of many kinds
        raise DataError(f"{path}: not a Matlab file that can be read: {error}; it is damaged, or of version 7.3") from error
    if array is None or array.dtype.kind not in "fiu":
        raise DataError(f"{path}: holds no numbers called '{name}'")
    return array
