"""What scores are by chance: reference queries and resamples of donors, aligned with the signatures of a population."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from scperturb_cmap.io.wide_scores import WideScores
from scperturb_cmap.ranking.normalisation import Scales, ncs, tau
from scperturb_cmap.ranking.significance import drug_reach
from scperturb_cmap.utils.names import VEHICLE

__all__ = ["ReferenceQueries", "resampled_scores"]


class ReferenceQueries:
    """Reference queries scored with the signatures of a run.

    Parameters
    ----------
    wide
        Their scores.
    table
        The signatures, in the order all results have: reference, signature, compound_id, cell_line, pert_type, tas.
    """

    def __init__(self, wide: WideScores, table: pd.DataFrame):
        self._wide = wide
        self._table = table[["reference", "signature", "compound_id", "cell_line", "pert_type", "tas"]].reset_index(
            drop=True
        )
        names = _names(self._table)
        self._order = _names(wide.keys()).get_indexer(names)  # -1: a signature without scores
        compound = pd.Series(self._table["compound_id"].to_numpy(), names)
        # A query of a reference that is not searched belongs to none of the compounds.
        self.compounds = compound.reindex(wide.queries).fillna("").astype(object)
        self._lines = (self._table["reference"].astype(str) + "|" + self._table["cell_line"].astype(str)).to_numpy()
        self._scales: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def fits(self, table: pd.DataFrame) -> bool:
        """Whether a table lists the same signatures in the same order."""
        return _names(table).equals(_names(self._table))

    def reach(self, rows: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Reach of the drugs by some of the signatures (:func:`~scperturb_cmap.ranking.significance.drug_reach`).

        Returns
        -------
        reach
            Index = drug.
        calibrated
            Drugs x queries: the calibrated score each drug has under each query; missing for queries of its own.
        """
        parts = ((self.compounds[queries], self._in_order(scores)[:, rows]) for queries, scores in self._wide.columns())
        return drug_reach(self._table[rows], parts)

    def ncs(self, scores: np.ndarray) -> np.ndarray:
        """Normalised scores of a query (:func:`~scperturb_cmap.ranking.normalisation.ncs`); all treatments are reference."""
        return ncs(scores, self._lines, self._table["pert_type"], self._treatments).values

    def tau(self, normalised: np.ndarray) -> np.ndarray:
        """Tau of a query's normalised scores (:func:`~scperturb_cmap.ranking.normalisation.tau`).

        A reference query says nothing of the signatures of its own compound.
        """
        group, positive, negative = self._scales or self._measure()
        result, compound = np.full(len(normalised), np.nan), self._table["compound_id"].to_numpy(dtype=object)
        by_place, start = np.argsort(self._order, kind="stable"), 0
        places = self._order[by_place]
        for block in self._wide.rows():
            first, last = np.searchsorted(places, [start, start + block.shape[1]])
            rows, here = by_place[first:last], places[first:last] - start
            start += block.shape[1]
            if not len(rows):
                continue
            scores = block[:, here].astype(float)
            scale = np.where(scores > 0, positive[:, group[rows]], -negative[:, group[rows]])
            # 0 stays 0, also where nothing is negative
            np.divide(scores, scale, out=scores, where=scores != 0)
            scores[self.compounds.to_numpy()[:, None] == compound[rows]] = np.nan
            result[rows] = tau(normalised[rows], scores)
        return result

    @property
    def _treatments(self) -> np.ndarray:
        return (self._table["pert_type"] != VEHICLE).to_numpy()

    def _in_order(self, scores: np.ndarray) -> np.ndarray:
        return np.where(self._order >= 0, scores[:, self._order], np.nan)

    def _measure(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Group of each signature; what positive and negative scores of each query are divided by in each group."""
        scales = Scales(self._lines, self._table["pert_type"], self._treatments)
        positive, negative = [], []
        for _, block in self._wide.columns():
            scores = self._in_order(block)
            positive.append(scales.means(scores, 1)[0])
            negative.append(scales.means(scores, -1)[0])
        self._scales = (scales.place, np.concatenate(positive), np.concatenate(negative))
        return self._scales


def resampled_scores(
    wide: WideScores, table: pd.DataFrame, dataset: str, population: str
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Scores of a population's resamples.

    Parameters
    ----------
    wide
        Scores of all resamples of the run, named "<dataset>|<population>|<resample>".
    table
        The signatures: reference, signature.
    dataset, population
        Which.

    Yields
    ------
    Names of some resamples, and their scores of shape (n_resamples, n_signatures), in the order of ``table``.
    """
    start = f"{dataset}|{population}|"
    mine = [query for query in wide.queries if query.startswith(start) and query[len(start) :].startswith(_RESAMPLES)]
    order = _names(wide.keys()).get_indexer(_names(table)) if mine else None
    for names, scores in wide.columns(mine):
        yield [name[len(start) :] for name in names], np.where(order >= 0, scores[:, order], np.nan)


#: How names of resamples begin.
_RESAMPLES = ("without ", "bootstrap ")


def _names(table: pd.DataFrame) -> pd.Index:
    return pd.Index(table["reference"].astype(str) + "|" + table["signature"].astype(str))
