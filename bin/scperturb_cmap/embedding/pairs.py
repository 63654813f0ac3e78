"""Pairs to learn from: two signatures of one compound on two platforms, or in two cell lines, doses or batches of one."""

import numpy as np
import pandas as pd

__all__ = ["mine_pairs", "strength", "unique_profiles"]


def strength(values: np.ndarray, clip: float = 10.0) -> np.ndarray:
    """Root mean square of a signature's measured values after clipping: how much the compound did; shape (n_signatures,).

    Examples
    --------
    >>> strength(np.array([[3.0, -4.0, np.nan], [200.0, 0.0, 0.0]])).round(2).tolist()
    [3.54, 5.77]
    """
    known = np.isfinite(values)
    clipped = np.clip(np.where(known, values, 0), -clip, clip).astype(np.float64)
    return np.sqrt((clipped**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def unique_profiles(values: np.ndarray, compounds: np.ndarray, likeness: float = 0.999) -> np.ndarray:
    """Positions to keep so that no profile and no compound stands twice; the first of each counts.

    Parameters
    ----------
    values
        Shape (n_signatures, n_genes), without missing values.
    compounds
        Identity of each signature's compound.
    likeness
        Correlation above which two signatures are the same measurement under two names.

    Examples
    --------
    >>> values = np.array([[1.0, 2, 3], [2, 4, 6], [3, 1, 2], [1, 3, 1]])
    >>> unique_profiles(values, np.array(["a", "b", "c", "c"])).tolist()
    [0, 2]
    """
    first = ~pd.Series(compounds).duplicated().to_numpy()
    same = np.corrcoef(values) > likeness
    return np.flatnonzero(first & ~np.tril(same, -1).any(axis=1))


def mine_pairs(
    query: pd.DataFrame, reference: pd.DataFrame, *, most_per_compound: int = 200, across: tuple[str, ...] = (),
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """All pairs of a query and a reference signature of one compound, from metadata alone: never from a score.

    Parameters
    ----------
    query, reference
        ``obs`` of two signature sets, or of one given twice: column compound_id (of one identity over all sets), and those
        named in ``across``. A column ``strength``, where the reference has one, weighs the pairs.
    most_per_compound
        Pairs of a compound beyond these are left out at random, so that much-used controls do not decide.
    across
        Columns in which the two must differ, such as cell_line or batch; a missing value differs from nothing.
    seed
        Of the choice among too many pairs.

    Returns
    -------
    Columns query, reference (positions), compound_id, weight: all pairs of a compound weigh together as the root of their
    number, times the reference's strength; the mean weight is 1.

    Examples
    --------
    >>> obs = pd.DataFrame({"compound_id": ["a", "a", "b", ""], "cell_line": ["x", "y", "x", "x"]})
    >>> mine_pairs(obs, obs, across=("cell_line",))[["query", "reference"]].to_numpy().tolist()
    [[0, 1], [1, 0]]
    """
    sides = [
        side[["compound_id", *across]].assign(**{name: np.arange(len(side))}).query("compound_id != ''")
        for side, name in ((query, "query"), (reference, "reference"))
    ]
    pairs = sides[0].merge(sides[1], on="compound_id", suffixes=("", "_other"))
    for column in across:
        one, other = pairs[column].astype(str), pairs[f"{column}_other"].astype(str)
        pairs = pairs[(one != other) & (one != "") & (other != "")]
    pairs = pairs.sample(frac=1, random_state=seed).groupby("compound_id").head(most_per_compound)
    pairs = pairs.sort_values(["query", "reference"], ignore_index=True)[["query", "reference", "compound_id"]]
    weight = 1 / np.sqrt(pairs["compound_id"].map(pairs["compound_id"].value_counts()))
    if "strength" in reference:
        weight = weight * reference["strength"].to_numpy()[pairs["reference"]]
    return pairs.assign(weight=weight / weight.mean() if len(pairs) else weight)
