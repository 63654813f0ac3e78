"""Parquet files between the stages: written whole, and refused by name where they are damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet as pq

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
        What is read inside the ``with`` block is damaged or missing.
    """
    try:
        yield
    except (pyarrow.ArrowInvalid, OSError):  # by where the damage lies
        wrong = "It is no readable Parquet file, or it is cut off."
        raise InputError(Problem(Path(path).name, "", wrong, made_again(path))) from None


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file that is read in parts.

    Raises
    ------
    InputError
        It is missing or cut off; damage further inside shows only when that part is read (:func:`refuse_damage`).
    """
    with refuse_damage(path):
        return pq.ParquetFile(path)


def read_parquet(path: Path, columns: list[str] | None = None, filters: list[tuple] | None = None) -> pd.DataFrame:
    """Read a table, or the columns and rows of it that are wanted.

    Parameters
    ----------
    path
        The file.
    columns
        Read only these.
    filters
        Conditions that rows must meet, as of :func:`pyarrow.parquet.read_table`.

    Raises
    ------
    InputError
        It is missing or damaged.

    Examples
    --------
    >>> read_parquet(Path("lost.parquet"))
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: lost.parquet: It is no readable Parquet file, or it is cut off. Make it again.
    """
    with refuse_damage(path):
        return pq.read_table(path, columns=columns, filters=filters).to_pandas()
