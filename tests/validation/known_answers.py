"""What is known of diseases and of drug-treated cells, each beside its null: approved drugs, JAK inhibitors against interferon,
HDAC inhibitors like panobinostat. Classic scores only; nothing is fitted or tuned.
"""

import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from real_data import Signatures

import scperturb_cmap
from scperturb_cmap.io.cells import NONE, Cells
from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.signatures import derive, samples
from scperturb_cmap.utils.names import compound_key
from scperturb_cmap.validation import Recovery, indication_recovery
from scperturb_cmap.validation.uncertainty import cluster_interval

METHODS = ["spearman", "wtcs", "cosine"]
SHOWN = ["wtcs", "spearman"]
#: Random draws per disease, and random orders of the drugs for the macro mean: with more, minutes become an hour.
N_NULL, N_ORDERS = 200, 100


def by_drug(queries: ad.AnnData, reference: Signatures, names: np.ndarray, methods: list[str]) -> dict:
    """Method -> table of scores, queries x drugs; a drug's is the mean over its signatures."""
    obs = pd.DataFrame({"compound": names}, [str(n) for n in range(len(names))])
    drugs = ad.AnnData(reference.values, obs, pd.DataFrame(index=reference.genes))
    table = scperturb_cmap.connectivity(queries, drugs, methods, device="cpu")
    for (name, reason), part in table[table["reason"] != ""].groupby(["population", "reason"]):
        print(f"no score: {name}, {len(part)} signatures: {reason}")
    means = table.groupby(["population", "compound"])[methods].mean()
    return {method: means[method].unstack() for method in methods}


def places(scores: np.ndarray, first: str) -> np.ndarray:
    """Place of every drug among all others in every row, 0 = first; equal scores share theirs, no score no place.

    >>> places(np.array([[-2.0, 1, 1, 3, np.nan]]), "reversal").round(2).tolist()
    [[0.0, 0.5, 0.5, 1.0, nan]]
    """
    ranks = pd.DataFrame(scores if first == "reversal" else -scores).rank(axis=1)
    return ((ranks - 1).div(ranks.notna().sum(axis=1) - 1, axis=0)).to_numpy()


def chance_of(place: np.ndarray, chosen: np.ndarray, n: int = 10_000) -> float:
    """p of a mean place: how often as many random drugs, the same in every population, stand as far in front."""
    mean = place.mean(axis=0)
    mean, chosen = mean[np.isfinite(mean)], chosen[np.isfinite(mean)]
    reached = mean[chosen].mean()
    if chosen.sum() == 1:  # all draws there are
        return float((mean <= reached).mean())
    random = np.random.default_rng(0)
    draws = np.array([random.choice(mean, chosen.sum(), replace=False).mean() for _ in range(n)])
    return float((1 + (draws <= reached + 1e-12).sum()) / (1 + n))


def words_of(disease: str) -> frozenset[str]:
    """The words of a disease's name, without case, order, possessives, plurals and what stands in brackets.

    >>> sorted(words_of("Allergic rhinitis (disorder)")), words_of("Uterine Fibroids") == words_of("uterine fibroid")
    (['allergic', 'rhinitis'], True)
    >>> words_of("Lupus Erythematosus, Systemic") == words_of("systemic lupus erythematosus")
    True
    """
    words = re.findall(r"\w+", re.sub(r"\(.*?\)|'s\b", " ", disease.casefold()))
    return frozenset(re.sub(r"(?<![isu])s$", "", word) for word in words)


class Gold(NamedTuple):
    """Disease -> drugs to be found, drugs that do not count, and how many other diseases every drug is known for."""

    of: dict[str, set[str]]
    neither: dict[str, set[str]]
    others: dict[str, pd.Series]


