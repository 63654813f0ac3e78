"""The cell populations of one data set: what they rest on, and everything found for each."""

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.figures.diagnostics import ma_plot
from scperturb_cmap.figures.genes import gene_table, signature_genes, volcano
from scperturb_cmap.figures.results import AVERAGE, ranked, reversing
from scperturb_cmap.figures.style import Html, dash, decimal, embed, percent
from scperturb_cmap.figures.tables import Column, clamped, html_table, number, text
from scperturb_cmap.utils.names import FDR

__all__ = [
    "badge", "badges", "donor_table", "population_genes", "population_links", "population_page", "population_summary",
    "population_table",
]  # fmt: skip

_BADGES = {
    "replicated": "at least 3 donors per arm",
    "limited": "2 donors in an arm: the signature, and with it the ranking, is unsure",
    "exploratory": "1 donor in an arm: effect sizes without replicates, a hint and no more",
    "given": "a ready-made signature: its donors and design are not known here",
    "not ranked": "no ranking, for the reason given",
    "few genes": "few genes are measured in cells and drugs alike: the scores rest on little",
    "weak signal": "few of the genes compared change: most of what is compared is noise",
}


def badge(evidence: str, reason: str = "", style: str = "") -> Html:
    """Mark that tells how well a population is supported.

    Examples
    --------
    >>> badge("limited")
    Html('<span class="badge limited" title="2 donors in an arm: the signature, ... is unsure">limited</span>')
    """
    evidence = evidence or "not ranked"
    return Html('<span class="badge {}" title="{}">{}</span>').format(
        style or evidence.replace(" ", "-"), reason or _BADGES.get(evidence, ""), evidence
    )


def badges(row: dict) -> Html:
    """Marks of a ranked population: its evidence, and what else speaks for care; only without the latter is it green.

    Examples
    --------
    >>> badges({"evidence": "replicated", "caution": "few genes", "reason": ""})
    Html('<span class="badge plain" title="at least 3 donors per arm">replicated</span> <span class="badge few-genes" ...')
    """
    cautions = [badge(name) for name in row["caution"].split("; ") if name]
    style = "plain" if cautions and row["evidence"] == "replicated" else ""
    return Html(" ").join([badge(row["evidence"], row["reason"], style), *cautions])


def population_table(populations: pd.DataFrame, drugs: pd.DataFrame) -> Html:
    """Table of all populations: donors, cells, evidence, genes, best drug."""
    best = reversing(drugs).drop_duplicates("population").set_index("population")["compound"]
    table = populations.assign(best=populations["population"].map(best).fillna(""))
    several = populations["dataset"].nunique() > 1
    columns = [
        *([text("dataset", "Data set")] if several else []),
        Column("Population", lambda row: _linked(row, populations), style="name"),
        Column("Evidence", lambda row: badges(row) if row["n_drugs"] else badge("", row["reason"])),
        Column("Donors", lambda row: _pair(row, "donors"), lambda row: row["n_donors_case"], "case + control", "num"),
        Column("Cells", lambda row: _pair(row, "cells"), lambda row: row["n_cells_case"], "case + control", "num"),
        Column("Design", lambda row: row["design"] or dash(row["reason"]), help="paired: the same donors in both arms"),
        number("n_genes", "Genes tested"),
        number("n_genes_shared", "Shared with drugs", help="tested genes that the drug signatures measure too"),
        Column(
            "Landmarks",
            lambda row: f"{row['n_landmarks']:,.0f}",
            lambda row: row["n_landmarks"],
            "tested genes among those that L1000 measures itself (978 in all)",
            "num",
        ),
        Column(
            "Changed",
            lambda row: (
                f"{row['n_changed_shared']:,.0f}" if _has_fdr(row) else dash(row["reason"] or "there is no FDR")
            ),
            lambda row: row["n_changed_shared"],
            "of the shared genes, those that change with an FDR below 5 %: what the scores rest on",
            "num",
        ),
        Column("Best drug", lambda row: row["best"] or dash(row["reason"] or "no drug reverses this signature")),
    ]
    return html_table(table, columns, "Populations and what their signatures rest on", row_class=_population_class)


