"""Scores against definition-level implementations, published values and scipy."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.conftest import make_sets

from scperturb_cmap.scoring import SCORES, score_signatures
from scperturb_cmap.scoring.cosine import cosine
from scperturb_cmap.scoring.pearson import pearson
from scperturb_cmap.scoring.profiles import CLIP, Profiles, Query, average_ranks, make_query
from scperturb_cmap.scoring.spearman import spearman
from scperturb_cmap.scoring.wtcs import enrichment_scores, wtcs

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
    assert enrichment_scores([torch.tensor([0, 2])], profiles).item() == pytest.approx(0.875, abs=1e-9)
    assert enrichment_scores([torch.tensor([8, 9])], profiles).item() == pytest.approx(-1.0, abs=1e-9)
    assert wtcs([sets([0, 2], [8, 9], GOLDEN)], profiles).item() == pytest.approx(0.9375, abs=1e-9)
    assert wtcs([sets([8, 9], [0, 2], GOLDEN)], profiles).item() == pytest.approx(-0.9375, abs=1e-9)


def test_sets_on_the_same_side_score_zero():
    profiles = Profiles(torch.tensor(GOLDEN[None]))
    assert enrichment_scores([torch.tensor([1, 3])], profiles).item() == pytest.approx(0.75, abs=1e-9)
    assert wtcs([sets([0, 2], [1, 3], GOLDEN)], profiles).item() == 0


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
    found = wtcs([sets(up, down, z[0])], Profiles(torch.as_tensor(z)))[0]
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
    forward, backward = wtcs([sets(up, down, z[0])], profiles), wtcs([sets(down, up, z[0])], profiles)
    assert torch.equal(forward, -backward)
    assert forward.abs().max() <= 1 + 1e-12
    assert forward[0].numpy() == pytest.approx([plain_wtcs(row, up, down) for row in z], abs=2e-6)


@pytest.mark.real
def test_published_values_of_the_trichostatin_example(real_data):
    from scperturb_cmap.io.gctx import GeneMatrix

    folder = real_data / "lincs" / "tsa_wtcs_example"
    matrix = GeneMatrix(folder / "trichostatina_mcf7_10um_score.gct", "gct")
    profiles = Profiles(torch.as_tensor(matrix.read(np.array([0]))))
    tags = {way: matrix.genes.get_indexer((folder / f"HDAC_{way}.grp").read_text().split()) for way in ("UP", "DN")}
    expected = json.loads((folder / "expected.json").read_text())["weighted"]
    assert enrichment_scores([torch.as_tensor(tags["UP"])], profiles).item() == pytest.approx(
        expected["es_up"], abs=expected["abs_tol"]
    )
    assert enrichment_scores([torch.as_tensor(tags["DN"])], profiles).item() == pytest.approx(
        expected["es_down"], abs=expected["abs_tol"]
    )
    query = Query(torch.arange(0), torch.zeros(0), torch.as_tensor(tags["UP"]), torch.as_tensor(tags["DN"]))
    assert wtcs([query], profiles).item() == pytest.approx(expected["wtcs"], abs=expected["abs_tol"])


@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_cosine_and_spearman_equal_independent_ones(dtype, near):
    rng = np.random.default_rng(3)
    z = np.round(rng.standard_normal((6, 200)) * 4, 1).astype(dtype)  # ties, and values beyond the clip
    z[0, 0] = 300
    x = np.round(rng.standard_normal(200) * 4, 1)
    query, profiles = make_query(x, 20, CPU), Profiles(torch.as_tensor(z))
    a, b = np.clip(x, -CLIP, CLIP), np.clip(z.astype(float), -CLIP, CLIP)
    assert cosine([query], profiles)[0].numpy() == pytest.approx(
        b @ a / np.linalg.norm(a) / np.linalg.norm(b, axis=1), abs=near
    )
    assert spearman([query], profiles)[0].numpy() == pytest.approx(
        [stats.spearmanr(x, row).statistic for row in z], abs=near
    )
    assert pearson([query], profiles)[0].numpy() == pytest.approx(
        [stats.pearsonr(a, row).statistic for row in b], abs=near
    )
    for values in (z, z.astype(np.float64), np.zeros_like(z)):
        assert average_ranks(torch.as_tensor(values)).numpy() + 1 == pytest.approx(stats.rankdata(values, axis=1))
    x[::3] = np.nan  # a query with gaps
    gaps, there = make_query(x, 20, CPU), ~np.isnan(x)
    for found, expected in ((spearman, stats.spearmanr), (pearson, stats.pearsonr)):
        sides = [(np.clip(x[there], -CLIP, CLIP), np.clip(row[there].astype(float), -CLIP, CLIP)) for row in z]
        sides = sides if found is pearson else [(x[there], row[there]) for row in z]
        assert found([gaps], profiles)[0].numpy() == pytest.approx(
            [expected(*pair).statistic for pair in sides], abs=near
        )
    flat = Profiles(torch.full((1, 200), 0.1, dtype=profiles.values.dtype))
    assert spearman([query], flat).isnan().all() and pearson([query], flat).isnan().all()


def test_every_score_is_odd_in_the_reference():
    rng = np.random.default_rng(5)
    z = torch.as_tensor(rng.standard_normal((5, 300)))
    query = make_query(rng.standard_normal(300), 40, CPU)
    for score in SCORES.values():
        if score.name in (
            "lamb_ks",
            "rges",
        ):  # counts ranks from 1: where a is about b, 1/N at the other end turns its sign
            continue
        there, back = (score.function([query], Profiles(values))[0].numpy() for values in (z, -z))
        assert there == pytest.approx(-back, abs=1e-12), score.name


@pytest.mark.parametrize("kind", ["random", "tied"])
def test_swapping_up_and_down_flips_every_score(kind):
    rng = np.random.default_rng(6)
    z = rng.standard_normal((20, 300)).astype(np.float32)
    z = np.round(z) if kind == "tied" else z
    query, profiles = make_query(rng.standard_normal(300), 40, CPU), Profiles(torch.as_tensor(z))
    swapped = Query(query.genes, -query.values, query.down, query.up)
    other = {"wtcs_up": "wtcs_down", "wtcs_down": "wtcs_up"}  # each sees one side only
    for name, score in SCORES.items():
        mirrored = SCORES[other.get(name, name)].function([swapped], profiles)[0]
        assert score.function([query], profiles)[0].numpy() == pytest.approx(-mirrored.numpy(), abs=2e-6, rel=2e-6), (
            name
        )


def plain_ks(ranks: list[int], n: int) -> float:
    places, t = sorted(ranks), len(ranks)
    a = max((j + 1) / t - v / n for j, v in enumerate(places))
    b = max(v / n - j / t for j, v in enumerate(places))
    return a if a > b + 1e-12 else -b


def plain_scores(z: np.ndarray, x: np.ndarray, up: list[int], down: list[int]) -> dict[str, float]:
    """Every score of sets from its definition (scores.md, sections 1, 2, 6 to 8), gene by gene."""
    n = len(z)
    order = sorted(range(n), key=lambda gene: (-z[gene], gene))
    rank = {gene: place + 1 for place, gene in enumerate(order)}
    ks_up, ks_down = (plain_ks([rank[g] for g in tags], n) for tags in (up, down))
    es_up, es_down = plain_es(z, up), plain_es(z, down)
    extreme = {g for g in rank if rank[g] <= round(0.05 * n) or rank[g] > n - round(0.05 * n)}
    both = [g for g in [*up, *down] if g in extreme]
    a, b = x[both], z[both].astype(float)
    size = stats.rankdata(np.abs(z)) * np.sign(z)
    m, sign = len(up) + len(down), dict.fromkeys(up, 1) | dict.fromkeys(down, -1)
    strongest = sorted([*up, *down], key=lambda gene: -abs(x[gene]))
    lists = ((up, order[: len(up)], 1), (down, order[::-1][: len(down)], 1))
    lists += ((up, order[::-1][: len(up)], -1), (down, order[: len(down)], -1))
    overlap = sum(w / (s.index(g) + 1) / (e.index(g) + 1) for s, e, w in lists for g in s if g in e)
    return {
        "wtcs": plain_wtcs(z, up, down), "wtcs_up": es_up, "wtcs_down": -es_down,
        "rges": ks_up - ks_down, "lamb_ks": ks_up - ks_down if np.sign(ks_up) != np.sign(ks_down) else 0,
        "xsum": sum(float(z[g]) * sign[g] for g in both),
        "xcos": a @ b / np.linalg.norm(a) / np.linalg.norm(b), "xcor": stats.pearsonr(a, b).statistic,
        "xspe": stats.spearmanr(a, b).statistic,
        "zhang": sum(size[g] * sign[g] for g in sign) / sum(n - i for i in range(m)),
        "zhang_ordered": sum(size[g] * sign[g] * (m - i) for i, g in enumerate(strongest))
        / sum((n - i) * (m - i) for i in range(m)),
        "rro": overlap / sum(1 / i**2 for tags in (up, down) for i in range(1, len(tags) + 1)),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["random", "tied", "one sign"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_score_of_sets_equals_its_definition(kind, dtype):
    rng = np.random.default_rng(9)
    x = rng.standard_normal(600)
    z = (rng.standard_normal((6, 600)) + 0.5 * x).astype(dtype)
    z = {"tied": np.round(z * 2) / 2, "one sign": np.abs(z)}.get(kind, z)
    query, profiles = make_query(x, 60, CPU), Profiles(torch.as_tensor(z))
    expected = [plain_scores(row, x, query.up.tolist(), query.down.tolist()) for row in z]
    assert {"cosine", "pearson", "spearman"} | set(expected[0]) == set(SCORES)
    for name in expected[0]:
        found = SCORES[name].function([query], profiles)[0].numpy()
        # XSum has no bounds: 53 has no float32 within 2e-6.
        near = {"abs": 2e-6, "rel": 1.2e-7 if name == "xsum" else 0} if dtype == np.float32 else {"abs": 1e-9}
        assert found == pytest.approx([row[name] for row in expected], **near), name


def test_golden_values_of_the_other_scores(monkeypatch):
    """scores.md, section 10."""
    monkeypatch.setattr("scperturb_cmap.scoring.profiles.EXTREME", 0.3)
    profiles, signs = Profiles(torch.tensor(GOLDEN[None])), np.array([1, 0, 1, 0, 0, 0, 0, 0, -1, -1])
    query = sets([0, 2], [8, 9], signs)
    found = {name: score.function([query], profiles).item() for name, score in SCORES.items()}
    assert found["lamb_ks"] == pytest.approx(1.6, abs=1e-9) and found["rges"] == pytest.approx(1.6, abs=1e-9)
    assert found["xsum"] == pytest.approx(8.5, abs=1e-9) and found["xcos"] == pytest.approx(0.93798, abs=5e-6)
    assert found["zhang"] == pytest.approx(32 / 34, abs=1e-9)
    same_side = sets([0, 2], [1, 3], signs)
    assert SCORES["rges"].function([same_side], profiles).item() == pytest.approx(0.1, abs=1e-9)
    assert SCORES["lamb_ks"].function([same_side], profiles).item() == 0


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
            assert found["cosine"] == pytest.approx(cosine([small_query], small).item(), abs=2e-6)
