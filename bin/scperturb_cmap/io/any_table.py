"""Tables of other tools: Parquet or text, told apart by their content."""

from pathlib import Path

import pandas as pd

from scperturb_cmap.io.tables import read_text_table, require_data
from scperturb_cmap.utils.errors import InputError, Problem

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
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError):
        wrong = "It begins as a Parquet file and is none."
        raise InputError(Problem(Path(path).name, "", wrong, "Write or copy it again.")) from None
