"""From references to a space: what validation compounds decide, and what must not see them."""

from dataclasses import asdict, replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scperturb_cmap.embedding import learn as module
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.learn import WIDE_SEARCH_OF_NETWORKS, learn
from scperturb_cmap.embedding.model_card import model_card
from scperturb_cmap.embedding.retrieval import centred_scores, query_scores
from scperturb_cmap.embedding.training import LOSSES, TrainingSettings

N = 60


@pytest.fixture
def target_and_source():
    """Profiles and gene sets of the same compounds, which see one state."""
    random = np.random.default_rng(0)
    state = random.normal(size=(N, 6))
    target = state @ random.normal(size=(6, 40)) + 0.5 * random.normal(size=(N, 40))
    source = np.repeat(state, 2, axis=0) @ random.normal(size=(6, 50)) + 0.5 * random.normal(size=(2 * N, 50))
    source[abs(source) < 1.5] = 0
    names = np.array([f"c{n}" for n in range(N)])
    made = []
    for values, compounds, name, effect in ((target, names, "t", "modz"), (source, np.repeat(names, 2), "s", "rank")):
        obs = pd.DataFrame({"compound_id": compounds, "reference": name, "cell_line": "A", "batch": ""})
        obs = obs.assign(pert_type="trt_cp", status="ok")
        obs.index = [f"{name}{n}" for n in range(len(obs))]
        var = pd.DataFrame(index=[str(n) for n in range(values.shape[1])])
        made.append(ad.AnnData(values.astype(np.float32), obs, var, uns={"effect": effect}))
    return made


@pytest.fixture
def validated(monkeypatch):
    """What was asked for its place on validation compounds, in order: (encoder, place)."""
    found, place_of = [], module.mean_percentile

    def recorded(model, *rest):
        found.append((model, place_of(model, *rest)))
        return found[-1][1]

    monkeypatch.setattr(module, "mean_percentile", recorded)
    return found


def test_what_is_fitted_for_choosing_has_not_seen_the_validation_compounds(target_and_source, validated):
    target, source = target_and_source
    checkpoint, table = learn(target, [source])
    assert checkpoint.about["validation_mean_percentile"] == table["mean_percentile"].min() < 0.2
    random = np.random.default_rng(1)
    for side in (target, source):
        held = side.obs["compound_id"].isin(checkpoint.about["validation_compounds"]).to_numpy()
        assert 0 < held.sum() < len(held) / 4
        side.X[held] = 50 * random.normal(size=(held.sum(), side.n_vars))
    assert learn(target, [source])[0].about["validation_mean_percentile"] > 0.3
    for (one, _), (other, _) in zip(validated[: len(table)], validated[len(table) :], strict=True):
        for mine, theirs in zip(one.blocks, other.blocks, strict=True):
            assert mine.weight == theirs.weight
            assert (mine.query == theirs.query).all() and (mine.perturbation == theirs.perturbation).all()


def test_the_figure_of_networks_is_that_of_all_together(target_and_source, validated):
    target, source = target_and_source
    checkpoint, table = learn(target, [source], encoder="infonce", members=2, training=TrainingSettings(epochs=2))
    encoder, place = validated[-1]
    assert encoder is checkpoint.encoders["sets"] and checkpoint.about["validation_mean_percentile"] == place
    assert place != table["mean_percentile"].min()


