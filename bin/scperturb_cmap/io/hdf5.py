"""Opening HDF5 files, whatever stands on them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from anndata.abc import CSCDataset, CSRDataset
from anndata.io import read_elem, sparse_dataset
from scipy.sparse import issparse

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["Damaged", "check_positions", "open_hdf5", "read_stored", "require_size", "stored_matrix"]

#: What h5py says in errors of other kinds; any other is a mistake of ours.
_OF_H5PY = re.compile("Unable to|Can't|Insufficient precision|No NumPy equivalent")


class Damaged(ValueError):
    """A part of an HDF5 file that cannot be what it should be; :func:`open_hdf5` makes a sentence of it."""


#: gzip packs at most a thousandfold; what is no larger than this may be read whatever the file's size (values never written).
_MOST_PACKED, _SMALL = 1100, 1_000_000_000


def require_size(part: h5py.Group | h5py.Dataset) -> None:
    """Refuse what is larger than its file can hold, as after damage to its shape: reading it would take all memory.

    Raises
    ------
    Damaged
        A dataset, or one of a group, is so.
    """
    most = max(_SMALL, _MOST_PACKED * part.file.id.get_filesize())

    def check(_name: str, one: h5py.Group | h5py.Dataset) -> None:
        elsewhere = isinstance(one, h5py.Dataset) and (one.is_virtual or one.external)
        if isinstance(one, h5py.Dataset) and not elsewhere and (one.size or 0) * one.dtype.itemsize > most:
            raise Damaged(f"{one.name}: its shape is {one.shape}, more than the file can hold")

    check("", part)
    if isinstance(part, h5py.Group):
        part.visititems(check)


def read_stored(part: h5py.Group | h5py.Dataset) -> object:
    """What anndata stored there.

    Raises
    ------
    Damaged
        It is damaged, or in a layout that this anndata does not know: it raises whatever its readers and HDF5 do.
    """
    require_size(part)
    try:
        return read_elem(part)
    except MemoryError:
        raise
    except Exception as error:
        raise Damaged(f"{part.name}: {error}") from None


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
        if not isinstance(error, OSError | RuntimeError | Damaged) and not _OF_H5PY.search(str(error)):
            raise
        raise InputError(Problem(name, "", "It is no HDF5 file, or it is damaged.", remedy)) from None


def stored_matrix(stored: h5py.Dataset | h5py.Group) -> h5py.Dataset | CSRDataset | CSCDataset:
    """A matrix to be read in parts; of a sparse one the starts must ascend, or values would land in other rows.

    Raises
    ------
    Damaged
        They do not.
    """
    if not isinstance(stored, h5py.Group):
        return stored
    require_size(stored)
    try:
        matrix, starts, n_values = sparse_dataset(stored), stored["indptr"][()].astype(np.int64), len(stored["data"])
        # There may be room behind the last value.
        whole = starts[0] == 0 and starts[-1] <= n_values == len(stored["indices"]) and (np.diff(starts) >= 0).all()
        fits = whole and len(starts) == matrix.shape[matrix.format == "csc"] + 1
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:  # by what is there instead of arrays
        raise Damaged(f"{stored.name}: {error}") from None
    if not fits:
        raise Damaged("the positions of its sparse matrix do not fit its values")
    return matrix


def check_positions(block: np.ndarray) -> None:
    """Refuse a part of a sparse matrix with values outside of it: they would be added up somewhere in memory.

    Raises
    ------
    Damaged
        It has some.
    """
    if issparse(block) and block.nnz:
        across = block.shape[1] if block.format == "csr" else block.shape[0]
        if block.indices.min() < 0 or block.indices.max() >= across:
            raise Damaged("its sparse matrix has values outside of it")
