"""Plates of wells as a reference of signatures, generated and published."""

import warnings

import numpy as np
import pandas as pd
import pytest
from cmapPy.math.robust_zscore import robust_zscore
from plates import plain_modz, wells
from scipy.stats import spearmanr

from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.reference import collapse_wells, open_reference, quality_funnel
from scperturb_cmap.reference.collapse import modz, plate_scale, robust_z, strength, tas
from scperturb_cmap.reference.opening import Opened
from scperturb_cmap.utils.errors import InputError

ROW = dict.fromkeys(("path_down", "siginfo", "geneinfo", "compoundinfo", "filter"), "") | {
    "reference": "r",
    "path": "wells.gctx",
}


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
    columns |= {
        "time_h": 24.0,
        "batch": "p",
        "qc_pass": np.nan,
        "exemplar": np.nan,
        "self_rank": np.nan,
        "dose": "",
        "time": "",
    }
    table = pd.DataFrame(columns | metadata, index=names)
    genes = pd.Index([str(n) for n in range(values.shape[1])])
    return Opened(genes, names, table, pd.DataFrame(), lambda at: values[at].astype(np.float32), "modz", [])


def test_replicates_are_what_shares_compound_line_dose_and_time():
    z = wells(n=6)
    found = collapse_wells(
        opened(z, {"dose_um": [3.33, 3.3333, 1, 1, 1, 1], "time_h": [24, 24, 24, 6, 24, np.nan], "batch": list("pqpqqp")}),
        ROW | {"level": "4"}, np.ones(200, bool),
    )  # fmt: skip
    assert found.signatures.tolist() == ["x|L|3.33 uM|24 h", "x|L|1 uM|24 h", "x|L|1 uM|6 h", "x|L|1 uM|"]
    assert found.metadata["n_replicates"].tolist() == [2, 2, 1, 1] and found.metadata["tas"].notna().tolist() == [
        True,
        True,
        False,
        False,
    ]
    expected = [modz(z[rows].astype(np.float32), np.ones(200, bool)).signature for rows in ([0, 1], [2, 4], [3], [5])]
    np.testing.assert_allclose(found.read(np.arange(4)), expected, rtol=1e-5)
    assert "2 of 4 signatures have a single replicate" in found.warnings[0]


def test_what_cannot_be_read_is_kept_apart_as_it_is_written():
    doses = {"dose_um": np.nan, "dose": ["3 ug/ml", "5 ug/ml", "3 ug/ml", ""], "time_h": np.nan, "time": ["soon"] * 4}
    found = collapse_wells(opened(wells(n=4), doses), ROW | {"level": "4"}, np.ones(200, bool))
    assert found.signatures.tolist() == ["x|L|3 ug/ml|soon", "x|L|5 ug/ml|soon", "x|L||soon"]
    assert found.metadata["n_replicates"].tolist() == [2, 1, 1]


def test_flags_of_wells_are_for_wells():
    """A well that fails quality control never enters its signature where that is asked for; else the signature fails."""
    z, flags = wells(n=4), {"qc_pass": [0, 1, 1, 1], "dose_um": [1, 1, 1, 2], "exemplar": 1, "self_rank": 0.01}
    row = ROW | {"level": "4"}
    lax = collapse_wells(opened(z, flags), row, np.ones(200, bool))
    assert lax.metadata["qc_pass"].tolist() == [0, 1] and lax.metadata["n_replicates"].tolist() == [3, 1]
    assert lax.metadata[["exemplar", "self_rank"]].isna().all(axis=None)
    strict = collapse_wells(opened(z, flags), row | {"filter": "qc_pass"}, np.ones(200, bool))
    assert strict.metadata["qc_pass"].tolist() == [1, 1] and strict.metadata["n_replicates"].tolist() == [2, 1]
    np.testing.assert_allclose(strict.read(np.array([0]))[0], z[1:3].clip(-10, 10).mean(axis=0), rtol=1e-5)
    with pytest.raises(InputError, match="No well is left after the step 'wells with qc_pass'"):
        collapse_wells(opened(z, flags | {"qc_pass": 0}), row | {"filter": "qc_pass"}, np.ones(200, bool))


