"""The layer of profiles: queries placed as the reference's own signatures, by whitening and what repeats elsewhere."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.linalg

from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import (
    Block,
    LinearEncoder,
    balanced,
    principal_axes,
    ridge,
    whitening,
    without,
)
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.utils.batches import beside, known

__all__ = [
    "BLOCKS", "FEWEST_IN_SEVERAL_LINES", "SHRINKAGE", "discriminant", "fit_encoders", "fit_profiles", "to_other_lines",
]  # fmt: skip

log = logging.getLogger(__name__)

#: With fewer compounds in two cell lines only the whitening is fitted, which needs no compounds.
FEWEST_IN_SEVERAL_LINES = 50

#: Blocks of the space, of which validation compounds choose: of profiles, and (True) of gene sets, where
#: whitening finds no more than the genes as they are.
BLOCKS = {
    False: (("whitened",), ("plain", "whitened", "discriminant", "other lines")),
    True: (("whitened",), ("plain", "discriminant", "other lines")),
}

#: Added to the variances before whitening, in units of the mean variance of the first 50 components (docs/methods.md).
SHRINKAGE = 1.0

#: With more genes (gene sets are over all) maps are fitted in so many principal components.
_MOST_GENES, _N_AXES = 2000, 400

#: Signatures of validation compounds that are asked about.
_MOST_ASKED = 500


def fit_profiles(
    scores: np.ndarray, labels: pd.DataFrame, *, sets: bool = False, seed: int = 0, names: Sequence[str] = ()
) -> tuple[LinearEncoder, Centring, pd.DataFrame]:  # fmt: skip
    """Fit the layer of profiles on a reference alone.

    Queries have no cell line, so nothing is taken off them; what the signatures of a line have in common is projected out of
    their matrices instead (:func:`~scperturb_cmap.embedding.linear.without`; of many lines the five main directions), which
    keeps the encoder odd. *whitened* needs no compounds. *discriminant* and *other lines* are learned from compounds in two
    cell lines or more, if there are :data:`FEWEST_IN_SEVERAL_LINES`, and stand beside the genes as they are (*plain*): alone
    they find compounds of their own platform, and put fewer of another one's at the top. A fifth of the compounds, held out,
    chooses which of :data:`BLOCKS` are taken: by their place among signatures of their batch, where batches are known, for
    those of one batch look alike in every line.

    Parameters
    ----------
    scores
        Signed scores of the reference's signatures, shape (n_signatures, n_genes).
    labels
        compound_id, cell_line, batch of each; "" is unknown, and no pair.
    sets
        Whether the signatures are gene sets.
    seed
        Of the choice of validation compounds.
    names
        Blocks that are taken without a choice.

    Returns
    -------
    encoder
        Of queries as they are, and of perturbations less the means.
    centring
        These means, by cell line.
    table
        Blocks tried and the mean percentile of validation compounds by each (0 best, 0.5 chance); empty without a choice.
    """
    table = pd.DataFrame() if names else _compare_blocks(scores, labels, sets, seed)
    names = tuple(names) or BLOCKS[sets][0 if table.empty else int(table["mean_percentile"].argmin())]
    log.info("profiles are placed by %s", " + ".join(names))
    return *fit_encoders(scores, labels, sets=sets, choices=[names])[0], table


def _compare_blocks(scores: np.ndarray, labels: pd.DataFrame, sets: bool, seed: int) -> pd.DataFrame:
    """How well each choice of blocks places compounds that nothing has seen; empty where none can be compared."""
    lines, compounds = (labels[name].to_numpy(str) for name in ("cell_line", "compound_id"))
    several = _in_several_lines(lines, compounds)
    if len(several) < FEWEST_IN_SEVERAL_LINES:
        return pd.DataFrame()
    folds = compound_folds(several, 5, seed)
    held = np.array([folds.get(name) == 0 for name in compounds])
    centred = Centring.fit(scores[~held], lines[~held], sets=sets).of_perturbations(scores, lines)
    if not centred.any():
        return pd.DataFrame()
    asked = np.flatnonzero(held & (lines != ""))
    asked = np.sort(np.random.default_rng(seed).permutation(asked)[:_MOST_ASKED])
    tried = fit_encoders(scores[~held], labels[~held], sets=sets, choices=BLOCKS[sets])
    places = [_place_elsewhere(encoder, scores[asked], centred, asked, labels) for encoder, _ in tried]
    if np.isnan(places[0]):  # nowhere is there anybody to be compared with
        return pd.DataFrame()
    return pd.DataFrame({"blocks": [" + ".join(names) for names in BLOCKS[sets]], "mean_percentile": places})


def _in_several_lines(lines: np.ndarray, compounds: np.ndarray) -> list[str]:
    known = pd.DataFrame({"compound": compounds, "line": lines})[(compounds != "") & (lines != "")]
    n_lines = known.groupby("compound")["line"].nunique()
    return sorted(n_lines.index[n_lines > 1])


def fit_encoders(
    scores: np.ndarray, labels: pd.DataFrame, *, sets: bool, choices: Sequence[tuple[str, ...]]
) -> list[tuple[LinearEncoder, Centring]]:
    """An encoder for each choice of blocks, and the means of the reference.

    Parameters
    ----------
    scores, labels, sets
        As in :func:`fit_profiles`.
    choices
        Names of blocks: plain, whitened, discriminant, other lines.
    """
    lines, compounds = (labels[name].to_numpy(str) for name in ("cell_line", "compound_id"))
    centring = Centring.fit(scores, lines, sets=sets)
    centred, common = centring.of_perturbations(scores, lines), centring.common_directions()
    # of the scores as they are: less their means gene sets are not sparse any more
    axes = principal_axes(scores, _N_AXES) if scores.shape[1] > _MOST_GENES else None
    inside = centred if axes is None else centred @ axes
    maps = {"whitened": whitening(inside, shrinkage=SHRINKAGE)}
    if any("other lines" in names for names in choices):
        named = compounds != ""
        maps["discriminant"] = discriminant(inside[named], compounds[named], 60, 0.5)
        usable = named & (lines != "")
        maps["other lines"] = to_other_lines(inside[usable], compounds[usable], lines[usable])
    genes = np.arange(scores.shape[1])
    blocks = {"plain": Block("plain", genes, genes)}
    for name, matrix in maps.items():
        onto = (matrix if axes is None else axes @ matrix).astype(np.float32)
        blocks[name] = Block(name, without(common, onto), onto)
    return [(balanced([blocks[name] for name in names], scores, centred), centring) for names in choices]


def discriminant(scores: np.ndarray, compounds: np.ndarray, n_components: int, shrinkage: float = 0.1) -> np.ndarray:
    """Directions in which compounds differ most, measured by how much signatures of one compound do (Fisher's analysis).

    Parameters
    ----------
    scores
        Centred per cell line, shape (n_signatures, n_genes).
    compounds
        Compound of each; those with one signature are left out.
    n_components
        Directions kept; never more than there are differences between compounds.
    shrinkage
        Added to the variances within compounds, in units of their mean.

    Returns
    -------
    Shape (n_genes, n_components).

    Examples
    --------
    >>> scores = np.array([[1.0, 9, 0], [1, -9, 0], [-1, 9, 0], [-1, -9, 0.1]])
    >>> found = discriminant(scores, np.array(["a", "a", "b", "b"]), 1)[:, 0]
    >>> int(abs(found).argmax())
    0
    """
    inside = scores.astype(np.float64)
    _, groups, counts = np.unique(compounds, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), inside.shape[1]))
    np.add.at(means, groups, inside)
    means /= counts[:, None]
    several = counts[groups] > 1
    apart = ((inside - means[groups]) / np.sqrt(counts[groups])[:, None])[several]
    within = apart.T @ apart / max((counts > 1).sum(), 1)
    within[np.diag_indices_from(within)] += shrinkage * np.trace(within) / len(within) + 1e-12
    between = means[counts > 1].T @ means[counts > 1] / max((counts > 1).sum(), 1)
    n_genes = len(between)
    values, vectors = scipy.linalg.eigh(between, within, subset_by_index=[max(n_genes - n_components, 0), n_genes - 1])
    # beyond the differences between compounds any direction would do: none is kept
    return vectors[:, values > 1e-9 * values[-1]][:, ::-1]


def to_other_lines(
    scores: np.ndarray, compounds: np.ndarray, lines: np.ndarray, n_components: int = 100, penalty: float = 10.0
) -> np.ndarray:
    """Map from the mean of a compound in one cell line to its whitened mean over the other lines.

    Parameters
    ----------
    scores
        Centred by cell line, shape (n_signatures, n_genes).
    compounds, lines
        Of each signature; compounds in one line only are left out.
    n_components
        Of the whitened means.
    penalty
        Of the :func:`~scperturb_cmap.embedding.linear.ridge`.

    Returns
    -------
    Shape (n_genes, n_components).

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(50, 3)) * [1, 0.1, 1]
    >>> scores[25:, :2] = scores[:25, :2]
    >>> found = to_other_lines(scores, np.tile(np.arange(25), 2), np.repeat(["A", "B"], 25), 3, 0.01)
    >>> bool(np.linalg.norm(found[0]) > 2 * np.linalg.norm(found[2]))
    True
    """
    means = pd.DataFrame(scores).groupby([compounds, lines]).mean()
    each = means.groupby(level=0)
    n_others = each[0].transform("size") - 1
    others = (each.transform("sum") - means).div(n_others, axis=0)[n_others > 0].to_numpy()
    white = whitening(scores, n_components, shrinkage=0.1)
    return ridge(means[n_others > 0].to_numpy(), others @ white, np.ones(len(others)), penalty)


def _place_elsewhere(
    encoder: LinearEncoder, queries: np.ndarray, centred: np.ndarray, asked: np.ndarray, labels: pd.DataFrame
) -> float:
    """Mean percentile of the same compound in every other cell line, macro over compounds; NaN where there is none.

    Others are those of the line, or of the line and the answer's batch where batches are known.
    """
    scores = encoder.encode_query(queries) @ encoder.encode_perturbation(centred).T
    lines, compounds = (labels[name].to_numpy(str) for name in ("cell_line", "compound_id"))
    found = []
    for line in np.unique(lines[lines != ""]):
        there = np.flatnonzero(lines == line)
        batch, names = labels["batch"].iloc[there], compounds[there]
        rows = np.flatnonzero(lines[asked] != line)
        who = compounds[asked[rows]]
        for mine in np.intersect1d(who, names):
            right = np.flatnonzero(names == mine)
            others = np.broadcast_to(names != mine, (len(right), len(there)))
            others = others & (beside(batch.iloc[right], batch) | ~known(batch.iloc[right])[:, None])
            n = others.sum(axis=1)
            for near in scores[np.ix_(rows[who == mine], there)]:
                own = near[right, None]
                before = (others & (near > own)).sum(axis=1) + (others & (near == own)).sum(axis=1) / 2
                found += [(mine, place) for place in before[n > 0] / n[n > 0]]
    return float(pd.DataFrame(found, columns=["compound", "place"]).groupby("compound")["place"].mean().mean())
