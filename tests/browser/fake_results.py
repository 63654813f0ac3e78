"""Small made-up results of a run, in the layout of --outdir, with names that would break a careless report."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set, write_signature_set

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<b>bold</b> & <a href='javascript:alert(3)'>link</a>",
    "`code` **stars** $x$ {{ name }} %{x}",
    "β-amyloid 抗体 " + "long name " * 18 + "end",
)
GENES = (
    "CXCL10",
    "IFIT1",
    "ISG15",
    "RSAD2",
    "MX1",
    "STAT1",
    "IRF7",
    "OAS1",
    "CCL2",
    "IL6",
    "TNF",
    "FOS",
    "JUN",
    "MYC",
    "CD14",
    "LYZ",
)
DRUGS = (
    "ruxolitinib",
    "tofacitinib",
    "baricitinib",
    "dexamethasone",
    "vorinostat",
    "trametinib",
    "sirolimus",
    "imatinib",
    "aspirin",
)
METHODS = ("cosine", "spearman", "wtcs")
ALL_CELLS = "all cells"


def write_results(
    folder: Path,
    dataset: str = "demo",
    populations: dict[str, str] | None = None,
    n_genes: int = 400,
    n_drugs: int = 90,
    hostile: bool = True,
    seed: int = 1,
) -> Path:
    """Write the results of one data set (and of the run, which every data set shares).

    Parameters
    ----------
    folder
        Where to; several data sets may be written to one folder.
    dataset
        Its name.
    populations
        Name -> evidence ("" = skipped).
    n_genes, n_drugs
        Size.
    hostile
        Put :data:`HOSTILE` names among populations, genes, drugs, donors.
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    populations = populations or {"CD14 monocytes": "replicated", "B cells": "limited", "pDC": ""}
    if hostile:
        populations = populations | {name: ("replicated", "")[n % 2] for n, name in enumerate(HOSTILE)}
    populations = populations | {ALL_CELLS: "replicated"}
    drugs = _names(DRUGS, n_drugs, hostile)

    obs = pd.DataFrame([_population(dataset, name, evidence) for name, evidence in populations.items()])
    obs.index = obs["dataset"] + "|" + obs["population"]
    tables = [_ranking(dataset, row, drugs, rng) for row in obs.to_dict("records")]
    described = obs.assign(
        n_genes=n_genes,
        n_genes_shared=min(n_genes, 900),
        n_changed_shared=min(n_genes, 900) // 4,
        n_landmarks=min(n_genes // 2, 930),
        n_drugs=np.where(obs["status"] == "ok", n_drugs, 0),
        caution="",
    )
    donors = [f"donor {n}" for n in range(1, 7)] + (list(HOSTILE[:2]) if hostile else [])
    design = [
        {
            "dataset": dataset,
            "population": name,
            "donor": donor,
            "arm": arm,
            "condition": "ill <x>" if arm == "case" else "healthy",
            "covariates": "",
            "n_cells": (n := int(rng.lognormal(4.5, 1.2))),
            "n_counts": n * 900,
            "used": "yes" if n >= 10 else "no",
            "reason": "" if n >= 10 else "fewer than 10 cells",
            "pc1": rng.normal(8 if arm == "case" else -8, 3) if n >= 10 else np.nan,
            "pc2": rng.normal(0, 3) if n >= 10 else np.nan,
            "pc1_share": 0.41,
            "pc2_share": 0.17,
        }
        for name in populations
        for donor in donors
        for arm in ("case", "control")
        if rng.random() > 0.05
    ]
    _write(pd.concat(tables), folder / "ranking" / f"{dataset}.drugs.tsv")
    _write(described, folder / "ranking" / f"{dataset}.populations.tsv")
    symbols = _names(GENES, n_genes, hostile)
    for kind, rows in _reasons(pd.concat(tables, ignore_index=True), symbols, rng).items():
        _write(rows, folder / "ranking" / f"{dataset}.{kind}.tsv")
    _write(pd.DataFrame(design), folder / "signatures" / f"{dataset}.design.tsv")
    write_signature_set(_signatures(obs, n_genes, hostile, rng), folder / "signatures" / f"{dataset}.signatures.h5ad")
    _json(
        {"stage": "rank_drugs", "id": dataset, "warnings": [f"{HOSTILE[0]}: skipped"] if hostile else []},
        folder / "ranking" / f"{dataset}.rank_drugs.metrics.json",
    )
    connections = _connections(pd.concat(tables, ignore_index=True), rng)
    connections.to_parquet(folder / "ranking" / f"{dataset}.connections.parquet", index=False)
    _write_run(folder, dataset, n_drugs)
    _write_space(folder / "embedding", obs[obs["status"] == "ok"], drugs, rng)
    _write_validation(folder / "validation", dataset, rng)
    return folder


def _names(known: tuple[str, ...], n: int, hostile: bool) -> list[str]:
    names = list(known[:3]) + (list(HOSTILE) if hostile else []) + list(known[3:])
    return (names + [f"compound {k}" for k in range(n)])[:n]


def _population(dataset: str, name: str, evidence: str) -> dict:
    donors = {"replicated": 8, "limited": 2, "exploratory": 1}.get(evidence, 0)
    values = (
        dataset,
        name,
        "stim",
        "ctrl",
        donors,
        donors,
        donors * 130,
        donors * 121,
        "paired" if donors else "",
        "",
        evidence,
        {"exploratory": "log_fc", "": ""}.get(evidence, "wald_z"),
        "ok" if donors else "skipped",
        "" if donors else f"Too few donors of {name}: 1 case, 0 control; 2 per arm are needed.",
    )
    return dict(zip(POPULATION_COLUMNS, values, strict=True))


def _ranking(dataset: str, row: dict, drugs: list[str], rng: np.random.Generator) -> pd.DataFrame:
    names = {"dataset": dataset, "population": row["population"], "evidence": row["evidence"], "method": "wtcs"}
    if row["status"] == "skipped":
        return pd.DataFrame([names | {"status": "not_ranked", "reason": row["reason"]}])
    n = len(drugs)
    base = rng.normal(0, 0.3, n) + np.where(np.arange(n) < 9, -0.35, 0) * rng.random(n)
    table = pd.DataFrame({"compound": drugs, "compound_id": [f"id{k}" for k in range(n)]}).assign(**names)
    for method in METHODS:
        table[f"score_{method}"] = np.clip(base + rng.normal(0, 0.08, n), -1, 1)
        table[f"rank_{method}"] = table[f"score_{method}"].rank().astype(int)
    weak = row["evidence"] if row["evidence"] in ("limited", "exploratory") else ""
    table = table.assign(
        rank=table["rank_wtcs"],
        score=table["score_wtcs"],
        score_low=table["score_wtcs"] - rng.random(n) * 0.02,
        score_high=table["score_wtcs"] + rng.random(n) * 0.2,
        rank_low=np.maximum(table["rank_wtcs"] - 3, 1),
        rank_high=table["rank_wtcs"] + 9,
        scored_by="maxq",
        fdr=np.where(np.arange(n) % 5, np.linspace(0.001, 1, n), np.nan),
        p_reason=np.where(np.arange(n) % 5, "", "There are 9 other drugs with a score, 20 are needed."),
        interval=np.where(np.arange(n) % 7, "bootstrap", "none"),
        interval_reason=np.where(np.arange(n) % 7, "", "There are no resamples."),
        n_resamples=20,
        n_signatures=rng.integers(1, 40, n),
        n_cell_lines=rng.integers(1, 9, n),
        best_reference="l1000",
        best_signature=f"{HOSTILE[0]}:0",
        best_cell_line=rng.choice(["A375", "MCF7", "PC3", ""], n),
        best_dose_um=rng.choice([10, 3.33, 0.12], n),
        best_time_h=rng.choice([6, 24], n),
        mechanism=rng.choice(["JAK inhibitor", "HDAC inhibitor|<i>x</i>", ""], n),
        targets=rng.choice(["JAK1|JAK2|JAK3|TYK2|STAT3|STAT1", "HDAC1", ""], n),
        clinical_phase=rng.choice(["Launched", "Phase 2", ""], n),
        status=f"{weak}_evidence" if weak else "ok",
        reason="An arm has few donors: the rank is unsure." if weak else "",
    )
    table.loc[table.index[-1], ["best_dose_um", "best_time_h"]] = np.nan
    return table.sort_values("rank")


def _reasons(drugs: pd.DataFrame, symbols: list[str], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Leading edges, pairs and enrichment of the first drugs of each population."""
    top = drugs[drugs["rank"].notna()].groupby("population", sort=False).head(12)
    names = top[["dataset", "population", "compound", "compound_id"]]
    edges = pd.concat([names.assign(gene_key=str(k), symbol=symbols[k]) for k in range(9)]).sort_index(kind="stable")
    edges = edges.assign(
        signature="s", set=rng.choice(["up", "down"], len(edges)), disease_z=5.1, drug_z=-2.0, drug_rank=900
    )
    pairs = names.rename(columns={"compound": "first", "compound_id": "first_id"}).assign(
        rank=top["rank"], second=names["compound"].shift(1), second_id=names["compound_id"].shift(1), n_leading_genes=9,
        covered_by_first=0.41, covered_by_both=0.57, gain=0.16, status="ok", reason="",
    )  # fmt: skip
    alone = {
        "status": "alone",
        "second": None,
        "covered_by_both": 0.41,
        "gain": 0.0,
        "reason": "No other drug adds a gene.",
    }
    pairs.loc[pairs.index[0], list(alone)] = list(alone.values())
    lost = drugs.loc[drugs["rank"].isna(), ["dataset", "population", "reason"]]
    kinds = pd.DataFrame(
        {"kind": ["mechanism", "mechanism", "target"], "name": ["HDAC inhibitor", HOSTILE[0], HOSTILE[2]]}
    )
    found = (
        names.groupby(["dataset", "population"], sort=False)["compound"].agg("|".join).reset_index(name="leading_drugs")
    )
    found = found.merge(kinds, how="cross").assign(
        n_drugs=5, es=[(-0.7, 0.4, -0.5)[n % 3] for n in range(3 * len(found))], nes=-1.8, p_value=0.004, fdr=0.008,
        null="drugs permuted", status="ok", reason="",
    )  # fmt: skip
    return {
        "leading_edges": edges,
        "pairs": pd.concat([pairs, lost.assign(n_leading_genes=0, status="not_paired")]),
        "enrichment": pd.concat([found, lost.assign(kind="mechanism", n_drugs=0, status="not_tested")]),
    }


def _connections(drugs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Up to 40 signatures of each drug, in lines, at doses and times; the last drug's without."""
    ranked = drugs[drugs["rank"].notna()]
    names = ["dataset", "population", "compound", "compound_id", "score"]
    table = ranked.loc[ranked.index.repeat(ranked["n_signatures"].astype(int)), names].reset_index(drop=True)
    n = len(table)
    table = table.assign(
        signature=[f"{HOSTILE[0]}:{k}" for k in range(n)], reference="l1000", cell_line=rng.choice(["A375", HOSTILE[1], ""], n),
        dose_um=rng.choice([10, 3.33, 0.12], n), time_h=rng.choice([6.0, 24.0], n), tas=rng.random(n),
        score=table["score"] + rng.normal(0, 0.1, n), ncs=-1.1, tau=-80.0, p_value=0.01, fdr=0.04, fdr_null="random queries",
        status="ok", reason="", norm_reason="",
    )  # fmt: skip
    table.loc[table["compound_id"] == table["compound_id"].iloc[-1], ["dose_um", "time_h"]] = np.nan
    return table


def _write_space(folder: Path, obs: pd.DataFrame, drugs: list[str], rng: np.random.Generator) -> None:
    """A map, nearest drugs and a model card of a learned space."""
    about = obs[["dataset", "population"]].reset_index(drop=True).assign(compound="", compound_id="")
    compounds = pd.DataFrame({"compound": drugs, "compound_id": [f"id{k}" for k in range(len(drugs))]})
    parts = [about.assign(what="population"), about.assign(what="opposite"), compounds.assign(what="compound")]
    points = pd.concat(parts, ignore_index=True).fillna("").rename(index=str)
    folder.mkdir(parents=True, exist_ok=True)
    ad.AnnData(obs=points, obsm={"X_umap": rng.normal(size=(len(points), 2))}).write_h5ad(
        folder / "run.profile.embedded.h5ad"
    )
    near = about[["dataset", "population"]].merge(compounds.head(5), how="cross")
    near = near.assign(direction="reverses", neighbour=near.groupby("population").cumcount() + 1, score=-0.3,
                       n_signatures=4, genes=f"+{HOSTILE[0]}|-MX1", share=0.2)  # fmt: skip
    _write(near, folder / "run.neighbours.tsv")
    (folder / "run.model_card.md").write_text(
        f"# The space\n\n| Reference |\n| --- |\n| {HOSTILE[0]} [x](javascript:alert(4)) |\n"
    )


def _signatures(obs: pd.DataFrame, n_genes: int, hostile: bool, rng: np.random.Generator):
    symbols = _names(GENES, n_genes, hostile)
    z = rng.normal(0, 1, (len(obs), n_genes)) * np.where(np.arange(n_genes) < 60, 6, 1.2)
    z[:, 0] = 40  # its p-value is 0 in float32
    z[obs["status"] == "skipped"] = np.nan
    p_value = 2 * norm.sf(np.abs(z))
    fdr = np.array([false_discovery_control(row) if np.isfinite(row).all() else row for row in p_value])
    var = pd.DataFrame({"symbol": symbols, "feature_space": "landmark"}, index=[str(k) for k in range(n_genes)])
    layers = {"log_fc": z * rng.uniform(0.1, 0.4, n_genes), "p_value": p_value, "fdr": fdr}
    return signature_set(z, obs, var, "wald_z", layers)


def _write_run(folder: Path, dataset: str, n_drugs: int) -> None:
    funnel = [("read", 4000, 2 * n_drugs), ("quality passed", 3100, n_drugs + 40), ("genes harmonised", 3100, n_drugs)]
    _write(
        pd.DataFrame(
            [
                {"reference": "l1000", "step": s, "n_signatures": n, "n_compounds": c, "detail": f"{s} <b>"}
                for s, n, c in funnel
            ]
        ),
        folder / "reference" / "l1000.funnel.tsv",
    )
    source = {"file": HOSTILE[1], "column": "path", "sha256": "ab" * 32}
    library = {"reference": "l1000", "n_signatures": 3100, "n_compounds": n_drugs, "n_vehicles": 9, "effect": "modz"}
    library |= {"filter": "", "licence": HOSTILE[0], "sources": [source]}
    _json(library, folder / "reference" / "l1000.library.json")
    info = folder / "pipeline_info"
    tools = [
        ("DERIVE_SIGNATURES", "pydeseq2", "0.5.4"),
        ("RANK_DRUGS", "pandas", "2.3.3"),
        ("SCORE_CONNECTIVITY", "pandas", "2.3.3"),
    ]
    _write(pd.DataFrame(tools, columns=["process", "tool", "version"]), info / "software_versions.tsv")
    _json(
        {
            "code_digest": "0123456789abcdef",
            "inputs": [{"role": "cells", "file": f"/data/{dataset}.h5ad", "sha256": "ab" * 32, "bytes": 123456}],
            "samples": [
                {
                    "dataset": dataset,
                    "path": f"/data/{dataset}.h5ad",
                    "case": HOSTILE[0],
                    "control": "ctrl",
                    "covariates": "",
                }
            ],
            "references": [{"reference": "l1000", "path": "/data/l1000.gctx", "format": "gctx", "role": "both"}],
        },
        info / "manifest.json",
    )
    images = [
        {"image": "core:0.1.0", "digest": "sha256:" + "cd" * 32, "reason": "", "processes": ["RANK_DRUGS"]},
        {"image": f"/images/{HOSTILE[2]}", "digest": "", "reason": HOSTILE[0], "processes": ["DERIVE_SIGNATURES"]},
    ]
    _json({"revision": "1a2b3c", "changed": HOSTILE[0], "engine": "podman", "images": images}, info / "run.json")
    _json(
        {"input": "samples.csv", "methods": "cosine,spearman,wtcs", "headline": "wtcs", "genes": None},
        info / "params.json",
    )


def _write_validation(folder: Path, dataset: str, rng: np.random.Generator) -> None:
    """Two tasks by two methods and a control, a finding with a hostile name, the choice of the headline."""
    rows = [
        {"task": task, "split": "test", "method": method, "compared_with": base, "metric": metric, "value": value,
         "low": value - 0.05, "high": value + 0.05, "n": 40, "n_queries": 60, "chance": 0.0 if base else 0.5, "p": 0.01,
         "p_holm": 0.02 if base else "", "reason": ""}
        for task in ("other_line", "other_line_same_batch", "mechanism")
        for method in ("wtcs", "embedding", "control: random")
        for base in (("", "wtcs") if method != "wtcs" else ("",))
        for metric in ("auroc", "average_precision")
        for value in (rng.uniform(0.4, 0.9),)
    ]  # fmt: skip
    tasks = pd.DataFrame({
        "task": ["other_line", "other_line_same_batch", "mechanism", "efficacy"],
        "title": ["same compound", "same compound, same batch", f"same mechanism {HOSTILE[0]}", "kills"],
        "status": ["run", "run", "run", "not run"], "n_queries": [60, 60, 60, 0], "reason": ["", "", "", "needs a table"],
    })  # fmt: skip
    finding = {"check": "identical profiles", "where": dataset, "detail": HOSTILE[1], "n": 3, "action": "left out"}
    gate = {"gate": "G2", "method": "embedding", "passed": "no", "detail": "-0.01"}
    known = {"dataset": dataset, "population": HOSTILE[0], "method": "wtcs", "auroc": 0.6, "low": 0.4, "high": 0.8, "p": 0.2,
             "null_low": 0.3, "null_high": 0.7, "n_drugs": 5, "reason": ""}  # fmt: skip
    for kind, table in (
        ("validation", pd.DataFrame(rows)), ("validation_tasks", tasks), ("validation_findings", pd.DataFrame([finding])),
        ("validation_gates", pd.DataFrame([gate])), ("indications", pd.DataFrame([known])),
    ):  # fmt: skip
        _write(table, folder / f"run.{kind}.tsv")
    _json(
        {"method": "wtcs", "reason": "wtcs ranks the drugs: the embedding did not pass G2"},
        folder / "run.headline.json",
    )


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False)


def _json(content: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
