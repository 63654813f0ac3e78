"""Networks by their loss on the cross-platform task, beside the linear map: is there more to learn from the same pairs?

The folds of the first seed. A fifth of the training compounds ends the training; a network sees the rest.
"""

import sys
import time

import numpy as np
import pandas as pd
import torch
from fold import Fold, Problem, by_compound
from metrics import interval

from scperturb_cmap.embedding.encoder import Ensemble
from scperturb_cmap.embedding.pairs import mine_pairs
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training import LOSSES, TrainingSettings, train

MEMBERS = 3


def networks(fold: Fold, loss: str, seed: int) -> list:
    """Members of an ensemble, trained on the fold's training compounds."""
    problem = fold.problem
    inner = compound_folds(fold.training, 5, seed, problem.paired)
    names = problem.query.compound[fold.mine], problem.reference.compound[fold.theirs]
    sides = [pd.DataFrame({"compound_id": side}) for side in names]
    pairs = mine_pairs(*sides)
    held = (pairs["compound_id"].map(inner) == 0).to_numpy()
    parts = (pairs[~held].reset_index(drop=True), pairs[held].reset_index(drop=True))
    x, y = fold.x[fold.mine], fold.y[fold.theirs]
    return [train(x, y, *parts, TrainingSettings(loss=loss, seed=seed + n))[0] for n in range(MEMBERS)]


def one_fold(problem: Problem, folds: dict[str, int], number: int, seed: int) -> list[pd.DataFrame]:
    """Percentiles of both levels by every network, the linear map and plain."""
    records = []
    fold = Fold(problem, {c for c, f in folds.items() if f != number})
    rows = np.flatnonzero(np.isin(problem.query.compound, [c for c in problem.paired if folds[c] == number]))
    encoders = {"linear": fold.fit(fold.choose(seed))}
    for loss in LOSSES:
        start = time.time()
        members = networks(fold, loss, seed)
        encoders |= {loss: members[0], f"{loss}, {MEMBERS} members": Ensemble(members)}
        print(f"fold {number}, {loss}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    scores = {"plain": problem.plain[rows]} | {name: fold.scores(one, rows) for name, one in encoders.items()}
    for name, one in scores.items():
        single, mean, compounds = by_compound(problem, one, rows)
        for level, values, who in (
            ("instances", single, problem.query.compound[rows]),
            ("compounds", mean, compounds),
        ):
            records.append(pd.DataFrame({"method": name, "level": level, "compound": who, "percentile": values}))
    return records


def run(sets: dict, args) -> None:  # noqa: ANN001
    problem, seed, records = Problem(sets), 0, []
    folds = compound_folds({*problem.query.compound, *problem.reference.compound}, args.folds, seed, problem.paired)
    torch.use_deterministic_algorithms(True)
    done = 0
    try:
        for done in range(args.folds):
            records += one_fold(problem, folds, done, seed)
    except KeyboardInterrupt:
        print(f"cut off after {done} of {args.folds} folds; the table is of these")
    table = pd.concat(records, ignore_index=True)
    table["top 5 %"] = table["percentile"] <= 0.05
    print(table.groupby(["method", "level"], sort=False)[["percentile", "top 5 %"]].mean().round(3).to_string())
    means = table[table["level"] == "compounds"].pivot_table(index="compound", columns="method", values="percentile")
    for name in means.columns.drop(["plain", "linear"]):
        difference = means[name] - means["linear"]
        low, high = interval(difference.to_numpy(), difference.index.to_numpy())
        print(f"{name} less linear, over compounds: {difference.mean():.3f} [{low:.3f}, {high:.3f}]")
