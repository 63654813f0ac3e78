"""Look into every input file before any work starts, and collect all problems."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from scperturb_cmap.genes import harmonise_gene_table
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.sheets import listed
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.reference.metadata import COLUMNS, harmonise_metadata
from scperturb_cmap.signatures.derive import ALL_CELLS, RESERVED, varying_covariates
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["check_reference", "check_sample", "problems_of"]


def problems_of(check: Callable, *arguments: object) -> list[Problem]:
    """Run a check and return what it finds wrong instead of raising it.

    Examples
    --------
    >>> def check(name):
    ...     raise InputError(Problem(name, "", "It is empty.", "Fill it."))
    >>> [str(problem) for problem in problems_of(check, "a.csv")]
    ['a.csv: It is empty. Fill it.']
    """
    try:
        check(*arguments)
    except InputError as error:
        return error.problems
    return []


def check_sample(row: dict[str, str], path: Path) -> None:
    """Check the cells of one row of the sample sheet: columns, labels, donors, and that the matrix holds raw counts.

    Parameters
    ----------
    row
        The row.
    path
        Its file.

    Raises
    ------
    InputError
        With every problem of this file.
    """
    cells = Cells(path, row["layer"], name=row["path"])
    problems, labels = [], {}
    for key in ("cell_type_key", "condition_key", "donor_key"):
        problems += problems_of(
            lambda key=key: labels.update({key: cells.column(row[key], f"'{key}' in the sample sheet")})
        )
    file = row["path"]
    if "condition_key" in labels:
        there = labels["condition_key"].unique()
        problems += [
            Problem(
                file,
                f"obs column '{row['condition_key']}'",
                f"No cell has the {arm} label {row[arm]!r} (labels: {_some(there)}).",
                f"Correct the column '{arm}' of the sample sheet.",
            )
            for arm in ("case", "control")
            if row[arm] not in there
        ]
    if "cell_type_key" in labels:
        there = labels["cell_type_key"].unique()
        problems += [
            Problem(
                file,
                f"obs column '{row['cell_type_key']}'",
                f"There is no population {name!r} (populations: {_some(there)}).",
                "Correct the column 'populations' of the sample sheet.",
            )
            for name in listed(row["populations"])
            if name not in there
        ]
        if ALL_CELLS in there:
            problems.append(
                Problem(
                    file,
                    f"obs column '{row['cell_type_key']}'",
                    f"A population is called {ALL_CELLS!r}, which is the name of the average over every cell.",
                    "Rename it.",
                )
            )
    problems += _check_covariates(row, cells, labels)
    if "donor_key" in labels and (labels["donor_key"] == "").all():
        problems.append(
            Problem(
                file,
                f"obs column '{row['donor_key']}'",
                "No cell has a donor.",
                "Name the column that holds the donors.",
            )
        )
    problems += problems_of(cells.check_counts)
    if problems:
        raise InputError(problems)


def _check_covariates(row: dict[str, str], cells: Cells, labels: dict[str, pd.Series]) -> list[Problem]:
    """Covariates must be there, have a name of their own, and one value per donor and condition."""
    names, problems, found = listed(row["covariates"]), [], {}
    for name in names:
        problems += problems_of(lambda name=name: found.update({name: cells.covariate(name)}))
    taken = [
        name for name in names if name in (*RESERVED, row["cell_type_key"], row["condition_key"], row["donor_key"])
    ]
    problems += [
        Problem(
            row["path"], f"obs column '{name}'", "It cannot be a covariate under this name.", "Rename or leave it out."
        )
        for name in taken
    ]
    if not problems and {"condition_key", "donor_key"} <= set(labels):
        table = pd.DataFrame({"condition": labels["condition_key"], "donor": labels["donor_key"]} | found)
        problems += [
            Problem(
                row["path"],
                f"obs column '{name}'",
                "As a covariate it must have one value per donor and condition, but differs among a donor's cells.",
                "Leave it out of the column 'covariates' of the sample sheet.",
            )
            for name in varying_covariates(table, row["case"], row["control"])
        ]
    return problems


def check_reference(row: dict[str, str], path: Path, siginfo: Path | None, geneinfo: Path | None) -> None:
    """Check the files of one row of the reference sheet.

    Raises
    ------
    InputError
        With every problem of these files.
    """
    opened: list[GeneMatrix] = []
    problems = problems_of(lambda: opened.append(GeneMatrix(path, row["format"], name=row["path"])))
    metadata = []
    if siginfo is not None:
        problems += problems_of(
            lambda: metadata.append(
                harmonise_metadata(read_text_table(siginfo, row["siginfo"], COLUMNS), row["siginfo"])
            )
        )
    elif opened:
        problems += problems_of(lambda: metadata.append(harmonise_metadata(opened[0].metadata, row["path"])))
    if geneinfo is not None:
        problems += problems_of(
            lambda: harmonise_gene_table(read_text_table(geneinfo, row["geneinfo"]), row["geneinfo"])
        )
    if opened and metadata and not opened[0].signatures.isin(metadata[0].index).any():
        problems.append(
            Problem(
                row["siginfo"],
                "signature ids",
                f"None of them is in {row['path']} (there: {_some(opened[0].signatures)}).",
                "Give the siginfo table that belongs to the matrix.",
            )
        )
    if problems:
        raise InputError(problems)


def _some(values: list, most: int = 8) -> str:
    """A few of the values, for a message."""
    shown = [repr(str(value)) for value in sorted(values)[:most]]
    return ", ".join(shown) + (f" and {len(values) - most} more" if len(values) > most else "")
