"""The validation: masks of tasks, splits, planted leaks, one run on a reference, gates."""

import numpy as np
import pandas as pd
import pytest
from tests.unit.validation_data import known, labels, reference

from scperturb_cmap import validation
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.validation import material, spaces
from scperturb_cmap.validation.controls import control_scores
from scperturb_cmap.validation.families import add_families, mechanism_families
from scperturb_cmap.validation.reference import validate_reference
from scperturb_cmap.validation.spaces import Asked, Maker, labels_of
from scperturb_cmap.validation.splits import CROSSED, alike, fold_of, fold_table
from scperturb_cmap.validation.tasks import TASKS


def test_masks_of_tasks():
    table = labels(5)
    table = known(table, table["compound_id"].map({"c0": "x", "c1": "x|y", "c2": "y", "c3": "", "c4": "z"}))
    positive, negative = TASKS["other_line"].masks(table, table)
    assert positive.sum() == 10 and positive[0, 1] and not positive[0, 0]
    assert set(table["cell_line"][negative[0]]) == {"B"} and negative[0].sum() == 4
    # x and y are one family here: c2 is no answer to c0, and no wrong one either
    table["families"] = table["mechanism"].str.replace("y", "x")
    positive, negative = TASKS["mechanism"].masks(table, table)
    assert np.flatnonzero(positive[0]).tolist() == [2] and np.flatnonzero(negative[0]).tolist() == [8]
    assert not positive[6:8].any() and not negative[:, 6:8].any()  # without a mechanism: neither
    apart = table.assign(families=table["mechanism"])
    assert np.flatnonzero(TASKS["mechanism"].masks(apart, apart)[1][0]).tolist() == [4, 8]
    assert not TASKS["replicate"].masks(table, table)[0].any()
    twice = pd.concat([table.assign(batch="p1"), table.assign(batch="p2")], ignore_index=True)
    positive, negative = TASKS["replicate"].masks(twice, twice)
    assert np.flatnonzero(positive[0]).tolist() == [10] and (twice["compound_id"][negative[0]] != "c0").all()
    positive, negative = TASKS["unseen_batch"].masks(twice, twice)
    assert np.flatnonzero(positive[0]).tolist() == [10, 11] and set(twice["batch"][negative[0]]) == {"p2"}
    assert not TASKS["unseen_batch"].masks(table, table)[0].any()
    other = pd.concat([table, table.assign(dose_um=1.0)], ignore_index=True)
    assert np.flatnonzero(TASKS["other_dose_or_time"].masks(other, other)[0][0]).tolist() == [10]
    genes = pd.DataFrame({"compound": ["egfr"], "cell_line": ["A"], "compound_id": ["egfr"]})
    positive, _ = TASKS["genetic_target"].masks(
        genes, table.assign(targets=np.where(table["compound_id"] == "c1", "EGFR|X", "Y"))
    )
    assert np.flatnonzero(positive[0]).tolist() == [2]
    same = table.assign(batch=np.where(table["compound_id"].isin(["c0", "c1"]), "p1", "p2"))
    _, negative = TASKS["other_line_same_batch"].masks(same, same)
    assert same["compound_id"][negative[0]].tolist() == ["c1"]
    many = labels(30)
    scan = many.assign(batch=[str(5 * n) for n in range(60)])  # a scan: each has a number of its own
    positive, negative = TASKS["other_line_same_batch"].masks(scan, scan)
    assert np.flatnonzero(positive[20]).tolist() == [21] and np.flatnonzero(negative[20]).tolist() == [19, 23]
    assert not TASKS["unseen_batch"].masks(scan, scan)[0].any()  # both instances of a compound are neighbours
    far = scan.assign(batch=[str(500 * (n % 2) + 5 * n) for n in range(60)])
    positive, negative = TASKS["unseen_batch"].masks(far, far)
    assert np.flatnonzero(positive[20]).tolist() == [21] and negative[20].sum() == 29


