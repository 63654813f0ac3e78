"""Validation of any table of scores, of whatever tool, against a table of labels."""

import logging

import numpy as np
import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.validation.evaluate import evaluate_queries, summarise

__all__ = ["validate_scores"]

log = logging.getLogger(__name__)

_IDS = ("query", "item")
_YES, _NO = {"1", "true", "yes", "positive"}, {"0", "false", "no", "negative"}


def validate_scores(
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    names: tuple[str, str] = ("scores", "labels"),
    higher: bool = True,
    seed: int = 1,
) -> pd.DataFrame:
    """Metrics of every method of a table of scores.

    Parameters
    ----------
    scores
        One row per query and item: query, item, and either one column of numbers per method, or method and score.
    labels
        One row per query and item that is known: query, item, label (1, true, yes, positive; 0, false, no, negative), and
        optionally cluster (compound, mechanism or disease that is drawn again for intervals; the query without it). Where no row
        is a negative, all items without a label are.
    names
        What to call the two in messages.
    higher
        Whether positives should have the highest scores; False for reversal, which is negative.
    seed
        Of bootstrap and null.

    Returns
    -------
    The tidy table (:data:`~scperturb_cmap.validation.evaluate.COLUMNS`); every method is compared with the first.

    Raises
    ------
    InputError
        With everything that is wrong with the two tables.

    Examples
    --------
    >>> scores = pd.DataFrame({"query": ["q"] * 3 + ["r"] * 3, "item": list("abcabc"), "mine": [3.0, 2, 1, 1, 3, 2]})
    >>> labels = pd.DataFrame({"query": ["q", "r"], "item": ["a", "b"], "label": "1"})
    >>> table = validate_scores(scores, labels)
    >>> table.loc[table["metric"] == "auroc", ["task", "method", "value", "n"]].to_dict("records")
    [{'task': 'given', 'method': 'mine', 'value': 1.0, 'n': 2}]
    """
    scores, methods = _wide(scores, names[0])
    labels = _labels(labels, names[1])
    queries, items = pd.Index(sorted(scores["query"].unique())), pd.Index(sorted(scores["item"].unique()))
    shape = len(queries), len(items)
    row, column = queries.get_indexer(scores["query"]), items.get_indexer(scores["item"])
    matrices = {}
    for method in methods:
        matrices[method] = np.full(shape, np.nan)
        matrices[method][row, column] = scores[method] * (1 if higher else -1)
    known = labels[labels["query"].isin(queries) & labels["item"].isin(items)]
    if lost := len(labels) - len(known):
        log.warning("%d of %d labels are of queries or items without a score: they do not count.", lost, len(labels))
    positive, negative = np.zeros(shape, bool), np.zeros(shape, bool)
    for mask, mine in ((positive, known[known["positive"]]), (negative, known[~known["positive"]])):
        mask[queries.get_indexer(mine["query"]), items.get_indexer(mine["item"])] = True
    if labels["positive"].all():
        # a method that has no score at all for a query does not take it from the others
        finite = [np.isfinite(one) | ~np.isfinite(one).any(axis=1, keepdims=True) for one in matrices.values()]
        negative = ~positive & np.all(finite, axis=0)
    clusters = known.drop_duplicates("query").set_index("query")["cluster"].reindex(queries)
    about = pd.DataFrame({"cluster": clusters.fillna("").to_numpy(str), "task": "given", "half": ""})
    found = evaluate_queries(matrices, positive, negative, about)
    if found.empty:
        wrong = "No query of the scores has both a positive and a negative."
        raise InputError(Problem(names[1], "", wrong, "Use the scores' names of queries and items."))
    return summarise(found, methods[:1], seed=seed)


def _wide(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Scores with a column per method."""
    problems = [
        Problem(name, column, "The column is missing.", "Name it so.") for column in _IDS if column not in table
    ]
    table = table.rename(columns=str)
    long = {"method", "score"} <= set(table)
    if problems:
        raise InputError(problems)
    table = table.assign(**{column: table[column].astype(str) for column in _IDS})
    keys = [*_IDS, "method"] if long else list(_IDS)
    if table.duplicated(keys).any():
        first = table.loc[table.duplicated(keys), keys].iloc[0].tolist()
        raise InputError(Problem(name, ", ".join(keys), f"{first} stands twice.", "Give every pair one row."))
    if long:
        table = table.assign(method=table["method"].astype(str).str.strip())
        if table["method"].isin(["", "nan", "None"]).any():
            raise InputError(Problem(name, "method", "A row names no method.", "Fill it in, or remove the row."))
        values = table.assign(score=_numbers(table["score"], name, "score"))
        table = values.pivot(index=list(_IDS), columns="method", values="score").reset_index()
    else:
        mine = [column for column in table if column not in _IDS]
        table = table.assign(**{column: _numbers(table[column], name, column, strict=False) for column in mine})
    methods = [
        str(c) for c in table if c not in _IDS and pd.api.types.is_numeric_dtype(table[c]) and table[c].notna().any()
    ]
    if not methods:
        raise InputError(Problem(name, "", "There is no column of scores.", "Give one column of numbers per method."))
    return table, methods


def _numbers(column: pd.Series, name: str, field: str, strict: bool = True) -> pd.Series:
    """Numbers, "" and NA missing; other text is refused, or left as text."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        column = column.where(column.notna(), "").astype(str)  # of a date pandas would make a number
    text = column.replace({"": None, "NA": None, "NaN": None, "nan": None})
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    wrong = text[numbers.isna() & text.notna()]
    if len(wrong) and strict:
        raise InputError(Problem(name, field, f"{wrong.iloc[0]!r} is no number.", "Leave missing scores empty."))
    if np.isinf(numbers).any():
        raise InputError(Problem(name, field, "It holds an infinite score.", "Write a number, or leave it empty."))
    return column if len(wrong) else numbers


def _labels(table: pd.DataFrame, name: str) -> pd.DataFrame:
    table = table.rename(columns=str)
    lacking = [column for column in (*_IDS, "label") if column not in table]
    problems = [Problem(name, column, "The column is missing.", "Name it so.") for column in lacking]
    if problems:
        raise InputError(problems)
    table = table.assign(**{column: table[column].astype(str) for column in _IDS})
    word = table["label"].astype(str).str.strip().str.casefold().str.replace(r"\.0$", "", regex=True)
    if len(odd := word[~word.isin(_YES | _NO)]):
        problems.append(Problem(name, "label", f"{odd.iloc[0]!r} is neither yes nor no.", "Write 1 or 0."))
    if table.duplicated(list(_IDS)).any():
        first = table.loc[table.duplicated(list(_IDS)), list(_IDS)].iloc[0].tolist()
        problems.append(Problem(name, "query, item", f"{first} stands twice.", "Give every pair one row."))
    if not problems and not word.isin(_YES).any():
        problems.append(Problem(name, "label", "There is no positive.", "Mark what a query should find with 1."))
    if problems:
        raise InputError(problems)
    cluster = table["cluster"].astype(str).str.strip() if "cluster" in table else table["query"]
    cluster = cluster.where(~cluster.isin(["", "nan", "None"]), table["query"])
    return table.assign(positive=word.isin(_YES), cluster=cluster)
