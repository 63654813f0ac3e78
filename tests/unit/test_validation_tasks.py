"""The tasks of make validate-real: what they count as a negative, and a planted truth they must find."""

from types import SimpleNamespace

import across_lines
import as_run
import known_answers
import numpy as np
import pandas as pd
import same_mechanism
from fold import unit
from metrics import average_precision, interval, interval_of_mean, percentiles

from scperturb_cmap.embedding.profiles import to_other_lines


def instances():
    """Four lines' worth of instances in the order of the scan: compounds 0..29 in line A, and again in line B."""
    compound = np.tile([f"c{n}" for n in range(30)], 2)
    return SimpleNamespace(compound=compound, line=np.repeat(["A", "B"], 30), number=np.arange(60))


def test_negatives_lie_beside_the_positive_in_its_line_and_are_other_compounds():
    query = instances()
    found = across_lines.trials(query, {"c0", "c15"})
    assert len(found) == 4
    for one, other, negatives, beside in found:
        assert query.compound[one] == query.compound[other] and query.line[one] != query.line[other]
        assert (query.line[negatives] == query.line[other]).all() and other not in negatives
        assert (abs(query.number[negatives] - query.number[other]) <= across_lines.NEAR).all()
        assert (query.line[beside] == query.line[one]).all() and one not in beside
        assert query.compound[other] not in query.compound[negatives]


def test_a_substituted_query_is_at_chance_where_only_compounds_count_and_not_where_the_scan_does():
    query, random = instances(), np.random.default_rng(0)
    compound = random.normal(size=(30, 40))
    by_compound = np.vstack([compound, compound]) + 0.1 * random.normal(size=(60, 40))
    # what drifts along the scan, the same way in both lines
    place = np.stack([np.sin(np.arange(30) / width) for width in (3, 5, 8)], axis=1)
    by_scan = np.vstack([place, place])
    out = {}
    for name, space in (("compound", by_compound), ("scan", by_scan)):
        scores = unit(space) @ unit(space).T
        sub = []
        for _, other, negatives, beside in across_lines.trials(query, set(query.compound)):
            for neighbour in beside:
                rest = negatives[query.compound[negatives] != query.compound[neighbour]]
                sub.append(across_lines.auc(scores[neighbour, other], scores[neighbour, rest]))
        out[name] = np.mean(sub)
    # a space of nothing but the scan reaches no more than this, so a few hundredths are much
    assert abs(out["compound"] - 0.5) < 0.02 and 0.55 < out["scan"] < 0.58


def test_map_to_other_lines_finds_unseen_compounds_by_what_the_lines_share():
    random = np.random.default_rng(0)
    compounds, lines = np.tile([f"c{n}" for n in range(300)], 2), np.repeat(["A", "B"], 300)
    shared, own = random.normal(size=(300, 5)), 2 * random.normal(size=(600, 20))
    scores = np.hstack([np.vstack([shared, shared]), own])
    trained = np.tile(np.arange(300) < 250, 2)

    def place(matrix):
        space = unit(scores @ matrix)
        near = space[250:300] @ space[550:].T
        return (near > np.diag(near)[:, None]).mean()

    found = to_other_lines(scores[trained], compounds[trained], lines[trained], 25, 1.0)
    assert place(found) < 0.2 < 0.35 < place(np.eye(25))
    # a compound of one line has nothing to be mapped to
    more = [np.append(side[trained], [extra], axis=0) for side, extra in ((compounds, "c999"), (lines, "A"))]
    again = to_other_lines(np.vstack([scores[trained], 0 * scores[:1]]), *more, 25, 1.0)
    assert np.allclose(abs(again), abs(found), atol=1e-3)


def test_percentile_of_a_random_ranker_is_one_half():
    random = np.random.default_rng(0)
    scores = random.normal(size=(2000, 101))
    positive = np.zeros(scores.shape, bool)
    positive[:, 7] = True
    assert abs(percentiles(scores, positive).mean() - 0.5) < 0.02
    assert percentiles(np.ones((1, 5)), positive[:1, 5:10])[0] == 0.5


