#!/usr/bin/env python3
"""Validate every method on perturbations held out, or any table of scores against a table of labels (--scores, --labels)."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, check_headline, check_methods, limit_threads, run, whole


def build_parser():
    parser = base_parser(__doc__)
    alone = parser.add_argument_group("any table of scores")
    alone.add_argument(
        "--scores", type=Path, help="query, item, and one column per method or method and score (Parquet or text)"
    )
    alone.add_argument("--labels", type=Path, help="query, item, label (1 or 0), optionally cluster")
    alone.add_argument(
        "--lower-is-better", action="store_true", help="positives should have the lowest scores, as reversers"
    )
    alone.add_argument(
        "--missing", default="last", choices=["last", "left_out"],
        help="what is labelled and has no score by a method: its last, or left out for all methods",
    )  # fmt: skip
    within = parser.add_argument_group("the references of a run")
    within.add_argument("--shards", type=Path, nargs="*", default=[], help="shards of the references (h5ad)")
    within.add_argument("--libraries", type=Path, nargs="*", default=[], help="<reference>.library.json of all")
    within.add_argument("--compounds", type=Path, nargs="*", default=[], help="<reference>.compounds.tsv of all")
    within.add_argument(
        "--reference-queries", type=Path, nargs="*", default=[], help="signatures behind normalised scores (h5ad)"
    )
    within.add_argument("--searched", nargs="*", default=[], help="names of the references whose drugs are ranked")
    within.add_argument("--learned", nargs="*", default=[], help="names of those that a space is learned from")
    within.add_argument("--signatures", type=Path, nargs="*", default=[], help="signature sets of populations (h5ad)")
    within.add_argument(
        "--query-kinds", nargs="+", default=["single_cells"], choices=["single_cells", "gene_sets"],
        help="what populations of the run are: the learned score ranks only where it holds on such queries",
    )  # fmt: skip
    within.add_argument("--drugs", type=Path, help="annotation with mechanisms and targets")
    within.add_argument("--indications", type=Path, help="dataset (or disease) and compound: which drugs treat what")
    within.add_argument(
        "--sensitivity", type=Path, help="dataset (or disease), compound, sensitivity: lower = the drug kills more"
    )
    within.add_argument("--methods", default="cosine,spearman,wtcs", help="scores, separated by commas")
    within.add_argument("--headline", default="auto", help="the score that ranks the drugs; auto lets the gates choose")
    encoders = ["linear", "infonce", "supcon", "multi_similarity"]
    within.add_argument("--encoder", default="linear", choices=encoders, help="of the learned space")
    within.add_argument(
        "--search", action="store_true", help="let validation compounds choose among many settings of it"
    )
    within.add_argument("--members", type=whole(1, 20), default=1, help="networks whose scores are averaged")
    within.add_argument("--n-genes", type=whole(1), default=150, help="size of the up and of the down set")
    within.add_argument(
        "--min-tags", type=whole(1), default=10, help="fewest genes of a set, and in common, for a score"
    )
    within.add_argument(
        "--feature-space", default="all", choices=["all", "best_inferred", "landmark"], help="genes compared"
    )
    within.add_argument("--queries", type=whole(1), default=300, help="most signatures that are asked about")
    within.add_argument("--folds", type=whole(2), default=5, help="parts in which queries are held out")
    within.add_argument("--device", default="auto", choices=["auto", "cpu", "gpu"], help="where to compute")
    parser.add_argument("--name", default="run", help="name of the results")
    parser.add_argument("--seed", type=whole(0), default=1, help="of everything random")
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def validate_methods(args: Namespace) -> None:
    from scperturb_cmap.utils.errors import InputError, Problem

    limit_threads(args.threads)
    if bool(args.scores) != bool(args.labels) or bool(args.scores) == bool(args.shards):
        wrong = "It needs either --scores with --labels, or --shards."
        raise InputError(Problem("validate_methods.py", "", wrong, "validate_methods.py --help lists both ways."))
    if args.scores:
        validate_table(args)
    else:
        validate_run(args)


def validate_table(args: Namespace) -> None:
    from scperturb_cmap import validation
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.any_table import read_any_table

    scores, labels = read_any_table(args.scores), read_any_table(args.labels)
    names = args.scores.name, args.labels.name
    table = validation.validate_scores(
        scores, labels, names=names, higher=not args.lower_is_better,
        missing=args.missing, seed=args.seed)  # fmt: skip
    schemas.write_table(table, schemas.VALIDATION, args.out / f"{args.name}.validation.tsv")


def validate_run(args: Namespace) -> None:
    import pandas as pd

    from scperturb_cmap import ranking, validation
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.signature_set import read_signature_set
    from scperturb_cmap.io.tables import read_text_table
    from scperturb_cmap.reference import read_compounds
    from scperturb_cmap.reference.identity import names_of_compounds, unify_compounds
    from scperturb_cmap.scoring import SCORES
    from scperturb_cmap.utils.errors import InputError, Problem
    from scperturb_cmap.utils.provenance import write_json

    methods = list(dict.fromkeys(args.methods.split(",")))
    classic = [method for method in methods if method != validation.LEARNED]
    check_methods(methods, [*SCORES, validation.LEARNED])
    if args.headline != "auto":
        check_headline(args.headline, methods)
    if not classic:
        wrong = "There is no classic score to compare the learned one with."
        raise InputError(Problem("--methods", "", wrong, "Add wtcs."))
    if not args.searched:
        raise InputError(Problem("--searched", "", "It names no reference.", "Name those whose drugs are ranked."))
    drugs = read_text_table(args.drugs) if args.drugs else None
    tables = read_compounds(args.compounds, [])
    names = names_of_compounds(tables, unify_compounds(tables))
    annotated = None if drugs is None else ranking.annotated_compounds(drugs, args.drugs.name, names)
    annotation = None if drugs is None else ranking.harmonise_annotation(drugs, args.drugs.name, names)
    known = {"indication": (args.indications, ranking.indicated_compounds),
        "efficacy": (args.sensitivity, ranking.measured_compounds)}  # fmt: skip
    given = {task: read(read_text_table(path), path.name, names) for task, (path, read) in known.items() if path}
    material = validation.read_material(
        args.shards, args.libraries, args.compounds, args.searched, annotation=annotation, seed=args.seed,
        wanted={one for table in given.values() for one in table["compound_id"]}, reference_queries=args.reference_queries,
    )  # fmt: skip
    options = {key: getattr(args, key) for key in ("n_genes", "min_tags", "feature_space", "device")}
    learned = validation.LEARNED in methods and bool(args.learned)
    learn = validation.learner(
        args.learned, encoder=args.encoder, search=args.search, members=args.members, seed=args.seed, device=args.device
    )
    found = validation.validate_reference(
        material.searched, material.others, classic, learn if learned else None,
        genetic=material.genetic, background=material.background, annotated=annotated, counts=material.counts,
        n_queries=args.queries, n_folds=args.folds, seed=args.seed, **options,
    )  # fmt: skip
    validation.refuse_leaks(found.findings)
    base = validation.base_score(material.searched, classic)
    headline = validation.headline_of_run(
        args.headline, found, material.searched, methods, kinds=args.query_kinds, seed=args.seed, **options
    )
    populations = [read_signature_set(path, "populations") for path in args.signatures] if given else []
    by = headline.method if headline.method in classic else base
    recovered, compared = (
        ask(populations, material.searched, given.get(task), by, seed=args.seed, **options)
        for task, ask in (
            ("indication", validation.recover_indications),
            ("efficacy", validation.compare_sensitivities),
        )
    )
    tasks = found.tasks.set_index("task")
    for task, table, value in (("indication", recovered, "auroc"), ("efficacy", compared, "spearman")):
        measured = len(table.dropna(subset=value).drop_duplicates(["dataset", "population"]))
        if measured:
            tasks.loc[task, ["status", "n_queries", "reason"]] = ["run", measured, ""]
        elif task in given:
            ours = any(ranking.is_of(given[task], str(one.obs["dataset"].iloc[0])).any() for one in populations)
            few = "too few of the drugs given for these data sets are in the reference"
            tasks.loc[task, "reason"] = few if ours else "no row is for a data set of this run"
    told = [("column", *one) for one in validation.COLUMNS.items()]
    told += [("metric", *one) for one in validation.METRICS.items()]
    told += [("control", *one) for one in validation.CONTROLS.items()]
    meanings = pd.DataFrame(told, columns=["kind", "name", "meaning"])
    findings = pd.DataFrame(found.findings, columns=validation.Finding._fields)
    for schema, table, kind in (
        (schemas.VALIDATION, validation.summarise(found.queries, [base], seed=args.seed), "validation"),
        (schemas.TASKS, tasks.reset_index(), "validation_tasks"), (schemas.SPLITS, found.folds, "validation_splits"),
        (schemas.GATES, headline.gates, "validation_gates"), (schemas.FINDINGS, findings, "validation_findings"),
        (schemas.INDICATIONS, recovered, "indications"), (schemas.EFFICACY, compared, "efficacy"),
        (schemas.MEANINGS, meanings, "validation_meanings"),
    ):  # fmt: skip
        schemas.write_table(table, schema, args.out / f"{args.name}.{kind}.tsv")
    chosen = {"method": headline.method, "reason": headline.reason, "given": args.headline, "reference": material.name}
    write_json(chosen, args.out / f"{args.name}.headline.json")
    write_json(
        {"stage": "validate_methods", "id": args.name, "headline": headline.method, "reference": material.name,
         "n_tasks": int((tasks["status"] == "run").sum()), "n_queries": int(found.tasks["n_queries"].sum()),
         "warnings": [f"{one.where}: {one.detail}" for one in found.findings if one.action == "told"]},
        args.out / f"{args.name}.validate_methods.metrics.json",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(build_parser(), validate_methods))
