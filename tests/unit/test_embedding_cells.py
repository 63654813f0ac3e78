"""The layer of single cells: learned where it places compounds that nothing has seen, used for populations alone."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.embedding.cells import FEWEST_SHARED, CellSource, fit_cells
from scperturb_cmap.embedding.checkpoint import read_checkpoint, write_checkpoint
from scperturb_cmap.embedding.inputs import signed_scores
from scperturb_cmap.embedding.learn import learn
from scperturb_cmap.embedding.profiles import fit_profiles
from scperturb_cmap.embedding.retrieval import EmbeddingScore, query_kinds

N, GENES = 120, 60


def labels(n=N, times=1):
    names = np.repeat([f"c{k}" for k in range(n)], times)
    return pd.DataFrame({"compound_id": names, "cell_line": "", "batch": ""})


@pytest.fixture(scope="module")
def states():
    """One state of 120 compounds, seen by a reference on some genes and by single cells on others, twice each."""
    random = np.random.default_rng(0)
    state = random.normal(size=(N, 4))
    values = state @ random.normal(size=(4, GENES)) + 0.3 * random.normal(size=(N, GENES))
    cells = np.repeat(state, 2, axis=0) @ random.normal(size=(4, GENES)) + 0.3 * random.normal(size=(2 * N, GENES))
    return values.astype(np.float32), cells.astype(np.float32)


def test_a_map_is_learned_where_the_platforms_see_other_genes(states):
    reference, cells = map(signed_scores, states)
    profile, centring, _ = fit_profiles(reference, labels())
    some = CellSource(cells[: 2 * 90], labels(90, 2))
    layer, table = fit_cells(reference, labels(), [some], profile)
    assert [block.name for block in layer.blocks] == ["plain", "whitened", "whitened both", "forward"]
    profiles, own = table.set_index("blocks")["mean_percentile"]
    assert own < profiles - 0.05
    theirs = centring.of_perturbations(reference, labels()["cell_line"])

    def unseen(encoder):  # the last 30 compounds were in no pair
        scores = encoder.encode_query(cells[2 * 90 :]) @ encoder.encode_perturbation(theirs).T
        own = scores[np.arange(60), np.repeat(np.arange(90, N), 2)]
        return (scores > own[:, None]).mean()

    assert unseen(layer) < unseen(profile) - 0.05
    np.testing.assert_allclose(layer.encode_query(-cells), -layer.encode_query(cells), atol=1e-6)


def test_validation_compounds_are_not_seen_by_what_is_chosen(states):
    """From noise nothing can be learned: a map that had seen a compound's pair would place it."""
    reference = signed_scores(states[0])
    profile, _, _ = fit_profiles(reference, labels())
    places = []
    for seed in range(5):
        noise = signed_scores(np.random.default_rng(seed).normal(size=(N, GENES)).astype(np.float32))
        places.append(fit_cells(reference, labels(), [CellSource(noise, labels())], profile)[1]["mean_percentile"])
    assert (abs(np.mean(places, axis=0) - 0.5) < 0.04).all()


def test_sources_count_alike_whatever_their_size(states):
    reference, cells = map(signed_scores, states)
    profile, _, _ = fit_profiles(reference, labels())
    noise = np.random.default_rng(1).normal(size=(2 * N, GENES)).astype(np.float32)
    small, large = CellSource(cells[:80], labels(40, 2)), CellSource(noise, labels(N, 2))
    both, one = (fit_cells(reference, labels(), of, profile)[1]["mean_percentile"] for of in ([small, large], [large]))
    assert both[1] < one[1] - 0.02


def as_set(values, about, **more):
    obs = about.assign(reference=more.pop("name"), pert_type="trt_cp", status="ok", effect="signature")
    obs.index = [f"s{n}" for n in range(len(obs))]
    obs["dataset"], obs["population"] = "d", obs.index
    var = pd.DataFrame(index=[str(n) for n in range(GENES)])
    return ad.AnnData(values, obs, var, uns={"effect": "signature"} | more)


def test_populations_go_by_the_layer_of_single_cells(states, tmp_path):
    reference, cells = states
    target = as_set(reference, labels(), name="t")
    source = as_set(cells, labels(N, 2), name="s", assay="single_cell")
    space, table = learn(target, [source])
    assert set(space.encoders) == {"profile", "cells"} and space.about["learned_from"] == ["t", "s"]
    assert set(table["layer"]) == {"cells"} and space.about["warnings"] == []
    write_checkpoint(space, tmp_path / "x.embedding.json")
    space = read_checkpoint(tmp_path / "x.embedding.json")
    population, arrays = (
        as_set(cells[:20], labels(10, 2), name="p"),
        as_set(cells[:20], labels(10, 2), name="p", assay="bulk"),
    )
    assert set(query_kinds(population, space.encoders)) == {"cells"}
    assert set(query_kinds(arrays, space.encoders)) == set(query_kinds(population, ["profile"])) == {"profile"}
    found = [EmbeddingScore(space).scores([one], target)[0] for one in (population, arrays)]
    own = [one[np.arange(20), np.repeat(np.arange(10), 2)][:, None] for one in found]
    mine, theirs = ((one > right).mean() for one, right in zip(found, own, strict=True))
    assert mine < theirs - 0.1
    population.obs["effect"] = "set"
    assert set(query_kinds(population, space.encoders)) == {"sets"}


def test_a_gene_that_is_missing_counts_as_one_without_an_effect(states):
    reference, cells = states
    target = as_set(reference, labels(), name="t")
    source = as_set(cells, labels(N, 2), name="s", assay="single_cell")
    space, _ = learn(target, [source])
    zero = as_set(cells[:4].copy(), labels(2, 2), name="p")
    zero.X[:, :20] = 0
    missing = zero[:, 20:].copy()
    scores = [EmbeddingScore(space).scores([one], target)[0] for one in (zero, missing)]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_too_few_compounds_in_common_are_told(states):
    reference, cells = states
    source = as_set(cells[: 2 * (FEWEST_SHARED - 1)], labels(FEWEST_SHARED - 1, 2), name="s", assay="single_cell")
    space, table = learn(as_set(reference, labels(), name="t"), [source])
    assert set(space.encoders) == {"profile"} and table.empty
    assert "share fewer than 20 compounds" in space.about["warnings"][0]
