"""Single pairs of a population and a signature: normalised, and against chance."""

import numpy as np
import pandas as pd
from scipy import stats

from scperturb_cmap.ranking.background import ReferenceQueries
from scperturb_cmap.ranking.normalisation import fdr_against_null
from scperturb_cmap.utils.names import VEHICLE

__all__ = ["describe_connections"]


def describe_connections(table: pd.DataFrame, headline: str, queries: ReferenceQueries | None) -> pd.DataFrame:
    """Normalise the scores of one population's signatures, and say how likely such scores are by chance.

    Parameters
    ----------
    table
        Scores of one population, vehicles included: pert_type, p_value, the columns of
        :class:`~scperturb_cmap.ranking.background.ReferenceQueries`, ``headline``.
    headline
        The score.
    queries
        Reference queries in the order of ``table``; without them there is no NCS and no tau.

    Returns
    -------
    ``table`` with ncs, tau (missing where norm_reason says why), fdr (of the pair) and fdr_null: "vehicles" (of the same
    reference, at least 50 scores of either sign), "random queries" (Benjamini-Hochberg of p_value) or "none".
    """
    scores, is_vehicle = table[headline].to_numpy(float), (table["pert_type"] == VEHICLE).to_numpy()
    nothing = np.full(len(table), np.nan)
    normalised = nothing if queries is None else queries.ncs(scores)
    percentile = nothing if queries is None else queries.tau(normalised)
    fdr, null = nothing.copy(), np.full(len(table), "none", dtype=object)
    # Vehicles say nothing of a reference that was measured in another way.
    for rows in table.groupby(table["reference"].to_numpy()).indices.values():
        fdr[rows], null[rows] = fdr_against_null(normalised[rows], is_vehicle[rows])
    tested = table["p_value"].notna().to_numpy() & ~is_vehicle & (null == "none")
    if tested.any():
        fdr[tested] = stats.false_discovery_control(table["p_value"].to_numpy()[tested])
        null[tested] = "random queries"
    few = "There are too few reference queries."
    reason = np.select(
        [np.isnan(scores), np.isnan(normalised) | np.isnan(percentile)],
        [table["reason"].to_numpy(dtype=object), few],
        "",
    )
    return table.assign(ncs=normalised, tau=percentile, fdr=fdr, fdr_null=null, norm_reason=reason)
