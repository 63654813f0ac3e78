"""Planted leaks and shortcuts: every one is found, and a clean run has none."""

import numpy as np
import pandas as pd
from tests.unit.validation_data import labels

from scperturb_cmap.validation.leaks import inspect_run, same_profiles
from scperturb_cmap.validation.tasks import TASKS


def leaks(table, train, held, split="compound", **more):
    found = inspect_run(table, {split: ((split,), np.array([train]), np.array([held]))}, **more)
    return {(one.check, one.action) for one in found}


def test_every_planted_leak_is_caught_and_a_clean_run_has_none():
    table = labels(
        12, inchi_key=[f"{chr(65 + k // 2) * 14}-N" for k in range(24)], replicates=[f"w{k}" for k in range(24)]
    )
    half = np.arange(24) < 12
    assert leaks(table, half, ~half) == set()
    wells = table.assign(replicates=["w0"] * 24)
    assert leaks(wells, half, ~half) == {("shared replicates", "refused")}
    renamed = table.copy()
    renamed.loc[20, "inchi_key"] = table.loc[0, "inchi_key"]
    assert leaks(renamed, half, ~half) == {("one compound, two names", "refused")}
    apart = renamed.assign(mechanism="", families="")
    assert leaks(apart, half, ~half, "mechanism") == {("one compound, two names", "refused")}
    assert leaks(table.assign(inchi_key="restricted"), half, ~half) == set()  # that is no structure
    renamed = table.assign(pert_id=["BRD-1", *[""] * 22, "BRD-1"])
    assert leaks(renamed, half, ~half) == {("one compound, two names", "refused")}
    odd = np.arange(24) % 2 == 0
    assert ("trained on the tested", "refused") in leaks(table, odd, ~odd)
    assert ("trained on the tested", "refused") in leaks(table, half, ~half, "cell_line")
    batch = table.assign(batch="p")
    assert ("trained on the tested", "refused") in leaks(batch, half, ~half, "batch")
    # numbers of plates that hardly repeat among those trained on are no scan: 14 is beside 12 only in one
    plates = [*map(str, range(1, 13)), *["14", "15"] * 6]
    assert leaks(table.assign(batch=plates), half, ~half, "batch") == set()
    lineage = table.assign(lineage="skin", cell_line=[f"l{n}" for n in range(24)])
    assert ("trained on the tested", "refused") in leaks(lineage, half, ~half, "cell_line")
    mechanism = table.assign(mechanism=[f"m{n}" for n in range(24)], families="x|y")
    assert ("trained on the tested", "refused") in leaks(mechanism, half, ~half, "mechanism")
    tested = np.array([0, 1])
    assert leaks(table, half, ~half, tested=tested, background={"c0"}) == {("query in its background", "told")}
    assert leaks(table, half, ~half, tested=tested, background={"c9"}) == set()
    often = pd.Series({"vorinostat": 900, "c0": 2, "": 5000})
    assert leaks(table, half, ~half, counts=often) == {("frequent compounds", "left out")}
    twice = pd.Series(["c0", "c0", "c1"])
    assert leaks(table, half, ~half, annotated=twice) == {("several annotations", "left out")}
    assert leaks(table, half, ~half, annotated=twice[1:]) == set()


def test_shortcuts_in_a_task_are_told():
    table = labels(12)
    none = np.zeros(24, bool)
    positive, negative = TASKS["other_line"].masks(table, table)
    rows, every = np.arange(24), np.ones((24, 50), bool)
    task = {"other_line": (positive, negative, table, every)}
    assert leaks(table, none, none, tasks=task) == set()
    plates = table.assign(batch=table["compound_id"])
    there = {"other_line": (positive, negative, plates, every)}
    assert leaks(plates, none, none, tasks=there) == {("positives on one plate", "told")}
    plates.loc[0, "batch"] = "elsewhere"  # one of them is not beside
    assert leaks(plates, none, none, tasks=there | {"other_line": (positive, negative, plates, every)}) == {
        ("positives on one plate", "told")
    }
    scan = table.assign(batch=[str(100 * int(c[1:]) + n % 2) for n, c in enumerate(table["compound_id"])])
    assert leaks(scan, none, none, tasks={"other_line": (positive, negative, scan, every)}) == {
        ("positives on one plate", "told")
    }
    assert ("trained on the tested", "refused") in leaks(scan, rows % 2 == 0, rows % 2 == 1, "batch")
    strength = np.array([int(c[1:]) for c in table["compound_id"]], float)
    only = positive & (strength > 8)[:, None]  # strong compounds have answers
    assert leaks(table, none, none, tasks={"t": (only, negative, table, every)}, strength=strength) == {
        ("strength tells the answer", "told")
    }
    known = (
        np.random.default_rng(0).random((12, 50))[np.repeat(rows[:12], 2)] > 0.3
    )  # the compound decides which genes are there
    measured = {"other_line": (positive, negative, table, known)}
    assert leaks(table, none, none, tasks=measured, known=known) == {("missing genes tell the answer", "told")}
    mine = table.assign(batch="p1")
    elsewhere = {"other_platform": (positive, negative, mine, every)}
    assert leaks(table, none, none, tasks=elsewhere) == set()
    assert ("one experiment", "told") in leaks(mine, none, none, tasks=elsewhere)
    values = np.random.default_rng(0).normal(size=(4, 30))
    values[3] = 2 * values[0]
    identical = same_profiles(values, values) & ~np.eye(4, dtype=bool)
    assert np.argwhere(identical).tolist() == [[0, 3], [3, 0]]
    landmarks = np.where(np.arange(30) < 6, values, np.nan)  # the same in a file of fewer genes
    assert np.argwhere(same_profiles(values[:2], landmarks)).tolist() == [[0, 0], [0, 3], [1, 1]]
    assert leaks(table, none, none, identical=identical) == {("identical profiles", "left out")}
