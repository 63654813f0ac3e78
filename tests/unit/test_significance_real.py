"""Calibration of the drugs' p-values on real cells whose labels were shuffled: no drug may be found."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set
from scperturb_cmap.ranking.significance import drug_significance
from scperturb_cmap.reference.build import build_shards
from scperturb_cmap.reference.opening import open_reference
from scperturb_cmap.reference.quality import quality_funnel
from scperturb_cmap.scoring import score_signatures
from scperturb_cmap.signatures.design import choose_design
from scperturb_cmap.signatures.differential import wald_contrast
from scperturb_cmap.signatures.samples import sample_codes

pytestmark = pytest.mark.real
N_SHUFFLES = 50


@pytest.fixture(scope="module")
def table(real_data) -> GeneTable:
    names = ("lincs_gene_info_12328.tsv", "human_gene_map.tsv.gz")
    return read_gene_table([real_data / "genes" / name for name in names])


@pytest.fixture(scope="module")
def shuffled(real_data, table) -> ad.AnnData:
    """Signatures of Kang's CD14 monocytes, conditions shuffled among the cells of each donor."""
    cells = ad.read_h5ad(real_data / "singlecell" / "kang2018_ifnb_pbmc_8donors.h5ad")
    cells = cells[cells.obs["cell_type"] == "CD14+ Monocytes"]
    x, rng, z = cells.X.tocsr(), np.random.default_rng(0), []
    labels = cells.obs[["cell_type", "condition", "donor"]].astype(str)
    labels = labels.set_axis(["population", "condition", "donor"], axis=1).reset_index(drop=True)
    for _ in range(N_SHUFFLES):
        condition = labels.groupby("donor")["condition"].transform(lambda c: rng.permutation(c.to_numpy()))
        codes, samples = sample_codes(labels.assign(condition=condition), "stim", "ctrl")
        counts = pd.DataFrame(np.stack([np.asarray(x[codes == n].sum(axis=0)).ravel() for n in range(len(samples))]))
        design = choose_design(samples.assign(n_counts=counts.sum(axis=1)), 10, 2)
        z.append(wald_contrast(counts, design, 10, threads=2)[0]["value"].to_numpy())
    keys = table.map(cells.var_names)["gene_key"].to_numpy()
    first = (keys != "") & ~pd.Index(keys).duplicated()
    obs = pd.DataFrame("ok", [f"shuffle {n}" for n in range(N_SHUFFLES)], list(POPULATION_COLUMNS))
    obs["population"] = obs.index
    return signature_set(np.stack(z)[:, first], obs, table.genes.loc[keys[first]], "wald_z")


@pytest.mark.xfail(
    reason="not met: a drug is called in 32 % of the shuffles, nearly always trichostatin A or tanespimycin (docs/methods.md, 5)"
)
def test_shuffled_labels_find_no_drug(real_data, table, shuffled):
    """Against 4985 signatures of 1060 drugs of CMap build 02, in three cell lines and more."""
    row = {
        "reference": "cmap02",
        "format": "gmt",
        "path": "up",
        "path_down": "down",
        "filter": "",
        "level": "",
        "control": "",
    }
    row |= dict.fromkeys(("siginfo", "geneinfo", "compoundinfo", "licence"), "")
    files = {
        way: real_data / "cmap02" / f"cmap_build02_{name}100.gmt.gz"
        for way, name in (("path", "up"), ("path_down", "dn"))
    }
    opened = open_reference(row, files)
    kept, _ = quality_funnel(opened.metadata, opened.signatures, row)
    positions = np.flatnonzero(pd.Index(opened.signatures).isin(kept.index))
    shards = build_shards(opened.read, positions, kept, table.map(opened.genes), table, "cmap02", opened.effect, 10_000)
    scores = pd.concat(score_signatures(shuffled, next(iter(shards)), ["wtcs"], device="cpu"))
    assert scores["population"].nunique() == N_SHUFFLES and scores["compound_id"].nunique() > 1000
    for method in ("wtcs",):
        found = [drug_significance(mine, method) for _, mine in scores.groupby("population")]
        false = np.array(
            [(one["fdr"] <= 0.1).any() for one in found]
        )  # every drug called is false: FDR = share of runs
        small = [(one["p_value"] < 0.05).mean() for one in found]
        print(
            f"\n{method}: a drug at FDR 0.1 in {false.mean():.0%} of {N_SHUFFLES} shuffles; p < 0.05 in {np.mean(small):.3f}"
        )
        print(f"p < 0.001 in {np.mean([(one['p_value'] < 0.001).mean() for one in found]):.4f} of drugs")
        assert false.mean() <= 0.12 and np.mean(small) <= 0.06
