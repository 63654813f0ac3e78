"""Validation of any table of scores, of whatever tool, against a table of labels."""

import logging
import re

import numpy as np
import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import are_whole
from scperturb_cmap.validation.evaluate import evaluate_queries, summarise

__all__ = ["validate_scores"]

log = logging.getLogger(__name__)

_IDS = ("query", "item")

#: Names that pandas gives the column of row numbers when it writes and reads a table.
_ROW_NUMBER = re.compile(r"|Unnamed: \d+")

_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "-", ".")
_YES, _NO = {"1", "true", "yes", "positive"}, {"0", "false", "no", "negative"}


def validate_scores(
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    names: tuple[str, str] = ("scores", "labels"),
    higher: bool = True,
    missing: str = "last",
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
    missing
        What an item is that is labelled for a query and that a method has no score for, where it has any for the query: "last",
        behind all it has a score for, as in a list of the first ten; or "left_out", for all methods, so that they are compared
        on what every one can score.
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
    queries = pd.Index(sorted(scores["query"].unique()))
    known = labels[labels["query"].isin(queries)]
    if lost := labels["query"].nunique() - known["query"].nunique():
        log.warning("%d of %d labelled queries have no score: they do not count.", lost, labels["query"].nunique())
    items = pd.Index(sorted({*scores["item"], *known["item"]}))
    shape = len(queries), len(items)
    row, column = queries.get_indexer(scores["query"]), items.get_indexer(scores["item"])
    matrices = {}
    for method in methods:
        matrices[method] = np.full(shape, np.nan)
        matrices[method][row, column] = scores[method] * (1 if higher else -1)
    positive, negative = np.zeros(shape, bool), np.zeros(shape, bool)
    for mask, mine in ((positive, known[known["positive"]]), (negative, known[~known["positive"]])):
        mask[queries.get_indexer(mine["query"]), items.get_indexer(mine["item"])] = True
    scored = {method: np.isfinite(matrix) for method, matrix in matrices.items()}
    if labels["positive"].all():
        negative = ~positive & np.any(list(scored.values()), axis=0)
    for method, matrix in matrices.items():
        lacks = (positive | negative) & ~scored[method] & scored[method].any(axis=1, keepdims=True)
        if lacks.any():
            said = "they count as its last" if missing == "last" else "they are left out for every method"
            log.warning("%s has no score for %d of the pairs of its queries: %s.", method, lacks.sum(), said)
        if missing == "last":
            matrix[lacks] = np.min(matrix, initial=np.inf, where=scored[method]) - 1
    alone = (positive.any(axis=1) != negative.any(axis=1)).sum()
    if alone:
        log.warning("%d queries have no positive or no negative: they do not count.", alone)
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
    table = table.loc[:, [column for column in table if not _ROW_NUMBER.fullmatch(column)]]
    long = {"method", "score"} <= set(table)
    if problems:
        raise InputError(problems)
    table = table.assign(**{column: _names(table[column]) for column in _IDS})
    keys = [*_IDS, "method"] if long else list(_IDS)
    if table.duplicated(keys).any():
        first = table.loc[table.duplicated(keys), keys].iloc[0].tolist()
        raise InputError(Problem(name, ", ".join(keys), f"{first} stands twice.", "Give every pair one row."))
    if long:
        table = table.assign(method=table["method"].astype(str).str.strip())
        if table["method"].isin(["", "nan", "None"]).any():
            raise InputError(Problem(name, "method", "A row names no method.", "Fill it in, or remove the row."))
        if len(taken := table.loc[table["method"].isin(_IDS), "method"]):
            wrong = f"A method is called {taken.iloc[0]!r}, as a column of the table is."
            raise InputError(Problem(name, "method", wrong, "Give it another name."))
        values = table.assign(score=_numbers(table["score"], name, "score"))
        wide = values.pivot(index=list(_IDS), columns="method", values="score")
        table = wide[list(dict.fromkeys(values["method"]))].reset_index()  # the first stays the first
    else:
        mine = [column for column in table if column not in _IDS]
        table = table.assign(**{column: _numbers(table[column], name, column, strict=False) for column in mine})
    methods = [
        str(c) for c in table if c not in _IDS and pd.api.types.is_numeric_dtype(table[c]) and table[c].notna().any()
    ]
    if not methods:
        raise InputError(Problem(name, "", "There is no column of scores.", "Give one column of numbers per method."))
    return table, methods


def _names(column: pd.Series) -> pd.Series:
    """Names as text, without spaces around them; of a column of whole numbers 1.0 is "1"."""
    if are_whole(column):
        column = column.astype("Int64")
    return column.astype(str).str.strip()


def _numbers(column: pd.Series, name: str, field: str, strict: bool = True) -> pd.Series:
    """Numbers, "" and NA missing; other text is refused, or left as text where most of a column is."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        column = column.where(column.notna(), "").astype(str)  # of a date pandas would make a number
    if column.dtype == object:
        column = column.str.strip()
    text = column.where(~column.isin(_MISSING), None)
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    wrong = text[numbers.isna() & text.notna()]
    if len(wrong) and (strict or 2 * len(wrong) < text.notna().sum()):
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
    table = table.assign(**{column: _names(table[column]) for column in _IDS})
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
    several = cluster.groupby(table["query"]).nunique()
    if len(odd := several[several > 1]):
        wrong = f"Query {odd.index[0]!r} is of {odd.iloc[0]} clusters."
        raise InputError(Problem(name, "cluster", wrong, "Give all rows of a query one cluster."))
    return table.assign(positive=word.isin(_YES), cluster=cluster)
