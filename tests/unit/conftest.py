"""What tests on published cells share: genes, Kang's CD14 monocytes, and their signatures with shuffled labels."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.signatures.design import Design, choose_design
from scperturb_cmap.signatures.differential import wald_contrast
from scperturb_cmap.signatures.samples import sample_codes

N_SHUFFLES = 50


@pytest.fixture(scope="session")
def table(real_data) -> GeneTable:
    names = ("lincs_gene_info_12328.tsv", "human_gene_map.tsv.gz")
    return read_gene_table([real_data / "genes" / name for name in names])


@pytest.fixture(scope="session")
def kang_cd14(real_data) -> ad.AnnData:
    """Kang's CD14 monocytes, eight donors; obs: population, condition, donor."""
    cells = ad.read_h5ad(real_data / "singlecell" / "kang2018_ifnb_pbmc_8donors.h5ad")
    cells = cells[cells.obs["cell_type"] == "CD14+ Monocytes"]
    labels = cells.obs[["cell_type", "condition", "donor"]].astype(str)
    labels = labels.set_axis(["population", "condition", "donor"], axis=1)
    return ad.AnnData(cells.X.tocsr(), labels, cells.var[[]])


def kang_counts(labels: pd.DataFrame, x) -> tuple[pd.DataFrame, Design]:
    """Pseudobulk of stimulated and control cells, and the design of their contrast."""
    codes, samples = sample_codes(labels.reset_index(drop=True), "stim", "ctrl")
    counts = pd.DataFrame(np.stack([np.asarray(x[codes == n].sum(axis=0)).ravel() for n in range(len(samples))]))
    return counts, choose_design(samples.assign(n_counts=counts.sum(axis=1)), 10, 2)


@pytest.fixture(scope="session")
def kang_shuffled(kang_cd14) -> list[pd.DataFrame]:
    """Contrasts with the conditions shuffled among the cells of each donor, side by side: each takes seconds."""
    rng, labels = np.random.default_rng(0), kang_cd14.obs
    shuffled = [
        labels.assign(condition=labels.groupby("donor")["condition"].transform(lambda c: rng.permutation(c.to_numpy())))
        for _ in range(N_SHUFFLES)
    ]
    # the other processes know the library, but not the tests
    given = [(*kang_counts(one, kang_cd14.X), 10) for one in shuffled]
    fits = Parallel(n_jobs=2)(delayed(wald_contrast)(*one, threads=1) for one in given)
    return [result for result, _ in fits]
