"""Connectivity Map build 02 sets -> L1000 consensus: the same compound on the other platform."""

from itertools import product

import numpy as np
import pandas as pd
from metrics import interval, percentiles

from scperturb_cmap.embedding.inputs import Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Basis, Block, LinearEncoder, LinearSettings, fit_dual
from scperturb_cmap.embedding.pairs import mine_pairs, strength
from scperturb_cmap.embedding.splits import compound_folds

#: What the inner folds choose from.
GRID = [LinearSettings(200, n_reference, penalty) for n_reference, penalty in product((80, 120, 160), (1.0, 3.0))]
INNER_FOLDS = 2


class Problem:
    """Both sides as matrices, and what is fitted on one set of training compounds."""

    def __init__(self, sets: dict, landmarks: np.ndarray):
        self.query, self.reference = sets["cmap"], sets["l1000"]
        self.x, self.y = signed_scores(self.query.values), signed_scores(self.reference.values)
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
        most = max(settings.n_query for settings in GRID), max(settings.n_reference for settings in GRID)
        self.basis = Basis.fit(self.x[mine], self.y[theirs], *most)
        self.mine, self.theirs = mine, theirs

    def fit(self, settings: LinearSettings, training: set | None = None, shuffled: int | None = None) -> LinearEncoder:
        """Maps from the pairs of some training compounds; the basis, which needs no labels, is that of all of them."""
        names = self.problem.query.compound[self.mine], self.problem.reference.compound[self.theirs]
        usable = list(training or self.training)
        sides = (pd.DataFrame({"compound_id": np.where(np.isin(side, usable), side, "")}) for side in names)
        pairs = mine_pairs(*sides)
        left, right = pairs["query"].to_numpy(), pairs["reference"].to_numpy()
        if shuffled is not None:  # whole compounds change partners, so that instances of one stay together
            known = pairs.drop_duplicates("compound_id")
            partners = np.random.default_rng(shuffled).permutation(known["reference"].to_numpy())
            right = pairs["compound_id"].map(dict(zip(known["compound_id"], partners, strict=True))).to_numpy()
        given = (left, right, pairs["weight"].to_numpy())
        return fit_dual(self.x[self.mine], self.y[self.theirs], given, settings, self.problem.shared, self.basis)

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


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def learned_only(encoder: LinearEncoder) -> LinearEncoder:
    return LinearEncoder([block for block in encoder.blocks if block.name != "plain"])


def untrained(encoder: LinearEncoder, seed: int) -> LinearEncoder:
    """Random matrices of the same shapes."""
    random = np.random.default_rng(seed)
    return LinearEncoder([
        Block(b.name, random.normal(size=b.query.shape), random.normal(size=b.perturbation.shape), b.weight)
        for b in learned_only(encoder).blocks
    ])  # fmt: skip


def by_compound(problem: Problem, scores: np.ndarray, rows: np.ndarray, gallery: np.ndarray | None = None) -> tuple:
    """Percentiles of instances, and of the mean score of a compound's instances; its compounds."""
    gallery = np.arange(len(problem.y)) if gallery is None else gallery
    compound = problem.query.compound[rows]
    names, groups = np.unique(compound, return_inverse=True)
    mean = np.zeros((len(names), len(gallery)))
    np.add.at(mean, groups, scores[:, gallery])
    theirs = problem.reference.compound[gallery]
    single = percentiles(scores[:, gallery], compound[:, None] == theirs)
    return single, percentiles(mean, names[:, None] == theirs), names


def run(sets: dict, landmarks: np.ndarray, args) -> None:  # noqa: ANN001
    problem = Problem(sets, landmarks)
    records, chosen = [], []
    for seed in range(args.seeds):
        folds = compound_folds({*problem.query.compound, *problem.reference.compound}, args.folds, seed, problem.paired)
        for number in range(args.folds):
            fold = Fold(problem, {c for c, f in folds.items() if f != number})
            held = [c for c in problem.paired if folds[c] == number]
            rows = np.flatnonzero(np.isin(problem.query.compound, held))
            settings = fold.choose(seed)
            chosen.append(settings)
            tables = methods(fold, settings, rows, seed)
            unseen = np.flatnonzero([folds[c] == number for c in problem.reference.compound])
            for method, scores in tables.items():
                for where, gallery in (("all", None), ("unseen only", unseen)):
                    if where != "all" and method not in ("plain", "learned"):
                        continue
                    single, mean, names = by_compound(problem, scores, rows, gallery)
                    for level, values, who in (
                        ("instances", single, problem.query.compound[rows]),
                        ("compounds", mean, names),
                    ):
                        records.append(pd.DataFrame({
                            "method": method, "gallery": where, "level": level, "seed": seed, "fold": number,
                            "compound": who, "percentile": values, "place": np.arange(len(values)),
                        }))  # fmt: skip
    table = pd.concat(records, ignore_index=True)
    report(problem, table)
    print(
        "\nsettings chosen:",
        pd.Series([f"{s.n_reference} components, ridge {s.ridge:g}" for s in chosen]).value_counts().to_dict(),
    )


