"""Ranks by radix sort against numpy's stable sort."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scperturb_cmap.scoring.profiles import Profiles
from scperturb_cmap.utils.ranks import are_ranks, descending_ranks


def by_argsort(values: np.ndarray) -> np.ndarray:
    order = np.argsort(-values.astype(np.float64), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values.shape[1])[None], axis=1)
    return ranks


@pytest.mark.parametrize("n_genes", [1, 2, 978, 12_328, 70_000])
@pytest.mark.parametrize("kind", ["random", "tied", "zeros", "one sign", "tiny"])
def test_ranks_are_those_of_a_stable_sort(n_genes, kind):
    rng = np.random.default_rng(n_genes)
    z = rng.standard_normal((3, n_genes)).astype(np.float32)
    z = {"tied": np.round(z * 2) / 2, "zeros": z * 0, "one sign": np.abs(z), "tiny": z * 1e-42}.get(kind, z)
    assert z.dtype == np.float32
    np.testing.assert_array_equal(descending_ranks(z), by_argsort(z))


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(0, 4), st.integers(0, 40)),
        elements=st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0]),
    )
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_values(values):
    np.testing.assert_array_equal(descending_ranks(values), by_argsort(values))


def test_missing_genes_stand_last_and_change_no_other_rank():
    z = np.random.default_rng(3).standard_normal((4, 500)).astype(np.float32)
    z[:, ::7], z[:, 1::7] = np.nan, -np.nan
    there = ~np.isnan(z[0])
    np.testing.assert_array_equal(descending_ranks(z)[:, there], by_argsort(z[:, there]))
    assert descending_ranks(z)[:, ~there].min() == there.sum()


def test_what_is_no_table_of_float32_is_refused():
    for wrong in (np.zeros((2, 2)), np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match="table of float32"):
            descending_ranks(wrong)


def test_profiles_rank_alike_in_either_precision():
    z = np.round(np.random.default_rng(0).standard_normal((5, 300)) * 3).astype(np.float32)
    fast, plain = Profiles(torch.as_tensor(z)).ranks, Profiles(torch.as_tensor(z.astype(np.float64))).ranks
    assert torch.equal(fast.long(), plain)
    turned = Profiles(torch.as_tensor(np.ascontiguousarray(z.T)).T).ranks  # not contiguous
    assert torch.equal(turned, fast)


@pytest.mark.parametrize("change", ["genes", "sign", "order", "floats"])
def test_ranks_of_other_values_are_recognised(change):
    values = np.random.default_rng(1).normal(size=(20, 300)).astype(np.float32)
    values[:, :40] = 0
    ranks = descending_ranks(values)
    assert are_ranks(ranks, values)
    if change == "genes":
        assert not are_ranks(ranks[:, ::3], values[:, ::3])
    elif change == "sign":
        assert not are_ranks(ranks, -values)
    elif change == "order":
        assert not are_ranks(ranks[::-1], values)
    else:
        assert not are_ranks(ranks.astype(float), values)
