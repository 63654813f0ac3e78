"""Look into every input file before any work starts, and collect all problems."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from scperturb_cmap.genes import GeneTable, check_mapping, harmonise_gene_table
from scperturb_cmap.io.cells import NONE, Cells
from scperturb_cmap.io.gene_tables import map_genes
from scperturb_cmap.io.queries import read_queries
from scperturb_cmap.io.sheets import listed
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.reference import (
    check_filters,
    check_library_sizes,
    check_plates,
    open_reference,
    quality_funnel,
    read_library,
)
from scperturb_cmap.signatures.derive import ALL_CELLS
from scperturb_cmap.signatures.samples import RESERVED, choose_populations, varying_covariates
from scperturb_cmap.utils.errors import InputError, Problem, attempt, some
from scperturb_cmap.utils.names import matches

__all__ = ["check_query", "check_reference", "check_sample", "check_table", "problems_of"]


def problems_of(check: Callable, *arguments: object) -> list[Problem]:
    """Run a check and return what it finds wrong instead of raising it.

    Examples
    --------
    >>> def check(name):
    ...     raise InputError(Problem(name, "", "It is empty.", "Fill it."))
    >>> [str(problem) for problem in problems_of(check, "a.csv")]
    ['a.csv: It is empty. Fill it.']
    """
    problems: list[Problem] = []
    attempt(problems, check, *arguments)
    return problems


def check_table(path: Path | None, harmonise: Callable[[pd.DataFrame, str], object]) -> list[Problem]:
    """What is wrong with a table, if there is one.

    Parameters
    ----------
    path
        The table.
    harmonise
        What a later stage makes of it: table of text, name for messages -> anything.

    Examples
    --------
    >>> check_table(None, len), [str(problem) for problem in check_table(Path("lost.tsv"), len)]
    ([], ['lost.tsv: The file does not exist. Correct the path.'])
    """
    return [] if path is None else problems_of(lambda: harmonise(read_text_table(path), path.name))


def check_sample(
    row: dict[str, str],
    path: Path,
    table: GeneTable | None = None,
    min_gene_overlap: float = 0,
    orthologs: Path | None = None,
) -> None:
    """Check the cells of one row of the sample sheet: columns, labels, donors, genes, and that the matrix holds raw counts.

    Parameters
    ----------
    row
        The row.
    path
        Its file.
    table, min_gene_overlap
        The run's gene table, if it could be read, and how many of the file's genes must be in it.
    orthologs
        The run's ortholog table, if there is one.

    Raises
    ------
    InputError
        With every problem of this file.
    """
    cells = Cells(path, row["layer"], name=row["path"])
    problems, found = [], []
    for key in ("cell_type_key", "condition_key", "donor_key"):
        if row[key] != NONE or key == "condition_key":
            problems += problems_of(cells.column, row[key], f"{key!r} in the sample sheet")
    if not problems:
        found.append(cells.labels(row))
        problems += _check_labels(row, found[0])
    problems += _check_covariates(row, cells, found)
    if table is not None:
        problems += problems_of(
            lambda: check_mapping(map_genes(cells.genes, row, table, orthologs), table, row["path"], min_gene_overlap)
        )
    problems += problems_of(cells.check_counts)
    if problems:
        raise InputError(problems)


def check_query(
    row: dict[str, str],
    path: Path,
    down: Path | None,
    table: GeneTable | None = None,
    min_gene_overlap: float = 0,
    orthologs: Path | None = None,
) -> None:
    """Check a ready-made signature: that it can be read, and its genes.

    Parameters
    ----------
    row
        Row of the sample sheet.
    path, down
        Its file, and the one with the down set, if there is one.
    table, min_gene_overlap, orthologs
        As for :func:`check_sample`.

    Raises
    ------
    InputError
        With every problem of these files.
    """
    problems = []
    for query in read_queries(path, down, row["path"], listed(row["populations"]), row["dataset"]):
        if table is not None:
            name = f"{row['path']}, {query.population}" if query.population else row["path"]
            problems += problems_of(
                lambda genes=query.table["gene"], name=name: check_mapping(
                    map_genes(genes, row, table, orthologs), table, name, min_gene_overlap
                )
            )
    if problems:
        raise InputError(problems)


def _check_labels(row: dict[str, str], labels: pd.DataFrame) -> list[Problem]:
    """Both arms must have cells with donors and populations, those selected must be there, and ids must differ clearly."""

    def problem(key: str, wrong: str, remedy: str) -> Problem:
        return Problem(row["path"], f"obs column '{row[key]}'", wrong, remedy)

    conditions = labels["condition"].unique()
    absent = [arm for arm in ("case", "control") if row[arm] not in conditions]
    problems = [
        problem(
            "condition_key",
            f"No cell has the {arm} label {row[arm]!r} (labels: {some(conditions)}).",
            f"Correct the column '{arm}' of the sample sheet.",
        )
        for arm in absent
    ]
    inside = labels[labels["condition"].isin([row["case"], row["control"]])]
    there = choose_populations(labels, row["case"], row["control"])
    lost = [
        pattern
        for pattern in listed(row["populations"])
        if pattern != ALL_CELLS and not any(matches(name, pattern, there) for name in there)
    ]
    if row["cell_type_key"] == NONE and lost:
        wrong = f"'cell_type_key' is {NONE!r}, which leaves no populations to choose ({some(lost)})."
        remedy = "Name the obs column that holds the cell types, or leave the column 'populations' empty."
        problems.append(Problem(row["path"], "populations", wrong, remedy))
    elif there and not absent:
        problems += [
            problem(
                "cell_type_key",
                f"There is no population {pattern!r} (populations: {some(there)}).",
                "Correct the column 'populations' of the sample sheet.",
            )
            for pattern in lost
        ]
    if ALL_CELLS in there:
        wrong = f"A population is called {ALL_CELLS!r}, which is the name of the average over every cell."
        problems.append(problem("cell_type_key", wrong, "Rename it."))
    for key, column, what, otherwise in (
        ("donor_key", "donor", "a donor", "where there are no replicates"),
        ("cell_type_key", "population", "a cell type", "to take all cells as one population"),
    ):
        named = inside.loc[inside[column] != "", "condition"].unique()
        lacking = [arm for arm in ("case", "control") if arm not in absent and row[arm] not in named]
        if lacking and row[key] != NONE:
            arms = f"the {lacking[0]} arm ({row[lacking[0]]!r})" if len(lacking) == 1 else "the two arms"
            remedy = f"Name the column that holds the {column}s, or write {NONE!r} {otherwise}."
            problems.append(problem(key, f"No cell of {arms} has {what}.", remedy))
    for column, key in (("condition", "condition_key"), ("donor", "donor_key")):
        names = pd.Series(inside[column].unique() if column == "donor" else conditions)
        alike = names[names.str.casefold().duplicated(keep=False)]
        if len(alike) and row[key] != NONE:
            wrong = f"{some(list(alike))} differ in capitals only: one {column} or several?"
            problems.append(problem(key, wrong, "Write the same thing in the same way."))
    return problems


def _check_covariates(row: dict[str, str], cells: Cells, labels: list[pd.DataFrame]) -> list[Problem]:
    """Covariates must be there, have a name of their own, and one value per donor and condition."""
    names, problems, found = listed(row["covariates"]), [], {}
    for name in names:
        problems += problems_of(lambda name=name: found.update({name: cells.covariate(name)}))
    wrong = dict.fromkeys(
        {*RESERVED, row["cell_type_key"], row["condition_key"], row["donor_key"]}.intersection(names),
        ("It cannot be a covariate under this name.", "Rename or leave it out."),
    )
    if not problems and not wrong and labels and row["donor_key"] != NONE:  # without donors they are left aside
        wrong = dict.fromkeys(
            varying_covariates(labels[0].assign(**found), row["case"], row["control"]),
            (
                "As a covariate it must have one value per donor and condition, but differs among a donor's cells.",
                "Leave it out of the column 'covariates' of the sample sheet.",
            ),
        )
    return problems + [Problem(row["path"], f"obs column '{name}'", *said) for name, said in wrong.items()]


def check_reference(
    row: dict[str, str],
    files: dict[str, Path],
    tables: list[pd.DataFrame] | None = None,
    min_gene_overlap: float = 0,
    library_sizes: dict[str, int] | None = None,
) -> None:
    """Check the files of one row of the reference sheet, down to the values of one signature.

    Parameters
    ----------
    row
        The row.
    files
        Where its files lie, by column of the sheet.
    tables, min_gene_overlap
        The run's gene tables, if they could be read, and how many of the matrix' genes must be in them.
    library_sizes
        For a finished library: file beside it -> bytes; looked up where its path lies if not given.

    Raises
    ------
    InputError
        With every problem of these files.
    """
    if row["format"] == "library":
        if library_sizes is None:
            library_sizes = {
                file.name: file.stat().st_size for file in files["path"].parent.iterdir() if file.is_file()
            }
        check_library_sizes(read_library(files["path"], row), library_sizes, row["path"])
        return
    problems: list[Problem] = []
    opened = attempt(problems, open_reference, row, files, False)
    own: list[pd.DataFrame] = []
    if "geneinfo" in files:
        problems += problems_of(
            lambda: own.append(
                harmonise_gene_table(read_text_table(files["geneinfo"], row["geneinfo"]), row["geneinfo"])
            )
        )
    if opened is not None:
        if len(opened.signatures):
            problems += problems_of(opened.read, np.array([0]))
        if row["level"] in ("3", "4") or row["format"] == "cells":  # what is filtered are signatures: not there yet
            problems += problems_of(check_filters, row)
        else:
            problems += problems_of(quality_funnel, opened.metadata, opened.signatures, row)
        if row["level"] == "3":
            wells = opened.metadata[opened.metadata.index.isin(opened.signatures)]
            problems += problems_of(check_plates, wells, row["siginfo"] or row["path"])
        if tables is not None and bool(own) == ("geneinfo" in files):
            table = GeneTable.from_tables([*tables, *own])
            problems += problems_of(opened.map_genes, table, row["path"], min_gene_overlap)
    if problems:
        raise InputError(problems)