def gold_of(pairs: pd.DataFrame, diseases: Iterable[str], neither: pd.DataFrame) -> Gold:
    """From pairs of a disease and a compound; of a drug with both labels only the first counts."""
    of, left = ({d: set(part["compound"]) for d, part in one.groupby("disease")} for one in (pairs, neither))
    diseases = [d for d in diseases if d in of]
    others = {d: pairs.loc[pairs["disease"] != d, "compound"].value_counts() for d in diseases}
    return Gold({d: of[d] for d in diseases}, {d: left.get(d, set()) - of[d] for d in diseases}, others)


def repodb(data: Path, diseases: pd.Index, compound_of: Callable[[str], str]) -> dict[str, Gold]:
    """repoDB's pairs: approved drugs, and apart from these drugs whose trials were stopped, which need not lack an effect.

    A disease is that of the signature where both names have the same words; nothing else is looked at, for the table has UMLS
    ids and the signatures have those of the Disease Ontology.
    """
    table = read_text_table(data / "goldstandard/repodb.dev.tsv.gz")
    signature = {words_of(d): d for d in diseases}
    table["disease"] = [
        signature.get(words_of(name), f"{cui} {name}") for name, cui in table[["ind_name", "ind_id"]].values
    ]
    here = table[table["disease"].isin(diseases)].drop_duplicates("ind_id").sort_values("disease")
    said = [f"{one.disease} = {one.ind_name} ({one.ind_id})" for one in here.itertuples()]
    n = here["disease"].nunique()
    told = f"repoDB, {n} of {len(diseases)} diseases have a name of the same words: {'; '.join(said)}"
    print(textwrap.fill(told, 180, break_on_hyphens=False))
    table["compound"] = table["drug_id"].map(compound_of)
    table = table.drop_duplicates(["disease", "compound", "status"])
    approved, stopped = table[table["status"] == "Approved"], table[table["status"] != "Approved"]
    both = stopped.merge(approved[["disease", "compound"]], how="left", indicator=True)["_merge"].to_numpy() == "both"
    stopped = stopped[~both].drop_duplicates(["disease", "compound"])
    return {
        "repoDB, approved": gold_of(approved, diseases, stopped),
        "repoDB, trial stopped": gold_of(stopped, diseases, approved),
    }


def diseases(data: Path, l1000: Signatures) -> None:
    """Bulk disease signatures against drugs that modify the disease."""
    bulk = pd.read_parquet(data / "goldstandard/stargeo_disease_signatures.dev.parquet")
    bulk = bulk.astype({"entrez": str, "disease": str}).sort_values("k")
    bulk = bulk.drop_duplicates(["disease", "entrez"], keep="last")  # one gene stands twice: the row of more studies
    wide = bulk.pivot(index="disease", columns="entrez", values="z")
    queries = ad.AnnData(wide.to_numpy(float), pd.DataFrame(index=wide.index), pd.DataFrame(index=wide.columns))
    scores = by_drug(queries, l1000, l1000.compound, METHODS)
    bank = read_text_table(data / "goldstandard/drugbank_compound_map.tsv").set_index("drugbank_id")["pert_iname"]
    here = dict(zip(l1000.obs["pert_id"], l1000.compound, strict=True))

    def compound_of(drug: str) -> str:
        return here.get(drug) or compound_key(bank.get(drug, "") or drug)

    known = read_text_table(data / "goldstandard/pharmacotherapydb_indications.dev.tsv")
    known = known[known["category"] == "DM"].assign(compound=lambda table: table["drugbank_id"].map(compound_of))
    known = known.drop_duplicates(["disease", "compound"])
    # The same for every disease: what a ranking reaches that does not look at the disease.
    drugs = scores["spearman"].columns
    strength = pd.Series(np.abs(np.clip(l1000.values, -10, 10)).mean(axis=1)).groupby(l1000.compound).mean()[drugs]
    scores["control: strength only"] = pd.DataFrame([-strength.astype(float)] * len(wide), wide.index, drugs)
    golds = {"PharmacotherapyDB": gold_of(known, wide.index, known[:0])} | repodb(data, wide.index, compound_of)
    print(f"{len(wide)} diseases with a signature, {len(drugs)} drugs")
    rows, lines = [], []
    for name, gold in golds.items():
        more, best = recovered(scores, gold)
        rows += [{"known": name} | row for row in more]
        lines += [f"{name}, {line}" for line in best]
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    print("\n".join(lines))


