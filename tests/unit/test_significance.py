"""Calibration of the p-values of drugs: planted nulls, planted reversers, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scperturb_cmap.ranking.matching import FEWEST_DRUGS, match_signatures, normal_scores
from scperturb_cmap.ranking.significance import FEWEST_QUERIES, drug_reach, drug_significance

N_DRUGS, N_RUNS, N_QUERIES = 300, 100, 80


def simulate(seed, rho, *, reversers=0, effect=0.0, atom=0.0, by_strength=False) -> tuple[pd.DataFrame, np.ndarray]:
    """Scores of 300 drugs with 1 to 50 signatures in 6 cell lines of different size, scale and strength.

    ``rho`` is the correlation within a drug (a pair of numbers: each drug draws its own between them; ``by_strength``: it
    grows from 0 with the drug's strength). The first ``reversers`` drugs have the same ``effect`` in every signature.
    ``atom``: share of scores that are exactly 0, as of WTCS. Also the scores of reference queries, shape (n_queries,
    n_signatures), in which no drug has an effect.
    """
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(0, np.log(50.99), N_DRUGS)).astype(int)
    drug = np.repeat(np.arange(N_DRUGS), size)
    line = rng.choice(6, len(drug), p=np.arange(6, 0, -1) / 21)
    potency = rng.uniform(0, 0.6, N_DRUGS)
    strength = np.clip(potency[drug] + rng.normal(0, 0.1, len(drug)), 0.01, 1)
    alike = rng.uniform(*rho, N_DRUGS) if isinstance(rho, tuple) else np.full(N_DRUGS, rho)
    alike = (alike * potency / 0.6 if by_strength else alike)[drug]
    x = np.sqrt(alike) * rng.normal(size=(N_QUERIES + 1, N_DRUGS))[:, drug]
    x += np.sqrt(1 - alike) * rng.normal(size=(N_QUERIES + 1, len(drug)))
    x[0] -= effect * (drug < reversers)
    x[np.abs(x) < stats.norm.ppf(0.5 + atom / 2)] = 0
    x *= (0.3 + strength) * np.linspace(0.5, 3, 6)[line]
    names = [f"drug {n:03d}" for n in drug]
    return pd.DataFrame({"compound_id": names, "cell_line": line, "tas": strength, "score": x[0]}), x[1:]


def test_of(table: pd.DataFrame, queries: np.ndarray | None = None) -> pd.DataFrame:
    if queries is None:
        queries = np.random.default_rng(0).normal(size=(FEWEST_QUERIES, len(table)))
    reach, _ = drug_reach(table, [([""] * len(queries), queries)], by=["cell_line"])
    return drug_significance(table, "score", reach, by=["cell_line"])


test_of.__test__ = False  # not a test


@pytest.mark.parametrize(
    "about",
    [
        {"rho": 0.0},
        {"rho": 0.1},
        {"rho": 0.25},
        {"rho": 0.5},
        {"rho": (0.0, 0.5)},
        {"rho": 0.5, "by_strength": True},
        {"rho": 0.25, "atom": 0.4},
        {"rho": 0.0, "atom": 0.7},
        pytest.param(
            {"rho": 0.5, "atom": 0.9},
            marks=pytest.mark.xfail(reason="not met: means of mostly zeros are far from normal (docs/methods.md, 5)"),
        ),
    ],
    ids=str,
)
def test_p_values_of_planted_nulls_are_uniform(about):
    """Kolmogorov-Smirnov in 100 runs; equal scores are put in random order first (seeded), or p would have steps."""
    uniform, many, one, far, called = [], [], [], [], []
    for seed in range(N_RUNS):
        table, queries = simulate(seed, **about)
        table["score"] += np.random.default_rng(seed).normal(0, 1e-9, len(table))
        found = test_of(table, queries)
        uniform.append(stats.kstest(found["p_value"], "uniform").pvalue > 0.01)
        many.append((found["p_value"] < 0.05)[found["n_signatures"] >= 20].mean())
        one.append((found["p_value"] < 0.05)[found["n_signatures"] == 1].mean())
        far.append((found["p_value"] < 0.001).mean())
        called.append((found["fdr"] <= 0.1).any())  # whatever is found is false
    print(
        f"\n{about}: uniform in {np.mean(uniform):.0%}; p < 0.05: {np.mean(many):.3f} of drugs with 20 or more signatures,"
        f" {np.mean(one):.3f} with one; p < 0.001: {np.mean(far):.4f}; FDR {np.mean(called):.2f} at 0.1"
    )
    assert np.mean(uniform) >= 0.95
    assert np.mean(many) < 0.065 and np.mean(one) < 0.06
    assert np.mean(far) < 0.004 and np.mean(called) <= 0.12


@pytest.mark.parametrize(("rho", "share"), [(0.0, (0.03, 0.07)), (0.1, (0.12, 0.4)), (0.25, (0.2, 0.5))])
def test_random_groups_of_single_signatures_would_not_do(rho, share):
    """Monte Carlo groups, matched just as well: the same where signatures are independent, far off where not."""
    shares, agree = [], []
    for seed in range(5):
        (table, queries), rng = simulate(seed, rho), np.random.default_rng(seed)
        x = normal_scores(table["score"].to_numpy()[None], match_signatures(table, ["cell_line"])).x[0]
        found = test_of(table, queries)
        means = pd.Series(x).groupby(table["compound_id"].to_numpy()).mean()
        many = found.index[found["n_signatures"] >= 20]
        p = [
            (1 + (rng.choice(x, (1999, found.loc[drug, "n_signatures"])).mean(axis=1) <= means[drug]).sum()) / 2000
            for drug in many
        ]
        shares.append(np.mean(np.array(p) < 0.05))
        agree.append(np.corrcoef(p, found.loc[many, "p_value"])[0, 1])
    print(f"\nrho {rho}: p < 0.05 in {np.mean(shares):.2f} of null drugs with 20 or more signatures")
    assert share[0] < np.mean(shares) < share[1]
    if rho == 0:
        assert min(agree) > 0.97


@pytest.mark.parametrize(
    ("about", "power"),
    [
        ({"rho": 0.0, "reversers": 30, "effect": 1.0}, 0.15),
        ({"rho": 0.1, "reversers": 10, "effect": 1.5}, 0.25),
        ({"rho": 0.25, "reversers": 5, "effect": 2.5}, 0.4),
        ({"rho": 0.25, "reversers": 60, "effect": 2.5}, 0.0),
        ({"rho": (0.0, 0.5), "reversers": 10, "effect": 2.5}, 0.2),
        ({"rho": 0.5, "by_strength": True, "reversers": 10, "effect": 2.5}, 0.2),
        ({"rho": 0.25, "atom": 0.4, "reversers": 10, "effect": 2.5}, 0.2),
        ({"rho": (0.0, 0.5), "reversers": 2, "effect": 2.5}, 0.2),
    ],
    ids=str,
)
def test_false_discoveries_are_as_few_as_promised(about, power):
    false, found_of = [], []
    for seed in range(N_RUNS):
        found = test_of(*simulate(seed, **about))
        called = (found["fdr"] <= 0.1).to_numpy()
        true = np.arange(N_DRUGS) < about.get("reversers", 0)
        false.append((called & ~true).sum() / max(called.sum(), 1))
        found_of.append(called[true].mean())
    print(f"\n{about}: FDR {np.mean(false):.3f} at 0.1, power {np.mean(found_of):.2f}")
    assert np.mean(false) <= 0.12 and np.mean(found_of) >= power


def test_neither_many_weak_nor_one_strong_signature_helps():
    """Under the null a drug of 50 weak signatures and one of a single strong signature are as often in the top 10 as any."""
    top = {"many weak": 0, "one strong": 0}
    runs = 300
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        about = [("many weak", 0.05, 50), ("one strong", 0.9, 1)]
        about += [(f"drug {n}", potency, rng.integers(1, 30)) for n, potency in enumerate(rng.uniform(0, 0.95, 98))]
        parts, scores = [], []
        for name, potency, size in about:
            strength = np.clip(potency + rng.normal(0, 0.05, size), 0.01, 1)
            # The stronger, the larger and the more alike the scores; row 0 is the population, the others are reference queries.
            x = np.sqrt(potency / 2) * rng.normal(size=(81, 1)) + np.sqrt(1 - potency / 2) * rng.normal(size=(81, size))
            parts.append(pd.DataFrame({"compound_id": name, "cell_line": rng.integers(0, 3, size), "tas": strength}))
            scores.append(x * strength)
        scores = np.concatenate(scores, axis=1)
        found = test_of(pd.concat(parts, ignore_index=True).assign(score=scores[0]), scores[1:])
        best = found["z"].nsmallest(10).index  # rank_drugs ranks by z
        for name in top:
            top[name] += name in best
    print("\nin the top 10:", {name: f"{n / runs:.3f}" for name, n in top.items()}, "expected 0.100")
    # Binomial: 0.1 + 2.6 standard errors.
    assert all(n / runs < 0.145 for n in top.values())


def test_matching_takes_out_scale_and_strength():
    """Cell line and strength multiply scores as they like: only the place within a stratum counts."""
    table, _ = simulate(1, 0.2)
    matched = match_signatures(table, ["cell_line"])
    stretched = table["score"] * pd.Series(matched.levels[0]).map(lambda code: 1 + code)
    np.testing.assert_allclose(
        normal_scores(table["score"].to_numpy()[None], matched), normal_scores(stretched.to_numpy()[None], matched)
    )
    drugs = pd.Series(matched.drug).groupby(matched.levels[0]).nunique()
    assert len(drugs) > 20 and (drugs > FEWEST_DRUGS).mean() > 0.9


def test_a_rank_by_hand():
    """Among 21 other drugs 3 are lower and 2 equal: (3 + 1 + 1) / 23."""
    score = np.concatenate([[0.0], [-3, -2, -1, 0, 0], np.arange(1, 17)])
    table = pd.DataFrame({"compound_id": [f"d{n:02d}" for n in range(22)], "cell_line": "A", "tas": np.nan})
    x, extended, _ = (one[0] for one in normal_scores(score[None], match_signatures(table, ["cell_line"])))
    assert stats.norm.cdf(x[0]) == pytest.approx(5 / 23)
    assert x[1] == pytest.approx(stats.norm.ppf(1 / 23))
    # Below them all: as far beyond the nearest, -2, as that is from the middle.
    assert extended[1] == pytest.approx(x[1] * (1 + (-3 - -2) / (-2 - np.sort(score)[11])))
    found = test_of(table.assign(score=score))
    np.testing.assert_allclose(found["p_two_sided"], 2 * np.minimum(found["p_value"], 1 - found["p_value"]))
    assert found["effective_n"].max() / found["effective_n"].min() < 1.001 and (found["n_matched"] == 1).all()
    np.testing.assert_allclose(found["fdr"], stats.false_discovery_control(found["p_value"]))


def test_ranks_are_those_of_a_plain_count():
    """Several drugs with several signatures, ties and missing scores, against a count of pairs."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "compound_id": rng.integers(0, 60, 300).astype(str), "cell_line": rng.integers(0, 2, 300), "tas": rng.random(300),
    })  # fmt: skip
    score = np.where(rng.random(300) < 0.1, np.nan, rng.integers(-9, 9, 300).astype(float) ** 3)
    matched = match_signatures(table, ["cell_line"])
    x, extended, _ = (one[0] for one in normal_scores(score[None], matched))
    stratum = np.array(matched.levels)[matched.level, np.arange(300)]
    for row in range(300):
        others = (table["compound_id"] != table["compound_id"][row]).to_numpy() & ~np.isnan(score)
        others &= matched.levels[matched.level[row]] == stratum[row]
        place = ((score < score[row])[others].sum() + (score == score[row])[others].sum() / 2 + 1) / (others.sum() + 2)
        expected = np.nan if np.isnan(score[row]) else stats.norm.ppf(place)
        assert x[row] == pytest.approx(expected, abs=1e-9, nan_ok=True)
        known = score[others]
        centre = np.median(known)
        for nearest, far in ((known.min(), score[row] < known.min()), (known.max(), score[row] > known.max())):
            expected *= 1 + (score[row] - nearest) / (nearest - centre) if far else 1
        assert extended[row] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("n_own", [1, 15, 45, 59, 61, 150])
