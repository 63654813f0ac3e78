"""Any source of drug signatures, opened: metadata, compounds and genes in this project's words, values not yet read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scperturb_cmap.genes import GeneTable, check_mapping, check_symbols
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.io.sources import open_source, symbols_of
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.reference.contrasts import CellAtlas
from scperturb_cmap.reference.identity import add_compound_info, identify_compounds, several_structures
from scperturb_cmap.reference.metadata import COLUMNS, harmonise_metadata
from scperturb_cmap.utils.errors import InputError, Problem, attempt, some

__all__ = ["Opened", "open_reference"]


@dataclass(frozen=True)
class Opened:
    """A reference before anything is filtered or read.

    Parameters
    ----------
    genes, signatures
        Ids as in the file.
    metadata
        One row per signature the metadata know (:func:`~scperturb_cmap.reference.metadata.harmonise_metadata`).
    compounds
        What was merged into one compound, and why (:func:`~scperturb_cmap.reference.identity.identify_compounds`).
    read
        Ascending positions of signatures -> values, float32 (n_signatures, n_genes), NaN = not measured.
    effect
        What the values are.
    warnings
        Sentences.
    symbols
        Gene symbols the file gives beside its ids, or None.
    steps
        First steps of the quality funnel where signatures were made of something else (wells): name, entries left,
        compounds left, detail.
    left
        Samples of cells that are in no signature, and why (:func:`~scperturb_cmap.reference.contrasts.perturbation_signatures`).
    """

    genes: pd.Index
    signatures: pd.Index
    metadata: pd.DataFrame
    compounds: pd.DataFrame
    read: Callable[[np.ndarray], np.ndarray]
    effect: str
    warnings: list[str]
    symbols: list[str] | None = None
    steps: tuple[tuple[str, int, int, str], ...] = ()
    left: pd.DataFrame | None = None

    def map_genes(self, table: GeneTable, name: str, min_overlap: float) -> tuple[pd.DataFrame, dict[str, int]]:
        """Gene keys of the file's genes, and counts (:func:`~scperturb_cmap.genes.check_mapping`).

        Raises
        ------
        InputError
            Too few genes are found, or ids and symbols of the file contradict each other.
        """
        mapping = table.map(self.genes)
        counts = check_mapping(mapping, table, name, min_overlap)
        if self.symbols is not None:
            check_symbols(mapping, self.symbols, table, name)
        return mapping, counts


def open_reference(row: dict[str, str], files: dict[str, Path], derive: bool = True) -> Opened:
    """Open the files of one row of the reference sheet.

    Parameters
    ----------
    row
        The row.
    files
        Where its files lie: path, and path_down, siginfo, compoundinfo where the row names them.
    derive
        Whether to compare single cells with their controls; else only their labels and the first counts are looked at,
        and there are no signatures.

    Raises
    ------
    InputError
        A file is missing, damaged or of another format, or the metadata cannot be used.
    """
    if row["format"] == "cells":
        return _open_cells(files["path"], row, derive)
    problems: list[Problem] = []
    source = attempt(problems, open_source, files["path"], row, files.get("path_down"))
    name = row["siginfo"] or row["path"]
    described = info = None
    if row["siginfo"]:
        described = attempt(
            problems, lambda: harmonise_metadata(read_text_table(files["siginfo"], name, COLUMNS), name)
        )
    elif source is not None:
        described = attempt(problems, lambda: harmonise_metadata(source.metadata, name))
    if row["compoundinfo"]:
        info = attempt(problems, read_text_table, files["compoundinfo"], row["compoundinfo"])
    if problems:
        raise InputError(problems)
    metadata, warnings = described
    if info is not None:
        metadata, more = add_compound_info(metadata, info, row["compoundinfo"])
        warnings += more
    metadata, compounds, more = _named(metadata)
    warnings += more
    if len(lost := source.signatures[~source.signatures.isin(metadata.index)]):
        warnings.append(
            f"{len(lost)} of {len(source.signatures)} columns of the matrix have no metadata: {some(lost)}."
        )
    genes, symbols = source.genes, symbols_of(source)
    return Opened(genes, source.signatures, metadata, compounds, source.read, source.effect, warnings, symbols)


def _open_cells(path: Path, row: dict[str, str], derive: bool) -> Opened:
    """A perturbation cell atlas."""
    atlas = CellAtlas(Cells(path, name=row["path"]), row["control"])
    if not derive:
        atlas.check()
        atlas.cells.check_counts()
        none = pd.Index([], dtype=object)
        return Opened(atlas.genes, none, pd.DataFrame(), pd.DataFrame(), lambda _: np.empty((0, 0)), atlas.effect, [])
    said = atlas.derive()
    metadata, warnings = harmonise_metadata(atlas.metadata, row["path"])
    metadata, compounds, more = _named(metadata)
    warnings += [*more, *said]
    return Opened(
        atlas.genes, atlas.signatures, metadata, compounds, atlas.read, atlas.effect, warnings, left=atlas.left
    )


def _named(metadata: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The metadata with one name and one id per compound, the compounds, and what to know of them."""
    ids, compounds = identify_compounds(metadata)
    # A drug has one name in every table, whatever its spellings in the file.
    names = ids.map(compounds.set_index("compound_id")["compound"]).fillna(metadata["compound"])
    return metadata.assign(compound_id=ids, compound=names), compounds, several_structures(compounds)
