"""What would make a test easier than the real question: looked for in every run, and named where it is found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from scperturb_cmap.reference.identity import skeletons
from scperturb_cmap.utils.batches import beside, is_scan
from scperturb_cmap.validation.metrics import retrieval_metrics
from scperturb_cmap.validation.splits import SPLITS

__all__ = ["CHECKS", "Finding", "inspect_run", "same_profiles"]

#: Check -> what is done about it. "refused": the run stops; "left out": these pairs do not count; "told": the reader must know.
CHECKS = {
    "shared replicates": ("refused", "signatures on both sides of a split were made of the same wells"),
    "one compound, two names": ("refused", "a compound stands on both sides of a split under two names"),
    "trained on the tested": (
        "refused",
        "a model was fitted on a compound, mechanism, cell line or batch it is tested on",
    ),
    "query in its background": (
        "told",
        "the reference queries that normalised scores are compared with hold the tested compound",
    ),
    "identical profiles": (
        "left out",
        "one measurement stands under two names (the ranking keeps both)",
    ),
    "positives on one plate": (
        "told",
        "positives of queries lie in the queries' own batches, or beside them in one scan",
    ),
    "frequent compounds": ("left out", "a few compounds have most of the signatures"),
    "strength tells the answer": ("told", "strong signatures find each other"),
    "missing genes tell the answer": ("told", "which genes are missing depends on the compound"),
    "one experiment": ("told", "queries and searched signatures are of the same batches, so of one experiment"),
    "several annotations": (
        "left out",
        "a compound has several rows in the table of drugs, which a join would multiply",
    ),
}

#: Correlation from which two profiles are the same measurement.
_IDENTICAL = 0.999

#: Signatures of one compound beyond which a reference is its compound's.
_FREQUENT = 200

#: Share of positives beside their query from which a batch may be what is found.
_BESIDE = 0.5

#: Area under the curve from which a shortcut alone is worth telling.
_SHORTCUT = 0.6


class Finding(NamedTuple):
    """One leak.

    Parameters
    ----------
    check
        Of :data:`CHECKS`.
    where
        Task, split or file.
    detail
        What was found, with an example.
    n
        How often.
    action
        What was done about it.
    """

    check: str
    where: str
    detail: str
    n: int
    action: str


def _finding(check: str, where: str, n: int, example: object) -> list[Finding]:
    action, what = CHECKS[check]
    return [Finding(check, where, f"{what}: {example}", int(n), action)] if n else []


def same_profiles(queries: np.ndarray, searched: np.ndarray) -> np.ndarray:
    """Which pairs are one measurement: a correlation above 0.999; bool (n_queries, n_signatures).

    Parameters
    ----------
    queries, searched
        Values on the same genes, NaN = not measured. Genes that no query or no signature measures do not count: one file may
        hold the landmarks of another. Of the others a missing one counts as no effect.

    Examples
    --------
    >>> same_profiles(np.array([[1.0, 2, 4, 9]]), np.array([[2.0, 4, 8, np.nan], [4, 2, 1, np.nan]])).tolist()
    [[True, False]]
    """
    sides = [np.asarray(side, np.float32) for side in (queries, searched)]
    both = np.logical_and(*(~np.isnan(side).all(axis=0) for side in sides))
    return _correlations(*(np.nan_to_num(side[:, both]) for side in sides)) > _IDENTICAL


def _correlations(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of all pairs of rows; 0 where one is constant."""
    off = [side - side.mean(axis=1, keepdims=True) for side in (mine, theirs)]
    unit = [side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9) for side in off]
    return unit[0] @ unit[1].T


def inspect_run(
    labels: pd.DataFrame, trained_on: dict[str, tuple[Sequence[str], np.ndarray, np.ndarray]], *,
    tasks: dict[str, tuple] | None = None, background: set[str] = frozenset(), identical: np.ndarray | None = None,
    strength: np.ndarray | None = None, known: np.ndarray | None = None, tested: np.ndarray | None = None,
    annotated: pd.Series | None = None, counts: pd.Series | None = None,
) -> list[Finding]:  # fmt: skip
    """Go through the list of known leaks.

    Parameters
    ----------
    labels
        One row per signature searched: compound_id, compound, pert_id, inchi_key, families, lineage, batch, reference, and
        ``replicates`` ("well|well") where a source tells.
    trained_on
        By a name: what was held out ("compound", "mechanism", "cell_line", "batch", one or several), and for each fold which
        signatures were trained on and which were tested, bool (n_folds, n_signatures) each.
    tasks
        Task -> positives and negatives of the queries, the queries' labels, and which genes they measure.
    background
        Compounds of the reference queries that a normalised score is compared with.
    identical
        Which pairs of queries and searched signatures are one measurement (:func:`same_profiles`), themselves left out.
    strength
        Of every signature in ``labels``.
    known
        Which genes these measure, where the queries have the same.
    tested
        Positions of the queries in ``labels``.
    annotated
        compound_id of every row of the table of drugs.
    counts
        Signatures of each compound in the whole reference.

    Returns
    -------
    All findings; an action "refused" means that no figure of this run may be believed.
    """
    found: list[Finding] = []
    for name, (splits, training, test) in trained_on.items():
        for number, (train, held) in enumerate(zip(training, test, strict=True)):
            for split in splits:
                found += _split(labels, train, held, split, f"{name}, fold {number}")
            found += _wells(labels, train, held, f"{name}, fold {number}")
    compounds = labels["compound_id"].astype(str)
    counts = compounds.value_counts() if counts is None else counts
    often = counts[(counts > _FREQUENT) & (counts.index != "")]
    found += _finding("frequent compounds", "reference", len(often), ", ".join(often.index[:3]))
    if annotated is not None:
        twice = annotated[annotated.duplicated()]
        found += _finding("several annotations", "drugs", twice.nunique(), ", ".join(twice.unique()[:3]))
    if tested is not None and background:
        inside = sorted(set(compounds.iloc[tested]) & background - {""})
        found += _finding("query in its background", "reference queries", len(inside), ", ".join(inside[:3]))
    if identical is not None and identical.any():
        query, other = np.argwhere(identical)[0]
        found += _finding("identical profiles", "reference", identical.sum(), f"query {query} and signature {other}")
    for task, (positive, negative, asked, measured) in (tasks or {}).items():
        found += _task(labels, task, positive, negative, asked, strength, None if known is None else (measured, known))
    return found


