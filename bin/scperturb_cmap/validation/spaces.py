"""Scores of the queries of a task by every method, with spaces that have not seen what they are tested on."""

import gc
import logging
from collections.abc import Callable, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.exchanged import exchange_compounds, learned_from_labels
from scperturb_cmap.embedding.inputs import on_genes
from scperturb_cmap.embedding.pairs import strength
from scperturb_cmap.embedding.retrieval import query_kinds
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.validation.controls import EXCHANGED, LABELS, control_scores
from scperturb_cmap.validation.headline import base_score
from scperturb_cmap.validation.leaks import same_profiles
from scperturb_cmap.validation.matrices import as_queries, learned_in_folds, score_matrices
from scperturb_cmap.validation.splits import alike, fold_of
from scperturb_cmap.validation.tasks import Task

__all__ = ["LEARNED", "Asked", "Learn", "Maker", "labels_of", "strength_of"]

log = logging.getLogger(__name__)

#: Name of the learned score.
LEARNED = "embedding"

#: Learns a space from a target and sources, as another one (``like``) where that is given; a target that is too small raises an
#: InputError.
Learn = Callable[..., Checkpoint]


def labels_of(signatures: ad.AnnData) -> pd.DataFrame:
    """What tasks and splits look at, as text."""
    text = ("compound_id", "cell_line", "lineage", "mechanism", "families", "family", "targets", "batch")
    return signatures.obs.astype(dict.fromkeys(text, str)).reset_index(drop=True)


def strength_of(signatures: ad.AnnData) -> np.ndarray:
    """How much each signature does: its TAS, or its values where not all have one."""
    tas = signatures.obs["tas"].to_numpy(float)
    return tas if np.isfinite(tas).all() else strength(np.asarray(signatures.X))