def donor_table(design: pd.DataFrame) -> Html:
    """Table of the cells of each donor in each population; what did not enter a comparison is struck through."""
    populations = sorted(design["population"].unique(), key=lambda name: (name == AVERAGE, name))
    # Where no donors are named, the cells of a condition stand for one.
    nameless = (design["donor"] == design["condition"]).all()
    design = design.assign(arm=pd.Categorical(design["arm"], ["case", "control"], ordered=True))
    rows = [
        {"donor": donor, "arm": arm, "condition": mine["condition"].iloc[0]}
        | {row["population"]: row for row in mine.to_dict("records")}
        for (arm, donor), mine in design.groupby(["arm", "donor"], observed=True)
    ]
    most = np.log10(max(design["n_cells"].max(), 10)) if len(design) else 1.0
    unnamed = dash("no donors are named: all cells of a condition stand for one")
    columns = [Column("Donor", lambda row: unnamed) if nameless else text("donor", "Donor")]
    columns += [Column("Arm", lambda row: f"{row['arm']} ({row['condition']})", style="nowrap")]
    columns += [
        Column(
            Html('<span class="clamp" title="{0}">{0}</span>').format(name),
            lambda row, name=name: _cells(row.get(name), most),
            lambda row, name=name: _cell_count(row.get(name)),
            style="num heat",
        )
        for name in populations
    ]
    return html_table(
        pd.DataFrame(rows, dtype=object), columns, "Cells per donor and population", empty="The design table is empty."
    )


def population_page(populations: pd.DataFrame, population: str) -> str:
    """File of a population's page, by number: a name may hold anything.

    Examples
    --------
    >>> population_page(pd.DataFrame({"dataset": ["ifn"] * 2, "population": ["B", "T/NK"]}), "T/NK")
    'population.ifn.002.html'
    """
    place = populations["population"].tolist().index(population)
    return f"population.{populations['dataset'].iloc[0]}.{place + 1:03d}.html"


def population_links(populations: pd.DataFrame) -> Html:
    """Links to the pages of a data set's populations."""
    links = (
        Html('<a href="{}" class="{}">{}</a>').format(
            population_page(populations, row.population), "muted" if row.status != "ok" else "", row.population
        )
        for row in populations.itertuples()
    )
    return Html('<nav class="jump" aria-label="Populations">{}</nav>').format(Html("").join(links))


def population_summary(population: str, populations: pd.DataFrame, drugs: pd.DataFrame, signatures: ad.AnnData) -> Html:
    """How sure one population's signature is, in a few sentences, and why it was not ranked where it was not.

    Parameters
    ----------
    population
        Which population.
    populations, drugs, signatures
        Results of the data set.
    """
    row = populations[populations["population"] == population].iloc[0]
    mine = ranked(drugs, population)
    reasons = [
        reason for reason in [row["reason"], *drugs.loc[drugs["population"] == population, "reason"].head(1)] if reason
    ]
    dataset = row["dataset"]
    back = Html('data set <a href="dataset.{0}.html">{0}</a>').format(dataset)
    against = f"{row['case']} against {row['control']}" if row["case"] else "a ready-made signature"
    parts = [
        Html('<p class="facts-line">{} {}: {}</p>').format(badges(row) if len(mine) else badge(""), back, against),
        Html('<p class="summary">{}</p>').format(_summary(row, signature_genes(signatures, population), mine)),
    ]
    if reasons and mine.empty:  # what weakens a ranking is told by the notices
        parts.append(Html('<p class="notice">Not ranked. {}</p>').format(reasons[0]))
    return Html("").join(parts)


def population_genes(population: str, populations: pd.DataFrame, signatures: ad.AnnData) -> Html:
    """What there is to show of the genes of a population's signature: figures and a table."""
    row = populations[populations["population"] == population].iloc[0]
    genes = signature_genes(signatures, population)
    if genes.empty:
        return Html('<p class="empty">There is no signature for this population.</p>')
    return Html("").join(_gene_parts(row, genes))


