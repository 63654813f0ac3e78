"""The learned space: a map of populations and drugs, nearest drugs, and the model card."""

from html import escape

import anndata as ad
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markdown_it import MarkdownIt

from scperturb_cmap.figures.results import AVERAGE
from scperturb_cmap.figures.style import LEGEND, MIMIC, REVERSAL, THEME, Html, percent, plain, short
from scperturb_cmap.figures.tables import Column, clip, html_table, number, text

__all__ = ["map_figure", "model_card", "neighbour_table"]

#: No more drugs than this are drawn: those nearest to a population or its opposite, then an even selection.
_DRAWN = 4000

_DRUG = "#8a97a3"

#: Populations nearer to each other than this, in parts of the map, have one label together.
_BESIDE = np.array([0.1, 0.04])

#: Size of a letter, as parts of a map of 40rem, the narrowest there is, and where a label may stand beside its point.
_LETTER, _LINE = 0.0115, 0.05
_SIDES = {"top right": (0, 0), "bottom right": (0, -1), "top left": (-1, 0), "bottom left": (-1, -1)}

#: How each kind of point looks: colour, symbol, size.
_LOOKS = {
    "compound": ("drugs", _DRUG, "circle", 5),
    "near": ("drugs nearest to an opposite", REVERSAL, "circle", 8),
    "population": ("populations", MIMIC, "diamond", 12),
    "opposite": ("opposites: where a reverser lies", REVERSAL, "diamond-open", 12),
}


