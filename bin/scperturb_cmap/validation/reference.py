"""All tasks on one reference: every method, the space learned anew without what is tested, the controls, the leaks."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.pairs import strength
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.validation.controls import control_scores
from scperturb_cmap.validation.evaluate import evaluate_queries
from scperturb_cmap.validation.leaks import Finding, inspect_run, same_profiles
from scperturb_cmap.validation.matrices import as_queries, learned_in_folds, score_matrices
from scperturb_cmap.validation.sample import MOST_QUERIES, choose_queries
from scperturb_cmap.validation.splits import families, fold_table, training_rows
from scperturb_cmap.validation.tasks import NOT_HERE, TASKS, Task, membership

__all__ = ["FEWEST_QUERIES", "LEARNED", "Validated", "validate_reference"]

log = logging.getLogger(__name__)

#: Name of the learned score.
LEARNED = "embedding"

#: A task with fewer queries that can be answered is not run.
FEWEST_QUERIES = 10

#: Learns a space from a target and sources; a target that is too small raises an InputError.
Learn = Callable[[ad.AnnData, Sequence[ad.AnnData]], Checkpoint]


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
        compound_id of one identity over all sets, mechanism and targets ("" = unknown). None where there is none to choose.
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
    labels = _labels(searched)
    folds = fold_table(labels, n_folds, seed)
    halves = {split: part.set_index("name")["half"] for split, part in folds.groupby("split")}
    chosen = choose_queries(labels["compound_id"], n_queries, seed)
    log.info("%d queries against %d signatures by %s", len(chosen), searched.n_obs, ", ".join(methods))
    strong = labels["tas"].to_numpy(float)
    strong = strong if np.isfinite(strong).all() else strength(np.asarray(searched.X))
    own = _Asked(searched[chosen].copy(), searched, strong[chosen], chosen)
    maker = _Maker(searched, labels, others, folds, learn, methods, options)
    found, told, tasks = [], [], {}
    for task in TASKS.values():
        asked, lacking = own, ""
        if task.queries != "reference":
            asked, lacking = _other_queries(task, others, genetic, searched, n_queries, seed)
        n = 0
        if asked:
            positive, negative = (mask & ~asked.hidden for mask in task.masks(asked.labels, labels))
            n = int((positive.any(axis=1) & negative.any(axis=1)).sum())
            lacking = (
                f"{task.needs}: {n} queries have an answer and others to compare with, {FEWEST_QUERIES} are needed"
            )
        if n < FEWEST_QUERIES:
            told.append(_told(task, "not run", n, f"needs {lacking}"))
            continue
        scores, why = maker.scores(task, asked)
        by = LEARNED if LEARNED in scores else "wtcs" if "wtcs" in methods else methods[0]
        scores |= control_scores(
            asked.queries, _on_genes(searched, asked.queries), scores[by],
            lambda other, by=by, task=task, asked=asked: maker.one(by, other, task, asked)[0], strong, seed=seed,
        )  # fmt: skip
        half = halves["compound" if task.cluster == "compound_id" else "mechanism"]
        about = asked.labels[["compound_id"]].assign(
            task=task.name, cluster=asked.labels[task.cluster], strength_third=asked.third,
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
    together = pd.concat(found, ignore_index=True) if found else _no_queries()
    return Validated(together, pd.DataFrame(told + _not_here()), folds, findings, maker.oddness())


_NO_FOLDS = pd.DataFrame(columns=["split", "name", "fold", "half"])


def _no_queries() -> pd.DataFrame:
    return evaluate_queries({}, np.empty((0, 0)), np.empty((0, 0)), pd.DataFrame(columns=_ABOUT))


#: What is known of a query beside its metrics.
_ABOUT = ("compound_id", "task", "cluster", "strength_third", "half")


def _not_here() -> list[dict]:
    return [
        {"task": name, "title": title, "status": "not run", "n_queries": 0, "reason": f"needs {needs}"}
        for name, (title, needs) in NOT_HERE.items()
    ]


def _labels(signatures: ad.AnnData) -> pd.DataFrame:
    """What tasks look at, as text, and the family of each compound's mechanisms."""
    text = ("compound_id", "cell_line", "mechanism", "targets", "batch")
    labels = signatures.obs.astype(dict.fromkeys(text, str)).reset_index(drop=True)
    return labels.assign(family=families(labels["mechanism"]))


