"""The layer of single cells: whitened on both sides, and a map learned from compounds that they and the reference share."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.linalg

from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import Block, LinearEncoder, balanced, ridge, without
from scperturb_cmap.embedding.pairs import mine_pairs
from scperturb_cmap.embedding.profiles import SHRINKAGE, fit_encoders
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training import partner_places

__all__ = ["FEWEST_SHARED", "CellSource", "fit_cells", "inverse_root"]

log = logging.getLogger(__name__)

#: With fewer compounds in single cells and in the reference nothing says whether a layer of its own helps.
FEWEST_SHARED = 20

#: What validation compounds choose from.
_PROFILES, _OWN = "as profiles", "plain + whitened + whitened both + forward"

#: Blocks of it that are those of profiles.
_BULK = ("plain", "whitened")

#: Most pairs of a compound, and of a source in a fold, whose places are looked at: against a large reference they take memory.
_MOST_PAIRS, _MOST_ASKED = 20, 500

#: Of the map: in units of the mean variance of a component, as there are few compounds for many genes; and its weight.
_PENALTY, _WEIGHT = 100.0, 0.5


class CellSource(NamedTuple):
    """Drug signatures measured on single cells.

    Parameters
    ----------
    scores
        Signed scores on the reference's genes, shape (n_signatures, n_genes); 0 where a gene is not measured.
    labels
        compound_id and cell_line of each; "" is unknown.
    """

    scores: np.ndarray
    labels: pd.DataFrame

    def less(self, compounds: set[str]) -> "CellSource":
        """Without the signatures of these compounds."""
        kept = ~self.labels["compound_id"].isin(compounds).to_numpy()
        return CellSource(self.scores[kept], self.labels[kept].reset_index(drop=True))


def fit_cells(
    scores: np.ndarray, labels: pd.DataFrame, sources: Sequence[CellSource], profile: LinearEncoder, *, seed: int = 0,
    surely: bool = False,
) -> tuple[LinearEncoder | None, pd.DataFrame]:  # fmt: skip
    """Fit a layer for single-cell queries, if compounds that nothing has seen are better placed by it than by that of profiles.

    Blocks: the genes as they are; the reference's whitening; *whitened both*, in which either side is multiplied by the inverse
    root of its own covariance, for what varies among single cells is not what varies among bulk profiles; and *forward*, ridge
    regression from a compound's mean in single cells to its mean in the reference. What the cell lines of the sources have in
    common is projected out of the queries' matrices. Every fifth of the shared compounds, in turn unseen, chooses between the
    layer of profiles and this one, by the mean place of a compound, over the compounds of a source, then over sources.

    Parameters
    ----------
    scores, labels
        The reference, as in :func:`~scperturb_cmap.embedding.profiles.fit_profiles`; no gene sets.
    sources
        Single cells.
    profile
        Layer of profiles, whose blocks the other choice has.
    seed
        Of the folds.
    surely
        Fit the layer without asking whether it is better.

    Returns
    -------
    encoder
        None where too few compounds are shared, or the layer of profiles is better.
    table
        What was tried and the mean percentile of validation compounds by each (0 best, 0.5 chance); empty without a choice.
    """
    names = labels["compound_id"].to_numpy(str)
    shared = sorted(set(names[names != ""]) & set().union(*(one.labels["compound_id"] for one in sources)))
    if len(shared) < FEWEST_SHARED:
        return None, pd.DataFrame()
    sources = [one for one in sources if one.labels["compound_id"].isin(shared).any()]
    if surely:
        return _fit_on_all(scores, labels, sources), pd.DataFrame()
    pairs = [mine_pairs(one.labels, labels, most_per_compound=_MOST_PAIRS, seed=seed) for one in sources]
    folds, places = compound_folds(shared, 5, seed), []
    for fold in range(5):
        unseen = {name for name, mine in folds.items() if mine == fold}
        seen = ~np.isin(names, list(unseen))
        known = labels[seen].reset_index(drop=True)
        blocks = tuple(block.name for block in profile.blocks)
        (alone, centring), (bulk, _) = fit_encoders(scores[seen], known, sets=False, choices=[blocks, _BULK])
        left = [one.less(unseen) for one in sources]
        encoders = {_PROFILES: alone, _OWN: _fit(scores[seen], known, left, bulk, centring)}
        centred = centring.of_perturbations(scores, labels["cell_line"])
        theirs = {name: one.encode_perturbation(centred) for name, one in encoders.items()}
        for number, (source, mine) in enumerate(zip(sources, pairs, strict=True)):
            asked = mine[mine["compound_id"].isin(unseen)]
            asked = asked.sample(min(len(asked), _MOST_ASKED), random_state=seed)
            queries, partners = source.scores[asked["query"]], asked["reference"].to_numpy()
            about = {"source": number, "compound": asked["compound_id"].to_numpy()}
            for name, one in encoders.items():
                about[name] = partner_places(one.encode_query(queries) @ theirs[name].T, partners)
            places.append(pd.DataFrame(about))
    means = pd.concat(places).groupby(["source", "compound"]).mean().groupby("source").mean().mean()
    log.info("single cells by a layer of their own %.3f, as profiles %.3f", means[_OWN], means[_PROFILES])
    table = pd.DataFrame({"blocks": means.index, "mean_percentile": means.to_numpy()})
    if means[_OWN] >= means[_PROFILES]:
        return None, table
    return _fit_on_all(scores, labels, sources), table


def _fit_on_all(scores: np.ndarray, labels: pd.DataFrame, sources: Sequence[CellSource]) -> LinearEncoder:
    ((bulk, centring),) = fit_encoders(scores, labels, sets=False, choices=[_BULK])
    return _fit(scores, labels, sources, bulk, centring)


def _fit(
    scores: np.ndarray, labels: pd.DataFrame, sources: Sequence[CellSource], bulk: LinearEncoder, centring: Centring
) -> LinearEncoder:
    """The layer, fitted on all of these; ``bulk`` holds the blocks that single cells have no part in."""
    centred = centring.of_perturbations(scores, labels["cell_line"])
    plain, whitened = (replace(block, weight=1.0) for block in bulk.blocks)
    white = whitened.perturbation
    theirs = inverse_root(centred.T @ centred / len(centred)).astype(np.float32)
    sources = [one for one in sources if len(one.scores)]
    means = [Centring.fit(one.scores, one.labels["cell_line"]) for one in sources]
    common = scipy.linalg.orth(np.vstack([one.common_directions() for one in means]).T).T
    less = [
        mean.apply(one.scores, one.labels["cell_line"], one.scores != 0)
        for mean, one in zip(means, sources, strict=True)
    ]
    mine = inverse_root(sum(one.T @ one / len(one) for one in less) / len(less))
    reference = _by_compound(centred, labels)
    left, right = [], []
    for one, source in zip(less, sources, strict=True):
        cells = _by_compound(one, source.labels)
        both = cells.index.intersection(reference.index)
        left.append(cells.loc[both].to_numpy() @ mine)
        right.append(reference.loc[both].to_numpy() @ white)
    pairs = np.vstack(left), np.vstack(right)
    forward = mine @ ridge(*pairs, np.ones(len(pairs[0])), _PENALTY)
    blocks = [
        plain,
        whitened,
        Block("whitened both", without(common, mine).astype(np.float32), theirs),
        Block("forward", without(common, forward).astype(np.float32), white, _WEIGHT),
    ]
    return balanced(blocks, np.vstack([one.scores for one in sources]), centred)


def _by_compound(scores: np.ndarray, labels: pd.DataFrame) -> pd.DataFrame:
    """Mean of every compound's signatures."""
    named = (labels["compound_id"] != "").to_numpy()
    return pd.DataFrame(scores[named]).groupby(labels["compound_id"].to_numpy(str)[named]).mean()


def inverse_root(covariance: np.ndarray, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """Symmetric inverse root of a covariance, which whitens and turns as little as possible.

    Parameters
    ----------
    covariance
        Shape (n_genes, n_genes).
    shrinkage
        Added to every variance, in units of the mean of the 50 largest.

    Examples
    --------
    >>> inverse_root(np.diag([3.0, 1.0]), shrinkage=0.5).round(3).tolist()
    [[0.5, 0.0], [0.0, 0.707]]
    """
    sizes, axes = np.linalg.eigh(np.asarray(covariance, np.float64))
    sizes = np.maximum(sizes, 1e-12)
    return (axes / np.sqrt(sizes + shrinkage * sizes[-50:].mean())) @ axes.T
