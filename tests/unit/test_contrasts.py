"""Perturbation cell atlases: the planted drug comes out, batches cancel, and only matched controls are used."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scperturb_cmap.io.cells import Cells
from scperturb_cmap.reference import open_reference, quality_funnel
from scperturb_cmap.reference.contrasts import CellAtlas, is_control, perturbation_samples, perturbation_signatures
from scperturb_cmap.utils.counts import log_cpm
from scperturb_cmap.utils.errors import InputError

N_GENES = 120
ROW = dict.fromkeys(("path_down", "siginfo", "geneinfo", "compoundinfo", "filter", "level", "control"), "")
ROW |= {"reference": "atlas", "path": "atlas.h5ad", "format": "cells"}


@pytest.fixture
def atlas() -> ad.AnnData:
    """Two lines, three batches with an effect of their own; "rise" raises genes 0 to 9, "nothing" does nothing."""
    rng = np.random.default_rng(4)
    level, parts = rng.gamma(2, 3, N_GENES), []
    for line in ("A549", "K562"):
        for batch in ("1", "2", "3"):
            shift = rng.normal(0, 1.0, N_GENES)
            for name, dose in (("control", ""), ("rise", "10000.0"), ("rise", "100.0"), ("nothing", "10000.0")):
                effect = np.where(
                    np.arange(N_GENES) < 10, {"10000.0": 1.5, "100.0": 0.5}.get(dose, 0) * (name == "rise"), 0
                )
                cells = rng.poisson(level * np.exp(shift + effect) * rng.gamma(9, 1 / 9, (25, 1)))
                obs = pd.DataFrame(
                    {"perturbation": name, "cell_line": line, "dose_value": dose, "dose_unit": "nM"}, index=range(25)
                )
                parts.append((cells, obs.assign(time="24", batch=batch)))
    x, obs = np.concatenate([cells for cells, _ in parts]), pd.concat([obs for _, obs in parts], ignore_index=True)
    obs.index = [f"c{n}" for n in range(len(obs))]
    return ad.AnnData(
        sparse.csr_matrix(x.astype(np.float32)), obs=obs, var=pd.DataFrame(index=[f"G{n}" for n in range(N_GENES)])
    )


def opened(tmp_path, atlas, **row):
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    return open_reference(ROW | row, {"path": tmp_path / "atlas.h5ad"})


def test_the_planted_drug_comes_out_by_dose(tmp_path, atlas):
    found = opened(tmp_path, atlas)
    assert found.effect == "log_fc" and len(found.signatures) == 6 and (found.metadata["n_replicates"] == 3).all()
    values = pd.DataFrame(found.read(np.arange(6)), index=found.signatures)
    for line in ("A549", "K562"):
        high, low = values.loc[f"rise|{line}|10 uM|24 h"], values.loc[f"rise|{line}|0.1 uM|24 h"]
        assert high[:10].min() > 1.2 and 0.3 < low[:10].mean() < high[:10].mean() and np.abs(high[10:]).mean() < 0.4
        assert np.abs(values.loc[f"nothing|{line}|10 uM|24 h"]).max() < 0.8
    assert found.metadata.loc["rise|A549|0.1 uM|24 h", "dose_um"] == pytest.approx(0.1)
    kept, _ = quality_funnel(found.metadata, found.signatures, ROW | {"filter": "dose_um>1; cell_line=K562"})
    assert kept["compound"].tolist() == ["nothing", "rise"]
    assert (found.metadata["cell_lineage"] == "").all()
    atlas.obs["organ"] = atlas.obs["cell_line"].map({"A549": "lung", "K562": "blood"})
    metadata = opened(tmp_path, atlas).metadata
    assert metadata.groupby("cell_line")["cell_lineage"].unique().map(list).to_dict() == {
        "A549": ["lung"],
        "K562": ["blood"],
    }


def test_batches_cancel_only_against_their_own_controls(tmp_path, atlas):
    """Where a drug is in one batch only, controls of all batches would show the batch as the drug's effect."""
    alone = atlas[(atlas.obs["perturbation"] == "control") | (atlas.obs["batch"] == "1")].copy()
    found = opened(tmp_path, alone)
    matched = found.read(found.signatures.get_indexer(["nothing|A549|10 uM|24 h"]))[0]
    mine = alone[(alone.obs["cell_line"] == "A549")]
    sums = [np.asarray(mine[mine.obs["perturbation"] == name].X.sum(axis=0)).ravel() for name in ("nothing", "control")]
    pooled = np.subtract(*log_cpm(np.stack(sums)))
    assert np.nanstd(matched) < 0.35 < 0.7 < np.std(pooled)


