"""Single-cell drug signatures -> L1000 consensus: what a run that learns from both sets scores, beside its classic scores."""

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from as_run import as_set, folds_of, scores_of_a_run, space_of_a_run, twins, without
from fold import Fold, Problem, learned_only
from metrics import interval, interval_of_mean, percentiles
from real_data import Signatures, load
from threadpoolctl import threadpool_limits

from scperturb_cmap.embedding.inputs import Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import LinearSettings
from scperturb_cmap.embedding.pairs import strength
from scperturb_cmap.validation.controls import control_scores
from scperturb_cmap.validation.matrices import score_matrices

CLASSIC = ("spearman", "cosine")
LEARNED = "learned, as a run scores it"
WITHOUT = "learned, as a run without single cells to learn from scores it"

#: What a worker process has at hand.
_HERE: dict = {}

#: Whether a run of the pipeline makes this map.
SHIPPED = {LEARNED: "yes", **dict.fromkeys(CLASSIC, "classic")}


def run(_: dict, args: Namespace) -> None:
    table = measured(args)
    table["shipped"] = table["method"].map(lambda m: SHIPPED.get(m, "yes" if m.startswith("learned") else "no"))
    groups = table.groupby(["data", "level", "method", "shipped"], sort=False)["percentile"]
    shown = groups.agg(["mean", "median", lambda p: (p <= 0.05).mean(), "size"])
    shown.columns = ["mean percentile", "median", "top 5 %", "n over seeds"]
    print(shown.round(3).reset_index().to_string(index=False))
    for base in (*CLASSIC, WITHOUT):
        for level in ("signatures", "compounds"):
            parts = {}
            for data, part in table[table["level"] == level].groupby("data", sort=False):
                one, other = (part[part["method"] == m].reset_index(drop=True) for m in (LEARNED, base))
                parts[data] = (one["percentile"] - other["percentile"]).to_numpy(), other["compound"].to_numpy()
                low, high = interval(*parts[data])
                print(f"learned less {base}, {data}, over {level}: {parts[data][0].mean():.3f} [{low:.3f}, {high:.3f}]")
            mean = np.mean([difference.mean() for difference, _ in parts.values()])
            low, high = interval_of_mean(list(parts.values()))
            print(f"learned less {base}, mean of both, over {level}: {mean:.3f} [{low:.3f}, {high:.3f}]")


class Cells:
    """Single-cell signatures of compounds that the reference holds, as queries, and all of them, to learn from."""

    def __init__(self, query: Signatures, reference: Signatures):
        self.whole = query
        self.rows = np.flatnonzero(np.isin(query.compound, reference.compound))
        values = on_genes(query.values, query.genes, reference.genes)[self.rows]
        self.compound, self.line = query.compound[self.rows], query.line[self.rows]
        held = SimpleNamespace(values=values, genes=reference.genes, compound=self.compound, line=self.line)
        self.queries = as_set(held, "rank", queries=True, assay="single_cell")  # ranks of all genes: a full profile
        self.classic = score_matrices(self.queries, as_set(reference, "modz"), CLASSIC, device="cpu")


def _start(data: Path, n_folds: int) -> None:
    threadpool_limits(1)
    torch.set_num_threads(1)
    sets = load(data)
    cells = {name: Cells(sets[name], sets["l1000"]) for name in ("pbmc", "tahoe")}
    every = {*sets["l1000"].compound}.union(*(one.whole.compound for one in cells.values()))
    paired = {name for one in cells.values() for name in one.compound}
    same = twins(sets["l1000"].values, sets["l1000"].compound)
    _HERE.update(sets=sets, cells=cells, every=every, paired=paired, same=same, n_folds=n_folds)


