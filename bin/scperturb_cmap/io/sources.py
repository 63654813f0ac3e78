"""References that are no GCTX: pairs of gene sets, signature h5ad files, plain matrices; all read like a GeneMatrix.

Every source has ``genes`` and ``signatures`` (ids as text), ``metadata`` (table of text, column sig_id first), ``effect``
(what the values are) and ``read(positions)`` -> float32 (n_signatures, n_genes), NaN = not measured.
"""

import csv
import gzip
import re
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
from scipy.sparse import issparse

from scperturb_cmap.io.cells import Cells
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.hdf5 import check_positions, open_hdf5, read_stored, stored_matrix
from scperturb_cmap.io.queries import read_gmt
from scperturb_cmap.io.tables import decoded, require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["MatrixTable", "SetPairs", "SignatureFile", "open_source", "symbols_of"]

#: Name of an instance of Connectivity Map build 02, such as metformin@MCF7#1e-05M_1.
_INSTANCE = re.compile(r"(?P<compound>.+)@(?P<cell>[^@#]*)#(?P<dose>[^#_]*)_(?P<batch>\w+)")

#: Values of a plain table, which is read whole; beyond, a GCTX or h5ad file can be read in parts.
_MOST_VALUES = 200_000_000


def open_source(path: Path, row: dict[str, str], path_down: Path | None = None):  # noqa: ANN201 - any of the classes
    """Open the matrix of a reference.

    Parameters
    ----------
    path, path_down
        Its file, and the one with the down sets.
    row
        Row of the reference sheet: format and path.

    Raises
    ------
    InputError
        The file is missing, damaged or of another format.
    """
    if row["format"] == "gmt":
        return SetPairs(path, path_down, row["path"], row["path_down"])
    if row["format"] == "signatures":
        return SignatureFile(path, row["path"])
    if row["format"] == "table":
        return MatrixTable(path, row["path"])
    return GeneMatrix(path, row["format"], name=row["path"])


def symbols_of(source: object) -> list[str] | None:
    """Symbols that a source gives beside its gene ids; None where it gives none."""
    if isinstance(source, SignatureFile):
        group, names = "var", ("symbol", "gene_symbol", "gene_name", "feature_name")
    elif isinstance(source, GeneMatrix) and source.layout == "gctx":
        group, names = "0/META/ROW", ("pr_gene_symbol", "gene_symbol")
    else:
        return None
    with open_hdf5(source.path, source.name, "Copy or download it again.") as file:
        key = next((name for name in names if name in file[group]), None)
        if key is None:
            return None
        stored = file[group][key]
        values = stored[()] if isinstance(source, GeneMatrix) else np.asarray(read_stored(stored))
    return [decoded(value) if isinstance(value, bytes) else str(value) for value in values]


