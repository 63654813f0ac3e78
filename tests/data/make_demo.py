#!/usr/bin/env python3
"""Generate the demo data: cells of cases and controls, a drug reference, and the truth planted in both.

Nothing in it is real: genes, compounds and cell lines are invented. assets/demo/README.md says what is planted.
"""

from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Population:
    """One cell population: mean number of cells per donor, and how much of which disease programme it carries."""

    name: str
    n_healthy: int
    n_disease: int
    shared: float = 0.0  # of the programme that populations share; negative: the other way round
    own: float = 1.0  # of its own programme

    @property
    def rare(self) -> bool:
        """Too few cells per donor for a signature, so no drugs are planted for it."""
        return self.n_healthy < 10


@dataclass(frozen=True)
class Settings:
    """All that can be varied. Effects on cells are log2 fold changes, effects of drugs are in units of noise (z)."""

    seed: int = 20250
    # The majority grows in disease, so the average over all cells shows its growth and the programme most cells share;
    # monocytes, the population that matters, carry that programme the other way round.
    populations: tuple[Population, ...] = (
        Population("CD4 T cells", 50, 80, shared=0.5, own=0.75),
        Population("NK cells", 40, 21, shared=0.8),
        Population("B cells", 36, 19, shared=0.8),
        Population("CD14 monocytes", 24, 24, shared=-1.0),
        Population("Plasma cells", 4, 4),
    )
    n_donors: int = 4  # per arm
    n_landmarks: int = 900
    n_inferred: int = 200
    n_off_reference: int = 30  # in the gene table, but not in the reference
    n_unknown: int = 25  # in the cells, but not in the gene table
    measured: float = 0.9  # fraction of the gene table's genes that the cells have
    n_programme: int = 160  # genes of a disease programme
    effect: float = 0.8  # median |log2 fold change| of a programme's genes
    n_markers: int = 90  # genes that a population expresses more than the others
    marker_effect: float = 3.0  # log2
    depth: int = 1800  # mean counts per cell
    dispersion: float = 0.4  # of the negative binomial, between cells
    donor_sd: float = 0.2  # log2, between donors; and again between the populations of a donor
    cell_lines: tuple[str, ...] = ("DEMO_A", "DEMO_B", "DEMO_C")
    n_compounds: int = 160
    planted: float = 38.0  # length of a planted drug's effect; noise has the length sqrt(1100) = 33
    unrelated: float = 90.0  # length of the strong, unrelated effect
    harm: float = 0.3  # how much the bulk decoy also mimics the disease of the population that matters


@dataclass(frozen=True)
class Truth:
    """What the disease does: effects per population, the change of the average cell, genes that no disease touches."""

    baseline: dict[str, np.ndarray]  # log2 expression in each population
    effects: dict[str, np.ndarray]  # log2 fold changes in each population
    average: np.ndarray  # log2 fold change of the average over all cells
    unrelated: np.ndarray  # effect of the strong drug on genes outside every programme


#: Compound names are one of these, a hyphen and a number; the name goes with the mechanism.
MECHANISMS = {
    "demostatin": "demo kinase inhibitor",
    "mockolimod": "demo receptor agonist",
    "shamidipant": "demo receptor antagonist",
    "fictazole": "demo channel blocker",
    "testaprost": "demo protease inhibitor",
}
#: The sheets a run starts from; paths are relative to the sheet.
SHEETS = {
    "samples.csv": "dataset,path,cell_type_key,condition_key,case,control,donor_key\n"
    "demo,cells.h5ad,cell_type,condition,disease,healthy,donor\n",
    "references.csv": "reference,path,format,role,siginfo,geneinfo\ndemo_l1000,reference.gctx,gctx,both,siginfo.txt,\n",
}
PHASES = ("Preclinical", "Phase 1", "Phase 2", "Phase 3", "Launched")
ALL_CELLS = "all cells"
MATTERS = "CD14 monocytes"


