"""What a method must find: every task says which signatures answer a query and which do not, from labels alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from scperturb_cmap.utils.batches import beside, known

__all__ = ["NOT_HERE", "TASKS", "Task", "membership"]

Masks = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Task:
    """One question whose answer is known.

    Parameters
    ----------
    name
        Name in tables.
    title
        Name for readers.
    needs
        What a run must have for it.
    holds_out
        What the learned space must not have seen of a query: its compound, its mechanisms with their families, its cell line
        with its lineage, its batch; or two of these at once (:mod:`~scperturb_cmap.validation.splits`).
    cluster
        What is drawn again for intervals: "compound_id", or "family", the family of mechanisms that it is counted under.
    masks
        From the labels of queries and of the signatures searched (one row each: compound_id, mechanism, families, targets,
        cell_line, dose_um, time_h, batch, pert_type): positives and negatives, bool (n_queries, n_signatures).
    queries
        Which queries it asks: those of the searched reference, of other references by what they were measured on, or genetic
        perturbations.
    """

    name: str
    title: str
    needs: str
    holds_out: tuple[Literal["compound", "mechanism", "cell_line", "batch"], ...]
    cluster: Literal["compound_id", "family"]
    masks: Callable[[pd.DataFrame, pd.DataFrame], Masks]
    queries: Literal["reference", "bulk", "single_cell", "genetic"] = "reference"


def _same(queries: pd.DataFrame, searched: pd.DataFrame, column: str) -> np.ndarray:
    """Which pairs have the same known value."""
    mine, theirs = queries[column].to_numpy(), searched[column].to_numpy()
    same = mine[:, None] == theirs[None]
    return same & known(queries[column])[:, None]


def _both_known(queries: pd.DataFrame, searched: pd.DataFrame, column: str) -> np.ndarray:
    return known(queries[column])[:, None] & known(searched[column])[None]


def _differs(queries: pd.DataFrame, searched: pd.DataFrame, column: str) -> np.ndarray:
    return _both_known(queries, searched, column) & ~_same(queries, searched, column)


def membership(labels: pd.Series, names: list[str]) -> np.ndarray:
    """Which of ``names`` each "a|b" holds, 0 or 1, shape (n_rows, n_names).

    Examples
    --------
    >>> membership(pd.Series(["a|b", ""]), ["a", "b"]).tolist()
    [[1, 1], [0, 0]]
    """
    sets = [set(str(one).split("|")) for one in labels]
    return np.array([[name in one for name in names] for one in sets], dtype=int).reshape(len(sets), len(names))


def _share(mine: pd.Series, theirs: pd.Series) -> np.ndarray:
    """Which pairs have an entry of "a|b" in common."""
    names = sorted(set("|".join([*mine, *theirs]).split("|")) - {""})
    return membership(mine, names) @ membership(theirs, names).T > 0


def _replicate(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    compound, line = _same(queries, searched, "compound_id"), _same(queries, searched, "cell_line")
    treated = _same(queries, searched, "dose_um") & _same(queries, searched, "time_h")
    negative = line & _differs(queries, searched, "compound_id") & _same(queries, searched, "time_h")
    return compound & line & treated & _differs(queries, searched, "batch"), negative


def _other_line(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    elsewhere = _differs(queries, searched, "cell_line")
    positive = _same(queries, searched, "compound_id") & elsewhere
    return positive, elsewhere & _differs(queries, searched, "compound_id") & _in_lines(positive, searched)


def _in_lines(positive: np.ndarray, searched: pd.DataFrame) -> np.ndarray:
    """Which signatures are of lines where the query's compound was tried, too."""
    lines, codes = np.unique(searched["cell_line"].to_numpy(str), return_inverse=True)
    in_line = codes[:, None] == np.arange(len(lines))
    return positive @ in_line @ in_line.T