def test_a_drug_is_measured_by_the_middle_of_the_others_alone(n_own):
    """A strong drug with more signatures than all others together is as far beyond them as with one."""
    others = np.random.default_rng(0).normal(scale=0.1, size=60)
    table = pd.DataFrame(
        {"compound_id": [f"d{n}" for n in range(60)] + ["lead"] * n_own, "cell_line": "A", "tas": np.nan}
    )
    scores = np.r_[others, np.full(n_own, -0.4)][None]
    x, extended, _ = normal_scores(scores, match_signatures(table, ["cell_line"]))
    far = (-0.4 - others.min()) / (others.min() - np.median(others))
    np.testing.assert_allclose(extended[0, 60:], x[0, 60] * (1 + far))
    assert extended[0, 60] < x[0, 60] < 0


def test_queries_of_the_drug_itself_and_their_sign_do_not_count():
    table, queries = simulate(1, 0.2)
    reach, _ = drug_reach(table, [([""] * N_QUERIES, queries)], by=["cell_line"])
    turned, _ = drug_reach(table, [([""] * 50, -queries[:50]), ([""] * 30, queries[50:])], by=["cell_line"])
    pd.testing.assert_frame_equal(turned, reach, rtol=1e-9)
    own = ["drug 003"] * 20 + [""] * 60
    queries[:20, (table["compound_id"] == "drug 003").to_numpy()] = 99
    without, calibrated = drug_reach(table, [(own, queries)], by=["cell_line"])
    assert without.loc["drug 003", "n_queries"] == 60 and calibrated.loc["drug 003"].isna().sum() == 20
    assert without.loc["drug 003", "variance"] == pytest.approx(reach.loc["drug 003", "variance"], rel=0.3)


