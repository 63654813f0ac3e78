"""Which signatures were measured side by side."""

import numpy as np
import pandas as pd

__all__ = ["beside"]

#: Share of different numbers from which they follow a scan, and how far apart two of one batch are then.
_SCAN, _NEAR = 0.9, 10


def beside(mine: pd.Series, theirs: pd.Series) -> np.ndarray:
    """Which pairs are of one batch, bool (n_mine, n_theirs).

    Numbers that hardly ever repeat in ``theirs`` follow a scan, as the instances of Connectivity Map build 02 do: those within
    +-10 count as one batch.

    Examples
    --------
    >>> beside(pd.Series(["4", ""]), pd.Series(["1", "30", "", "14"])).tolist()
    [[True, False, False, True], [False, False, False, False]]
    >>> beside(pd.Series(["4", ""]), pd.Series(["4", "5", "4", "5"])).tolist()
    [[True, False, True, False], [False, False, False, False]]
    """
    known, place = _known(theirs), pd.to_numeric(theirs, errors="coerce").to_numpy(float)
    numbers = known.any() and np.isfinite(place[known]).all()
    if numbers and theirs[known].nunique() > _SCAN * known.sum():
        near = np.abs(pd.to_numeric(mine, errors="coerce").to_numpy(float)[:, None] - place[None]) <= _NEAR
    else:
        near = mine.to_numpy()[:, None] == theirs.to_numpy()[None]
    return near & _known(mine)[:, None] & known[None]


def _known(column: pd.Series) -> np.ndarray:
    return column.notna().to_numpy() & (column.to_numpy() != "")