class SetPairs:
    """Up and down gene sets of drugs: two GMT files whose sets have the same names, the strongest gene first.

    The i-th of L genes of a set has the value 1 - i / L (up) or -(1 - i / L) (down), i from 0. A gene of another set of the
    files was measured and did not come out, so it is 0; genes in no set are not known.

    Parameters
    ----------
    path, path_down
        The up and the down sets.
    name, name_down
        What to call them in messages.

    Raises
    ------
    InputError
        A file is missing or no GMT, a set has no partner, or a gene is in both sets of a pair.
    """

    effect = "rank"

    def __init__(self, path: Path, path_down: Path, name: str, name_down: str):
        self.name = name
        self._up, self._down = read_gmt(path, name), read_gmt(path_down, name_down)
        alone = sorted(set(self._up) ^ set(self._down))
        if alone:
            wrong = f"{len(alone)} sets stand in one of the files {name} and {name_down} only (such as {alone[0]!r})."
            raise InputError(Problem(name, "set names", wrong, "Give every up set its down set, under the same name."))
        self.signatures = pd.Index(list(self._up), dtype=object)
        self.genes = pd.Index(sorted({g for sets in (self._up, self._down) for genes in sets.values() for g in genes}))
        both = next((key for key in self._up if set(self._up[key]) & set(self._down[key])), None)
        if both:
            wrong = "It holds genes that are in the up and in the down set."
            raise InputError(Problem(name, f"set {both!r}", wrong, "Leave each in one of them."))

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """Compound, cell line, dose and batch where the names tell them (compound@cell#dose_instance)."""
        found = [_INSTANCE.fullmatch(name) for name in self.signatures]
        parts = {"pert_iname": "compound", "cell_id": "cell", "pert_idose": "dose", "batch": "batch"}
        columns = {ours: [match[theirs] if match else "" for match in found] for ours, theirs in parts.items()}
        if not any(found):
            wrong = f"They do not tell the compound as in metformin@MCF7#1e-05M_1 (such as {self.signatures[0]!r})."
            raise InputError(
                Problem(self.name, "set names", wrong, "Give a siginfo table whose sig_id are the set names.")
            )
        return pd.DataFrame({"sig_id": self.signatures, **columns}, dtype=object)

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions; see the class."""
        values = np.zeros((len(positions), len(self.genes)), np.float32)
        for row, position in enumerate(positions):
            name = self.signatures[position]
            for sets, sign in ((self._up, 1), (self._down, -1)):
                genes = list(dict.fromkeys(sets[name]))
                values[row, self.genes.get_indexer(genes)] = sign * (1 - np.arange(len(genes)) / len(genes))
        return values


class SignatureFile(Cells):
    """An h5ad file with a drug signature per row, read in parts; its ``obs`` is the metadata.

    Parameters
    ----------
    path
        The file: signatures x genes, positive = up, NaN = not measured; dense, CSR or CSC.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        The file is missing, damaged, no h5ad, or names a signature twice.
    """

    def __init__(self, path: Path, name: str):
        super().__init__(path, name=name)
        with self._open() as file:
            index = file["obs"].attrs.get("_index", "_index")
            self.signatures = pd.Index(np.asarray(read_stored(file["obs"][index])).astype(str), dtype=object)
            self.effect = str(read_stored(file["uns/effect"])) if "uns/effect" in file else "signature"
        self.genes = pd.Index(self.genes, dtype=object)
        if not self.signatures.is_unique:
            twice = self.signatures[self.signatures.duplicated()][0]
            raise self._problem(
                "obs index", f"The id {twice} stands more than once.", "Give every signature its own id."
            )

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """``obs`` as a table of text."""
        columns = {key: self.column(key).to_numpy() for key in self.columns if key != "sig_id"}
        return pd.DataFrame({"sig_id": self.signatures, **columns}, dtype=object)

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given ascending positions of the file.

        Raises
        ------
        InputError
            The values are no numbers.
        """
        with self._open() as file:
            block = stored_matrix(file[self._matrix_key])[np.asarray(positions)]
            check_positions(block)
        values = block.toarray() if issparse(block) else np.asarray(block)
        if not np.issubdtype(values.dtype, np.number):
            raise self._problem("X", "It holds no numbers.", "Give signed values, positive = up.")
        return values.astype(np.float32)


