"""The embedding: inputs, pairs, encoders, training, checkpoints, retrieval."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss
from tests.conftest import make_sets

from scperturb_cmap.embedding import Checkpoint, embedding_scores, read_checkpoint, top_matches, write_checkpoint
from scperturb_cmap.embedding.inputs import Centring, signed_scores
from scperturb_cmap.embedding.linear import LinearSettings, fit_dual
from scperturb_cmap.embedding.pairs import mine_pairs, unique_profiles
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training import (
    LOSSES,
    TrainingSettings,
    mean_percentile,
    read_state,
    train,
    write_state,
)
from scperturb_cmap.utils.errors import InputError


@pytest.fixture
def platforms():
    """Two platforms that see one state of 6 dimensions through different genes, 60 compounds of 3 queries each."""
    random = np.random.default_rng(0)
    state = random.normal(size=(60, 6))
    query = np.repeat(state, 3, axis=0) @ random.normal(size=(6, 40)) + 0.5 * random.normal(size=(180, 40))
    reference = state @ random.normal(size=(6, 30)) + 0.5 * random.normal(size=(60, 30))
    names = np.array([f"c{n}" for n in range(60)])
    return signed_scores(query), signed_scores(reference), np.repeat(names, 3), names


def pairs_of(platforms, compounds):
    query, reference, mine, theirs = platforms
    sides = (pd.DataFrame({"compound_id": np.where(np.isin(side, compounds), side, "")}) for side in (mine, theirs))
    return mine_pairs(*sides)


def test_inputs_are_odd_and_blind_to_what_is_missing():
    values = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    assert (signed_scores(-values) == -signed_scores(values)).all()
    zero, missing = values.copy(), values.copy()
    zero[:, 10:20], missing[:, 10:20] = 0, np.nan
    assert (signed_scores(zero) == signed_scores(missing)).all()
    assert np.corrcoef(signed_scores(values)[0], values[0])[0, 1] > 0.95
    assert (signed_scores(values * 1000) == signed_scores(values)).all()


def test_centring_takes_off_the_line_and_not_the_gene_that_is_missing():
    scores = np.ones((4, 2), np.float32)
    centre = Centring.fit(scores, list("aabb"), fewest=2)
    out = centre.apply(scores * 3, list("abzz"), np.array([[True, False]] * 4))
    assert out.tolist() == [[2, 0]] * 4


def test_pairs_hold_one_compound_across_batches_and_are_capped():
    obs = pd.DataFrame({"compound_id": ["a"] * 30 + ["b", "b", ""], "batch": ["1", "2", "3"] * 11, "strength": 1.0})
    found = mine_pairs(obs, obs, across=("batch",), most_per_compound=20)
    names, batch = obs["compound_id"].to_numpy(), obs["batch"].to_numpy()
    assert (names[found["query"]] == names[found["reference"]]).all()
    assert (batch[found["query"]] != batch[found["reference"]]).all()
    assert found["compound_id"].value_counts().to_dict() == {"a": 20, "b": 2}
    total = found.groupby("compound_id")["weight"].sum()
    assert total["a"] / total["b"] == pytest.approx(np.sqrt(10))
    assert found.equals(mine_pairs(obs, obs, across=("batch",), most_per_compound=20))


def test_strong_references_weigh_more():
    query = pd.DataFrame({"compound_id": ["a", "b"]})
    found = mine_pairs(query, query.assign(strength=[1.0, 3.0]))
    assert found["weight"].tolist() == [0.5, 1.5]


def test_profiles_that_stand_twice_are_found():
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 40))
    values[3] = values[1] * 2
    assert unique_profiles(values, np.array(list("abcda"))).tolist() == [0, 1, 2]


def test_folds_hold_every_compound_once():
    folds = compound_folds([f"c{n}" for n in range(50)], 5, 0, [f"c{n}" for n in range(20)])
    assert set(pd.Series(folds).value_counts()) == {10}
    assert set(pd.Series({k: folds[k] for k in [f"c{n}" for n in range(20)]}).value_counts()) == {4}
    assert folds != compound_folds([f"c{n}" for n in range(50)], 5, 1, [f"c{n}" for n in range(20)])


def test_dual_encoder_finds_unseen_compounds_and_permuted_labels_do_not(platforms):
    query, reference, mine, theirs = platforms
    trained = np.isin(mine, theirs[:40])
    pairs = pairs_of(platforms, theirs[:40])

    def place(partners):
        given = pairs["query"].to_numpy(), partners[pairs["reference"].to_numpy()], pairs["weight"].to_numpy()
        encoder = fit_dual(query[trained], reference[:40], given, LinearSettings(6, 6))
        scores = encoder.encode_query(query[~trained]) @ encoder.encode_perturbation(reference).T
        true = scores[np.arange(60), np.repeat(np.arange(40, 60), 3)]
        return (scores > true[:, None]).mean()

    assert place(np.arange(40)) < 0.05
    # one permutation of 40 compounds may do well by luck, and a compound that keeps its partner is signal
    permuted = []
    for seed in range(20):
        ring = np.random.default_rng(seed).permutation(40)
        partners = np.empty(40, int)
        partners[ring] = np.roll(ring, 1)
        permuted.append(place(partners))
    assert 0.4 < np.mean(permuted) < 0.6


def test_infonce_is_that_of_the_library():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(60, 8, generator=generator) for _ in range(2))
    labels, found = torch.arange(60) % 25, []
    for loss in (LOSSES["infonce"](TrainingSettings()), NTXentLoss(temperature=TrainingSettings().temperature)):
        mine = one.clone().requires_grad_()
        value = loss(mine, labels, ref_emb=other, ref_labels=labels)
        found.append((value.detach(), *torch.autograd.grad(value, mine)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("value", "place"), [(1.0, 0.5), (np.nan, 1.0)], ids=["collapsed", "diverged"])
def test_an_encoder_that_tells_nothing_apart_has_no_good_place(platforms, value, place):
    query, reference, _, theirs = platforms
    same = {f"encode_{side}": staticmethod(lambda x: np.full((len(x), 1), value)) for side in ("query", "perturbation")}
    model = type("Same", (), same)
    assert mean_percentile(model, query, reference, pairs_of(platforms, theirs)) == pytest.approx(place, abs=0.01)


def test_a_training_that_diverges_says_so(platforms):
    query, reference, _, theirs = platforms
    fold = pairs_of(platforms, theirs[:40]), pairs_of(platforms, theirs[40:])
    with pytest.raises(InputError, match="--encoder, infonce: The training diverged in epoch"):
        train(query, reference, *fold, TrainingSettings(n_hidden=8, n_dimensions=4, learning_rate=1e30, epochs=2))


@pytest.mark.parametrize("loss", LOSSES)
def test_training_learns_unseen_compounds_and_repeats_itself(platforms, loss):
    query, reference, _, theirs = platforms
    settings = TrainingSettings(loss=loss, n_hidden=32, n_dimensions=8, batch_size=64, epochs=8)
    fold = pairs_of(platforms, theirs[:40]), pairs_of(platforms, theirs[40:])
    model, state = train(query, reference, *fold, settings)
    assert min(state.history) < 0.35
    x = np.random.default_rng(1).normal(size=(4, 40)).astype(np.float32)
    assert abs(model.encode_query(x) + model.encode_query(-x)).max() < 1e-5
    again, _ = train(query, reference, *fold, settings)
    assert all((a == b).all() for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_training_cut_off_goes_on_as_if_it_had_not_been(platforms, tmp_path):
    query, reference, _, theirs = platforms
    fold = pairs_of(platforms, theirs[:40]), pairs_of(platforms, theirs[40:])
    settings = TrainingSettings(n_hidden=16, n_dimensions=4, batch_size=64, epochs=4)
    whole, _ = train(query, reference, *fold, settings)
    _, state = train(query, reference, *fold, replace(settings, epochs=2))
    write_state(state, tmp_path / "state")
    rest, _ = train(query, reference, *fold, settings, state=read_state(tmp_path / "state"))
    assert all((a == b).all() for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))


def test_the_last_state_is_not_the_best_one_and_is_gone_on_from(platforms, tmp_path):
    query, reference, _, theirs = platforms
    fold = pairs_of(platforms, theirs[:40]), pairs_of(platforms, theirs[40:])
    # partners that are none, so that the validation goes up and down
    fold[1]["reference"] = np.roll(fold[1]["reference"], 11)
    settings = TrainingSettings(n_hidden=16, n_dimensions=4, batch_size=64, learning_rate=0.1, epochs=6, patience=9)
    whole, last = train(query, reference, *fold, settings)
    at = next(n for n in range(2, 6) if last.history[n - 1] > min(last.history[:n]))
    model, state = train(query, reference, *fold, replace(settings, epochs=at))
    assert any((state.model[name] != value).any() for name, value in state.best.items())
    assert all((state.best[name] == value).all() for name, value in model.state_dict().items())
    write_state(state, tmp_path / "state")
    rest, end = train(query, reference, *fold, settings, state=read_state(tmp_path / "state"))
    assert end.history == last.history
    assert all((a == b).all() for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))


def checkpoint_of(platforms, model=None):
    query, reference, mine, theirs = platforms
    pairs = pairs_of(platforms, theirs)
    given = pairs["query"].to_numpy(), pairs["reference"].to_numpy(), pairs["weight"].to_numpy()
    encoder = model or fit_dual(query, reference, given, LinearSettings(6, 6), (np.arange(30), np.arange(30)))
    genes = [str(n) for n in range(40)]
    return Checkpoint(
        {"profile": encoder}, {"profile": genes}, genes[:30], Centring({"": np.zeros(30, np.float32)}), {"seed": 0}
    )


@pytest.mark.parametrize("form", ["linear", "torch"])
def test_checkpoint_comes_back_and_refuses_what_is_wrong(platforms, form, tmp_path):
    query, reference, _, theirs = platforms
    model = None
    if form == "torch":
        fold = pairs_of(platforms, theirs[:40]), pairs_of(platforms, theirs[40:])
        model, _ = train(query, reference, *fold, TrainingSettings(n_hidden=8, n_dimensions=4, epochs=1))
    checkpoint, path = checkpoint_of(platforms, model), tmp_path / "x.embedding.json"
    digest = write_checkpoint(checkpoint, path)
    assert digest == write_checkpoint(checkpoint, tmp_path / "y.embedding.json")
    back = read_checkpoint(path)
    assert np.allclose(
        back.encoders["profile"].encode_query(query), checkpoint.encoders["profile"].encode_query(query), atol=1e-5
    )
    assert "measures 0 of the space's 30 genes" in back.lacking(["a", "b"]) and not back.lacking(
        back.perturbation_genes
    )
    tensors = tmp_path / "x.embedding.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="not the file it was written with"):
        read_checkpoint(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="does not tell kind"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "change", [('"39"\n', '"39",\n      "40"\n'), ('"0",\n', '"1",\n')], ids=["one more", "another"]
)
def test_a_checkpoint_of_other_genes_is_not_read(platforms, tmp_path, change):
    path = tmp_path / "x.embedding.json"
    write_checkpoint(checkpoint_of(platforms), path)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError, match="Its genes are not those it was written with"):
        read_checkpoint(path)


def test_scores_turn_with_the_query_and_find_the_planted_drug(platforms):
    checkpoint = checkpoint_of(platforms)
    random = np.random.default_rng(0)
    reference = random.normal(size=(20, 30))
    queries = np.vstack([-reference[7], reference[7]])
    drugs, ill = make_sets(reference, queries)
    ill.uns["effect"] = "wald_z"
    ill.obs["effect"] = "wald_z"
    scores = embedding_scores(ill, drugs, checkpoint)
    assert scores.shape == (2, 20) and np.allclose(scores[0], -scores[1], atol=1e-6)
    ill.obs["effect"] = "set"
    assert np.isnan(embedding_scores(ill, drugs, checkpoint)).all()


def test_a_gene_that_is_missing_scores_as_one_without_an_effect(platforms):
    checkpoint, random = checkpoint_of(platforms), np.random.default_rng(0)
    reference, queries = random.normal(size=(20, 30)), random.normal(size=(3, 30))
    zero, missing = queries.copy(), queries.copy()
    zero[:, :8], missing[:, :8] = 0, np.nan
    drugs, one = make_sets(reference, zero)
    _, other = make_sets(reference, missing)
    one.obs["effect"] = other.obs["effect"] = "wald_z"
    assert (embedding_scores(one, drugs, checkpoint) == embedding_scores(other, drugs, checkpoint)).all()
    assert (embedding_scores(one[:, 8:].copy(), drugs, checkpoint) == embedding_scores(one, drugs, checkpoint)).all()


def test_a_gene_that_a_drug_signature_lacks_scores_as_one_without_an_effect(platforms):
    """Where the training reference has a mean that is taken off, too."""
    random = np.random.default_rng(0)
    checkpoint = replace(checkpoint_of(platforms), centring=Centring({"": random.normal(size=30).astype(np.float32)}))
    reference, queries = random.normal(size=(20, 30)), random.normal(size=(3, 30))
    zero, missing = reference.copy(), reference.copy()
    zero[:, :8], missing[:, :8] = 0, np.nan
    one, ill = make_sets(zero, queries)
    other, _ = make_sets(missing, queries)
    ill.obs["effect"] = "wald_z"
    scores = embedding_scores(ill, one, checkpoint)
    assert (scores == embedding_scores(ill, other, checkpoint)).all()
    assert (scores == embedding_scores(ill, one[:, 8:].copy(), checkpoint)).all()


@pytest.mark.parametrize("n_queries", [1, 7])
def test_top_matches_are_exact(n_queries):
    random = np.random.default_rng(0)
    queries, references = random.normal(size=(n_queries, 16)), random.normal(size=(1003, 16))
    scores, positions = top_matches(queries, references, 10, block=100)
    full = torch.as_tensor(queries.astype(np.float32)) @ torch.as_tensor(references.astype(np.float32)).T
    expected = full.topk(10, dim=1)
    assert (positions == expected.indices.numpy()).all() and np.allclose(scores, expected.values.numpy())
