"""Connectivity Map build 02: the same compound in another line, against compounds scanned beside it.

Instance numbers follow the scan, and a scan holds one plate of compounds. So the negatives of a positive are the other
compounds of its line within +-10 instance numbers; and a query replaced by its neighbour on the plate must find nothing.
"""

import numpy as np
import pandas as pd
from cross_platform import Fold, Problem, unit
from metrics import interval

from scperturb_cmap.embedding.linear import LinearSettings, discriminant
from scperturb_cmap.embedding.splits import compound_folds

NEAR = 10


def trials(query, compounds: set) -> list[tuple[int, int, np.ndarray, np.ndarray]]:  # noqa: ANN001
    """Query, positive, negatives of the positive, neighbours of the query; every pair of instances in two lines."""
    of_line = {line: np.flatnonzero(query.line == line) for line in np.unique(query.line)}

    def beside(row: int) -> np.ndarray:
        there = of_line[query.line[row]]
        close = np.abs(query.number[there] - query.number[row]) <= NEAR
        return there[close & (query.compound[there] != query.compound[row])]

    near = {}
    out = []
    for compound in sorted(compounds):
        rows = np.flatnonzero(query.compound == compound)
        for one in rows:
            for other in rows[query.line[rows] != query.line[one]]:
                for row in (one, other):
                    if row not in near:
                        near[row] = beside(row)
                if len(near[other]):
                    out.append((one, other, near[other], near[one]))
    return out


def auc(true: float, others: np.ndarray) -> float:
    return float((true > others).mean() + (true == others).mean() / 2)


def run(sets: dict, landmarks: np.ndarray, args) -> None:  # noqa: ANN001
    problem, records = Problem(sets, landmarks), []
    query = problem.query
    raw = np.nan_to_num(query.values)
    for seed in range(args.seeds):
        folds = compound_folds({*query.compound, *problem.reference.compound}, args.folds, seed, problem.paired)
        for number in range(args.folds):
            fold = Fold(problem, {c for c, f in folds.items() if f != number})
            asked = trials(query, {c for c, f in folds.items() if f == number and c in set(query.compound)})
            random = np.random.default_rng(seed)
            neighbours = [random.choice(beside) if len(beside) else -1 for *_, beside in asked]
            # only these rows are encoded
            used = np.unique(np.concatenate([[a, b, *n] for a, b, n, _ in asked] + [neighbours, [0]]).astype(int))
            used = used[used >= 0]
            place = np.full(len(raw), -1)
            place[used] = np.arange(len(used))
            for method, space in spaces(fold, raw, used, seed).items():
                scores = unit(space) @ unit(space).T
                for (one, other, negatives, _), neighbour in zip(asked, neighbours, strict=True):
                    line = {"method": method, "seed": seed, "fold": number, "compound": query.compound[one]}
                    line["auc"] = auc(scores[place[one], place[other]], scores[place[one], place[negatives]])
                    if neighbour >= 0:  # its own compound may be among the negatives: it is no negative of it
                        rest = negatives[query.compound[negatives] != query.compound[neighbour]]
                        if len(rest):
                            line["substituted"] = auc(
                                scores[place[neighbour], place[other]], scores[place[neighbour], place[rest]]
                            )
                    records.append(line)
    table = pd.DataFrame(records)
    each = table.groupby(["method", "seed", "fold", "compound"], sort=False)[["auc", "substituted"]].mean()
    shown = each.groupby("method", sort=False).agg(["mean", "size"]).round(4)
    print(f"macro over compounds\n{shown.to_string()}")
    for method in each.index.unique("method")[1:]:
        difference = (each.loc[method, "auc"] - each.loc["plain", "auc"]).reset_index()
        low, high = interval(difference["auc"].to_numpy(), difference["compound"].to_numpy())
        better = (difference.groupby(["seed", "fold"])["auc"].mean() > 0).sum()
        text = f"{method} less plain: {difference['auc'].mean():.3f} [{low:.3f}, {high:.3f}]"
        print(f"{text}, better in {better} of {args.seeds * args.folds} folds")


def spaces(fold: Fold, raw: np.ndarray, used: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Queries by every method; nothing here sees the test compounds."""
    problem = fold.problem
    mine = fold.mine
    encoder = fold.fit(LinearSettings())
    forward = next(block.query for block in encoder.blocks if block.name == "forward")
    maps = discriminant(fold.x[mine], problem.query.compound[mine], 50, axes=fold.basis.axes)
    across, apart = fold.x[used] @ forward, fold.x[used] @ maps
    random = np.random.default_rng(seed)
    return {
        "plain": raw[used],
        "cross-platform map": across,
        "discriminant": apart,
        "learned": np.hstack([unit(across), unit(apart)]),
        "control: untrained": fold.x[used] @ random.normal(size=(raw.shape[1], 50)).astype(np.float32),
        "control: targets at random": fold.x[used] @ permuted(fold, seed),
    }


def permuted(fold: Fold, seed: int) -> np.ndarray:
    """The map after compounds changed partners; it is no null here, since any direction that repeats within compounds helps."""
    encoder = fold.fit(LinearSettings(), shuffled=seed)
    return next(block.query for block in encoder.blocks if block.name == "forward")