class _Asked:
    """Queries of a task: as populations, their labels, the third of strength each is in, their places in the reference.

    ``hidden`` pairs do not count: a signature itself, and whatever is the same measurement (``identical``).
    """

    def __init__(
        self, signatures: ad.AnnData, searched: ad.AnnData, strong: np.ndarray, places: np.ndarray | None = None
    ):
        self.queries, self.labels, self.third, self.places = (
            as_queries(signatures),
            _labels(signatures),
            _thirds(strong),
            places,
        )
        self.identical = same_profiles(self.queries.X, _on_genes(searched, self.queries).X)
        self.hidden = self.identical.copy()
        if places is not None:
            self.identical[np.arange(len(places)), places] = False
            self.hidden[np.arange(len(places)), places] = True


class _Maker:
    """Scores by every method; spaces are made once for everything that is held out alike."""

    def __init__(self, searched, labels, others, folds, learn, methods, options):  # noqa: ANN001
        self._searched, self._labels, self._others, self._folds = searched, labels, others, folds
        self._learn, self._methods, self._options = learn, methods, options
        self._classic: dict[int, dict[str, np.ndarray]] = {}
        self._learned: dict[str, Callable | None] = {}
        self._asked: dict[str, tuple[Callable, ad.AnnData]] = {}  # spaces and the queries they are for
        self.trained_on: dict[str, tuple] = {}

    def scores(self, task: Task, asked: _Asked) -> tuple[dict[str, np.ndarray], str]:
        """Scores of all methods, and why the learned one is not among them."""
        if id(asked) not in self._classic:  # the queries of a run are kept, so ids are not given again
            self._classic[id(asked)] = score_matrices(asked.queries, self._searched, self._methods, **self._options)
        scores, why = dict(self._classic[id(asked)]), ""
        if self._learn:
            matrix, why = self.one(LEARNED, asked.queries, task, asked)
            scores |= {} if matrix is None else {LEARNED: matrix}
        return scores, why

    def one(self, method: str, queries: ad.AnnData, task: Task, asked: _Asked) -> tuple[np.ndarray | None, str]:
        """Scores of these, or of changed, queries by one method."""
        if method != LEARNED:
            return score_matrices(queries, self._searched, [method], **self._options)[method], ""
        key = task.holds_out if task.queries == "reference" else task.name
        if key not in self._learned:
            spaces, sides = self._spaces(task, asked)
            self._learned[key] = learned_in_folds(spaces, self._searched) if spaces else None
            if spaces:
                self._asked[key] = (self._learned[key], asked.queries)
            if spaces and task.queries != "genetic":
                self.trained_on[key] = (task.holds_out, *sides)
        made = self._learned[key]
        why = "" if made else "the learned score is not among them: the training part of a fold is too small"
        return (made(queries) if made else None), why

    def oddness(self) -> dict[str, float]:
        """How far the learned score of a turned query is from the turned score; nothing without a space."""
        if not self._asked:
            return {}
        made, queries = next(iter(self._asked.values()))
        turned = queries.copy()
        turned.X = -turned.X
        one, other = made(queries), made(turned)
        largest = np.nanmax(np.abs(one), initial=0.0)
        return {LEARNED: float(np.nanmax(np.abs(one + other)) / largest)} if largest else {}

    def _spaces(self, task: Task, asked: _Asked) -> tuple[list, tuple[np.ndarray, np.ndarray]]:
        """A space for every fold of the queries, learned from what may be seen; what was seen and what was tested."""
        column = {"compound": "compound_id", "mechanism": "family"}.get(task.holds_out, task.holds_out)
        fold_of = self._folds[self._folds["split"] == task.holds_out].set_index("name")["fold"]
        # genes are no compounds, so nothing is held out of the space that places genetic perturbations
        fold = asked.labels[column].map(fold_of) if task.queries != "genetic" else pd.Series(0, asked.labels.index)
        spaces, seen_of, held_of = [], [], []
        for number in sorted(fold.dropna().unique()):
            rows, held = (fold == number).to_numpy(), np.zeros(len(self._labels), bool)
            if asked.places is None:
                held = self._labels["compound_id"].isin(set(asked.labels.loc[rows, "compound_id"])).to_numpy()
                seen = ~held
            else:
                seen = training_rows(self._labels, task.holds_out, asked.places[rows])
                held[asked.places[rows]] = True
            seen &= ~asked.identical[rows].any(axis=0)  # the same measurement under another name
            sources = self._sources(task, asked.labels[rows], seen)
            try:
                spaces.append((rows, self._learn(self._searched[seen].copy(), sources)))
            except InputError as error:
                log.info("%s, fold %d: %s", task.name, number, error)
                return [], (np.empty(0), np.empty(0))
            seen_of.append(seen)
            held_of.append(held)
            log.info("%s held out, fold %d: learned from %d signatures", task.holds_out, number, seen.sum())
        return spaces, (np.array(seen_of), np.array(held_of))

    def _sources(self, task: Task, tested: pd.DataFrame, seen: np.ndarray) -> list[ad.AnnData]:
        """What may be seen of other references: nothing of what is held out here."""
        by = "cell_line" if task.holds_out == "cell_line" else "compound_id"
        hidden = set(tested[by]) | set(self._labels.loc[~seen, by])
        names = sorted(set("|".join(tested["mechanism"]).split("|")) - {""}) if task.holds_out == "mechanism" else []
        sources = []
        for one in self._others:
            kept = ~one.obs[by].astype(str).isin(hidden).to_numpy()
            kept &= ~membership(one.obs["mechanism"].astype(str), names).any(axis=1)
            if kept.any():
                sources.append(one[kept].copy())
        return sources


