"""Connectivity Map build 02 sets -> L1000 consensus, the same compound on the other platform; and across its own lines."""

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import across_lines
import numpy as np
import pandas as pd
import torch
from as_run import as_set, folds_of, scores_of_a_run, space_of_a_run, twins, untrained, without
from fold import Problem, by_compound, learned_only
from metrics import interval
from real_data import load
from threadpoolctl import threadpool_limits

from scperturb_cmap.embedding.checkpoint import Checkpoint

#: Row -> whether a run of the pipeline makes this map and scores so.
AS_RUN = "learned, as a run scores it"
SHIPPED = {AS_RUN: "yes", "plain": "cosine"}

#: What a worker process has at hand.
_HERE: dict = {}


def _start(data: Path, n_folds: int) -> None:
    threadpool_limits(1)
    torch.set_num_threads(1)
    sets = load(data)
    _HERE.update(problem=Problem(sets), same=twins(sets["l1000"].values, sets["l1000"].compound), n_folds=n_folds)


def _work(which: tuple[int, int]) -> tuple:
    seed, number = which
    problem = _HERE["problem"]
    every = {*problem.query.compound, *problem.reference.compound}
    folds = folds_of(every, _HERE["same"], _HERE["n_folds"], seed, problem.paired)
    return one_fold(problem, folds, number, seed)


def run(sets: dict, args) -> None:  # noqa: ANN001
    records, lines, chosen, tasks = [], [], [], list(product(range(args.seeds), range(args.folds)))
    with ProcessPoolExecutor(args.threads, get_context("spawn"), _start, (args.data, args.folds)) as pool:
        try:
            for which, more in zip(tasks, pool.map(_work, tasks), strict=True):
                records += more[0]
                lines += more[1]
                chosen.append(more[2])
                print("seed {}, fold {}: done".format(*which), file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print(f"cut off after {len(chosen)} of {len(tasks)} folds; the table is of these")
    report(Problem(sets), pd.concat(records, ignore_index=True))
    counts = pd.Series(["{n_reference} components, ridge {ridge:g}".format(**one) for one in chosen]).value_counts()
    print("\nsettings chosen by validation compounds:", counts.to_dict())
    print("\n## across lines, negatives within +-10 instance numbers\n")
    across_lines.report(lines)


def one_fold(problem: Problem, folds: dict[str, int], number: int, seed: int) -> tuple[list, list, dict]:
    """Percentiles of both levels and galleries by every method, trials across lines, the settings chosen."""
    mine, theirs = problem.rows({c for c, f in folds.items() if f != number})
    rows = np.flatnonzero(np.isin(problem.query.compound, [c for c in problem.paired if folds[c] == number]))
    unseen = np.flatnonzero([folds[c] == number for c in problem.reference.compound])
    space, records = space_of_a_run(problem.reference, theirs, problem.query, mine), []
    for method, scores in methods(problem, mine, theirs, space, rows, seed).items():
        for where, gallery in (("all", None), ("unseen only", unseen)):
            if where != "all" and method not in ("plain", AS_RUN):
                continue
            single, mean, names = by_compound(problem, scores, rows, gallery)
            for level, values, who in (("instances", single, problem.query.compound[rows]), ("compounds", mean, names)):
                records.append(pd.DataFrame({
                    "method": method, "gallery": where, "level": level, "seed": seed, "fold": number,
                    "compound": who, "percentile": values, "place": np.arange(len(values)),
                }))  # fmt: skip
    held = {c for c, f in folds.items() if f == number}
    return records, across_lines.collect(problem, mine, space, held, seed, number), space.about["settings"]


def methods(
    problem: Problem, mine: np.ndarray, theirs: np.ndarray, space: Checkpoint, rows: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Scores of the held-out queries by every method and control; ``mine`` and ``theirs`` are training signatures."""
    queries, searched = as_set(problem.query, "set", rows, queries=True), as_set(problem.reference, "modz")
    trained = as_set(problem.query, "set", mine[::4], queries=True)
    random = np.random.default_rng(seed)
    shuffled = queries.copy()
    shuffled.X = shuffled.X[:, random.permutation(queries.n_vars)]
    out = {"plain": problem.plain[rows], AS_RUN: scores_of_a_run(queries, searched, space)}
    out["control: untrained"] = scores_of_a_run(queries, searched, untrained(space, seed))
    out["control: shuffled genes"] = scores_of_a_run(shuffled, searched, space)
    out["control: strength only"] = np.tile(problem.strength, (len(rows), 1))
    out["control: drug prior"] = np.tile(scores_of_a_run(trained, searched, space).mean(axis=0), (len(rows), 1))
    if seed == 0:
        # whole compounds change partners, so that instances of one stay together; genes in common are no label
        names = np.unique(problem.query.compound)
        other = dict(zip(names, random.permutation(names), strict=True))
        sets = replace(problem.query, compound=np.array([other[name] for name in problem.query.compound]))
        mixed = space_of_a_run(problem.reference, theirs, sets, mine)
        mixed = replace(mixed, encoders={"sets": learned_only(mixed.encoders["sets"])})
        out["control: permuted labels (seed 0)"] = scores_of_a_run(queries, searched, mixed)
        order = np.random.default_rng(0).permutation(problem.reference.genes)
        out[f"{AS_RUN}, 978 landmarks (seed 0)"] = out[AS_RUN]
        for left in (900, 600):
            sides = (without(side, order[left:]) for side in (queries, searched))
            out[f"{AS_RUN}, {left} landmarks (seed 0)"] = scores_of_a_run(*sides, space)
    return out


def report(problem: Problem, table: pd.DataFrame) -> None:
    """The table of the task, and what decides whether it holds."""
    strongest = dict(zip(problem.reference.compound, problem.strength, strict=True))
    paired = {c: strongest[c] for c in problem.paired}
    third = set(pd.Series(paired).nlargest(len(paired) // 3).index)
    table["strong"] = table["compound"].isin(third)
    lines = []
    for (method, gallery), part in table.groupby(["method", "gallery"], sort=False):
        line = {
            "method": method,
            "shipped": "yes" if method.startswith(AS_RUN) else SHIPPED.get(method, "no"),
            "gallery": gallery,
        }
        for level, one in part.groupby("level"):
            line |= {level: one["percentile"].mean(), f"{level}, top 5 %": (one["percentile"] <= 0.05).mean()}
            line[f"{level}, strong third"] = one.loc[one["strong"], "percentile"].mean()
        lines.append(line)
    print(f"{len(problem.paired)} shared compounds, {np.isin(problem.query.compound, problem.paired).sum()} instances")
    print(pd.DataFrame(lines).round(3).to_string(index=False))
    keys = ["gallery", "level", "seed", "fold", "place", "compound"]
    both = table[table["method"].isin(["plain", AS_RUN])].pivot_table(index=keys, columns="method", values="percentile")
    for (gallery, level), part in both.groupby(level=["gallery", "level"]):
        difference = (part[AS_RUN] - part["plain"]).reset_index(name="difference")
        folds = difference.groupby(["seed", "fold"])["difference"].mean()
        low, high = interval(difference["difference"].to_numpy(), difference["compound"].to_numpy())
        print(
            f"{AS_RUN}, less plain, {gallery}, over {level}: {difference['difference'].mean():.3f} [{low:.3f}, {high:.3f}], "
            f"better in {(folds < 0).sum()} of {len(folds)} folds"
        )