def test_nothing_held_out_is_trained_on():
    table = labels(10)
    table = known(table, [f"m{int(c[1:]) // 2}" for c in table["compound_id"]]).assign(
        batch=[f"p{n // 4}" for n in range(20)]
    )
    folds = fold_table(table, 5, seed=3)
    counts = {"batch": 5, "cell_line": 2, "compound": 5, "mechanism": 5}
    assert folds.groupby("split")["fold"].nunique().drop(" and ".join(CROSSED)).to_dict() == counts
    for split, column in {
        "compound": "compound_id",
        "mechanism": "mechanism",
        "cell_line": "cell_line",
        "batch": "batch",
    }.items():
        for name in folds.loc[folds["split"] == split, "name"]:
            seen = ~alike(table, table[table[column] == name], (split,))
            assert seen.any() and name not in set(table.loc[seen, column])
    halves = folds[folds["split"] == "compound"]["half"].value_counts()
    assert sorted(halves) == [4, 6]  # five families of two compounds each
    alone = fold_table(table.assign(mechanism="", families="", family=""), 5, seed=3)
    halves = alone[alone["split"] == "compound"]["half"].value_counts()
    assert halves["validation"] == halves["test"] == 5
    odd = table.assign(compound_id=[f"c{n}|s" for n in range(20)], cell_line="T|CD4", lineage="T|CD4")
    names = fold_table(odd, 5, seed=3).groupby("split")["name"].agg(set)
    assert names["cell_line"] == {"T|CD4"} and names["compound"] == set(odd["compound_id"])
    assert "mechanism and cell_line" not in names  # one lineage: nothing is left to learn from


def test_alike_mechanisms_lineages_and_neighbours_are_held_out_together():
    annotation = pd.DataFrame({"mechanism": list("aabbccdd") + ["e|f", "e|f", "f"] + [f"m{n}" for n in range(40)]})
    targets = ["T", "U", "T", "U|V", "W", "W", "X", "Y", "", "", ""] + [f"G{n}" for n in range(40)]
    found = mechanism_families(annotation.assign(targets=targets))
    assert found["b"] == found["a"] and found["e"] == found["f"] == "f"  # by targets; by compounds that have both
    assert len({found[name] for name in "acdf"}) == 4 and found["m3"] == "m3"
    # one compound with both proves nothing, and hides itself
    once = mechanism_families(pd.DataFrame({"mechanism": ["e|f", "e", "f", *"ghijklmno"], "targets": ""}))
    assert once["e"] != once["f"]
    # a chain that would join everything is cut: targets g and g + 1 make neighbours, none of which are the same
    chain = pd.DataFrame(
        {"mechanism": [f"m{n}" for n in range(40)], "targets": [f"g{n}|g{n + 1}|g{n + 2}" for n in range(40)]}
    )
    assert len(set(mechanism_families(chain).values())) == 40
    short = mechanism_families(pd.concat([chain[:6], chain[:20].replace("m", "n", regex=True).assign(targets="")]))
    assert len({short[f"m{n}"] for n in range(6)}) == 1  # the same chain, short enough

    table = labels(6, lines=("A", "B", "C"), batch=[str(4 * n) for n in range(18)])
    table["lineage"] = table["cell_line"].map({"A": "skin", "B": "skin", "C": "blood"})
    assert (table["cell_line"][~alike(table, table[:1], ("cell_line",))] == "C").all()
    assert np.flatnonzero(alike(table, table[9:10], ("batch",))).tolist() == [7, 8, 9, 10, 11]
    elsewhere = table.assign(lineage=table["cell_line"])  # another reference that does not know A's lineage
    assert (elsewhere["cell_line"][~alike(elsewhere, table[:1], ("cell_line",))] != "A").all()


def test_a_crossing_holds_out_mechanism_and_lineage_of_every_query_it_asks():
    table = labels(24, lines=("A", "B", "C"))
    table = known(table, [f"m{int(c[1:]) // 3}" for c in table["compound_id"]])
    table["lineage"] = table["cell_line"].map({"A": "skin", "B": "skin", "C": "blood"})
    folds = fold_table(table, 4, seed=1)
    fold = fold_of(table, folds, CROSSED)
    assert fold.nunique() == 4 and 0.2 < fold.notna().mean() < 0.8
    for number in range(4):
        tested = table[fold == number]
        assert tested["lineage"].nunique() == 1
        seen = table[~alike(table, tested, CROSSED)]
        assert len(seen) and not set(seen["lineage"]) & set(tested["lineage"])
        assert not set(seen["family"]) & set(tested["family"])
    both = folds.groupby("split")["half"].agg(set)
    assert both["mechanism and cell_line"] == {"validation", "test"} and both["cell_line"] == {""}


