"""The gene tables of a run."""

from pathlib import Path

import pandas as pd

from scperturb_cmap.genes import GeneTable, harmonise_gene_table
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.utils.errors import InputError

__all__ = ["read_gene_table", "read_gene_tables"]


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
