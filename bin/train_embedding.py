#!/usr/bin/env python3
"""Learn a space of cell states and perturbations from the references with role train or both."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, limit_threads, run, run_folder, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="shards of the references (h5ad)")
    parser.add_argument("--libraries", type=Path, nargs="+", required=True, help="<reference>.library.json of all")
    parser.add_argument("--compounds", type=Path, nargs="+", required=True, help="<reference>.compounds.tsv of all")
    parser.add_argument(
        "--searched", nargs="+", required=True, help="names of the references whose drugs are ranked (role both)"
    )
    parser.add_argument("--name", default="run", help="name of the checkpoint")
    parser.add_argument(
        "--encoder",
        default="linear",
        choices=["linear", "infonce", "supcon", "multi_similarity"],
        help="a linear map, or a network trained with this loss",
    )
    parser.add_argument("--search", action="store_true", help="let validation compounds choose among many settings")
    parser.add_argument(
        "--members", type=whole(1, 20), default=1, help="networks with other seeds, whose scores are averaged"
    )
    parser.add_argument("--epochs", type=whole(1), default=50, help="most epochs of a network's training")
    parser.add_argument("--seed", type=whole(0), default=1, help="of everything random")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "gpu"], help="where to compute")
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--code-digest", default="", help="digest of the library, recorded in the checkpoint")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def train_embedding(args: Namespace) -> None:
    import hashlib
    import json

    import torch

    from scperturb_cmap.embedding.checkpoint import write_checkpoint
    from scperturb_cmap.embedding.inputs import is_gene_sets
    from scperturb_cmap.embedding.learn import learn
    from scperturb_cmap.embedding.model_card import model_card
    from scperturb_cmap.embedding.training import TrainingSettings, read_state, write_state
    from scperturb_cmap.embedding.training_set import (
        MOST_SIGNATURES,
        MOST_VALUES,
        choose_signatures,
        choose_target,
        joined,
        learned_genes,
    )
    from scperturb_cmap.io.signature_set import read_about, read_rows
    from scperturb_cmap.reference import read_compounds, read_libraries, shards_of
    from scperturb_cmap.reference.identity import unify_compounds
    from scperturb_cmap.scoring.profiles import choose_device
    from scperturb_cmap.utils.files import whole_file
    from scperturb_cmap.utils.provenance import write_json

    limit_threads(args.threads)
    place = choose_device(args.device)
    if place.type == "cpu":
        torch.use_deterministic_algorithms(True)
    libraries = read_libraries(args.libraries, ("effect", "n_signatures"))
    shards = shards_of(args.shards, libraries, args.searched)
    identity = unify_compounds(read_compounds(args.compounds, libraries))

    def chosen(name, most=MOST_VALUES, asked=None):
        """Signatures of a reference to learn from; one shard is in memory at a time. Single cells on the genes ``asked``."""
        assay = libraries[name]["assay"]
        about = [read_about(path) for path in shards[name]]
        sets, parts, genes = is_gene_sets(about[0][2]), [], None
        # of gene sets every gene tells something, so there are fewer of them
        most = min(MOST_SIGNATURES, most // len(about[0][1])) if sets else MOST_SIGNATURES
        names = choose_signatures([obs for obs, *_ in about], most=most, seed=args.seed)
        files = list(zip(shards[name], names, strict=True))
        for path, mine in files:
            part = read_rows(path, mine, layers=())
            if genes is None:
                further = (read_rows(path, mine, layers=()) for path, mine in files[1:])
                genes = learned_genes(part, asked if assay == "single_cell" else None, further)
            parts.append(part[:, genes].copy())
        return joined(parts, identity, assay)

    target = choose_target(
        {name: (libraries[name]["effect"], libraries[name]["n_signatures"]) for name in args.searched}
    )
    others, perturbations = [name for name in shards if name != target], chosen(target)
    sources = [chosen(name, MOST_VALUES // len(others), perturbations.var_names) for name in others]

    # What was cut off goes on only with the same data and settings, in whichever task of the run.
    settings = [args.encoder, args.search, args.epochs, args.seed, args.code_digest, str(place), sorted(args.searched)]
    settings += [path.read_text() for path in sorted(args.libraries)]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
    folder = run_folder(Path.cwd()) or args.out

    def kept(number):
        return folder / f"{args.name}.training_state_{key}_{number}"

    checkpoint, table = learn(
        perturbations, sources, encoder=args.encoder, search=args.search, members=args.members,
        training=TrainingSettings(epochs=args.epochs, seed=args.seed), device=str(place),
        state=lambda number: read_state(kept(number)), after_epoch=lambda number, state: write_state(state, kept(number)),
    )  # fmt: skip
    origin = {
        name: {
            key: about.get(key, "") for key in ("effect", "licence", "n_signatures", "n_compounds", "sources", "files")
        }
        for name, about in libraries.items()
    }
    checkpoint.about.update(
        target=target, references=origin, code_digest=args.code_digest, device=str(place), torch=torch.__version__
    )
    digest = write_checkpoint(checkpoint, args.out / f"{args.name}.embedding.json")
    with whole_file(args.out / f"{args.name}.embedding_search.tsv") as partial:
        table.to_csv(partial, sep="\t", index=False)
    with whole_file(args.out / f"{args.name}.model_card.md") as partial:
        partial.write_text(model_card(checkpoint, table))
    write_json(
        {"stage": "train_embedding", "id": args.name, "warnings": checkpoint.about["warnings"], "tensors_sha256": digest, **{
            key: value for key, value in checkpoint.about.items() if key.startswith(("n_", "validation_mean"))
        }},
        args.out / f"{args.name}.train_embedding.metrics.json",
    )  # fmt: skip
    for number in range(args.members):
        kept(number).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(run(build_parser(), train_embedding))
