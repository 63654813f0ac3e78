"""GCTX and GCT matrices, read through cmapPy."""

import logging
import warnings
from pathlib import Path

import h5py
import numpy as np

from scperturb_cmap.io.tables import MISSING, require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["GeneMatrix"]


class GeneMatrix:
    """A GCTX or GCT file of genes x signatures.

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
    metadata
        Column metadata as a table of text with the column ``sig_id`` first, missing values ``""``.

    Raises
    ------
    InputError
        The file is missing, damaged, or something else under this name.
    """

    def __init__(self, path: Path, layout: str, name: str | None = None):
        self.path, self.layout = Path(path), layout
        self.name = name or self.path.name
        self._check()
        with _quiet():
            if layout == "gctx":
                columns = self._parse(col_meta_only=True)
                self.genes = self._parse(row_meta_only=True).index.astype(str)
            else:
                self._whole = self._parse()
                columns, self.genes = self._whole.col_metadata_df, self._whole.data_df.index.astype(str)
        self.signatures = columns.index.astype(str)
        for axis, ids in (("rows", self.genes), ("columns", self.signatures)):
            if not ids.is_unique:
                raise InputError(
                    Problem(
                        self.name,
                        axis,
                        f"The id {ids[ids.duplicated()][0]} stands more than once.",
                        "Give every row and column its own id.",
                    )
                )
        metadata = columns.astype(str).replace(dict.fromkeys(MISSING, "")).reset_index(drop=True)
        metadata.insert(0, "sig_id", self.signatures)
        self.metadata = metadata

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions of the file.

        Parameters
        ----------
        positions
            0-based, ascending.

        Returns
        -------
        float32, shape (len(positions), n_genes), NaN = missing.
        """
        with _quiet():
            if self.layout == "gct":
                return self._whole.data_df.iloc[:, positions].to_numpy(np.float32).T
            block = self._parse(cidx=[int(position) for position in positions]).data_df
        # cmapPy keeps the file's order; asking by id makes sure of it.
        block.columns = block.columns.astype(str)
        return block.loc[:, self.signatures[positions]].to_numpy(np.float32).T

    def _check(self) -> None:
        require_data(self.path, self.name)
        if self.layout == "gctx":
            try:
                with h5py.File(self.path) as file:
                    lacking = [key for key in ("0/DATA/0/matrix", "0/META/ROW/id", "0/META/COL/id") if key not in file]
                    shapes = (
                        []
                        if lacking
                        else [file["0/DATA/0/matrix"].shape, (len(file["0/META/COL/id"]), len(file["0/META/ROW/id"]))]
                    )
            except OSError:
                raise InputError(
                    Problem(
                        self.name,
                        "",
                        "It is no HDF5 file, or it is damaged.",
                        "Copy or download it again; a GCTX file is HDF5.",
                    )
                ) from None
            if lacking:
                raise InputError(
                    Problem(self.name, lacking[0], "It is HDF5 but no GCTX file.", "Give a GCTX 1.0 file.")
                )
            if shapes[0] != shapes[1]:
                raise InputError(
                    Problem(
                        self.name,
                        "0/DATA/0/matrix",
                        f"Its shape {shapes[0]} does not fit {shapes[1]} ids.",
                        "Write the file again.",
                    )
                )
        elif not self.path.read_bytes()[:2] == b"#1":
            raise InputError(
                Problem(
                    self.name, "line 1", "A GCT file begins with #1.2 or #1.3.", "Give a GCT file or correct 'format'."
                )
            )

    def _parse(self, **options):  # noqa: ANN202 - cmapPy's GCToo or a DataFrame, by option
        from cmapPy.pandasGEXpress.parse import parse

        try:
            return parse(str(self.path), **options)
        except Exception as error:  # cmapPy raises bare Exception for most damage
            detail = " ".join(str(error).split())[:200]
            raise InputError(
                Problem(
                    self.name,
                    "",
                    f"It does not parse as {self.layout.upper()} ({detail}).",
                    "Write or download the file again.",
                )
            ) from None


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Keep cmapPy's chatter out of the log."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("cmap_logger").setLevel("ERROR")