def _work(which: tuple[int, int]) -> tuple[list[pd.DataFrame], str]:
    """Percentiles of both sets of single cells by every method in one fold, and the blocks that were chosen."""
    (seed, number), cells, reference, records = which, _HERE["cells"], _HERE["sets"]["l1000"], []
    searched, strong = as_set(reference, "modz"), strength(reference.values)
    folds = folds_of(_HERE["every"], _HERE["same"], _HERE["n_folds"], seed, _HERE["paired"])
    training = [c for c, f in folds.items() if f != number]
    theirs = np.flatnonzero(np.isin(reference.compound, training))
    both = [(one.whole, np.flatnonzero(np.isin(one.whole.compound, training))) for one in cells.values()]
    space, alone = (space_of_a_run(reference, theirs, cells=given) for given in (both, []))
    for name, one in cells.items():
        held = np.flatnonzero(~np.isin(one.compound, training))
        asked = one.queries[held].copy()
        found = {LEARNED: scores_of_a_run(asked, searched, space), WITHOUT: scores_of_a_run(asked, searched, alone)}
        found |= {method: np.nan_to_num(matrix[held], nan=-2.0) for method, matrix in one.classic.items()}
        found |= control_scores(
            asked, searched, found[LEARNED], lambda x: scores_of_a_run(x, searched, space), strong, seed=seed
        )
        if seed == 0:
            other = space_of_a_run(reference, theirs, cells=[part for part in both if part[0] is not one.whole])
            found["learned, from the other set of single cells alone (seed 0)"] = scores_of_a_run(
                asked, searched, other
            )
            drawn = np.random.default_rng(0).permutation(reference.genes)
            for left in (900, 600):
                sides = (without(side, drawn[left:]) for side in (asked, searched))
                found[f"{LEARNED}, {left} landmarks (seed 0)"] = scores_of_a_run(*sides, space)
            if "arrays" not in _HERE:
                _HERE["arrays"] = map_of_arrays(_HERE["sets"], _HERE["every"], _HERE["paired"])
            found["map of arrays (seed 0)"] = _HERE["arrays"](one)[held]
        for method, matrix in found.items():
            records += places(matrix, one.compound[held], reference.compound, (name, method, seed))
    layer = space.encoders.get("cells", space.encoders["profile"])
    return records, ", ".join(block.name for block in layer.blocks)


def measured(args: Namespace) -> pd.DataFrame:
    """Percentiles of all folds and seeds."""
    records, chosen, tasks = [], Counter(), list(product(range(args.seeds), range(args.folds)))
    with ProcessPoolExecutor(args.threads, get_context("spawn"), _start, (args.data, args.folds)) as pool:
        for which, (more, blocks) in zip(tasks, pool.map(_work, tasks), strict=True):
            records += more
            chosen[blocks] += 1
            print("seed {}, fold {}: done".format(*which), file=sys.stderr, flush=True)
    print(f"blocks of the layer that validation compounds chose: {dict(chosen)}\n")
    return pd.concat(records)


def map_of_arrays(sets: dict, every: set, paired: set) -> Callable[[Cells], np.ndarray]:
    """What a map of gene sets does to single cells; learned of all compounds that these do not share with the reference."""
    problem = Problem(sets)
    fold = Fold(problem, (every | {*problem.query.compound}) - paired)
    encoder = learned_only(fold.fit(LinearSettings()))
    reference = encoder.encode_perturbation(fold.y)

    def scores(one: Cells) -> np.ndarray:
        values = on_genes(one.whole.values, one.whole.genes, problem.query.genes)[one.rows]
        wide = signed_scores(values, "uniform")
        means = Centring.fit(wide, one.line)
        return encoder.encode_query(means.apply(wide, one.line, ~np.isnan(values))) @ reference.T

    return scores


def places(matrix: np.ndarray, who: np.ndarray, theirs: np.ndarray, of: tuple) -> list[pd.DataFrame]:
    """Percentiles of signatures, and of the mean score of a compound's signatures."""
    names, groups = np.unique(who, return_inverse=True)
    mean = np.stack([matrix[groups == n].mean(axis=0) for n in range(len(names))])
    out, (data, method, seed) = [], of
    for level, one, whose in (("signatures", matrix, who), ("compounds", mean, names)):
        place = percentiles(one, whose[:, None] == theirs)
        line = {"data": data, "method": method, "level": level, "seed": seed, "compound": whose, "percentile": place}
        out.append(pd.DataFrame(line))
    return out