def methods(fold: Fold, settings: LinearSettings, rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Scores of the held-out queries by every method and control."""
    problem = fold.problem
    encoder = fold.fit(settings)
    mine, theirs = problem.rows(fold.training)
    random = np.random.default_rng(seed)
    genes, drugs = random.permutation(problem.x.shape[1]), problem.y.shape[1]
    out = {"plain": problem.plain[rows], "learned": fold.scores(encoder, rows)}
    out["plain, centred"] = fold.scores(LinearEncoder([Block("plain", *problem.shared)]), rows)
    out["learned blocks alone"] = fold.scores(learned_only(encoder), rows)
    out["control: untrained"] = fold.scores(untrained(encoder, seed), rows)
    out["control: permuted labels"] = fold.scores(learned_only(fold.fit(settings, shuffled=seed)), rows)
    mixed = learned_only(encoder)
    out["control: shuffled genes"] = mixed.encode_query(fold.x[rows][:, genes]) @ mixed.encode_perturbation(fold.y).T
    out["control: strength only"] = np.tile(problem.strength, (len(rows), 1))
    out["control: drug prior"] = np.tile(fold.scores(encoder, mine).mean(axis=0), (len(rows), 1))
    if seed == 0:
        order = random.permutation(drugs)
        for left in (978, 900, 600):
            gone = order[left:]
            x, y = fold.x[rows].copy(), fold.y.copy()
            y[:, gone] = 0
            x[:, np.isin(problem.query.genes, problem.reference.genes[gone])] = 0
            out[f"learned, {left} landmarks (seed 0)"] = encoder.encode_query(x) @ encoder.encode_perturbation(y).T
    return out


def report(problem: Problem, table: pd.DataFrame) -> None:
    """The table of the task, and what decides whether it holds."""
    strongest = dict(zip(problem.reference.compound, problem.strength, strict=True))
    paired = {c: strongest[c] for c in problem.paired}
    third = set(pd.Series(paired).nlargest(len(paired) // 3).index)
    table["strong"] = table["compound"].isin(third)
    lines = []
    for (method, gallery), part in table.groupby(["method", "gallery"], sort=False):
        line = {"method": method, "gallery": gallery}
        for level, one in part.groupby("level"):
            line |= {level: one["percentile"].mean(), f"{level}, top 5 %": (one["percentile"] <= 0.05).mean()}
            line[f"{level}, strong third"] = one.loc[one["strong"], "percentile"].mean()
        lines.append(line)
    print(f"{len(problem.paired)} shared compounds, {np.isin(problem.query.compound, problem.paired).sum()} instances")
    print(pd.DataFrame(lines).round(3).to_string(index=False))
    keys = ["gallery", "level", "seed", "fold", "place", "compound"]
    both = table[table["method"].isin(["plain", "plain, centred", "learned"])].pivot_table(
        index=keys, columns="method", values="percentile"
    )
    for base in ("plain", "plain, centred"):
        for (gallery, level), part in both.dropna(subset=[base]).groupby(level=["gallery", "level"]):
            difference = (part["learned"] - part[base]).reset_index(name="difference")
            folds = difference.groupby(["seed", "fold"])["difference"].mean()
            low, high = interval(difference["difference"].to_numpy(), difference["compound"].to_numpy())
            print(
                f"learned less {base}, {gallery}, over {level}: {difference['difference'].mean():.3f} [{low:.3f}, {high:.3f}], "
                f"better in {(folds < 0).sum()} of {len(folds)} folds"
            )
