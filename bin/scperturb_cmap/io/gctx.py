"""GCTX and GCT matrices: values in blocks of the file's own layout, ids and metadata as the text that stands in it."""

import os
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
import pandas as pd

from scperturb_cmap.io.hdf5 import open_hdf5, require_size
from scperturb_cmap.io.tables import MISSING, bare, decoded, require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["GeneMatrix"]

_MATRIX, _GENES, _SIGNATURES = "0/DATA/0/matrix", "0/META/ROW/id", "0/META/COL/id"

#: Spellings of "no value" in a GCT matrix, those of cmapPy and the empty field.
_NO_NUMBER = {"", "#N/A", "N/A", "NA", "#NA", "NULL", "-NaN", "-nan", "#N/A!", "na", "None", "#VALUE!"}

#: Bytes read at once, bytes cheaper to read over than to leave out, values of a chunk that is worth reads of its own.
_SMALL_BLOCK, _LARGE_BLOCK, _GAP, _LARGE_CHUNK = 2**20, 2**24, 2**17, 2**15


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

    effect = "modz"

    def __init__(self, path: Path, layout: str, name: str | None = None):
        self.path, self.layout = Path(path), layout
        self.name = name or self.path.name
        require_data(self.path, self.name)
        if layout == "gctx":
            with self._open() as file:
                self._check(file)
                self.genes, self.signatures = (pd.Index(_texts(file[key]), object) for key in (_GENES, _SIGNATURES))
        else:
            self._read_gct()
        for axis, ids in (("rows", self.genes), ("columns", self.signatures)):
            if len(set(ids)) < len(ids):  # twice as fast as is_unique
                wrong = f"The id {ids[ids.duplicated()][0]} stands more than once."
                raise self._problem(axis, wrong, "Give every row and column its own id.")

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """Column metadata as a table of text with the column ``sig_id`` first, missing values ``""``.

        Raises
        ------
        InputError
            The metadata of a GCTX file are damaged, or a column is longer or shorter than the matrix.
        """
        columns = {} if self.layout == "gctx" else self._columns
        if self.layout == "gctx":
            with self._open() as file:
                group = file["0/META/COL"]
                for key in (key for key in group if _is_values(group[key], "Sfiub")):
                    if group[key].shape != self.signatures.shape:
                        wrong = f"Its shape is {group[key].shape}, with {len(self.signatures)} signatures."
                        remedy = "Write the file again, or give a siginfo table."
                        raise self._problem(f"0/META/COL/{key}", wrong, remedy)
                    columns[key] = _texts(group[key])
        columns = {key: values for key, values in columns.items() if key not in ("id", "sig_id")}
        table = pd.DataFrame(columns, dtype=object)
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
        with (
            self._open() as file,
            open(self.path, "rb", buffering=0) as raw,
            np.errstate(over="ignore", invalid="ignore"),
        ):
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

    def _read_gct(self) -> None:
        """Everything, by hand: cmapPy would make numbers of ids like 007 and 1e5, and stumbles over quotes and Latin-1."""
        # Bytes that are not UTF-8 come as surrogates, of which `decoded` makes what was meant.
        with open(self.path, encoding="utf-8-sig", errors="surrogateescape") as handle, np.errstate(over="ignore"):
            if handle.read(4) not in ("#1.2", "#1.3") or handle.readline().strip():
                wrong, remedy = "A GCT file begins with #1.2 or #1.3.", "Give a GCT file or correct 'format'."
                raise self._problem("line 1", wrong, remedy)
            try:
                self._parse_gct(handle)
            except (ValueError, IndexError, StopIteration) as error:
                wrong = f"It does not parse as GCT ({str(error)[:200] or 'it ends early'})."
                raise self._problem("", wrong, "Write or download the file again.") from None

    def _parse_gct(self, handle: Iterator[str]) -> None:
        """The lines after the first: sizes, ids of columns, their metadata, and rows."""
        n_rows, n_columns, *extra = map(int, next(handle).split())
        before, n_heads = extra or (1, 0)
        lines = (line.rstrip("\n").encode("utf-8", "surrogateescape") for line in handle if line.strip())
        rows = (decoded(line).split("\t") for line in lines)
        heads = [[bare(field) for field in next(rows)] for _ in range(1 + n_heads)]
        widths, ids, values = {len(fields) for fields in heads}, [], []
        for fields in rows:
            widths.add(len(fields))
            ids.append(bare(fields[0]))
            values.append(_numbers(fields[1 + before :]))
        if widths != {1 + before + n_columns} or len(ids) != n_rows:
            raise ValueError(f"not {n_rows} rows of values, or not {1 + before + n_columns} fields in every line")
        self.genes, self.signatures = pd.Index(ids, dtype=object), pd.Index(heads[0][1 + before :], dtype=object)
        self._columns = {fields[0]: fields[1 + before :] for fields in heads[1:]}
        self._values = np.array(values, np.float32).reshape(n_rows, n_columns)  # genes x signatures


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
    """Positions among n, refused unless they ascend: the reader would mix up the values of others without a sound."""
    found = np.asarray(positions)
    at = found.astype(np.intp)
    if (found.size and found.dtype.kind not in "iu") or (np.diff(at, prepend=-1, append=n) <= 0).any():
        raise IndexError(f"Positions must be whole numbers that ascend, each once, from 0 to {n - 1}.")
    return at


