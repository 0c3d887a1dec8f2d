"""HDF5 files, read by h5py (extra ``importers``) without unpickling."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, List, Sequence

import numpy as np
from mindpoint.errors import ConfigError, DataError

_MOST_BYTES = 1 << 30  # limit of an array


@contextlib.contextmanager
def hdf5(path: Path) -> Iterator[object]:
    """Open an HDF5 file; errors of the file in the block become a DataError."""
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(f"{path}: reading it needs h5py: pip install h5py, or mindpoint with the extra 'importers'") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError, IndexError, AttributeError) as error:
        said = str(error).strip("'\"")
        raise DataError(f"{path}: cannot be used: {said or type(error).__name__}; it is damaged, or not of this format") from error


def table(file: object, name: str, columns: Sequence[str] = ()) -> np.ndarray:
    """Return an array of an open HDF5 file. Raises ValueError if it is too large, or lacks a column of numbers."""
    data = file[name]
    absent = [
        column for column in columns if data.dtype.names is None or column not in data.dtype.names or data.dtype[column].kind not in "fiub"
    ]
    if absent:
        raise ValueError(f"'{name}' has no numeric column '{absent[0]}'")
    if data.size * data.dtype.itemsize > _MOST_BYTES:
        raise ValueError(f"'{name}' is too large, with {data.size:,} entries")
    return data[()]


def texts(file: object, name: str) -> List[str]:
    """Return a list of texts of an open HDF5 file."""
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in table(file, name)]
