"""Rankings that must find nothing, or that show how far a shortcut alone goes."""

from collections.abc import Callable

import anndata as ad
import numpy as np

__all__ = ["CONTROLS", "control_scores", "shuffled_genes"]

#: Control -> what it is.
CONTROLS = {
    "control: random": "random numbers",
    "control: strength only": "the strongest signatures first, whatever the query",
    "control: drug prior": "the signatures that queries of other compounds find on average, whatever the query",
    "control: untrained": "cosine in a random space of 100 dimensions, which nearly keeps the angles within one platform",
    "control: permuted labels": "the headline's scores with compounds exchanged at random",
    "control: shuffled genes": "the headline's scores of queries whose genes are exchanged at random",
}


def shuffled_genes(queries: ad.AnnData, seed: int) -> ad.AnnData:
    """The same queries, each with its values at other ones of the genes it measures.

    Examples
    --------
    >>> queries = ad.AnnData(np.array([[1.0, 2.0, np.nan]]))
    >>> sorted(shuffled_genes(queries, 0).X[0, :2].tolist())
    [1.0, 2.0]
    """
    random, out = np.random.default_rng(seed), queries.copy()
    for row in out.X:
        known = np.flatnonzero(np.isfinite(row))
        row[known] = row[random.permutation(known)]
    return out


def control_scores(
    queries: ad.AnnData, searched: ad.AnnData, headline: np.ndarray, score_headline: Callable[[ad.AnnData], np.ndarray],
    strength: np.ndarray, *, seed: int,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Scores of every control.

    Parameters
    ----------
    queries, searched
        Signature sets, genes in the same order; ``obs`` holds compound_id.
    headline
        Scores of a method, shape (n_queries, n_signatures).
    score_headline
        Scores other queries by that method.
    strength
        Of every signature searched.
    seed
        Of everything random.

    Returns
    -------
    Control -> shape of ``headline``.
    """
    random = np.random.default_rng(seed)
    compounds, theirs = (side.obs["compound_id"].to_numpy(str) for side in (queries, searched))
    space = random.normal(size=(searched.n_vars, 100)).astype(np.float32)
    places = [np.nan_to_num(np.asarray(side.X)) @ space for side in (queries, searched)]
    left, right = (place / np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-9) for place in places)
    names, codes = np.unique(theirs, return_inverse=True)
    # every compound takes the place of another one, with all its signatures: their number and likeness stay
    rows, partner = [np.flatnonzero(codes == n) for n in range(len(names))], random.permutation(len(names))
    place = np.empty(len(theirs), int)
    for mine_rows, other in zip(rows, partner, strict=True):
        place[mine_rows] = np.resize(rows[other], len(mine_rows))
    return {
        "control: random": random.random(headline.shape),
        "control: strength only": np.broadcast_to(strength, headline.shape),
        "control: drug prior": _prior(headline, compounds),
        "control: untrained": left @ right.T,
        "control: permuted labels": headline[:, place],
        "control: shuffled genes": score_headline(shuffled_genes(queries, seed)),
    }


def _prior(scores: np.ndarray, compounds: np.ndarray) -> np.ndarray:
    """Mean score of each signature over the queries of other compounds."""
    known = np.where(np.isfinite(scores), scores, 0.0)
    total, out = known.sum(axis=0), np.empty(scores.shape)
    for compound in np.unique(compounds):
        own = compounds == compound
        out[own] = (total - known[own].sum(axis=0)) / max((~own).sum(), 1)
    return out
