"""The real data of ../shared/data as matrices of signatures with one identity per compound over all of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.reference.build import build_shards
from scperturb_cmap.reference.identity import identify_compounds
from scperturb_cmap.reference.opening import open_reference
from scperturb_cmap.utils.names import compound_key

#: Name -> row of a reference sheet, files under ../shared/data.
SOURCES = {
    "cmap": {"format": "gmt", "path": "cmap02/cmap_build02_up100.gmt.gz", "path_down": "cmap02/cmap_build02_dn100.gmt.gz"},
    "l1000": {
        "format": "gctx",
        "path": "lincs/l1000_consensus_drugbank_n1170x978.gctx",
        "siginfo": "lincs/siginfo_consensus_drugbank.txt",
    },
    "pbmc": {"format": "signatures", "path": "lincs/op2_pbmc_signatures_B_NK_T.h5ad"},
    "tahoe": {"format": "signatures", "path": "lincs/tahoe_signatures_39lines.h5ad"},
}  # fmt: skip


@dataclass
class Signatures:
    """One data set: values (NaN = not measured), Entrez ids, compound, line and instance number of every signature."""

    values: np.ndarray
    genes: np.ndarray
    compound: np.ndarray
    line: np.ndarray
    number: np.ndarray
    obs: pd.DataFrame


def structures(data: Path) -> pd.DataFrame:
    """Names and InChIKeys of all compounds the tables know."""
    hub = read_text_table(data / "goldstandard/repurposing_hub_compounds.tsv.gz")
    bank = read_text_table(data / "goldstandard/drugbank_compound_map.tsv")
    lincs = read_text_table(data / "lincs/metadata/lincs_compounds.tsv.gz")
    return pd.concat([
        pd.DataFrame({"compound": hub["pert_iname"], "pert_id": "", "inchi_key": hub["InChIKey"]}),
        pd.DataFrame({"compound": bank["name"], "pert_id": bank["drugbank_id"], "inchi_key": bank["inchikey"]}),
        pd.DataFrame({"compound": bank["pert_iname"], "pert_id": "", "inchi_key": bank["inchikey"]})[bank["pert_iname"] != ""],
        pd.DataFrame({"compound": lincs["pert_iname"], "pert_id": "", "inchi_key": lincs["inchi_key"]}),
    ])  # fmt: skip


def load(data: Path) -> dict[str, Signatures]:
    """All sets."""
    table = read_gene_table([data / "genes/lincs_gene_info_12328.tsv", data / "genes/human_gene_map.tsv.gz"])
    sets = {}
    for name, files in SOURCES.items():
        row = {"reference": name, "path": "", "path_down": "", "siginfo": "", "compoundinfo": "", "control": ""} | files
        opened = open_reference(row, {key: data / file for key, file in files.items() if key != "format"})
        positions = np.flatnonzero(opened.signatures.isin(opened.metadata.index))
        metadata = opened.metadata.loc[opened.signatures[positions]]
        mapping = table.map(opened.genes)
        (shard,) = build_shards(opened.read, positions, metadata, mapping, table, name, opened.effect, len(positions))
        number = (
            metadata.index.str.extract(r"_(\d+)$", expand=False) if name == "cmap" else pd.Index(["-1"] * len(metadata))
        )
        line = metadata["cell_line"].replace("ssMCF7", "MCF7").to_numpy(str)
        sets[name] = Signatures(
            np.asarray(shard.X),
            shard.var_names.to_numpy(str),
            np.array([]),
            line,
            number.astype(int).to_numpy(),
            metadata,
        )
    known = [one.obs[["compound", "pert_id", "inchi_key"]].assign(set=name) for name, one in sets.items()]
    rows = pd.concat([*known, structures(data).assign(set="")], ignore_index=True)
    ids, _ = identify_compounds(rows)
    for name, one in sets.items():
        one.compound = ids[rows["set"] == name].to_numpy(str)
    return sets


def mechanisms(data: Path, reference: Signatures) -> list[set[str]]:
    """Mechanisms of every signature's compound, by the Repurposing Hub; empty where it has none."""
    hub = read_text_table(data / "goldstandard/repurposing_hub_drugs.dev.tsv")
    hub = hub[hub["moa"] != ""]
    of = {compound_key(n): set(m.split("|")) for n, m in zip(hub["pert_iname"], hub["moa"], strict=True)}
    bank = read_text_table(data / "goldstandard/drugbank_compound_map.tsv").set_index("drugbank_id")["pert_iname"]
    names = zip(reference.obs["compound_id"], reference.obs["pert_id"], strict=True)
    return [of.get(name) or of.get(compound_key(bank.get(other, "")), set()) for name, other in names]