def test_small_strata_are_pooled_and_said_so():
    """A drug alone in its cell line is compared with all others; a line without strength is a stratum of its own."""
    table, _ = simulate(2, 0.1)
    alone = pd.DataFrame({"compound_id": "alone", "cell_line": 99, "tas": 0.5, "score": [-9.0, -8.0]})
    found = test_of(pd.concat([table, alone], ignore_index=True))
    assert found.loc["alone", ["n_signatures", "n_matched"]].tolist() == [2, 0] and found.loc["alone", "p_value"] < 0.05
    others = found.drop("alone")
    assert (others["n_matched"] == others["n_signatures"]).all()


def test_missing_scores_are_left_out():
    table, _ = simulate(3, 0.2)
    gone = table["compound_id"].eq("drug 007") | (np.arange(len(table)) % 17 == 0)
    found = test_of(table.assign(score=table["score"].mask(gone)))
    assert found.loc["drug 007", ["n_signatures", "status", "reason"]].tolist() == [0, "not_tested", "It has no score."]
    assert found.loc["drug 007", ["z", "p_value", "p_two_sided", "fdr"]].isna().all()
    left = table[~gone].groupby("compound_id").size()
    assert (found.loc[left.index, "n_signatures"] == left).all() and found.loc[left.index, "z"].notna().all()


