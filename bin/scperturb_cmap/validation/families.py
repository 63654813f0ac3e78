"""Families of alike mechanisms, from the drug annotation alone: they are held out together and drawn again together."""

import logging

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

__all__ = ["add_families", "mechanism_families"]

log = logging.getLogger(__name__)

#: Share from which two mechanisms are alike; where it makes one family too large the next one is tried, at last none.
_ALIKE = (0.5, 0.75, 1.0, np.inf)

#: Compounds that must have both mechanisms.
_FEWEST = 2

#: Largest part of the annotated compounds in a family of several mechanisms: five folds could not hold out more in one.
_LARGEST = 0.25


def mechanism_families(annotation: pd.DataFrame) -> dict[str, str]:
    """Family of every mechanism, called as the mechanism in it that most compounds have.

    Two mechanisms are alike if the target sets of their compounds overlap (Jaccard index of at least 0.5), or if at least half
    of the compounds of the rarer one, and no fewer than two, have both: a single compound with many mechanisms would chain
    these together. Families are what alike pairs connect. Where chains would join more than a quarter of the compounds,
    stricter shares are tried.

    Parameters
    ----------
    annotation
        One row per compound: mechanism and targets, "a|b", "" = unknown.

    Examples
    --------
    >>> annotation = pd.DataFrame({"mechanism": ["x", "x", "y", *"abcdefghi"], "targets": ["T", "T|U", "T|U", *"ABCDEFGHI"]})
    >>> found = mechanism_families(annotation)
    >>> found["x"], found["y"], found["a"]
    ('x', 'x', 'a')
    """
    known = annotation[annotation["mechanism"] != ""]
    if known.empty:
        return {}
    (names, has), (_, targets) = (_members(known[column]) for column in ("mechanism", "targets"))
    n, both = has.sum(axis=0), (has.T @ has).toarray()
    of_mechanism = ((has.T @ targets) > 0).astype(int)
    common, size = (of_mechanism @ of_mechanism.T).toarray(), of_mechanism.sum(axis=1)
    overlap = common / np.maximum(size[:, None] + size - common, 1)
    likeness = np.maximum(overlap, np.where(both >= _FEWEST, both / np.minimum(n[:, None], n), 0))
    for share in _ALIKE:
        n_families, family = connected_components(likeness >= share, directed=False)
        members = np.bincount(family)
        compounds = (has @ _one_hot(family, n_families) > 0).sum(axis=0)
        if (compounds[members > 1] <= _LARGEST * has.shape[0]).all():
            break
    log.info("%d mechanisms in %d families, at most %d in one", len(names), n_families, members.max())
    called = {one: names[family == one][n[family == one].argmax()] for one in range(n_families)}
    return {str(name): str(called[one]) for name, one in zip(names, family, strict=True)}


def _one_hot(codes: np.ndarray, n: int) -> csr_array:
    return csr_array((np.ones(len(codes), int), (np.arange(len(codes)), codes)), shape=(len(codes), n))


def _members(column: pd.Series) -> tuple[np.ndarray, csr_array]:
    """The names in a column of "a|b", sorted, and which rows hold each."""
    each = column.reset_index(drop=True).str.split("|").explode()
    each = each[each != ""]
    codes, names = pd.factorize(each, sort=True)
    held = csr_array((np.ones(len(codes), int), (each.index, codes)), shape=(len(column), len(names)))
    return np.asarray(names, str), (held > 0).astype(int)


def add_families(annotation: pd.DataFrame) -> pd.DataFrame:
    """Add to every compound the families of its mechanisms, and the one of these that most compounds have.

    The first hide a compound from training and from the wrong answers; the second is what it is counted under: "x", "x|y"
    and "x|z" are one cluster and in one fold, not three.

    Parameters
    ----------
    annotation
        As for :func:`mechanism_families`.

    Returns
    -------
    The same with ``families``, in the order of ``mechanism``, and ``family``.

    Examples
    --------
    >>> annotation = pd.DataFrame({"mechanism": ["x", "z|x", "z", "x", "x|y", ""], "targets": ""})
    >>> add_families(annotation)[["families", "family"]].to_numpy().tolist()
    [['x', 'x'], ['z|x', 'x'], ['z', 'z'], ['x', 'x'], ['x|y', 'x'], ['', '']]
    """
    of = mechanism_families(annotation)
    each = annotation["mechanism"].astype(str).str.split("|").map(lambda names: [of.get(name, name) for name in names])
    counts = each.map(set).explode().value_counts()
    # of two as frequent ones the first by name
    main = each.map(lambda names: min(names, key=lambda name: (-counts[name], name)))
    return annotation.assign(families=each.map("|".join), family=main)
