"""What a signature's score is compared with: other drugs in the same cell line at like strength."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit, prange
from scipy import special

__all__ = ["FEWEST_DRUGS", "Matched", "match_signatures", "normal_scores"]

#: Other drugs a signature must be compared with; below, one drug's chance decides the rank.
FEWEST_DRUGS = 20

#: Most parts the strength of a cell line's signatures is cut into.
_STRENGTH_BINS = 5


class Matched(NamedTuple):
    """Signatures and what each is compared with.

    Parameters
    ----------
    drug
        Code of the drug, shape (n_signatures,).
    levels
        Codes of the strata, the finest first.
    level
        Which of them each signature is compared in: the finest that holds enough other drugs; as many as there are levels
        where none does. Shape (n_signatures,).
    """

    drug: np.ndarray
    levels: list[np.ndarray]
    level: np.ndarray


def match_signatures(table: pd.DataFrame, by: Sequence[str] = ("reference", "cell_line")) -> Matched:
    """Say which signatures a signature is compared with: those of the same cell line and similar strength.

    The first level is the group (reference and cell line) within a part of the group's range of strength: as many equal
    parts, at most 5, as leave twice :data:`FEWEST_DRUGS` drugs in each; unknown strength is a part of its own. The second
    is the whole group, the third all signatures.

    Parameters
    ----------
    table
        One row per signature: compound_id, the columns ``by``, and tas, their strength (missing where unknown).
    by
        What must be equal.

    Examples
    --------
    >>> table = pd.DataFrame({"compound_id": list("aabb"), "cell_line": list("XYXY"), "tas": np.nan})
    >>> [level.tolist() for level in match_signatures(table, ["cell_line"]).levels]
    [[0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]]
    """
    drug = pd.factorize(table["compound_id"])[0]
    group = table.groupby(list(by), sort=False, dropna=False, observed=True).ngroup().to_numpy()
    strength = table["tas"].astype(float).reset_index(drop=True)
    drugs = pd.Series(drug).groupby(group).transform("nunique")
    parts = (drugs // (2 * FEWEST_DRUGS)).clip(1, _STRENGTH_BINS)
    # The percentile in the group, cut into equal parts.
    part = np.ceil(strength.groupby(group).rank(pct=True) * parts).fillna(0)
    fine = pd.DataFrame({"group": group, "part": part}).groupby(["group", "part"], sort=False).ngroup().to_numpy()
    levels = [fine, group, np.zeros(len(table), dtype=int)]
    level = np.full(len(table), len(levels))
    for number, stratum in reversed(list(enumerate(levels))):
        level[(pd.Series(drug).groupby(stratum).transform("nunique") > FEWEST_DRUGS).to_numpy()] = number
    return Matched(drug, levels, level)


def normal_scores(values: np.ndarray, matched: Matched) -> np.ndarray:
    r"""Normal score of each signature by its rank among matched signatures of other drugs.

    .. math:: x = \Phi^{-1}((lower + equal / 2 + 1) / (others + 2))

    A score beyond those of all others goes on from there by its distance from the nearest of them, in their standard
    deviations: with few others ranks alone would not tell a strong reverser from the next one.

    Parameters
    ----------
    values
        Scores, shape (n_queries, n_signatures), missing values allowed.
    matched
        What each signature is compared with.

    Returns
    -------
    float64, shape of ``values``; missing where the score is, where there is not enough to compare with, or where all of it is
    equal.

    References
    ----------
    van der Waerden 1952 (normal scores).

    Examples
    --------
    >>> table = pd.DataFrame({"compound_id": [f"d{n}" for n in range(22)], "cell_line": "A", "tas": np.nan})
    >>> normal_scores(np.arange(22.0)[None], match_signatures(table, ["cell_line"]))[0, :2].round(3).tolist()
    [-1.877, -1.36]
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    shares, beyond = np.full(values.shape, np.nan), np.zeros(values.shape)
    for level, stratum in enumerate(matched.levels):
        wanted = matched.level == level
        if not wanted.any():
            continue
        rows = np.flatnonzero(np.isin(stratum, stratum[wanted]))
        # Signatures of a stratum side by side, in it those of a drug.
        rows = rows[np.lexsort((matched.drug[rows], stratum[rows]))]
        starts = np.flatnonzero(np.r_[True, np.diff(stratum[rows]) != 0, True])
        _shares(values, rows, starts, matched.drug, wanted, shares, beyond)
    return special.ndtri(shares) + beyond


@njit(cache=True, parallel=True)
def _shares(values, rows, starts, drug, wanted, shares, beyond):  # noqa: ANN001, ANN202
    """Fill the place of each signature wanted among those of other drugs, between 0 and 1, and how far it is beyond them."""
    for query in prange(len(values)):
        mine = values[query]
        for stratum in range(len(starts) - 1):
            members = rows[starts[stratum] : starts[stratum + 1]]
            there = np.sort(mine[members])  # missing ones last
            n = np.searchsorted(there, np.inf, side="right")
            if n == 0 or there[0] == there[n - 1]:
                continue
            all_total, all_square = there[:n].sum(), (there[:n] ** 2).sum()
            first = 0
            while first < len(members):
                stop = first + 1
                while stop < len(members) and drug[members[stop]] == drug[members[first]]:
                    stop += 1
                for row in members[first:stop]:
                    score = mine[row]
                    if not wanted[row] or np.isnan(score):
                        continue
                    lower = np.searchsorted(there[:n], score, side="left")
                    equal = np.searchsorted(there[:n], score, side="right") - lower
                    others, total, square = n, all_total, all_square
                    for own in members[first:stop]:
                        if not np.isnan(mine[own]):
                            others -= 1
                            lower -= mine[own] < score
                            equal -= mine[own] == score
                            total -= mine[own]
                            square -= mine[own] ** 2
                    if others < FEWEST_DRUGS:  # a query that hardly any of them has a score for
                        continue
                    shares[query, row] = (lower + equal / 2 + 1) / (others + 2)
                    variance = square / others - (total / others) ** 2
                    if equal == 0 and (lower == 0 or lower == others) and variance > 1e-12 * square / others:
                        nearest = _nearest(there[:n], mine, members[first:stop], lower == 0)
                        beyond[query, row] = (score - nearest) / np.sqrt(variance)
                first = stop


@njit(cache=True)
def _nearest(ordered, mine, own, lowest):  # noqa: ANN001, ANN202
    """The lowest (or highest) of ordered scores when one of each of the drug's own is taken out."""
    place = 0
    while True:
        value = ordered[place if lowest else len(ordered) - 1 - place]
        mine_equal, equal = 0, np.sum(ordered == value)
        for row in own:
            mine_equal += mine[row] == value
        if mine_equal < equal:
            return value
        place += equal
