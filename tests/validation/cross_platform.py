"""Connectivity Map build 02 sets -> L1000 consensus, the same compound on the other platform; and across its own lines."""

import sys

import across_lines
import numpy as np
import pandas as pd
from fold import Fold, Problem, by_compound, learned_only
from metrics import interval

from scperturb_cmap.embedding.linear import Block, LinearEncoder, LinearSettings
from scperturb_cmap.embedding.splits import compound_folds


def untrained(encoder: LinearEncoder, seed: int) -> LinearEncoder:
    """Random matrices of the same shapes."""
    random = np.random.default_rng(seed)
    return LinearEncoder([
        Block(b.name, random.normal(size=b.query.shape), random.normal(size=b.perturbation.shape), b.weight)
        for b in learned_only(encoder).blocks
    ])  # fmt: skip


def run(sets: dict, args) -> None:  # noqa: ANN001
    problem = Problem(sets)
    records, lines, chosen = [], [], []
    try:
        for seed in range(args.seeds):
            folds = compound_folds(
                {*problem.query.compound, *problem.reference.compound}, args.folds, seed, problem.paired
            )
            for number in range(args.folds):
                more = one_fold(problem, folds, number, seed)
                records += more[0]
                lines += more[1]
                chosen.append(more[2])
                print(f"seed {seed}, fold {number}: done", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"cut off after {len(chosen)} of {args.seeds * args.folds} folds; the table is of these")
    report(problem, pd.concat(records, ignore_index=True))
    counts = pd.Series([f"{s.n_reference} components, ridge {s.ridge:g}" for s in chosen]).value_counts()
    print("\nsettings chosen by the inner folds:", counts.to_dict())
    print("\n## across lines, negatives within +-10 instance numbers\n")
    across_lines.report(lines)


def one_fold(problem: Problem, folds: dict[str, int], number: int, seed: int) -> tuple[list, list, LinearSettings]:
    """Percentiles of both levels and galleries by every method, trials across lines, the settings chosen."""
    fold = Fold(problem, {c for c, f in folds.items() if f != number})
    rows = np.flatnonzero(np.isin(problem.query.compound, [c for c in problem.paired if folds[c] == number]))
    unseen = np.flatnonzero([folds[c] == number for c in problem.reference.compound])
    settings, records = fold.choose(seed), []
    for method, scores in methods(fold, settings, rows, seed).items():
        for where, gallery in (("all", None), ("unseen only", unseen)):
            if where != "all" and method not in ("plain", "learned"):
                continue
            single, mean, names = by_compound(problem, scores, rows, gallery)
            for level, values, who in (("instances", single, problem.query.compound[rows]), ("compounds", mean, names)):
                records.append(pd.DataFrame({
                    "method": method, "gallery": where, "level": level, "seed": seed, "fold": number,
                    "compound": who, "percentile": values, "place": np.arange(len(values)),
                }))  # fmt: skip
    held = {c for c, f in folds.items() if f == number}
    return records, across_lines.collect(fold, held, seed, number), settings


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
