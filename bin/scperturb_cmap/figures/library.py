"""What the drugs were compared with: references, cell lines, doses and times, and what is lost on the way."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from scperturb_cmap.figures.results import CONSENSUS, Results, ranked
from scperturb_cmap.figures.style import Html, dash, decimal, file_name, percent
from scperturb_cmap.figures.tables import Column, clip, html_table, number, text

__all__ = ["condition_table", "coverage_notice", "line_coverage", "mechanism_coverage", "reference_table"]


def reference_table(run: Results) -> Html:
    """Table of the references of a run: what is in each, what it is for, its licence and its files."""
    roles = {row["reference"]: row.get("role", "") for row in run.document("manifest.json")["references"]}
    rows = [run.document(path.name) for path in run.find("*.library.json")]
    told = {"search": "searched", "train": "learned from only", "both": "searched and learned from"}
    columns = [
        text("reference", "Reference", style="name"),
        Column("Use", lambda row: _use(row, told.get(roles.get(row["reference"], ""), "searched"))),
        number("n_signatures", "Signatures"),
        number("n_compounds", "Compounds"),
        number(
            "n_vehicles", "Vehicles", help="Signatures of untreated or solvent-treated wells, which calibrate scores"
        ),
        text("effect", "Values", help="What a signature holds for each gene: modz, zscore, log_fc, rank, set ..."),
        Column("Filter", lambda row: row["filter"] or dash("none was asked for")),
        Column("Licence", lambda row: row["licence"] or dash("not given in the references sheet (column licence)")),
        Column("Files", lambda row: clip("|".join(file_name(one["file"]) for one in row["sources"]), 2), style="file"),
    ]
    return html_table(pd.DataFrame(rows), columns, "References", sort=False)


def _use(row: dict, told: str) -> Html | str:
    """What a reference was for; one that a filter emptied could serve for nothing."""
    return (
        told if row["n_signatures"] else Html("<b>{}</b>").format("nothing: no signature is left, see the steps below")
    )


def coverage_notice(signatures: pd.DataFrame) -> Html:
    """Say in which cells the drugs were tried: what the reader must hold against the populations.

    Parameters
    ----------
    signatures
        The signatures searched (:meth:`Results.searched`).

    Examples
    --------
    >>> print(coverage_notice(pd.DataFrame({"cell_line": ["A375", "A375", "MCF7"], "reference": "l1000"})))
    <p class="notice"><b>Cell lines, not your cells.</b> ... 2 cell lines (A375 67 %, MCF7 33 %)...
    """
    if signatures.empty:
        return Html("")
    # a consensus over cell lines is none
    lines = signatures["cell_line"].fillna("").replace(CONSENSUS, "")
    shares = lines.value_counts(normalize=True)
    named = shares[shares.index != ""]
    if named.empty:
        what = "The references do not tell in which cells a drug was tried, so its signature may be an average over several."
    else:
        shown = ", ".join(f"{name} {percent(share)}" for name, share in named.head(5).items())
        more = f", and {len(named) - 5} more" if len(named) > 5 else ""
        one = "cell line" if len(named) == 1 else "cell lines"
        lost = f"; for {percent(shares.get('', 0))} of the signatures it is not given" if "" in shares else ""
        what = f"The drugs' effects were measured in {len(named)} {one} ({shown}{more}{lost})."
    warning = (
        "Whether any of them stands for the cells of a population is not known to this pipeline: a drug whose target the "
        "cell line lacks, or that acts through other cells, is missed or misjudged."
    )
    return Html('<p class="notice"><b>Cell lines, not your cells.</b> {} {}</p>').format(what, warning)


def line_coverage(signatures: pd.DataFrame, most: int = 60) -> Html:
    """Table of the cell lines of the signatures searched."""
    if signatures.empty:
        return Html('<p class="empty">No population was ranked, so no signature was searched.</p>')
    table = signatures.assign(
        cell_line=signatures["cell_line"].fillna("").replace({"": "not given", CONSENSUS: "average over cell lines"})
    )
    groups = table.groupby(["reference", "cell_line"], sort=False)
    table = groups.agg(
        n=("compound_id", "size"), n_compounds=("compound_id", "nunique"), tas=("tas", "median")
    ).reset_index()
    table = table.assign(share=100 * table["n"] / table["n"].sum()).sort_values("n", ascending=False, kind="stable")
    columns = [
        text("cell_line", "Cell line", style="name"),
        text("reference", "Reference"),
        number("n", "Signatures"),
        Column("Share", lambda row: f"{decimal(row['share'], 1)} %", lambda row: row["share"], style="num"),
        number("n_compounds", "Compounds"),
        number("tas", "Median strength", 2, help="Transcriptional activity of its signatures, 0 to 1"),
    ]
    shown = f" (the first {most} of {len(table)})" if len(table) > most else ""
    return html_table(table.head(most), columns, f"Cell lines{shown}", search=len(table) > 15)


def condition_table(signatures: pd.DataFrame, most: int = 20) -> Html:
    """Table of doses and times of the signatures searched; nothing where none was."""
    if signatures.empty:
        return Html("")
    table = signatures.groupby(["dose_um", "time_h"], dropna=False).agg(
        n=("compound_id", "size"), n_compounds=("compound_id", "nunique")
    )
    table = table.reset_index().sort_values("n", ascending=False, kind="stable")
    columns = [
        Column("Dose (µM)", lambda row: _given(row["dose_um"]), lambda row: row["dose_um"], style="num"),
        Column("Hours", lambda row: _given(row["time_h"]), lambda row: row["time_h"], style="num"),
        number("n", "Signatures"),
        number("n_compounds", "Compounds"),
    ]
    shown = f" (the {most} commonest of {len(table)})" if len(table) > most else ""
    return html_table(table.head(most), columns, f"Doses and times{shown}")


def mechanism_coverage(drugs: pd.DataFrame, most: int = 30) -> Html:
    """Table of the mechanisms of the drugs compared, the commonest first: what is not there cannot be found."""
    table = ranked(drugs).drop_duplicates("compound_id")
    known = table[table["mechanism"].fillna("") != ""] if "mechanism" in table else table.head(0)
    if known.empty:
        return Html('<p class="empty">There is no drug annotation (--drugs), so mechanisms are not known.</p>')
    counts = pd.Series([name for names in known["mechanism"] for name in _names(names)]).value_counts()
    rows = pd.DataFrame({"mechanism": counts.index, "n": counts.to_numpy()}).head(most)
    columns = [text("mechanism", "Mechanism", style="name"), number("n", "Drugs")]
    caption = (
        f"Mechanisms: known for {len(known):,} of {len(table):,} drugs; {len(counts):,} different ones"
        f"{f', the {most} commonest are shown' if len(counts) > most else ''}"
    )
    return html_table(rows, columns, caption, search=True)


def _names(names: str) -> Iterator[str]:
    return filter(None, str(names).split("|"))


def _given(value: float) -> Html | str:
    return dash("not given") if np.isnan(value) else f"{value:g}"