def test_spaces_never_see_the_family_or_lineage_or_batch_of_a_query():
    """What the harness hands to the learner, for every task with spaces of its own."""
    data = reference(24, batch=[f"p{n % 6}" for n in range(48)])
    data.obs = known(data.obs, [f"m{int(c[1:]) // 2}" for c in data.obs["compound_id"]])
    data.obs["families"] = data.obs["family"] = [f"f{int(c[1:]) // 4}" for c in data.obs["compound_id"]]
    other, given = data.copy(), []
    other.X = np.random.default_rng(9).normal(size=other.shape).astype(np.float32)
    other.obs["reference"] = "other"

    def learn(target, sources):
        given.append(pd.concat([one.obs for one in (target, *sources)]))
        raise InputError(Problem("space", "", "None is made here.", ""))

    table, rows = labels_of(data), np.arange(data.n_obs)
    asked = Asked(data, data, np.ones(data.n_obs), rows)
    for name, columns in (
        ("mechanism", ["family", "compound_id"]), ("unseen_line", ["lineage"]), ("unseen_batch", ["batch"]),
        ("mechanism_in_unseen_line", ["family", "lineage"]), ("other_line", ["compound_id"]),
    ):  # fmt: skip
        folds, task = fold_table(table, 3, seed=1), TASKS[name]
        maker = Maker(data, table, [other], folds, learn, ["cosine"], np.ones(data.n_obs), 1, {"device": "cpu"})
        given.clear()
        assert maker.one("embedding", asked.queries, task, asked)[0] is None and len(given) == 1
        first = fold_of(table, folds, task.holds_out)
        tested = table[first == first.min()]
        assert set(given[0]["reference"]) == {"r", "other"}
        for column in columns:
            assert not set(given[0][column]) & set(tested[column]), (name, column)


def test_halves_of_a_mechanism_task_do_not_share_mechanisms():
    data = reference(60)
    data.obs["cell_line"] = ""
    data.obs = known(data.obs, [f"m{int(c[1:]) // 4}|rare{c}" for c in data.obs["compound_id"]])
    found = validate_reference(data, [], ["cosine"], None, seed=1, device="cpu").queries
    mine = found[found["task"] == "mechanism"]
    assert mine["cluster"].nunique() == 15 and (mine.groupby("cluster")["half"].nunique() == 1).all()


def test_a_compound_is_in_one_half_in_all_tasks():
    """Else a score chosen by a compound's mechanism would be reported by the same signature in another cell line."""
    data = reference(60)
    data.obs = known(data.obs, [f"m{int(c[1:]) // 3}" * (int(c[1:]) < 45) for c in data.obs["compound_id"]])
    found = validate_reference(data, [], ["cosine"], None, seed=1, device="cpu").queries
    assert {"mechanism", "other_line"} <= set(found["task"])
    assert (found.groupby("compound_id")["half"].nunique() == 1).all()
    sizes = found[found["task"] == "other_line"].groupby("half")["compound_id"].nunique()
    assert sizes.min() > 20  # families, and compounds of none, in either


@pytest.mark.parametrize(
    ("sizes", "without"), [([100], 0), ([80, 20], 0), ([95, 5], 20), ([30, 30, 5, 5, 5], 40), ([3] * 30, 10)]
)
def test_neither_half_is_left_with_nearly_nothing(sizes, without):
    family = np.repeat([f"m{n}" for n in range(len(sizes))] + [""], [*sizes, without])
    labels = pd.DataFrame({"compound_id": [f"c{n}" for n in range(len(family))], "mechanism": family, "batch": ""})
    labels = labels.assign(families=family, family=family, cell_line="A", lineage="A")
    found = fold_table(labels, 5, seed=1)
    halves = found[found["split"] == "compound"].set_index("name")["half"]
    assert halves.value_counts(normalize=True).reindex(["validation", "test"]).min() >= 0.2
    each = (
        labels.assign(half=labels["compound_id"].map(halves)).query("family != ''").groupby("family")["half"].nunique()
    )
    assert (each == 1).all() or max(sizes) > 0.8 * len(family)  # families whole, unless one is nearly everything
    if max(sizes) <= 30:
        assert abs((halves == "test").mean() - 0.5) < 0.05


