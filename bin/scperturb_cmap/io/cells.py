"""Single-cell h5ad files: what they hold, and sums of raw counts by group, without loading the matrix."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse

from scperturb_cmap.io.hdf5 import check_positions, open_hdf5, read_stored, stored_matrix
from scperturb_cmap.io.tables import MISSING, require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import are_whole

__all__ = ["NONE", "Cells"]

log = logging.getLogger(__name__)

#: Matrix values read at once: about 400 MB of dense data, and a quarter as many stored values of a sparse matrix, which come
#: with their positions. Fewer would cost time: each block's sums are as large as the whole result.
_BLOCK_VALUES = 50_000_000

#: How far a count may lie from a whole number (some tools store rounded sums of fractions).
_INTEGER_TOLERANCE = 1e-3

#: No cell has as many molecules; beyond, sums are no longer exact.
_LARGEST_COUNT = 1e9

#: In a sheet: there is no such obs column.
NONE = "none"

#: What tools write for a missing label when they turn a column into text.
_NO_LABEL = ("", "nan", "NaN", "<NA>")


class Cells:
    """A single-cell h5ad file, opened for reading; only labels are held in memory.

    Parameters
    ----------
    path
        An h5ad file, the matrix dense, CSR or CSC.
    layer
        Layer that holds the raw counts; ``""`` and ``"X"`` mean ``X``, ``"raw"`` means ``raw.X``, or the layer of this name
        where there is no ``raw``.
    name
        What to call the file in messages; its own name by default.

    Raises
    ------
    InputError
        The file is missing, is no h5ad file, or has no such layer.
    """

    def __init__(self, path: Path, layer: str = "", name: str | None = None):
        self.path = Path(path)
        self.layer = layer
        self.name = name or self.path.name
        require_data(self.path, self.name)
        self._matrix_key = {"": "X", "X": "X", "raw": "raw/X"}.get(layer, f"layers/{layer}")
        with self._open() as file:
            if layer in ("X", "raw") and f"layers/{layer}" in file:
                if self._matrix_key in file:
                    wrong = f"There are two: adata.{layer} and a layer of this name."
                    raise self._problem("layer 'raw'", wrong, "Remove or rename the one without raw counts.")
                self._matrix_key = f"layers/{layer}"
            missing = [key for key in ("obs", "var", self._matrix_key) if key not in file]
            self._matrices = [*(["raw"] if "raw/X" in file else []), *(file["layers"] if "layers" in file else [])]
            if "/" in layer:
                missing.append(self._matrix_key)
            if "obs" in missing or "var" in missing:
                raise self._problem(
                    "", "It is HDF5 but no h5ad file (no 'obs' or 'var').", "Write it with AnnData.write_h5ad."
                )
            if missing:
                layers = ", ".join(file["layers"]) if "layers" in file else ""
                raise self._problem(
                    f"layer '{layer}'" if layer else "X",
                    f"It is not in the file (layers: {layers or 'none'}).",
                    "Correct the column 'layer' of the sample sheet.",
                )
            if isinstance(file["obs"], h5py.Dataset):
                raise self._problem(
                    "obs",
                    "It is in the layout of anndata before 0.7.",
                    "Read and write it again with a current anndata.",
                )
            #: Names of the obs columns.
            self.columns = [str(key) for key in file["obs"].attrs.get("column-order", [])]
            #: Gene names, in the order of the matrix' columns.
            self.genes = _index(file["raw/var"] if self._matrix_key == "raw/X" else file["var"])
            #: Number of cells.
            self.n_cells = len(_index(file["obs"]))
            matrix = file[self._matrix_key]
            shape = tuple(matrix.shape if isinstance(matrix, h5py.Dataset) else matrix.attrs["shape"])
        if shape != (self.n_cells, len(self.genes)) or 0 in shape:
            raise self._problem(
                f"layer '{layer}'" if layer else "X",
                f"Its shape is {' x '.join(map(str, shape))}, with {self.n_cells} cells and {len(self.genes)} genes named.",
                "Give a file with cells and genes, and a matrix that fits them.",
            )

    def column(self, key: str, named_in: str = "the sample sheet") -> pd.Series:
        """One obs column as text: spaces around labels cut, whole numbers without decimals, missing values as ``""``.

        Raises
        ------
        InputError
            There is no such column.
        """
        values = self._values(key, named_in)
        if are_whole(values):
            values = values.astype("Int64")
        text = values.astype(object).where(values.notna(), "").astype(str).str.strip()
        return text.where(~text.isin(_NO_LABEL), "")

    def labels(self, row: dict[str, str], covariates: Sequence[str] = ()) -> pd.DataFrame:
        """Population, condition and donor of every cell, as a row of the sample sheet names their obs columns.

        Where the populations are the conditions, two populations are compared within the donors: all cells are one
        population, named by the case. Where donors are "none", the cells of a condition stand for one.

        Parameters
        ----------
        row
            Row of the sample sheet: cell_type_key, condition_key, donor_key, case.
        covariates
            Further obs columns.

        Returns
        -------
        Text columns population, condition, donor (``""`` = missing), and the covariates.

        Raises
        ------
        InputError
            A column is missing.
        """
        condition = self.column(row["condition_key"], "'condition_key' in the sample sheet")
        if row["cell_type_key"] == row["condition_key"]:
            population = pd.Series(row["case"], index=condition.index)
        elif row["cell_type_key"] == NONE:
            population = pd.Series("", index=condition.index)
        else:
            population = self.column(row["cell_type_key"], "'cell_type_key' in the sample sheet")
        if row["donor_key"] == NONE:
            donor = condition
        else:
            donor = self.column(row["donor_key"], "'donor_key' in the sample sheet")
            donor = donor.where(~donor.isin(MISSING), "")
        labels = pd.DataFrame({"population": population, "condition": condition, "donor": donor})
        return labels.assign(**{name: self.covariate(name) for name in covariates})

    def covariate(self, key: str) -> pd.Series:
        """One obs column as numbers if it holds numbers, else as text (see :meth:`column`).

        Raises
        ------
        InputError
            There is no such column, or it holds an infinite number.
        """
        values = self._values(key, "'covariates' in the sample sheet")
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            return self.column(key)
        values = values.astype(float)
        if np.isinf(values).any():
            raise self._problem(f"obs column '{key}'", "It holds an infinite number.", "Correct or remove the value.")
        return values

    def _values(self, key: str, named_in: str) -> pd.Series:
        if key not in self.columns:
            raise self._problem(
                f"obs column '{key}'",
                f"It is not there (columns: {', '.join(self.columns) or 'none'}).",
                f"Correct {named_in}.",
            )
        with self._open() as file:
            stored = file["obs"][key]
            values = read_stored(stored)
            if "categories" in stored.attrs and isinstance(stored, h5py.Dataset):
                # anndata 0.7 kept codes here and the labels elsewhere; read_elem gives the bare codes.
                labels = read_stored(file[stored.attrs["categories"]])
                values = pd.Categorical.from_codes(values, labels)
        if np.ndim(values) != 1 or len(values) != self.n_cells:
            raise self._problem(
                f"obs column '{key}'",
                f"Its shape is {np.shape(values)}, with {self.n_cells} cells.",
                "Read the file with a current anndata and write it again.",
            )
        return pd.Series(values)

    def check_counts(self) -> None:
        """Look at the first block of the matrix and refuse anything but raw counts.

        Raises
        ------
        InputError
            Values are negative, missing, or no whole numbers.
        """
        next(self._blocks(1_000_000))

    def sum_by_group(self, groups: np.ndarray, n_groups: int) -> np.ndarray:
        """Sum raw counts over groups of cells, block by block.

        Parameters
        ----------
        groups
            Group of every cell, 0 to ``n_groups`` - 1; -1 for cells that belong to none. Shape (n_cells,).
        n_groups
            Number of groups.

        Returns
        -------
        Sums, float64, shape (n_groups, n_genes).

        Raises
        ------
        InputError
            The matrix does not hold raw counts.
        """
        sums = np.zeros((n_groups, len(self.genes)))
        members = np.flatnonzero(groups >= 0)
        indicator = csr_matrix((np.ones(len(members)), (groups[members], members)), (n_groups, self.n_cells))
        for rows, columns, block in self._blocks(_BLOCK_VALUES):
            sums[:, columns] += _dense(indicator[:, rows] @ block)
            log.info(
                "%s: read cells up to %d, genes up to %d",
                self.name,
                rows.stop or self.n_cells,
                columns.stop or len(self.genes),
            )
        return sums

    def _blocks(self, size: int) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Blocks along the stored layout: (rows, columns, checked values)."""
        with self._open() as file:
            stored = file[self._matrix_key]
            matrix = stored_matrix(stored)
            by_row = getattr(matrix, "format", "dense") != "csc"
            length, across = matrix.shape if by_row else matrix.shape[::-1]
            if isinstance(stored, h5py.Group):
                size, across = size // 4, stored["data"].shape[0] // max(length, 1)
            step = max(1, size // max(across, 1))
            for start in range(0, length, step):
                part, whole = slice(start, min(start + step, length)), slice(None)
                rows, columns = (part, whole) if by_row else (whole, part)
                block = matrix[rows, columns]
                check_positions(block)
                self._check_block(block)
                yield rows, columns, block

    def _check_block(self, block: np.ndarray) -> None:
        values = block.data if issparse(block) else block
        if not np.issubdtype(values.dtype, np.number) or np.issubdtype(values.dtype, np.complexfloating):
            wrong = "true and false" if values.dtype == bool else "text"
        elif np.isnan(values).any() or np.isinf(values).any():
            wrong = "missing or infinite values"
        elif (values < 0).any():
            wrong = f"negative values (smallest {values.min():.3g}), as scaled data have"
        elif (np.abs(values - np.rint(values)) > _INTEGER_TOLERANCE).any():
            example = values[np.abs(values - np.rint(values)) > _INTEGER_TOLERANCE][0]
            wrong = f"values that are no whole numbers (such as {example:.4g}), as normalised data have"
        elif (values > _LARGEST_COUNT).any():
            wrong = f"values no cell can have (such as {values.max():.3g})"
        else:
            return
        others = [name for name in self._matrices if name != self.layer]
        there = (
            f"The file also has {', '.join(others)}"
            if others
            else "The file has no other matrix: go back to the counts"
        )
        raise self._problem(
            f"layer '{self.layer}'" if self.layer else "X",
            f"It holds {wrong}; raw counts are needed.",
            f"Name the layer with raw counts in the column 'layer' of the sample sheet ('raw' means adata.raw). {there}.",
        )

    def _problem(self, field: str, wrong: str, remedy: str) -> InputError:
        return InputError(Problem(self.name, field, wrong, remedy))

    @contextmanager
    def _open(self) -> Iterator[h5py.File]:
        with open_hdf5(self.path, self.name, "Give an h5ad file; copy or download it again if it is one.") as file:
            try:
                yield file
            except (KeyError, OSError, ValueError, TypeError, IndexError) as error:
                detail = " ".join(str(error).split())[:200]
                raise self._problem(
                    "",
                    f"It is damaged or in a layout that anndata does not know ({detail}).",
                    "Read it with a current anndata and write it again.",
                ) from None


def _index(table: h5py.Group) -> np.ndarray:
    """Names of the rows of a stored obs or var."""
    names = np.asarray(read_stored(table[table.attrs.get("_index", "_index")])).astype(str)
    if names.ndim != 1:
        raise ValueError(f"{table.name} has no list of names")
    return names


def _dense(matrix: np.ndarray) -> np.ndarray:
    return matrix.toarray() if issparse(matrix) else np.asarray(matrix)