@pytest.mark.parametrize("encoder", ["linear", "supcon"])
def test_the_checkpoint_tells_its_settings(target_and_source, encoder):
    target, source = target_and_source
    training = TrainingSettings(epochs=1, learning_rate=2e-3)
    checkpoint, table = learn(target, [source], encoder=encoder, members=2, training=training)
    found = checkpoint.about["settings"]
    if encoder == "linear":
        best = table.iloc[table["mean_percentile"].argmin()]
        assert found == best.drop(["mean_percentile", "layer"]).to_dict() and found["ridge"] in (1, 3)
    else:
        assert found == asdict(training) | {"loss": "supcon", "members": 2}
    about = checkpoint.about | {"target": "t", "references": {"t": {}, "s": {}}}
    assert all(
        f"{name} {value}" in model_card(replace(checkpoint, about=about), table) for name, value in found.items()
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_search_tries_nothing_twice(loss):
    """Settings that a loss does not take make no other training."""
    random = np.random.default_rng(0)
    one, other = (torch.as_tensor(random.normal(size=(12, 4)), dtype=torch.float32) for _ in range(2))
    labels, tried = torch.arange(12) % 6, set()
    for changes in WIDE_SEARCH_OF_NETWORKS[loss]:
        settings = replace(TrainingSettings(loss=loss), **changes)
        value = float(LOSSES[loss](settings)(one, labels, ref_emb=other, ref_labels=labels))
        tried.add((value, settings.gene_dropout, settings.n_dimensions))
    assert len(tried) == len(WIDE_SEARCH_OF_NETWORKS[loss]) == (4 if loss == "multi_similarity" else 12)


def test_a_search_of_networks_gives_what_it_chose(target_and_source):
    target, source = target_and_source
    training = TrainingSettings(epochs=1)
    checkpoint, table = learn(target, [source], encoder="multi_similarity", search=True, training=training)
    assert len(table) == 4 + 1 and table["mean_percentile"].iloc[-1] == table["mean_percentile"].min()
    assert checkpoint.about["settings"]["gene_dropout"] == table["gene_dropout"].iloc[-1]


def in_two_lines(one):
    """Every compound in two lines."""
    both = ad.concat([one, one], index_unique="-", keys=["A", "B"])
    both.obs["cell_line"] = np.repeat(["A", "B"], one.n_obs)
    both.X = both.X + np.random.default_rng(0).normal(size=both.shape).astype(np.float32) * (both.X != 0)
    both.uns["effect"] = one.uns["effect"]
    return both


def test_a_target_of_gene_sets_places_sets_as_profiles(target_and_source):
    _, source = target_and_source
    checkpoint, table = learn(in_two_lines(source), [])
    assert set(checkpoint.encoders) == {"profile", "sets"} and checkpoint.centring.set_size > 0
    assert set(table["layer"]) == {"profile"} and len(checkpoint.about["profile_blocks"]) > 0
    checkpoint.about.update(target="s", references={"s": {}})
    assert "as profiles, for the reference is of gene sets" in model_card(checkpoint, table)
    # both sides are spread alike: less no mean, a set as a drug's signature is what it is as a query
    nothing = Centring({"": np.zeros(source.n_vars, np.float32)}, checkpoint.centring.set_size)
    drugs, _ = centred_scores(source, replace(checkpoint, centring=nothing))
    assert (drugs == query_scores(source, checkpoint, "sets")[0]).all() and abs(drugs).max() < 1


@pytest.mark.parametrize("kind", ["trt_xpr", "ctl_untrt", "trt_cp"])
def test_controls_and_changed_genes_are_no_compounds(target_and_source, kind):
    target, _ = target_and_source
    both = in_two_lines(target)
    both.obs["pert_type"] = kind
    assert learn(both, [])[1].empty == (kind != "trt_cp")


def test_gene_sets_of_changed_genes_share_no_compound_with_profiles_of_changed_genes(target_and_source):
    target, source = target_and_source
    target.obs["pert_type"], source.obs["pert_type"] = "trt_sh", "trt_xpr"
    checkpoint, _ = learn(target, [source])
    assert set(checkpoint.encoders) == {"profile"} and "share 0 compounds" in " ".join(checkpoint.about["warnings"])


def test_a_line_that_is_missing_is_no_line(target_and_source):
    target, _ = target_and_source
    both = in_two_lines(target)
    both.obs["cell_line"] = both.obs["cell_line"].where(both.obs["cell_line"] == "A", np.nan)
    checkpoint, table = learn(both, [])
    assert table.empty and set(checkpoint.centring.means) <= {"", "A"}


def test_the_card_names_what_was_learned_from_and_no_folders(target_and_source):
    target, source = target_and_source
    profiles = source.copy()
    profiles.uns["effect"], profiles.obs["reference"] = "modz", "p"
    checkpoint, table = learn(target, [source, profiles])
    sources = [{"file": "/data/client/secret/file.gctx", "sha256": "0" * 64}]
    references = {name: {"effect": "x", "sources": sources} for name in "tsp"}
    card = model_card(replace(checkpoint, about=checkpoint.about | {"target": "t", "references": references}), table)
    assert "| s | x |" in card and "| t | x |" in card and "| p |" not in card and "Not learned from: p." in card
    assert "file.gctx (000000000000...)" in card and "secret" not in card
    assert "no compound's name was used" not in card  # the most signatures of a compound are counted by name