def test_without_a_task_that_can_be_run_there_is_a_headline_and_an_empty_table():
    for data in (reference(60, cell_line="A"), reference(1), None):
        found = validate_reference(data, [], ["cosine", "wtcs"], None, seed=1, device="cpu")
        assert (
            found.queries.empty and (found.tasks["status"] == "not run").all() and (found.tasks["reason"] != "").all()
        )
        assert list(validation.summarise(found.queries, ["wtcs"])) == list(validation.COLUMNS)
        chosen = validation.headline_of_run(
            "auto", found, data, ["embedding", "cosine", "spearman"], seed=1, device="cpu"
        )
        assert chosen.method == "spearman" and "no task" in chosen.reason


def test_the_default_headline_is_that_of_the_kind_of_reference():
    data = reference(60, cell_line="A")
    for effect, wanted in (("modz", "spearman"), ("rank", "wtcs")):
        data.uns["effect"] = effect
        found = validate_reference(data, [], ["spearman", "wtcs"], None, seed=1, device="cpu")
        assert (
            validation.headline_of_run("auto", found, data, ["spearman", "wtcs"], seed=1, device="cpu").method == wanted
        )


def test_controls_are_made_of_the_score_that_the_validation_starts_from():
    data = reference(40)
    for effect, base in (("modz", "spearman"), ("rank", "wtcs")):
        data.uns["effect"] = effect
        several, alone = (
            validate_reference(data, [], methods, None, seed=1, device="cpu", n_genes=40).queries
            for methods in (["cosine", "wtcs", "spearman"], [base])
        )
        for control in ("control: permuted labels", "control: drug prior"):
            values = [found.loc[found["method"] == control, "auroc"].to_numpy() for found in (several, alone)]
            np.testing.assert_allclose(*values)


def test_the_same_measurement_in_another_reference_answers_nothing():
    data = reference(40)
    other = data.copy()
    other.obs["reference"] = "again"
    found = validate_reference(data, [other], ["cosine"], None, seed=1, device="cpu")
    mine = found.queries[(found.queries["task"] == "other_platform") & (found.queries["method"] == "cosine")]
    assert (mine["n_positive"] == 1).all()  # the compound's other signature; not the one that is the query itself


def test_queries_of_single_cells_are_a_task_of_their_own():
    data = reference(40)
    arrays, cells = reference(40, seed=2), reference(30, seed=3)
    cells.uns["assay"] = "single_cell"
    found = validate_reference(data, [arrays, cells], ["cosine"], None, seed=1, device="cpu")
    n = found.tasks.set_index("task")["n_queries"]
    assert n["other_platform"] == arrays.n_obs and n["single_cell"] == cells.n_obs
    more = reference(20, seed=4)[:, ::-1].copy()  # of other genes in another order
    more.uns["assay"], more.obs["reference"] = "single_cell", "more"
    both = validate_reference(data, [cells, more[:, 3:].copy()], ["cosine"], None, seed=1, device="cpu")
    mine = both.queries[both.queries["task"] == "single_cell"]
    assert mine["query"].nunique() == cells.n_obs + more.n_obs and mine["compound_id"].nunique() == 30
    alone = validate_reference(data, [cells], ["cosine"], None, seed=1, device="cpu").tasks.set_index("task")
    assert alone.at["other_platform", "status"] == "not run" and alone.at["single_cell", "status"] == "run"


def test_no_task_is_given_the_scores_of_anothers_queries(monkeypatch):
    """Queries of one task are gone before those of the next are made, and may have their address."""
    data, arrays, cells = reference(40), reference(40, seed=2), reference(40, seed=0)
    cells.uns["assay"], cells.obs["reference"] = "single_cell", "cells"
    noise = np.random.default_rng(5).normal(size=cells.shape)
    cells.X = cells.X + 12 * noise  # of the searched compounds, the arrays are of none

    def found(others):
        every = validate_reference(data, others, ["cosine"], None, seed=1, device="cpu").queries
        return every[(every["task"] == "single_cell") & (every["method"] == "cosine")]["auroc"].to_numpy()

    alone = found([cells])
    monkeypatch.setattr(spaces, "id", lambda _: 1, raising=False)
    mine = found([arrays, cells])
    np.testing.assert_allclose(mine, alone)
    assert 0.6 < mine.mean() < 0.95


