"""Who is held out with whom: folds by compound, mechanism and cell line, as a table that others can use."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scperturb_cmap.validation.tasks import membership

__all__ = ["families", "fold_table", "training_rows"]

#: Columns of the labels that each split goes by.
_COLUMNS = {"compound": "compound_id", "mechanism": "family", "cell_line": "cell_line"}


def families(mechanisms: pd.Series) -> pd.Series:
    """Of the mechanisms of a compound the one that most signatures have: what intervals are drawn over, and folds made of.

    "x", "x|y" and "x|z" are one cluster then, not three.

    Examples
    --------
    >>> families(pd.Series(["x", "y|x", "x|z", ""])).tolist()
    ['x', 'x', 'x', '']
    """
    each = mechanisms.astype(str).str.split("|")
    counts = each.explode().value_counts()
    # of two as frequent ones the first by name
    return each.map(lambda names: min(names, key=lambda name: (-counts[name], name)))


def fold_table(labels: pd.DataFrame, n_folds: int, seed: int) -> pd.DataFrame:
    """A fold for every compound, mechanism and cell line, and the half of the first two that chooses the headline.

    Parameters
    ----------
    labels
        compound_id (one identity over all references: InChIKey skeleton, vendor id or name), family (:func:`families`),
        cell_line.
    n_folds
        Folds; of cell lines never more than there are.
    seed
        Another one gives other folds.

    Returns
    -------
    Columns split, name, fold, half. Half is "validation" or "test" for compounds and mechanisms, "" for cell lines: what is
    chosen by the first is reported on the second.

    Examples
    --------
    >>> labels = pd.DataFrame({"compound_id": list("abcd"), "family": ["x", "y", "", ""], "cell_line": list("AABB")})
    >>> table = fold_table(labels, 2, seed=0)
    >>> table.groupby("split")["fold"].nunique().to_dict()
    {'cell_line': 2, 'compound': 2, 'mechanism': 2}
    """
    parts = []
    for number, (split, column) in enumerate(_COLUMNS.items()):
        names = sorted(set(labels[column].astype(str)) - {""})
        order = np.random.default_rng([seed, number]).permutation(len(names))
        place = np.empty(len(names), int)
        place[order] = np.arange(len(names))
        half = "" if split == "cell_line" else np.where(place // n_folds % 2 == 0, "validation", "test")
        parts.append(pd.DataFrame({"split": split, "name": names, "fold": place % n_folds, "half": half}))
    return pd.concat(parts, ignore_index=True)


def training_rows(labels: pd.DataFrame, split: str, tested: Sequence[int]) -> np.ndarray:
    """Which signatures a model may see that is tested on some: none of their compounds, mechanisms or cell lines.

    Parameters
    ----------
    labels
        Of all signatures: compound_id, mechanism ("a|b"), cell_line.
    split
        "compound", "mechanism" (and compound; whoever shares any mechanism is hidden) or "cell_line" (compounds elsewhere may
        be seen).
    tested
        Positions of the signatures tested.

    Examples
    --------
    Compound b shares a mechanism with the tested a.

    >>> labels = pd.DataFrame({"compound_id": list("abc"), "mechanism": ["x", "x|y", "z"], "cell_line": "A"})
    >>> [training_rows(labels, split, [0]).tolist() for split in ("compound", "mechanism")]
    [[False, True, True], [False, False, True]]
    """
    mine = labels.iloc[list(tested)]
    if split == "cell_line":
        seen = ~labels["cell_line"].isin(set(mine["cell_line"])).to_numpy()
    else:
        seen = ~labels["compound_id"].isin(set(mine["compound_id"]) - {""}).to_numpy()
    if split == "mechanism":
        names = sorted(set("|".join(mine["mechanism"]).split("|")) - {""})
        seen &= ~membership(labels["mechanism"], names).any(axis=1)
    seen[list(tested)] = False
    return seen
