"""Parquet files, between stages and from other tools: written whole, refused by name where they are damaged."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import made_again, whole_file

__all__ = ["open_parquet", "parquet_writer", "read_parquet", "refuse_damage"]


@contextmanager
def parquet_writer(schema: pyarrow.Schema, path: Path) -> Iterator[pq.ParquetWriter]:
    """Write Parquet in parts; the file appears under its name only when it is complete."""
    with whole_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        yield writer


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Turn what pyarrow says of a damaged file into a sentence with the file's name.

    Raises
    ------
    InputError
        What is read inside the ``with`` block is damaged.
    """
    try:
        yield
    except MemoryError:  # pyarrow's is an ArrowException, too
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError):  # by where the damage lies
        wrong = "It is no readable Parquet file, or it is cut off."
        raise InputError(Problem(Path(path).name, "", wrong, made_again(path, "Write or copy it again."))) from None


def open_parquet(path: Path, needs: Collection[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file that is read in parts.

    Parameters
    ----------
    path
        The file.
    needs
        Columns that must be there.

    Raises
    ------
    InputError
        It is missing, cut off, or lacks a column; damage further inside shows only when that part is read
        (:func:`refuse_damage`).
    """
    path = Path(path)
    require_data(path, path.name)
    with refuse_damage(path):
        file = pq.ParquetFile(path)
        there = file.schema.names  # that of Arrow takes long where there are many columns
    _require_columns(path, there, needs)
    return file


def read_parquet(
    path: Path, needs: Collection[str] = (), columns: list[str] | None = None, filters: list[tuple] | None = None
) -> pd.DataFrame:
    """Read a table, or the columns and rows of it that are wanted.

    Parameters
    ----------
    path
        The file.
    needs
        Columns that must be there.
    columns
        Read only these.
    filters
        Conditions that rows must meet, as of :func:`pyarrow.parquet.read_table`.

    Raises
    ------
    InputError
        It is missing or damaged, or lacks a column.

    Examples
    --------
    >>> read_parquet(Path("lost.parquet"))
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: lost.parquet: The file does not exist. ...
    """
    path = Path(path)
    require_data(path, path.name)
    with refuse_damage(path):
        table = pq.ParquetDataset(path, filters=filters)
    _require_columns(path, table.schema.names, needs)
    with refuse_damage(path):
        return table.read(columns).to_pandas()


def _require_columns(path: Path, there: Collection[str], needs: Collection[str]) -> None:
    there = set(there)
    if lacking := [column for column in needs if column not in there]:
        wrong = f"It has no column {', '.join(map(repr, lacking))}."
        raise InputError(Problem(path.name, "columns", wrong, "Run the stage that wrote it again."))