@pytest.mark.parametrize("libraries", [(1e6, 1e6), (1e5, 1e6), (3e4, 3e6)])
def test_single_counts_of_a_small_library_are_not_the_largest_changes(libraries):
    """Two libraries of the same rates: what differs is chance."""
    rng = np.random.default_rng(0)
    rates = rng.lognormal(sigma=1.8, size=8000)
    counts = rng.poisson(np.outer(libraries, rates / rates.sum()))
    counts = counts[:, counts.sum(axis=0) >= 10]
    change = np.subtract(*log_cpm(counts))
    most = np.argsort(-change)[:150]
    assert change.std() < 0.5 and np.mean(counts[0, most] <= 2) < 0.2


def test_the_order_of_cells_does_not_matter(tmp_path, atlas):
    first = opened(tmp_path, atlas)
    second = opened(tmp_path, atlas[np.random.default_rng(0).permutation(atlas.n_obs)].copy())
    assert first.signatures.equals(second.signatures)
    np.testing.assert_allclose(first.read(np.arange(6)), second.read(np.arange(6)))


def test_one_dose_in_two_spellings_is_one_signature_and_pooled_controls_are_told(tmp_path, atlas):
    unit = (atlas.obs["batch"] == "1") & (atlas.obs["dose_value"] == "10000.0")
    atlas.obs["dose_value"] = atlas.obs["dose_value"].where(~unit, "10")
    atlas.obs["dose_unit"] = atlas.obs["dose_unit"].where(~unit, "uM")
    two = (atlas.obs["perturbation"] == "control") & (atlas.obs["batch"] == "2")
    atlas.obs["perturbation"] = atlas.obs["perturbation"].where(~two, "DMSO")
    found = opened(tmp_path, atlas)
    assert len(found.signatures) == 6 and (found.metadata["n_replicates"] == 3).all()
    assert "Controls are DMSO (50 cells), control (100 cells), taken together" in found.warnings[-1]
    found = opened(tmp_path, atlas, control="control")
    assert not any("taken together" in text for text in found.warnings)
    assert found.left["reason"].str.startswith("no controls").all() and set(found.left["batch"]) == {"2"}
    assert (
        found.left["n_signatures"].tolist() == [0, 0, *found.left["n_signatures"][2:]]
        and (found.left["n_cells"] == 25).all()
    )


COLUMNS = ["perturbation", "cell_line", "dose", "time", "batch", "n_cells"]


def compared(*rows, counts=None, **options):
    """Signatures of samples given as rows, with what was left out by the sample's first five columns."""
    samples = pd.DataFrame(rows, columns=COLUMNS).assign(combination=False)
    counts = np.full((len(rows), 3), 100.0) if counts is None else np.asarray(counts)
    values, metadata, left = perturbation_signatures(counts, samples, **options)
    return (
        values,
        metadata,
        dict(zip(left[COLUMNS[:5]].agg("|".join, axis=1) if len(left) else [], left["reason"], strict=True)),
    )


DRUG, CONTROL = ("drug", "A549", "1 uM", "24 h", "1", 50), ("control", "A549", "", "24 h", "1", 50)


def test_the_direction_is_perturbed_against_control():
    values, metadata, left = compared(DRUG, CONTROL, counts=[[400, 100, 500], [100, 400, 500]])
    assert values[0, 0] == pytest.approx(2, abs=0.05) and values[0, 1] == pytest.approx(-2, abs=0.05)
    assert values.dtype == np.float32 and abs(values[0, 2]) < 0.01 and not left
    assert metadata.loc[0].tolist() == ["drug|A549|1 uM|24 h", "drug", "A549", "1 uM", "24 h", "1", "50"]


def test_controls_against_controls_are_about_zero():
    rng = np.random.default_rng(1)
    level = rng.gamma(2, 400, 300)
    values, _, _ = compared(DRUG, CONTROL, counts=rng.poisson([level, 3 * level]))
    assert np.nanmax(np.abs(values)) < 0.8 and abs(np.nanmean(values)) < 0.03


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (("control", "K562", "", "24 h", "1", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "24 h", "2", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "6 h", "1", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "24 h", "1", 9), "fewer than 10 cells of matched controls"),
        (("control", "A549", "", "24 h", "", 50), "no controls of the same cell line, batch and time"),
        (("control", "", "", "24 h", "1", 50), "no controls of the same cell line, batch and time"),
    ],
)
def test_without_matched_controls_a_sample_is_left_out_with_the_reason(control, why):
    values, metadata, left = compared(DRUG, control)
    assert values.shape == (0, 3) and metadata.empty
    assert left["drug|A549|1 uM|24 h|1"] == why and left["|".join(control[:5])]


