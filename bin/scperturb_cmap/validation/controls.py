"""Rankings that must find nothing, or that show how far a shortcut alone goes."""

from collections.abc import Callable

import anndata as ad
import numpy as np

__all__ = ["CONTROLS", "EXCHANGED", "LABELS", "control_scores", "shuffled_genes"]

#: What of the learned space needs labels, and the same from labels that are exchanged.
LABELS, EXCHANGED = "control: labels alone", "control: learned from permuted labels"

#: Control -> what it is.
CONTROLS = {
    "control: random": "random numbers",
    "control: strength only": "the strongest signatures first, whatever the query",
    "control: drug prior": "the signatures that queries of other compounds find on average, whatever the query",
    "control: untrained": "cosine in a random space of 100 dimensions, which nearly keeps the angles within one platform",
    "control: permuted labels": "the headline's scores with compounds exchanged at random",
    LABELS: "the part of the embedding that is learned from compounds, without the genes and components that need none",
    EXCHANGED: "the same part, learned anew after compounds were exchanged within cell lines and batches",
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
    """Scores of every control but those that are learned anew (:data:`LABELS`, :data:`EXCHANGED`).

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
        "control: drug prior": _prior(headline, compounds, theirs),
        "control: untrained": left @ right.T,
        "control: permuted labels": headline[:, place],
        "control: shuffled genes": score_headline(shuffled_genes(queries, seed)),
    }


def _prior(scores: np.ndarray, asking: np.ndarray, searched: np.ndarray) -> np.ndarray:
    """Mean score of each signature over queries of compounds other than the one that asks, and other than its own.

    Without the latter the signatures of other compounds would keep what their own queries find in them, themselves above all,
    while those of the compound that asks lose it: positives would have the lower prior, whatever was measured.
    """
    finite = np.isfinite(scores)
    known = np.where(finite, scores, 0.0)
    names, codes = np.unique(asking, return_inverse=True)
    member = (codes == np.arange(len(names))[:, None]).astype(float)
    sums, counts = member @ known, member @ finite  # of each compound's queries, shape (n_compounds, n_signatures)
    place = np.searchsorted(names, searched)
    own = np.flatnonzero((place < len(names)) & (names[np.minimum(place, len(names) - 1)] == searched))
    total, n = sums.sum(axis=0), counts.sum(axis=0)
    total[own] -= sums[place[own], own]
    n[own] -= counts[place[own], own]
    less_sums, less_counts = sums.copy(), counts.copy()
    less_sums[place[own], own] = less_counts[place[own], own] = 0.0  # already taken out
    left = n[None] - less_counts
    means = np.divide(total[None] - less_sums, left, out=np.zeros_like(left), where=left > 0)
    return means[codes]