def test_the_funnel_counts_wells_first():
    source = opened(wells(n=6), {"dose_um": [1, 1, 1, 1, 2, 2], "qc_pass": [1, 1, 1, 0, 1, 1]})
    source = Opened(**{**vars(source), "metadata": source.metadata.iloc[:5]})  # one well is not described
    row = ROW | {"level": "4", "filter": "qc_pass"}
    found = collapse_wells(source, row, np.ones(200, bool))
    _, funnel = quality_funnel(found.metadata, found.signatures, row, found.steps)
    assert funnel[["step", "n_signatures"]].to_numpy().tolist()[:4] == [
        ["wells in the matrix", 6], ["wells with metadata", 5], ["wells with qc_pass", 4], ["replicates combined", 2],
    ]  # fmt: skip


def test_what_stands_on_every_plate_is_combined_per_plate():
    kinds = ["ctl_vehicle"] * 4 + ["trt_poscon"] * 4 + ["trt_cp"] * 4
    about = {"pert_type": kinds, "compound_id": [k[:3] for k in kinds], "batch": ["p", "p", "q", "q"] * 3}
    found = collapse_wells(opened(wells(n=12), about), ROW | {"level": "4"}, np.ones(200, bool))
    assert found.metadata["n_replicates"].tolist() == [2, 2, 2, 2, 4]
    assert found.metadata["batch"].tolist() == ["p", "q", "p", "q", ""] and found.signatures.is_unique
    many = {"batch": np.where(np.arange(400) % 2, "p", "q")}
    found = collapse_wells(opened(wells(n=400, n_genes=20), many), ROW | {"level": "4"}, np.ones(20, bool))
    assert found.metadata["n_replicates"].tolist() == [200, 200]


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
    for wrong, said in (([""] * 24, "24 wells have no plate"), (["p"] * 20 + ["q"] * 4, "The plate 'q' has 4 wells")):
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


@pytest.fixture(scope="module")
def plate(real_data) -> tuple[np.ndarray, pd.DataFrame]:
    """Level 4 of the published plate and what was in its wells.

    The file's median is 0.8596 in every gene: a constant was added to all of it, which is taken off here, as it moves
    every count of abs(z) >= 2 (15 % up, 4 % down with it, 7 % each without). Ranks within a well do not see it.
    """
    matrix = GeneMatrix(real_data / "lincs" / "l1000_level4_LJP005_A375_24H_n377x978.gctx", "gctx")
    info = pd.read_csv(real_data / "lincs" / "instinfo_level4_LJP005_A375_24H.txt", sep="\t", dtype=str)
    z = matrix.read(np.arange(len(matrix.signatures))).astype(float)
    assert np.ptp(np.median(z, axis=0)) < 1e-6 and np.median(z) == pytest.approx(0.8596, abs=1e-4)
    info = info.set_index("inst_id").loc[matrix.signatures].reset_index()
    return z - np.median(z), info.assign(dose=info["pert_idose"].str.extract(r"^([\d.]+) um$")[0].astype(float))


@pytest.mark.real
def test_only_vehicles_have_replicates_on_the_published_plate(plate):
    z, info = plate
    sizes = info.groupby(["pert_type", "pert_iname", "pert_idose"]).size()
    assert sizes.max() == sizes["ctl_vehicle"].item() == 26 and (sizes.drop("ctl_vehicle") == 1).all()
    vehicle, landmarks = z[info["pert_type"] == "ctl_vehicle"], np.ones(978, bool)
    found = modz(vehicle, landmarks)
    assert np.abs(found.signature - plain_modz(vehicle, landmarks)).max() < 1e-5
    score = tas(found.signature, landmarks, 26, found.correlation)
    alone = np.median([strength(well, landmarks) for well in vehicle])
    print(f"\nDMSO: {strength(found.signature, landmarks)} landmarks moved, one well {alone:g};", end=" ")
    print(f"correlation {found.correlation:.2f}, TAS {score:.3f}")
    assert strength(found.signature, landmarks) < alone
    # 26 wells make small common shifts certain; a vehicle's TAS is not comparable with a treatment's, and none is given.
    assert 0.2 < score < 1


