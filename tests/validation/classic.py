"""Classic scores on single-cell drug signatures: the same compound in the L1000 consensus. What decides the default headline."""

import anndata as ad
import numpy as np
import pandas as pd
from metrics import interval, percentiles

from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS
from scperturb_cmap.validation.matrices import score_matrices

METHODS = ("wtcs", "spearman", "cosine", "pearson", "zhang", "rges", "xsum")

#: Of Tahoe's signatures, which are many of few compounds.
MOST = 400


def as_set(signatures, columns: tuple, effect: str) -> ad.AnnData:  # noqa: ANN001
    """A signature set with what scoring looks at."""
    names = [f"s{n}" for n in range(len(signatures.values))]
    obs = pd.DataFrame("", names, list(columns)).assign(status="ok", dose_um=1.0, time_h=1.0, tas=0.5)
    obs = obs.assign(dataset="d", population=names, effect=effect)
    var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=signatures.genes)
    return ad.AnnData(signatures.values.astype(np.float32), obs, var, uns={"effect": effect})


def run(sets: dict, args) -> None:  # noqa: ANN001
    reference, rows = sets["l1000"], []
    searched = as_set(reference, PERTURBATION_COLUMNS, "modz")
    for data in ("pbmc", "tahoe"):
        shared = np.flatnonzero(np.isin(sets[data].compound, reference.compound))
        shared = np.sort(np.random.default_rng(0).permutation(shared)[:MOST])
        who = sets[data].compound[shared]
        queries = as_set(sets[data], POPULATION_COLUMNS, "rank")[shared].copy()
        scores = score_matrices(queries, searched, METHODS, device="cpu")
        names, groups = np.unique(who, return_inverse=True)
        for method in METHODS:
            matrix = np.where(np.isfinite(scores[method]), scores[method], -np.inf)
            mean = np.stack([scores[method][groups == n].mean(axis=0) for n in range(len(names))])
            found = percentiles(matrix, who[:, None] == reference.compound)
            if method == METHODS[0]:
                base = found
            low, high = interval(found - base, who)
            rows.append({
                "data": data, "method": method, "n": len(found), "mean percentile": found.mean(), "median": np.median(found),
                "top 5 %": (found <= 0.05).mean(), "of compounds": percentiles(mean, names[:, None] == reference.compound).mean(),
                "less wtcs": (found - base).mean(), "low": low, "high": high,
            })  # fmt: skip
    print(pd.DataFrame(rows).round(3).to_string(index=False))