def test_a_reference_that_is_asked_is_not_learned_from_where_there_are_others():
    data, seen = reference(40), []
    first, second = (reference(30, seed=seed) for seed in (3, 4))
    for one, name in ((first, "first"), (second, "second")):
        one.uns["assay"], one.obs["reference"] = "single_cell", name

    def learn(target, sources):
        seen.append({str(one.obs["reference"].iloc[0]) for one in sources})
        raise InputError(Problem("references", "", "enough seen", ""))

    def asked(others):
        seen.clear()
        validate_reference(data, others, ["cosine"], learn, seed=1, device="cpu")
        return seen[-1]  # of the last task that is run, which is that of single cells

    assert asked([first, second]) == {"second"} and asked([first]) == {"first"}


def test_a_planted_signal_is_found_and_controls_are_not():
    found = validate_reference(reference(signal=0.5), [], ["wtcs", "cosine"], None, seed=1, device="cpu", n_genes=40)
    table = validation.summarise(found.queries, ["wtcs"], seed=1)
    part = table[(table["task"] == "other_line") & (table["split"] == "all") & (table["compared_with"] == "")]
    area = part[part["metric"] == "auroc"].set_index("method")
    assert area.at["cosine", "low"] > 0.8
    for control in ("random", "untrained", "permuted labels", "shuffled genes", "drug prior"):
        name = f"control: {control}"
        assert control == "untrained" or abs(area.at[name, "value"] - 0.5) < 0.06, name
    precision = part[part["metric"] == "average_precision"].set_index("method")
    assert precision.at["cosine", "p"] < 0.01 < precision.at["control: random", "p"]
    difference = table[
        (table["method"] == "cosine") & (table["compared_with"] == "wtcs") & (table["task"] == "other_line")
    ]
    assert (difference["chance"] == 0).all() and difference.set_index("metric").loc[
        "average_precision", "low"
    ].min() > 0
    told = found.tasks.set_index("task")
    assert told.at["other_line", "status"] == "run" and told.at["mechanism", "status"] == "not run"
    assert (told.loc[told["status"] == "not run", "reason"] != "").all()
    again = validate_reference(reference(signal=0.5), [], ["wtcs", "cosine"], None, seed=1, device="cpu", n_genes=40)
    pd.testing.assert_frame_equal(found.queries, again.queries)


def test_an_identical_profile_under_another_name_is_no_answer():
    data = reference(40)
    data.obs["cell_line"] = ""
    data.obs = known(data.obs, [f"m{int(c[1:]) // 2}" for c in data.obs["compound_id"]])
    data.X[2:4] = data.X[0:2]  # c1 is c0 under another name
    found = validate_reference(data, [], ["cosine"], None, seed=1, device="cpu")
    first = found.queries[(found.queries["task"] == "mechanism") & found.queries["compound_id"].isin(["c0", "c1"])]
    # two signatures of the other name would answer; that of the same measurement does not count
    assert len(first) and (first["n_positive"] == 1).all()
    rest = found.queries[(found.queries["task"] == "mechanism") & ~found.queries["compound_id"].isin(["c0", "c1"])]
    assert (rest["n_positive"] == 2).all()
    assert "identical profiles" in {one.check for one in found.findings}


def test_permuted_labels_give_every_compound_anothers_signatures():
    data = reference(30)
    scores = np.tile(np.arange(data.n_obs, dtype=float), (5, 1))
    out = control_scores(data[:5].copy(), data, scores, lambda other: scores, np.zeros(data.n_obs), seed=0)
    moved = out["control: permuted labels"][0].astype(int)
    assert (np.sort(moved) == np.arange(60)).all() and (moved // 2 == np.arange(60) // 2).mean() < 0.2


def test_what_is_known_of_a_compound_is_known_under_its_name_elsewhere():
    """A table of drugs is brought to the identity over all references; so are the labels of each."""
    one = reference(3)
    one.obs["cell_lineage"] = ""
    names = {("r", "c0"): "imatinib", ("r", "c1"): "c1", ("r", "c2"): "c2"}
    table = pd.DataFrame({"mechanism": ["ABL inhibitor"], "targets": ["ABL1"]}, index=["imatinib"])
    compounds = pd.DataFrame({"compound_id": ["c0", "c1", "c2"], "inchi_keys": ["K|L", "", ""]})
    whole = material._joined([one], "r", names, add_families(table), compounds, {})
    assert whole.obs["compound_id"].tolist() == ["imatinib"] * 2 + ["c1"] * 2 + ["c2"] * 2
    assert whole.obs["mechanism"].tolist() == ["ABL inhibitor"] * 2 + [""] * 4 and whole.obs["inchi_key"].iloc[0] == "K"