def _read(stored: h5py.Dataset, raw: BinaryIO, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Chosen rows and columns of a matrix: no chunk is read twice, none without wanted values at all.

    Plain values are read from the file itself, where HDF5 would fetch the whole of every chunk. What is packed, or
    stored in an unusual way, goes through HDF5 in blocks of whole chunks.
    """
    values, plain = np.empty((len(rows), len(columns)), np.float32), _is_plain(stored)
    if values.size and stored.dtype == np.float32 and len(columns) == stored.shape[1]:
        if rows[-1] - rows[0] + 1 == len(rows):  # everything of a stretch: HDF5 itself is fastest
            stored.read_direct(values, np.s_[rows[0] : rows[-1] + 1])
            return values
    # A contiguous matrix is one large chunk where its bytes can be read, else a chunk for each row.
    height, width = stored.chunks or (stored.shape if plain else (1, stored.shape[1]))
    most = 1 if plain else max(_LARGE_BLOCK // max(height * width * stored.dtype.itemsize, 1), 1)
    beside = list(_parts(columns, width, most))
    for down, top, bottom in _parts(rows, height, max(most * width // max(stored.shape[1], 1), 1)):
        for across, left, right in beside:
            inside, chosen, out = rows[down] - top, columns[across] - left, values[down, across]
            if plain and (offset := _offset(stored, (top, left))) is not None:
                _read_plain(raw, offset, stored.dtype, width, inside, chosen, out)
            else:
                out[:] = stored[top:bottom, left:right][np.ix_(inside, chosen)]
    return values


def _parts(wanted: np.ndarray, size: int, most: int, far: int = 1) -> Iterator[tuple[slice, int, int]]:
    """Stretches of ascending numbers in cells of ``size`` numbers, at most ``far`` apart and ``most`` long; their spans."""
    cells = wanted // size
    cuts = np.flatnonzero((np.diff(cells) > far) | (np.diff(cells // most) > 0)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(wanted)]) if len(wanted) else ():
        yield slice(start, stop), int(cells[start]) * size, int(cells[stop - 1] + 1) * size


def _is_plain(stored: h5py.Dataset) -> bool:
    """Whether values stand in the file as they do in memory, in pieces worth a read of their own."""
    worth = np.prod(stored.chunks) >= _LARGE_CHUNK if stored.chunks else _offset(stored) is not None
    packed = stored.id.get_create_plist().get_nfilters() > 0
    usual = h5py.h5t.py_create(stored.dtype) == stored.id.get_type()
    # Versions of HDF5 differ in where the offsets of a file with a user block count from.
    return bool(worth and usual and not packed and stored.file.userblock_size == 0)


def _offset(stored: h5py.Dataset, corner: tuple[int, ...] = ()) -> int | None:
    """Where in the file the matrix, or its chunk with that first value, begins; None where nothing was written."""
    return stored.id.get_chunk_info_by_coord(corner).byte_offset if stored.chunks else stored.id.get_offset()


def _read_plain(
    raw: BinaryIO, offset: int, dtype: np.dtype, width: int, rows: np.ndarray, columns: np.ndarray, out: np.ndarray
) -> None:
    """Fill ``out`` with rows and columns of a table of ``width`` columns that begins at ``offset`` of the file."""
    first, span = int(columns[0]), int(columns[-1] - columns[0]) + 1
    chosen = slice(span) if span == len(columns) else columns - first  # a slice is copied faster
    straight = len(columns) == width and out.flags.c_contiguous and dtype == out.dtype
    # Values on their way through a block are copied out of it, fastest while it fits the processor's cache.
    most = max((_LARGE_BLOCK if straight else _SMALL_BLOCK) // (width * dtype.itemsize), 1)
    block, far = np.empty(most * width, dtype), (_GAP // dtype.itemsize + span) // width
    for part, top, bottom in _parts(rows, 1, most, far):
        n, gapless = bottom - top, bottom - top == part.stop - part.start
        into = out[part].reshape(-1) if straight and gapless else block[: (n - 1) * width + span]
        place, left = offset + (top * width + first) * dtype.itemsize, memoryview(into.view(np.uint8))
        while left and (done := os.preadv(raw.fileno(), [left], place)):
            left, place = left[done:], place + done
        if left:
            raise OSError("The file ends before its matrix does.")
        if into.base is block:
            table = block[: n * width].reshape(n, width)
            out[part] = (table if gapless else table[rows[part] - top])[:, chosen]


def _is_values(part: h5py.Dataset | h5py.Group, kinds: str, n_dimensions: int = 1) -> bool:
    """Whether it is a dataset of text (S) or numbers (f, i, u, b)."""
    if not isinstance(part, h5py.Dataset) or part.ndim != n_dimensions:
        return False
    return ("S" if h5py.check_string_dtype(part.dtype) else part.dtype.kind) in kinds


def _texts(values: h5py.Dataset) -> list[str]:
    """Values of a dataset as text, whatever their type."""
    require_size(values)
    found, known = values[()], _Known()
    if found.dtype.kind in "SO":  # the ids of a million signatures are plain, and quicker taken together
        text = b"\n".join(found.tolist())
        if text.isascii() and b'"' not in text and text.count(b"\n") == len(found) - 1:
            return list(map(str.strip, text.decode().split("\n")))
    return [known[value] for value in found]


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
