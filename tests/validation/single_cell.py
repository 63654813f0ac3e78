"""Single-cell drug signatures -> L1000 consensus: what a run scores by its layer of full profiles, beside its classic scores."""

from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pandas as pd
from as_run import as_set, folds_of, scores_of_a_run, space_of_a_run, twins, without
from fold import Fold, Problem, learned_only
from metrics import interval, interval_of_mean, percentiles

from scperturb_cmap.embedding.inputs import Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Block, LinearEncoder, LinearSettings, whitening
from scperturb_cmap.embedding.pairs import strength
from scperturb_cmap.validation.controls import control_scores
from scperturb_cmap.validation.matrices import score_matrices

#: As in the pipeline (learn.py); looked at on these data without folds, so these figures flatter it.
SHRINKAGE = 1.0
CLASSIC = ("spearman", "cosine")
LEARNED = "learned, as a run scores it"

#: Whether a run of the pipeline makes this map.
SHIPPED = {LEARNED: "yes", **dict.fromkeys(CLASSIC, "classic")}


def run(sets: dict, args) -> None:  # noqa: ANN001
    records, reference = [], sets["l1000"]
    same = twins(reference.values, reference.compound)
    arrays = Problem(sets)
    for name in ("pbmc", "tahoe"):
        records += one_set(sets, name, same, arrays, args)
    table = pd.concat(records)
    table["shipped"] = table["method"].map(lambda m: SHIPPED.get(m, "yes" if m.startswith(LEARNED) else "no"))
    groups = table.groupby(["data", "level", "method", "shipped"], sort=False)["percentile"]
    shown = groups.agg(["mean", "median", lambda p: (p <= 0.05).mean(), "size"])
    shown.columns = ["mean percentile", "median", "top 5 %", "n over seeds"]
    print(shown.round(3).reset_index().to_string(index=False))
    for base in CLASSIC:
        for level in ("signatures", "compounds"):
            parts = {}
            for data, part in table[table["level"] == level].groupby("data", sort=False):
                one, other = (part[part["method"] == m].reset_index(drop=True) for m in (LEARNED, base))
                parts[data] = (one["percentile"] - other["percentile"]).to_numpy(), other["compound"].to_numpy()
                low, high = interval(*parts[data])
                print(f"learned less {base}, {data}, over {level}: {parts[data][0].mean():.3f} [{low:.3f}, {high:.3f}]")
            mean = np.mean([difference.mean() for difference, _ in parts.values()])
            low, high = interval_of_mean(list(parts.values()))
            print(f"learned less {base}, mean of both, over {level}: {mean:.3f} [{low:.3f}, {high:.3f}]")


def one_set(sets: dict, name: str, same: dict, problem: Problem, args: Namespace) -> list[pd.DataFrame]:
    """Percentiles of one set of single cells by every method."""
    query, reference, records = sets[name], sets["l1000"], []
    values = on_genes(query.values, query.genes, reference.genes)
    measured = ~np.isnan(values)
    genes = np.flatnonzero(measured.mean(axis=0) > 0.5)
    paired = np.intersect1d(query.compound, reference.compound)
    rows = np.flatnonzero(np.isin(query.compound, paired))
    on_landmarks = SimpleNamespace(
        values=values[rows], genes=reference.genes, compound=query.compound[rows], line=query.line[rows]
    )
    queries, searched = as_set(on_landmarks, "rank", queries=True), as_set(reference, "modz")
    queries.obs["effect"] = "rank"  # ranks of all genes: a full profile
    classic = score_matrices(queries, searched, CLASSIC, device="cpu")
    everywhere = on_genes(query.values, query.genes, problem.query.genes)[rows]
    scores, wide, seen = signed_scores(values), signed_scores(everywhere, "uniform"), ~np.isnan(everywhere)
    every = {*problem.query.compound, *reference.compound, *query.compound}
    # of all compounds that no single-cell set of this name shares: what a map learned on arrays does to single cells
    fold = Fold(problem, every - set(paired))
    arrays = learned_only(fold.fit(LinearSettings()))
    arrays_reference = arrays.encode_perturbation(fold.y)
    del fold
    strong, drawn = strength(reference.values), np.random.default_rng(0).permutation(reference.genes)
    for seed in range(args.seeds):
        folds = folds_of(every, same, args.folds, seed, paired)
        for number in range(args.folds):
            training = [c for c, f in folds.items() if f != number]
            mine, theirs = np.isin(query.compound, training), np.isin(reference.compound, training)
            held = np.flatnonzero(~mine[rows])
            asked = queries[held].copy()
            space = space_of_a_run(reference, np.flatnonzero(theirs))
            found = {LEARNED: scores_of_a_run(asked, searched, space)}
            found |= {method: np.nan_to_num(matrix[held], nan=-2.0) for method, matrix in classic.items()}
            x = Centring.fit(scores[mine], query.line[mine]).apply(scores, query.line, measured)[:, genes]
            y = (problem.y - problem.y[theirs].mean(axis=0))[:, genes]
            axes, all_of = whitening(y[theirs], shrinkage=SHRINKAGE), np.arange(len(genes))
            for text, block in (
                ("cosine", Block("plain", all_of, all_of)),
                ("whitened", Block("whitened", axes, axes)),
            ):
                encoder = LinearEncoder([block])
                centred = encoder.encode_query(x[rows[held]]) @ encoder.encode_perturbation(y).T
                found[f"{text}, queries centred by cell type or line"] = centred
            controls = control_scores(
                asked, searched, found[LEARNED], lambda one, space=space: scores_of_a_run(one, searched, space), strong, seed=seed
            )  # fmt: skip
            found |= controls
            if seed == 0:
                for left in (900, 600):
                    sides = (without(side, drawn[left:]) for side in (asked, searched))
                    found[f"{LEARNED}, {left} landmarks (seed 0)"] = scores_of_a_run(*sides, space)
                means = Centring.fit(wide[mine[rows]], query.line[rows][mine[rows]])
                placed = arrays.encode_query(means.apply(wide[held], query.line[rows][held], seen[held]))
                found["map of arrays (seed 0)"] = placed @ arrays_reference.T
            for method, matrix in found.items():
                records += places(matrix, on_landmarks.compound[held], reference.compound, (name, method, seed))
    return records


def places(matrix: np.ndarray, who: np.ndarray, theirs: np.ndarray, of: tuple) -> list[pd.DataFrame]:
    """Percentiles of signatures, and of the mean score of a compound's signatures."""
    names, groups = np.unique(who, return_inverse=True)
    mean = np.stack([matrix[groups == n].mean(axis=0) for n in range(len(names))])
    out, (data, method, seed) = [], of
    for level, one, whose in (("signatures", matrix, who), ("compounds", mean, names)):
        place = percentiles(one, whose[:, None] == theirs)
        line = {"data": data, "method": method, "level": level, "seed": seed, "compound": whose, "percentile": place}
        out.append(pd.DataFrame(line))
    return out
