"""L1000 consensus, one record per compound: compounds of one mechanism, unseen compounds or unseen mechanisms."""

import numpy as np
import pandas as pd
from metrics import average_precision
from real_data import mechanisms

from scperturb_cmap.embedding.inputs import signed_scores
from scperturb_cmap.embedding.linear import discriminant, whitening
from scperturb_cmap.embedding.pairs import unique_profiles
from scperturb_cmap.embedding.splits import compound_folds

SHRINKAGE = 1.0


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
    relevant = (member.astype(int) @ member.T) > 0
    np.fill_diagonal(relevant, False)
    relevant = relevant[np.ix_(has, has)]
    print(f"{len(kept)} compounds, {has.sum()} with a mechanism, {relevant.any(axis=1).sum()} with another of theirs")
    records = []
    for seed in range(args.seeds):
        for split in ("mechanisms held out", "compounds held out"):
            if split == "compounds held out":
                folds = compound_folds(compounds, args.folds, seed)
                fold_of = np.array([folds[c] for c in compounds])
                tests = [fold_of == number for number in range(args.folds)]
            else:
                folds = compound_folds(names, args.folds, seed)
                of = np.array([folds[name] for name in names])
                # a compound of several mechanisms is held out wherever one of them is
                tests = [(member & (of == number)).any(axis=1) for number in range(args.folds)]
            for test in tests:
                y = everything - everything[~test].mean(axis=0)
                white = whitening(y[~test], shrinkage=SHRINKAGE)
                inside = y @ white
                train = ~test & has
                found = {"plain": y, "whitened 100": y @ whitening(y[~test], 100), "learned, no labels": inside}
                found |= supervised(inside, member, train, seed)
                rows = np.flatnonzero(test[has])
                asked = np.where(test[has][:, None], relevant, False)
                for method, space in found.items():
                    near = unit(space[has])
                    got = average_precision(near @ near.T, asked)[rows]
                    records.append(
                        pd.DataFrame({"split": split, "method": method, "seed": seed, "place": rows, "ap": got})
                    )
    table = pd.concat(records).dropna()
    each = table.groupby(["split", "method", "place"], sort=False)["ap"].mean()
    shown = each.groupby(["split", "method"], sort=False).agg(["mean", "size"])
    seeds = table.groupby(["split", "method", "seed"])["ap"].mean().groupby(["split", "method"]).std()
    print(shown.assign(**{"SD over seeds": seeds}).rename(columns={"mean": "mAP"}).round(4).to_string())


def supervised(inside: np.ndarray, member: np.ndarray, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Spaces that use the mechanisms of training compounds, and the same with mechanisms permuted among them."""
    out = {}
    random = np.random.default_rng(seed)
    axes = np.eye(inside.shape[1])
    for name, order in (
        ("learned", np.arange(train.sum())),
        ("control: permuted labels", random.permutation(train.sum())),
    ):
        scores, classes = inside[train], member[train][order]
        rows, columns = np.nonzero(classes)
        maps = discriminant(scores[rows], columns, inside.shape[1], shrinkage=3.0, axes=axes)
        out[name] = inside @ maps
    return out
