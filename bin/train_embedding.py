#!/usr/bin/env python3
"""Learn a space of queries and perturbations from the references with role train or both."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, run


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--target", type=Path, nargs="+", required=True, help="shards of the reference that is searched"
    )
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="shards of the other references")
    parser.add_argument("--compounds", type=Path, nargs="+", required=True, help="<reference>.compounds.tsv of all")
    parser.add_argument("--name", default="run", help="name of the checkpoint")
    parser.add_argument(
        "--method",
        default="linear",
        choices=["linear", "infonce", "supcon", "multi_similarity"],
        help="encoder or its loss",
    )
    parser.add_argument("--epochs", type=int, default=50, help="most epochs of a contrastive training")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "gpu"], help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--code-digest", default="", help="digest of the library, recorded in the checkpoint")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def train_embedding(args: Namespace) -> None:
    import anndata as ad
    import torch

    from scperturb_cmap.embedding.checkpoint import write_checkpoint
    from scperturb_cmap.embedding.learn import learn
    from scperturb_cmap.embedding.training import TrainingSettings, read_state, write_state
    from scperturb_cmap.io.signature_set import read_signature_set
    from scperturb_cmap.io.tables import read_text_table
    from scperturb_cmap.reference.identity import unify_compounds
    from scperturb_cmap.scoring.profiles import choose_device
    from scperturb_cmap.utils.provenance import file_sha256, write_json

    torch.set_num_threads(args.threads)
    place = choose_device(args.device)
    if place.type == "cpu":
        torch.use_deterministic_algorithms(True)
    tables = {path.name.removesuffix(".compounds.tsv"): read_text_table(path) for path in args.compounds}
    unified = unify_compounds(tables)

    def opened(paths: list[Path]) -> list[ad.AnnData]:
        """One set per reference, its shards put together in order, with one identity per compound."""
        shards = [read_signature_set(path) for path in sorted(paths, key=lambda path: path.name)]
        groups: dict[str, list[ad.AnnData]] = {}
        for shard in shards:
            groups.setdefault(str(shard.obs["reference"].iloc[0]), []).append(shard[shard.obs["status"] == "ok"])
        out = []
        for name, parts in groups.items():
            whole = ad.concat(parts, merge="same", uns_merge="same")
            ids = [unified.get((name, compound), compound) for compound in whole.obs["compound_id"].astype(str)]
            out.append(
                ad.AnnData(whole.X, whole.obs.assign(compound_id=ids), whole.var, {"effect": parts[0].uns["effect"]})
            )
        return out

    kept = args.out / f"{args.name}.training_state"
    checkpoint, table = learn(
        opened(args.target)[0], opened(args.sources), method=args.method,
        training=TrainingSettings(epochs=args.epochs, seed=args.seed), device=str(place),
        state=read_state(kept), after_epoch=lambda state: write_state(state, kept),
    )  # fmt: skip
    data = {path.name: file_sha256(path) for path in [*args.target, *args.sources]}
    checkpoint.about.update(data=data, code_digest=args.code_digest, device=str(place), torch=torch.__version__)
    digest = write_checkpoint(checkpoint, args.out / f"{args.name}.embedding.json")
    table.to_csv(args.out / f"{args.name}.embedding_search.tsv", sep="\t", index=False)
    without = (
        [] if "sets" in checkpoint.encoders else ["Gene sets and target share too few compounds: no map was learned."]
    )
    write_json(
        {"stage": "train_embedding", "id": args.name, "warnings": without, "tensors_sha256": digest, **{
            key: value for key, value in checkpoint.about.items() if key.startswith(("n_", "validation_mean"))
        }},
        args.out / f"{args.name}.train_embedding.metrics.json",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(build_parser(), train_embedding))