def make_genes(s: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """All genes there are: reference, gene table only, then cells only (no Entrez id).

    The column cell_name is what the cells call a gene, "" where they lack it. Two genes go by a synonym there, and the
    last row is a second entry of a gene, under its synonym, so that two entries meet in one gene.
    """
    n_table = s.n_landmarks + s.n_inferred + s.n_off_reference
    genes = pd.DataFrame({
        "entrez_id": [str(900001 + i) for i in range(n_table)],
        "symbol": [f"GENE{i:04d}" for i in range(1, n_table + 1)],
        "ensembl_id": [f"ENSG9{i:010d}" for i in range(1, n_table + 1)],
        "synonyms": [f"OLD{i:04d}|DEMOP{i}" if i % 5 == 0 else "" for i in range(1, n_table + 1)],
        "feature_space": ["landmark"] * s.n_landmarks + ["best inferred"] * (n_table - s.n_landmarks),
    })  # fmt: skip
    genes["cell_name"] = genes["symbol"].where(rng.random(n_table) < s.measured, "")
    genes.loc[[9, 19, 29], "cell_name"] = ["OLD0010", "OLD0020", "GENE0030"]
    extra = [f"NOVEL{i:03d}" for i in range(1, s.n_unknown + 1)] + ["OLD0030"]
    return pd.concat([genes, pd.DataFrame({"cell_name": extra})], ignore_index=True).fillna("")


def sparse_effect(genes: np.ndarray, n: int, size: float, n_all: int, rng: np.random.Generator) -> np.ndarray:
    """An effect on ``n`` of the ``genes``, in either direction, its magnitude lognormal around ``size``."""
    effect = np.zeros(n_all)
    effect[rng.choice(genes, n, replace=False)] = size * rng.lognormal(0, 0.3, n) * rng.choice([-1, 1], n)
    return effect


def make_truth(s: Settings, genes: pd.DataFrame, rng: np.random.Generator) -> Truth:
    """Expression and disease effects of every population, and what their average shows."""
    n_all, n_reference = len(genes), s.n_landmarks + s.n_inferred
    touched, untouched = np.split(rng.permutation(n_reference), [int(0.75 * n_reference)])
    common = rng.normal(0, 1.2, n_all)
    shared = sparse_effect(touched, s.n_programme, s.effect, n_all, rng)
    baseline, effects = {}, {}
    for p in s.populations:
        baseline[p.name] = common + np.abs(sparse_effect(touched, s.n_markers, s.marker_effect, n_all, rng))
        effects[p.name] = p.shared * shared + p.own * sparse_effect(touched, s.n_programme, s.effect, n_all, rng)
    healthy = sum(p.n_healthy * shares(baseline[p.name]) for p in s.populations)
    disease = sum(p.n_disease * shares(baseline[p.name] + effects[p.name]) for p in s.populations)
    average = np.log2(disease / disease.sum()) - np.log2(healthy / healthy.sum())
    return Truth(baseline, effects, average, sparse_effect(untouched, 200, 1, n_all, rng))


def shares(log2_expression: np.ndarray) -> np.ndarray:
    """Fraction of a cell's counts that each gene has; genes are the last axis."""
    expression = np.exp2(log2_expression)
    return expression / expression.sum(axis=-1, keepdims=True)


def make_cells(s: Settings, genes: pd.DataFrame, truth: Truth, rng: np.random.Generator) -> ad.AnnData:
    """Raw counts: negative binomial, with cells of varying depth and donors that differ."""
    counts, rows = [], []
    for number in range(2 * s.n_donors):
        ill = number % 2 == 0
        donor = rng.normal(0, s.donor_sd, len(genes))
        severity = rng.normal(1, 0.15) if ill else 0
        for p in s.populations:
            n = rng.poisson(p.n_disease if ill else p.n_healthy)
            level = truth.baseline[p.name] + severity * truth.effects[p.name]
            share = shares(level + donor + rng.normal(0, s.donor_sd, len(genes)))
            depth = s.depth * rng.lognormal(0, 0.35, (n, 1))
            noise = rng.gamma(1 / s.dispersion, s.dispersion, (n, len(genes)))
            counts.append(rng.poisson(depth * share * noise))
            labels = {"cell_type": p.name, "donor": f"donor_{number + 1}", "condition": "disease" if ill else "healthy"}
            rows += [labels | {"sex": ("female", "male")[number // 2 % 2]}] * n
    order = rng.permutation(len(rows))
    seen = (genes["cell_name"] != "").to_numpy()
    obs = pd.DataFrame(rows).iloc[order].set_index(pd.Index([f"cell_{i:04d}" for i in range(1, len(rows) + 1)]))
    matrix = csr_matrix(np.concatenate(counts)[order][:, seen].astype(np.float32))
    return ad.AnnData(matrix, obs.astype("category"), pd.DataFrame(index=genes.loc[seen, "cell_name"].to_numpy()))


def make_compounds(s: Settings, truth: Truth, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Compounds with their role (``""`` for most), and the effect of each on every gene (length: see Settings)."""
    n_all = len(truth.average)

    def of_length(effect: np.ndarray, length: float) -> np.ndarray:
        return length * effect / np.linalg.norm(effect)

    def noise(length: float) -> np.ndarray:
        return of_length(sparse_effect(np.arange(n_all), 250, 1, n_all, rng), length)

    clear = np.abs(truth.average) >= np.sort(np.abs(truth.average))[-2 * s.n_programme]
    decoy = of_length(-truth.average * clear, 1) + of_length(truth.effects[MATTERS], s.harm)
    plan = [(ALL_CELLS, "bulk_decoy", of_length(decoy, s.planted))]
    plan += [("any", "strong_unrelated", of_length(truth.unrelated, s.unrelated))]
    for population in (p.name for p in s.populations if not p.rare):
        effect = of_length(truth.effects[population], s.planted)
        plan += [(population, "reverser", -effect), (population, "mimic", effect)]
        # So that the truth does not stand alone: drugs that go a part of the way.
        plan += [("", "", part * effect + noise(0.8 * s.planted)) for part in (-0.35, -0.25, 0.25, 0.35)]
    plan += [("", "", noise(rng.uniform(0, s.planted))) for _ in range(s.n_compounds - len(plan))]

    plan = [plan[i] for i in rng.permutation(len(plan))]
    compounds = pd.DataFrame([row[:2] for row in plan], columns=["population", "role"])
    stems = rng.choice(list(MECHANISMS), len(plan))
    compounds["compound"] = [f"{stem}-{i}" for i, stem in enumerate(stems, start=1)]
    compounds["pert_id"] = [f"DEMO-K{i:05d}" for i in range(1, len(plan) + 1)]
    return compounds, np.stack([row[2] for row in plan])


def make_signatures(
    s: Settings, compounds: pd.DataFrame, effects: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """LINCS-like signatures: what was done, and z of shape (n_signatures, n_reference)."""
    n_reference = s.n_landmarks + s.n_inferred
    rows, values = [], []
    for number, (compound, effect) in enumerate(zip(compounds.itertuples(), effects[:, :n_reference], strict=True)):
        treatments = [("10 uM", "24 h", 1.0)]
        # Every fourth drug was also tried at the lower dose, every seventh for the shorter time; both do less. Drugs with a
        # role are known in all conditions, so that chance does not decide how sure they are.
        every = compound.role != ""
        treatments += [("1 uM", "24 h", 0.6)] * (every or number % 4 == 0)
        treatments += [("10 uM", "6 h", 0.8)] * (every or number % 7 == 0)
        own = rng.normal(0, np.sqrt(0.2), n_reference)  # noise that a compound has in all lines
        for line in s.cell_lines:
            response = rng.uniform(0.8, 1.2)
            for dose, time, part in treatments:
                values.append(response * part * effect + own + rng.normal(0, np.sqrt(0.8), n_reference))
                rows.append((compound.pert_id, compound.compound, "trt_cp", line, dose, time))
    for line in s.cell_lines * 2:
        values.append(rng.normal(0, 1, n_reference))
        rows.append(("DMSO", "DMSO", "ctl_vehicle", line, "-666", "24 h"))
    columns = ["pert_id", "cmap_name", "pert_type", "cell_iname", "pert_idose", "pert_itime"]
    # LINCS clips z to +-10; a 64th is exact in float32 and compresses well.
    return pd.DataFrame(rows, columns=columns), np.round(np.clip(np.stack(values), -10, 10) * 64) / 64


def make_siginfo(s: Settings, done: pd.DataFrame, z: np.ndarray, sound: set, rng: np.random.Generator) -> pd.DataFrame:
    """Add ids and quality columns as LINCS2020 names them; the compounds ``sound`` pass quality control."""
    info, vehicle = done.copy(), done["pert_type"] == "ctl_vehicle"
    plate = [f"DEMO{i:03d}_" for i in range(1, len(info) + 1)]
    place = info["cell_iname"] + "_" + info["pert_itime"].str.replace(" h", "H")
    info.insert(0, "sig_id", plate + place + ":" + info["pert_id"] + ":" + info["pert_idose"].str.split().str[0])
    # TAS is the root of the fraction of landmarks with |z| >= 2 times the correlation of replicates, for which the part
    # of the variance that is not noise stands in.
    active = (np.abs(z[:, : s.n_landmarks]) >= 2).mean(axis=1)
    tas = pd.Series(np.sqrt(active * np.clip(1 - 1 / z.var(axis=1), 0.02, 1)).round(4))
    info["tas"] = tas.astype(str).mask(vehicle, "-666")
    info["nsample"] = rng.integers(2, 6, len(info))
    info["qc_pass"] = (vehicle | info["cmap_name"].isin(sound) | (rng.random(len(info)) > 0.04)).astype(int)
    best = tas.groupby([info["pert_id"], info["cell_iname"]]).transform("max")
    info["is_exemplar_sig"] = ((tas == best) & ~vehicle).astype(int)
    return info


def make_drugs(s: Settings, compounds: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Annotation as in the Repurposing Hub; some drugs are not annotated, those with a role are."""
    drugs = pd.DataFrame({"pert_iname": compounds["compound"]})
    drugs["clinical_phase"] = rng.choice(PHASES, len(drugs))
    drugs["moa"] = drugs["pert_iname"].str.split("-").str[0].map(MECHANISMS)
    targets = rng.integers(1, s.n_landmarks, (len(drugs), 2))
    drugs["target"] = [f"GENE{a:04d}|GENE{b:04d}" if a % 3 else f"GENE{a:04d}" for a, b in targets]
    drugs["indication"] = np.where(drugs["clinical_phase"] == "Launched", "demo disease", "")
    known = (compounds["role"] != "") | (rng.random(len(drugs)) < 0.9)
    return drugs[known]


def write_gctx(path: Path, z: np.ndarray, sig_ids: pd.Series, gene_ids: pd.Series) -> None:
    """GCTX 1.0 by hand: cmapPy's own writer does not run with NumPy 2."""
    with h5py.File(path, "w") as file:
        file.attrs["version"] = np.bytes_("GCTX1.0")
        file.attrs["src"] = np.bytes_("make_demo.py")
        options = {"compression": "gzip", "compression_opts": 9, "track_times": False}
        file.create_dataset("0/DATA/0/matrix", data=z.astype(np.float32), shuffle=True, **options)
        file.create_dataset("0/META/ROW/id", data=gene_ids.to_numpy().astype("S"), **options)
        file.create_dataset("0/META/COL/id", data=sig_ids.to_numpy().astype("S"), **options)


def write_demo(s: Settings, out: Path) -> None:
    """Make everything and write it to the folder ``out``; the parts draw from random streams of their own."""
    gene_rng, truth_rng, cell_rng, drug_rng = np.random.default_rng(s.seed).spawn(4)
    genes = make_genes(s, gene_rng)
    truth = make_truth(s, genes, truth_rng)
    compounds, effects = make_compounds(s, truth, drug_rng)
    done, z = make_signatures(s, compounds, effects, drug_rng)
    planted = compounds.loc[compounds["role"] != "", ["population", "role", "compound"]]
    info = make_siginfo(s, done, z, set(planted["compound"]), drug_rng)

    def write(name: str, table: pd.DataFrame) -> None:
        table.to_csv(out / name, sep="\t", index=False, lineterminator="\n")

    out.mkdir(parents=True, exist_ok=True)
    make_cells(s, genes, truth, cell_rng).write_h5ad(out / "cells.h5ad", compression="gzip", compression_opts=9)
    write_gctx(out / "reference.gctx", z, info["sig_id"], genes["entrez_id"][: z.shape[1]])
    write("siginfo.txt", info)
    write("genes.tsv", genes.loc[genes["entrez_id"] != ""].drop(columns="cell_name"))
    write("drugs.tsv", make_drugs(s, compounds, drug_rng))
    write("truth.tsv", planted.sort_values(["population", "role"], ascending=[True, False]))
    for name, text in SHEETS.items():
        (out / name).write_text(text)


def main() -> None:
    """Command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="another seed, other data of the same kind")
    args = parser.parse_args()
    write_demo(replace(Settings(), seed=args.seed), args.out)


if __name__ == "__main__":
    main()
