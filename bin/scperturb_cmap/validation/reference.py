"""All tasks on one reference: every method, the space learned anew without what is tested, the controls, the leaks."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.inputs import is_gene_sets, on_genes
from scperturb_cmap.embedding.pairs import strength
from scperturb_cmap.validation.evaluate import evaluate_queries
from scperturb_cmap.validation.leaks import Finding, inspect_run
from scperturb_cmap.validation.sample import MOST_QUERIES, choose_queries
from scperturb_cmap.validation.spaces import Asked, Learn, Maker, labels_of, strength_of
from scperturb_cmap.validation.splits import fold_of, fold_table
from scperturb_cmap.validation.tasks import NOT_HERE, TASKS, Task

__all__ = ["FEWEST_QUERIES", "Validated", "validate_reference"]

log = logging.getLogger(__name__)

#: A task with fewer queries that can be answered is not run.
FEWEST_QUERIES = 10


class Validated(NamedTuple):
    """What was found on one reference.

    Parameters
    ----------
    queries
        Metrics of every query (:func:`~scperturb_cmap.validation.evaluate.evaluate_queries`), with task, half, cluster and
        strength_third.
    tasks
        One row per task: task, title, status ("run" or "not run"), n_queries, reason.
    folds
        Of :func:`~scperturb_cmap.validation.splits.fold_table`.
    findings
        Leaks.
    oddness
        Of the learned score, where one was learned: largest abs(score(-query) + score(query)) over the largest score.
    """

    queries: pd.DataFrame
    tasks: pd.DataFrame
    folds: pd.DataFrame
    findings: list[Finding]
    oddness: dict[str, float]


def validate_reference(
    searched: ad.AnnData | None, others: Sequence[ad.AnnData], methods: Sequence[str], learn: Learn | None, *,
    genetic: ad.AnnData | None = None, background: set[str] = frozenset(), annotated: pd.Series | None = None,
    counts: pd.Series | None = None, n_queries: int = MOST_QUERIES, n_folds: int = 5, seed: int = 1, **options: object,
) -> Validated:  # fmt: skip
    """Run every task that the data support.

    Parameters
    ----------
    searched
        Chosen signatures of the reference (:func:`~scperturb_cmap.validation.sample.choose_searched`); ``obs`` holds
        compound_id of one identity over all sets, mechanism, families, family and targets ("" = unknown), and lineage. None
        where there is none to choose.
    others
        The same of other references; those of gene sets are learned from, too.
    methods
        Classic scores.
    learn
        Makes a space; None without a learned score.
    genetic
        Genetic perturbations of the reference.
    background
        Compounds of the reference queries of scores.
    annotated
        compound_id of every row of the table of drugs.
    counts
        Signatures of each compound in the whole reference.
    n_queries
        Most queries of a task.
    n_folds, seed
        Of the splits, and of everything random.
    options
        Of :func:`~scperturb_cmap.validation.matrices.score_matrices`.
    """
    if searched is None:
        told = [
            _told(task, "not run", 0, "the reference holds no usable signature of a compound")
            for task in TASKS.values()
        ]
        return Validated(_no_queries(), pd.DataFrame(told + _not_here()), _NO_FOLDS, [], {})
    labels = labels_of(searched)
    folds = fold_table(labels, n_folds, seed)
    halves = {split: part.drop_duplicates("group").set_index("group")["half"] for split, part in folds.groupby("split")}
    chosen = choose_queries(labels["compound_id"], n_queries, seed, (labels["family"] != "").to_numpy())
    log.info("%d queries against %d signatures by %s", len(chosen), searched.n_obs, ", ".join(methods))
    strong = strength_of(searched)
    own = Asked(searched[chosen].copy(), searched, strong[chosen], chosen)
    maker = Maker(searched, labels, others, folds, learn, methods, strong, seed, options)
    found, told, tasks = [], [], {}
    for task in TASKS.values():
        asked, lacking = own, ""
        if task.queries != "reference":
            asked, lacking = _other_queries(task, others, genetic, searched, n_queries, seed)
        n = 0
        if asked:
            positive, negative = (mask & ~asked.hidden for mask in task.masks(asked.labels, labels))
            if len(task.holds_out) > 1:  # of a crossing the diagonal: all methods answer the same queries
                positive &= fold_of(asked.labels, folds, task.holds_out).notna().to_numpy()[:, None]
            n = int((positive.any(axis=1) & negative.any(axis=1)).sum())
            lacking = (
                f"{task.needs}: {n} queries have an answer and others to compare with, {FEWEST_QUERIES} are needed"
            )
        if n < FEWEST_QUERIES:
            told.append(_told(task, "not run", n, f"needs {lacking}"))
            continue
        scores, why = maker.scores(task, asked)
        half = halves["compound" if task.cluster == "compound_id" else "mechanism"]
        about = asked.labels[["compound_id"]].assign(
            task=task.name, kind=asked.kind, cluster=asked.labels[task.cluster], strength_third=asked.third,
            half=asked.labels[task.cluster].map(half).fillna("test"),
        )  # fmt: skip
        found.append(evaluate_queries(scores, positive, negative, about))
        told.append(_told(task, "run", found[-1]["query"].nunique(), why))
        tasks[task.name] = (positive, negative, asked.labels, ~np.isnan(asked.queries.X))
        log.info("%s: %d queries", task.name, told[-1]["n_queries"])
    on_common_genes = all(known.shape[1] == searched.n_vars for *_, known in tasks.values())
    findings = inspect_run(
        labels, maker.trained_on, tasks=tasks, background=background, strength=strong, tested=chosen, annotated=annotated,
        counts=counts, identical=own.identical, known=~np.isnan(np.asarray(searched.X)) if on_common_genes else None,
    )  # fmt: skip
    if "replicates" not in labels:  # as of all shards, which do not keep them
        why = "not looked at: the signatures do not tell which wells they were made of"
        findings.append(Finding("shared replicates", "reference", why, 0, "not looked at"))
    together = pd.concat(found, ignore_index=True) if found else _no_queries()
    return Validated(together, pd.DataFrame(told + _not_here()), folds, findings, maker.oddness())


_NO_FOLDS = pd.DataFrame(columns=["split", "name", "group", "fold", "half"])


def _no_queries() -> pd.DataFrame:
    return evaluate_queries({}, np.empty((0, 0)), np.empty((0, 0)), pd.DataFrame(columns=_ABOUT))


#: What is known of a query beside its metrics.
_ABOUT = ("compound_id", "task", "kind", "cluster", "strength_third", "half")


def _not_here() -> list[dict]:
    return [
        {"task": name, "title": title, "status": "not run", "n_queries": 0, "reason": f"needs {needs}"}
        for name, (title, needs) in NOT_HERE.items()
    ]


def _told(task: Task, status: str, n: int, reason: str) -> dict:
    return {"task": task.name, "title": task.title, "status": status, "n_queries": int(n), "reason": reason}


def _other_queries(
    task: Task, others: Sequence[ad.AnnData], genetic: ad.AnnData | None, searched: ad.AnnData, n: int, seed: int
) -> tuple[Asked | None, str]:
    """Queries that are no signatures of the searched reference, or what is lacking."""
    if task.queries == "genetic":
        parts = [] if genetic is None else [genetic]
    else:
        mine = [one for one in others if one.uns.get("assay", "bulk") == task.queries]
        if task.queries == "single_cell":
            mine = [one for one in mine if not is_gene_sets(str(one.uns["effect"]))]
        parts = [one[one.obs["compound_id"].isin(set(searched.obs["compound_id"]))] for one in mine]
    parts = [one for one in parts if one.n_obs]
    if not parts:
        return None, task.needs
    if task.queries == "single_cell":  # each measures few compounds
        compounds = pd.concat([one.obs["compound_id"].astype(str) for one in parts])
        chosen, starts = np.sort(choose_queries(compounds, n, seed)), np.cumsum([0, *(one.n_obs for one in parts)])
        rows = [
            chosen[(chosen >= start) & (chosen < start + one.n_obs)] - start
            for one, start in zip(parts, starts, strict=False)
        ]
        mine = _together([one[some] for one, some in zip(parts, rows, strict=True)], searched)
    else:  # gene sets first: of profiles of other bulk references nothing is learned
        asked = max(parts, key=lambda one: (is_gene_sets(str(one.uns["effect"])), one.obs["compound_id"].nunique()))
        mine = asked[choose_queries(asked.obs["compound_id"].astype(str), n, seed)].copy()
    return Asked(mine, searched, strength(np.asarray(mine.X))), ""


def _together(parts: Sequence[ad.AnnData], searched: ad.AnnData) -> ad.AnnData:
    """Signatures of several references on the genes of the searched one."""
    values = np.vstack([on_genes(np.asarray(one.X), one.var_names, searched.var_names) for one in parts])
    obs = pd.concat([one.obs for one in parts])
    obs.index = obs["reference"].astype(str) + "|" + obs.index
    return ad.AnnData(values, obs, searched.var, uns=dict(parts[0].uns))
