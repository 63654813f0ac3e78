"""The gene tables of a run."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from scperturb_cmap.genes import GeneTable, harmonise_gene_table
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.orthologs import HUMAN, harmonise_orthologs, map_orthologs
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["map_genes", "read_gene_table", "read_gene_tables"]


def read_gene_table(paths: list[Path]) -> GeneTable:
    """Read the run's gene tables; the first is authoritative.

    Raises
    ------
    InputError
        A table is missing, unreadable or in no recognised layout.
    """
    return GeneTable.from_tables(read_gene_tables(paths))


def read_gene_tables(paths: list[Path]) -> list[pd.DataFrame]:
    """Read gene tables, each in this project's columns; all their problems at once.

    Raises
    ------
    InputError
        A table is missing, unreadable or in no recognised layout.
    """
    tables, problems = [], []
    for path in paths:
        try:
            tables.append(harmonise_gene_table(read_text_table(path), Path(path).name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return tables


def map_genes(ids: Iterable[str], row: dict[str, str], table: GeneTable, orthologs: Path | None) -> pd.DataFrame:
    """Find the gene keys of a data set's genes, through orthologs where it is not human.

    Parameters
    ----------
    ids
        Its gene names.
    row
        Row of the sample sheet: path, organism.
    table
        The run's gene table.
    orthologs
        The run's ortholog table, if there is one.

    Returns
    -------
    As :meth:`GeneTable.map`.

    Raises
    ------
    InputError
        The organism is not human and there is no ortholog table, or it is not readable.
    """
    organism = row.get("organism", "")
    if organism.casefold() in HUMAN:
        return table.map(ids)
    if orthologs is None:
        raise InputError(
            Problem(
                row["path"],
                "column 'organism' of the sample sheet",
                f"It is {organism!r}, and drug references are human.",
                "Give a table of one-to-one orthologs (--orthologs, docs/usage.md).",
            )
        )
    return map_orthologs(ids, harmonise_orthologs(read_text_table(orthologs), table, orthologs.name))
