"""L1000 consensus, one record per compound: compounds of one mechanism, unseen compounds or unseen mechanisms.

Where mechanisms are held out, only these count as the same: one that was trained on does not.
"""

import anndata as ad
import numpy as np
import pandas as pd
from as_run import as_set, scores_of_a_run, space_of_a_run
from metrics import average_precision, interval
from real_data import mechanisms

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import signed_scores
from scperturb_cmap.embedding.linear import whitening
from scperturb_cmap.embedding.pairs import strength, unique_profiles
from scperturb_cmap.embedding.profiles import discriminant
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.validation.controls import control_scores
from scperturb_cmap.validation.leaks import same_profiles

#: As in the pipeline; this and the 3 of the discriminant were set without folds, so the rows that use them flatter themselves.
SHRINKAGE = 1.0

#: What a run makes of the reference, by its layer of full profiles.
AS_RUN = "learned, as a run scores it"
DISCRIMINANT = "discriminant of mechanisms"


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def run(sets: dict, args) -> None:  # noqa: ANN001
    reference = sets["l1000"]
    kept = unique_profiles(np.clip(reference.values, -10, 10), reference.compound)
    every = mechanisms(args.data, reference)
    labels = [every[k] for k in kept]
    has = np.array([bool(one) for one in labels])
    everything = signed_scores(reference.values[kept])
    compounds = reference.compound[kept]
    names = sorted(set().union(*labels))
    member = np.array([[name in one for name in names] for one in labels])
    relevant = shared(member)[np.ix_(has, has)]
    strong = strength(reference.values[kept])[has]
    queries, searched = (as_set(reference, "modz", kept[has], queries=asked) for asked in (True, False))
    same = same_profiles(reference.values, reference.values)
    print(f"{len(kept)} compounds, {has.sum()} with a mechanism, {relevant.any(axis=1).sum()} with another of theirs")
    records = []
    for seed in range(args.seeds):
        for split in ("mechanisms held out", "compounds held out"):
            if split == "compounds held out":
                folds = compound_folds(compounds, args.folds, seed)
                fold_of = np.array([folds[c] for c in compounds])
                tests = [(fold_of == number, relevant) for number in range(args.folds)]
            else:
                folds = compound_folds(names, args.folds, seed)
                of = np.array([folds[name] for name in names])
                # a compound of several mechanisms is held out wherever one of them is
                tests = [
                    ((member & (of == number)).any(axis=1), shared(member[:, of == number])[np.ix_(has, has)])
                    for number in range(args.folds)
                ]
            for test, positive in tests:
                y = everything - everything[~test].mean(axis=0)
                white = whitening(y[~test], shrinkage=SHRINKAGE)
                inside = y @ white
                train = ~test & has
                found = {
                    "plain": y,
                    "whitened 100": y @ whitening(y[~test], 100),
                    "whitened as a run does, queries centred": inside,
                }
                found |= supervised(inside, member, train, seed)
                rows = np.flatnonzero(test[has])
                asked = np.where(test[has][:, None], positive, False)
                matrices = {method: unit(one[has]) @ unit(one[has]).T for method, one in found.items()}
                # a run learns from all signatures, not from one of each compound; none of what is tested, under no name
                gone = np.isin(reference.compound, compounds[test])
                gone |= same[gone].any(axis=0)
                made = space_of_a_run(reference, np.flatnonzero(~gone))
                matrices |= as_run(queries, searched, made, strong, seed)
                for method, matrix in matrices.items():
                    got = average_precision(matrix, asked)[rows]
                    records.append(
                        pd.DataFrame({"split": split, "method": method, "seed": seed, "place": rows, "ap": got})
                    )
    table = pd.concat(records).dropna()
    each = table.groupby(["split", "method", "place"], sort=False)["ap"].mean()
    shown = each.groupby(["split", "method"], sort=False).agg(["mean", "size"])
    seeds = table.groupby(["split", "method", "seed"])["ap"].mean().groupby(["split", "method"]).std()
    shown = shown.assign(**{"SD over seeds": seeds}).rename(columns={"mean": "mAP"}).round(4).reset_index()
    shown.insert(2, "shipped", shown["method"].map({"plain": "cosine", AS_RUN: "yes"}).fillna("no"))
    print(shown.to_string(index=False))
    each = each.sort_index()
    for split in ("mechanisms held out", "compounds held out"):
        for one, other in (
            (AS_RUN, "plain"),
            (AS_RUN, "control: permuted compounds"),
            (DISCRIMINANT, f"control: {DISCRIMINANT}, permuted"),
        ):
            difference = (each[split, one] - each[split, other]).to_numpy()
            low, high = interval(difference, np.arange(len(difference)))
            print(f"{split}: {one}, less {other}, over compounds: {difference.mean():.4f} [{low:.4f}, {high:.4f}]")


def shared(member: np.ndarray) -> np.ndarray:
    """Which compounds have one of these mechanisms in common, none with itself."""
    out = (member.astype(int) @ member.T) > 0
    np.fill_diagonal(out, False)
    return out


def as_run(
    queries: ad.AnnData, searched: ad.AnnData, space: Checkpoint, strong: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Scores of a run, and controls of these."""
    scores = scores_of_a_run(queries, searched, space)
    controls = control_scores(
        queries, searched, scores, lambda other: scores_of_a_run(other, searched, space), strong, seed=seed
    )
    controls["control: permuted compounds"] = controls.pop("control: permuted labels")
    return {AS_RUN: scores} | controls


def supervised(inside: np.ndarray, member: np.ndarray, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Spaces that use the mechanisms of training compounds, and the same with mechanisms permuted among them."""
    out = {}
    random = np.random.default_rng(seed)
    for name, order in (
        (DISCRIMINANT, np.arange(train.sum())),
        (f"control: {DISCRIMINANT}, permuted", random.permutation(train.sum())),
    ):
        scores, classes = inside[train], member[train][order]
        rows, columns = np.nonzero(classes)
        maps = discriminant(scores[rows], columns, inside.shape[1], shrinkage=3.0)
        out[name] = inside @ maps
    return out