def _split(labels: pd.DataFrame, train: np.ndarray, held: np.ndarray, split: str, where: str) -> list[Finding]:
    """What two sides of a split have in common."""
    sides = labels[train], labels[held]
    if split == "mechanism":  # the only one that is a list
        both = _in_both(*(side["families"] for side in sides))
    elif split == "batch":
        tested = sides[1]["batch"].astype(str)
        scan = is_scan(labels["batch"].astype(str))
        both = set(tested[beside(tested, sides[0]["batch"].astype(str), scan=scan).any(axis=1)])
    else:
        both = set.intersection(*(set(side[SPLITS[split]].astype(str)) - {""} for side in sides))
    found = _finding("trained on the tested", where, len(both), ", ".join(sorted(both)[:3]))
    if split in ("compound", "mechanism"):  # both hold compounds out
        other = set()
        for name, key in (("inchi_key", skeletons), ("pert_id", lambda text: text)):
            if name in labels:
                other |= set.intersection(*(set(key(side[name].astype(str))) - {""} for side in sides))
        found += _finding("one compound, two names", where, len(other - both), ", ".join(sorted(other - both)[:3]))
    return found


def _wells(labels: pd.DataFrame, train: np.ndarray, held: np.ndarray, where: str) -> list[Finding]:
    """Wells that signatures on both sides were made of."""
    if "replicates" not in labels:
        return []
    wells = _in_both(labels.loc[train, "replicates"], labels.loc[held, "replicates"])
    return _finding("shared replicates", where, len(wells), ", ".join(sorted(wells)[:3]))


def _in_both(mine: pd.Series, theirs: pd.Series) -> set[str]:
    """Entries of "a|b" that stand on both sides."""
    return set.intersection(*(set("|".join(side.astype(str)).split("|")) - {""} for side in (mine, theirs)))


def _task(
    labels: pd.DataFrame, task: str, positive: np.ndarray, negative: np.ndarray, asked: pd.DataFrame,
    strength: np.ndarray | None, known: tuple[np.ndarray, np.ndarray] | None,
) -> list[Finding]:  # fmt: skip
    """Shortcuts to the answers of one task."""
    found = []
    mine, theirs = (side["batch"].astype(str) for side in (asked, labels))
    near = beside(mine, theirs) & positive
    if positive.any() and near.sum() >= _BESIDE * positive.sum():
        first = mine.to_numpy()[near.any(axis=1)][0]
        said = f"{near.sum() / positive.sum():.0%} of the positives, as of batch {first}"
        found += _finding("positives on one plate", task, near.sum(), said)
    if task in ("other_platform", "single_cell"):
        inside = mine.isin(set(theirs) - {""})
        found += _finding("one experiment", task, inside.sum(), ", ".join(mine[inside].unique()[:3]))
    for check, tells in (
        ("strength tells the answer", None if strength is None else np.broadcast_to(strength, positive.shape)),
        (
            "missing genes tell the answer",
            None if known is None else _correlations(*(one.astype(np.float32) for one in known)),
        ),
    ):
        if tells is not None and (area := _area(tells, positive, negative)) > _SHORTCUT:
            found += _finding(check, task, (positive.any(axis=1)).sum(), f"area under the curve {area:.2f} by it alone")
    return found


def _area(scores: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """Mean area under the curve over queries with both; 0.5 without any."""
    areas = [
        retrieval_metrics(row[yes | no], yes[yes | no])["auroc"]
        for row, yes, no in zip(scores, positive, negative, strict=True)
        if yes.any() and no.any()
    ]
    return float(np.mean(areas)) if areas else 0.5
