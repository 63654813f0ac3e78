"""GCTX and GCT matrices: values through cmapPy, ids and metadata as the text that stands in the file."""

import logging
import warnings
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from scperturb_cmap.io.hdf5 import open_hdf5
from scperturb_cmap.io.tables import MISSING, bare, decoded, require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["GeneMatrix"]

_MATRIX, _GENES, _SIGNATURES = "0/DATA/0/matrix", "0/META/ROW/id", "0/META/COL/id"


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

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions of the file.

        Parameters
        ----------
        positions
            0-based, ascending.

        Returns
        -------
        float32, shape (len(positions), n_genes), NaN = missing.

        Raises
        ------
        InputError
            The part of the matrix that is read is damaged.
        """
        if self.layout == "gct":
            return self._values[:, positions].T
        from cmapPy.pandasGEXpress.parse_gctx import parse_data_df

        genes, signatures = pd.DataFrame(index=self.genes), pd.DataFrame(index=self.signatures)
        values = np.empty((len(positions), len(self.genes)), np.float32)
        # Asked for more signatures than there are genes, cmapPy reads the whole matrix.
        step = max(len(self.genes) - 1, 1)
        with self._open() as file, _quiet():
            for start in range(0, len(positions), step):
                part = [int(position) for position in positions[start : start + step]]
                block = parse_data_df(file[_MATRIX], list(range(len(genes))), part, genes, signatures)
                # cmapPy keeps the file's order; asking by id makes sure of it.
                values[start : start + step] = block.loc[:, self.signatures[part]].to_numpy(np.float32).T
        return values

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
        """Values by cmapPy, ids and metadata as text; cmapPy would make numbers of ids like 007 and 1e5."""
        with open(self.path, "rb") as handle:
            if handle.read(2) != b"#1":
                raise self._problem(
                    "line 1", "A GCT file begins with #1.2 or #1.3.", "Give a GCT file or correct 'format'."
                )
        from cmapPy.pandasGEXpress.parse_gct import parse

        remedy = "Write or download the file again."
        try:
            with _quiet():
                self._values = parse(str(self.path)).data_df.to_numpy(np.float32)
        except Exception as error:  # cmapPy raises bare Exception for most damage
            detail = " ".join(str(error).split())[:200]
            raise self._problem("", f"It does not parse as GCT ({detail}).", remedy) from None
        with open(self.path, encoding="utf-8") as handle:
            handle.readline()
            sizes = handle.readline().strip().split("\t")
            before, n_columns = (1, 0) if len(sizes) == 2 else (int(sizes[2]), int(sizes[3]))
            lines = (line for line in handle if line.strip())
            heads = [[bare(field) for field in next(lines).split("\t")] for _ in range(1 + n_columns)]
            self.genes = pd.Index([bare(line.split("\t", 1)[0]) for line in lines], dtype=object)
        self.signatures = pd.Index(heads[0][1 + before :], dtype=object)
        self._columns = {fields[0]: fields[1 + before :] for fields in heads[1:]}
        if self._values.shape != (len(self.genes), len(self.signatures)) or {len(fields) for fields in heads} != {
            len(heads[0])
        }:
            raise self._problem("", "It does not parse as GCT (lines or fields are missing).", remedy)


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


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Keep cmapPy's chatter out of the log."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("cmap_logger").setLevel("ERROR")
