"""Tables as an Excel workbook: numbers are numbers, and no name becomes a formula, a link or a date."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path

import pandas as pd

from scperturb_cmap.io.meanings import TABLES
from scperturb_cmap.io.tables import read_text_table

__all__ = ["first_rows", "read_published", "sheet_names", "split_name", "write_workbook"]

#: What Excel can hold.
MOST_ROWS, MOST_TEXT, MOST_NAME = 1_048_576, 32_767, 31

#: Cells of a sheet: more would take minutes to write, and megabytes to send. The genes of 50 drugs in each population would be
#: most of a report, and few people read them all in Excel.
MOST_CELLS = 1_000_000
MOST_CELLS_OF = {"leading_edges": 150_000}


def split_name(file: str) -> tuple[str, str]:
    """Take the name of a table's file apart: what it is about, and its kind.

    Examples
    --------
    >>> split_name("my.data.drugs.tsv"), split_name("notes.tsv")
    (('my.data', 'drugs'), ('tables', 'notes'))
    """
    about, _, kind = re.sub(r"\.(tsv|parquet|json)$", "", file).rpartition(".")
    return about or "tables", kind


def read_published(path: Path) -> pd.DataFrame:
    """Read a published table; columns of numbers are numbers by its contract, and all other columns text."""
    # In our own tables only an empty field is missing: a population may be called "NA".
    table = read_text_table(path, path.name, missing=("",), row_names=False).reset_index(drop=True)
    known = TABLES.get(split_name(path.name)[1])
    numbers = [column for column in table if known and known.is_number(column)]
    return table.assign(**{column: pd.to_numeric(table[column], errors="coerce") for column in numbers})


def sheet_names(names: Iterable[str]) -> list[str]:
    """Names for sheets: at most 31 characters, none that Excel forbids, no two alike.

    Examples
    --------
    >>> sheet_names(["drugs", "Drugs", "a/b [c]", "", "validation of a very long name indeed"])
    ['drugs', 'Drugs (2)', 'a_b _c_', 'sheet', 'validation of a very long name ']
    """
    taken: list[str] = []
    for name in names:
        plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", name).strip("'")[:MOST_NAME] or "sheet"
        free, n = plain, 1
        while free.lower() in {"history", *map(str.lower, taken)}:
            n += 1
            free = f"{plain[: MOST_NAME - len(f' ({n})')]} ({n})"
        taken.append(free)
    return taken


def write_workbook(path: Path, tables: Sequence[Path]) -> None:
    """Write one sheet per table, and before them a sheet that says what the tables and their columns mean.

    Parameters
    ----------
    path
        The workbook; equal tables give equal bytes.
    tables
        Published tables (.tsv), in the order of the sheets.

    Notes
    -----
    Of a very long table a sheet has the first rows of every population, and the sheet of meanings says so.
    """
    import xlsxwriter

    # Row by row, so that the memory does not grow with the table.
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        book.set_properties({"created": datetime(2000, 1, 1)})
        bold = book.add_format({"bold": True})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        names = sheet_names(["key", *(split_name(table.name)[1] for table in tables)])
        key = book.add_worksheet(names[0])
        meanings: list[tuple[str, str, str]] = []
        for name, source in zip(names[1:], tables, strict=True):
            table = read_published(source)
            first = first_rows(table, MOST_CELLS_OF.get(split_name(source.name)[1], MOST_CELLS))
            cut = f" Only {len(first):,} of {len(table):,} rows are here: the first." if len(first) < len(table) else ""
            meanings += _meanings(name, source, cut)
            _write_sheet(book.add_worksheet(name), first, bold)
        for column, width in enumerate((24, 40, 110)):
            key.set_column(column, column, width, wrap)
        key.freeze_panes(1, 0)
        for row, line in enumerate([("sheet", "columns", "meaning"), *meanings]):
            for column, text in enumerate(line):
                key.write_string(row, column, text, bold if row == 0 else wrap)


def first_rows(table: pd.DataFrame, most_cells: int = MOST_CELLS) -> pd.DataFrame:
    """As much of a table as a sheet should hold: all of it, or the first rows, as many of every population.

    Examples
    --------
    >>> table = pd.DataFrame({"dataset": "d", "population": ["T", "T", "T", "B"], "rank": [1, 2, 3, 1]})
    >>> first_rows(table, most_cells=6)
      dataset population  rank
    0       d          T     1
    3       d          B     1
    """
    most = min(most_cells // max(table.shape[1], 1), MOST_ROWS - 1)
    if len(table) <= most:
        return table
    if not {"dataset", "population"} <= set(table):
        return table.head(most)
    populations = table.groupby(["dataset", "population"], sort=False)
    return populations.head(max(most // populations.ngroups, 1)).head(MOST_ROWS - 1)


def _meanings(sheet: str, source: Path, cut: str) -> list[tuple[str, str, str]]:
    """Lines of the key about one sheet: (sheet, columns, what they mean)."""
    known = TABLES.get(split_name(source.name)[1])
    if not known:
        return [(sheet, "", f"{source.name}.{cut}")]
    plain = ((names, meaning.replace("`", "")) for names, meaning in known.columns.items())
    return [(sheet, "", f"{known.title}{cut}"), *((sheet, names, meaning) for names, meaning in plain)]


def _write_sheet(sheet, table: pd.DataFrame, bold) -> None:
    for place, column in enumerate(table):
        sheet.set_column(place, place, min(max(len(column) + 2, 9), 30))
    for place, column in enumerate(table):
        sheet.write_string(0, place, column, bold)
    sheet.freeze_panes(1, 0)
    if len(table):
        sheet.autofilter(0, 0, len(table), table.shape[1] - 1)
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    for row, values in enumerate(table.itertuples(index=False, name=None), start=1):
        for place, value in enumerate(values):
            if pd.isna(value) or value == "":
                continue  # an empty cell
            if numeric[place] and isfinite(value):
                sheet.write_number(row, place, value)
            else:
                # Never write(), which takes "=1+1" for a formula and an address for a link.
                sheet.write_string(row, place, str(value)[:MOST_TEXT])
