"""Sample sheet and reference sheet: their columns, and every problem of a sheet at once."""

import re
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from scperturb_cmap.io.cells import NONE
from scperturb_cmap.io.json_files import read_json
from scperturb_cmap.io.queries import is_cells
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["ASSAYS", "FILES", "FORMATS", "ROLES", "Row", "assay_of", "check_sheet", "listed", "read_row"]

#: File formats of references, and what a reference is for.
FORMATS = ("gctx", "gct", "gmt", "signatures", "cells", "table", "library")
ROLES = ("search", "train", "both")

#: What signatures of a reference were measured on: the gates ask for queries of the same kind as those of the run.
ASSAYS = ("bulk", "single_cell")

#: Columns that only data sets of single cells need; a ready-made signature does without.
CELL_COLUMNS = ("cell_type_key", "condition_key", "case", "control", "donor_key")

#: Columns of each kind of sheet: needed ones, optional ones, those with a fixed choice.
_SHEETS = {
    "samples": {
        "needed": ("dataset", "path", *CELL_COLUMNS),
        "optional": ("path_down", "populations", "covariates", "layer", "organism"),
        "choices": {},
    },
    "references": {
        "needed": ("reference", "path", "format", "role"),
        "optional": (
            "path_down",
            "siginfo",
            "geneinfo",
            "compoundinfo",
            "level",
            "filter",
            "control",
            "assay",
            "licence",
        ),
        "choices": {"format": FORMATS, "role": ROLES, "level": ("", "3", "4", "5"), "assay": ("", *ASSAYS)},
    },
}

#: Data sets and references name files: no spaces, quotes, slashes or leading dots.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


#: Columns that name files.
FILES = ("path", "path_down", "siginfo", "geneinfo", "compoundinfo")

#: Columns of the reference sheet that only some formats have.
_OF_FORMAT = {
    "path_down": ("gmt",),
    "level": ("gctx", "gct"),
    "control": ("cells",),
    "assay": ("gctx", "gct", "signatures", "table"),
    "siginfo": ("gctx", "gct", "gmt", "signatures", "table"),
    "geneinfo": ("gctx", "gct", "gmt", "signatures", "cells", "table"),
    "compoundinfo": ("gctx", "gct", "gmt", "signatures", "table"),
    "filter": ("gctx", "gct", "gmt", "signatures", "cells", "table"),
}


class Row(dict):
    """One row of a sheet: a dictionary that knows its line of the file.

    Examples
    --------
    >>> row = Row({"case": "ill"}, line=4)
    >>> row["case"], row.line
    ('ill', 4)
    """

    def __init__(self, cells: dict[str, str], line: int):
        super().__init__(cells)
        self.line = line


def _meant(column: str, known: set[str]) -> str:
    """What a misspelt column was probably meant to be."""
    near = get_close_matches(column.lower(), sorted(known), 1, 0.75)
    return f": did you mean {near[0]}?" if near else ""


def check_sheet(path: Path, kind: str) -> tuple[list[Row], list[Problem]]:
    """Read a sheet and list everything that is wrong with its cells (not with the files it names).

    Parameters
    ----------
    path
        A comma- or tab-separated sheet.
    kind
        "samples" or "references".

    Returns
    -------
    rows
        One dictionary per row, all known columns present, optional ones ``""`` where not given; its attribute ``line`` is
        the line of the file.
    problems
        What is wrong, with the line of the file.
    """
    name, layout = Path(path).name, _SHEETS[kind]
    try:
        # People call conditions "None" or "NA": only an empty cell is empty.
        table = read_text_table(path, missing=("",), row_names=False)
    except InputError as error:
        return [], error.problems
    known = (*layout["needed"], *layout["optional"])
    problems = [
        Problem(
            name,
            f"column '{column}'",
            "The column is missing.",
            f"Add it; a {kind} sheet needs {', '.join(layout['needed'])}.",
        )
        for column in layout["needed"]
        if column not in table and (column not in CELL_COLUMNS or _any_cells(table))
    ]
    problems += [
        Problem(
            name,
            f"column '{column}'",
            f"The column is not known{_meant(column, set(known) - set(table))}.",
            f"Correct or remove it; optional columns are {', '.join(layout['optional'])}.",
        )
        for column in table.columns
        if column not in known
    ]
    if not len(table):
        problems.append(Problem(name, "", "The sheet has a header but no rows.", "Add at least one row."))
    if problems:
        return [], problems

    table = table.reindex(columns=list(known), fill_value="")
    identity = known[0]
    rows = [Row(cells, line) for line, cells in zip(table.index, table.to_dict("records"), strict=True)]
    for row in rows:
        problems += [
            Problem(name, f"line {row.line}, column '{column}'", wrong, remedy)
            for column, wrong, remedy in _check_row(row, kind)
        ]
    if kind == "references" and set(table["role"]) == {"train"}:
        problems.append(
            Problem(name, "column 'role'", "No reference is there to be searched.", "Give one the role search or both.")
        )
    # Names become file names and pages, on systems that may not tell capitals apart.
    alike = table[identity].str.lower().str.replace(".", "_", regex=False)
    for key in alike[(alike != "") & alike.duplicated()].unique():
        names, lines = table[identity][alike == key], ", ".join(map(str, table.index[alike == key]))
        problems.append(
            Problem(
                name,
                f"lines {lines}, column '{identity}'",
                f"The name {names.iloc[0]!r} stands more than once (capitals, '.' and '_' do not tell names apart).",
                "Give every row its own name.",
            )
        )
    return rows, problems


