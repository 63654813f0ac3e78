"""Connectivity Map build 02: the same compound in another line, against compounds scanned beside it.

Instance numbers follow the scan, and a scan holds one plate of compounds. So the negatives of a positive are the other
compounds of its line within +-10 instance numbers, and a query replaced by its neighbour must find nothing. The maps
have seen most negatives, and never the positive: unseen negatives have a figure of their own.
"""

import numpy as np
import pandas as pd
from as_run import as_set
from fold import N_AXES, Fold, unit
from metrics import interval

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import LinearSettings, discriminant, ridge, whitening
from scperturb_cmap.embedding.retrieval import centred_scores

NEAR = 10
#: What a run makes of these sets, as a query and as what is searched.
AS_RUN = "learned, as a run scores it"

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
        0, "shipped", ["yes" if name == AS_RUN else "cosine" if name == "plain" else "no" for name in shown.index]
    )
    print(f"macro over compounds\n{shown.round(4).to_string()}")
    each = each.sort_index()
    for method in table["method"].unique()[1:]:
        difference = (each.loc[method, "auc"] - each.loc["plain", "auc"]).reset_index()
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
    other = unit(inside @ to_other_lines(inside[mine], compounds[mine], lines[mine]))
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
    """A run with these sets as queries and as reference: one side goes through the layer of gene sets, the other is searched."""
    problem, layer = fold.problem, space.encoders["sets"]
    columns = pd.Index(problem.query.genes).get_indexer(space.query_genes["sets"])
    queries, searched = problem.x[:, columns], centred_scores(as_set(problem.query, "rank"), space)[0]
    places = layer.encode_perturbation(searched).T
    genes = np.random.default_rng(seed).permutation(len(columns))
    rows = {AS_RUN: queries, "control: shuffled genes": queries[:, genes]}
    return {name: layer.encode_query(one) @ places for name, one in rows.items()}


def to_other_lines(
    scores: np.ndarray, compounds: np.ndarray, lines: np.ndarray, n_components: int = 60, penalty: float = 10.0
) -> np.ndarray:
    """Map from the mean of a compound in one line to its whitened mean over the other lines.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(50, 3)) * [1, 0.1, 1]
    >>> scores[25:, :2] = scores[:25, :2]
    >>> found = to_other_lines(scores, np.tile(np.arange(25), 2), np.repeat(["A", "B"], 25), 3, 0.01)
    >>> bool(np.linalg.norm(found[0]) > 2 * np.linalg.norm(found[2]))
    True
    """
    means = pd.DataFrame(scores).groupby([compounds, lines]).mean()
    each = means.groupby(level=0)
    n_others = each[0].transform("size") - 1
    others = (each.transform("sum") - means).div(n_others, axis=0)[n_others > 0].to_numpy()
    white = whitening(scores, n_components, shrinkage=0.1)
    return ridge(means[n_others > 0].to_numpy(), others @ white, np.ones(len(others)), penalty)


def forward(fold: Fold, shuffled: int | None = None) -> np.ndarray:
    """The map to the other platform, in coordinates of the axes, which are orthogonal."""
    encoder = fold.fit(SETTINGS, shuffled=shuffled)
    matrix = next(block.query for block in encoder.blocks if block.name == "forward")
    axes = fold.basis.axes
    return axes.T @ matrix / (axes[:, 0] @ axes[:, 0])
