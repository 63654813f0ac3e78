"""Connectivity scores without the pipeline: two AnnData in, one table out."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS
from scperturb_cmap.scoring.engine import score_signatures
from scperturb_cmap.scoring.feature_space import FEATURE_SPACES
from scperturb_cmap.scoring.registry import SCORES
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["connectivity"]


def connectivity(
    queries: ad.AnnData, reference: ad.AnnData, method: str | Sequence[str] = "wtcs", *,
    n_genes: int = 150, min_tags: int = 10, feature_space: str = "all", device: str = "auto",
) -> pd.DataFrame:  # fmt: skip
    """Score every query signature against every reference signature.

    Parameters
    ----------
    queries
        Disease signatures, one row each: ``X`` = signed evidence (z or log fold change, positive = up in the disease), NaN = not
        measured. Of ``obs``, ``dataset``, ``population`` and ``effect`` ("set" for pairs of gene sets, as 1, 0 and -1) are used
        where they are there.
    reference
        Drug signatures, one row each, its genes named as those of ``queries``. Of ``obs``, compound, compound_id, cell_line,
        dose_um and time_h are passed on where they are there.
    method
        One or more names of :data:`~scperturb_cmap.scoring.SCORES`.
    n_genes
        Size of the query's up and of its down set, for scores of sets.
    min_tags
        Fewest genes of a set, and in common: below, the score is missing and ``reason`` says why.
    feature_space
        "all", "best_inferred" or "landmark"; the latter two need ``reference.var["feature_space"]``.
    device
        "auto", "cpu" or "gpu".

    Returns
    -------
    One row per query and reference signature: population, signature, compound and so on, one column per method (positive
    mimics, negative reverses), n_genes in common, n_up, n_down, status, reason.

    Raises
    ------
    InputError
        An unknown method, no gene in common, names that are not unique, values that are no dense table, or no genes in the
        feature space; all that is wrong is said at once.

    Examples
    --------
    >>> import numpy as np, pandas as pd, anndata as ad
    >>> import scperturb_cmap
    >>> genes = pd.DataFrame(index=["CXCL10", "ISG15", "MX1", "CCL2", "FOS", "JUN"])
    >>> ill = ad.AnnData(np.array([[4.0, 3, 2, -2, -3, -4]]), pd.DataFrame(index=["monocytes"]), genes)
    >>> names = pd.DataFrame(index=["baricitinib", "interferon"])
    >>> drugs = ad.AnnData(np.array([[-3.0, -2, -1, 1, 2, 3], [1, 2, 3, -3, -1, -2]]), names, genes)
    >>> scores = scperturb_cmap.connectivity(ill, drugs, ["wtcs", "cosine"], n_genes=2, min_tags=2, device="cpu")
    >>> scores[["population", "compound", "wtcs", "cosine"]].round(3)
       population     compound  wtcs  cosine
    0  monocytes  baricitinib -1.00  -0.993
    1  monocytes   interferon  0.75   0.819
    """
    methods = [method] if isinstance(method, str) else list(method)
    problems = [
        Problem("method", "", f"{name} is not known.", f"Choose among {', '.join(SCORES)}.")
        if name != "embedding"
        else Problem(
            "method", "", "embedding needs a learned space.", "Run the pipeline, or use scperturb_cmap.embedding."
        )
        for name in methods
        if name not in SCORES
    ]
    for side, data in (("queries", queries), ("reference", reference)):
        if not isinstance(data, ad.AnnData):
            problems.append(
                Problem(side, "", f"It is a {type(data).__name__}.", "Give an AnnData, one signature a row.")
            )
    if any(not isinstance(data, ad.AnnData) for data in (queries, reference)):
        raise InputError(problems)
    for side, data in (("queries", queries), ("reference", reference)):
        if not isinstance(data.X, np.ndarray):
            problems.append(Problem(side, "X", "It is no dense array.", "Signatures are dense: give a numpy array."))
        for axis, names in (("obs_names", data.obs_names), ("var_names", data.var_names)):
            if not names.is_unique:
                problems.append(
                    Problem(side, axis, f"{names[names.duplicated()][0]} stands twice.", "Make names unique.")
                )
    for name, there in (("queries", queries.n_obs), ("reference", reference.n_obs), ("method", len(methods))):
        if not there:
            problems.append(Problem(name, "", "It is empty.", "Give at least one."))
    if feature_space not in FEATURE_SPACES:
        problems.append(
            Problem("feature_space", "", f"{feature_space!r} is not known.", f"Choose among {FEATURE_SPACES}.")
        )
    if not queries.var_names.isin(reference.var_names).any():
        wrong = f"No gene in common: {queries.var_names[0]} and the like here, {reference.var_names[0]} there."
        problems.append(Problem("queries", "var_names", wrong, "Name the genes of both alike."))
    if feature_space in FEATURE_SPACES[1:] and "feature_space" not in reference.var:
        problems.append(Problem("reference", "var['feature_space']", "It is not there.", "Use feature_space='all'."))
    if problems:
        raise InputError(problems)
    ill = pd.DataFrame(
        {"dataset": "", "population": queries.obs_names, "effect": "", "status": "ok"}, queries.obs_names
    )
    drug = pd.DataFrame(
        "", reference.obs_names, [c for c in PERTURBATION_COLUMNS if c not in ("dose_um", "time_h", "tas")]
    )
    drug = drug.assign(
        compound=reference.obs_names, compound_id=reference.obs_names, dose_um=np.nan, time_h=np.nan, tas=np.nan
    )
    tables = score_signatures(
        _with_obs(queries, ill, np.float64), _with_obs(reference, drug, np.float32), methods,
        n_genes=n_genes, min_tags=min_tags, feature_space=feature_space, device=device,
    )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _with_obs(data: ad.AnnData, obs: pd.DataFrame, dtype: type) -> ad.AnnData:
    """The same signatures, with the columns of ``obs`` that they lack; ranks that came along are kept."""
    values = np.where(np.isfinite(data.X), data.X, np.nan).astype(dtype)
    layers = {name: data.layers[name] for name in ("rank", "fdr") if name in data.layers}
    return ad.AnnData(values, obs.assign(**{c: data.obs[c] for c in obs if c in data.obs}), data.var, layers=layers)
