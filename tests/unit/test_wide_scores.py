"""Wide scores: reading them must not take longer than the numbers do."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from scperturb_cmap.io.wide_scores import WideScores, wide_scores_writer


def test_columns_are_looked_up_once_per_file(tmp_path, monkeypatch):
    """pyarrow makes the schema anew each time: a second per block of 1024 signatures with 750 queries."""
    rng, queries = np.random.default_rng(0), [f"q{n}" for n in range(30)]
    blocks = [pd.DataFrame(rng.normal(size=(4, 30)), [f"s{b}{n}" for n in range(4)], queries) for b in range(3)]
    for name, mine in (("a", blocks[:2]), ("b", blocks[2:])):
        with wide_scores_writer(queries[: 30 if name == "a" else 20], tmp_path / f"{name}.parquet") as write:
            for block in mine:
                write("ref", block)
    asked, schema = [], pq.ParquetFile.schema_arrow
    monkeypatch.setattr(pq.ParquetFile, "schema_arrow", property(lambda file: asked.append(0) or schema.fget(file)))
    wide = WideScores([tmp_path / "b.parquet", tmp_path / "a.parquet"])
    rows = np.concatenate(list(wide.rows()), axis=1)
    columns = np.concatenate([scores for _, scores in wide.columns()])
    expected = pd.concat(blocks).to_numpy(np.float32).T
    expected[20:, 8:] = np.nan  # the second file lacks these queries
    assert np.array_equal(rows, expected, equal_nan=True) and np.array_equal(columns, expected, equal_nan=True)
    assert len(asked) <= 2 and wide.keys()["signature"].tolist() == [name for block in blocks for name in block.index]
