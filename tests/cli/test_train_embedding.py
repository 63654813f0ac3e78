"""TRAIN_EMBEDDING as a command: finds compounds it never saw, gives the same bytes twice, and goes on when cut off."""

import json

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.embedding import read_checkpoint
from scperturb_cmap.embedding.inputs import signed_scores
from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, signature_set, write_signature_set

N = 120


@pytest.fixture
def references(tmp_path):
    """A target of profiles and a source of gene sets that see one state; the source writes its names otherwise."""
    random = np.random.default_rng(0)
    state = random.normal(size=(N, 6))
    target = state @ random.normal(size=(6, 60)) + 0.5 * random.normal(size=(N, 60))
    source = np.repeat(state, 2, axis=0) @ random.normal(size=(6, 80)) + 0.5 * random.normal(size=(2 * N, 80))
    source[abs(source) < 1.5] = 0
    for name, values, effect, names in (
        ("target", target, "modz", [f"drug {n}" for n in range(N)]),
        ("source", source, "rank", [f"X-{n}" for n in np.repeat(np.arange(N), 2)]),
    ):
        obs = pd.DataFrame({c: [""] * len(values) for c in PERTURBATION_COLUMNS}).assign(
            reference=name, compound=names, compound_id=names, cell_line="A", status="ok", dose_um=1.0, time_h=6.0, tas=0.5,
            n_replicates=1.0,
        )  # fmt: skip
        obs.index = [f"{name}:{n}" for n in range(len(values))]
        var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(n) for n in range(values.shape[1])])
        write_signature_set(signature_set(values, obs, var, effect), tmp_path / f"{name}.shard_0000.h5ad")
        keys = ["".join(chr(65 + int(d)) for d in f"{n:014d}") + "-X-N" for n in range(N)]
        table = pd.DataFrame({"compound_id": list(dict.fromkeys(names)), "inchi_keys": keys, "pert_ids": ""})
        table.assign(compound=table["compound_id"]).to_csv(tmp_path / f"{name}.compounds.tsv", sep="\t", index=False)
    return tmp_path


@pytest.fixture
def call(stage, references):
    def run(out, *options):
        (references / out).mkdir(exist_ok=True)
        files = ["--target", references / "target.shard_0000.h5ad", "--sources", references / "source.shard_0000.h5ad"]
        files += ["--compounds", references / "target.compounds.tsv", references / "source.compounds.tsv"]
        status, said = stage("train_embedding", *files, "--device", "cpu", "--out", references / out, *options)
        assert status == 0, said
        return references / out

    return run


@pytest.mark.parametrize("method", ["linear", "infonce"])
def test_learns_by_structure_and_repeats_itself(call, method):
    one, two = (call(out, "--method", method, "--epochs", 10) for out in ("one", "two"))
    about = json.loads((one / "run.embedding.json").read_text())
    assert about["tensors_sha256"] == json.loads((two / "run.embedding.json").read_text())["tensors_sha256"]
    assert about["about"]["n_paired_compounds"] == N
    assert about["about"]["validation_mean_percentile"] < 0.25
    assert max(v for sides in about["sign_test"].values() for v in sides.values()) < 1e-5
    assert set(about["about"]["data"]) == {"target.shard_0000.h5ad", "source.shard_0000.h5ad"}
    checkpoint = read_checkpoint(one / "run.embedding.json")
    assert set(checkpoint.encoders) == {"profile", "sets"}
    assert np.isfinite(checkpoint.encoders["sets"].encode_query(signed_scores(np.ones((1, 80))))).all()


def test_goes_on_where_it_was_cut_off(call):
    whole = call("whole", "--method", "supcon", "--epochs", 6)
    call("parts", "--method", "supcon", "--epochs", 3)
    parts = call("parts", "--method", "supcon", "--epochs", 6)
    first, second = (json.loads((out / "run.embedding.json").read_text())["tensors_sha256"] for out in (whole, parts))
    assert first == second


def test_too_small_a_target_is_refused(stage, references):
    import anndata as ad

    small = ad.read_h5ad(references / "target.shard_0000.h5ad")[:10].copy()
    small.write_h5ad(references / "small.h5ad")
    status, said = stage(
        "train_embedding", "--target", references / "small.h5ad", "--compounds", references / "target.compounds.tsv",
        "--out", references,
    )  # fmt: skip
    assert status == 1 and "10 signatures are too few" in said
