"""Splits by compound: no compound is on two sides, and compounds with pairs are spread evenly."""

from collections.abc import Iterable

import numpy as np

__all__ = ["compound_folds"]


def compound_folds(compounds: Iterable[str], n_folds: int, seed: int, paired: Iterable[str] = ()) -> dict[str, int]:
    """Give every compound a fold.

    Parameters
    ----------
    compounds
        Compounds; the order does not matter.
    n_folds
        How many folds.
    seed
        Another seed gives other folds.
    paired
        Compounds of which there are pairs: these are spread evenly over the folds, and so is the rest.

    Examples
    --------
    >>> folds = compound_folds("abcdef", 3, seed=1, paired="abc")
    >>> sorted(folds[c] for c in "abc"), sorted(folds[c] for c in "def")
    ([0, 1, 2], [0, 1, 2])
    """
    random = np.random.default_rng(seed)
    everything, paired = set(compounds), set(paired)
    folds = {}
    for group in (sorted(everything & paired), sorted(everything - paired)):
        order = random.permutation(len(group))
        folds |= {group[position]: number % n_folds for number, position in enumerate(order)}
    return folds