@pytest.mark.parametrize(
    ("drugs", "score", "reason"),
    [
        (["a"] * 30, np.arange(30.0), "There are 0 other drugs with a score, 20 are needed."),
        (list("abcd") * 8, np.arange(32.0), "There are 3 other drugs with a score, 20 are needed."),
        ([f"d{n}" for n in range(30)], np.zeros(30), "All scores it could be compared with are equal."),
        ([f"d{n}" for n in range(30)], np.full(30, np.nan), "It has no score."),
    ],
)
def test_what_cannot_be_tested_has_a_reason(drugs, score, reason):
    found = test_of(pd.DataFrame({"compound_id": drugs, "cell_line": "A", "tas": 0.1, "score": score}))
    assert found[["z", "p_value", "p_two_sided", "fdr"]].isna().all(axis=None)
    assert (found["status"] == "not_tested").all() and (found["reason"] == reason).all()


def test_without_reference_queries_nothing_is_tested():
    table, queries = simulate(4, 0.2)
    found = test_of(table, queries[: FEWEST_QUERIES - 1])
    assert found["p_value"].isna().all() and (found["reason"] == "There are 49 reference queries, 50 are needed.").all()
    assert test_of(table, queries[:FEWEST_QUERIES])["p_value"].notna().all()


def test_queries_without_scores_are_worth_nothing():
    """They measure other genes than the signatures, as those of another reference may."""
    table, queries = simulate(2, (0.0, 0.5))
    pair = [
        drug_reach(table, [([""] * len(q), q)], by=["cell_line"])[0]
        for q in (queries, np.concatenate([queries, np.full((150, len(table)), np.nan)]))
    ]
    pd.testing.assert_frame_equal(*pair)


def test_a_query_that_hardly_any_other_drug_has_a_score_for_gives_none():
    table = pd.DataFrame({"compound_id": [f"d{n}" for n in range(30)], "cell_line": "A", "tas": np.nan})
    values = np.random.default_rng(0).normal(size=(2, 30))
    values[1, 5:] = np.nan
    x, _, _ = normal_scores(values, match_signatures(table, ["cell_line"]))
    assert not np.isnan(x[0]).any() and np.isnan(x[1]).all()
