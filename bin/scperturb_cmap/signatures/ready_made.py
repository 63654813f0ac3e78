"""Ready-made signatures into a signature set: gene keys, one value per gene."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scperturb_cmap.genes import MATCHED, GeneTable
from scperturb_cmap.io.queries import Query
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set
from scperturb_cmap.signatures.derive import DESIGN_COLUMNS, Derived, signature_genes

__all__ = ["GIVEN", "query_signatures"]

#: Evidence of a signature made elsewhere: its design is not known here.
GIVEN = "given"


def query_signatures(
    queries: Sequence[Query], mappings: Sequence[pd.DataFrame], table: GeneTable, *, dataset: str, case: str, control: str,
    exclude: Sequence[str] = (),
) -> Derived:  # fmt: skip
    """Put signatures that were made elsewhere into the form of our own.

    Parameters
    ----------
    queries
        The signatures; one without a population is called by the data set.
    mappings
        Gene keys of each query's genes (:meth:`GeneTable.map`). Of several genes with one key the one matched in the most
        trustworthy way counts, then the one with the strongest value.
    table
        The run's gene table.
    dataset, case, control
        Names for ``obs``.
    exclude
        Names of :data:`~scperturb_cmap.signatures.derive.EXCLUDABLE` genes to leave out.

    Returns
    -------
    Signature set with layers log_fc, p_value, fdr (NaN where not given), evidence "given"; no samples, no resamples.

    Examples
    --------
    >>> genes = GeneTable.from_tables([pd.DataFrame({"entrez_id": ["929", "3627"], "ensembl_id": "", "synonyms": "",
    ...     "symbol": ["CD14", "CXCL10"], "feature_space": "other"})])
    >>> rows = pd.DataFrame({"gene": ["CXCL10", "CD14"], "value": [5.0, -2.0], "log_fc": 1.0, "p_value": 0.1, "fdr": 0.2})
    >>> query, names = Query("", rows, "statistic"), {"dataset": "d", "case": "a", "control": "b"}
    >>> found = query_signatures([query], [genes.map(rows["gene"])], genes, **names).signatures
    >>> found.obs_names.tolist(), found.to_df().loc["d|d"].to_dict()
    (['d|d'], {'3627': 5.0, '929': -2.0})
    """
    tables = []
    for query, mapping in zip(queries, mappings, strict=True):
        trust = [MATCHED.index(how) if how in MATCHED else len(MATCHED) for how in mapping["matched_by"]]
        found = query.table.assign(key=mapping["gene_key"].to_numpy(), trust=trust)
        found = found[found["key"] != ""].assign(size=lambda rows: -rows["value"].abs())
        found = found.sort_values(["trust", "size"], kind="stable").drop_duplicates("key").set_index("key")
        tables.append(found)
    genes = signature_genes(dict.fromkeys(key for found in tables for key in found.index), table, exclude)
    layers = {
        name: np.stack([found[name].reindex(genes).to_numpy(float) for found in tables])
        for name in ("value", "log_fc", "p_value", "fdr")
    }
    names = {"dataset": dataset, "case": case, "control": control, "design": "", "covariates": "", "evidence": GIVEN}
    counts = dict.fromkeys(("n_donors_case", "n_donors_control", "n_cells_case", "n_cells_control"), 0)
    rows = [
        names
        | counts
        | {"population": query.population or dataset, "effect": query.effect, "status": "ok", "reason": ""}
        for query in queries
    ]
    obs = pd.DataFrame(rows, columns=list(POPULATION_COLUMNS))
    obs.index = obs["dataset"] + "|" + obs["population"]
    effects = {query.effect for query in queries}
    effect = effects.pop() if len(effects) == 1 else "mixed"
    var = table.genes.loc[genes]
    signatures = signature_set(layers.pop("value"), obs, var, effect, layers)
    none = signature_set(np.empty((0, len(var))), obs.iloc[:0].assign(resample=""), var, effect)
    return Derived(signatures, pd.DataFrame(columns=list(DESIGN_COLUMNS)), none)
