"""Replicates to signatures: MODZ and TAS against plain definitions, on generated wells and on published plates."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.reference import collapse_wells, open_reference, quality_funnel
from scperturb_cmap.reference.collapse import modz, plate_scale, robust_z, tas
from scperturb_cmap.reference.opening import Opened
from scperturb_cmap.utils.errors import InputError

ROW = dict.fromkeys(("path_down", "siginfo", "geneinfo", "compoundinfo", "filter"), "") | {
    "reference": "r",
    "path": "wells.gctx",
}


def plain_modz(z: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Section 11 of the definitions, word by word."""
    z = np.clip(np.asarray(z, np.float64), -10, 10)
    if len(z) == 1:
        return z[0]
    weights = []
    for i in range(len(z)):
        others = [max(spearmanr(z[i][landmarks], z[j][landmarks])[0], 0) for j in range(len(z)) if j != i]
        weights.append(max(0.5 * sum(others), 0.01))
    return sum(w * row for w, row in zip(weights, z, strict=True)) / sum(weights)


def wells(seed=0, n=5, n_genes=200, noise=1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, n_genes) + rng.normal(0, noise, (n, n_genes))


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_modz_is_its_definition_and_cmappys(n):
    from cmapPy.math.agg_wt_avg import agg_wt_avg

    z, landmarks = wells(n, n), np.arange(200) < 120
    np.testing.assert_allclose(modz(z, landmarks).signature, plain_modz(z, landmarks), atol=1e-9)
    if n > 1:  # cmapPy correlates all genes it is given, and does not clip
        everything = np.clip(z, -10, 10)
        theirs = agg_wt_avg(pd.DataFrame(everything.T), min_wt=0.01, corr_metric="spearman")[0]
        np.testing.assert_allclose(modz(everything, np.ones(200, bool)).signature, theirs, atol=2e-3)


def test_modz_properties():
    z, landmarks = wells(), np.ones(200, bool)
    z[4] = np.random.default_rng(9).normal(0, 2, 200)  # a failed well
    whole = modz(z, landmarks)
    assert whole.weights[4] < 0.3 * whole.weights[:4].min() and whole.weights.sum() == pytest.approx(1)
    turned = modz(z[::-1], landmarks)
    np.testing.assert_allclose(turned.signature, whole.signature)
    assert turned.correlation == pytest.approx(whole.correlation)
    np.testing.assert_allclose(modz(z[:2], landmarks).weights, 0.5)
    alone = modz(np.array([[50.0, -1.0]]), np.ones(2, bool))
    assert alone.signature.tolist() == [10, -1] and np.isnan(alone.correlation)


def test_a_missing_gene_is_the_mean_of_the_others():
    z = np.ones((3, 30)) * np.arange(30)
    z[0, 7], z[:, 8] = np.nan, np.nan
    found = modz(z, np.ones(30, bool)).signature
    assert found[7] == pytest.approx(7) and np.isnan(found[8]) and np.isfinite(np.delete(found, 8)).all()


def test_wells_that_do_not_vary_correlate_with_nothing():
    found = modz(np.zeros((3, 20)), np.ones(20, bool))
    assert found.correlation == 0 and (found.signature == 0).all()
    np.testing.assert_allclose(found.weights, 1 / 3)


def test_tas_rises_with_strength_agreement_and_replicates_and_stays_within_0_and_1():
    landmarks = np.ones(978, bool)

    def strong(n):
        return np.where(np.arange(978) < n, 3.0, 0.0)

    assert tas(strong(978), landmarks, 3, 1.0, 3) == pytest.approx(1)
    assert 0 < tas(strong(0), landmarks, 2, 0.0, 9) < 0.001
    values = [tas(strong(n), landmarks, 3, 0.5, 4) for n in (10, 100, 500)]
    assert values == sorted(values)
    assert tas(strong(50), landmarks, 3, 0.6, 4) > tas(strong(50), landmarks, 3, 0.3, 4)
    assert tas(strong(50), landmarks, 4, 0.6, 4) > tas(strong(50), landmarks, 2, 0.6, 4)
    assert np.isnan(tas(strong(50), landmarks, 1, np.nan, 4))


def test_a_plate_is_its_own_control():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(8, 1, (300, 4)), rng.normal(5, 2, (300, 4))])
    plates = np.repeat(["a", "b"], 300)
    z = robust_z(x, plates)
    for plate in "ab":
        np.testing.assert_allclose(np.median(z[plates == plate], axis=0), 0, atol=1e-9)
        assert np.abs(np.median(np.abs(z[plates == plate]), axis=0) * 1.4826 - 1).max() < 1e-9
    assert np.isnan(plate_scale(x[:9])[0]).all() and plate_scale(np.ones((12, 1)))[1] == 0.1  # floor


def opened(values, metadata) -> Opened:
    names = pd.Index([f"w{n}" for n in range(len(values))])
    columns = {
        "compound": "x",
        "compound_id": "x",
        "pert_id": "",
        "pert_type": "trt_cp",
        "cell_line": "L",
        "dose_um": 1.0,
    }
    table = pd.DataFrame(columns | {"time_h": 24.0, "batch": "p"} | metadata, index=names)
    genes = pd.Index([str(n) for n in range(values.shape[1])])
    return Opened(genes, names, table, pd.DataFrame(), lambda at: values[at].astype(np.float32), "modz", [])


