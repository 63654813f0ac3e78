"""What a signature's score is compared with: other drugs in the same cell line at like strength."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit, prange
from scipy import special

__all__ = ["FEWEST_DRUGS", "Matched", "NormalScores", "match_signatures", "normal_scores"]

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


class NormalScores(NamedTuple):
    """Normal scores of signatures; all of shape (n_queries, n_signatures), missing where there is nothing to compare with.

    Parameters
    ----------
    x
        By rank alone.
    extended
        The same, but a score beyond those of all others goes on from there in proportion to its distance from the middle of
        these: with few others ranks alone would not tell a strong reverser from the next one.
    ties
        What equal scores hide: the variance of x within each tie, were its order drawn by lot; 0 without a tie. Scores of many
        equal values, as WTCS of 0, have an x that scatters less than 1; the rest is this.
    """

    x: np.ndarray
    extended: np.ndarray
    ties: np.ndarray


def normal_scores(values: np.ndarray, matched: Matched) -> NormalScores:
    r"""Normal score of each signature by its rank among matched signatures of other drugs.

    .. math:: x = \Phi^{-1}((lower + equal / 2 + 1) / (others + 2))

    Parameters
    ----------
    values
        Scores, shape (n_queries, n_signatures), missing values allowed.
    matched
        What each signature is compared with.

    References
    ----------
    van der Waerden 1952 (normal scores).

    Examples
    --------
    >>> table = pd.DataFrame({"compound_id": [f"d{n}" for n in range(40)], "cell_line": "A", "tas": np.nan})
    >>> scores = np.r_[np.zeros(30), np.arange(-5.0, 0), np.arange(1.0, 6)][None]
    >>> x, extended, ties = normal_scores(scores, match_signatures(table, ["cell_line"]))
    >>> x[0, 30].round(2).item(), extended[0, 30].round(2).item()
    (-1.97, -2.46)
    >>> (x**2).mean().round(2).item(), (x**2 + ties).mean().round(2).item()
    (0.59, 0.85)
    """
    shares, widths, beyond = _places(values, matched)
    x, ties, tied = special.ndtri(shares), np.where(np.isnan(shares), np.nan, 0.0), widths > 0
    middle, half = shares[tied], widths[tied] / 2
    low, high = special.ndtri(middle - half), special.ndtri(middle + half)
    density = [np.exp(-(end**2) / 2) / np.sqrt(2 * np.pi) for end in (low, high)]
    # The second moment of a normal variable between two ends, less the square of what stands for it.
    ties[tied] = 1 - (high * density[1] - low * density[0]) / (2 * half) - x[tied] ** 2
    return NormalScores(x, x * (1 + beyond), ties)


def _places(values: np.ndarray, matched: Matched) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place of each signature among those of other drugs (0 to 1), width of its tie (0: none), how far it is beyond all."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    shares, widths, beyond = np.full(values.shape, np.nan), np.zeros(values.shape), np.zeros(values.shape)
    for level, stratum in enumerate(matched.levels):
        wanted = matched.level == level
        if not wanted.any():
            continue
        rows = np.flatnonzero(np.isin(stratum, stratum[wanted]))
        # Signatures of a stratum side by side, in it those of a drug.
        rows = rows[np.lexsort((matched.drug[rows], stratum[rows]))]
        starts = np.flatnonzero(np.r_[True, np.diff(stratum[rows]) != 0, True])
        _fill_places(values, rows, starts, matched.drug, wanted, shares, widths, beyond)
    return shares, widths, beyond


@njit(cache=True, parallel=True)
def _fill_places(values, rows, starts, drug, wanted, shares, widths, beyond):  # noqa: ANN001, ANN202
    """As :func:`_places`, for the signatures wanted."""
    for query in prange(len(values)):
        mine = values[query]
        for stratum in range(len(starts) - 1):
            members = rows[starts[stratum] : starts[stratum + 1]]
            there = np.sort(mine[members])  # missing ones last
            n = np.searchsorted(there, np.inf, side="right")
            if n == 0 or there[0] == there[n - 1]:
                continue
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
                    others = n
                    for own in members[first:stop]:
                        if not np.isnan(mine[own]):
                            others -= 1
                            lower -= mine[own] < score
                            equal -= mine[own] == score
                    if others < FEWEST_DRUGS:  # a query that hardly any of them has a score for
                        continue
                    shares[query, row] = (lower + equal / 2 + 1) / (others + 2)
                    if equal:
                        widths[query, row] = (equal + 1) / (others + 2)
                    elif lower == 0 or lower == others:
                        own_places = _places_of(there[:n], mine, members[first:stop])
                        nearest = _other(there, own_places, 0 if lower == 0 else others - 1)
                        low, high = _other(there, own_places, (others - 1) // 2), _other(there, own_places, others // 2)
                        centre = (low + high) / 2
                        if nearest != centre:
                            beyond[query, row] = (score - nearest) / (nearest - centre)
                first = stop


@njit(cache=True)
def _places_of(ordered, mine, own):  # noqa: ANN001, ANN202
    """Places of a drug's own scores among the ordered ones, ascending; of equal scores its own come first."""
    scores = np.sort(mine[own])
    scores = scores[: np.searchsorted(scores, np.inf, side="right")]
    places = np.searchsorted(ordered, scores, side="left")
    for number in range(1, len(places)):
        if scores[number] == scores[number - 1]:
            places[number] = places[number - 1] + 1
    return places


@njit(cache=True)
def _other(ordered, own_places, number):  # noqa: ANN001, ANN202
    """The score with this number, from 0, among those of other drugs."""
    for place in own_places:
        if place <= number:
            number += 1
    return ordered[number]
