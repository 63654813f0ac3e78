"""The same contrast on other donors: leave one out, and draw with replacement, to see what a signature hangs on."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from scperturb_cmap.signatures.design import Design
from scperturb_cmap.signatures.differential import Fit

__all__ = ["donor_weights", "weighted_wald"]

#: Fewest donors per arm to leave one out (two must stay), and to draw with replacement.
_LEAVE_ONE_OUT, _BOOTSTRAP = 3, 4

#: After so many iterations steps are halved.
_SMALL_STEPS = 20

#: Of pydeseq2: smallest fitted mean, ridge penalty.
_MIN_MU, _RIDGE = 0.5, 1e-6


def donor_weights(design: Design, n_bootstraps: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """How often each sample counts in each resample.

    Each donor is left out once (from 3 donors per arm), then ``n_bootstraps`` times as many donors as there are
    are drawn with replacement (from 4 donors per arm): pairs in a paired contrast, within the arms in an unpaired one.
    A draw with fewer than two different donors in an arm is drawn again.

    Yields
    ------
    name
        "without <donor>" or "bootstrap <n>".
    weights
        Shape (n_samples used,), whole numbers.

    Examples
    --------
    >>> from scperturb_cmap.signatures.design import choose_design
    >>> samples = pd.DataFrame({"donor": list("abcabc"), "arm": ["case"] * 3 + ["control"] * 3, "n_cells": 50, "n_counts": 9})
    >>> for name, weights in donor_weights(choose_design(samples, 10, 1), 2, seed=0):
    ...     print(name, weights)
    without a [0. 1. 1. 0. 1. 1.]
    without b [1. 0. 1. 1. 0. 1.]
    without c [1. 1. 0. 1. 1. 0.]
    """
    donors, arms = design.used["donor"].to_numpy(), design.used["arm"].to_numpy()
    groups = (
        [np.unique(donors)] if design.kind == "paired" else [np.unique(donors[arms == arm]) for arm in np.unique(arms)]
    )
    fewest = min(map(len, groups), default=0)
    if fewest >= _LEAVE_ONE_OUT:
        for donor in np.unique(donors):
            yield f"without {donor}", (donors != donor).astype(float)
    rng = np.random.default_rng(seed)
    for number in range(n_bootstraps if fewest >= _BOOTSTRAP else 0):
        drawn = [_draw(rng, group) for group in groups]
        times = pd.Series(np.concatenate(drawn)).value_counts()
        yield f"bootstrap {number + 1}", pd.Series(donors).map(times).fillna(0).to_numpy(float)


def weighted_wald(fit: Fit, weights: np.ndarray, steps: int = 100) -> np.ndarray:
    """Wald z of case against control when samples count ``weights`` times.

    The negative binomial model of :func:`~scperturb_cmap.signatures.differential.wald_contrast` with its size factors and
    dispersions held, all genes at once by iteratively reweighted least squares; with all weights 1 it gives that
    function's z wherever both iterations find the maximum. A gene is missing where its weighted counts are all zero or the
    iteration does not settle, and all are where the donors left cannot tell the arms from the covariates.

    Parameters
    ----------
    fit
        The model of all donors.
    weights
        Shape (n_samples,).
    steps
        Most iterations.

    Returns
    -------
    z, shape (n_tested,).
    """
    there = fit.model[weights > 0]
    if np.linalg.matrix_rank(there) == np.linalg.matrix_rank(there[:, :-1]):
        return np.full(len(fit.dispersions), np.nan)
    x, counts, dispersion = fit.model, fit.counts.T, fit.dispersions[:, None]
    ridge = np.eye(x.shape[1]) * _RIDGE
    log_size = np.log(fit.size_factors)
    start = np.log(counts / fit.size_factors + 0.1)
    beta = np.linalg.lstsq(x, start.T, rcond=None)[0].T

    def information(beta: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean = np.maximum(np.exp(beta @ x.T + log_size), lowest)
        weight = weights * mean / (1 + mean * dispersion)
        return mean, weight, np.einsum("gs,si,sj->gij", weight, x, x, optimize=True)

    active = (counts * weights).sum(axis=1) > 0
    for step in range(steps):
        mean, weight, hessian = information(beta, _MIN_MU)
        response = np.log(mean / fit.size_factors) + (counts - mean) / mean
        new = np.linalg.solve(hessian + ridge, ((weight * response) @ x)[:, :, None])[:, :, 0]
        if step >= _SMALL_STEPS:  # what still jumps to and fro settles in between
            new = (beta + new) / 2
        moved = np.abs(new - beta).max(axis=1)
        # A coefficient without data (a gene never seen in an arm) runs away; z settles long before.
        beta = np.clip(new, -30, 30)
        settled = moved < 1e-4
        if settled[active].all():
            break
    # Like DESeq2, the test takes the means as fitted, without the floor that holds the iteration up.
    _, _, hessian = information(beta, 1e-300)
    inverse = np.linalg.inv(hessian + ridge)
    variance = np.einsum("gi,gij,gj->g", inverse[:, -1], hessian, inverse[:, -1])
    return np.where(active & settled & (variance > 0), beta[:, -1] / np.sqrt(np.maximum(variance, 1e-300)), np.nan)


def _draw(rng: np.random.Generator, donors: np.ndarray) -> np.ndarray:
    while True:
        drawn = rng.choice(donors, len(donors))
        if len(np.unique(drawn)) >= 2:
            return drawn