def test_replicates_are_what_shares_compound_line_dose_and_time():
    z = wells(n=6)
    found = collapse_wells(
        opened(z, {"dose_um": [3.33, 3.3333, 1, 1, 1, 1], "time_h": [24, 24, 24, 6, 24, np.nan], "batch": list("pqpqqp")}),
        ROW | {"level": "4"}, np.ones(200, bool),
    )  # fmt: skip
    assert found.signatures.tolist() == ["x|L|3.33 uM|24 h", "x|L|1 uM|24 h", "x|L|1 uM|6 h", "x|L|1 uM|nan h"]
    assert found.metadata["n_replicates"].tolist() == [2, 2, 1, 1] and found.metadata["tas"].notna().tolist() == [
        True,
        True,
        False,
        False,
    ]
    expected = [modz(z[rows].astype(np.float32), np.ones(200, bool)).signature for rows in ([0, 1], [2, 4], [3], [5])]
    np.testing.assert_allclose(found.read(np.arange(4)), expected, rtol=1e-5)
    assert "2 of 4 signatures have a single replicate" in found.warnings[0]


def test_level_3_needs_whole_plates():
    x = np.random.default_rng(1).normal(8, 1, (24, 30))
    plates = ["p"] * 12 + ["q"] * 12
    found = collapse_wells(
        opened(x, {"batch": plates, "dose_um": [1, 2] * 12}), ROW | {"level": "3"}, np.ones(30, bool)
    )
    z = robust_z(x, np.array(plates))
    np.testing.assert_allclose(
        found.read(np.array([0]))[0], modz(z[::2], np.ones(30, bool)).signature, rtol=1e-4, atol=1e-4
    )
    for wrong, said in (([""] * 24, "Wells have no plate"), (["p"] * 20 + ["q"] * 4, "The plate 'q' has 4 wells")):
        with pytest.raises(InputError, match=said):
            collapse_wells(opened(x, {"batch": wrong}), ROW | {"level": "3"}, np.ones(30, bool))


@pytest.fixture(scope="module")
def level4(real_data):
    """The published plate: every compound and dose stands in one well, so doses are put together in two bands."""
    folder = real_data / "lincs"
    row = ROW | {"format": "gctx", "level": "4", "siginfo": "instinfo"}
    files = {"path": folder / "l1000_level4_LJP005_A375_24H_n377x978.gctx"}
    files["siginfo"] = folder / "instinfo_level4_LJP005_A375_24H.txt"
    return open_reference(row, files), row


@pytest.mark.real
def test_a_published_plate_has_one_well_per_compound_and_dose(level4):
    wells, row = level4
    found = collapse_wells(wells, row, np.ones(978, bool))
    kept, _ = quality_funnel(found.metadata, found.signatures, row)
    assert len(kept) == 351 and (kept["n_replicates"] == 1).all() and kept["tas"].isna().all()
    position = wells.signatures.get_loc(wells.metadata.query("pert_type == 'trt_cp'").index[0])
    np.testing.assert_allclose(found.read(np.array([1]))[0], np.clip(wells.read(np.array([position]))[0], -10, 10))


@pytest.mark.real
def test_modz_of_a_published_plate_and_tas_rise_with_dose(level4):
    """0.04 to 0.37 uM against 1.11 to 10 uM of each compound, three wells each."""
    wells, row = level4
    banded = wells.metadata.assign(dose_um=np.where(wells.metadata["dose_um"] < 1, 0.12, 3.33))
    found = collapse_wells(Opened(**{**vars(wells), "metadata": banded}), row, np.ones(978, bool))
    kept, _ = quality_funnel(found.metadata, found.signatures, row)
    positions = found.signatures.get_indexer(kept.index)
    values = found.read(positions)
    level4_z = pd.DataFrame(wells.read(np.arange(len(wells.signatures))), index=wells.signatures)
    worst = 0.0
    for name, mine in zip(kept.index, values, strict=True):
        same = (banded["compound_id"] == kept.loc[name, "compound_id"]) & (
            banded["dose_um"] == kept.loc[name, "dose_um"]
        )
        expected = plain_modz(level4_z.loc[banded.index[same]].to_numpy(), np.ones(978, bool))
        worst = max(worst, np.abs(mine - expected).max())
    strength = kept.pivot(index="compound_id", columns="dose_um", values="tas")
    low, high = strength[0.12], strength[3.33]
    print(
        f"\n{len(kept)} signatures, largest difference {worst:.1e}; mean TAS {low.mean():.3f} low, {high.mean():.3f} high doses,"
    )
    print(f"higher in {(high > low).sum()} of {len(strength)} compounds")
    assert worst < 1e-5 and kept["tas"].between(0, 1).all()
    assert high.mean() > low.mean() and (high > low).mean() > 0.6


@pytest.mark.real
def test_a_published_level_3_plate(real_data):
    folder = real_data / "lincs"
    row = ROW | {"format": "gctx", "level": "3", "siginfo": "instinfo"}
    files = {
        "path": folder / "l1000_level3_CPC006_A375_6H_n371x978.gctx",
        "siginfo": folder / "instinfo_level3_CPC006_A375_6H.txt",
    }
    wells = open_reference(row, files)
    table = read_gene_table([real_data / "genes" / "lincs_gene_info_12328.tsv"])
    mapping, _ = wells.map_genes(table, "level3", 0.5)
    assert (table.genes.loc[mapping["gene_key"], "feature_space"] == "landmark").all()
    found = collapse_wells(wells, row, np.ones(978, bool))
    kept, _ = quality_funnel(found.metadata, found.signatures, row)
    z = found.read(found.signatures.get_indexer(kept.index))
    moved = (np.abs(z) >= 2).mean(axis=1)
    print(f"\n{len(kept)} signatures; median share of landmarks with |z| >= 2: {np.median(moved):.3f}")
    assert np.abs(np.median(z)) < 0.05 and 0.01 < np.median(moved) < 0.2
