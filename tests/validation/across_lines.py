"""Connectivity Map build 02: the same compound in another line, against compounds scanned beside it.

Instance numbers follow the scan, and a scan holds one plate of compounds. So the negatives of a positive are the other
compounds of its line within +-10 instance numbers, and a query replaced by its neighbour must find nothing. The maps
have seen most negatives, and never the positive: unseen negatives have a figure of their own.
"""

import numpy as np
import pandas as pd
from as_run import as_set, scores_of_a_run, space_of_a_run
from fold import N_AXES, Fold, unit
from metrics import interval

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import LinearSettings
from scperturb_cmap.embedding.profiles import discriminant, to_other_lines

NEAR = 10
#: What a run makes of these sets, as queries and as its only reference ...
AS_RUN = "learned, as a run scores it"
#: ... and beside a larger reference of profiles, whose genes it searches them by.
BESIDE = "learned, beside the L1000 consensus (seed 0)"
SHUFFLED = "control: shuffled genes (seed 0)"

FIGURES = ["auc", "substituted", "unseen negatives"]

#: All numbers here were chosen on the folds of seed 0, without inner folds, so read the other seeds.
SETTINGS = LinearSettings(N_AXES, 120, 1.0)


def trials(query, compounds: set, width: int = NEAR) -> list[tuple[int, int, np.ndarray, np.ndarray]]:  # noqa: ANN001
    """Query, positive, negatives of the positive, neighbours of the query; every pair of instances in two lines."""
    of_line = {line: np.flatnonzero(query.line == line) for line in np.unique(query.line)}

    def beside(row: int) -> np.ndarray:
        there = of_line[query.line[row]]
        close = np.abs(query.number[there] - query.number[row]) <= width
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


def collect(fold: Fold, space: Checkpoint, held: set, seed: int, number: int) -> list[dict]:
    """One line per query, positive and method, for the held-out compounds of one fold."""
    query = fold.problem.query
    asked = trials(query, held & set(query.compound))
    random = np.random.default_rng(seed)
    neighbours = np.array([random.choice(beside) if len(beside) else -1 for *_, beside in asked])
    unseen = np.isin(query.compound, list(held))
    records = []
    for method, scores in similarities(fold, space, seed).items():
        for (one, other, negatives, _), neighbour in zip(asked, neighbours, strict=True):
            line = {"method": method, "seed": seed, "fold": number, "compound": query.compound[one]}
            line["auc"] = auc(scores[one, other], scores[one, negatives])
            # the neighbour's own compound may stand among the negatives: it is no negative of it
            rest = negatives[query.compound[negatives] != query.compound[neighbour]]
            if neighbour >= 0 and len(rest):
                line["substituted"] = auc(scores[neighbour, other], scores[neighbour, rest])
            if unseen[negatives].any():
                line["unseen negatives"] = auc(scores[one, other], scores[one, negatives[unseen[negatives]]])
            records.append(line)
    return records


def report(records: list[dict]) -> None:
    table = pd.DataFrame(records)
    each = table.groupby(["method", "seed", "fold", "compound"], sort=False)[FIGURES].mean()
    shown = each.groupby("method", sort=False).mean().assign(n=each.groupby("method").size())
    shown.insert(
        0,
        "shipped",
        ["yes" if name in (AS_RUN, BESIDE) else "cosine" if name == "plain" else "no" for name in shown.index],
    )
    print(f"macro over compounds\n{shown.round(4).to_string()}")
    each = each.sort_index()
    for method in table["method"].unique()[1:]:
        difference = (each.loc[method, "auc"] - each.loc["plain", "auc"]).dropna().reset_index()
        low, high = interval(difference["auc"].to_numpy(), difference["compound"].to_numpy())
        folds = difference.groupby(["seed", "fold"])["auc"].mean()
        text = f"{method} less plain: {difference['auc'].mean():.3f} [{low:.3f}, {high:.3f}]"
        print(f"{text}, better in {(folds > 0).sum()} of {len(folds)} folds")


def similarities(fold: Fold, space: Checkpoint, seed: int) -> dict[str, np.ndarray]:
    """Scores of all instances by every method; rows are queries, and nothing fitted here sees the test compounds."""
    problem, inside, mine = fold.problem, fold.inside, fold.mine
    compounds, lines = problem.query.compound, problem.query.line
    axes = np.eye(N_AXES, dtype=np.float32)
    apart = unit(inside @ discriminant(inside[mine], compounds[mine], 30, 0.5, axes))
    other = unit(inside @ to_other_lines(inside[mine], compounds[mine], lines[mine], 60))
    learned = unit(np.hstack([apart, other]))
    spaces = {
        "cross-platform map": inside @ forward(fold),
        "discriminant": apart,
        "map to other lines": other,
        "both": learned,
        "control: untrained": problem.sets @ np.random.default_rng(seed).normal(size=(problem.sets.shape[1], 50)),
        # no null here: any direction that repeats within compounds helps
        "control: targets at random": inside @ forward(fold, shuffled=seed),
    }
    out = {"plain": problem.plain_lines}
    for name, places in spaces.items():
        near = unit(places).astype(np.float32)
        out[name] = near @ near.T
    out |= of_a_run(fold, space, seed)
    # all sets are of one size, so none is stronger: what is like most others comes nearest to a ranker by strength
    prior = {
        "control: most usual first": problem.plain_lines.mean(axis=0),
        "control: drug prior": out[AS_RUN][mine].mean(axis=0),
    }
    out |= {name: np.broadcast_to(order, out["plain"].shape) for name, order in prior.items()}
    # what the maps have seen lies far from everything; half of the line's mean off the query takes half of that away
    query = learned + Centring.fit(learned[mine], lines[mine]).apply(learned, lines)
    return out | {"discriminant and map to other lines": query.astype(np.float32) @ learned.astype(np.float32).T}


def of_a_run(fold: Fold, space: Checkpoint, seed: int) -> dict[str, np.ndarray]:
    """Runs in which these sets are the reference, alone or beside a larger one whose space they are searched in by its genes."""
    sets, other = fold.problem.query, space_of_a_run(fold.problem.query, fold.mine)
    searched, queries = as_set(sets, "rank"), as_set(sets, "rank", queries=True)
    shuffled = queries.copy()
    shuffled.X = shuffled.X[:, np.random.default_rng(seed).permutation(queries.n_vars)]
    asked = queries.copy()
    asked.obs["effect"] = "set"
    out = {AS_RUN: scores_of_a_run(queries, searched, other)}
    if seed == 0:
        out |= {BESIDE: scores_of_a_run(asked, searched, space), SHUFFLED: scores_of_a_run(shuffled, searched, other)}
    return out


def forward(fold: Fold, shuffled: int | None = None) -> np.ndarray:
    """The map to the other platform, in coordinates of the axes, which are orthogonal."""
    encoder = fold.fit(SETTINGS, shuffled=shuffled)
    matrix = next(block.query for block in encoder.blocks if block.name == "forward")
    axes = fold.basis.axes
    return axes.T @ matrix / (axes[:, 0] @ axes[:, 0])