def _told(task: Task, status: str, n: int, reason: str) -> dict:
    return {"task": task.name, "title": task.title, "status": status, "n_queries": int(n), "reason": reason}


def _thirds(values: np.ndarray) -> np.ndarray:
    """1 for the weakest third, 3 for the strongest."""
    place = pd.Series(values).rank(method="first").to_numpy()
    return np.minimum((place - 1) * 3 // max(len(values), 1), 2).astype(int) + 1


def _on_genes(searched: ad.AnnData, queries: ad.AnnData) -> ad.AnnData:
    """The searched signatures on the genes of queries of another reference, for the untrained space."""
    if searched.var_names.equals(queries.var_names):
        return searched
    found = searched.var_names.get_indexer(queries.var_names)
    values = np.where(found >= 0, np.asarray(searched.X)[:, found], np.nan).astype(np.float32)
    return ad.AnnData(values, searched.obs, queries.var)


def _other_queries(
    task: Task, others: Sequence[ad.AnnData], genetic: ad.AnnData | None, searched: ad.AnnData, n: int, seed: int
) -> tuple[_Asked | None, str]:
    """Queries that are no signatures of the searched reference, or what is lacking."""
    parts = others if task.queries == "other" else [] if genetic is None else [genetic]
    if task.queries == "other":
        parts = [one[one.obs["compound_id"].isin(set(searched.obs["compound_id"]))] for one in parts]
    parts = [one for one in parts if one.n_obs]
    if not parts:
        return None, task.needs
    largest = max(parts, key=lambda one: one.obs["compound_id"].nunique())
    mine = largest[choose_queries(largest.obs["compound_id"].astype(str), n, seed)].copy()
    return _Asked(mine, searched, strength(np.asarray(mine.X))), ""
