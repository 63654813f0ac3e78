"""Perturbation cell atlases: the planted drug comes out, batches cancel, and only matched controls are used."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scperturb_cmap.io.cells import Cells
from scperturb_cmap.reference import open_reference, quality_funnel
from scperturb_cmap.reference.contrasts import CellAtlas, contrasts
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
        high, low = values.loc[f"rise|{line}|10000.0 nM|24 h"], values.loc[f"rise|{line}|100.0 nM|24 h"]
        assert high[:10].min() > 1.2 and 0.3 < low[:10].mean() < high[:10].mean() and np.abs(high[10:]).mean() < 0.4
        assert np.abs(values.loc[f"nothing|{line}|10000.0 nM|24 h"]).max() < 0.8
    assert found.metadata.loc["rise|A549|100.0 nM|24 h", "dose_um"] == pytest.approx(0.1)
    kept, _ = quality_funnel(found.metadata, found.signatures, ROW | {"filter": "dose_um>1; cell_line=K562"})
    assert kept["compound"].tolist() == ["nothing", "rise"]


def test_batches_cancel_only_against_their_own_controls(tmp_path, atlas):
    """Where a drug is in one batch only, controls of all batches would show the batch as the drug's effect."""
    alone = atlas[(atlas.obs["perturbation"] == "control") | (atlas.obs["batch"] == "1")].copy()
    found = opened(tmp_path, alone)
    matched = found.read(found.signatures.get_indexer(["nothing|A549|10000.0 nM|24 h"]))[0]
    mine = alone[(alone.obs["cell_line"] == "A549")]
    sums = [np.asarray(mine[mine.obs["perturbation"] == name].X.sum(axis=0)).ravel() for name in ("nothing", "control")]
    pooled = np.subtract(*log_cpm(np.stack(sums)))
    assert np.nanstd(matched) < 0.35 < 0.7 < np.std(pooled)


def test_the_order_of_cells_does_not_matter(tmp_path, atlas):
    first = opened(tmp_path, atlas)
    second = opened(tmp_path, atlas[np.random.default_rng(0).permutation(atlas.n_obs)].copy())
    assert first.signatures.equals(second.signatures)
    np.testing.assert_allclose(first.read(np.arange(6)), second.read(np.arange(6)))


def samples(*rows) -> pd.DataFrame:
    columns = ["perturbation", "cell_line", "dose", "time", "batch", "n_cells"]
    table = pd.DataFrame(rows, columns=columns).assign(n_perturbations="")
    return table.assign(is_control=table["perturbation"] == "control")


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (("control", "K562", "", "24", "1", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "24", "2", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "6", "1", 50), "no controls of the same cell line, batch and time"),
        (("control", "A549", "", "24", "1", 9), "fewer than 10 cells"),
    ],
)
def test_without_matched_controls_a_sample_is_left_out_with_the_reason(control, why):
    table = samples(("drug", "A549", "1 uM", "24", "1", 50), control)
    values, metadata, left = contrasts(np.full((2, 3), 100.0), table)
    assert len(values) == len(metadata) == 0 and any(why in sentence for sentence in left)
    assert any("drug|A549|1 uM|24|1" in sentence for sentence in left) or why == "fewer than 10 cells"


def test_controls_without_a_time_serve_every_time():
    table = samples(("drug", "A549", "1 uM", "24", "1", 50), ("control", "A549", "", "", "1", 50))
    assert contrasts(np.full((2, 3), 100.0), table)[1]["sig_id"].tolist() == ["drug|A549|1 uM|24 h"]


def test_genes_hardly_seen_are_missing_and_combinations_left_out():
    table = samples(
        ("d", "A", "1 uM", "24", "1", 50), ("e_f", "A", "1 uM", "24", "1", 50), ("control", "A", "", "24", "1", 50)
    )
    table["n_perturbations"] = ["1", "2", "0"]
    values, metadata, left = contrasts(np.array([[400.0, 4], [400, 4], [390, 5]]), table)
    assert metadata["perturbation"].tolist() == ["d"] and np.isnan(values[0]).tolist() == [False, True]
    assert "several perturbations at once" in left[0]


def test_what_is_no_atlas_is_refused(tmp_path, atlas):
    with pytest.raises(InputError, match="No cell is a control .*'nothing'"):
        opened(tmp_path, atlas, control="DMSO")
    renamed = atlas.copy()
    renamed.obs["perturbation"] = renamed.obs["perturbation"].replace("control", "Mock-treated")
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
