"""How the samples of a data set lie to each other, and how changes depend on the level of a gene."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from scperturb_cmap.figures.results import AVERAGE
from scperturb_cmap.figures.style import MIMIC, REVERSAL, THEME, percent, plain
from scperturb_cmap.utils.names import FDR

__all__ = ["components_figure", "ma_plot"]

_COLUMNS = 3


def ma_plot(genes: pd.DataFrame, background: int = 800) -> go.Figure:
    """MA plot: change against mean count, one point per gene.

    Parameters
    ----------
    genes
        As :func:`~scperturb_cmap.figures.genes.signature_genes` gives them.
    background
        How many unchanged genes are drawn at most, the strongest changes first.

    Examples
    --------
    >>> genes = pd.DataFrame({"symbol": ["A", "B"], "log_fc": [2.0, 0.0], "fdr": [0.01, 0.9], "mean_count": [50.0, 3.0]})
    >>> [trace.name for trace in ma_plot(genes).data]
    ['not changed', 'down', 'up']
    """
    changed = genes["fdr"] < FDR
    rest = genes[~changed].sort_values("log_fc", key=abs, ascending=False, kind="stable")
    # The extremes all, of the many in the middle an even selection.
    rest = pd.concat([rest.head(200), rest.iloc[200 :: max(1, len(rest) // background)]])
    parts = {
        "not changed": (rest, "#c3ccd5" if changed.any() else "#5f7183", 4),
        "down": (genes[changed & (genes["log_fc"] < 0)], REVERSAL, 5),
        "up": (genes[changed & (genes["log_fc"] > 0)], MIMIC, 5),
    }
    figure = go.Figure(layout={"template": THEME, "height": 360})
    for name, (part, colour, size) in parts.items():
        figure.add_scatter(
            x=np.log10(part["mean_count"] + 1).astype("float32"),
            y=part["log_fc"].astype("float32"),
            mode="markers",
            name=name,
            showlegend=bool(changed.any()),
            hovertext=[plain(symbol) for symbol in part["symbol"]],
            hovertemplate="<b>%{hovertext}</b><br>log2 change %{y:.2f}<br>log10 (mean count + 1) %{x:.2f}<extra></extra>",
            marker={"color": colour, "size": size, "opacity": 0.75},
        )
    figure.update_xaxes(title_text="log10 (mean count per sample + 1)")
    figure.update_yaxes(title_text="log2 change, case / control", zeroline=True)
    return figure


def components_figure(design: pd.DataFrame) -> go.Figure | None:
    """Principal components of the samples of every population; None where no population has three samples.

    Parameters
    ----------
    design
        Table of samples (docs/output.md).

    Examples
    --------
    >>> design = pd.DataFrame({"population": "B", "donor": list("abc"), "arm": ["case", "case", "control"],
    ...     "pc1": [3.0, 2.0, -5.0], "pc2": [1.0, -1.0, 0.0], "pc1_share": 0.8, "pc2_share": 0.2, "n_cells": 50})
    >>> components_figure(design).layout.annotations[0].text
    'B'
    """
    design = design[design["pc1"].notna()]
    names = sorted(design["population"].unique(), key=lambda name: (name == AVERAGE, name))
    if not names:
        return None
    n_rows = -(-len(names) // _COLUMNS)
    figure = make_subplots(
        n_rows, min(_COLUMNS, len(names)), subplot_titles=[plain(name, 30) for name in names],
        horizontal_spacing=0.09, vertical_spacing=min(0.2, 0.28 / n_rows),
    )  # fmt: skip
    for number, name in enumerate(names):
        place = {"row": number // _COLUMNS + 1, "col": number % _COLUMNS + 1}
        mine = design[design["population"] == name]
        for arm, colour in (("case", MIMIC), ("control", "#5f7183")):
            part = mine[mine["arm"] == arm]
            figure.add_scatter(
                x=part["pc1"],
                y=part["pc2"],
                mode="markers",
                name=arm,
                legendgroup=arm,
                showlegend=number == 0,
                hoverinfo="text",
                hovertext=[f"<b>{plain(s.donor, 40)}</b> ({arm})<br>{s.n_cells:,} cells" for s in part.itertuples()],
                marker={"color": colour, "size": 9, "symbol": "circle" if arm == "case" else "diamond"},
                **place,
            )
        shares = mine.iloc[0]
        figure.update_xaxes(title_text=f"PC1, {percent(shares['pc1_share'])}", title_font={"size": 12}, **place)
        figure.update_yaxes(title_text=f"PC2, {percent(shares['pc2_share'])}", title_font={"size": 12}, **place)
    figure.update_layout(template=THEME, height=100 + 260 * n_rows, margin={"t": 50}, showlegend=False)
    return figure
