"""Why drugs stand at the top: genes they reverse, drugs that complete them, mechanisms and targets they share."""

import pandas as pd

from scperturb_cmap.figures.style import Html, dash, percent, rate, short
from scperturb_cmap.figures.tables import Column, clip, html_table, number, text

__all__ = ["enrichment_table", "partner_table", "reasons"]

_AGAINST = {
    "drugs permuted": "compared with drugs drawn at random: the drugs of a mechanism are alike under any signature, so a small "
    "FDR says that they stand together, and not yet that they stand together because of this disease",
    "reference queries": "compared with signatures that have nothing to do with the disease",
}


def reasons(population: str, pairs: pd.DataFrame, edges: pd.DataFrame, enrichment: pd.DataFrame) -> Html:
    """What the drugs that reverse a population have in common, and what completes them; nothing without a ranking."""
    if not pairs.loc[pairs["population"] == population, "first"].astype(bool).any():
        return Html('<p class="empty">This population was not ranked.</p>')
    return enrichment_table(population, enrichment) + partner_table(population, pairs, edges)


def partner_table(population: str, pairs: pd.DataFrame, edges: pd.DataFrame, best: int = 10) -> Html:
    """Table of the first drugs, the genes by which each reverses the signature, and the drug that completes it.

    Parameters
    ----------
    population
        Which population.
    pairs, edges
        Tables ``<dataset>.pairs.tsv`` and ``<dataset>.leading_edges.tsv``.
    best
        How many drugs.
    """
    mine = pairs[(pairs["population"] == population) & (pairs["status"] != "not_paired")].head(best)
    leading = edges[edges["population"] == population].assign(
        gene=lambda table: table["symbol"].where(table["symbol"] != "", table["gene_key"])
    )
    genes = leading.groupby(["compound_id", "set"])["gene"].agg("|".join)
    for side in ("up", "down"):
        mine = mine.assign(**{side: [genes.get((drug, side), "") for drug in mine["first_id"]]})
    none = "its signature moves these genes the other way, or not at all"
    columns = [
        number("rank", "Rank"),
        text("first", "Drug", style="name"),
        Column("Lowers (up in cases)", lambda row: clip(row["up"], 5) or dash(none), style="prose"),
        Column("Raises (down in cases)", lambda row: clip(row["down"], 5) or dash(none), style="prose"),
        Column("Covers", lambda row: percent(row["covered_by_first"]), lambda row: row["covered_by_first"],
               "Share of the weight of the signature's up and down genes that the drug reverses", "num"),
        text("second", "Best partner", style="name", help="The drug that reverses most of what this one leaves, on paper: "
             "nothing here knows whether the two are tolerated together"),
        Column("Both cover", lambda row: percent(row["covered_by_both"]), lambda row: row["covered_by_both"], style="num"),
    ]  # fmt: skip
    name = short(population)
    caption = (
        f"Genes by which the first drugs reverse {name}, strongest disease genes first, and drugs that complete them"
    )
    return html_table(mine, columns, caption, empty="No drug reverses this signature.")


def enrichment_table(population: str, enrichment: pd.DataFrame, best: int = 6) -> Html:
    """Table of the mechanisms and of the targets whose drugs reverse a population, the surest first.

    Where one drug alone leads, it and not the mechanism reverses: these stand after the others and say so.

    Parameters
    ----------
    population
        Which population.
    enrichment
        Table ``<dataset>.enrichment.tsv``.
    best
        How many of each kind.
    """
    mine = enrichment[enrichment["population"] == population]
    found = mine[(mine["status"] == "ok") & (mine["es"] < 0)]
    found = found.assign(alone=~found["leading_drugs"].astype(str).str.contains("|", regex=False))
    found = found.sort_values(["alone", "p_value"], kind="stable").groupby("kind", sort=True).head(best)
    found = found.sort_values(["kind", "alone", "p_value"], kind="stable")
    columns = [
        text("name", "Mechanism or target", style="name"),
        text("kind", "Kind"),
        number("n_drugs", "Drugs", help="Ranked drugs that have it"),
        number("nes", "NES", 2, help="Enrichment score over that expected by chance; below 0 its drugs reverse"),
        Column("FDR", lambda row: rate(row["fdr"]), lambda row: row["fdr"], style="num"),
        Column(
            "Leading drugs",
            lambda row: clip(row["leading_drugs"], 4) + (" (it alone)" if row["alone"] else ""),
            style="prose",
        ),
    ]
    untested = [reason for reason in mine["reason"].unique() if reason]
    if (mine["status"] == "ok").any():
        untested = ["No mechanism or target is enriched among the drugs that reverse."]
    against = _AGAINST.get(next(iter(mine.loc[mine["status"] == "ok", "null"]), ""), "")
    table = html_table(
        found, columns, f"Mechanisms and targets whose drugs reverse {short(population)}", empty=" ".join(untested)
    )
    return table + Html('<p class="below">FDR: {}.</p>').format(against) if against and len(found) else table
