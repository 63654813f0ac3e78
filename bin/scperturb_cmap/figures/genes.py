"""The genes that change in one population."""

import anndata as ad
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.style import MIMIC, REVERSAL, THEME, Html, plain
from scperturb_cmap.figures.tables import html_table, number, text
from scperturb_cmap.utils.names import FDR

__all__ = ["gene_table", "signature_genes", "volcano"]


def signature_genes(signatures: ad.AnnData, population: str) -> pd.DataFrame:
    """Collect the tested genes of one population: symbol, z, log_fc, fdr, mean_count; most up first."""
    row = signatures[signatures.obs["population"] == population]
    z = np.asarray(row.X, dtype=float).ravel()
    genes = pd.DataFrame(
        {
            "symbol": row.var["symbol"].astype(str).where(row.var["symbol"].astype(str) != "", row.var_names),
            "z": z,
            "log_fc": np.asarray(row.layers["log_fc"], dtype=float).ravel(),
            "fdr": np.asarray(row.layers["fdr"], dtype=float).ravel(),
            # ready-made signatures have none
            "mean_count": np.asarray(row.layers["mean_count"], dtype=float).ravel()
            if "mean_count" in row.layers
            else np.nan,
        }
    )
    return genes[genes["z"].notna()].sort_values("z", ascending=False, kind="stable")


def volcano(genes: pd.DataFrame, labels: int = 6, background: int = 800) -> go.Figure:
    """Volcano plot: change against certainty, one point per gene.

    Certainty is the size of z rather than the p-value, which is too small to tell the strongest genes apart.

    Parameters
    ----------
    genes
        As :func:`signature_genes` gives them.
    labels
        How many genes are named on each side.
    background
        How many unchanged genes are drawn at most (evenly chosen); all changed ones are.

    Examples
    --------
    >>> genes = pd.DataFrame({"symbol": ["A", "B"], "z": [4.0, 0.1], "log_fc": [2.0, 0.0], "fdr": [0.01, 0.9]})
    >>> [trace.name for trace in volcano(genes).data]
    ['not changed', 'down', 'up']
    """
    genes = genes.assign(y=genes["z"].abs())
    changed = genes["fdr"] < FDR
    rest = genes[~changed]
    parts = {
        "not changed": (rest.iloc[:: max(1, -(-len(rest) // background))], "#c3ccd5", 3),
        "down": (genes[changed & (genes["z"] < 0)], REVERSAL, 5),
        "up": (genes[changed & (genes["z"] > 0)], MIMIC, 5),
    }
    figure = go.Figure(layout={"template": THEME, "height": 360})
    for name, (part, colour, size) in parts.items():
        figure.add_scatter(
            x=part["log_fc"].astype("float32"),
            y=part["y"].astype("float32"),
            mode="markers",
            name=name,
            # one template and not a text per gene: there are many, and a report is sent by mail
            hovertext=[plain(symbol) for symbol in part["symbol"]],
            customdata=[f"{fdr:.1g}" for fdr in part["fdr"]],
            hovertemplate="<b>%{hovertext}</b><br>log2 change %{x:.2f}<br>size of z %{y:.1f}, FDR %{customdata}<extra></extra>",
            marker={"color": colour, "size": size, "opacity": 0.75},
        )
    for side in ("down", "up"):
        for gene in _spaced(parts[side][0].sort_values("y", ascending=False), genes, labels):
            figure.add_annotation(
                x=gene.log_fc, y=gene.y, text=plain(gene.symbol, 16), showarrow=False, yshift=10, font={"size": 11}
            )
    figure.update_xaxes(title_text="log2 change, case / control", zeroline=True)
    figure.update_yaxes(title_text="certainty (size of z)", rangemode="tozero")
    return figure


def most_changed(genes: pd.DataFrame, most: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Choose the genes most up and most down: by fold change among those at FDR 5 %, or by z where none is.

    By z alone, a gene that is off in controls and on in cases comes late: its ratio is large, but not well known.

    Parameters
    ----------
    genes
        As :func:`signature_genes` gives them.
    most
        How many on each side.

    Returns
    -------
    Genes up (largest change first), genes down (likewise), and in words how they were chosen.

    Examples
    --------
    >>> genes = pd.DataFrame({"symbol": list("ABC"), "z": [9.0, 5.0, -4.0], "log_fc": [1.0, 6.0, -2.0], "fdr": 0.01})
    >>> up, down, how = most_changed(genes, 2)
    >>> up["symbol"].tolist(), down["symbol"].tolist(), how
    (['B', 'A'], ['C'], 'by fold change, among genes with FDR below 5 %')
    """
    significant = genes[genes["fdr"] < FDR]
    chosen, key, how = significant, "log_fc", "by fold change, among genes with FDR below 5 %"
    if genes["fdr"].isna().all():
        known = genes["log_fc"].notna().any()
        chosen, key = genes, "log_fc" if known else "z"
        how = "by fold change; there is no FDR" if known else "by the value given; there is no fold change"
    elif significant.empty:
        chosen, key, how = genes, "z", "by z, since no gene has an FDR below 5 %"
    ordered = chosen.sort_values(key, ascending=False, kind="stable")
    return ordered[ordered[key] > 0].head(most), ordered[ordered[key] < 0].tail(most).iloc[::-1], how


def gene_table(genes: pd.DataFrame, most: int = 10, value: str = "z") -> Html:
    """Table of the genes most up and most down, side by side (see :func:`most_changed`); ``value`` says what z is."""
    up, down, how = most_changed(genes, most)
    both = (
        up.reset_index(drop=True).add_prefix("up_").join(down.reset_index(drop=True).add_prefix("down_"), how="outer")
    )
    both = both.assign(reason="fewer genes on this side").fillna({"up_symbol": "", "down_symbol": ""})
    columns = []
    for side in ("up", "down"):
        columns.append(text(f"{side}_symbol", f"{side.title()} in cases", style=side))
        if genes["log_fc"].notna().any():
            columns.append(
                number(f"{side}_log_fc", "log2", 1, help="log2 of the change, case against control: 1 = twofold")
            )
        if not genes["z"].equals(genes["log_fc"]):  # without replicates there is only the change
            columns.append(
                number(f"{side}_z", value, 1, help="The change over its standard error: the further from 0, the surer")
            )
    return html_table(both, columns, f"Genes that change most ({how})", sort=False, empty="No gene was tested.")


def _spaced(candidates: pd.DataFrame, genes: pd.DataFrame, most: int) -> list:
    """Genes to name, the most certain first, without two labels on top of each other."""
    width, height = (np.ptp(genes[axis].to_numpy()) or 1 for axis in ("log_fc", "y"))
    named: list = []
    for gene in candidates.head(60).itertuples():
        if len(named) == most:
            break
        if all(
            abs(gene.log_fc - other.log_fc) > 0.22 * width or abs(gene.y - other.y) > 0.07 * height for other in named
        ):
            named.append(gene)
    return named
