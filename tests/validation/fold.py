"""Connectivity Map build 02 and the L1000 consensus as matrices, and what is fitted on the training compounds of one fold."""

from itertools import product

import numpy as np
import pandas as pd
from metrics import percentiles
from scipy.sparse import csr_matrix

from scperturb_cmap.embedding.inputs import SHAPES, Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Basis, LinearEncoder, LinearSettings, fit_dual
from scperturb_cmap.embedding.pairs import mine_pairs, strength
from scperturb_cmap.embedding.splits import compound_folds

#: What the inner folds choose from.
GRID = [LinearSettings(200, n_reference, penalty) for n_reference, penalty in product((80, 120), (1.0, 3.0))]
INNER_FOLDS = 2

#: Components of the queries that are at hand; the task across lines uses all of them.
N_AXES = 400


class Problem:
    """Both sides as matrices, and what is fitted on one set of training compounds."""

    def __init__(self, sets: dict):
        self.query, self.reference = sets["cmap"], sets["l1000"]
        self.x, self.y = signed_scores(self.query.values, SHAPES["sets"]), signed_scores(self.reference.values)
        shared = np.intersect1d(self.query.genes, self.reference.genes)
        self.shared = (
            pd.Index(self.query.genes).get_indexer(shared),
            pd.Index(self.reference.genes).get_indexer(shared),
        )
        self.paired = np.intersect1d(self.query.compound, self.reference.compound)
        z = np.clip(self.reference.values, -10, 10)
        # the plain figure of evaluation.md: cosine of the sets as given and of clipped z
        raw = np.nan_to_num(on_genes(self.query.values, self.query.genes, self.reference.genes))
        self.plain = unit(raw) @ unit(z).T
        self.strength = strength(z)
        sets = csr_matrix(raw_rows(self.query.values))
        self.plain_lines = (sets @ sets.T).toarray()

    def rows(self, compounds: set) -> tuple[np.ndarray, np.ndarray]:
        return (
            np.flatnonzero(np.isin(self.query.compound, list(compounds))),
            np.flatnonzero(np.isin(self.reference.compound, list(compounds))),
        )


class Fold:
    """Centred scores of all signatures, means and axes of the training compounds."""

    def __init__(self, problem: Problem, training: set):
        self.problem, self.training = problem, training
        mine, theirs = problem.rows(training)
        self.x = Centring.fit(problem.x[mine], problem.query.line[mine]).apply(problem.x, problem.query.line)
        self.y = problem.y - problem.y[theirs].mean(axis=0)
        basis = Basis.fit(self.x[mine], self.y[theirs], N_AXES, max(settings.n_reference for settings in GRID))
        self.basis, self.inside = basis, self.x @ basis.axes  # all queries in the training compounds' axes
        self.some = self.x[mine[::4]]
        self.mine, self.theirs = mine, theirs

    def fit(self, settings: LinearSettings, training: set | None = None) -> LinearEncoder:
        """Maps from the pairs of some training compounds; the basis, which needs no labels, is that of all of them."""
        names = self.problem.query.compound[self.mine], self.problem.reference.compound[self.theirs]
        usable = list(training or self.training)
        sides = (pd.DataFrame({"compound_id": np.where(np.isin(side, usable), side, "")}) for side in names)
        pairs = mine_pairs(*sides)
        given = tuple(pairs[column].to_numpy() for column in ("query", "reference", "weight"))
        return fit_dual(self.some, self.y[self.theirs], given, settings, self.problem.shared, self.basis)

    def scores(self, encoder: LinearEncoder, rows: np.ndarray) -> np.ndarray:
        return encoder.encode_query(self.x[rows]) @ encoder.encode_perturbation(self.y).T

    def choose(self, seed: int) -> LinearSettings:
        """Settings with the best mean percentile over compounds, on inner folds of the training compounds."""
        inner = compound_folds(self.training, INNER_FOLDS, seed + 1000, self.problem.paired)
        found = np.zeros(len(GRID))
        for number in range(INNER_FOLDS):
            rest = {c for c in self.training if inner[c] != number}
            held = np.array([c for c in self.problem.paired if inner.get(c) == number])
            rows = np.flatnonzero(np.isin(self.problem.query.compound, held))
            for place, settings in enumerate(GRID):
                scores = self.scores(self.fit(settings, rest), rows)
                found[place] += by_compound(self.problem, scores, rows)[1].mean()
        return GRID[int(found.argmin())]


def raw_rows(values: np.ndarray) -> np.ndarray:
    """Sets as given, length 1."""
    return unit(np.nan_to_num(values))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def learned_only(encoder: LinearEncoder) -> LinearEncoder:
    return LinearEncoder([block for block in encoder.blocks if block.name != "plain"])


def by_compound(problem: Problem, scores: np.ndarray, rows: np.ndarray, gallery: np.ndarray | None = None) -> tuple:
    """Percentiles of instances, and of the mean score of a compound's instances; its compounds."""
    gallery = np.arange(len(problem.y)) if gallery is None else gallery
    compound = problem.query.compound[rows]
    names, groups = np.unique(compound, return_inverse=True)
    one = scores[:, gallery]
    mean = csr_matrix((np.ones(len(groups)), (groups, np.arange(len(groups))))) @ one
    theirs = problem.reference.compound[gallery]
    single = percentiles(one, compound[:, None] == theirs)
    return single, percentiles(mean, names[:, None] == theirs), names
