"""Replicates to signatures: MODZ and TAS against plain definitions, on generated wells."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plates import plain_modz, wells

from scperturb_cmap.reference.collapse import modz, plate_scale, robust_z, strength, tas


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_modz_is_its_definition_and_cmappys(n):
    from cmapPy.math.agg_wt_avg import agg_wt_avg

    z, landmarks = wells(n, n), np.arange(200) < 120
    np.testing.assert_allclose(modz(z, landmarks).signature, plain_modz(z, landmarks), atol=1e-9)
    if n > 1:  # cmapPy correlates all genes it is given, and does not clip
        everything = np.clip(z, -10, 10)
        theirs = agg_wt_avg(pd.DataFrame(everything.T), min_wt=0.01, corr_metric="spearman")[0]
        np.testing.assert_allclose(modz(everything, np.ones(200, bool)).signature, theirs, atol=2e-3)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_weights_and_correlations_are_cmappys(n):
    """cmapPy takes mean correlations (the same after normalisation) and rounds all it gives back to 4 places."""
    from cmapPy.math.agg_wt_avg import agg_wt_avg

    z = wells(n, n, noise=3)
    found = modz(z, np.ones(200, bool))
    _, pairs, _, weights = agg_wt_avg(pd.DataFrame(np.clip(z, -10, 10).T), min_wt=0.01, corr_metric="spearman")
    np.testing.assert_allclose(found.weights, weights, atol=6e-5)
    assert found.correlation == pytest.approx(np.percentile(pairs["corr"], 75), abs=1e-4)


SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, n=st.integers(2, 8), lost=st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_the_order_of_replicates_does_not_matter(seed, n, lost):
    rng = np.random.default_rng(seed)
    z = wells(seed, n, 60)
    z[rng.random(z.shape) < lost] = np.nan
    order = rng.permutation(n)
    one, other = modz(z, np.arange(60) < 40), modz(z[order], np.arange(60) < 40)
    np.testing.assert_allclose(other.signature, one.signature, atol=1e-9)
    np.testing.assert_allclose(other.weights, one.weights[order], atol=1e-12)
    assert other.correlation == pytest.approx(one.correlation) and 0 <= one.correlation <= 1


@given(seed=SEEDS, n=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_a_signature_lies_between_its_replicates(seed, n):
    z = np.random.default_rng(seed).standard_cauchy((n, 50))
    z[np.random.default_rng(seed).random(z.shape) < 0.3] = np.nan
    found, clipped = modz(z, np.ones(50, bool)), np.clip(z, -10, 10)
    there = ~np.isnan(z).all(axis=0)
    assert (np.isnan(found.signature) == ~there).all() and found.weights.sum() == pytest.approx(1)
    least, most = np.nanmin(clipped[:, there], axis=0), np.nanmax(clipped[:, there], axis=0)
    assert (least - 1e-9 <= found.signature[there]).all() and (found.signature[there] <= most + 1e-9).all()


def test_a_copy_of_a_replicate_draws_the_signature_to_it():
    z, landmarks = wells(n=3, noise=3), np.ones(200, bool)
    before, after = modz(z, landmarks), modz(np.vstack([z[:1], z]), landmarks)
    assert after.weights[0] == pytest.approx(after.weights[1]) and after.weights[0] > after.weights[2:].max()
    assert np.abs(after.signature - z[0]).mean() < np.abs(before.signature - z[0]).mean()
    assert after.correlation > before.correlation
    only = modz(np.tile(z[:1], (5, 1)), landmarks)
    np.testing.assert_allclose(only.signature, np.clip(z[0], -10, 10))
    assert only.correlation == pytest.approx(1)


def test_single_precision_is_enough():
    z, landmarks = wells(n=4), np.ones(200, bool)
    found = modz(z.astype(np.float32), landmarks)
    assert found.signature.dtype == np.float64
    np.testing.assert_allclose(found.signature, modz(z, landmarks).signature, atol=1e-4)


def test_modz_refuses_what_does_not_fit():
    for z, landmarks in (
        (np.empty((0, 3)), np.ones(3, bool)),
        (np.ones((2, 3)), np.ones(4, bool)),
        (np.ones(3), np.ones(3, bool)),
    ):
        with pytest.raises(ValueError, match="shape"):
            modz(z, landmarks)


def test_a_replicate_without_landmarks_counts_little_and_infinite_values_are_missing():
    z, landmarks = wells(n=4, noise=0.5), np.arange(200) < 100
    z[3, :100] = np.nan
    found = modz(z, landmarks)
    assert found.weights[3] < 0.02 and np.isfinite(found.signature).all()
    np.testing.assert_allclose(found.weights[:3] / found.weights[:3].sum(), modz(z[:3], landmarks).weights)
    z[0, 150] = np.nan
    expected = modz(z, landmarks).signature
    z[0, 150] = np.inf
    np.testing.assert_array_equal(modz(z, landmarks).signature, expected)


def test_two_shared_landmarks_are_no_correlation():
    z = np.full((2, 9), np.nan)
    z[0, :5], z[1, 3:] = np.arange(5), np.arange(6)
    assert modz(z, np.ones(9, bool)).correlation == 0
    assert modz(np.array([[1.0, 2], [3, 4]]), np.ones(2, bool)).correlation == 0


def test_modz_properties():
    z, landmarks = wells(), np.ones(200, bool)
    z[4] = np.random.default_rng(9).normal(0, 2, 200)  # a failed well
    whole = modz(z, landmarks)
    assert whole.weights[4] < 0.3 * whole.weights[:4].min() and whole.weights.sum() == pytest.approx(1)
    turned = modz(z[::-1], landmarks)
    np.testing.assert_allclose(turned.signature, whole.signature)
    assert turned.correlation == pytest.approx(whole.correlation)
    np.testing.assert_allclose(modz(z[:2], landmarks).weights, 0.5)
    alone = modz(np.array([[50.0, -1.0]]), np.ones(2, bool))
    assert alone.signature.tolist() == [10, -1] and np.isnan(alone.correlation)


def test_a_missing_gene_is_the_mean_of_the_others():
    z = np.ones((3, 30)) * np.arange(30)
    z[0, 7], z[:, 8] = np.nan, np.nan
    found = modz(z, np.ones(30, bool)).signature
    assert found[7] == pytest.approx(7) and np.isnan(found[8]) and np.isfinite(np.delete(found, 8)).all()


def test_wells_that_do_not_vary_correlate_with_nothing():
    found = modz(np.zeros((3, 20)), np.ones(20, bool))
    assert found.correlation == 0 and (found.signature == 0).all()
    np.testing.assert_allclose(found.weights, 1 / 3)


def test_tas_rises_with_strength_agreement_and_replicates_and_stays_within_0_and_1():
    landmarks = np.ones(978, bool)

    def strong(n, z=3.0):
        return np.where(np.arange(978) < n, z, 0.0)

    assert tas(strong(978), landmarks, 3, 1.0) == pytest.approx(1)
    assert tas(strong(0), landmarks, 2, 1.0) == tas(strong(100), landmarks, 2, -0.5) == 0
    values = [tas(strong(n), landmarks, 3, 0.5) for n in (10, 100, 500)]
    assert values == sorted(values)
    assert tas(strong(50), landmarks, 3, 0.6) > tas(strong(50), landmarks, 3, 0.3)
    assert tas(strong(50, 1.2), landmarks, 3, 0.6) > tas(strong(50, 1.2), landmarks, 2, 0.6) == 0  # z sqrt(n) against 2
    assert np.isnan(tas(strong(50), landmarks, 1, np.nan))


def test_tas_is_a_share_of_the_landmarks_measured():
    landmarks, z = np.ones(100, bool), np.linspace(-4, 4, 100)
    assert strength(z, landmarks) == 50 and strength(z, np.arange(100) < 50) == 25
    assert strength(np.full(3, np.nan), np.ones(3, bool)) == 0
    assert tas(z / 2, landmarks, 4, 0.5) == pytest.approx(np.sqrt(0.25))
    half = np.where(np.arange(100) % 2, z / 2, np.nan)
    assert tas(half, landmarks, 4, 0.5) == pytest.approx(np.sqrt(0.25))
    assert np.isnan(tas(np.full(100, np.nan), landmarks, 4, 0.5)) and np.isnan(tas(z, landmarks, 4, np.nan))


@given(share=st.floats(0, 1), n=st.integers(2, 500), correlation=st.floats(-1, 1))
def test_tas_stays_within_0_and_1(share, n, correlation):
    z = np.where(np.arange(978) < share * 978, 5.0, 0.0)
    assert 0 <= tas(z, np.ones(978, bool), n, correlation) <= 1


def test_a_missing_value_of_a_well_leaves_the_other_wells_alone():
    x = np.random.default_rng(0).normal(8, 1, (24, 3))
    whole = robust_z(x, np.array(["p"] * 24))
    x[0, 1], x[1, 2], x[:15, 0] = np.nan, np.inf, np.nan
    z = robust_z(x, np.array(["p"] * 24))
    assert np.isnan(z[0, 1]) and np.isnan(z[1, 2]) and np.isfinite(np.delete(z[:, 1], 0)).all()
    assert np.abs(z[2:, 1:] - whole[2:, 1:]).max() < 0.5
    assert np.isnan(z[:, 0]).all()  # nine wells are too few for a scale


def test_wells_without_a_plate_have_no_z():
    x = np.random.default_rng(0).normal(8, 1, (25, 3))
    for plates in (
        np.array(["p"] * 12 + [None, "", np.nan] + ["q"] * 10, object),
        np.array([1.0] * 12 + [np.nan] * 3 + [2] * 10),
    ):
        z = robust_z(x, plates)
        assert np.isnan(z[12:15]).all() and np.isfinite(np.delete(z, [12, 13, 14], axis=0)).all()
    assert robust_z(x.astype(np.float32), np.array(["p"] * 25)).dtype == np.float64
    assert robust_z(np.empty((0, 3)), np.array([])).shape == (0, 3)
    with pytest.raises(ValueError, match="25 wells, but 3 plates"):
        robust_z(x, np.array(["p"] * 3))


def test_a_plate_is_its_own_control():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(8, 1, (300, 4)), rng.normal(5, 2, (300, 4))])
    plates = np.repeat(["a", "b"], 300)
    z = robust_z(x, plates)
    for plate in "ab":
        np.testing.assert_allclose(np.median(z[plates == plate], axis=0), 0, atol=1e-9)
        assert np.abs(np.median(np.abs(z[plates == plate]), axis=0) * 1.4826 - 1).max() < 1e-9
    assert np.isnan(plate_scale(x[:9])[0]).all() and np.isclose(plate_scale(np.ones((12, 1)))[1], 0.14826)  # floor
