"""Tables of other tools: Parquet or text, told apart by their content."""

from pathlib import Path

import pandas as pd

from scperturb_cmap.io.parquet import refuse_damage
from scperturb_cmap.io.tables import read_text_table, require_data

__all__ = ["read_any_table"]


def read_any_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file, or a table of text.

    Raises
    ------
    InputError
        The file is missing, damaged, or no table.
    """
    require_data(path, Path(path).name)
    with open(path, "rb") as handle:
        if handle.read(4) != b"PAR1":
            return read_text_table(path)
    with refuse_damage(path):
        return pd.read_parquet(path)
