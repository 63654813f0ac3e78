"""Which signatures were measured side by side."""

import numpy as np
import pandas as pd

__all__ = ["beside", "is_scan", "known"]

#: Share of different numbers from which they follow a scan, and how far apart two of one batch are then.
_SCAN, _NEAR = 0.9, 10


def known(column: pd.Series) -> np.ndarray:
    """Where a label is given.

    Examples
    --------
    >>> known(pd.Series(["a", "", None])).tolist()
    [True, False, False]
    """
    return column.notna().to_numpy() & (column.to_numpy() != "")


def beside(mine: pd.Series, theirs: pd.Series, *, scan: bool | None = None) -> np.ndarray:
    """Which pairs are of one batch, bool (n_mine, n_theirs).

    Numbers that hardly ever repeat in ``theirs`` follow a scan, as the instances of Connectivity Map build 02 do: those within
    +-10 count as one batch. ``scan`` says whether they do, where ``theirs`` are only a part of the labels that tell.

    Examples
    --------
    >>> beside(pd.Series(["4", ""]), pd.Series(["1", "30", "", "14"])).tolist()
    [[True, False, False, True], [False, False, False, False]]
    >>> beside(pd.Series(["4", ""]), pd.Series(["4", "5", "4", "5"])).tolist()
    [[True, False, True, False], [False, False, False, False]]
    """
    there = known(theirs)
    if is_scan(theirs) if scan is None else scan:
        place = pd.to_numeric(theirs, errors="coerce").to_numpy(float)
        near = np.abs(pd.to_numeric(mine, errors="coerce").to_numpy(float)[:, None] - place[None]) <= _NEAR
    else:
        near = mine.to_numpy()[:, None] == theirs.to_numpy()[None]
    return near & known(mine)[:, None] & there[None]


def is_scan(batches: pd.Series) -> bool:
    """Whether known batches are numbers that hardly ever repeat, and so follow a scan.

    Examples
    --------
    >>> is_scan(pd.Series(["4", "", "20", "21"])), is_scan(pd.Series(["4", "4", "b"]))
    (True, False)
    """
    there, place = known(batches), pd.to_numeric(batches, errors="coerce").to_numpy(float)
    numbers = there.any() and np.isfinite(place[there]).all()
    return bool(numbers and batches[there].nunique() > _SCAN * there.sum())
