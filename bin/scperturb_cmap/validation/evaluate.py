"""From scores and known answers to one tidy table: every method, every metric, with interval, chance and p."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from scperturb_cmap.io.meanings import TABLES
from scperturb_cmap.validation.metrics import METRICS, PRIMARY, average_precision_null, chance, retrieval_metrics
from scperturb_cmap.validation.uncertainty import cluster_interval, cluster_means, holm, signed_rank_p

__all__ = ["COLUMNS", "evaluate_queries", "summarise"]

#: Column of the table -> what it holds.
COLUMNS = TABLES["validation"].columns

_DRAWS = 1000


def evaluate_queries(
    scores: Mapping[str, np.ndarray], positive: np.ndarray, negative: np.ndarray, about: pd.DataFrame
) -> pd.DataFrame:
    """Metrics of every query by every method.

    Parameters
    ----------
    scores
        Method -> shape (n_queries, n_items), higher = more alike; missing where a method has none.
    positive, negative
        Which items answer a query, and which do not; all others are left out.
    about
        One row per query: cluster, and whatever else is to be carried along.

    Returns
    -------
    One row per query and method: the columns of ``about``, query, method, n_items, n_positive, the metrics. Queries without a
    positive or a negative are left out, and so is a query that a method has no score for. Items that some method has no
    score for are left out for all, so that methods are compared on the same.

    Examples
    --------
    >>> found = evaluate_queries({"a": np.array([[3.0, 2, 1]])}, np.array([[True, False, False]]),
    ...     np.array([[False, True, True]]), pd.DataFrame({"cluster": ["x"]}))
    >>> found[["method", "n_items", "auroc"]].to_dict("records")
    [{'method': 'a', 'n_items': 3, 'auroc': 1.0}]
    """
    records = []
    for query in range(len(about)):
        able = {name: matrix[query] for name, matrix in scores.items() if np.isfinite(matrix[query]).any()}
        asked = positive[query] | negative[query]
        for row in able.values():
            asked = asked & np.isfinite(row)
        answer = positive[query][asked]
        if not answer.any() or answer.all():
            continue
        known = about.iloc[query].to_dict() | {"query": query, "n_items": len(answer), "n_positive": int(answer.sum())}
        records += [known | {"method": name} | retrieval_metrics(row[asked], answer) for name, row in able.items()]
    columns = [*about, "query", "n_items", "n_positive", "method", *METRICS]
    return pd.DataFrame(records, columns=columns)


def summarise(found: pd.DataFrame, compared_with: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """The tidy table of some tasks.

    Parameters
    ----------
    found
        Of :func:`evaluate_queries`, with the columns task, cluster and half.
    compared_with
        Methods that all others are compared with.
    seed
        Of bootstrap and null.

    Returns
    -------
    Columns :data:`COLUMNS`.
    """
    rows = []
    for task, whole in found.groupby("task", sort=False) if len(found) else ():
        halves = [half for half in ("validation", "test") if (whole["half"] == half).any()]
        for split in ("all", *halves):
            part = whole if split == "all" else whole[whole["half"] == split]
            by_method = {name: one.set_index("query") for name, one in part.groupby("method", sort=False)}
            known: dict[tuple, _ByChance] = {}
            for name, one in by_method.items():
                key = tuple(one.index)
                if key not in known:
                    known[key] = _ByChance(one, one["cluster"].to_numpy(str), seed)
                names = {"task": task, "split": split, "method": name}
                rows += _rows(one, one[list(METRICS)], names, known[key], seed)
                for base in compared_with:
                    if name == base or base not in by_method:
                        continue
                    both = one.index.intersection(by_method[base].index)
                    difference = one.loc[both, list(METRICS)] - by_method[base].loc[both, list(METRICS)]
                    rows += _rows(one.loc[both], difference, names | {"compared_with": base}, None, seed)
    table = pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in ("p_holm", "reason")])
    return _reasons(_adjusted(table))


class _ByChance:
    """What random orders give for some queries; methods that answer the same queries share it."""

    def __init__(self, queries: pd.DataFrame, clusters: np.ndarray, seed: int):
        shapes = [(int(n), int(k)) for n, k in zip(queries["n_items"], queries["n_positive"], strict=True)]
        known = {shape: [chance(*shape)[metric] for metric in METRICS] for shape in set(shapes)}
        self.means = cluster_means(np.array([known[shape] for shape in shapes]), clusters).mean(axis=0)
        # queries of one shape share their draws, each in an order of its own
        drawn = [
            np.random.default_rng([seed, number]).permutation(average_precision_null(*shape, _DRAWS, seed))
            for number, shape in enumerate(shapes)
        ]
        self.null = cluster_means(np.stack(drawn), clusters)

    def p(self, reached: np.ndarray) -> float:
        """How often random orders have as high a macro mean as these clusters."""
        null = self.null.mean(axis=0)
        return float((1 + (null >= reached.mean() - 1e-9).sum()) / (1 + _DRAWS))

    def share_found(self, reached: np.ndarray) -> float:
        """Share of the clusters whose mean average precision is beyond chance at a false discovery rate of 5 %."""
        p = (1 + (self.null >= reached[:, None] - 1e-9).sum(axis=1)) / (1 + _DRAWS)
        return float((false_discovery_control(p) < 0.05).mean())


def _rows(
    queries: pd.DataFrame, values: pd.DataFrame, names: dict, by_chance: _ByChance | None, seed: int
) -> list[dict]:
    """One row per metric of some queries; without ``by_chance`` the values are differences."""
    clusters = queries["cluster"].to_numpy(str)
    means = cluster_means(values.to_numpy(), clusters)
    low, high = cluster_interval(values.to_numpy(), clusters, seed=seed)
    known = {"compared_with": "", **names, "n": len(means), "n_queries": len(queries), "chance": 0.0}
    out = [
        known | {"metric": metric, "value": value, "low": low[column], "high": high[column], "p": np.nan}
        for column, (metric, value) in enumerate(zip(METRICS, means.mean(axis=0), strict=True))
    ]
    place = list(METRICS).index(PRIMARY)
    reached = means[:, place]
    if by_chance is None:
        out[place]["p"] = signed_rank_p(values[PRIMARY], clusters)
        return out
    out[place]["p"] = by_chance.p(reached)
    for row, expected in zip(out, by_chance.means, strict=True):
        row["chance"] = expected
        most = np.inf if row["metric"] == "enrichment_factor_1" else 1.0
        row["low"], row["high"] = np.clip((row["low"], row["high"]), 0.0, most)
    share = {"metric": "share_found", "value": by_chance.share_found(reached)}
    return [*out, known | share | dict.fromkeys(("low", "high", "p"), np.nan)]


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Holm over tasks, for each method, split and what it is compared with.

    Tasks that differ only in what a space may see are one and the same test of a classic score, and count once.
    """
    table = table.assign(p_holm=np.nan)
    tested = table[(table["compared_with"] != "") & table["p"].notna()]
    for _, one in tested.groupby(["method", "split", "compared_with"]):
        tests = list(one[["value", "n", "n_queries", "p"]].itertuples(index=False, name=None))
        different = dict.fromkeys(tests)
        by_test = dict(zip(different, holm([test[-1] for test in different]), strict=True))
        table.loc[one.index, "p_holm"] = [by_test[test] for test in tests]
    return table


def _reasons(table: pd.DataFrame) -> pd.DataFrame:
    """Say why something is missing."""
    reason = np.where(table["metric"] == "share_found", "a share of tests: no interval and no p", "")
    reason = np.where(table["n"] < 2, "one compound or mechanism: no interval", reason)
    reason = np.where((reason == "") & table["p"].isna(), "p is given for average_precision", reason)
    return table.assign(reason=reason)[list(COLUMNS)]