def _gene_parts(row: pd.Series, genes: pd.DataFrame) -> list[Html]:
    """Figures and tables of a signature's genes."""
    if genes["log_fc"].isna().all():
        return [gene_table(genes, value="value")]
    if row["evidence"] == "exploratory":
        caption = (
            "Each point is a gene: top = higher in cases, right = more counts. There are no replicates to say how sure a "
            "change is."
        )
        return [Html('<div class="pair">{}{}</div>').format(embed(ma_plot(genes), caption), gene_table(genes))]
    caption = (
        f"Each point is a gene: right = higher in cases, top = surer. Coloured: changed (FDR below {percent(FDR)}); "
        "of the unchanged genes (grey) an even selection is drawn."
    )
    parts = [Html('<div class="pair">{}{}</div>').format(embed(volcano(genes), caption), gene_table(genes))]
    if genes["mean_count"].notna().any():
        caption = "The same genes by their level: changes should scatter around 0 at every level."
        parts.append(
            Html("<details><summary>Change against level (MA plot)</summary>{}</details>").format(
                embed(ma_plot(genes), caption)
            )
        )
    return parts


def _summary(row: pd.Series, genes: pd.DataFrame, mine: pd.DataFrame) -> str:
    """What there is to know about a population, as sentences."""
    if genes.empty:
        return "There is no signature for this population."
    changed = genes[genes["fdr"] < FDR]
    n_cells = f"{row['n_cells_case']:,.0f} case and {row['n_cells_control']:,.0f} control cells"
    donors = (
        f"{row['n_donors_case']:.0f} donors in both arms"
        if row["design"] == "paired"
        else f"{row['n_donors_case']:.0f} case and {row['n_donors_control']:.0f} control donors"
    )
    sentences = [
        "A signature that was made elsewhere." if row["evidence"] == "given" else f"{donors}, {n_cells}.",
        f"{len(changed):,} of {len(genes):,} genes change (FDR below {percent(FDR)}): "
        f"{(changed['z'] > 0).sum():,} up and {(changed['z'] < 0).sum():,} down in cases."
        if genes["fdr"].notna().any()
        else f"{len(genes):,} genes are in the signature, without p-values.",
    ]
    if len(mine):
        sentences.append(f"{len(mine):,} drugs were compared over {row['n_genes_shared']:,.0f} shared genes.")
        if not (mine["score"] < 0).any():
            sentences.append("None of them reverses the signature.")
        if n_zero := int((mine["score"] == 0).sum()):
            verb = "scores exactly 0: its" if n_zero == 1 else "score exactly 0 and share a rank: their"
            sentences.append(f"{n_zero:,} of them {verb} effect has no direction here.")
    return " ".join(sentences)


def _linked(row: dict, populations: pd.DataFrame) -> Html:
    mine = populations[populations["dataset"] == row["dataset"]]
    return Html('<a href="{}">{}</a>').format(population_page(mine, row["population"]), clamped(row["population"]))


def _pair(row: dict, what: str) -> Html | str:
    case, control = row[f"n_{what}_case"], row[f"n_{what}_control"]
    return f"{decimal(case, 0)} + {decimal(control, 0)}" if case or control else dash(row["reason"])


def _has_fdr(row: dict) -> bool:
    return bool(row["n_drugs"]) and (row["effect"] in ("wald_z", "signed_z", "statistic"))


def _population_class(row: dict) -> str:
    return "average" if row["population"] == AVERAGE else "" if row["n_drugs"] else "muted"


def _cell_count(sample: object) -> float:
    return float(sample["n_cells"]) if isinstance(sample, dict) else 0.0


def _cells(sample: object, most: float) -> Html:
    if not isinstance(sample, dict):
        return dash("no cells")
    used = sample["used"] == "yes"
    shade = 0.45 * np.log10(max(sample["n_cells"], 1)) / most if used else 0
    return Html('<span class="{}" style="background:rgba(0,121,107,{})" title="{}">{}</span>').format(
        "shaded" if used else "shaded unused",
        f"{shade:.2f}",
        "" if used else f"not used: {sample['reason']}",
        decimal(sample["n_cells"], 0),
    )