class MatrixTable:
    """A plain table of genes x signatures: TSV, CSV (gzip or not) or Parquet; the first column names the genes.

    Parameters
    ----------
    path
        The file. It is read whole, so it may hold 200 million values at most.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        The file is missing, no such table, too large, holds anything but numbers, or has two columns of one name.
    """

    effect = "signature"

    def __init__(self, path: Path, name: str):
        self.name = name
        require_data(path, name)
        table = self._parquet(path) if re.search(r"\.(parquet|pq)$", name.lower()) else self._text(path)
        self.genes = pd.Index(table.index.astype(str), dtype=object)
        self.signatures = pd.Index(table.columns.astype(str), dtype=object)
        wrong = [column for column, kind in table.dtypes.items() if kind.kind not in "fiu"]
        if wrong or table.empty:
            what = f"Column {wrong[0]!r} holds values that are no numbers." if wrong else "It has no values."
            raise self._problem(what, "Give a column of genes, then one column of numbers per signature.")
        if not self.signatures.is_unique:
            twice = self.signatures[self.signatures.duplicated()][0]
            raise self._problem(f"The column {twice!r} stands more than once.", "Give every signature its own id.")
        self._values = table.to_numpy(np.float32).copy()
        self._values[self._values == -666] = np.nan  # LINCS' way to say missing

    @property
    def metadata(self) -> pd.DataFrame:
        """Never there: a plain table has no metadata."""
        raise self._problem("A plain table has no metadata.", "Give a siginfo table.")

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions."""
        return self._values[:, positions].T

    def _parquet(self, path: Path) -> pd.DataFrame:
        try:
            file = pq.ParquetFile(path)
            self._check_size(file.metadata.num_rows * file.metadata.num_columns)
            table = file.read().to_pandas()
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            detail = " ".join(str(error).split())[:200]
            raise self._problem(f"It is no readable Parquet file ({detail}).", "Write it again.") from None
        if isinstance(table.index, pd.MultiIndex) or isinstance(table.columns, pd.MultiIndex):
            wrong = "Its rows or columns have several names each (a MultiIndex of pandas)."
            raise self._problem(wrong, "Give one column of genes, then one column of numbers per signature.")
        # An index that was written as a column is the genes, whatever its type.
        return (
            table.set_index(table.columns[0])
            if isinstance(table.index, pd.RangeIndex) and len(table.columns)
            else table
        )

    def _text(self, path: Path) -> pd.DataFrame:
        self._check_size(path.stat().st_size / (1 if path.suffix == ".gz" else 3))
        with open(path, "rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
        try:
            options = {"compression": "gzip" if packed else None, "encoding": "utf-8-sig", "comment": None}
            head = pd.read_csv(path, sep="\0", nrows=1, header=None, quoting=csv.QUOTE_NONE, dtype=str, **options).iloc[
                0, 0
            ]
            if not isinstance(head, str):
                raise ValueError("it has no header")
            separator = "\t" if "\t" in head else ","
            names = next(csv.reader([head], delimiter=separator))
            # pandas would call a second "a" "a.1".
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise self._problem(f"The column {twice!r} stands more than once.", "Give every signature its own id.")
            # Without a header of its own pandas cannot shift columns where lines have one field more than the header.
            self._check_widths(path, separator, packed, len(names))
            table = pd.read_csv(
                path, sep=separator, header=None, skiprows=1, dtype={0: str}, low_memory=False, **options
            )
            names = ["", *names] if table.shape[1] == len(names) + 1 and table.iloc[:, -1].notna().any() else names
            if table.shape[1] != len(names):
                raise self._problem("Its lines end with a separator.", "Give every line as many fields as the header.")
            return table.set_axis(names, axis=1).set_index(names[0])
        except (ValueError, OSError, EOFError, csv.Error) as error:  # pandas' parser errors are ValueErrors
            detail = " ".join(str(error).split())[:200]
            raise self._problem(f"It does not parse as a table ({detail}).", "Write it again.") from None

    def _check_widths(self, path: Path, separator: str, packed: bool, width: int) -> None:
        """Every line as many fields as the first after the header, which may have one less: pandas would fill up with nothing."""
        sign, first = separator.encode(), 0
        with (gzip.open if packed else open)(path, "rb") as handle:
            next(handle)
            for number, line in enumerate(handle, start=2):
                if line.isspace():
                    continue
                n = line.count(sign) + 1
                if b'"' in line:
                    n = len(next(csv.reader([decoded(line)], delimiter=separator)))
                first = first or n
                if n != first or n - width not in (0, 1):
                    other = f"the lines before {first}" if n != first else f"the header {width}"
                    wrong = f"Line {number} has {n} fields, {other}."
                    raise self._problem(wrong, "Give every line as many fields as the header.")

    def _check_size(self, n_values: float) -> None:
        if n_values > _MOST_VALUES:
            raise self._problem(
                f"It holds about {n_values:,.0f} values.", "Write it as GCTX or h5ad, which are read in parts."
            )

    def _problem(self, wrong: str, remedy: str) -> InputError:
        return InputError(Problem(self.name, "", wrong, remedy))