def test_controls_of_another_batch_line_or_time_change_nothing():
    others = [("control", "K562", "", "24 h", "1", 50), ("control", "A549", "", "24 h", "2", 50),
              ("control", "A549", "", "6 h", "1", 50), ("control", "A549", "", "", "1", 50)]  # fmt: skip
    counts = [[80, 20, 100], [50, 50, 100], *[[1, 900, 3]] * 4]
    alone, _, _ = compared(DRUG, CONTROL, counts=counts[:2])
    values, _, left = compared(DRUG, CONTROL, *others, counts=counts)
    np.testing.assert_array_equal(values, alone)
    assert set(left.values()) == {"controls of no sample that could be compared"} and len(left) == 4


def test_controls_without_a_time_serve_every_time_only_where_none_has_one():
    untimed = ("control", "A549", "", "", "1", 50)
    assert compared(DRUG, untimed)[1]["sig_id"].tolist() == ["drug|A549|1 uM|24 h"]
    for n_cells in (50, 2):  # too few cells at another time: still a line and batch whose controls have times
        assert compared(DRUG, untimed, ("control", "A549", "", "6 h", "1", n_cells))[1].empty
    assert compared((*DRUG[:3], "", *DRUG[4:]), untimed, CONTROL)[1].empty


@pytest.mark.parametrize(("place", "what"), [(1, "cell line"), (4, "batch")])
def test_cells_without_a_batch_or_line_are_no_batch_of_their_own_unless_none_is_named(place, what):
    blank = [(*row[:place], "", *row[place + 1 :]) for row in (DRUG, CONTROL)]
    _, metadata, left = compared(DRUG, CONTROL, *blank)
    assert metadata["n_replicates"].tolist() == ["1"] and metadata["cell_line"].tolist() == ["A549"]
    assert list(left.values()) == [f"no {what} is named, though others are"] * 2
    assert len(compared(*blank)[1]) == 1


def test_controls_are_summed_over_labels_and_doses():
    parts = [("DMSO", "A549", "0.1 %", "24 h", "1", 6), ("Untreated", "A549", "", "24 h", "1", 6)]
    values, _, left = compared(DRUG, *parts, counts=[[80, 20, 100], [20, 30, 40], [30, 20, 60]])
    np.testing.assert_array_equal(values, compared(DRUG, CONTROL, counts=[[80, 20, 100], [50, 50, 100]])[0])
    assert not left
    assert is_control(pd.Series([" Non-Targeting", "ctrl", "vehicle", "drug"])).tolist() == [True, True, True, False]


def test_batches_are_averaged_each_gene_over_those_that_have_it():
    two = [(*row[:4], "2", 30) for row in (DRUG, CONTROL)]
    counts = np.array([[400, 100, 500, 4], [100, 400, 500, 4], [40, 10, 50, 80], [40, 10, 50, 20]])
    values, metadata, _ = compared(DRUG, CONTROL, *two, counts=counts)
    one, other = (compared(DRUG, CONTROL, counts=counts[part])[0][0] for part in (slice(2), slice(2, 4)))
    np.testing.assert_allclose(values[0], [*(one + other)[:3] / 2, other[3]], rtol=1e-6)
    assert np.isnan(one[3]) and metadata.loc[0, ["n_replicates", "n_cells"]].tolist() == ["2", "80"]


def test_everything_left_out_has_a_reason_and_lost_perturbations_are_told():
    rows = [DRUG, CONTROL, ("drug", "A549", "9 uM", "24 h", "1", 9), ("few", "A549", "", "24 h", "1", 9),
            ("", "A549", "", "24 h", "1", 50), ("empty", "A549", "", "24 h", "1", 50),
            ("d_e", "A549", "", "24 h", "1", 50)]  # fmt: skip
    samples = pd.DataFrame(rows, columns=COLUMNS).assign(combination=[*[False] * 6, True])
    counts = np.full((7, 3), 100.0)
    counts[5] = 0
    _, metadata, left = perturbation_signatures(counts, samples)
    assert len(left) == 5 and metadata["perturbation"].tolist() == ["drug"]
    assert left.set_index("perturbation")[["reason", "n_signatures"]].apply(tuple, axis=1).to_dict() == {
        "drug": ("fewer than 10 cells", 1), "few": ("fewer than 10 cells", 0), "": ("no perturbation is named", 0),
        "empty": ("too few counts of every gene", 0), "d_e": ("several perturbations at once", 0),
    }  # fmt: skip


