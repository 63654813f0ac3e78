"""Made-up labels and signatures of compounds, for tests of the validation."""

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.validation.families import add_families

PERTURBATION = {
    "compound": "",
    "pert_id": "",
    "inchi_key": "",
    "mechanism": "",
    "families": "",
    "family": "",
    "lineage": "",
    "targets": "",
    "batch": "",
    "cell_line": "",
}


def labels(n_compounds=12, lines=("A", "B"), **more) -> pd.DataFrame:
    rows = [{"compound_id": f"c{k}", "cell_line": line} for k in range(n_compounds) for line in lines]
    table = pd.DataFrame(rows).assign(
        dose_um=10.0, time_h=24.0, pert_type="trt_cp", tas=0.5, status="ok", reference="r"
    )
    table = table.assign(**{column: value for column, value in PERTURBATION.items() if column not in table} | more)
    return known(table, table["mechanism"])


def known(table: pd.DataFrame, mechanism: pd.Series) -> pd.DataFrame:
    """With these mechanisms; every cell line is a lineage of its own."""
    return add_families(table.assign(mechanism=list(mechanism))).assign(lineage=table["cell_line"])


def reference(n_compounds=60, signal=1.0, seed=0, **more) -> ad.AnnData:
    """Signatures of compounds in two lines: what the compound does, and noise."""
    random = np.random.default_rng(seed)
    obs = labels(n_compounds).assign(**more)
    obs.index = [f"s{n}" for n in range(len(obs))]
    effect = random.normal(size=(n_compounds, 200))
    values = signal * np.repeat(effect, 2, axis=0) + random.normal(size=(len(obs), 200))
    var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(g) for g in range(200)])
    return ad.AnnData(values.astype(np.float32), obs, var, uns={"effect": "modz"})
