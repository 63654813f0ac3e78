"""Single-cell drug signatures -> L1000 consensus, by the input layer of full profiles: shrunken whitening, no pairs needed."""

import numpy as np
import pandas as pd
from fold import Fold, Problem, learned_only
from metrics import interval, percentiles

from scperturb_cmap.embedding.inputs import Centring, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Block, LinearEncoder, LinearSettings, whitening
from scperturb_cmap.embedding.splits import compound_folds

#: Half-way between whitening and leaving the directions as they are; looked at on these data without folds (docs/validation.md).
SHRINKAGE = 1.0


def run(sets: dict, args) -> None:  # noqa: ANN001
    problem, reference, records = Problem(sets), sets["l1000"], []
    for name in ("pbmc", "tahoe"):
        query = sets[name]
        values = on_genes(query.values, query.genes, reference.genes)
        measured = ~np.isnan(values)
        genes = np.flatnonzero(measured.mean(axis=0) > 0.5)
        everywhere = on_genes(query.values, query.genes, problem.query.genes)
        paired = np.intersect1d(query.compound, reference.compound)
        scores, wide = signed_scores(values), signed_scores(everywhere, "uniform")
        seen = ~np.isnan(everywhere)
        rows = np.flatnonzero(np.isin(query.compound, paired))
        fold = Fold(problem, {*problem.query.compound, *reference.compound} - set(paired))
        arrays = learned_only(fold.fit(LinearSettings()))
        arrays_reference = arrays.encode_perturbation(fold.y)
        del fold
        for seed in range(args.seeds):
            folds = compound_folds(
                {*problem.query.compound, *query.compound, *reference.compound}, args.folds, seed, paired
            )
            for number in range(args.folds):
                training = {c for c, f in folds.items() if f != number}
                mine = np.isin(query.compound, list(training))
                theirs = np.isin(reference.compound, list(training))
                x = Centring.fit(scores[mine], query.line[mine]).apply(scores, query.line, measured)[:, genes]
                y = (problem.y - problem.y[theirs].mean(axis=0))[:, genes]
                axes = whitening(y[theirs], shrinkage=SHRINKAGE)
                every = np.arange(len(genes))
                encoders = {
                    "plain": LinearEncoder([Block("plain", every, every)]),
                    "learned": LinearEncoder([Block("whitened", axes, axes)]),
                }
                held = rows[~mine[rows]]
                found = {m: e.encode_query(x[held]) @ e.encode_perturbation(y).T for m, e in encoders.items()}
                if seed == 0:  # what a map learned on arrays does to single cells
                    centred = Centring.fit(wide[mine], query.line[mine]).apply(wide, query.line, seen)
                    found["map of arrays (seed 0)"] = arrays.encode_query(centred[held]) @ arrays_reference.T
                strength = np.tile(problem.strength, (len(held), 1))
                found["control: strength only"] = strength
                for method, matrix in found.items():
                    who = query.compound[held]
                    names, groups = np.unique(who, return_inverse=True)
                    mean = np.zeros((len(names), matrix.shape[1]))
                    np.add.at(mean, groups, matrix)
                    for level, one, whose in (("signatures", matrix, who), ("compounds", mean, names)):
                        place = percentiles(one, whose[:, None] == reference.compound)
                        records.append(pd.DataFrame({
                            "data": name, "method": method, "level": level, "seed": seed, "compound": whose, "percentile": place,
                        }))  # fmt: skip
    table = pd.concat(records)
    groups = table.groupby(["data", "level", "method"], sort=False)["percentile"]
    shown = groups.agg(["mean", "median", lambda p: (p <= 0.05).mean(), "size"])
    shown.columns = ["mean percentile", "median", "top 5 %", "n over seeds"]
    print(shown.round(3).to_string())
    for (data, level), part in table.groupby(["data", "level"]):
        wide = {m: one.reset_index(drop=True) for m, one in part.groupby("method")}
        difference = wide["learned"]["percentile"] - wide["plain"]["percentile"]
        low, high = interval(difference.to_numpy(), wide["plain"]["compound"].to_numpy())
        print(f"learned less plain, {data}, over {level}: {difference.mean():.3f} [{low:.3f}, {high:.3f}]")
