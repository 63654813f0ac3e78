"""Connectivity Map build 02: the same compound in another line, against compounds scanned beside it.

Instance numbers follow the scan, and a scan holds one plate of compounds. So the negatives of a positive are the other
compounds of its line within +-10 instance numbers, and a query replaced by its neighbour must find nothing. The maps
have seen most negatives, and never the positive: unseen negatives have a figure of their own.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from as_run import as_set, scores_of_a_run, space_of_a_run, untrained
from fold import Problem
from metrics import interval

from scperturb_cmap.embedding.checkpoint import Checkpoint

NEAR = 10
#: What a run makes of these sets, as queries and as its only reference ...
AS_RUN = "learned, as a run scores it"
#: ... and beside a larger reference of profiles, whose genes it searches them by.
BESIDE = "learned, beside the L1000 consensus (seed 0)"

FIGURES = ["auc", "substituted", "unseen negatives"]


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


def collect(problem: Problem, mine: np.ndarray, space: Checkpoint, held: set, seed: int, number: int) -> list[dict]:
    """One line per query, positive and method, for the held-out compounds of one fold."""
    query = problem.query
    asked = trials(query, held & set(query.compound))
    random = np.random.default_rng(seed)
    neighbours = np.array([random.choice(beside) if len(beside) else -1 for *_, beside in asked])
    unseen = np.isin(query.compound, list(held))
    records = []
    for method, scores in similarities(problem, mine, space, seed).items():
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


def similarities(problem: Problem, mine: np.ndarray, space: Checkpoint, seed: int) -> dict[str, np.ndarray]:
    """Scores of all instances by every method; rows are queries, and nothing learned here sees the test compounds.

    ``mine`` are the training instances, ``space`` that of a run with the L1000 consensus beside these sets.
    """
    sets, random = problem.query, np.random.default_rng(seed)
    searched, queries = as_set(sets, "rank"), as_set(sets, "set", queries=True)
    own = space_of_a_run(sets, mine, effect="rank")
    assert own.centring.set_size
    out = {"plain": problem.plain_lines, AS_RUN: scores_of_a_run(queries, searched, own)}
    if seed == 0:
        shuffled = queries.copy()
        shuffled.X = shuffled.X[:, random.permutation(queries.n_vars)]
        out[BESIDE] = scores_of_a_run(queries, searched, space)
        out["control: shuffled genes (seed 0)"] = scores_of_a_run(shuffled, searched, own)
        out["control: untrained (seed 0)"] = scores_of_a_run(queries, searched, untrained(own, seed))
        # no null here: any direction that repeats within instances of one batch helps
        mixed = space_of_a_run(
            replace(sets, compound=within_lines(sets.compound, sets.line, random)), mine, effect="rank"
        )
        out["control: permuted compounds (seed 0)"] = scores_of_a_run(queries, searched, mixed)
    # all sets are of one size, so none is stronger: what is like most others comes nearest to a ranker by strength
    prior = {
        "control: most usual first": problem.plain_lines.mean(axis=0),
        "control: drug prior": out[AS_RUN][mine].mean(axis=0),
    }
    return out | {name: np.broadcast_to(order, out["plain"].shape) for name, order in prior.items()}


def within_lines(compounds: np.ndarray, lines: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Compounds of every line exchanged among its signatures: no pair of two lines is one any more.

    Examples
    --------
    >>> lines = np.array(["A", "A", "B"])
    >>> sorted(within_lines(np.array(["a", "b", "c"]), lines, np.random.default_rng(0))[:2].tolist())
    ['a', 'b']
    """
    out = compounds.copy()
    for line in np.unique(lines):
        rows = np.flatnonzero(lines == line)
        out[rows] = compounds[random.permutation(rows)]
    return out
