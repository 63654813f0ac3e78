"""Tables in the dossier of a drug: its cell lines, the signatures that support it, the other populations."""

import numpy as np
import pandas as pd

from scperturb_cmap.figures.style import Html, dash, rate, short
from scperturb_cmap.figures.tables import Column, clip, html_table, number, text

__all__ = ["elsewhere", "line_table", "signature_table"]


def line_table(signatures: pd.DataFrame, compound: str) -> Html:
    """Table of a drug's signatures by cell line: how many, at which doses and times, and their scores.

    Parameters
    ----------
    signatures
        Rows of ``<dataset>.connections.parquet`` of one drug and population.
    compound
        The drug: the table is called after it, as a page has many.
    """
    if signatures["cell_line"].fillna("").replace("", np.nan).nunique() < 2:
        return Html("")
    groups = signatures.groupby("cell_line", sort=False)
    table = groups.agg(n=("score", "size"), median=("score", "median"), low=("score", "min"), high=("score", "max"))
    for column in ("dose_um", "time_h"):
        table[column] = groups[column].agg(
            lambda values: "|".join(f"{value:g}" for value in sorted(values.dropna().unique()))
        )
    columns = [
        text("cell_line", "Cell line", style="name"),
        number("n", "Signatures"),
        number("median", "Median score", 2),
        number("low", "Most negative", 2),
        number("high", "Most positive", 2),
        Column("Doses (µM)", lambda row: clip(row["dose_um"], 6) or dash("not given")),
        Column("Hours", lambda row: clip(row["time_h"], 6) or dash("not given")),
    ]
    table = table.reset_index().sort_values("median", kind="stable")
    return html_table(table, columns, f"{short(compound)} by cell line", sort=False)


def signature_table(signatures: pd.DataFrame, compound: str, best: str, most: int = 6) -> Html:
    """Table of the signatures of a drug, first the one that supports its score ``best``, then by score."""
    table = (
        signatures.assign(other=signatures["signature"] != best)
        .sort_values(["other", "score"], kind="stable")
        .head(most)
    )
    shown = f", the first {most} of {len(signatures):,}" if len(signatures) > most else ""
    columns = [
        Column("Signature", lambda row: Html("<small>{}</small>").format(row["signature"])),
        Column("Cell line", lambda row: row["cell_line"] or dash("not given")),
        number("dose_um", "Dose (µM)", 2),
        number("time_h", "Hours"),
        number("tas", "Strength", 2, help="Transcriptional activity: how strong the signature itself is, 0 to 1"),
        number("score", "Score", 2),
        number("ncs", "NCS", 2, help="Score over the mean score of its sign among the drugs of the same cell line and type"),
        number("tau", "Tau", 0, help="Percentile among reference queries, -100 to 100"),
        Column("FDR, random genes", lambda row: rate(row["fdr"], row["norm_reason"] or row["reason"]), lambda row: row["fdr"],
               style="num", help="Of this signature's score against queries of random genes: small says that the genes matter, "
               "not that the disease does. Not to be compared with the drug's FDR"),
    ]  # fmt: skip
    return html_table(
        table,
        columns,
        f"Signatures of {short(compound)}{shown}; first the one that supports its score most, then by score",
        sort=False,
        empty="No signature has a score.",
    )


def elsewhere(others: pd.DataFrame, compound: str, most: int = 12) -> Html:
    """The same drug in every population: it may be for these cells, or for any."""
    if len(others) < 2:
        return Html("")
    columns = [
        text("population", "Population", style="name"),
        number("score", "Score", 2),
        number("rank", "Rank"),
        Column("FDR", lambda row: rate(row["fdr"], row["p_reason"]), style="num"),
    ]
    shown = f", {most} of {len(others)}" if len(others) > most else ""
    table = others.sort_values("score", kind="stable").head(most)
    return html_table(table, columns, f"{short(compound)} in every population{shown}", sort=False)