@pytest.mark.real
def test_tas_rises_with_dose_where_neighbouring_doses_stand_in_for_replicates(plate):
    """One well per compound and dose, so no replicate correlation: the mean one with the next doses takes its place.

    Only here, and to the detriment of what is tested: a neighbour of a strong dose may be a weak one.
    """
    z, info = plate
    landmarks, rho = np.ones(978, bool), spearmanr(z.T).statistic
    rows = []
    for compound, mine in info[info["dose"].notna()].sort_values("dose").groupby("pert_iname"):
        at = mine.index.to_numpy()
        for n, well in enumerate(at):
            beside = np.mean([rho[well, at[m]] for m in (n - 1, n + 1) if 0 <= m < len(at)])
            rows.append((compound, mine["dose"].iloc[n], tas(z[well], landmarks, 2, beside)))
    scores = pd.DataFrame(rows, columns=["compound", "dose", "tas"]).pivot(
        index="compound", columns="dose", values="tas"
    )
    means = scores.mean()
    print(f"\nmean TAS by dose: {means.round(3).to_dict()}")
    assert scores.min(axis=None) >= 0 and scores.max(axis=None) <= 1
    assert spearmanr(means.index, means).statistic > 0.8 and means.iloc[-1] > 1.5 * means.iloc[0]
    low, high = scores.iloc[:, :3].mean(axis=1), scores.iloc[:, 3:].mean(axis=1)
    assert (high > low).mean() > 0.6


@pytest.mark.real
def test_a_published_plate_is_its_own_control(real_data):
    """Level 3, 371 wells: a few genes hardly vary (MAD below 0.1 log2 units), all others get a spread of 1; as cmapPy has it."""
    matrix = GeneMatrix(real_data / "lincs" / "l1000_level3_CPC006_A375_6H_n371x978.gctx", "gctx")
    x = matrix.read(np.arange(len(matrix.signatures)))
    z = robust_z(x, matrix.metadata["det_plate"].to_numpy() if "det_plate" in matrix.metadata else np.full(len(x), "p"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = robust_zscore(pd.DataFrame(x.T.astype(float))).to_numpy().T  # CMap's own code, rounded to 4 digits
    np.testing.assert_allclose(z, theirs, atol=6e-5)
    floored = np.isclose(plate_scale(x)[1], 0.14826)
    spread = 1.4826 * np.median(np.abs(z), axis=0)
    assert np.abs(np.median(z, axis=0)).max() < 1e-9
    assert floored.sum() >= 3 and (spread[floored] < 1).all()
    np.testing.assert_allclose(spread[~floored], 1)


@pytest.mark.real
def test_strength_is_cmaps_count_of_modulated_landmarks(real_data):
    """272 published signatures of Level 5: the counts that came with them."""
    matrix = GeneMatrix(real_data / "lincs" / "l1000_level5_modz_n272x978.gctx", "gctx")
    info = pd.read_csv(real_data / "lincs" / "siginfo_level5_modz_n272.txt", sep="\t").set_index("sig_id")
    info = info.loc[matrix.signatures]
    published = info["ngenes_modulated_up_lm"] + info["ngenes_modulated_dn_lm"]
    z = matrix.read(np.arange(len(info)))
    assert [strength(row, np.ones(978, bool)) for row in z] == published.tolist()


def test_many_vehicle_wells_do_not_weaken_the_treatments():
    z, found = wells(n=30), []
    for n in (4, 30):
        source = opened(z[:n], {"pert_type": ["trt_cp"] * 3 + ["ctl_vehicle"] * (n - 3)})
        found.append(collapse_wells(source, ROW | {"level": "4"}, np.ones(200, bool)).metadata["tas"])
    few, many = found
    assert few.iloc[0] == pytest.approx(many.iloc[0]) and many.isna().tolist() == [False, True]
