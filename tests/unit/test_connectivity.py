"""Scores of signature sets: which drug comes first, which genes count, what has no score and why, on any device."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import make_sets

import scperturb_cmap
from scperturb_cmap.embedding import EmbeddingScore
from scperturb_cmap.scoring import SCORES, score_signatures
from scperturb_cmap.scoring.profiles import choose_device
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.utils.ranks import descending_ranks


@pytest.mark.parametrize("method", SCORES)
def test_a_planted_reverser_ranks_first_and_a_mimic_last(method):
    rng = np.random.default_rng(8)
    x = rng.standard_normal(1000) * 2
    z = rng.standard_normal((42, 1000))
    z[3], z[30] = z[3] - 2 * x, z[30] + 2 * x
    drugs, ill = make_sets(z, x[None])
    scores = next(score_signatures(ill, drugs, [method], device="cpu"))[method]
    assert scores.idxmin() == 3 and scores.idxmax() == 30
    assert SCORES[method].minimum <= scores.min() < 0 < scores.max() <= SCORES[method].maximum


def test_sets_without_an_order_have_no_ordered_scores():
    drugs, ill = make_sets(np.random.default_rng(0).standard_normal((3, 80)), np.repeat([[1.0, -1]], 40, axis=1))
    ill.obs["effect"] = "set"
    table = next(score_signatures(ill, drugs, ["zhang", "rro"], device="cpu"))
    assert table["rro"].isna().all() and table["zhang"].notna().all()
    assert (table["status"] == "incomplete").all() and table["reason"].str.contains("rro: .*without an order").all()


@pytest.mark.parametrize("method", SCORES)
def test_no_score_depends_on_the_order_of_genes_in_a_file(method):
    """Of gene sets nearly all genes are equal: a score that is made of their places is missing, and says so."""
    rng = np.random.default_rng(2)
    z, x = np.zeros((4, 600)), rng.standard_normal((1, 600)) * 2
    for row in z:
        row[rng.choice(600, 20, replace=False)] = np.linspace(-1, 1, 21)[np.r_[:10, 11:21]]
    z[3] = rng.standard_normal(600)
    mixed = rng.permutation(600)
    (drugs, ill), (others, same) = make_sets(z, x), make_sets(z[:, mixed], x[:, mixed])
    one, other = (next(score_signatures(a, b, [method], device="cpu")) for a, b in ((ill, drugs), (same, others)))
    if SCORES[method].places:
        assert one[method].isna().tolist() == [True, True, True, False]
        assert one["reason"].str.contains(f"{method}: the drug's signature has no order").tolist() == [True] * 3 + [
            False
        ]
        one, other = one.iloc[3:], other.iloc[3:]
    assert one[method].to_numpy() == pytest.approx(other[method].to_numpy(), abs=1e-6)


def test_feature_space_takes_the_other_genes_away():
    rng = np.random.default_rng(1)
    drugs, ill = make_sets(rng.standard_normal((4, 90)), rng.standard_normal((2, 90)))
    drugs.layers["rank"] = descending_ranks(np.asarray(drugs.X))
    drugs.var["feature_space"] = np.repeat(["landmark", "best inferred", "inferred"], 30)
    names = list(SCORES)
    for space, n in (("landmark", 30), ("best_inferred", 60), ("all", 90)):
        found = next(score_signatures(ill, drugs, names, n_genes=12, feature_space=space, device="cpu"))
        bare = drugs[:, :n].copy()
        del bare.layers["rank"]
        pd.testing.assert_frame_equal(found, next(score_signatures(ill, bare, names, n_genes=12, device="cpu")))
    drugs.var["feature_space"] = "other"
    with pytest.raises(InputError, match="no gene of this reference landmark"):
        next(score_signatures(ill, drugs, names, feature_space="landmark", device="cpu"))


def test_ranks_that_came_along_from_other_genes_are_not_believed():
    """A user takes the landmarks of a shard, whose layer of ranks is of all its genes; or turns its signatures round."""
    rng = np.random.default_rng(3)
    drugs, ill = make_sets(rng.standard_normal((4, 900)), rng.standard_normal((1, 900)))
    bare = drugs.copy()
    drugs.layers["rank"] = descending_ranks(np.asarray(drugs.X))
    for some in (slice(None, 300), slice(None, None, 3)):
        one, other = (
            scperturb_cmap.connectivity(ill, side[:, some], list(SCORES), device="cpu") for side in (drugs, bare)
        )
        pd.testing.assert_frame_equal(one, other)
    drugs.X, bare.X = -drugs.X, -bare.X
    one, other = (scperturb_cmap.connectivity(ill, side, list(SCORES), device="cpu") for side in (drugs, bare))
    pd.testing.assert_frame_equal(one, other)


def test_several_signature_sets_are_scored_as_each_alone():
    rng = np.random.default_rng(4)
    drugs, ill = make_sets(rng.standard_normal((5, 80)), rng.standard_normal((3, 80)))
    both = next(score_signatures([ill[:1], ill[1:, 10:]], drugs, n_genes=12, device="cpu"))
    alone = [next(score_signatures(part, drugs, n_genes=12, device="cpu")) for part in (ill[:1], ill[1:, 10:])]
    pd.testing.assert_frame_equal(both, pd.concat(alone, ignore_index=True))


def test_use_without_the_pipeline():
    rng = np.random.default_rng(2)
    drugs, ill = make_sets(rng.standard_normal((5, 80)), rng.standard_normal((3, 80)))
    found = scperturb_cmap.connectivity(ill, drugs, "cosine", device="cpu")
    pd.testing.assert_series_equal(
        found["cosine"], next(score_signatures(ill, drugs, ["cosine"], device="cpu"))["cosine"]
    )
    elsewhere = ad.AnnData(np.ones((2, 3)), pd.DataFrame(index=["b", "a"]), pd.DataFrame(index=["x", "y", "z"]))
    elsewhere.obs_names = ["a", "a"]
    with pytest.raises(InputError) as problem:
        scperturb_cmap.connectivity(elsewhere, drugs, "kosine")
    assert all(part in str(problem.value) for part in ("kosine", "a stands twice", "No gene in common"))


def test_the_registry_is_what_users_are_told(root):
    described = json.loads((root / "nextflow_schema.json").read_text())
    text, methods = json.dumps(described), (root / "docs/methods.md").read_text()
    names = [*SCORES, EmbeddingScore.name]
    assert f"({'|'.join(names)})(,({'|'.join(names)}))*" in text and f"one or more of {', '.join(names)}," in text
    assert json.dumps(["auto", *names]) in text
    for score in SCORES.values():
        assert f"| `{score.name}` |" in methods, score.name


def test_what_cannot_be_scored_says_why():
    reference = np.random.default_rng(0).standard_normal((4, 50))
    reference[0] = np.nan
    reference[1, 5:] = np.nan
    reference[2] = 3.0
    queries = np.random.default_rng(1).standard_normal((1, 50))
    drugs, ill = make_sets(reference, queries)
    table = next(score_signatures(ill, drugs, n_genes=20, min_tags=10, device="cpu")).set_index("signature")
    assert table.loc["sig3", "status"] == "ok" and table.loc["sig3", "reason"] == ""
    bad = table.drop(index="sig3")
    assert (bad["status"] == "incomplete").all() and (bad["reason"] != "").all()
    assert "only 5 genes in common" in table.loc["sig1", "reason"]
    assert "constant" in table.loc["sig2", "reason"]


def test_order_of_genes_and_signatures_does_not_matter():
    rng = np.random.default_rng(2)
    drugs, ill = make_sets(rng.standard_normal((9, 80)), rng.standard_normal((2, 80)))
    mixed = drugs[rng.permutation(9), rng.permutation(80)].copy()
    first, second = (
        next(score_signatures(ill, set_, list(SCORES), n_genes=10, device="cpu")).set_index(["population", "signature"])
        for set_ in (drugs, mixed)
    )
    names = list(SCORES)
    assert second.loc[first.index, names].to_numpy() == pytest.approx(
        first[names].to_numpy(), abs=2e-6, rel=2e-6, nan_ok=True
    )


def test_a_gpu_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="no GPU"):
        choose_device("gpu")


@pytest.mark.gpu
def test_gpu_and_cpu_agree():
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    rng = np.random.default_rng(9)
    drugs, ill = make_sets(rng.standard_normal((50, 300)), rng.standard_normal((3, 300)))
    cpu, gpu = (next(score_signatures(ill, drugs, device=device)) for device in ("cpu", "gpu"))
    assert gpu[list(SCORES)].to_numpy() == pytest.approx(cpu[list(SCORES)].to_numpy(), abs=2e-6)
