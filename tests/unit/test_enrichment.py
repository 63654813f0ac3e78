"""Enrichment of mechanisms and targets: its definition, planted mechanisms, and p-values where there is nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scperturb_cmap.io import schemas
from scperturb_cmap.ranking import enrich_ranking, enrichment
from scperturb_cmap.ranking.enrichment import _PERMUTATIONS, PERMUTED, QUERIES

N_DRUGS, N_SETS, SIZE = 200, 20, 8


def names(n: int) -> list[str]:
    return [f"drug {k:03d}" for k in range(n)]


def annotated(n_sets: int = N_SETS) -> pd.DataFrame:
    """The first drugs in sets of 8, the others in none."""
    mechanism = [f"mechanism {k // SIZE:02d}" if k < n_sets * SIZE else "" for k in range(N_DRUGS)]
    return pd.DataFrame({"mechanism": mechanism, "targets": ""}, index=names(N_DRUGS))


def alike(rng: np.random.Generator, columns: int, rho: float = 0.6) -> pd.DataFrame:
    """Scores under unrelated queries: drugs of a mechanism go the same way, whichever that is."""
    shared = rng.normal(size=(N_DRUGS // SIZE, columns)).repeat(SIZE, axis=0)
    values = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(N_DRUGS, columns))
    return pd.DataFrame(values, index=names(N_DRUGS), columns=[f"query {n}" for n in range(columns)])


def walk(scores: pd.Series, members: set[str]) -> tuple[float, list[str]]:
    """ES and leading drugs, drug by drug down the list."""
    order = scores.sort_values(ascending=False)
    steps = [abs(s) / scores[list(members)].abs().sum() if d in members else -1 / (len(scores) - len(members))
             for d, s in order.items()]  # fmt: skip
    sums = np.concatenate([[0], np.cumsum(steps)])
    top, bottom = sums.argmax(), sums.argmin()
    if sums[top] > -sums[bottom]:
        return sums[top], [d for d in order.index[:top] if d in members]
    return sums[bottom], [d for d in order.index[bottom:][::-1] if d in members]


def test_es_and_leading_drugs_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    scores = alike(rng, 3).set_axis(["B", "T", "NK"], axis=1)
    scores.loc["drug 007", "T"] = np.nan
    scores.iloc[170:185] = 0.0  # a drug without direction stays in the list
    annotation = annotated()
    annotation["targets"] = rng.choice(["G1|G2", "G2 | G3", "G4", ""], N_DRUGS)
    found = enrichment(scores, annotation, seed=3)
    assert found.groupby(["population", "kind"]).size().to_dict() == {
        (p, kind): n for p in ("B", "T", "NK") for kind, n in (("mechanism", N_SETS), ("target", 4))
    }
    for row in found.itertuples():
        mine = scores[row.population].dropna()
        column = annotation["mechanism" if row.kind == "mechanism" else "targets"]
        members = {d for d in mine.index if row.name in [one.strip() for one in column[d].split("|")]}
        es, leading = walk(mine, members)
        assert row.n_drugs == len(members) and row.es == pytest.approx(es, abs=1e-9)
        assert row.leading_drugs.split("|") == leading


@pytest.mark.parametrize("null", [None, 100])
def test_a_planted_mechanism_comes_first(null):
    rng = np.random.default_rng(2)
    scores = alike(rng, 2, rho=0.3).set_axis(["B", "T"], axis=1)
    scores.loc[names(SIZE), "B"] -= 3
    found = enrichment(scores, annotated(), alike(rng, null, rho=0.3) if null else None, seed=1)
    first = found[(found["population"] == "B") & (found["kind"] == "mechanism")].iloc[0]
    assert first["name"] == "mechanism 00" and first["es"] < -0.7 and first["nes"] < -1.5 and first["fdr"] < 0.12
    assert set(first["leading_drugs"].split("|")) <= set(names(SIZE)) and first["leading_drugs"].count("|") >= 5
    assert first["null"] == (QUERIES if null else PERMUTED)
    least = 1 / (1 + (2 * null if null else _PERMUTATIONS))
    assert first["p_value"] == pytest.approx(least)
    # One-sided: what mimics is not significant.
    turned = enrichment(-scores[["B"]], annotated(), alike(rng, null, rho=0.3) if null else None, seed=1)
    assert turned.loc[turned["name"] == "mechanism 00", "p_value"].item() > 0.99


def test_p_values_are_uniform_where_nothing_reverses():
    """Permuted drugs where drugs are independent; reference queries also where drugs of a mechanism are alike."""
    rng = np.random.default_rng(4)
    free = alike(rng, 20, rho=0.0)
    p = enrichment(free, annotated(), seed=5).query("kind == 'mechanism'")["p_value"].dropna()
    assert len(p) == 400 and stats.kstest(p, "uniform").pvalue > 0.01
    bound = alike(rng, 20)
    related = enrichment(bound, annotated(), alike(rng, 300)).query("kind == 'mechanism'")["p_value"].dropna()
    assert len(related) == 400 and stats.kstest(related, "uniform").pvalue > 0.01
    naive = enrichment(bound, annotated(), seed=5).query("kind == 'mechanism'")["p_value"].dropna()
    assert (naive < 0.05).mean() > 0.2  # why permuted drugs are second best


def test_p_and_nes_are_those_of_their_formulas():
    rng = np.random.default_rng(6)
    scores, null = alike(rng, 1).set_axis(["B"], axis=1), alike(rng, 25)
    null.loc["drug 003", "query 4"] = np.nan
    found = enrichment(scores, annotated(), null).query("kind == 'mechanism'").set_index("name")
    assert found["fdr"].to_list() == pytest.approx(stats.false_discovery_control(found["p_value"]))
    for number in (0, 5, 19):
        members = set(names(N_DRUGS)[number * SIZE : (number + 1) * SIZE])
        chance = [
            walk(sign * null[q].dropna(), members - set(null.index[null[q].isna()]))[0]
            for q in null
            for sign in (1, -1)
        ]
        row = found.loc[f"mechanism {number:02d}"]
        assert row["p_value"] == pytest.approx((1 + sum(es <= row["es"] + 1e-12 for es in chance)) / 51)
        assert row["nes"] == pytest.approx(row["es"] / np.mean([abs(es) for es in chance if es * row["es"] > 0]))


def test_the_seed_decides_the_permutations():
    scores = alike(np.random.default_rng(7), 1).set_axis(["B"], axis=1)
    first, again, other = (enrichment(scores, annotated(), seed=seed)["p_value"] for seed in (0, 0, 1))
    pd.testing.assert_series_equal(first, again)
    assert not first.equals(other) and first.dropna().nunique() > 5


def test_what_cannot_be_tested_says_why():
    scores = pd.DataFrame({"B": [-0.5, 0.1, 0.0, 0.3], "T": [-0.5, np.nan, np.nan, 0.3]}, index=list("abcd"))
    annotation = pd.DataFrame({"mechanism": "X", "targets": ["G", "G", "G|H", "H"]}, index=list("abcd"))
    for null in (None, pd.DataFrame({"q": np.nan}, index=list("abcd"))):
        found = enrichment(scores, annotation, null).assign(dataset="d")
        schemas.ENRICHMENT.validate(found)
        found = found.set_index(["population", "kind"])
        assert found.loc[("B", "mechanism"), "reason"] == "Every ranked drug is in the set."
        assert found.loc[("T", "target"), "reason"] == "Nothing in the annotation has 3 ranked drugs."
        lacking = "No reference query has scores of these drugs."
        assert found.loc[("B", "target"), ["name", "reason"]].tolist() == ["G", lacking if null is not None else ""]
    zeros = enrichment(scores[["B"]] * 0, annotation).assign(dataset="d")
    schemas.ENRICHMENT.validate(zeros)
    assert zeros.loc[zeros["name"] == "G", ["es", "nes", "p_value"]].iloc[0].tolist() == [0, 0, 1]


def test_the_table_of_a_data_set():
    drugs = pd.DataFrame(
        {"compound_id": list("abcde"), "compound": list("ABCDE"), "score": [-0.9, -0.8, -0.7, 0.1, 0.2]}
    )
    drugs = drugs.assign(population="T", rank=[1, 2, 3, 4, 5], reason="few donors")
    drugs = pd.concat([drugs, pd.DataFrame({"population": ["B"], "reason": "skipped: why"})]).assign(dataset="d")
    annotation = pd.DataFrame({"mechanism": ["X"] * 3 + ["Y"] * 2, "targets": ""}, index=list("abcde"))
    found = enrich_ranking(drugs, annotation, seed=1)
    schemas.ENRICHMENT.validate(found)
    assert found["population"].tolist() == ["T", "T", "B", "B"]  # in the order of the ranking
    assert found.loc[0, ["name", "leading_drugs"]].tolist() == ["X", "C|B|A"[::-1]]
    assert found["reason"].tolist()[1:] == ["Nothing in the annotation has 3 ranked drugs.", *["skipped: why"] * 2]
    without = enrich_ranking(drugs, None)
    schemas.ENRICHMENT.validate(without)
    assert (without["status"] == "not_run").all() and without["reason"].unique().tolist() == [
        "No drug annotation was given (--drugs)."
    ]
    nothing = enrich_ranking(drugs.tail(1).assign(compound_id=None, compound=None), annotation)
    schemas.ENRICHMENT.validate(nothing)
    assert nothing["reason"].tolist() == ["skipped: why"] * 2