def read_row(path: Path, kind: str) -> dict:
    """Row of a sheet as CHECK_INPUTS wrote it.

    Parameters
    ----------
    path
        <dataset>.sample.json or <reference>.reference.json.
    kind
        As for :func:`check_sheet`.

    Raises
    ------
    InputError
        It is missing, damaged, or no such row.
    """
    columns = (*_SHEETS[kind]["needed"], *_SHEETS[kind]["optional"])
    remedy = "Give the row as CHECK_INPUTS wrote it."
    row = read_json(path, columns, remedy=remedy)
    if wrong := [column for column in columns if not isinstance(row[column], str)]:
        raise InputError(Problem(Path(path).name, wrong[0], f"It is {row[wrong[0]]!r}, which is no text.", remedy))
    if not _NAME.fullmatch(row[columns[0]]):
        raise InputError(
            Problem(Path(path).name, columns[0], f"{row[columns[0]]!r} is no safe name for files.", remedy)
        )
    return row


def _any_cells(table: pd.DataFrame) -> bool:
    return "path" not in table or table["path"].map(is_cells).any() or table.empty


def _check_row(row: dict[str, str], kind: str) -> list[tuple[str, str, str]]:
    """(column, what is wrong, remedy) for one row."""
    layout, found = _SHEETS[kind], []
    identity = layout["needed"][0]
    for column in layout["needed"]:
        if not row[column] and (column not in CELL_COLUMNS or is_cells(row["path"])):
            found.append((column, "The value is empty.", "Fill it in."))
    if kind == "references" and row["format"] in FORMATS:
        found += [
            (column, f"The format {row['format']!r} has none.", "Leave it empty, or correct the format.")
            for column, formats in _OF_FORMAT.items()
            if row[column] and row["format"] not in formats
        ]
        if row["format"] == "gmt" and not row["path_down"]:
            found.append(("path_down", "The value is empty.", "Name the GMT file with the down sets."))
        if (row["format"] == "table" or row["level"] in ("3", "4")) and not row["siginfo"]:
            what = "instinfo" if row["level"] else "siginfo"
            found.append(
                ("siginfo", "The value is empty.", f"Name the {what} table: it tells which column is which drug.")
            )
    foreign = () if kind == "references" else ("path_down",) if is_cells(row["path"]) else ("covariates", "layer")
    what = "Single cells have" if "path_down" in foreign else "A ready-made signature has"
    found += [(column, f"{what} none.", "Leave it empty, or correct the path.") for column in foreign if row[column]]
    for column, value in row.items():
        if len(value.splitlines()) > 1:
            found.append((column, "The value has a line break.", "Write it on one line; a quote may be missing."))
        elif column in FILES and '"' in value:
            found.append((column, f"The path {value!r} holds a double quote.", "Rename the file, or correct the path."))
    if row[identity] and not _NAME.fullmatch(row[identity]):
        found.append(
            (
                identity,
                f"{row[identity]!r} is not a safe name for files.",
                "Use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit.",
            )
        )
    for column, choices in layout["choices"].items():
        if row[column] and row[column] not in choices:
            remedy = f"Choose one of {', '.join(choice for choice in choices if choice)}."
            found.append((column, f"{row[column]!r} is not known.", remedy))
    if kind == "samples" and is_cells(row["path"]) and row["donor_key"] != NONE:
        found += [
            (
                "donor_key",
                f"It is the column of {column!r} too, {row[column]!r}: each of its labels would be a donor.",
                remedy,
            )
            for column in ("cell_type_key", "condition_key")
            for remedy in [f"Name the column that holds the donors, or write {NONE!r} where there are no replicates."]
            if row["donor_key"] and row["donor_key"] == row[column]
        ]
    if kind == "samples" and row["case"] and row["case"] == row["control"]:
        found.append(("control", f"Case and control are both {row['case']!r}.", "Name two different conditions."))
    return found


def assay_of(row: dict[str, str]) -> str:
    """What the signatures of a reference were measured on: single cells where its file holds these, else as its row says.

    Examples
    --------
    >>> [assay_of({"format": one, "assay": ""}) for one in ("cells", "gctx")]
    ['single_cell', 'bulk']
    """
    return "single_cell" if row["format"] == "cells" else row["assay"] or "bulk"


def listed(cell: str) -> list[str]:
    """Names in a cell of a sheet that holds several, separated by ``;``.

    Examples
    --------
    >>> listed("B cells; NK cells;")
    ['B cells', 'NK cells']
    """
    return [name.strip() for name in cell.split(";") if name.strip()]