def _other_line_same_batch(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    positive, negative = _other_line(queries, searched)
    together = beside(searched["batch"], searched["batch"]).astype(np.float32)
    positive = positive & known(searched["batch"])[None]
    return positive, negative & (positive.astype(np.float32) @ together > 0)


def _other_batch(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    elsewhere = _both_known(queries, searched, "batch") & ~beside(queries["batch"], searched["batch"])
    positive = _same(queries, searched, "compound_id") & elsewhere
    return positive, elsewhere & _differs(queries, searched, "compound_id") & _in_lines(positive, searched)


def _other_dose_or_time(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    line, compound = _same(queries, searched, "cell_line"), _same(queries, searched, "compound_id")
    other = _differs(queries, searched, "dose_um") | _differs(queries, searched, "time_h")
    return compound & line & other, line & _differs(queries, searched, "compound_id")


def _mechanism(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    other = _differs(queries, searched, "compound_id") & _both_known(queries, searched, "mechanism")
    # A reference of consensus signatures has no lines; else only signatures of the query's line are compared.
    line = _same(queries, searched, "cell_line") | ~known(queries["cell_line"])[:, None]
    # a mechanism of the same family is neither the answer nor a wrong one
    shared, kin = (_share(queries[column], searched[column]) for column in ("mechanism", "families"))
    return other & line & shared, other & line & ~kin


def _other_platform(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    return _same(queries, searched, "compound_id"), _differs(queries, searched, "compound_id")


def _genetic_target(queries: pd.DataFrame, searched: pd.DataFrame) -> Masks:
    # the perturbation's name is the gene's symbol
    both = known(queries["compound"])[:, None] & known(searched["targets"])[None]
    line = _same(queries, searched, "cell_line") | ~known(queries["cell_line"])[:, None]
    shared = _share(queries["compound"].str.upper(), searched["targets"].str.upper())
    return both & line & shared, both & line & ~shared


#: T1 to T8 of the protocol.
TASKS = {
    task.name: task
    for task in (
        Task("replicate", "the same treatment on another plate",
             "a batch of every signature, and a compound at one dose and time on two of them",
             ("compound",), "compound_id", _replicate),
        Task("other_line", "the same compound in another cell line", "compounds in two cell lines",
             ("compound",), "compound_id", _other_line),
        Task("other_line_same_batch", "the same compound in another cell line, among compounds of the same batch",
             "compounds in two cell lines, and a batch of every signature", ("compound",), "compound_id", _other_line_same_batch),
        Task("other_dose_or_time", "the same compound at another dose or time, same cell line",
             "compounds at two doses or times in one cell line", ("compound",), "compound_id", _other_dose_or_time),
        Task("mechanism", "another compound of the same mechanism; mechanisms unseen",
             "mechanisms of the compounds (--drugs)", ("mechanism",), "family", _mechanism),
        Task("mechanism_of_unseen_compound", "another compound of the same mechanism; compound unseen",
             "mechanisms of the compounds (--drugs)", ("compound",), "family", _mechanism),
        Task("unseen_line", "the same compound elsewhere, cell line of the query unseen (the compound may have been seen)",
             "compounds in two cell lines", ("cell_line",), "compound_id", _other_line),
        Task("unseen_batch", "the same compound in another batch, batch of the query unseen",
             "a batch of every signature, and compounds in two of them", ("batch",), "compound_id", _other_batch),
        Task("mechanism_in_unseen_line", "another compound of the same mechanism; mechanisms and cell line unseen",
             "mechanisms of the compounds (--drugs), and cell lines of two lineages",
             ("mechanism", "cell_line"), "family", _mechanism),
        Task("other_platform", "the same compound in another reference", "a second reference that shares compounds",
             ("compound",), "compound_id", _other_platform, "bulk"),
        Task("single_cell", "the same compound in single cells",
             "a reference of single cells (format cells, or assay single_cell) that shares compounds",
             ("compound",), "compound_id", _other_platform, "single_cell"),
        Task("genetic_target", "drugs on the target of a genetic perturbation",
             "genetic perturbations in a reference, and targets of the compounds (--drugs)",
             ("compound",), "compound_id", _genetic_target, "genetic"),
    )
}  # fmt: skip

#: Tasks of the protocol that are no retrieval within references: title, and what each needs.
NOT_HERE = {
    "indication": (
        "drugs known to treat the disease reverse it",
        "known indications of the compounds for a data set of this run (--indications)",
    ),
    "efficacy": (
        "drugs that reverse more kill more cells",
        "drug sensitivities (GDSC, CTRP, PRISM) for a data set of this run (--sensitivity)",
    ),
}
