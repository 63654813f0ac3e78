"""Which genes of a reference are compared."""

import anndata as ad
import numpy as np

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["FEATURE_SPACES", "in_feature_space"]

#: Which genes of a reference are compared.
FEATURE_SPACES = ("all", "best_inferred", "landmark")


def in_feature_space(reference: ad.AnnData, feature_space: str) -> np.ndarray:
    """Which genes of the reference are compared, shape (n_genes,).

    Raises
    ------
    InputError
        The reference has no gene of the feature space.
    """
    spaces = {"landmark": ["landmark"], "best_inferred": ["landmark", "best inferred"]}
    if feature_space == "all":
        return np.ones(reference.n_vars, bool)
    inside = reference.var["feature_space"].isin(spaces[feature_space]).to_numpy()
    if not inside.any():
        wrong = f"The gene table calls no gene of this reference {' or '.join(spaces[feature_space])}"
        remedy = "Give LINCS' geneinfo as the first gene table (--genes), or --feature_space all."
        raise InputError(Problem("--feature_space", feature_space, f"{wrong}.", remedy))
    return inside
