"""Disease signatures: design guard, pseudobulk from any storage, planted effects, independent statistics."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from simulate import simulate

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.signatures import ALL_CELLS
from scperturb_cmap.signatures.derive import Settings
from scperturb_cmap.signatures.derive import derive_signatures as derive
from scperturb_cmap.signatures.samples import sample_codes
from scperturb_cmap.utils.errors import InputError


def derive_signatures(counts, rows, mapping, table, **names):
    """Without resamples, of every population."""
    populations = sorted(set(rows["population"]) - {""})
    return derive(counts, rows, populations, mapping, table, settings=Settings(resamples=0), **names)


def cells_file(path, matrix, obs, layer=None, genes=None):
    genes = genes or [f"G{n}" for n in range(matrix.shape[1])]
    data = ad.AnnData(
        matrix if layer is None else sparse.csr_matrix(matrix.shape), obs=obs, var=pd.DataFrame(index=genes)
    )
    if layer == "raw":
        data.raw = ad.AnnData(matrix, obs=obs, var=data.var)
    elif layer:
        data.layers[layer] = matrix
    data.write_h5ad(path)
    return path


@pytest.fixture
def small_cells():
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.5, (60, 25)).astype(np.float32)
    obs = pd.DataFrame(
        {"ct": rng.choice(["B", "T"], 60), "group": rng.choice(4, 60)}, index=[f"c{n}" for n in range(60)]
    )
    return counts, obs


@pytest.mark.parametrize("layer", ["", "counts", "raw"])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("block", [30, 10**6])
def test_sums_do_not_depend_on_storage(tmp_path, monkeypatch, small_cells, layer, store, block):
    monkeypatch.setattr("scperturb_cmap.io.cells._BLOCK_VALUES", block)
    counts, obs = small_cells
    cells = Cells(cells_file(tmp_path / "a.h5ad", store(counts), obs, layer or None), layer)
    groups = obs["group"].to_numpy() - 1  # -1 belongs to none
    expected = np.stack([counts[groups == g].sum(axis=0) for g in range(3)])
    assert np.array_equal(cells.sum_by_group(groups, 3), expected)
    assert cells.column("ct").tolist() == obs["ct"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x / x.sum(axis=1, keepdims=True) * 1e4, "no whole numbers"),
        (lambda x: np.log1p(x), "no whole numbers"),
        (lambda x: x - x.mean(axis=0), "negative values"),
        (lambda x: np.where(x == 0, np.nan, x), "missing or infinite"),
    ],
)
def test_what_is_no_count_is_refused(tmp_path, small_cells, change, message):
    counts, obs = small_cells
    cells = Cells(cells_file(tmp_path / "a.h5ad", change(counts).astype(np.float32), obs))
    with pytest.raises(InputError, match=f"a.h5ad, X: It holds .*{message}.*raw counts are needed"):
        cells.check_counts()
    with pytest.raises(InputError, match=message):
        cells.sum_by_group(np.zeros(60, int), 1)


@pytest.fixture
def table():
    n = 300
    return GeneTable.from_tables(
        [
            pd.DataFrame(
                {
                    "entrez_id": [str(i + 1) for i in range(n)],
                    "symbol": [f"G{i}" for i in range(n)],
                    "ensembl_id": "",
                    "synonyms": "",
                    "feature_space": "landmark",
                }
            )
        ]
    )


@pytest.mark.parametrize("paired", [False, True])
def test_planted_genes_are_found_in_their_population_and_direction(table, paired):
    counts, rows = simulate(1, effect=2, paired=paired)
    derived = derive_signatures(
        counts, rows, table.map([f"G{n}" for n in range(300)]), table, dataset="d", case="ill", control="well"
    )
    z = pd.DataFrame(
        derived.signatures.X, index=derived.signatures.obs["population"], columns=derived.signatures.var["symbol"]
    )
    planted = [f"G{n}" for n in range(40)]
    assert set(z.loc["B"].nlargest(10).index) <= set(planted[:20]) and set(z.loc["B"].nsmallest(10).index) <= set(
        planted[20:]
    )
    assert (
        z.loc["T", planted].abs().mean() < 2 < z.loc[ALL_CELLS, planted].abs().mean() < z.loc["B", planted].abs().mean()
    )
    signs = np.sign(z.loc[ALL_CELLS, planted]).to_numpy()
    assert signs[:20].mean() > 0.8 and signs[20:].mean() < -0.8  # averaged over all cells too, cases against controls
    assert set(derived.signatures.obs["design"]) == {"paired" if paired else "unpaired"}
    assert set(derived.signatures.obs["evidence"]) == {"replicated"}


def test_without_effect_few_genes_are_significant(table):
    counts, rows = simulate(2, effect=0)
    derived = derive_signatures(
        counts, rows, table.map([f"G{n}" for n in range(300)]), table, dataset="d", case="ill", control="well"
    )
    assert np.nanmean(derived.signatures.layers["p_value"] < 0.05) < 0.1


def test_a_covariate_takes_its_own_effect_out_of_the_contrast(table):
    """Sex is unbalanced over the arms and moves 20 genes: without it in the model they look like the disease."""
    counts, rows = simulate(7, effect=1)
    rows["sex"] = ["f" if donor[-1] in ("012" if donor.startswith("case") else "0") else "m" for donor in rows["donor"]]
    female = (rows["sex"] == "f").to_numpy()
    counts[np.ix_(female, range(100, 120))] *= 8
    mapping = table.map([f"G{n}" for n in range(300)])
    options = {"dataset": "d", "case": "ill", "control": "well"}
    plain = derive_signatures(counts, rows.drop(columns="sex"), mapping, table, **options)
    adjusted = derive_signatures(counts, rows, mapping, table, **options)
    moved = [derived.signatures["d|B"].layers["log_fc"][0, 100:120].mean() for derived in (plain, adjusted)]
    assert moved[0] > 1 and abs(moved[1]) < 0.4
    assert adjusted.signatures.obs.loc["d|B", "covariates"] == "sex"
    assert adjusted.samples.loc[0, "covariates"] == "sex=f" and plain.samples.loc[0, "covariates"] == ""


def test_the_scale_of_a_covariate_does_not_matter(table):
    counts, rows = simulate(8, effect=1)
    mapping = table.map([f"G{n}" for n in range(300)])
    age = np.array([30.0, 55, 41, 62, 35, 71, 44, 58] * 2)
    first, second = (
        derive_signatures(counts, rows.assign(age=values), mapping, table, dataset="d", case="ill", control="well")
        for values in (age, age * 1000 + 20000)
    )
    assert first.signatures.obs.loc["d|B", "covariates"] == "age"
    np.testing.assert_allclose(first.signatures.X, second.signatures.X, rtol=1e-3, atol=1e-3)


def test_a_gene_that_one_donor_decides_is_no_part_of_the_signature(table):
    counts, rows = simulate(6, effect=0)
    one = rows.index[(rows["population"] == "B") & (rows["arm"] == "case")][0]
    counts[one, 50] = 200 * counts[rows["population"] == "B", 50].max()
    mapping = table.map([f"G{n}" for n in range(300)])
    options = {"dataset": "d", "case": "ill", "control": "well", "settings": Settings(resamples=1)}
    derived = derive(counts, rows, ["B"], mapping, table, **options)
    found = derived.signatures["d|B"]
    again = derived.resamples[derived.resamples.obs["population"] == "B"]
    assert len(again) == 9 and np.isnan(again.X[:, 50]).all() and np.isfinite(again.X[:, 51]).all()
    assert np.isnan(found.X[0, 50]) and np.isnan(found.layers["p_value"][0, 50]) and found.layers["log_fc"][0, 50] > 2
    assert np.isnan(found.X).sum() <= 3


def test_genes_of_one_key_are_added_and_strangers_left_out(table):
    counts, rows = simulate(3, effect=1)
    names = [f"G{n}" for n in range(300)]
    names[7], names[9] = "7", "stranger"  # "7" is the Entrez id of G6
    derived = derive_signatures(counts, rows, table.map(names), table, dataset="d", case="ill", control="well")
    assert derived.signatures.n_vars == 298 and "10" not in derived.signatures.var_names
    merged = counts.copy()
    merged[:, 6] += merged[:, 7]
    again = derive_signatures(
        np.delete(merged, 7, axis=1),
        rows,
        table.map(np.delete(names, 7)),
        table,
        dataset="d",
        case="ill",
        control="well",
    )
    np.testing.assert_allclose(again.signatures.X, derived.signatures.X, rtol=1e-5)


def test_skipped_populations_stay_with_a_reason(table):
    counts, rows = simulate(4, effect=1)
    rows.loc[rows["population"] == "T", "n_cells"] = 3
    derived = derive_signatures(
        counts, rows, table.map([f"G{n}" for n in range(300)]), table, dataset="d", case="ill", control="well"
    )
    obs = derived.signatures.obs.set_index("population")
    assert obs.loc["T", "status"] == "skipped" and "Too few donors" in obs.loc["T", "reason"]
    assert np.isnan(derived.signatures["d|T"].X).all() and not np.isnan(derived.signatures["d|B"].X).all()
    assert (derived.samples.query("population == 'T'")["used"] == "no").all()


def test_cells_without_donor_or_of_other_conditions_are_outside():
    cells = pd.DataFrame(
        {
            "population": ["B", "B", "B", "", "T"],
            "condition": ["ill", "well", "mild", "ill", "ill"],
            "donor": ["1", "2", "3", "1", ""],
        }
    )
    codes, rows = sample_codes(cells, "ill", "well")
    assert codes.tolist() == [1, 2, -1, 0, -1]
    assert rows[["population", "donor", "arm", "n_cells"]].values.tolist() == [
        ["", "1", "case", 1],
        ["B", "1", "case", 1],
        ["B", "2", "control", 1],
    ]


def test_wald_z_agrees_with_an_independent_model(table):
    """statsmodels' negative binomial with pydeseq2's dispersion and size factors gives the same effect and z."""
    import statsmodels.api as sm
    from pydeseq2.dds import DeseqDataSet

    counts, rows = simulate(5, effect=1)
    derived = derive_signatures(
        counts, rows, table.map([f"G{n}" for n in range(300)]), table, dataset="d", case="ill", control="well"
    )
    mine = rows["population"] == "B"
    meta = rows[mine].set_index(rows.index[mine].astype(str))[["arm"]]
    frame = pd.DataFrame(counts[mine].astype(int), index=meta.index)
    data = DeseqDataSet(counts=frame, metadata=meta, design="~arm", size_factors_fit_type="poscounts", quiet=True)
    data.deseq2()
    x = sm.add_constant((meta["arm"] == "case").astype(float).to_numpy())
    for gene in (0, 5, 25, 100, 250):
        family = sm.families.NegativeBinomial(alpha=float(data.var["dispersions"].iloc[gene]))
        fit = sm.GLM(frame[gene].to_numpy(), x, family=family, offset=np.log(data.obs["size_factors"].to_numpy())).fit()
        assert derived.signatures["d|B"].layers["log_fc"][0, gene] == pytest.approx(
            fit.params[1] / np.log(2), rel=1e-3, abs=1e-3
        )
        assert derived.signatures["d|B"].X[0, gene] == pytest.approx(fit.params[1] / fit.bse[1], rel=2e-2, abs=2e-2)


def exploratory(table, change=lambda counts, rows: None):
    """One donor per arm of population B, two of T."""
    counts, rows = simulate(9, effect=3)
    keep = rows["donor"].str[-1].isin(["0", "1"]) & ~((rows["population"] == "B") & (rows["donor"].str[-1] == "1"))
    counts, rows = counts[keep.to_numpy()], rows[keep].reset_index(drop=True)
    change(counts, rows)
    mapping = table.map([f"G{n}" for n in range(300)])
    return derive_signatures(counts, rows, mapping, table, dataset="d", case="ill", control="well")


def test_one_donor_per_arm_gives_effects_without_p_values(table):
    seen = []
    found = exploratory(table, lambda counts, rows: seen.extend((counts, rows))).signatures
    obs = found.obs.loc["d|B"]
    assert (obs["evidence"], obs["effect"], obs["status"]) == ("exploratory", "log_fc", "ok") and found.uns[
        "effect"
    ] == "mixed"
    assert np.isnan(found["d|B"].layers["p_value"]).all() and np.isnan(found["d|B"].layers["fdr"]).all()
    change = pd.Series(found["d|B"].X[0], index=found.var["symbol"])
    assert set(change.nlargest(10).index) <= {f"G{n}" for n in range(20)}
    assert np.array_equal(found["d|B"].X, found["d|B"].layers["log_fc"], equal_nan=True)
    mean = seen[0][(seen[1]["population"] == "B").to_numpy()].mean(axis=0)
    tested = np.isfinite(found["d|B"].layers["mean_count"][0])
    assert tested.sum() > 200
    np.testing.assert_allclose(found["d|B"].layers["mean_count"][0][tested], mean[tested], rtol=1e-5)
    assert found.obs.loc["d|T", "evidence"] == "limited" and not np.isnan(found["d|T"].layers["p_value"]).all()


def test_a_donor_without_counts_is_left_out_with_the_reason(table):
    counts, rows = simulate(10, effect=1)
    counts[rows.index[(rows["population"] == "B") & (rows["donor"] == "case2")]] = 0
    mapping = table.map([f"G{n}" for n in range(300)])
    derived = derive_signatures(counts, rows, mapping, table, dataset="d", case="ill", control="well")
    left = derived.samples.query("population == 'B' and used == 'no'")
    assert left[["donor", "reason"]].values.tolist() == [["case2", "no counts"]]
    assert derived.signatures.obs.loc["d|B", "n_donors_case"] == 3


def test_a_model_that_fails_skips_its_population_only(table, monkeypatch):
    from scperturb_cmap.signatures import derive as module

    real = module.wald_contrast

    def fails_for_b(counts, design, *options):
        if set(design.used["population"]) == {"B"}:
            raise ValueError("Input y contains\nNaN.")
        return real(counts, design, *options)

    monkeypatch.setattr(module, "wald_contrast", fails_for_b)
    counts, rows = simulate(10, effect=1)
    mapping = table.map([f"G{n}" for n in range(300)])
    derived = derive_signatures(counts, rows, mapping, table, dataset="d", case="ill", control="well")
    assert derived.signatures.obs["status"].to_dict() == {"d|B": "skipped", "d|T": "ok", "d|all cells": "ok"}
    assert "cannot be fitted to it (Input y contains NaN.)" in derived.signatures.obs.loc["d|B", "reason"]


def test_a_population_whose_cells_have_no_donor_is_listed(table):
    counts, rows = simulate(10, effect=1)
    mapping = table.map([f"G{n}" for n in range(300)])
    options = {"dataset": "d", "case": "ill", "control": "well", "settings": Settings(resamples=0)}
    derived = derive(counts, rows, ["B", "pDC"], mapping, table, **options)
    assert derived.signatures.obs.loc["d|pDC", "reason"] == "None of its cells has a donor."


def test_excluded_genes_stay_in_the_model_only():
    counts, rows = simulate(13, effect=1)
    names = [f"G{n}" for n in range(296)] + ["MT-CO1", "RPS6KA1", "RPL13A", "MTOR"]
    genes = {"entrez_id": [str(n + 1) for n in range(300)], "symbol": names, "ensembl_id": "", "synonyms": ""}
    table = GeneTable.from_tables([pd.DataFrame(genes | {"feature_space": "other"})])
    about = {"dataset": "d", "case": "ill", "control": "well"}
    plain, excluded = (
        derive(counts, rows, ["B"], table.map(names), table, settings=Settings(resamples=0, exclude=exclude), **about)
        for exclude in ((), ("mitochondrial", "ribosomal"))
    )
    left = excluded.signatures.var["symbol"]
    assert set(plain.signatures.var["symbol"]) - set(left) == {"MT-CO1", "RPL13A"}
    np.testing.assert_array_equal(plain.signatures[:, left.index].X, excluded.signatures.X)


def test_samples_that_differ_by_arm_lie_apart_in_the_first_component(table):
    counts, rows = simulate(14, effect=3)
    mapping = table.map([f"G{n}" for n in range(300)])
    samples = derive_signatures(counts, rows, mapping, table, dataset="d", case="ill", control="well").samples
    mine = samples[samples["population"] == "B"].groupby("arm")["pc1"]
    assert mine.min()["case"] > mine.max()["control"]
    assert samples["pc1_share"].between(0, 1).all() and (samples["pc1_share"] >= samples["pc2_share"]).all()
