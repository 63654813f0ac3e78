"""Leading edges against their definition, the tables made of them, and pairs of drugs."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import make_sets

from scperturb_cmap.io import schemas
from scperturb_cmap.ranking import REPORTED, pair_drugs, reported
from scperturb_cmap.scoring.leading_edge import find_leading_edges
from scperturb_cmap.scoring.profiles import Profiles
from scperturb_cmap.scoring.wtcs import enrichment_scores
from scperturb_cmap.utils.ranks import descending_ranks
from scperturb_cmap.utils.running_sum import leading_edge


def walk(members: list[int], z: np.ndarray) -> tuple[float, set[int]]:
    """Down the whole list, gene by gene, as the definition has it: score, leading genes."""
    order = sorted(range(len(z)), key=lambda gene: (-z[gene], gene))
    total, miss = sum(abs(z[gene]) for gene in members), 1 / (len(z) - len(members))
    sums = [0.0]
    for gene in order:
        sums.append(sums[-1] + (abs(z[gene]) / total if gene in members else -miss))
    top, bottom = int(np.argmax(sums)), int(np.argmin(sums))
    if sums[top] >= -sums[bottom] - 1e-12:
        return sums[top], set(order[:top]) & set(members)
    return sums[bottom], set(order[bottom:]) & set(members)


@pytest.mark.parametrize("size", [1, 2, 7, 30, 59])
def test_the_leading_edge_is_that_of_the_definition(size):
    rng = np.random.default_rng(size)
    signs = set()
    for shift in np.repeat([-1.5, -0.5, 0, 0.5, 1.5], 20):
        z = rng.normal(size=60).astype(np.float32)
        members = rng.choice(60, size, replace=False)
        z[members] += np.float32(shift)
        score, edge = leading_edge(descending_ranks(z[None])[0][members].astype(int), np.abs(z[members]), 60)
        expected, genes = walk(list(members), z.astype(float))
        assert score == pytest.approx(expected, abs=1e-6) and set(members[edge]) == genes and genes
        found = enrichment_scores([torch.tensor(members)], Profiles(torch.tensor(z[None])))
        assert score == pytest.approx(found.item())
        signs.add(np.sign(score))
    assert signs == {-1, 1}


@pytest.mark.parametrize("z", [np.zeros(6), np.full(6, 2.0)])
def test_sets_without_an_edge(z):
    assert leading_edge(np.array([], int), np.array([]), 6)[0] == 0
    score, edge = leading_edge(np.arange(6), z, 6)
    assert score == 0 and not edge.any()
    score, edge = leading_edge(np.array([1, 4]), np.zeros(2), 6)
    assert score == 0 and not edge.any()


def test_either_side_can_be_asked_for():
    ranks, weights = np.array([0, 8, 9]), np.array([1.0, 1, 1])
    assert leading_edge(ranks, weights, 10)[1].tolist() == [False, True, True]
    high, edge = leading_edge(ranks, weights, 10, side=1)
    assert high == pytest.approx(1 / 3) and edge.tolist() == [True, False, False]
    low, edge = leading_edge(ranks, weights, 10, side=-1)
    assert low == pytest.approx(-2 / 3) and edge.tolist() == [False, True, True]
    assert not leading_edge(np.array([0]), np.array([1.0]), 10, side=-1)[1].any()


@pytest.fixture
def signatures():
    """A reference of three signatures with genes that one side lacks, and two populations."""
    rng = np.random.default_rng(5)
    ill = np.linspace(4, -4, 80) + rng.normal(0, 0.1, (2, 80))
    ill[0, 10] = np.nan
    drugs = np.stack([-ill[1], ill[1], rng.normal(size=80)]) + rng.normal(0, 1.5, (3, 80))
    drugs[0, [0, 5, 70]] = np.nan
    reference, queries = make_sets(drugs, ill)
    queries.obs["population"] = ["B", "T"]
    return reference, queries


def pairs_of(*rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["population", "compound", "score", "best_signature"])
    return table.assign(dataset="d", compound_id=table["compound"])


def test_the_edges_are_those_of_the_query_sets_in_the_signature(signatures):
    reference, queries = signatures
    pairs = pairs_of(
        ("B", "x", -0.7, "sig0"), ("T", "x", -0.7, "sig0"), ("T", "y", 0.8, "sig1"), ("B", "z", -0.1, "elsewhere"),
        ("B", "w", 0.0, None),
    )  # fmt: skip
    edges, genes = find_leading_edges(pairs, [queries], reference, n_genes=15)
    schemas.LEADING_EDGES.validate(edges), schemas.QUERY_GENES.validate(genes)
    assert set(edges["compound"]) == {"x", "y"}
    for pair in pairs.iloc[:3].itertuples():
        drug = np.asarray(reference[pair.best_signature].X).ravel()
        ill = np.asarray(queries.X)[0 if pair.population == "B" else 1]
        measured = np.flatnonzero(~np.isnan(drug))
        shared = [gene for gene in measured if not np.isnan(ill[gene])]
        mine = edges[(edges["compound"] == pair.compound) & (edges["population"] == pair.population)]
        for name, sign in (("up", 1), ("down", -1)):
            members = sorted(shared, key=lambda gene: -sign * ill[gene])[:15]
            places = [int(np.flatnonzero(measured == gene)[0]) for gene in members]
            score, expected = walk(places, drug[measured].astype(float))
            assert np.sign(score) == np.sign(pair.score) * sign  # what the fixture is made for
            found = mine[mine["set"] == name]
            assert set(found["gene_key"].astype(int)) == {measured[place] for place in expected}
            np.testing.assert_allclose(found["disease_z"], ill[found["gene_key"].astype(int)])
            np.testing.assert_allclose(found["drug_z"], drug[found["gene_key"].astype(int)])
            ranks = [(drug[measured] > value).sum() + 1 for value in found["drug_z"]]
            assert found["drug_rank"].tolist() == ranks
    # Gene 5 is in a set of T for sig1 and not for sig0, which does not measure it: all that are in a set are told, once.
    assert "5" in set(genes.loc[genes["population"] == "T", "gene_key"])
    assert not genes.duplicated(["population", "gene_key"]).any()


def test_ready_ranks_give_the_same_edges(signatures):
    reference, queries = signatures
    pairs = pairs_of(("B", "x", -0.7, "sig0"), ("T", "y", 0.8, "sig1"))
    plain, _ = find_leading_edges(pairs, [queries], reference, n_genes=15)
    reference.layers["rank"] = descending_ranks(np.asarray(reference.X))
    ready, _ = find_leading_edges(pairs, [queries], reference, n_genes=15)
    pd.testing.assert_frame_equal(plain, ready)
    reference.var["feature_space"] = ["landmark"] * 60 + ["other"] * 20
    part, _ = find_leading_edges(pairs, [queries], reference, n_genes=15, feature_space="landmark")
    assert part["gene_key"].astype(int).max() < 60 and part["drug_rank"].max() <= 60


def test_a_set_that_moves_the_other_way_gives_no_genes(signatures):
    """Such as the up set of a drug that a correlation calls a reverser because of the down set alone."""
    reference, queries = signatures
    found, genes = find_leading_edges(pairs_of(("T", "y", -0.2, "sig1")), [queries], reference, n_genes=15)
    assert found.empty and len(genes) == 30
    schemas.LEADING_EDGES.validate(found)


def test_a_gene_set_keeps_its_size(signatures):
    reference, queries = signatures
    queries.X = np.where(np.abs(queries.X) > 2, np.sign(queries.X), np.nan).astype(np.float32)
    queries.obs["effect"] = "set"
    _, genes = find_leading_edges(pairs_of(("T", "y", 0.5, "sig1")), [queries], reference, n_genes=3)
    assert len(genes) == (~np.isnan(queries.X[1])).sum() > 30


def ranking(**scores: float) -> pd.DataFrame:
    table = pd.DataFrame({"compound": list(scores), "score": list(scores.values())})
    return table.assign(
        dataset="d", population="B", rank=table["score"].rank(method="min"), compound_id=table["compound"].str.lower(),
        reason="",
    )  # fmt: skip


def test_reported_are_the_first_of_each_population():
    many = ranking(**{f"d{n}": n / 100 for n in range(60)})
    table = pd.concat(
        [many, many.assign(population="T").head(3), many.assign(population="skipped", rank=np.nan).head(1)]
    )
    assert reported(table).groupby("population").size().to_dict() == {"B": REPORTED, "T": 3}


def test_every_reported_drug_has_a_partner_or_a_reason():
    drugs = ranking(A=-0.9, B=-0.8, C=-0.7, D=0.0, E=0.4)
    edges = pd.DataFrame({"compound_id": list("aaabce"), "gene_key": list("123451")}).assign(population="B")
    genes = pd.DataFrame({"gene_key": list("123456"), "disease_z": [4.0, -3, 2, -6, 1, 4]}).assign(population="B")
    skipped = pd.DataFrame({"dataset": ["d"], "population": "T", "rank": np.nan, "reason": "Too few donors."})
    found = pair_drugs(pd.concat([drugs, skipped], ignore_index=True), edges, genes)
    schemas.PAIRS.validate(found)
    found = found.set_index("first", drop=False)
    assert found.loc["A", ["second", "second_id", "n_leading_genes"]].tolist() == ["B", "b", 3]
    shares = ["covered_by_first", "covered_by_both", "gain"]
    assert found.loc["A", shares].tolist() == pytest.approx([9 / 20, 15 / 20, 6 / 20])
    assert found.loc["B", shares].tolist() == pytest.approx([6 / 20, 15 / 20, 9 / 20])
    assert found.loc[["D", "E"], "status"].tolist() == ["not_paired"] * 2
    assert found["reason"].tolist()[3:] == [
        "Its score is 0, which has no direction.", "It does not reverse the signature.", "Too few donors."
    ]  # fmt: skip
    alone = pair_drugs(drugs.iloc[[0, 4]], edges, genes)
    assert alone["status"].tolist() == ["alone", "not_paired"] and alone.loc[0, "covered_by_both"] == pytest.approx(
        0.45
    )
    nothing = pair_drugs(drugs, edges.head(0), genes.head(0))
    schemas.PAIRS.validate(nothing)
    assert nothing["reason"].str.startswith("No gene is in the sets").tolist() == [True] * 3 + [False] * 2
