"""From signature sets of references to a checkpoint: an input layer for each kind of query, settings by validation compounds."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import SHAPES, Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Basis, Block, LinearEncoder, LinearSettings, fit_dual, whitening
from scperturb_cmap.embedding.pairs import mine_pairs
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training import TrainingSettings, TrainingState, mean_percentile, train
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["FEWEST_PAIRED", "SEARCH", "learn"]

log = logging.getLogger(__name__)

#: With fewer compounds on both platforms there is nothing to learn a map from.
FEWEST_PAIRED = 50

#: Settings of the linear encoder that validation compounds choose from.
SEARCH = tuple(LinearSettings(200, n, penalty) for n in (80, 120) for penalty in (1.0, 3.0))

_TRAINING = TrainingSettings()

#: Variance added before whitening full profiles (docs/methods.md).
_SHRINKAGE = 1.0


def learn(
    target: ad.AnnData, sources: Sequence[ad.AnnData], *, method: str = "linear",
    training: TrainingSettings = _TRAINING, device: str = "cpu", state: TrainingState | None = None,
    after_epoch: Callable[[TrainingState], None] = lambda _: None,
) -> tuple[Checkpoint, pd.DataFrame]:  # fmt: skip
    """Fit the input layers of a space.

    Full profiles are placed by shrunken whitening of the target, which needs no pairs. Gene sets are placed by a map learned
    from compounds that a source of gene sets shares with the target; without enough of them there is no such layer.

    Parameters
    ----------
    target
        Signature set of the perturbations that will be searched; obs["compound_id"] of one identity over all sets.
    sources
        Signature sets of other platforms; those of gene sets (effect "rank" or "set") are learned from.
    method
        "linear", or one of :data:`~scperturb_cmap.embedding.training.LOSSES`.
    training, device, state, after_epoch
        Of :func:`~scperturb_cmap.embedding.training.train`.

    Returns
    -------
    checkpoint
        Its ``about`` holds settings, splits and the validation.
    table
        Settings tried, and the mean percentile of validation compounds by each (0 best, 0.5 chance).

    Raises
    ------
    InputError
        The target is too small.
    """
    if target.n_obs < FEWEST_PAIRED:
        wrong = f"{target.n_obs} signatures are too few to learn a space from; {FEWEST_PAIRED} are needed."
        raise InputError(Problem("references", "role both", wrong, "Give a larger reference."))
    reference = signed_scores(np.asarray(target.X))
    mean = reference.mean(axis=0)
    reference = reference - mean
    genes = target.var_names.astype(str).tolist()
    axes = whitening(reference, shrinkage=_SHRINKAGE).astype(np.float32)
    encoders = {"profile": LinearEncoder([Block("whitened", axes, axes)])}
    query_genes, table, about = {"profile": genes}, pd.DataFrame(), {"seed": training.seed, "method": method}
    sets = [one for one in sources if str(one.uns["effect"]) in ("rank", "set")]
    if sets:
        names = sorted(set().union(*(one.var_names.astype(str) for one in sets)))
        values = np.vstack([on_genes(np.asarray(one.X), one.var_names, names) for one in sets])
        query = signed_scores(values, SHAPES["sets"])
        obs = pd.concat([one.obs for one in sets], ignore_index=True)
        lines = obs["cell_line"].astype(str).to_numpy()
        query = Centring.fit(query, lines).apply(query, lines)
        pairs = mine_pairs(
            obs[["compound_id"]].astype(str), target.obs[["compound_id"]].astype(str), seed=training.seed
        )
        paired = sorted(pairs["compound_id"].unique())
        about["n_paired_compounds"] = len(paired)
        if len(paired) >= FEWEST_PAIRED:
            folds = compound_folds(paired, 5, training.seed)
            held = pairs["compound_id"].map(folds) == 0
            about["validation_compounds"] = sorted(pairs.loc[held, "compound_id"].unique())
            if method == "linear":
                encoders["sets"], table = _linear(query, reference, pairs, held.to_numpy(), (names, genes))
            else:
                settings = replace(training, loss=method)
                rows, others = pairs[~held].reset_index(drop=True), pairs[held].reset_index(drop=True)
                options = {"device": device, "state": state, "after_epoch": after_epoch}
                encoders["sets"], last = train(query, reference, rows, others, settings, **options)
                history = range(1, len(last.history) + 1)
                table = pd.DataFrame({**asdict(settings), "epoch": history, "mean_percentile": last.history})
            query_genes["sets"] = names
            about["validation_mean_percentile"] = float(table["mean_percentile"].min())
    return Checkpoint(encoders, query_genes, genes, mean, about), table


def _linear(
    query: np.ndarray, reference: np.ndarray, pairs: pd.DataFrame, held: np.ndarray, genes: tuple[list[str], list[str]]
) -> tuple[LinearEncoder, pd.DataFrame]:
    """The encoder with the best settings on validation compounds, fitted again on all pairs."""
    common = np.intersect1d(*genes)
    shared = tuple(pd.Index(side).get_indexer(common) for side in genes)
    basis = Basis.fit(query, reference, max(s.n_query for s in SEARCH), max(s.n_reference for s in SEARCH))

    def fit(rows: pd.DataFrame, settings: LinearSettings) -> LinearEncoder:
        given = tuple(rows[column].to_numpy() for column in ("query", "reference", "weight"))
        return fit_dual(query, reference, given, settings, shared if len(common) else None, basis)

    tried = [
        {
            **asdict(settings),
            "mean_percentile": mean_percentile(fit(pairs[~held], settings), query, reference, pairs[held]),
        }
        for settings in SEARCH
    ]
    table = pd.DataFrame(tried)
    best = SEARCH[int(table["mean_percentile"].argmin())]
    log.info("validation compounds chose %s: %.3f", best, table["mean_percentile"].min())
    return fit(pairs, best), table