def recovered(scores: dict[str, pd.DataFrame], gold: Gold) -> tuple[list[dict], list[str]]:
    """Of every score the macro mean over diseases beside its null; and which diseases are found."""
    drugs, random = scores["spearman"].columns, np.random.default_rng(0)
    orders = [random.permutation(len(drugs)) for _ in range(N_ORDERS)]

    def area(row: pd.Series, d: str, n_null: int) -> Recovery:
        return indication_recovery(
            row.drop(gold.neither[d], errors="ignore"), gold.of[d], gold.others[d], n_null=n_null
        )

    rows, lines = [], []
    for method, table in scores.items():
        found = {d: area(table.loc[d], d, N_NULL) for d in gold.of}
        found = {d: one for d, one in found.items() if not one.reason}
        aurocs = np.array([one.auroc for one in found.values()])
        low, high = cluster_interval(aurocs, list(found))[:, 0]
        # Diseases share drugs and resemble one another, so a drug's scores stay together when names are drawn anew.
        null = np.array([
            np.mean([area(table.loc[d].iloc[order].set_axis(drugs), d, 1).auroc for d in found])
            for order in (orders if method in METHODS else [])
        ])  # fmt: skip
        bounds = np.quantile(null, [0.025, 0.975]) if len(null) else (np.nan, np.nan)
        rows.append({
            "score": method, "macro AUROC": aurocs.mean(), "low": low, "high": high, "median": np.median(aurocs),
            "null low": bounds[0], "null high": bounds[1],
            "p": (1 + (null >= aurocs.mean()).sum()) / (1 + N_ORDERS) if len(null) else np.nan, "diseases": len(found),
            "pairs": sum(one.n for one in found.values()), "p < 0.05": sum(one.p < 0.05 for one in found.values()),
        })  # fmt: skip
        if method in METHODS:
            best = [f"{d} {one.auroc:.2f} (p {one.p:.3f})" for d, one in found.items() if one.p < 0.05]
            lines.append(f"p < 0.05 by {method}: {', '.join(best) or 'none'}")
    return rows, lines


def cells(data: Path, file: str, case: str, control: str, donors: bool = True) -> ad.AnnData:
    """Signatures as bin/derive_signatures.py makes them, without resamples; skipped populations are left out."""
    path = data / "singlecell" / file
    table = read_gene_table([data / "genes/lincs_gene_info_12328.tsv", data / "genes/human_gene_map.tsv.gz"])
    opened = Cells(path)
    row = {"cell_type_key": "cell_type", "condition_key": "condition", "donor_key": "donor" if donors else NONE}
    labels = opened.labels(row | {"case": case})
    codes, rows = samples.sample_codes(labels, case, control)
    derived = derive.derive_signatures(
        opened.sum_by_group(codes, len(rows)), rows, samples.choose_populations(labels, case, control),
        table.map(opened.genes), table, dataset="", case=case, control=control, settings=derive.Settings(resamples=0),
    )  # fmt: skip
    made = derived.signatures
    for one in made.obs.itertuples():
        if one.status == "skipped":
            print(f"skipped: {one.population}: {one.reason}")
    made = made[(made.obs["status"] != "skipped").to_numpy()].copy()
    made.obs_names = made.obs["population"]
    return made


