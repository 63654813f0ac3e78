"""Properties: the order of cells and genes, the storage, and how a file is read never change a signature."""

from unittest import mock

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from simulate import simulate

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.signatures.derive import Settings, derive_signatures
from scperturb_cmap.signatures.samples import choose_populations, sample_codes

N_GENES = 60
ROW = {"cell_type_key": "ct", "condition_key": "state", "donor_key": "donor", "case": "ill"}
NAMES = [f"G{n}" for n in range(N_GENES)]
TABLE = GeneTable.from_tables(
    [
        pd.DataFrame(
            {"entrez_id": [str(n + 1) for n in range(N_GENES)], "symbol": NAMES, "ensembl_id": "", "synonyms": ""}
        ).assign(feature_space="other")
    ]
)


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Twelve cells of each of two populations, six donors."""
    rng = np.random.default_rng(5)
    obs = pd.DataFrame(
        [(p, f"d{d}", "ill" if d < 3 else "well") for p in "BT" for d in range(6) for _ in range(12)],
        columns=["ct", "donor", "state"],
    )
    obs.index = [f"c{n}" for n in range(len(obs))]
    level = rng.gamma(1, 2, N_GENES)
    shift = np.where(obs["state"] == "ill", 1.5, 1.0)[:, None] ** np.where(np.arange(N_GENES) < 10, 1, 0)
    x = rng.poisson(level * shift * rng.gamma(5, 0.2, (len(obs), 1)))
    return ad.AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=NAMES))


def signature(path, cells: ad.AnnData, block: int = 10**6) -> ad.AnnData:
    cells.write_h5ad(path)
    with mock.patch("scperturb_cmap.io.cells._BLOCK_VALUES", block):
        opened = Cells(path)
        labels = opened.labels(ROW)
        codes, samples = sample_codes(labels, "ill", "well")
        counts = opened.sum_by_group(codes, len(samples))
    names = {"dataset": "d", "case": "ill", "control": "well"}
    populations = choose_populations(labels, "ill", "well")
    mapping = TABLE.map(opened.genes)
    return derive_signatures(counts, samples, populations, mapping, TABLE, settings=Settings(resamples=2), **names)


@pytest.fixture(scope="module")
def expected(cells, tmp_path_factory):
    return signature(tmp_path_factory.mktemp("expected") / "a.h5ad", cells)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    store=st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]),
    dtype=st.sampled_from([np.float32, np.float64, np.int32, np.uint16]),
    block=st.sampled_from([70, 1000, 10**6]),
    categories=st.booleans(),
)
def test_nothing_but_the_counts_matters(cells, expected, tmp_path, seed, store, dtype, block, categories):
    rng = np.random.default_rng(seed)
    mixed = cells[rng.permutation(cells.n_obs), rng.permutation(cells.n_vars)].copy()
    mixed.X = store(np.asarray(mixed.X).astype(dtype))
    if categories:
        mixed.obs = mixed.obs.astype("category")
    found = signature(tmp_path / "a.h5ad", mixed, block)
    for which in ("signatures", "resamples"):
        mine, theirs = getattr(found, which), getattr(expected, which)
        assert mine.obs_names.equals(theirs.obs_names)
        mine = mine[:, theirs.var_names]
        # The order of genes moves the last digits of the dispersion trend.
        np.testing.assert_allclose(mine.X, theirs.X, rtol=1e-4, atol=1e-4)
    pd.testing.assert_frame_equal(found.signatures.obs, expected.signatures.obs)
    pd.testing.assert_frame_equal(
        found.samples.drop(columns=["pc1", "pc2"]), expected.samples.drop(columns=["pc1", "pc2"]), rtol=1e-4
    )


def test_the_labels_of_the_arms_turn_every_sign():
    counts, rows = simulate(21, effect=1, n_genes=N_GENES)
    turned = rows.assign(arm=rows["arm"].map({"case": "control", "control": "case"}))
    names = {"dataset": "d", "case": "ill", "control": "well", "settings": Settings(resamples=0)}
    there, back = (derive_signatures(counts, r, ["B"], TABLE.map(NAMES), TABLE, **names) for r in (rows, turned))
    np.testing.assert_allclose(there.signatures.X, -back.signatures.X, rtol=1e-3, atol=1e-3)