def test_average_precision_by_hand():
    scores = np.array([[9.0, 3, 2, 1]] * 4)
    relevant = np.array([[False, True, False, True]] * 4)
    np.fill_diagonal(relevant, False)
    assert average_precision(scores, relevant)[0] == (1 + 2 / 3) / 2


def test_compounds_of_one_measurement_are_in_one_fold():
    random = np.random.default_rng(0)
    values, compounds = random.normal(size=(40, 30)), np.array([f"c{n:02}" for n in range(40)])
    values[[7, 21]] = values[3] * 2
    same = as_run.twins(values, compounds)
    assert same["c07"] == same["c21"] == same["c03"] == "c03" and same["c04"] == "c04"
    for seed in range(5):
        folds = as_run.folds_of(set(compounds), same, 5, seed, compounds[:20])
        assert folds.keys() == set(compounds) and len({folds[name] for name in ("c03", "c07", "c21")}) == 1


def test_a_missing_gene_is_missing_for_a_run_and_nothing_else_changes():
    random = np.random.default_rng(0)
    compounds, lines = np.array([f"c{n}" for n in range(60)]), np.array(["A"] * 60)
    genes = np.array([f"{n}" for n in range(40)])
    one = SimpleNamespace(values=random.normal(size=(60, 40)), genes=genes, compound=compounds, line=lines)
    space = as_run.space_of_a_run(one, np.arange(55))
    searched, queries = as_run.as_set(one, "modz"), as_run.as_set(one, "modz", np.arange(55, 60), queries=True)
    scores = as_run.scores_of_a_run(queries, searched, space)
    assert (scores.argmax(axis=1) == np.arange(55, 60)).all()
    fewer = as_run.without(queries, genes[30:])
    assert np.isnan(fewer.X[:, 30:]).all() and (fewer.X[:, :30] == queries.X[:, :30]).all()
    assert not np.isnan(queries.X).any()
    zero = queries.copy()
    zero.X[:, 30:] = 0
    assert np.array_equal(*(as_run.scores_of_a_run(side, searched, space) for side in (fewer, zero)))


def test_mechanisms_that_are_shared():
    member = np.array([[True, False], [True, True], [False, True]])
    assert same_mechanism.shared(member).tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    assert same_mechanism.shared(member[:, :1]).sum() == 2


def test_interval_of_a_mean_over_data_sets_is_as_wide_as_that_of_one_where_they_are_the_same():
    random = np.random.default_rng(0)
    difference, compounds = random.normal(size=200), np.repeat(np.arange(40), 5)
    one = interval(difference, compounds)
    both = interval_of_mean([(difference, compounds), (difference, compounds)])
    assert np.allclose(one, both)


def test_approved_and_stopped_drugs_of_repodb_are_apart_and_diseases_are_matched_by_their_words(tmp_path):
    rows = [
        ("d1", "Asthma", "C1", "Approved"), ("d1", "Asthma", "C1", "Terminated"), ("d2", "Asthma", "C1", "Withdrawn"),
        ("d2", "Asthma attack", "C2", "Approved"), ("d1", "Asthma attack", "C2", "Approved"),
        ("d3", "Arthritis, Psoriatic", "C3", "Approved"), ("d1", "Psoriatic arthritis (disorder)", "C4", "Approved"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["drug_id", "ind_name", "ind_id", "status"])
    (tmp_path / "goldstandard").mkdir()
    table.to_csv(tmp_path / "goldstandard/repodb.dev.tsv.gz", sep="\t", index=False)
    signatures = pd.Index(["asthma", "psoriatic arthritis", "obesity"])
    approved, stopped = known_answers.repodb(tmp_path, signatures, str.upper).values()
    assert approved.of == {"asthma": {"D1"}, "psoriatic arthritis": {"D1", "D3"}}
    assert stopped.of == {"asthma": {"D2"}}  # approved counts where a drug is both
    assert approved.neither["asthma"] == {"D2"} and stopped.neither["asthma"] == {"D1"}
    # other indications, matched or not: an attack is no asthma
    assert approved.others["asthma"].to_dict() == {"D1": 2, "D2": 1, "D3": 1}
