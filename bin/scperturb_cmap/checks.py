"""Look into every input file before any work starts, and collect all problems."""

from collections.abc import Callable
from pathlib import Path

from scperturb_cmap.genes import harmonise_gene_table
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.sheets import populations_of
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.reference.metadata import harmonise_metadata
from scperturb_cmap.signatures.derive import ALL_CELLS
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
        problems += problems_of(lambda key=key: labels.update({key: cells.column(row[key])}))
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
            for name in populations_of(row)
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
            lambda: metadata.append(harmonise_metadata(read_text_table(siginfo, row["siginfo"]), row["siginfo"]))
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
