"""Figures of the validation: metrics beside scikit-learn's, chance, coverage of intervals, indications, tables of other tools."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests

from scperturb_cmap import validation
from scperturb_cmap.ranking.known_drugs import indicated_compounds, measured_compounds
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.validation.disease import indication_recovery, sensitivity_agreement
from scperturb_cmap.validation.evaluate import evaluate_queries, summarise
from scperturb_cmap.validation.metrics import METRICS, chance, retrieval_metrics
from scperturb_cmap.validation.tables import validate_scores
from scperturb_cmap.validation.uncertainty import cluster_interval, holm


@pytest.mark.parametrize("decimals", [8, 1, 0])  # with ever more ties
def test_metrics_are_scikit_learns(decimals):
    random = np.random.default_rng(decimals)
    for _ in range(50):
        n = int(random.integers(20, 300))
        positive = random.random(n) < 0.1
        positive[:2] = True, False
        scores = random.normal(size=n).round(decimals) + positive
        found = retrieval_metrics(scores, positive)
        assert found["average_precision"] == pytest.approx(sk.average_precision_score(positive, scores))
        assert found["auroc"] == pytest.approx(sk.roc_auc_score(positive, scores))
        assert found["ndcg"] == pytest.approx(sk.ndcg_score(positive[None].astype(float), scores[None]))
        f = 0.01  # scikit-learn gives McClish's standardised area
        area = (2 * sk.roc_auc_score(positive, scores, max_fpr=f) - 1) * (f - f**2 / 2) + f**2 / 2
        assert found["partial_auc_0.01"] == pytest.approx(area / f)


@pytest.mark.parametrize("n_negative", [100, 200, 1000])
def test_no_positive_behind_the_last_negative_counts_in_an_early_area(n_negative):
    """Where a limit is a whole number of negatives."""
    random = np.random.default_rng(n_negative)
    positive = np.zeros(n_negative + 10, bool)
    positive[:10] = True
    for _ in range(20):
        scores, f = random.permutation(len(positive)), 0.01
        area = (2 * sk.roc_auc_score(positive, scores, max_fpr=f) - 1) * (f - f**2 / 2) + f**2 / 2
        assert retrieval_metrics(scores, positive)["partial_auc_0.01"] == pytest.approx(area / f)
    behind = np.r_[np.arange(10), np.arange(-n_negative + 1, 0), 99]
    assert n_negative != 100 or retrieval_metrics(behind, positive)["partial_auc_0.01"] == 0


def test_a_perfect_and_a_worst_order():
    positive = np.arange(200) < 4
    best, worst = (retrieval_metrics(sign * -np.arange(200.0), positive) for sign in (1, -1))
    ideal = {
        "precision_at_10": 0.4,
        "precision_at_50": 0.08,
        "recall_at_1": 0.25,
        "percentile": 0,
        "enrichment_factor_1": 50,
    }
    assert {name: best[name] for name in METRICS} == pytest.approx({name: ideal.get(name, 1.0) for name in METRICS})
    assert worst["auroc"] == worst["bedroc"] == 0 and worst["percentile"] == pytest.approx(196 / 199)


@pytest.mark.parametrize(("n", "n_positive"), [(100, 1), (101, 7), (40, 20)])
def test_chance_is_what_random_orders_give(n, n_positive):
    random, positive = np.random.default_rng(0), np.arange(n) < n_positive
    drawn = pd.DataFrame([retrieval_metrics(random.random(n), positive) for _ in range(4000)])
    error = drawn.std() / np.sqrt(len(drawn))
    assert (abs(drawn.mean() - pd.Series(chance(n, n_positive))) < 4 * error + 1e-12).all()


def test_random_scores_are_at_chance_within_their_intervals():
    """With an interval of 95 % some of 40 runs miss; 0.5 and the expectation are inside about 38."""
    inside = []
    for run in range(40):
        random = np.random.default_rng(run)
        positive = random.random((60, 80)) < 0.1
        positive[:, 0], positive[:, 1] = True, False
        about = pd.DataFrame({"cluster": random.integers(0, 30, 60).astype(str), "task": "t", "half": ""})
        found = evaluate_queries({"random": random.random((60, 80))}, positive, ~positive, about)
        table = summarise(found, [], seed=run).set_index("metric")
        inside.append(
            [table.at[m, "low"] <= table.at[m, "chance"] <= table.at[m, "high"] for m in ("auroc", "average_precision")]
        )
        assert table.at["auroc", "chance"] == 0.5
    assert (np.mean(inside, axis=0) >= 0.85).all()


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_intervals_cover_the_true_difference_in_93_to_97_percent_of_400_runs(kind):
    covered = 0
    for run in range(400):
        random = np.random.default_rng([run, 7])
        size = random.integers(1, 8, 60)
        clusters = np.repeat(np.arange(60), size)
        effect = random.normal(size=60) if kind == "normal" else random.gamma(2.0, 1.0, 60) - 2
        values = 0.1 + effect[clusters] + 0.5 * random.normal(size=len(clusters))
        low, high = cluster_interval(values, clusters, seed=run, n=2000)[:, 0]
        covered += low <= 0.1 <= high
    assert 0.93 <= covered / 400 <= 0.97


def test_an_interval_of_nearly_equal_clusters_stays_finite():
    values = np.zeros(60)
    values[0] = -0.1
    low, high = cluster_interval(values, np.arange(60))[:, 0]
    assert -0.02 < low < 0 <= high < 0.02


def test_holm_is_statsmodels():
    p = np.random.default_rng(0).random(9) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert len(holm([])) == 0


def test_indications_are_compared_with_drugs_of_equal_degree():
    random = np.random.default_rng(0)
    names = [f"d{n}" for n in range(200)]
    degree = pd.Series(random.integers(0, 3, 200), names)
    popular = pd.Series(-degree.to_numpy(float) + 0.01 * random.normal(size=200), names)  # popularity alone
    indicated = set(degree.index[degree == 2][:15])
    by_popularity = indication_recovery(popular, indicated, degree)
    assert by_popularity.null_low < by_popularity.auroc < by_popularity.null_high and by_popularity.p > 0.05
    real = popular - 5 * popular.index.isin(indicated)
    found = indication_recovery(real, indicated, degree)
    assert found.auroc == 1 and found.p < 0.01 and found.n == 15
    assert "3 are needed" in indication_recovery(popular, {"d0"}, degree).reason
    p = [
        indication_recovery(pd.Series(random.normal(size=200), names), indicated, degree, n_null=200, seed=k).p
        for k in range(40)
    ]
    assert 0.3 < np.mean(p) < 0.7


def test_sensitivities_agree_with_scores_as_far_as_they_do():
    random, names = np.random.default_rng(0), [f"d{n}" for n in range(60)]
    truth, covered, p = 6 / np.pi * np.arcsin(0.25), 0, []  # Spearman's of a normal pair whose Pearson's is 0.5
    for seed in range(100):
        one, other = random.normal(size=(2, 60))
        scores, sensitivity = (pd.Series(side, names) for side in (one, 0.5 * one + np.sqrt(0.75) * other))
        found = sensitivity_agreement(scores, sensitivity, n_null=99, n_draws=400, seed=seed)
        covered += found.low <= truth <= found.high
        p.append(sensitivity_agreement(scores, pd.Series(other, names), n_null=99, n_draws=2, seed=seed).p)
    assert 88 <= covered <= 99 and 0.4 < np.mean(p) < 0.6
    assert (
        found.spearman == pytest.approx(spearmanr(scores, sensitivity).statistic) and found.p == 0.01 and found.n == 60
    )
    turned = sensitivity_agreement(scores, -sensitivity)
    assert turned.spearman == pytest.approx(-found.spearman) and turned.p > 0.9
    assert sensitivity_agreement(scores, sensitivity[::-1]) == sensitivity_agreement(
        scores, sensitivity
    )  # by name, not by place
    assert "10 are needed" in sensitivity_agreement(scores[:20], sensitivity[11:]).reason
    assert "one sensitivity" in sensitivity_agreement(scores, sensitivity * 0).reason


def test_tables_of_sensitivity_are_read_like_those_of_indications():
    table = pd.DataFrame(
        {"disease": ["GBM", " gbm", "", "gbm"], "drug": ["A-1", "a 1", "B", ""], "sensitivity": list("1234")}
    )
    found = measured_compounds(table, "s.tsv")
    assert found["compound_id"].tolist() == ["a-1", "a-1"] and found["sensitivity"].tolist() == [1, 2]
    assert indicated_compounds(table, "s.tsv")["dataset"].tolist() == ["GBM", "gbm"]
    for column, wrong in (
        ("sensitivity", "column 'sensitivity'"),
        ("drug", "column 'compound'"),
        ("disease", "column 'dataset'"),
    ):
        with pytest.raises(InputError, match="s.tsv") as error:
            measured_compounds(table.drop(columns=column), "s.tsv")
        assert wrong in str(error.value)
    for text in ("resistant", "inf"):
        with pytest.raises(InputError, match="is no number. Write an AUC") as error:
            measured_compounds(table.assign(sensitivity=["1", text, "", "2"]), "s.tsv")
        assert repr(text) in str(error.value)


@pytest.mark.parametrize(("change", "field"), [
    (lambda s, t: (s.drop(columns="query"), t), "query"),
    (lambda s, t: (s.drop(columns="mine"), t), "no column of scores"),
    (lambda s, t: (pd.concat([s, s[:1]]), t), "stands twice"),
    (lambda s, t: (s, t.assign(label="maybe")), "neither yes nor no"),
    (lambda s, t: (s, t.assign(label="0")), "no positive"),
    (lambda s, t: (s, t.assign(query="z")), "both a positive and a negative"),
    (lambda s, t: (s, pd.concat([t, t])), "stands twice"),
    (lambda s, t: (s.assign(mine=[np.inf, 1, 0]), t), "infinite"),
    (lambda s, t: (s.rename(columns={"mine": "score"}).assign(method=""), t), "names no method"),
    (lambda s, t: (s.rename(columns={"mine": "score"}).assign(method="m", score="high"), t), "is no number"),
    (lambda s, t: (s.assign(mine=["3,5", "2", "1"]), t), "'3,5' is no number"),
    (lambda s, t: (s, pd.concat([t, t.assign(item="b")]).assign(cluster=["x", "y"])), "is of 2 clusters"),
])  # fmt: skip
def test_damaged_tables_of_scores_are_refused_in_words(change, field):
    scores = pd.DataFrame({"query": ["q"] * 3, "item": list("abc"), "mine": [3.0, 2, 1]})
    known = pd.DataFrame({"query": ["q"], "item": ["a"], "label": ["1"]})
    with pytest.raises(InputError, match=field):
        validation.validate_scores(*change(scores, known))


def test_methods_of_a_long_table_are_compared_with_the_first_that_stands_there():
    rows = [(f"q{q}", f"i{i}", method, float(i)) for method in ("wtcs", "alpha") for q in range(3) for i in range(5)]
    table = pd.DataFrame(rows, columns=["query", "item", "method", "score"])
    labels = pd.DataFrame({"query": [f"q{q}" for q in range(3)], "item": "i1", "label": 1})
    found = validate_scores(table, labels, seed=1)
    assert set(found["compared_with"].dropna()) - {""} == {"wtcs"}


def test_tables_of_other_tools_long_or_wide_give_the_same():
    random = np.random.default_rng(0)
    wide = pd.DataFrame(
        [
            {"query": f"q{q}", "item": f"i{i}", "a": random.normal(), "b": random.normal()}
            for q in range(5)
            for i in range(20)
        ]
    )
    long = wide.melt(["query", "item"], var_name="method", value_name="score")
    known = pd.DataFrame({"query": [f"q{q}" for q in range(5)], "item": "i3", "label": 1})
    one, other = (validation.validate_scores(table, known) for table in (wide, long))
    pd.testing.assert_frame_equal(one, other)
    numbered = long.assign(method=long["method"].map({"a": 1, "b": 2}))
    assert set(validation.validate_scores(numbered, known)["method"]) == {"1", "2"}
    for name in ("", "Unnamed: 0"):  # row numbers, as pandas writes and reads them
        odd = wide.assign(**{name: range(len(wide))})[[name, *wide]]
        pd.testing.assert_frame_equal(validation.validate_scores(odd, known), one)
    large, known_large = (table.assign(query=table["query"].str[1:].astype(float) * 1e19) for table in (wide, known))
    pd.testing.assert_frame_equal(validation.validate_scores(large, known_large), one)
    some = wide.assign(b=wide["b"].where(wide["query"] != "q0"))  # a query that one method has no score for
    mine = validation.validate_scores(some, known.assign(cluster=["", "", "x", "x", "x"]))
    mine = mine[(mine["metric"] == "auroc") & (mine["compared_with"] == "")].set_index("method")
    assert mine.at["a", "n_queries"] == 5 and mine.at["b", "n_queries"] == 4 and mine.at["a", "n"] == 3
    turned = validation.validate_scores(wide.assign(a=-wide["a"], b=-wide["b"]), known, higher=False)
    pd.testing.assert_frame_equal(one, turned)


def test_a_tool_that_lists_its_first_ten_takes_nothing_from_the_others(caplog):
    random = np.random.default_rng(0)
    rows = [(f"q{q}", f"i{i}") for q in range(30) for i in range(40)]
    full = pd.DataFrame(rows, columns=["query", "item"]).assign(full=random.normal(size=1200))
    full["full"] += 1.5 * (full["item"] == "i3")
    known = pd.DataFrame({"query": [f"q{q} " for q in range(30)], "item": "i3", "label": 1})

    def area(table, **options):
        found = validation.validate_scores(table, known, **options)
        return found[(found["metric"] == "auroc") & (found["compared_with"] == "")].set_index("method")

    alone = area(full)
    short = full["full"].where(full.groupby("query")["full"].rank(ascending=False) <= 10)
    beside = area(full.assign(short=short.map(str).replace("nan", " n/a ")))
    assert alone.at["full", "n_queries"] == beside.at["full", "n_queries"] == beside.at["short", "n_queries"] == 30
    assert alone.at["full", "value"] == beside.at["full", "value"] and "they count as its last" in caplog.text
    found = full["item"].eq("i3") & short.notna()
    ranks = short.groupby(full["query"]).rank(ascending=False)
    lists = np.where(found[full["item"].eq("i3")], (40 - ranks[full["item"].eq("i3")]) / 39, 0.5 * 29 / 39)
    np.testing.assert_allclose(beside.at["short", "value"], lists.mean())
    assert area(full.assign(short=short), missing="left_out").at["full", "n_queries"] < 30
    lost = full[(full["item"] != "i3") | (full["query"] != "q0")]  # no tool has a score for what is sought
    assert area(lost).at["full", "value"] < alone.at["full", "value"]
