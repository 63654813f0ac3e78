"""Opening HDF5 files, whatever stands on them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["open_hdf5"]

#: What h5py says in errors of other kinds; any other is a mistake of ours.
_OF_H5PY = re.compile("Unable to|Can't|Insufficient precision|No NumPy equivalent")


@contextmanager
def open_hdf5(path: Path, name: str, remedy: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; damage gives a sentence, also where it shows only while values are read.

    Parameters
    ----------
    path
        The file.
    name
        What to call it in messages.
    remedy
        What to do about a damaged file, as a sentence.

    Raises
    ------
    InputError
        It is no HDF5 file, or a part that is read inside the ``with`` block is damaged.

    Examples
    --------
    >>> with open_hdf5(Path("lost.h5ad"), "lost.h5ad", "Download it again."):
    ...     pass
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: lost.h5ad: It is no HDF5 file, or it is damaged. Download it again.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # by where the damage lies
        if not isinstance(error, OSError | RuntimeError) and not _OF_H5PY.search(str(error)):
            raise
        raise InputError(Problem(name, "", "It is no HDF5 file, or it is damaged.", remedy)) from None
