"""GCTX and GCT matrices: values in blocks of the file's own layout, ids and metadata as the text that stands in it."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
import pandas as pd

from scperturb_cmap.io.hdf5 import open_hdf5
from scperturb_cmap.io.tables import MISSING, bare, decoded, require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["GeneMatrix"]

_MATRIX, _GENES, _SIGNATURES = "0/DATA/0/matrix", "0/META/ROW/id", "0/META/COL/id"

#: Spellings of "no value" in a GCT matrix, those of cmapPy and the empty field.
_NO_NUMBER = {"", "#N/A", "N/A", "NA", "#NA", "NULL", "-NaN", "-nan", "#N/A!", "na", "None", "#VALUE!"}

#: Bytes read at once. Plain values are copied out of the block, which is fastest while it fits the processor's cache.
_BLOCK, _DECODED_BLOCK = 2**20, 2**24
#: Bytes that are cheaper to read over than to leave out, and a chunk that is worth a read of its own.
_GAP, _LARGE_CHUNK = 2**14, 2**17


class GeneMatrix:
    r"""A GCTX or GCT file of genes x signatures.

    Parameters
    ----------
    path
        The file.
    layout
        "gctx" (HDF5, read in blocks) or "gct" (text, read whole).
    name
        What to call the file in messages; its own name by default.

    Attributes
    ----------
    genes, signatures
        Row and column ids, as text, in the order of the file.

    Raises
    ------
    InputError
        The file is missing, damaged, or something else under this name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "small.gct"
    ...     _ = path.write_text("#1.3\n1\t2\t0\t1\nid\ta\tb\npert_id\t007\t-666\n5720\t1.5\t-2\n")
    ...     matrix = GeneMatrix(path, "gct")
    >>> matrix.metadata.values.tolist(), matrix.read(np.array([1])).tolist()
    ([['a', '007'], ['b', '']], [[-2.0]])
    >>> matrix.read(np.array([0, 1]), genes=np.array([0])).tolist()
    [[1.5], [-2.0]]
    """

    def __init__(self, path: Path, layout: str, name: str | None = None):
        self.path, self.layout = Path(path), layout
        self.name = name or self.path.name
        require_data(self.path, self.name)
        if layout == "gctx":
            with self._open() as file:
                self._check(file)
                self.genes, self.signatures = (pd.Index(_texts(file[key])) for key in (_GENES, _SIGNATURES))
        else:
            self._read_gct()
        for axis, ids in (("rows", self.genes), ("columns", self.signatures)):
            if not ids.is_unique:
                raise self._problem(
                    axis,
                    f"The id {ids[ids.duplicated()][0]} stands more than once.",
                    "Give every row and column its own id.",
                )

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """Column metadata as a table of text with the column ``sig_id`` first, missing values ``""``.

        Raises
        ------
        InputError
            The metadata of a GCTX file are damaged, or a column is longer or shorter than the matrix.
        """
        columns = {}
        if self.layout == "gct":
            columns = self._columns
        else:
            with self._open() as file:
                group = file["0/META/COL"]
                for key in group:
                    if not _is_values(group[key], "Sfiub"):
                        continue
                    if group[key].shape != self.signatures.shape:
                        raise self._problem(
                            f"0/META/COL/{key}",
                            f"Its shape is {group[key].shape}, with {len(self.signatures)} signatures.",
                            "Write the file again, or give a siginfo table.",
                        )
                    columns[key] = _texts(group[key])
        table = pd.DataFrame(
            {key: values for key, values in columns.items() if key not in ("id", "sig_id")}, dtype=object
        )
        table = table.reindex(range(len(self.signatures))).replace(dict.fromkeys(MISSING, ""))
        table.insert(0, "sig_id", self.signatures)
        return table

    def read(self, positions: np.ndarray, genes: np.ndarray | None = None) -> np.ndarray:
        """Signatures at given positions of the file; memory is the result and 16 MB (or one packed chunk, if larger).

        Parameters
        ----------
        positions
            0-based, ascending, each once.
        genes
            Positions in ``genes``, likewise; all by default.

        Returns
        -------
        float32, shape (len(positions), number of genes read), NaN = missing.

        Raises
        ------
        InputError
            The part of the matrix that is read is damaged.
        IndexError
            Positions are out of range or do not ascend.
        """
        positions = _ascending(positions, len(self.signatures))
        genes = _ascending(np.arange(len(self.genes)) if genes is None else genes, len(self.genes))
        if self.layout == "gct":
            return self._values[np.ix_(genes, positions)].T
        with self._open() as file, open(self.path, "rb", buffering=0) as raw, np.errstate(over="ignore"):
            return _read(file[_MATRIX], raw, positions, genes)

    def _open(self):  # noqa: ANN202 - a context manager
        return open_hdf5(self.path, self.name, "Copy or download it again; a GCTX file is HDF5.")

    def _problem(self, field: str, wrong: str, remedy: str) -> InputError:
        return InputError(Problem(self.name, field, wrong, remedy))

    def _check(self, file: h5py.File) -> None:
        """The parts of a GCTX file are there and fit each other."""
        for key, what, *layout in (
            (_MATRIX, "table of numbers", "fiu", 2),
            (_GENES, "list of ids", "Sfiu", 1),
            (_SIGNATURES, "list of ids", "Sfiu", 1),
        ):
            if key not in file:
                raise self._problem(key, "It is HDF5 but no GCTX file.", "Give a GCTX 1.0 file.")
            if not _is_values(file[key], *layout):
                raise self._problem(key, f"It is no {what}.", "Give a GCTX 1.0 file.")
        there, named = file[_MATRIX].shape, (len(file[_SIGNATURES]), len(file[_GENES]))
        if there != named:
            raise self._problem(_MATRIX, f"Its shape {there} does not fit {named} ids.", "Write the file again.")
        offset, size = file[_MATRIX].id.get_offset(), file[_MATRIX].id.get_storage_size()
        if offset is not None and offset + size > self.path.stat().st_size:
            raise self._problem(_MATRIX, "The file ends before its matrix does.", "Copy or download it again.")

    def _read_gct(self) -> None:
        """Everything, by hand: cmapPy would make numbers of ids like 007 and 1e5, and stumbles over quotes and Latin-1."""
        # Bytes that are not UTF-8 come as surrogates, of which `decoded` makes what was meant.
        with open(self.path, encoding="utf-8-sig", errors="surrogateescape") as handle:
            if handle.readline(100).split() not in (["#1.2"], ["#1.3"]):
                raise self._problem(
                    "line 1", "A GCT file begins with #1.2 or #1.3.", "Give a GCT file or correct 'format'."
                )
            try:
                self._parse_gct(handle)
            except (ValueError, StopIteration) as error:
                detail = " ".join(str(error).split())[:200] or "it ends early"
                wrong = f"It does not parse as GCT ({detail})."
                raise self._problem("", wrong, "Write or download the file again.") from None

    def _parse_gct(self, handle: Iterator[str]) -> None:
        """The lines after the first: sizes, ids of columns, their metadata, and rows."""
        n_rows, n_columns, *extra = map(int, next(handle).split())
        before, n_heads = extra or (1, 0)
        lines = (decoded(line.encode("utf-8", "surrogateescape")) for line in handle if line.strip())
        rows = (line.rstrip("\r\n").split("\t") for line in lines)
        heads = [[bare(field) for field in next(rows)] for _ in range(1 + n_heads)]
        ids, values = [], []
        for fields in rows:
            ids.append(bare(fields[0]))
            values.append(_numbers(fields[1 + before :]))
        if {len(found) + 1 + before for found in values} | {len(head) for head in heads} != {1 + before + n_columns}:
            raise ValueError(f"not every line has {1 + before + n_columns} fields")
        if len(ids) != n_rows:
            raise ValueError(f"{len(ids)} rows of values where line 2 says {n_rows}")
        self.genes, self.signatures = pd.Index(ids, dtype=object), pd.Index(heads[0][1 + before :], dtype=object)
        self._columns = {fields[0]: fields[1 + before :] for fields in heads[1:]}
        self._values = np.array(values, np.float32).reshape(n_rows, n_columns)


def _numbers(fields: list[str]) -> np.ndarray:
    """float32 of the fields of a line of GCT, -666 and spellings of nothing as NaN."""
    try:
        values = list(map(float, fields))
    except ValueError:
        values = [np.nan if (text := bare(field)) in _NO_NUMBER else float(text) for field in fields]
    values = np.array(values, np.float32)
    values[values == -666] = np.nan
    return values


def _ascending(positions: np.ndarray, n: int) -> np.ndarray:
    """Positions among n, refused unless they ascend: the reader would mix up values of others without a sound."""
    positions = np.asarray(positions)
    if positions.size == 0:
        return positions.astype(np.intp)
    if positions.dtype.kind not in "iu" or positions[0] < 0 or positions[-1] >= n or (np.diff(positions) <= 0).any():
        raise IndexError(f"Positions must be whole numbers that ascend from 0 to {n - 1}.")
    return positions.astype(np.intp)


def _parts(wanted: np.ndarray, size: int, most: int, far: int = 1) -> Iterator[slice]:
    """Stretches of ascending numbers whose cells, of ``size`` numbers, lie at most ``far`` apart, ``most`` cells long."""
    cells = wanted // size
    cuts = np.flatnonzero((np.diff(cells) > far) | (np.diff(cells // most) > 0)) + 1
    return map(slice, [0, *cuts.tolist()], [*cuts.tolist(), len(wanted)]) if len(wanted) else iter(())


def _read(stored: h5py.Dataset, raw: BinaryIO, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Chosen rows and columns of a stored matrix, chunk by chunk, none twice and none without wanted values."""
    values = np.empty((len(rows), len(columns)), np.float32)
    plain = _is_plain(stored)
    # A contiguous matrix is one large chunk where its bytes can be read, else a chunk for each row.
    height, width = stored.chunks or (stored.shape if plain else (1, stored.shape[1]))
    chunk = height * width * stored.dtype.itemsize
    most = 1 if plain else max(_DECODED_BLOCK // max(chunk, 1), 1)  # small chunks are read many at once
    for across in _parts(columns, width, most):
        left, right = columns[across][0] // width, columns[across][-1] // width + 1
        for down in _parts(rows, height, max(most // (right - left), 1)):
            top, bottom = rows[down][0] // height, rows[down][-1] // height + 1
            inside, chosen, out = rows[down] - top * height, columns[across] - left * width, values[down, across]
            corner = (int(top) * height, int(left) * width)
            offset = _offset(stored, corner) if plain else None
            if offset is not None:
                _read_plain(raw, offset, stored.dtype, width, inside, chosen, out)
            else:
                block = stored[corner[0] : int(bottom) * height, corner[1] : int(right) * width]
                out[:] = block[np.ix_(inside, chosen)]
    return values


def _is_plain(stored: h5py.Dataset) -> bool:
    """Whether its values stand in the file as in memory, in pieces worth a read of their own."""
    return (
        stored.id.get_create_plist().get_nfilters() == 0
        and h5py.h5t.py_create(stored.dtype) == stored.id.get_type()
        and stored.file.userblock_size == 0  # versions of HDF5 differ on what offsets count from
        and (stored.id.get_offset() is not None if stored.chunks is None else _size(stored) >= _LARGE_CHUNK)
    )


def _is_values(part: h5py.Dataset | h5py.Group, kinds: str, n_dimensions: int = 1) -> bool:
    """Whether it is a dataset of text (S) or numbers (f, i, u, b)."""
    if not isinstance(part, h5py.Dataset) or part.ndim != n_dimensions:
        return False
    return ("S" if h5py.check_string_dtype(part.dtype) else part.dtype.kind) in kinds


def _texts(values: h5py.Dataset) -> list[str]:
    """Values of a dataset as text, whatever their type."""
    known = _Known()
    return [known[value] for value in values[()]]


class _Known(dict):
    """Value of a dataset -> text, each made once: whole numbers without decimals, not-a-number as ``""``."""

    def __missing__(self, value: bytes | np.generic) -> str:
        if isinstance(value, bytes):
            text = bare(decoded(value))
        elif isinstance(value, np.floating) and value == np.round(value) and abs(value) < 1e15:
            text = str(int(value))
        else:
            text = "" if value != value else bare(str(value))
        self[value] = text
        return text