def test_a_sample_is_one_whatever_the_spelling_and_ids_are_unique():
    cell = {"cell_line": "A", "dose": "", "batch": "1"}
    drugs = [
        {"perturbation": "d", "time": time, "nperts": n} for time, n in (("24", ""), ("24 h", "1"), ("1 day", "1"))
    ]
    more = [
        {"perturbation": "control", "time": "24.0", "nperts": "0"},
        {"perturbation": "d_e", "time": "24", "nperts": "2"},
    ]
    codes, samples = perturbation_samples(pd.DataFrame([cell | row for row in drugs + more]))
    assert codes.tolist() == [1, 1, 1, 0, 2] and samples["n_cells"].tolist() == [1, 3, 1]
    assert samples["time"].unique().tolist() == ["24 h"] and samples["combination"].tolist() == [False, False, True]
    clash = [
        ("a|b", "c", "", "", "1", 50),
        ("a", "b|c", "", "", "1", 50),
        *(("control", x, "", "", "1", 50) for x in ("c", "b|c")),
    ]
    assert compared(*clash)[1]["sig_id"].nunique() == 2
    with pytest.raises(ValueError, match="1 rows of counts for 2 samples"):
        compared(DRUG, CONTROL, counts=[[1, 2, 3]])


def test_the_unit_of_the_time_is_read_and_times_are_kept_apart(tmp_path, atlas):
    atlas.obs = atlas.obs.drop(columns="time").assign(
        time_value=np.where(atlas.obs["batch"] == "1", 1, 2), time_unit="days"
    )
    found = opened(tmp_path, atlas)
    assert sorted(found.metadata["time_h"].unique()) == [24, 48] and len(found.signatures) == 12
    assert (found.metadata["n_replicates"] == found.metadata["time_h"].map({24: 1, 48: 2})).all()


def test_from_the_file_through_sums_by_group(tmp_path, atlas):
    atlas.obs["nperts"] = np.where(atlas.obs["perturbation"] == "nothing", 2, 1)
    atlas.obs.loc[(atlas.obs["batch"] == "3") & (atlas.obs["perturbation"] == "control"), "cell_line"] = "K562"
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    derived = CellAtlas(Cells(tmp_path / "atlas.h5ad"))
    said = derived.derive()
    assert derived.metadata.set_index("sig_id")["n_replicates"].to_dict() == {
        f"rise|{line}|{dose} uM|24 h": n for dose in ("0.1", "10") for line, n in (("A549", "2"), ("K562", "3"))
    }
    values = pd.DataFrame(derived.read(np.arange(4)), index=derived.metadata["sig_id"])
    assert values.loc["rise|A549|10 uM|24 h"][:10].min() > 1.2
    reasons = derived.left.groupby("perturbation")["reason"].unique().map(list).to_dict()
    assert reasons == {"nothing": ["several perturbations at once"],
                       "rise": ["no controls of the same cell line, batch and time"]}  # fmt: skip
    assert len(said) == 2 and (derived.left["n_signatures"] > 0).equals(derived.left["perturbation"] == "rise")


def test_what_is_no_atlas_is_refused(tmp_path, atlas):
    with pytest.raises(InputError, match="No cell is a control .*'nothing'"):
        opened(tmp_path, atlas, control="DMSO")
    renamed = atlas.copy()
    renamed.obs["perturbation"] = renamed.obs["perturbation"].astype(str).replace("control", "Mock-treated")
    with pytest.raises(InputError, match="Name the control's label in the column 'control'"):
        opened(tmp_path, renamed)
    assert len(opened(tmp_path, renamed, control="mock-treated").signatures) == 6
    atlas.X = atlas.X.log1p()
    with pytest.raises(InputError, match="raw counts are needed"):
        opened(tmp_path, atlas)
    del atlas.obs["perturbation"]
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    with pytest.raises(InputError, match="None of the columns perturbation"):
        CellAtlas(Cells(tmp_path / "atlas.h5ad"))
