"""The fast enrichment score against the running sum of its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scperturb_cmap.scoring.dense_walk import dense_scores
from scperturb_cmap.scoring.network_walk import _network, network_scores
from scperturb_cmap.scoring.profiles import Profiles
from scperturb_cmap.scoring.rank_index import TIE, RankIndex
from scperturb_cmap.scoring.wtcs import enrichment_scores


def plain_es(z: np.ndarray, tags: np.ndarray) -> float:
    """Gene by gene down the list, in float64 (scores.md, section 2)."""
    z, hit = z.astype(np.float64), np.isin(np.arange(len(z)), tags)
    total = np.abs(z[hit]).sum()
    if total == 0 or len(tags) == len(z):
        return 0.0
    order = np.argsort(-z, kind="stable")
    running = np.cumsum(np.where(hit[order], np.abs(z[order]) / total, -1 / (len(z) - len(tags))))
    highest, lowest = max(running.max(), 0), min(running.min(), 0)
    return highest if highest >= -lowest - 1e-12 else lowest


@pytest.mark.parametrize("size", range(40))
def test_the_network_sorts_any_number_of_keys(size):
    keys = np.random.default_rng(size).permutation(size)
    for i, j in _network(size):
        keys[i], keys[j] = min(keys[i], keys[j]), max(keys[i], keys[j])
    assert keys.tolist() == list(range(size))


@pytest.mark.parametrize("n_genes", [978, 12_328])
@pytest.mark.parametrize("kind", ["random", "tied", "all zero", "one sign", "outlier"])
def test_equal_to_the_definition(n_genes, kind):
    rng = np.random.default_rng(n_genes)
    z = rng.standard_normal((3, n_genes)).astype(np.float32)
    z = {"tied": np.round(z * 2) / 2, "all zero": z * 0, "one sign": -np.abs(z), "outlier": z * 1e-6}.get(kind, z)
    if kind == "outlier":
        z[:, 7] = 250
    sets = [rng.permutation(n_genes)[:size] for size in (1, 2, 150, 250, n_genes - 1, n_genes)] + [np.arange(5, 30)]
    found = RankIndex(z).enrichment_scores(sets)
    assert found.shape == (7, 3) and found.dtype == np.float32
    expected = np.array([[plain_es(row, tags) for row in z] for tags in sets])
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kind", ["random", "tied", "mirrored", "one sign", "tiny", "outlier", "zeros within"])
@pytest.mark.parametrize("n_sets", [1, 8, 9, 17, 60])
def test_the_dense_walk_is_the_definition_and_the_network(kind, n_sets):
    rng = np.random.default_rng(n_sets)
    z = rng.standard_normal((35, 978)).astype(np.float32)
    z = {"tied": np.round(z), "one sign": np.abs(z), "tiny": z * 1e-42, "zeros within": z * (z > 1)}.get(kind, z)
    if kind == "mirrored":  # deviations of equal size on either side
        z = np.concatenate([z[:, :489], -z[:, :489]], axis=1)
    if kind == "outlier":
        z[:, 7] = 1e30
    sets = [rng.permutation(978)[:size] for size in rng.choice([1, 2, 37, 150, 250, 977, 978], n_sets)]
    sets[0] = np.r_[np.arange(60), np.arange(489, 549)]
    index, starts = RankIndex(z), np.concatenate([[0], np.cumsum([len(tags) for tags in sets])])
    dense = dense_scores(index.values, index.ranks, np.concatenate(sets), starts, TIE)
    np.testing.assert_allclose(dense, [[plain_es(row, tags) for row in z] for tags in sets], atol=2e-6, rtol=0)
    networked = network_scores(index.values, index.ranks, np.concatenate(sets), starts, TIE)
    np.testing.assert_allclose(dense, networked, atol=2e-6, rtol=0)


@pytest.mark.parametrize("n_genes", [300, 65_535])  # the rank that stands for none is 65,535 at most
@pytest.mark.parametrize("n_sets", [1, 15, 16, 17, 33])
def test_the_network_takes_sets_of_any_sizes_side_by_side(n_genes, n_sets):
    rng = np.random.default_rng(n_sets)
    z = rng.standard_normal((2, n_genes)).astype(np.float32)
    z[1] = np.round(z[1])
    sets = [rng.permutation(n_genes)[:size] for size in rng.integers(0, 250, n_sets)]
    sets[0] = np.arange(n_genes - 1, n_genes - 4, -1)
    lasts = [np.argsort(-row, kind="stable")[-4:] for row in z.astype(np.float64)]
    sets = [*sets, *lasts][-n_sets:] if n_sets > 2 else sets  # the last ranks beside longer sets
    index, starts = RankIndex(z), np.concatenate([[0], np.cumsum([len(tags) for tags in sets])])
    found = network_scores(index.values, index.ranks, np.concatenate(sets), starts, TIE)
    np.testing.assert_allclose(found, [[plain_es(row, tags) for row in z] for tags in sets], atol=2e-6, rtol=0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 130), st.integers(2, 40), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_number_of_signatures(seed, n_signatures, n_genes, tied):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n_signatures, n_genes)).astype(np.float32)
    z = np.round(z) if tied else z
    sets = [rng.permutation(n_genes)[:size] for size in rng.integers(1, n_genes, 3)] + [np.empty(0, int)]
    found, profiles = RankIndex(z).enrichment_scores(sets), Profiles(torch.as_tensor(z.astype(np.float64)))
    expected = [enrichment_scores([torch.as_tensor(tags)], profiles)[0].numpy() for tags in sets]
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=0)


def test_no_sets_and_no_signatures():
    assert RankIndex(np.zeros((3, 5), np.float32)).enrichment_scores([]).shape == (0, 3)
    assert RankIndex(np.zeros((0, 5), np.float32)).enrichment_scores([np.array([1])]).shape == (1, 0)


def test_more_genes_than_an_index_holds():
    with pytest.raises(ValueError, match="65536 genes, at most 65535"):
        RankIndex(np.zeros((1, 65_536), np.float32))
    z = np.random.default_rng(0).standard_normal((2, 70_000)).astype(np.float32)
    score = enrichment_scores([torch.arange(150)], Profiles(torch.as_tensor(z)))[0]  # the plain form takes over
    assert score.numpy() == pytest.approx([plain_es(row, np.arange(150)) for row in z], abs=2e-6)