def map_figure(embedded: ad.AnnData, neighbours: pd.DataFrame) -> go.Figure:
    """Map of the shared space: drugs, populations, and the opposites of populations, near which reversers lie.

    Parameters
    ----------
    embedded
        A file ``*.embedded.h5ad``: obs what, population, compound; obsm X_umap.
    neighbours
        Table ``*.neighbours.tsv``; the five drugs nearest to each opposite are coloured.

    Examples
    --------
    >>> import numpy as np
    >>> obs = pd.DataFrame({"what": ["population", "opposite", "compound"], "dataset": ["d", "d", ""],
    ...                     "population": ["B", "B", ""], "compound": ["", "", "x"], "compound_id": ["", "", "x"]}, list("abc"))
    >>> nearest = pd.DataFrame({"compound_id": ["x"], "direction": ["reverses"], "neighbour": [1]})
    >>> figure = map_figure(ad.AnnData(obs=obs, obsm={"X_umap": np.eye(3)}), nearest)
    >>> [trace.name for trace in figure.data]
    ['drugs nearest to an opposite', 'populations', 'opposites: where a reverser lies']
    """
    points = embedded.obs.astype(str).assign(x=embedded.obsm["X_umap"][:, 0], y=embedded.obsm["X_umap"][:, 1])
    first = neighbours[(neighbours["direction"] == "reverses") & (neighbours["neighbour"] <= 5)]
    near = (points["what"] == "compound") & points["compound_id"].isin(first["compound_id"])
    points["kind"] = points["what"].where(~near, "near")
    low, high = (getattr(points[["x", "y"]].to_numpy(), end)(axis=0) for end in ("min", "max"))
    figure = go.Figure(layout={"template": THEME, "height": 560, "showlegend": True})
    for kind, (name, colour, symbol, size) in _LOOKS.items():
        mine = points[points["kind"] == kind]
        mine = mine.iloc[:: max(1, -(-len(mine) // _DRAWN))]
        if mine.empty:
            continue
        names = mine["population"].where(mine["what"] != "compound", mine["compound"])
        prefix = "opposite of " if kind == "opposite" else ""
        labelled = kind == "population" and len(mine) <= 15
        places = (mine[["x", "y"]].to_numpy() - low) / np.maximum(high - low, 1e-9)
        labels, sides = _labels(places, names.tolist()) if labelled else (None, None)
        figure.add_scatter(
            x=mine["x"], y=mine["y"], mode="markers+text" if labelled else "markers", name=name, hoverinfo="text",
            hovertext=[prefix + plain(one, 60) for one in names], text=labels, textposition=sides,
            marker={"color": colour, "symbol": symbol, "size": size, "opacity": 0.55 if kind == "compound" else 1},
        )  # fmt: skip
    figure.update_layout(legend=LEGEND)
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
    return figure


def _labels(places: np.ndarray, names: list[str]) -> tuple[list[str], list[str]]:
    """Labels that do not cover each other, and the sides of the points where they stand.

    Points that lie together share one: the name of the first, and how many more. Where no side of a point has room there is
    none: the name shows when the pointer rests on the point.

    Parameters
    ----------
    places
        Points (n, 2) in parts of the map, 0 to 1.
    names
        Of the points.

    Examples
    --------
    >>> _labels(np.array([[0, 0], [0.01, 0], [1, 1]]), ["B cells", "T cells", "NK cells"])
    (['B cells and 1 more', '', 'NK cells'], ['top right', 'top right', 'bottom left'])
    """
    groups: list[list[int]] = []
    for at, place in enumerate(places):
        beside = [one for one in groups if (abs(places[one[0]] - place) < _BESIDE).all()]
        (beside[0] if beside else groups).append(at if beside else [at])
    labels, sides, taken = [""] * len(places), ["top right"] * len(places), []
    for first, *more in groups:
        label = short(names[first], 24) + (f" and {len(more)} more" if more else "")
        width = _LETTER * len(label)
        for side, (left, below) in _SIDES.items():
            box = np.array([*(places[first] + (left * width, below * _LINE)), width, _LINE])
            inside = box[0] >= 0 and box[0] + width <= 1 and box[1] >= -_LINE and box[1] + _LINE <= 1 + _LINE / 2
            if inside and not any(_overlap(box, other) for other in taken):
                labels[first], sides[first] = escape(label, quote=False), side
                taken.append(box)
                break
    return labels, sides


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes (left, bottom, width, height) cover each other."""
    return bool((one[:2] < other[:2] + other[2:]).all() and (other[:2] < one[:2] + one[2:]).all())


def neighbour_table(neighbours: pd.DataFrame, best: int = 5) -> Html:
    """Table of the drugs nearest to the opposite of each population, and of the genes that carry the match."""
    mine = neighbours[(neighbours["direction"] == "reverses") & (neighbours["neighbour"] <= best)]
    mine = mine.sort_values("population", key=lambda names: names == AVERAGE, kind="stable")
    several = mine["dataset"].nunique() > 1
    columns = [
        *([text("dataset", "Data set")] if several else []),
        text("population", "Population", style="name"),
        number("neighbour", "Place"),
        text("compound", "Drug", style="name"),
        number("score", "Cosine", 2, help="Between the places of drug and population: -1 is the opposite"),
        number("n_signatures", "Signatures"),
        Column("Genes that carry the match", lambda row: clip(row["genes"], 6), style="prose",
               help="+ up in disease, - down; the strongest first"),
        Column("Their share", lambda row: percent(row["share"]), lambda row: row["share"], style="num"),
    ]  # fmt: skip
    return html_table(
        mine, columns, f"The {best} drugs nearest to the opposite of each population", search=True,
        empty="No population has a place in the space.",
    )  # fmt: skip


def model_card(text_: str) -> Html:
    r"""Render the model card, which is Markdown; HTML in it stays text.

    Examples
    --------
    >>> print(model_card("# Card\n\n<script>"))
    <div class="model-card"><h3>Card</h3>
    <p>&lt;script&gt;</p>
    </div>
    """
    # the page has its title already
    deeper = "\n".join(f"##{line}" if line.startswith("#") else line for line in text_.splitlines())
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(deeper)
    # a table may be wider than a telephone: it scrolls, also by the keyboard
    rendered = rendered.replace("<table>", '<table tabindex="0">')
    return Html('<div class="model-card">{}</div>').format(Html(rendered))
