"""Reading delimited tables without letting pandas guess."""

import gzip
import warnings
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from scperturb_cmap.genes import GeneTable, harmonise_gene_table
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["MISSING", "read_gene_table", "read_text_table", "require_data"]

#: Spellings of "no value" in the tables of the field; -666 is LINCS' own.
MISSING = ["", "NA", "NaN", "nan", "None", "null", "-666", "-666.0", "-666.000000"]

_SIGNS = {
    b"version https://git-lfs": ("It is a git-lfs pointer, not the data.", "Fetch the data with 'git lfs pull'."),
    b"<!doctype html": (
        "It is an HTML page, not the data.",
        "Download it again; the link probably asked for a log-in.",
    ),
    b"<html": ("It is an HTML page, not the data.", "Download it again; the link probably asked for a log-in."),
    b"<?xml": ("It is an XML message, not the data.", "Download it again; the server answered with an error."),
}


def require_data(path: Path, name: str) -> None:
    """Refuse a missing file and what is often found in place of data: a web page, a git-lfs pointer, nothing.

    Parameters
    ----------
    path
        Where the file should be.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        With what is wrong and what to do.

    Examples
    --------
    >>> require_data(Path("lost.csv"), "lost.csv")
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: lost.csv: The file does not exist. Correct the path.
    """
    if not path.is_file():
        raise InputError(Problem(name, "", "The file does not exist.", "Correct the path."))
    with open(path, "rb") as handle:
        start = handle.read(256).lstrip().lower()
    if not start:
        raise InputError(Problem(name, "", "The file is empty.", "Download or write it again."))
    for sign, (wrong, remedy) in _SIGNS.items():
        if start.startswith(sign):
            raise InputError(Problem(name, "", wrong, remedy))


def read_text_table(path: Path, name: str | None = None, columns: Collection[str] | None = None) -> pd.DataFrame:
    """Read a comma- or tab-separated table, every value as text.

    Identifiers stay what they are ("007" is not 7, "SEPT2" no date); missing values are empty strings.

    Parameters
    ----------
    path
        A .csv, .tsv or .txt file, gzip-compressed or not. The separator is a tab if the header line holds one.
    name
        What to call the file in messages; its own name by default.
    columns
        Read only these, where they are there (a siginfo table of LINCS has 35 columns and a million rows); all by default.

    Returns
    -------
    Table of strings; lines starting with ``#`` before the header are skipped, a ``#`` that begins the header is cut.

    Raises
    ------
    InputError
        The file is missing, empty, a web page or pointer, not text, or ragged.
    """
    path = Path(path)
    name = name or path.name
    require_data(path, name)
    try:
        header, skip = _header(path)
        with warnings.catch_warnings():
            # Where a row has more fields than the header, pandas warns and drops them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep="\t" if "\t" in header else ",",
                dtype=str,
                keep_default_na=False,
                skiprows=skip,
                encoding="utf-8-sig",
                index_col=False,
                compression="infer",
                usecols=None if columns is None else lambda column: column.strip().lstrip("#") in columns,
            ).fillna("")
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, OSError):
        raise InputError(
            Problem(name, "", "It is not a UTF-8 text table.", "Save it as comma- or tab-separated text.")
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, ValueError) as error:
        detail = " ".join(str(error).split())
        raise InputError(
            Problem(
                name, "", f"It does not parse as a table ({detail}).", "Give every row as many fields as the header."
            )
        ) from None
    table.columns = [column.strip().lstrip("#") for column in table.columns]
    table = table.apply(lambda column: column.str.strip())
    return table.replace(dict.fromkeys(MISSING, ""))


def read_gene_table(paths: list[Path]) -> GeneTable:
    """Read the run's gene tables; the first is authoritative.

    Raises
    ------
    InputError
        A table is missing, unreadable or in no recognised layout.
    """
    return GeneTable.from_tables([harmonise_gene_table(read_text_table(path), Path(path).name) for path in paths])


def _header(path: Path) -> tuple[str, int]:
    """First line that is not a comment, and how many lines stand before it."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as handle:
        for skip, line in enumerate(handle):
            # NCBI writes its header as "#tax_id<tab>...": a comment has no separator.
            if not line.startswith("#") or "\t" in line:
                return line, skip
    return "", 0
