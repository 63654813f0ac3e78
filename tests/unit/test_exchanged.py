"""Learning from exchanged compounds: what is exchanged, what else stays the same, and what the gate makes of it."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests.unit.test_headline import ODD, queries_of
from tests.unit.validation_data import known, reference

from scperturb_cmap import validation
from scperturb_cmap.embedding.exchanged import exchange_compounds, learned_from_labels
from scperturb_cmap.embedding.learn import learn
from scperturb_cmap.embedding.training import TrainingSettings
from scperturb_cmap.validation.controls import EXCHANGED, LABELS
from scperturb_cmap.validation.headline import choose_headline
from scperturb_cmap.validation.reference import validate_reference
from scperturb_cmap.validation.spaces import Asked, Maker, labels_of
from scperturb_cmap.validation.splits import fold_of, fold_table
from scperturb_cmap.validation.tasks import TASKS


def test_compounds_are_exchanged_within_a_line_and_batch_and_nobody_gains_or_loses_one():
    plate = np.repeat(["p1", "p2"], 30)
    obs = pd.DataFrame({"compound_id": [f"c{n}" for n in range(60)] * 2, "cell_line": np.repeat(["A", "B"], 60)})
    obs = obs.assign(batch=np.tile(plate, 2))
    found = exchange_compounds(obs, seed=1)
    for _, rows in obs.groupby(["cell_line", "batch"]):
        assert sorted(found[rows.index]) == sorted(rows["compound_id"])
    assert (found == obs["compound_id"]).mean() < 0.1
    # what a compound was in both lines is hardly ever the same compound again: 1 of 30
    often = [exchange_compounds(obs, seed=seed).reshape(2, 60) for seed in range(50)]
    assert 0.02 < np.mean([one == other for one, other in often]) < 0.05
    few = obs.assign(batch=[f"p{n % 12}" for n in range(120)])  # five compounds of a line on each: among these alone
    wide = exchange_compounds(few, seed=1)
    for _, rows in few.groupby(["cell_line", "batch"]):
        assert sorted(wide[rows.index]) == sorted(few.loc[rows.index, "compound_id"])
    two = exchange_compounds(obs.assign(batch=[f"p{n // 2}" for n in range(120)]), seed=1)
    assert sorted(two[:60]) == sorted(found[:60]) and (two == obs["compound_id"]).mean() < 0.1
    scan = obs.assign(
        batch=[str(7 * n) for n in range(120)]
    )  # numbers of a scan, some left out: ten that follow each other
    moved = exchange_compounds(scan, seed=1)
    assert all(set(moved[at : at + 10]) == set(obs["compound_id"][at : at + 10]) for at in range(0, 120, 10))
    alone = obs.assign(cell_line=[f"l{n}" for n in range(120)])  # no line has enough: among all
    assert (exchange_compounds(alone, seed=1) == obs["compound_id"]).mean() < 0.1
    nameless = obs.assign(compound_id=np.where(np.arange(120) % 2, "", obs["compound_id"]))
    assert ((exchange_compounds(nameless, seed=1) == "") == (nameless["compound_id"] == "")).all()
    assert (exchange_compounds(obs, seed=1) == found).all() and (exchange_compounds(obs, seed=2) != found).any()


def platforms(kind):
    """A target of profiles and a source of 60 compounds, which see one state."""
    random, n = np.random.default_rng(0), 60
    state = random.normal(size=(n, 6))
    sides = []
    for name, times, effect in (("t", 1, "modz"), ("s", 2, "rank" if kind == "sets" else "signature")):
        values = np.repeat(state, times, axis=0) @ random.normal(size=(6, 40))
        values = (values + 0.3 * random.normal(size=values.shape)).astype(np.float32)
        if kind == "sets" and times == 2:
            values[abs(values) < 1.5] = 0
        obs = pd.DataFrame({"compound_id": np.repeat([f"c{k}" for k in range(n)], times), "reference": name})
        obs = obs.assign(cell_line="", batch="", pert_type="trt_cp", status="ok")
        var = pd.DataFrame(index=[str(g) for g in range(40)])
        obs.index = [f"{name}{k}" for k in range(len(obs))]
        assay = "single_cell" if (kind, times) == ("cells", 2) else "bulk"
        sides.append(ad.AnnData(values, obs, var, uns={"effect": effect, "assay": assay}))
    return sides


@pytest.mark.parametrize(("kind", "encoder"), [("sets", "linear"), ("sets", "infonce"), ("cells", "linear")])
def test_a_space_learned_like_another_from_the_same_data_is_the_same(kind, encoder):
    target, source = platforms(kind)
    options = {"encoder": encoder, "training": TrainingSettings(epochs=2)}
    space = learn(target, [source], **options)[0]
    again, tried = learn(target, [source], like=space, **options)
    assert again.encoders.keys() == space.encoders.keys() == {"profile", kind}
    assert encoder != "linear" or "mean_percentile" not in tried  # nothing was chosen again
    x = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    for name, layer in space.encoders.items():
        np.testing.assert_allclose(layer.encode_query(x), again.encoders[name].encode_query(x), atol=1e-5)
    part = learned_from_labels(space).encoders
    assert part.keys() == {kind}  # nothing of the profiles' layer needs labels here
    if encoder == "linear":
        left = {"sets": {"forward", "backward"}, "cells": {"forward"}}[kind]
        assert {block.name for block in part[kind].blocks} == left


def in_two_lines(signal, n=120, seed=1):
    """Compounds differ in five directions, beside larger ones that say nothing: what labels can tell, and whitening cannot."""
    data, random = reference(n), np.random.default_rng(seed)
    state = random.normal(size=(n, 5)) @ random.normal(size=(5, 200))
    noise = random.normal(size=data.shape) * np.linspace(3, 0.5, 200)
    data.X = (signal * np.repeat(state, 2, axis=0) + noise).astype(np.float32)
    return data


def test_the_control_learns_from_exchanged_compounds_of_the_training_part_alone():
    data, given = in_two_lines(0.3), []
    base = validation.learner(["r"], encoder="linear", search=False, members=1, seed=1, device="cpu")

    def learner(target, sources, like=None):
        given.append((like is not None, target))
        return base(target, sources, like)

    table = labels_of(data)
    folds = fold_table(table, 2, seed=1)
    asked = Asked(data, data, np.ones(data.n_obs), np.arange(data.n_obs))
    maker = Maker(data, table, [], folds, learner, ["cosine"], np.ones(data.n_obs), 1, {"device": "cpu"})
    scores, _ = maker.scores(TASKS["other_line"], asked)
    assert scores[LABELS].shape == scores[EXCHANGED].shape == (240, 240)
    assert [like for like, _ in given] == [False, True, False, True]  # one more for each fold
    fold = fold_of(table, folds, ("compound",))
    for number, ((_, true), (_, mixed)) in enumerate([given[:2], given[2:]]):
        assert (true.obs_names == mixed.obs_names).all() and np.array_equal(true.X, mixed.X)
        tested = set(table.loc[fold == number, "compound_id"])
        for line, rows in mixed.obs.groupby("cell_line"):
            own = true.obs.loc[true.obs["cell_line"] == line, "compound_id"]
            assert sorted(rows["compound_id"]) == sorted(own) and not set(own) & tested
        assert (true.obs["compound_id"] == mixed.obs["compound_id"]).mean() < 0.1
    # scored once, and the same again for another task with these spaces
    assert maker.scores(TASKS["other_line_same_batch"], asked)[0] is scores and len(given) == 4


def test_a_crossing_has_the_control_for_the_queries_it_asks():
    data, random = reference(90), np.random.default_rng(1)
    more = data[data.obs["cell_line"] == "A"].copy()  # a third line: two are left to learn from
    more.obs["cell_line"], more.obs_names = "C", [f"more {name}" for name in more.obs_names]
    data = ad.concat([data, more], merge="same", uns_merge="first")
    state = random.normal(size=(90, 5)) @ random.normal(size=(5, 200))
    rows = data.obs["compound_id"].str[1:].astype(int)
    data.X = (0.3 * state[rows] + random.normal(size=data.shape) * np.linspace(3, 0.5, 200)).astype(np.float32)
    data.obs = known(data.obs, [f"m{row // 3}" for row in rows])
    table = labels_of(data)
    folds, task = fold_table(table, 3, seed=1), TASKS["mechanism_in_unseen_line"]
    learner = validation.learner(["r"], encoder="linear", search=False, members=1, seed=1, device="cpu")
    asked = Asked(data, data, np.ones(data.n_obs), np.arange(data.n_obs))
    maker = Maker(data, table, [], folds, learner, ["cosine"], np.ones(data.n_obs), 1, {"device": "cpu"})
    scores, _ = maker.scores(task, asked)
    asks = fold_of(table, folds, task.holds_out).notna().to_numpy()
    assert 0.2 < asks.mean() < 0.5
    for name in (LABELS, EXCHANGED):
        answered = np.isfinite(scores[name]).all(axis=1)
        assert answered.any() and not answered[~asks].any()


def areas(data, n_folds=2):
    learner = validation.learner(["r"], encoder="linear", search=False, members=1, seed=1, device="cpu")
    only = {"device": "cpu", "n_folds": n_folds}
    found = validate_reference(data, [], ["cosine"], learner, seed=1, **only)
    mine = found.queries[found.queries["task"] == "other_line"]
    return mine.groupby("method")["auroc"].mean()


def test_exchanged_labels_find_less_than_true_ones_and_more_than_nothing_within_a_platform():
    area = areas(in_two_lines(0.3))
    assert area[LABELS] > area[EXCHANGED] + 0.05
    # any map keeps some of the likeness: why this control is not asked to be at chance
    assert area[EXCHANGED] > 0.6 and area["control: permuted labels"] < 0.6


def test_where_nothing_is_learned_from_labels_there_is_no_such_control():
    data = in_two_lines(0.3)
    data.obs["cell_line"] = data.obs["lineage"] = ""  # no pairs
    data.obs["batch"] = np.tile(["p1", "p2"], 120)
    learner = validation.learner(["r"], encoder="linear", search=False, members=1, seed=1, device="cpu")
    found = validate_reference(data, [], ["cosine"], learner, seed=1, n_folds=2, device="cpu").queries
    assert "embedding" in set(found["method"]) and not found["method"].isin([LABELS, EXCHANGED]).any()


def test_g1_asks_exchanged_labels_for_chance_or_for_surely_less_than_the_true_ones():
    random = np.random.default_rng(3)

    def chosen(**areas):
        tables = [queries_of("mechanism", 0.1), queries_of("single_cell", 0.0)]
        rows = tables[0][tables[0]["method"] == "embedding"]
        base = 0.1 * random.normal(size=len(rows))  # what makes a query easy makes it easy for both
        for name, area in areas.items():
            noise = 0.02 * random.normal(size=len(rows))
            tables.append(rows.assign(method={"true": LABELS, "mixed": EXCHANGED}[name], auroc=area + base + noise))
        made = choose_headline(pd.concat(tables), ["wtcs", "cosine", "embedding"], oddness=ODD)
        return made, made.gates.set_index("method").loc[EXCHANGED]

    for areas_of, passes in (
        ({"true": 0.7, "mixed": 0.5}, True),  # at chance
        ({"true": 0.5, "mixed": 0.5}, True),
        ({"true": 0.7, "mixed": 0.6}, True),  # above it, as any map within a platform is
        ({"true": 0.6, "mixed": 0.6}, False),  # above it, and labels add nothing
        ({"true": 0.6, "mixed": 0.7}, False),
        ({"true": 0.7}, False),  # not measured
        ({}, True),  # nothing is learned from labels
    ):
        made, gate = chosen(**areas_of)
        assert gate["passed"] == ("not asked" if not areas_of else "yes" if passes else "no"), areas_of
        assert (made.method == "embedding") == passes and (passes or "G1" in made.reason)
    assert "mechanism: 0 compounds or mechanisms" in gate["detail"]
    few = [queries_of("mechanism", 0.1), queries_of("single_cell", 0.0)]
    for name in (LABELS, EXCHANGED):
        few.append(few[0][(few[0]["method"] == "embedding") & (few[0]["query"] < 19)].assign(method=name))
    made = choose_headline(pd.concat(few), ["wtcs", "cosine", "embedding"], oddness=ODD)
    assert made.method == "embedding" and "mechanism: 19" in made.gates.set_index("method").at[EXCHANGED, "detail"]
    # the layer of the run's own queries may be learned from labels where that of the deciding task is not
    for area, method in ((0.75, "cosine"), (0.5, "embedding")):
        own = few[:2] + [
            few[1][few[1]["method"] == "embedding"].assign(method=name, auroc=value)
            for name, value in ((LABELS, 0.6), (EXCHANGED, area))
        ]
        made = choose_headline(pd.concat(own), ["cosine", "embedding"], default="cosine", oddness=ODD)
        assert made.method == method and (method == "embedding" or "G1" in made.reason)
