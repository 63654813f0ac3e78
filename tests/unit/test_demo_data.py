"""The demo data: they are what their generator makes, they are small, and the planted truth can be found in them."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cmapPy.pandasGEXpress.parse import parse

REPO = Path(__file__).parents[2]
DEMO = REPO / "assets" / "demo"
RANKED = ["B cells", "CD14 monocytes", "CD4 T cells", "NK cells"]
ALL_CELLS = "all cells"


def read_tsv(name: str) -> pd.DataFrame:
    return pd.read_csv(DEMO / name, sep="\t", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, REPO / "tests/data/make_demo.py", "--out", out], check=True)
    return out


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    return ad.read_h5ad(DEMO / "cells.h5ad")


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    return parse(str(DEMO / "reference.gctx")).data_df


@pytest.fixture(scope="module")
def planted() -> dict[tuple[str, str], str]:
    truth = read_tsv("truth.tsv")
    return dict(zip(zip(truth["population"], truth["role"], strict=True), truth["compound"], strict=True))


@pytest.fixture(scope="module")
def mean_cosine(cells, z) -> pd.DataFrame:
    """Mean cosine of each drug (rows) with the fold changes of each population's pseudobulk (columns)."""
    symbols = read_tsv("genes.tsv").set_index("symbol")["entrez_id"]
    keys = pd.Series(cells.var_names.map(symbols), index=cells.var_names)
    both = keys[keys.isin(z.index)]
    info = read_tsv("siginfo.txt").set_index("sig_id").loc[z.columns]
    unit = z.loc[both] / np.linalg.norm(z.loc[both], axis=0)
    out = {}
    for population in [*RANKED, ALL_CELLS]:
        part = cells[(cells.obs["cell_type"] == population) | (population == ALL_CELLS)]
        donors = pd.get_dummies(part.obs["donor"], dtype=float)
        sums = pd.DataFrame(donors.to_numpy().T @ part[:, both.index].X, donors.columns)
        level = np.log2(1e6 * sums.div(sums.sum(axis=1), axis=0) + 100)
        ill = part.obs.drop_duplicates("donor").set_index("donor")["condition"].loc[level.index] == "disease"
        change = (level[ill].mean() - level[~ill].mean()).to_numpy()
        out[population] = (unit.T @ (change / np.linalg.norm(change))).groupby(info["cmap_name"]).mean()
    return pd.DataFrame(out).drop(index="DMSO")


def test_committed_files_are_what_the_generator_makes(rebuilt, cells, z):
    names = sorted(path.name for path in rebuilt.iterdir())
    assert sorted(path.name for path in DEMO.iterdir()) == sorted([*names, "README.md"])
    for name in names:
        if not name.endswith((".h5ad", ".gctx")):
            assert (rebuilt / name).read_bytes() == (DEMO / name).read_bytes(), name
    again = ad.read_h5ad(rebuilt / "cells.h5ad")
    pd.testing.assert_frame_equal(again.obs, cells.obs)
    assert again.var_names.equals(cells.var_names)
    assert (again.X != cells.X).nnz == 0
    pd.testing.assert_frame_equal(parse(str(rebuilt / "reference.gctx")).data_df, z, rtol=0, atol=1e-6)


def test_small_enough_for_the_repository():
    assert sum(path.stat().st_size for path in DEMO.iterdir()) <= 3e6


def test_cells_are_raw_counts_of_replicated_arms_with_one_rare_population(cells):
    assert cells.X.dtype == np.float32
    assert (cells.X.data == np.rint(cells.X.data)).all() and cells.X.min() >= 0
    assert cells.obs.groupby("condition", observed=True)["donor"].nunique().to_dict() == {"disease": 4, "healthy": 4}
    assert (cells.obs.groupby("donor", observed=True)["condition"].nunique() == 1).all()
    counts = pd.crosstab(cells.obs["cell_type"], cells.obs["donor"])
    assert (counts.loc[RANKED] >= 10).all(axis=None)
    assert (counts.loc["Plasma cells"] < 10).all()


def test_genes_meet_by_symbol_by_synonym_twice_or_not_at_all(cells, z):
    genes = read_tsv("genes.tsv")
    synonyms = genes.assign(name=genes["synonyms"].str.split("|")).explode("name").set_index("name")["symbol"]
    by_synonym = synonyms[synonyms.index.isin(cells.var_names)]
    assert by_synonym.index.tolist() == ["OLD0010", "OLD0020", "OLD0030"]
    assert by_synonym.isin(cells.var_names).tolist() == [False, False, True]
    assert cells.var_names.str.startswith("NOVEL").sum() == 25
    assert genes["entrez_id"].is_unique and genes["symbol"].is_unique
    assert (genes["feature_space"] == "landmark").sum() == 900
    assert 0.85 < genes.set_index("entrez_id")["symbol"].loc[z.index].isin(cells.var_names).mean() < 0.95


def test_reference_looks_like_lincs(z):
    info = read_tsv("siginfo.txt")
    assert info["sig_id"].tolist() == z.columns.tolist()
    drugs = info[info["pert_type"] == "trt_cp"]
    assert drugs["cmap_name"].nunique() >= 150
    assert (drugs.groupby("cmap_name")["cell_iname"].nunique() == 3).all()
    assert set(drugs["pert_idose"]) == {"1 uM", "10 uM"} and set(drugs["pert_itime"]) == {"6 h", "24 h"}
    vehicle = info[info["pert_type"] == "ctl_vehicle"]
    assert len(vehicle) == 6 and (vehicle["pert_idose"] == "-666").all()
    assert set(read_tsv("drugs.tsv")["pert_iname"]) < set(drugs["cmap_name"])
    assert z.to_numpy().dtype == np.float32 and 0.9 < z[vehicle["sig_id"]].to_numpy().std() < 1.1


def test_truth_names_every_role_once(planted):
    roles = {(population, role) for population in RANKED for role in ("reverser", "mimic")}
    assert set(planted) == roles | {(ALL_CELLS, "bulk_decoy"), ("any", "strong_unrelated")}
    assert len(set(planted.values())) == len(planted) == len(read_tsv("truth.tsv"))
    info = read_tsv("siginfo.txt")
    assert (info.loc[info["cmap_name"].isin(planted.values()), "qc_pass"] == "1").all()


@pytest.mark.parametrize("population", RANKED)
def test_planted_drugs_are_first_and_last(population, mean_cosine, planted):
    order = mean_cosine[population].sort_values()
    assert order.index[0] == planted[population, "reverser"]
    assert order.index[-1] == planted[population, "mimic"]
    assert order.iloc[1] - order.iloc[0] > 0.1 and order.iloc[-1] - order.iloc[-2] > 0.1


def test_average_over_all_cells_puts_a_drug_first_that_is_wrong_for_monocytes(mean_cosine, planted):
    decoy = planted[ALL_CELLS, "bulk_decoy"]
    order = mean_cosine[ALL_CELLS].sort_values()
    assert order.index[0] == decoy and order.iloc[1] - order.iloc[0] > 0.1
    assert mean_cosine.loc[decoy, "CD14 monocytes"] > 0.1


def test_strongest_drug_has_nothing_to_do_with_the_disease(z, mean_cosine, planted):
    info = read_tsv("siginfo.txt").set_index("sig_id").loc[z.columns]
    strength = z.abs().mean().groupby(info["cmap_name"]).mean()
    assert strength.idxmax() == planted["any", "strong_unrelated"]
    assert (mean_cosine.loc[strength.idxmax()].abs() < 0.1).all()