def stand(
    made: ad.AnnData, references: dict[str, tuple[Signatures, np.ndarray]], wanted: dict[str, set[str]], first: str
) -> None:
    """Print where the wanted drugs stand in every population and over all of them."""
    rows = []
    for name, (reference, names) in references.items():
        groups = {label: [d for d in np.unique(names) if d in drugs] for label, drugs in wanted.items()}
        common = np.isin(reference.genes, made.var_names[~np.isnan(made.X).all(axis=0)]).sum()
        print(f"{name}: {len(np.unique(names))} drugs, {common} genes in common")
        for label, drugs in groups.items():
            print(f"  {label}: {', '.join(drugs) or 'none'}")
        tables = by_drug(made, reference, names, SHOWN)
        apart = made.obs_names.drop("all cells", errors="ignore")  # a sum of the others
        for label, drugs in groups.items():
            if not drugs:
                continue
            for population in [*made.obs_names, *(["mean of populations"] if len(apart) > 1 else [])]:
                which = apart if population == "mean of populations" else [population]
                out = {"reference": name, "drugs": label, "population": population, "n": len(drugs)}
                for method in SHOWN:
                    scores = tables[method].loc[which]
                    place, chosen = places(scores.to_numpy(), first), scores.columns.isin(drugs)
                    known = np.isfinite(place[:, chosen]).any()
                    out[method] = np.nanmean(place[:, chosen]) if known else np.nan
                    out[f"{method} p"] = chance_of(place, chosen) if known else np.nan
                rows.append(out)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def describe(made: ad.AnnData) -> None:
    """Print what the signatures rest on."""
    for number, one in enumerate(made.obs.itertuples()):
        x = np.nan_to_num(made.X[number])
        top = ", ".join(made.var["symbol"].to_numpy()[np.argsort(-x)[:5]])
        changed = int((made.layers["fdr"][number] < 0.05).sum())
        donors = f"{one.n_donors_case} and {one.n_donors_control} donors, {one.design}, {one.evidence}"
        print(f"{one.population}: {donors}; {changed} genes at FDR 0.05; most up: {top}")


def run(sets: dict, args) -> None:  # noqa: ANN001
    data = args.data
    print("### Disease to approved drug\n")
    diseases(data, sets["l1000"])

    hub = read_text_table(data / "goldstandard/repurposing_hub_drugs.dev.tsv")
    published = pd.read_parquet(data / "singlecell/sc_drug_signatures.dev.parquet").query("pert_iname != ''")
    hub_name = {
        compound_key(a): compound_key(b) for a, b in published[["compound", "pert_iname"]].drop_duplicates().values
    }
    names = {one: np.array([hub_name.get(c, c) for c in sets[one].compound]) for one in ("l1000", "pbmc", "cmap")}
    titles = {"l1000": "L1000 consensus", "pbmc": "PBMC (OP2)", "cmap": "CMap build 02"}
    references = {one: (sets[one], names[one]) for one in titles}

    def of(mechanism: str) -> set[str]:
        return {
            compound_key(n) for n, m in zip(hub["pert_iname"], hub["moa"], strict=True) if mechanism in m.split("|")
        }

    def among(*chosen: str) -> dict:
        return {titles[one]: references[one] for one in chosen}

    print("\n### IFN-beta on PBMC: JAK inhibitors must reverse (0 = strongest reversal)\n")
    made = cells(data, "kang2018_ifnb_pbmc_8donors.h5ad", "stim", "ctrl")
    describe(made)
    stand(made, among("l1000", "pbmc"), {"JAK inhibitors": of("JAK inhibitor")}, "reversal")

    print("\n### Glioblastoma with panobinostat: HDAC inhibitors must mimic (0 = strongest mimic)\n")
    made = cells(data, "gbm_panobinostat_5patients_300genes.h5ad", "panobinostat", "ctrl")
    describe(made)
    stand(made, among("l1000", "cmap", "pbmc"), {"HDAC inhibitors": of("HDAC inhibitor")}, "mimic")

    print("\n### NGP cells with nutlin-3: it and its like must mimic (0 = strongest mimic)\n")
    made = cells(data, "ngp_nutlin3_83cells_1000genes.h5ad", "nutlin-3", "vehicle")
    describe(made)
    # Other ways to p53: what can be asked where MDM2 inhibitors are missing.
    wanted = {"MDM2 inhibitors": of("MDM inhibitor"), "topoisomerase inhibitors": of("topoisomerase inhibitor")}
    stand(made, among("l1000", "cmap", "pbmc"), wanted, "mimic")
