"""TRAIN_EMBEDDING as a command: finds compounds it never saw, gives the same bytes twice, and goes on when cut off."""

import json

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.embedding import read_checkpoint
from scperturb_cmap.embedding.inputs import signed_scores
from scperturb_cmap.embedding.learn import WIDE_SEARCH
from scperturb_cmap.embedding.training_set import choose_signatures

N = 120  # compounds of the references


@pytest.fixture
def call(stage, references):
    def run(out, *options):
        (references / out).mkdir(exist_ok=True)
        files = ["--shards", *(references / f"{name}.shard_0000.h5ad" for name in ("target", "source"))]
        files += ["--libraries", *(references / f"{name}.library.json" for name in ("target", "source"))]
        files += ["--compounds", *(references / f"{name}.compounds.tsv" for name in ("target", "source"))]
        files += ["--searched", "target"]
        status, said = stage("train_embedding", *files, "--device", "cpu", "--out", references / out, *options)
        assert status == 0, said
        return references / out

    return run


@pytest.mark.parametrize("encoder", ["linear", "infonce"])
def test_learns_by_structure_and_repeats_itself(call, encoder):
    one, two = (call(out, "--encoder", encoder, "--epochs", 10) for out in ("one", "two"))
    about = json.loads((one / "run.embedding.json").read_text())
    assert about["tensors_sha256"] == json.loads((two / "run.embedding.json").read_text())["tensors_sha256"]
    assert about["about"]["n_paired_compounds"] == N
    assert about["about"]["validation_mean_percentile"] < 0.25
    assert max(v for sides in about["sign_test"].values() for v in sides.values()) < 1e-5
    assert about["about"]["target"] == "target" and set(about["about"]["references"]) == {"target", "source"}
    card = (one / "run.model_card.md").read_text()
    assert (
        "| source | rank | 240 | 120 | CC BY 4.0 | source.gctx (000000000000...) |" in card
        and f"from {N} compounds" in card
    )
    checkpoint = read_checkpoint(one / "run.embedding.json")
    assert set(checkpoint.encoders) == {"profile", "sets"}
    assert np.isfinite(checkpoint.encoders["sets"].encode_query(signed_scores(np.ones((1, 80))))).all()


def test_single_cells_get_a_layer_of_their_own(call, single_cells):
    checkpoint = read_checkpoint(call("cells") / "run.embedding.json")
    assert set(checkpoint.encoders) == {"profile", "cells"} and checkpoint.about["warnings"] == []
    assert (
        "Single cells: plain, whitened, whitened both, forward"
        in (single_cells / "cells" / "run.model_card.md").read_text()
    )
    library = single_cells / "source.library.json"  # the same signatures, of bulk
    library.write_text(json.dumps(json.loads(library.read_text()) | {"assay": "bulk"}))
    assert set(read_checkpoint(call("bulk") / "run.embedding.json").encoders) == {"profile"}


@pytest.fixture
def cut_off(call, monkeypatch):
    """Train in a task of its own, and be killed after some epochs."""
    from scperturb_cmap.embedding import training

    class Killed(BaseException):
        pass

    def run(work, task, *options, after=None):
        folder = work / task[:2] / task[2:]
        folder.mkdir(parents=True)
        (folder / ".command.run").touch()
        write, done = training.write_state, []

        def writes(state, path):
            write(state, path)
            done.append(state.epoch)
            if len(done) == after:
                raise Killed

        with monkeypatch.context() as here:
            here.chdir(folder)
            here.setattr(training, "write_state", writes)
            try:
                call(folder, *options)
            except Killed:
                pass
        return done, folder / "run.embedding.json"

    return run


def test_another_task_goes_on_where_one_was_cut_off(cut_off, tmp_path):
    options = ("--encoder", "supcon", "--epochs", 6)
    _, whole = cut_off(tmp_path / "a", "aa1", *options)
    cut_off(tmp_path / "b", "aa1", *options, after=3)
    assert len(list((tmp_path / "b").glob("run.training_state_*"))) == 1
    done, parts = cut_off(tmp_path / "b", "bb2", *options)
    assert done == [4, 5, 6]
    first, second = (json.loads(path.read_text())["tensors_sha256"] for path in (whole, parts))
    assert first == second
    assert not list(tmp_path.rglob("*training_state*"))  # a finished training needs none


def test_a_state_that_is_damaged_or_of_more_epochs_is_not_gone_on_from(cut_off, tmp_path):
    options = ("--encoder", "supcon", "--epochs")
    cut_off(tmp_path / "w", "aa1", *options, 6, after=3)
    assert cut_off(tmp_path / "w", "bb2", *options, 2)[0] == [1, 2]
    (state,) = (tmp_path / "w").glob("run.training_state_*")
    state.write_bytes(state.read_bytes()[:-10])
    assert cut_off(tmp_path / "w", "cc3", *options, 6)[0] == [1, 2, 3, 4, 5, 6]


def test_too_small_a_target_is_refused(stage, references):
    import anndata as ad

    small = ad.read_h5ad(references / "target.shard_0000.h5ad")[:10].copy()
    small.write_h5ad(references / "target.shard_0000.h5ad")
    status, said = stage(
        "train_embedding", "--shards", references / "target.shard_0000.h5ad", "--libraries", references / "target.library.json",
        "--compounds", references / "target.compounds.tsv", "--searched", "target", "--out", references,
    )  # fmt: skip
    assert status == 1 and "10 signatures of target are too few" in said and "role search" in said


def test_networks_side_by_side_and_a_search(call):
    """Members have seeds of their own; a search publishes what it tried."""
    out = call("two", "--encoder", "infonce", "--members", 2, "--epochs", 2)
    both = read_checkpoint(out / "run.embedding.json").encoders["sets"]
    x = np.random.default_rng(0).normal(size=(3, 80)).astype(np.float32)
    places = [member.encode_query(x) for member in both.members]
    assert abs(places[0] - places[1]).max() > 0.01
    assert np.allclose((both.encode_query(x) ** 2).sum(axis=1), 1, atol=1e-5)
    table = pd.read_csv(call("wide", "--search") / "run.embedding_search.tsv", sep="\t")
    assert len(table) == len(WIDE_SEARCH) and table["mean_percentile"].between(0, 1).all()


def test_vehicles_and_most_signatures_of_a_compound_are_not_learned_from():
    obs = pd.DataFrame({"compound_id": ["a"] * 30 + ["dmso"] * 5 + [""] * 30, "pert_type": "trt_cp", "status": "ok"})
    obs.loc[30:34, "pert_type"] = "ctl_vehicle"
    obs.index = [f"s{n}" for n in range(len(obs))]
    one, two = choose_signatures([obs[:40], obs[40:]], per_compound=20, seed=3)
    assert len([n for n in one if int(n[1:]) < 30]) == 20 and not {f"s{n}" for n in range(30, 35)} & set(one)
    assert len(one) + len(two) == 50 and (one, two) == tuple(
        choose_signatures([obs[:40], obs[40:]], per_compound=20, seed=3)
    )
    assert sum(map(len, choose_signatures([obs[:40], obs[40:]]))) == 60  # of a compound of 30 signatures all
    assert sum(map(len, choose_signatures([obs], most=7))) == 7
