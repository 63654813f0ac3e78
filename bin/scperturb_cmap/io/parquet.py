"""Parquet files, between stages and from other tools; damage gets a sentence."""

from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["read_parquet", "undamaged"]


def undamaged(path: Path, read: Callable, *arguments: object, **options: object) -> object:
    """Result of ``read(path, ...)``, one of pyarrow's or pandas' functions.

    Parameters
    ----------
    path
        A Parquet file.
    read, arguments, options
        What reads it, and how.

    Raises
    ------
    InputError
        The file is missing, cut short, damaged or no Parquet.
    """
    path = Path(path)
    require_data(path, path.name)
    try:
        return read(path, *arguments, **options)
    except MemoryError:  # pyarrow's is an ArrowException, too
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError):  # by where the damage lies
        wrong = "It is no readable Parquet file, or cut short."
        raise InputError(Problem(path.name, "", wrong, "Write or copy it again.")) from None


def read_parquet(
    path: Path, needs: Collection[str] = (), columns: list[str] | None = None, filters: list[tuple] | None = None
) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path
        A Parquet file.
    needs
        Columns that must be there.
    columns, filters
        As pyarrow takes them: what to read of it.

    Raises
    ------
    InputError
        The file is missing or damaged, or lacks a column.
    """
    path = Path(path)
    there = undamaged(path, pq.read_schema).names
    if lacking := [column for column in needs if column not in there]:
        wrong, remedy = f"It has no column {', '.join(map(repr, lacking))}.", "Run the stage that wrote it again."
        raise InputError(Problem(path.name, "columns", wrong, remedy))
    return undamaged(path, lambda file: pq.read_table(file, columns=columns, filters=filters).to_pandas())
