"""Scores against definition-level implementations, published values and scipy."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.conftest import make_sets

from scperturb_cmap.connectivity import SCORES, score_signatures
from scperturb_cmap.connectivity.cosine import CLIP, cosine
from scperturb_cmap.connectivity.profiles import Profiles, Query, choose_device, make_query
from scperturb_cmap.connectivity.spearman import average_ranks, spearman
from scperturb_cmap.connectivity.wtcs import enrichment_score, wtcs
from scperturb_cmap.utils.errors import InputError

CPU = torch.device("cpu")
GOLDEN = np.array([3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7])


def plain_es(z: np.ndarray, tags: list[int]) -> float:
    """The running sum, gene by gene, before and after each gene of the set (scores.md, section 2)."""
    order = sorted(range(len(z)), key=lambda gene: (-z[gene], gene))
    total = sum(abs(float(z[gene])) for gene in tags)
    if total == 0:
        return 0.0
    running, highest, lowest = 0.0, 0.0, 0.0
    for gene in order:
        running += abs(float(z[gene])) / total if gene in set(tags) else -1 / (len(z) - len(tags))
        highest, lowest = max(highest, running), min(lowest, running)
    return highest if highest >= -lowest - 1e-12 else lowest  # equal deviations: the positive one


def plain_wtcs(z: np.ndarray, up: list[int], down: list[int]) -> float:
    es_up, es_down = plain_es(z, up), plain_es(z, down)
    return (es_up - es_down) / 2 if np.sign(es_up) != np.sign(es_down) else 0.0


def sets(up, down, z) -> Query:
    return Query(torch.arange(len(z)), torch.as_tensor(z).double(), torch.tensor(up), torch.tensor(down))


def test_golden_values():
    profiles = Profiles(torch.tensor(GOLDEN[None]))
    assert enrichment_score(torch.tensor([0, 2]), profiles).item() == pytest.approx(0.875, abs=1e-9)
    assert enrichment_score(torch.tensor([8, 9]), profiles).item() == pytest.approx(-1.0, abs=1e-9)
    assert wtcs(sets([0, 2], [8, 9], GOLDEN), profiles).item() == pytest.approx(0.9375, abs=1e-9)
    assert wtcs(sets([8, 9], [0, 2], GOLDEN), profiles).item() == pytest.approx(-0.9375, abs=1e-9)


def test_sets_on_the_same_side_score_zero():
    profiles = Profiles(torch.tensor(GOLDEN[None]))
    assert enrichment_score(torch.tensor([1, 3]), profiles).item() == pytest.approx(0.75, abs=1e-9)
    assert wtcs(sets([0, 2], [1, 3], GOLDEN), profiles).item() == 0


@pytest.mark.parametrize("kind", ["random", "tied", "one gene", "250 genes", "all zero", "one sign", "one row"])
def test_wtcs_equals_its_definition(kind):
    rng = np.random.default_rng(7)
    size = {"one gene": 1, "250 genes": 250}.get(kind, 30)
    z = rng.standard_normal((1 if kind == "one row" else 5, 600)).astype(np.float32)
    if kind == "tied":
        z = np.round(z * 2) / 2
    if kind == "all zero":
        z[:] = 0
    if kind == "one sign":
        z = np.abs(z)
    genes = rng.permutation(600)
    up, down = genes[:size].tolist(), genes[size : 2 * size].tolist()
    z[0, up] += 1  # one clear mimic
    found = wtcs(sets(up, down, z[0]), Profiles(torch.as_tensor(z)))
    assert found.numpy() == pytest.approx([plain_wtcs(row, up, down) for row in z], abs=2e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_wtcs_flips_with_its_sets_and_stays_in_range(seed, size, tied):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((4, 40)).astype(np.float32)
    z = np.round(z) if tied else z
    genes = rng.permutation(40).tolist()
    up, down = genes[:size], genes[size : 2 * size]
    profiles = Profiles(torch.as_tensor(z))
    forward, backward = wtcs(sets(up, down, z[0]), profiles), wtcs(sets(down, up, z[0]), profiles)
    assert torch.equal(forward, -backward)
    assert forward.abs().max() <= 1 + 1e-12
    assert forward.numpy() == pytest.approx([plain_wtcs(row, up, down) for row in z], abs=2e-6)


@pytest.mark.real
def test_published_values_of_the_trichostatin_example(real_data):
    from scperturb_cmap.io.gctx import GeneMatrix

    folder = real_data / "lincs" / "tsa_wtcs_example"
    matrix = GeneMatrix(folder / "trichostatina_mcf7_10um_score.gct", "gct")
    profiles = Profiles(torch.as_tensor(matrix.read(np.array([0]))))
    tags = {way: matrix.genes.get_indexer((folder / f"HDAC_{way}.grp").read_text().split()) for way in ("UP", "DN")}
    expected = json.loads((folder / "expected.json").read_text())["weighted"]
    assert enrichment_score(torch.as_tensor(tags["UP"]), profiles).item() == pytest.approx(
        expected["es_up"], abs=expected["abs_tol"]
    )
    assert enrichment_score(torch.as_tensor(tags["DN"]), profiles).item() == pytest.approx(
        expected["es_down"], abs=expected["abs_tol"]
    )
    query = Query(torch.arange(0), torch.zeros(0), torch.as_tensor(tags["UP"]), torch.as_tensor(tags["DN"]))
    assert wtcs(query, profiles).item() == pytest.approx(expected["wtcs"], abs=expected["abs_tol"])


def test_cosine_and_spearman_equal_independent_ones():
    rng = np.random.default_rng(3)
    z = np.round(rng.standard_normal((6, 200)) * 4, 1).astype(np.float32)  # ties, and values beyond the clip
    z[0, 0] = 300
    x = np.round(rng.standard_normal(200) * 4, 1)
    query, profiles = make_query(x, 20, CPU), Profiles(torch.as_tensor(z))
    a, b = np.clip(x, -CLIP, CLIP), np.clip(z.astype(float), -CLIP, CLIP)
    assert cosine(query, profiles).numpy() == pytest.approx(
        b @ a / np.linalg.norm(a) / np.linalg.norm(b, axis=1), abs=1e-12
    )
    assert spearman(query, profiles).numpy() == pytest.approx(
        [stats.spearmanr(x, row).statistic for row in z], abs=1e-12
    )
    assert average_ranks(torch.as_tensor(z)).numpy() + 1 == pytest.approx(stats.rankdata(z, axis=1))


def test_every_score_is_odd_in_the_reference():
    rng = np.random.default_rng(5)
    z = torch.as_tensor(rng.standard_normal((5, 300)))
    query = make_query(rng.standard_normal(300), 40, CPU)
    for score in SCORES.values():
        assert score.function(query, Profiles(z)).numpy() == pytest.approx(
            -score.function(query, Profiles(-z)).numpy(), abs=1e-12
        ), score.name


def test_missing_genes_are_outside_the_comparison():
    """A signature with gaps scores as the same signature without these genes; N is its own."""
    rng = np.random.default_rng(11)
    reference, queries = rng.standard_normal((4, 120)), rng.standard_normal((2, 120))
    reference[1, :30] = np.nan
    reference[3, 60:] = np.nan
    queries[1, 20:50] = np.nan
    drugs, ill = make_sets(reference, queries)
    table = next(score_signatures(ill, drugs, n_genes=15, min_tags=5, device="cpu")).set_index(
        ["population", "signature"]
    )
    assert (table["status"] == "ok").all()
    for i, query in enumerate(np.asarray(ill.X)):
        for j, row in enumerate(np.asarray(drugs.X)):
            there = ~np.isnan(row)
            small_query = make_query(query[there], 15, CPU)
            small = Profiles(torch.as_tensor(row[there][None]))
            found = table.loc[(f"population{i}", f"sig{j}")]
            both = there & ~np.isnan(query)
            assert found["n_genes"] == both.sum()
            assert found["spearman"] == pytest.approx(stats.spearmanr(query[both], row[both]).statistic, abs=1e-6)
            assert found["wtcs"] == pytest.approx(
                plain_wtcs(row[there], small_query.up.tolist(), small_query.down.tolist()), abs=2e-6
            )
            assert found["cosine"] == pytest.approx(cosine(small_query, small).item(), abs=1e-12)


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
        next(score_signatures(ill, set_, n_genes=10, device="cpu")).set_index(["population", "signature"])
        for set_ in (drugs, mixed)
    )
    names = list(SCORES)
    assert second.loc[first.index, names].to_numpy() == pytest.approx(first[names].to_numpy(), abs=1e-12)


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