def _thirds(values: np.ndarray) -> np.ndarray:
    """1 for the weakest third, 3 for the strongest."""
    place = pd.Series(values).rank(method="first").to_numpy()
    return np.minimum((place - 1) * 3 // max(len(values), 1), 2).astype(int) + 1


def searched_like(searched: ad.AnnData, queries: ad.AnnData) -> ad.AnnData:
    """The searched signatures on the genes of queries, which may be those of another reference."""
    if searched.var_names.equals(queries.var_names):
        return searched
    values = on_genes(np.asarray(searched.X), searched.var_names, queries.var_names)
    return ad.AnnData(values, searched.obs, queries.var)


class Asked:
    """Queries of a task: as populations, their labels, the third of strength each is in, their places in the reference.

    ``kind`` is what they are, as the populations of a run are "single_cells" or "gene_sets"; or other "profiles".
    ``searched`` are the searched signatures on the queries' genes. ``hidden`` pairs do not count: a signature itself, and
    whatever is the same measurement (``identical``).
    """

    def __init__(
        self, signatures: ad.AnnData, searched: ad.AnnData, strong: np.ndarray, places: np.ndarray | None = None
    ):
        self.queries, self.labels = as_queries(signatures), labels_of(signatures)
        single = self.queries.uns["assay"] == "single_cell"
        self.kind = "gene_sets" if self.queries.uns["effect"] == "set" else "single_cells" if single else "profiles"
        self.third, self.places = _thirds(strong), places
        self.searched = searched_like(searched, self.queries)
        self.identical = same_profiles(self.queries.X, self.searched.X)
        self.hidden = self.identical.copy()
        if places is not None:
            self.identical[np.arange(len(places)), places] = False
            self.hidden[np.arange(len(places)), places] = True


def _held_out(task: Task) -> str:
    """What spaces are made for: all tasks of the reference's own queries that hold out the same share them."""
    return " and ".join(task.holds_out) if task.queries == "reference" else task.name


def _queries_of(task: Task) -> str:
    """Whose queries a task asks: tasks of the reference's own ask the same, each other task asks its own."""
    return "reference" if task.queries == "reference" else task.name


class Maker:
    """Scores by every method; spaces are made once for everything that is held out alike."""

    def __init__(self, searched, labels, others, folds, learn, methods, strong, seed, options):  # noqa: ANN001
        self._searched, self._labels, self._folds = searched, labels, folds
        self._others = [(one, labels_of(one)) for one in others]
        self._learn, self._methods, self._options = learn, methods, options
        self._strong, self._seed = strong, seed
        self._classic: dict[str, dict[str, np.ndarray]] = {}  # by whose queries they are
        # spaces, and what of them is learned from labels
        self._learned: dict[str, tuple[Callable | None, dict[str, list]]] = {}
        self._scores: dict[tuple[str, str], tuple[dict[str, np.ndarray], str]] = {}
        self._first: tuple[Callable, ad.AnnData] | None = None  # spaces and the queries they are for
        self.trained_on: dict[str, tuple] = {}

    def scores(self, task: Task, asked: Asked) -> tuple[dict[str, np.ndarray], str]:
        """Scores of all methods and controls, and why the learned one is not among them.

        Tasks that ask the same queries, of spaces that had to leave out the same, share them.
        """
        key = (_queries_of(task), _held_out(task) if self._learn else "")
        if key not in self._scores:
            self._scores[key] = self._all_scores(task, asked)
        return self._scores[key]

    def _all_scores(self, task: Task, asked: Asked) -> tuple[dict[str, np.ndarray], str]:
        if (of := _queries_of(task)) not in self._classic:
            self._classic[of] = score_matrices(asked.queries, self._searched, self._methods, **self._options)
        scores, why = dict(self._classic[of]), ""
        if self._learn:
            matrix, why = self.one(LEARNED, asked.queries, task, asked)
            scores |= {} if matrix is None else {LEARNED: matrix}
        by = LEARNED if LEARNED in scores else base_score(self._searched, self._methods)
        controls = control_scores(
            asked.queries, asked.searched, scores[by], lambda other: self.one(by, other, task, asked)[0],
            self._strong, seed=self._seed,
        )  # fmt: skip
        if LEARNED in scores:
            _, parts = self._learned.pop(_held_out(task))  # nothing else asks these spaces, which are large
            controls |= {
                name: learned_in_folds(some, self._searched)(asked.queries) for name, some in parts.items() if some
            }
        return scores | controls, why

    def one(self, method: str, queries: ad.AnnData, task: Task, asked: Asked) -> tuple[np.ndarray | None, str]:
        """Scores of these, or of changed, queries by one method."""
        if method != LEARNED:
            return score_matrices(queries, self._searched, [method], **self._options)[method], ""
        key = _held_out(task)
        if key not in self._learned:
            spaces, parts, sides = self._spaces(task, asked)
            self._learned[key] = learned_in_folds(spaces, self._searched) if spaces else None, parts
            if spaces and not self._first:
                self._first = (self._learned[key][0], asked.queries)
            if spaces and task.queries != "genetic":
                self.trained_on[key] = (task.holds_out, *sides)
        made, _ = self._learned[key]
        why = "" if made else "the learned score is not among them: the training part of a fold is too small"
        return (made(queries) if made else None), why

    def oddness(self) -> dict[str, float]:
        """How far the learned score of a turned query is from the turned score; nothing without a space."""
        if not self._first:
            return {}
        made, queries = self._first
        turned = queries.copy()
        turned.X = -turned.X
        one, other = made(queries), made(turned)
        largest = np.nanmax(np.abs(one), initial=0.0)
        return {LEARNED: float(np.nanmax(np.abs(one + other)) / largest)} if largest else {}

    def _spaces(self, task: Task, asked: Asked) -> tuple[list, dict[str, list], tuple[np.ndarray, np.ndarray]]:
        """A space for every fold of the queries, learned from what may be seen; what labels taught; what was seen and tested."""
        # genes are no compounds, so nothing is held out of the space that places genetic perturbations
        if task.queries == "genetic":
            fold = pd.Series(0, asked.labels.index)
        else:
            fold = fold_of(asked.labels, self._folds, task.holds_out)
        # a client's cells are of no reference: those that are asked about are not learned from, where there are others
        of = asked.labels["reference"] if task.queries == "single_cell" else pd.Series("", fold.index)
        spaces, seen_of, held_of = [], [], []
        parts: dict[str, list] = {LABELS: [], EXCHANGED: []}
        for number, reference in sorted(set(zip(fold[fold.notna()], of[fold.notna()], strict=True))):
            rows, held = ((fold == number) & (of == reference)).to_numpy(), np.zeros(len(self._labels), bool)
            tested, same = asked.labels[rows], asked.identical[rows].any(axis=0)
            if asked.places is None:
                held = self._labels["compound_id"].isin(set(tested["compound_id"])).to_numpy()
            else:
                held[asked.places[rows]] = True
            # the same measurement under another name is not learned from either
            seen = ~(held | same | alike(self._labels, tested, task.holds_out))
            sources = self._sources(
                tested, task.holds_out, set(self._labels.loc[same, "compound_id"]), asked.queries[rows]
            )
            sources = _of_others(sources, reference)
            gc.collect()  # AnnData and its views refer to each other: what the last fold learned from would still be there
            try:
                spaces.append((rows, self._learn(self._searched[seen].copy(), sources)))
            except InputError as error:
                log.info("%s, fold %d: %s", task.name, number, error)
                return [], {}, (np.empty(0), np.empty(0))
            for name, part in self._by_labels(spaces[-1][1], seen, sources, asked.queries, int(number)).items():
                parts[name].append((rows, part))
            seen_of.append(seen)
            held_of.append(held)
            log.info(
                "%s held out, fold %d: learned from %d signatures", " and ".join(task.holds_out), number, seen.sum()
            )
        return spaces, parts, (np.array(seen_of), np.array(held_of))

    def _by_labels(
        self, space: Checkpoint, seen: np.ndarray, sources: Sequence[ad.AnnData], queries: ad.AnnData, number: int
    ) -> dict[str, Checkpoint]:
        """What of a space is learned from labels, and the same learned with compounds exchanged; nothing where no layer is."""
        true = learned_from_labels(space)
        layers = set(query_kinds(queries, space.encoders))
        if not layers <= set(true.encoders):
            return {}
        # the layer of profiles is learned from the reference alone
        given = [self._searched[seen], *(sources if layers != {"profile"} else ())]
        mixed = [one.copy() for one in given]
        for place, one in enumerate(mixed):
            one.obs["compound_id"] = exchange_compounds(one.obs, [self._seed, number, place])
        try:
            return {LABELS: true, EXCHANGED: learned_from_labels(self._learn(mixed[0], mixed[1:], like=space))}
        except InputError as error:  # a training diverged
            log.info("with exchanged compounds, fold %d: %s", number, error)
            return {LABELS: true}

    def _sources(
        self, tested: pd.DataFrame, holds_out: Sequence[str], same: set[str], queries: ad.AnnData
    ) -> list[ad.AnnData]:
        """What may be seen of other references: nothing of what is held out here, and no other name of it."""
        sources = []
        for one, labels in self._others:
            kept = ~(alike(labels, tested, holds_out) | labels["compound_id"].isin(same).to_numpy())
            if "single_cell" in (one.uns.get("assay"), queries.uns.get("assay")):
                values = on_genes(np.asarray(one.X), one.var_names, queries.var_names)
                kept &= ~same_profiles(np.asarray(queries.X), values).any(axis=0)
            if kept.any():
                sources.append(one[kept].copy())
        return sources


def _of_others(sources: Sequence[ad.AnnData], reference: str) -> list[ad.AnnData]:
    """Sources but for this reference of single cells, where there are other ones of single cells."""
    cells = {one.obs["reference"].iloc[0] for one in sources if one.uns.get("assay") == "single_cell"}
    return [one for one in sources if one.obs["reference"].iloc[0] != reference or cells <= {reference}]
