"""The embedding as a score: beside the classic ones, its p-values, its neighbours, and the genes that carry them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.conftest import make_sets

from scperturb_cmap.embedding import Checkpoint, EmbeddingScore
from scperturb_cmap.embedding.attribution import attribute_match
from scperturb_cmap.embedding.encoder import DualEncoder, Ensemble
from scperturb_cmap.embedding.inputs import Centring, signed_scores
from scperturb_cmap.embedding.linear import Block, LinearEncoder, whitening
from scperturb_cmap.embedding.neighbours import compound_places, embedding_map, nearest_compounds
from scperturb_cmap.scoring import score_blocks

N_GENES, N_DRUGS = 60, 80


@pytest.fixture
def case():
    """80 drugs of 2 signatures that move a few programs; one population is the opposite of drug 7, another is drug 3."""
    random = np.random.default_rng(0)
    programs = random.normal(size=(12, N_GENES))
    drug = random.normal(size=(N_DRUGS, 12)) @ programs
    reference = np.repeat(drug, 2, axis=0) + random.normal(size=(2 * N_DRUGS, N_GENES))
    queries = np.vstack([-drug[7], drug[3]]) + random.normal(size=(2, N_GENES))
    drugs, ill = make_sets(reference, queries)
    names = [f"drug {n:02d}" for n in np.repeat(np.arange(N_DRUGS), 2)]
    drugs.obs = drugs.obs.assign(compound_id=names, compound=names, pert_type="trt_cp", tas=0.5, reference="r")
    ill.obs["effect"] = "wald_z"
    scores = signed_scores(reference)
    axes = whitening(scores - scores.mean(axis=0), shrinkage=1.0).astype(np.float32)
    genes = [str(n) for n in range(N_GENES)]
    encoder = LinearEncoder([Block("whitened", axes, axes), Block("plain", np.arange(60), np.arange(60), 0.5)])
    return Checkpoint({"profile": encoder}, {"profile": genes}, genes, Centring({"": scores.mean(axis=0)})), drugs, ill


def test_scores_stand_beside_the_classic_ones_and_find_what_is_planted(case):
    checkpoint, drugs, ill = case
    learned = EmbeddingScore(checkpoint, n_random=400)
    (block,) = score_blocks(
        ill, drugs, ["cosine", "embedding"], headline="embedding", n_random=400, learned=learned, device="cpu"
    )
    table = block.table
    for population, (name, place) in zip(
        ill.obs["population"], (("drug 07", "idxmin"), ("drug 03", "idxmax")), strict=True
    ):
        mine = table[table["population"] == population].set_index("compound_id")
        assert getattr(mine["embedding"], place)() == getattr(mine["cosine"], place)() == name
    assert (table["status"] == "ok").all() and table["embedding"].between(-1, 1).all()
    reversed_ = table[(table["compound_id"] == "drug 07") & (table["population"] == ill.obs["population"].iloc[0])]
    assert (reversed_["p_value"] == 1 / 401).all()


def test_a_score_that_cannot_be_has_a_reason(case):
    checkpoint, drugs, ill = case
    ill.obs["effect"] = ["set", "wald_z"]
    ill.X[1, 5:] = np.nan
    learned = EmbeddingScore(checkpoint, min_genes=10)
    table = next(
        score_blocks(ill, drugs, ["embedding"], headline="embedding", learned=learned, min_tags=3, device="cpu")
    ).table
    reasons = table.groupby("population", sort=False)["reason"].unique().map(list).tolist()
    assert reasons == [
        ["embedding: the space has no input layer for gene sets"],
        ["embedding: only 5 of the space's genes are measured, 10 are needed"],
    ]
    assert table["embedding"].isna().all() and (table["status"] == "incomplete").all()


def test_background_is_scored_too_and_blocks_do_not_matter(case, monkeypatch):
    checkpoint, drugs, ill = case
    options = {"headline": "embedding", "device": "cpu", "learned": EmbeddingScore(checkpoint)}
    (whole,) = score_blocks(ill, drugs, ["embedding"], {"resamples": ill.copy()}, **options)
    wide = whole.background["resamples"]
    for number, population in enumerate(ill.obs["population"]):
        mine = whole.table[whole.table["population"] == population]["embedding"]
        np.testing.assert_allclose(wide.iloc[:, number], mine, atol=1e-6)
    monkeypatch.setattr("scperturb_cmap.scoring.engine._BLOCK", 50)
    parts = pd.concat([block.table for block in score_blocks(ill, drugs, ["embedding"], n_random=0, **options)])
    order = ["population", "signature"]
    np.testing.assert_allclose(
        parts.sort_values(order)["embedding"], whole.table.sort_values(order)["embedding"], atol=1e-6
    )


def assert_uniform(checkpoint, queries, drugs, random):
    """The p-values of 200 queries; one p of each, for those of one query hang together."""
    learned = EmbeddingScore(checkpoint, n_random=200)
    scores, *_ = learned.scores([queries], drugs)
    p = learned.p_values(scores, [queries], drugs)
    assert stats.kstest(p[np.arange(200), random.integers(0, drugs.n_obs, 200)], "uniform").pvalue > 0.01


def test_p_values_of_random_queries_are_uniform(case):
    """Queries whose values stand at random genes: nothing but chance."""
    checkpoint, drugs, _ = case
    random = np.random.default_rng(1)
    _, ill = make_sets(np.asarray(drugs.X), random.normal(size=(200, N_GENES)))
    ill.obs["effect"] = "wald_z"
    assert_uniform(checkpoint, ill, drugs, random)


def networks(n):
    import torch

    torch.manual_seed(0)
    return [DualEncoder(N_GENES, N_GENES, n_hidden=32, n_dimensions=8).eval() for _ in range(n)]


def test_parts_of_genes_add_up_to_the_score(case):
    checkpoint, drugs, ill = case
    encoder = checkpoint.encoders["profile"]
    query = signed_scores(np.asarray(ill.X))
    place = encoder.encode_perturbation(signed_scores(np.asarray(drugs.X)))[:30].mean(axis=0)
    for row in query:
        score = encoder.encode_query(row[None])[0] @ place
        assert attribute_match(encoder, row, place).sum() == pytest.approx(score, abs=1e-6)
    both = Ensemble(networks(2))
    place = both.encode_perturbation(signed_scores(np.asarray(drugs.X)))[4]
    score = both.encode_query(query[:1])[0] @ place
    assert abs(score) > 0.01 and attribute_match(both, query[0], place).sum() == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("form", ["linear", "network"])
def test_without_the_genes_that_carry_it_a_match_is_lost(case, form):
    """Deletion: the 10 genes with the largest parts against 10 at random, for the drug that is planted."""
    checkpoint, drugs, ill = case
    encoder = checkpoint.encoders["profile"] if form == "linear" else networks(1)[0]
    query = signed_scores(np.asarray(ill.X))[1]
    place = encoder.encode_perturbation(signed_scores(np.asarray(drugs.X)))[6]
    parts = attribute_match(encoder, query, place)
    if parts.sum() < 0:  # of a network that has not learned anything
        parts, place = -parts, -place

    def score(without):
        left = query.copy()
        left[without] = 0
        return encoder.encode_query(left[None])[0] @ place

    random = np.random.default_rng(0)
    chance = [score(random.choice(N_GENES, 10, replace=False)) for _ in range(200)]
    assert score(np.argsort(-parts)[:10]) < np.quantile(chance, 0.005)


def test_nearest_compounds_are_those_planted_with_their_genes(case):
    checkpoint, drugs, ill = case
    drugs.obs.loc[drugs.obs_names[10:12], "pert_type"] = "ctl_vehicle"
    compounds = compound_places([drugs[:100], drugs[100:]], checkpoint, "profile")
    assert compounds.n_obs == N_DRUGS - 1 and "drug 05" not in compounds.obs_names
    assert (compounds.obs["n_signatures"] == 2).all()
    whole = compound_places([drugs], checkpoint, "profile")
    np.testing.assert_allclose(compounds.obsm["embedding"], whole.obsm["embedding"], atol=1e-6)
    symbols = pd.Series({str(n): f"G{n}" for n in range(N_GENES)})
    table = nearest_compounds(ill, compounds, checkpoint, "profile", symbols, k=5)
    first = table[table["neighbour"] == 1].set_index(["population", "direction"])["compound"]
    one, two = ill.obs["population"]
    assert first[one, "reverses"] == "drug 07" and first[two, "mimics"] == "drug 03"
    assert (table["score"] < 0).eq(table["direction"] == "reverses").all() and table["share"].between(0.3, 1).all()
    best = table[(table["population"] == one) & (table["compound"] == "drug 07")]["genes"].iloc[0].split("|")
    # an up gene of the population is one that its reverser takes down
    query = dict(zip(symbols, np.asarray(ill.X)[0], strict=True))
    assert all((query[name[1:]] > 0) == (name[0] == "+") for name in best)


def test_what_is_no_compound_has_no_place(case):
    """Signatures without a name are not one compound; controls of every type and changed genes are none."""
    checkpoint, drugs, _ = case
    drugs.obs["compound_id"] = ["", "", *drugs.obs["compound_id"][2:]]
    drugs.obs["pert_type"] = [*["trt_cp"] * 2, *["ctl_untrt"] * 2, *["trt_xpr"] * 2, *["trt_cp"] * (drugs.n_obs - 6)]
    assert compound_places([drugs], checkpoint, "profile").obs_names.tolist() == [f"drug {n:02d}" for n in range(3, 80)]


def test_the_map_holds_populations_their_opposites_and_compounds(case):
    checkpoint, drugs, ill = case
    compounds = compound_places([drugs], checkpoint, "profile")
    found = embedding_map(ill, compounds, checkpoint, "profile", seed=1)
    assert found.obs["what"].value_counts().to_dict() == {"compound": N_DRUGS, "population": 2, "opposite": 2}
    assert np.isfinite(found.obsm["X_umap"]).all() and found.obsm["X_umap"].shape == (N_DRUGS + 4, 2)
    places = found.obsm["embedding"]
    assert np.allclose(places[:2], -places[2:4])
    # beside the opposite of the first population lies the drug that reverses it, of all compounds
    distance = np.linalg.norm(found.obsm["X_umap"][4:] - found.obsm["X_umap"][2], axis=1)
    assert np.argsort(distance).tolist().index(7) < 10


def test_p_values_of_gene_sets_draw_other_genes(case):
    """Of an up set alone, too: its own members hold nothing but ones, so shuffling these would compare it with itself."""
    checkpoint, drugs, _ = case
    encoders, genes = {"sets": checkpoint.encoders["profile"]}, {"sets": checkpoint.perturbation_genes}
    sets = Checkpoint(encoders, genes, checkpoint.perturbation_genes, checkpoint.centring)
    random = np.random.default_rng(2)
    values = np.full((200, N_GENES), np.nan)
    for row in values:
        row[random.choice(N_GENES, 12, replace=False)] = 1
    _, ill = make_sets(np.asarray(drugs.X), values)
    ill.obs["effect"] = "set"
    assert_uniform(sets, ill, drugs, random)


def test_signatures_that_tell_of_few_genes_have_no_score_and_a_reason(case):
    """A set of the reference is not made of the mean that is taken off; a reference on other genes goes on without."""
    checkpoint, drugs, ill = case
    sets = drugs[:3].copy()
    sets.uns["effect"] = "rank"
    sets.X[:] = 0
    sets.X[1, :12], sets.X[2, :12] = 1, -1
    learned = EmbeddingScore(checkpoint, min_genes=10)
    options = {"headline": "embedding", "learned": learned, "min_tags": 3, "device": "cpu"}
    table = next(score_blocks(ill[:1].copy(), sets, ["cosine", "embedding"], **options)).table
    assert table["embedding"].isna().tolist() == [True, False, False]
    assert table["reason"].iloc[0].startswith("embedding: the signature tells of 0 of the space's genes, 10 are needed")
    assert compound_places([sets], checkpoint, "profile", 10).obs["n_signatures"].sum() == 2
    assert compound_places([sets[:1]], checkpoint, "profile", 10) is None
    other = drugs[:, :20].copy()
    table = next(
        score_blocks(ill, other, ["cosine", "embedding"], headline="cosine", learned=learned, device="cpu")
    ).table
    assert table["embedding"].isna().all() and table["cosine"].notna().all()
    assert (table["reason"] == "embedding: the reference measures 20 of the space's 60 genes, half are needed").all()


def test_a_map_of_next_to_nothing(case):
    checkpoint, drugs, ill = case
    compounds = compound_places([drugs[:2]], checkpoint, "profile")
    found = embedding_map(ill[:1].copy(), compounds, checkpoint, "profile", seed=1)
    assert found.n_obs == 3 and np.isfinite(found.obsm["X_umap"]).all()
