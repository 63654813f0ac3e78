"""Scores of many queries by one method: one row per signature, one column per query, in Parquet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from scperturb_cmap.io.parquet import open_parquet, parquet_writer, refuse_damage

__all__ = ["WideScores", "wide_scores_writer"]

#: Columns that name a signature.
_KEYS = ("reference", "signature")

#: Queries read at once: 60 MB at 1.2 million signatures.
_COLUMNS = 12


@contextmanager
def wide_scores_writer(queries: Sequence[str], path: Path) -> Iterator[Callable[[str, pd.DataFrame], None]]:
    """Write scores that come in blocks; only one block is in memory, and the file appears when complete.

    Parameters
    ----------
    queries
        Names of all columns; with none there is a file without scores.
    path
        Ends in .parquet.

    Yields
    ------
    What writes a block: reference, and signatures x queries -> a row group.
    """
    fields = [(name, pyarrow.string()) for name in _KEYS] + [(query, pyarrow.float32()) for query in queries]
    schema = pyarrow.schema(fields)
    with parquet_writer(schema, path) as writer:

        def write(reference: str, block: pd.DataFrame) -> None:
            columns = [pyarrow.array([reference] * len(block)), pyarrow.array(block.index.astype(str))]
            columns += [pyarrow.array(block[query].to_numpy(np.float32)) for query in queries]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))

        yield write


class WideScores:
    """Wide scores of all shards, read in parts.

    Parameters
    ----------
    paths
        Files of :func:`wide_scores_writer`; a query that a file lacks has no scores there.

    Raises
    ------
    InputError
        A file is missing, damaged, or holds no such scores.
    """

    def __init__(self, paths: Sequence[Path]):
        self._paths = sorted(map(Path, paths), key=lambda path: path.name)
        self._files = [open_parquet(path, _KEYS) for path in self._paths]
        # Asked for once: pyarrow makes a schema of many columns anew each time.
        names = [[name for name in file.schema_arrow.names if name not in _KEYS] for file in self._files]
        #: Names of the queries.
        self.queries = list(dict.fromkeys(name for mine in names for name in mine))
        self._has = [frozenset(mine) for mine in names]

    def keys(self) -> pd.DataFrame:
        """Reference and signature of each row."""
        tables = [self._read(n, columns=list(_KEYS)).to_pandas() for n in range(len(self._files))]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(_KEYS), dtype=object)

    def columns(self, queries: Sequence[str] | None = None) -> Iterator[tuple[list[str], np.ndarray]]:
        """A few queries at a time: their names, and scores of shape (n_queries, n_signatures)."""
        wanted = self.queries if queries is None else list(queries)
        for start in range(0, len(wanted), _COLUMNS):
            part = wanted[start : start + _COLUMNS]
            tables = (
                self._read(n, columns=[query for query in part if query in has]) for n, has in enumerate(self._has)
            )
            yield part, np.concatenate([_filled(table, part) for table in tables], axis=1)

    def rows(self) -> Iterator[np.ndarray]:
        """A block of signatures at a time: scores of shape (n_queries, n_signatures), all queries."""
        for n, (file, has) in enumerate(zip(self._files, self._has, strict=True)):
            there = [query for query in self.queries if query in has]
            for group in range(file.num_row_groups):
                yield _filled(self._read(n, group, columns=there), self.queries)

    def _read(self, n: int, *group: int, columns: list[str]) -> pyarrow.Table:
        """Columns of a file, or of one of its row groups."""
        with refuse_damage(self._paths[n]):
            return self._files[n].read_row_groups(group, columns) if group else self._files[n].read(columns)


def _filled(table: pyarrow.Table, queries: Sequence[str]) -> np.ndarray:
    missing = np.full(table.num_rows, np.nan, np.float32)
    there = set(table.column_names)
    return np.stack([table[query].to_numpy() if query in there else missing for query in queries])
