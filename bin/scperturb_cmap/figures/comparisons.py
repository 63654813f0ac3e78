"""How populations compare with each other and with their average, and how the scores compare."""

from itertools import combinations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.drugs import method_title
from scperturb_cmap.figures.results import AVERAGE, method_names, ranked, ranked_populations, reversing
from scperturb_cmap.figures.style import DIVERGING, MISSING, REVERSAL, THEME, Html, dash, decimal, plain, strong
from scperturb_cmap.figures.tables import Column, html_table, number, text

__all__ = ["agreement_table", "average_figure", "average_table", "matrix_caption", "score_matrix"]


#: With fewer drugs than this, the agreement of two orders says nothing.
FEW_DRUGS = 20

#: From more populations than this, the rows of a figure stand closer.
_MANY = 15

#: More labels than this under a figure stand upright, or they would cover each other.
_SLANTED = 25


def score_matrix(drugs: pd.DataFrame, best: int = 5, most: int = 50) -> go.Figure:
    """Heat map of scores: every ranked population against the drugs that are among the first of any.

    Parameters
    ----------
    drugs
        Ranking of one data set.
    best
        How many drugs each population brings in.
    most
        No more drugs than this: beyond it, each population brings in fewer.

    Examples
    --------
    >>> drugs = pd.DataFrame({"population": ["B", "B"], "rank": [1, 2], "compound": ["x", "y"],
    ...                       "compound_id": ["x", "y"], "score": [-0.5, 0.2], "scored_by": "maxq"})
    >>> score_matrix(drugs, best=2).data[0].z.tolist()
    [[-0.5]]
    """
    table = ranked(drugs)
    populations = ranked_populations(drugs)
    per_population = _per_population(populations, best, most)
    # Where nothing reverses anything, the first drugs are better than an empty picture.
    candidates = reversing(table) if len(reversing(table)) else table
    chosen = list(
        dict.fromkeys(
            name
            for population in populations
            for name in ranked(candidates, population)["compound_id"].head(per_population)
        )
    )
    scores, ranks = (table.pivot(index="population", columns="compound_id", values=v) for v in ("score", "rank"))
    scores, ranks = (part.reindex(index=populations, columns=chosen) for part in (scores, ranks))
    names = dict(zip(table["compound_id"], table["compound"], strict=True))
    hover = [
        [
            f"<b>{plain(names[drug], 60)}</b><br>{plain(population, 60)}<br>"
            + (
                "not scored"
                if np.isnan(scores.loc[population, drug])
                else f"score {decimal(scores.loc[population, drug])}, rank {ranks.loc[population, drug]:.0f}"
            )
            for drug in chosen
        ]
        for population in populations
    ]
    values = scores.to_numpy(dtype=float)
    most = max(map(strong, table["scored_by"].unique()), default=strong(""))
    heat = go.Heatmap(
        z=values,
        zmin=-most,
        zmax=most,
        colorscale=DIVERGING,
        hoverinfo="text",
        text=hover,
        xgap=1,
        ygap=1,
        colorbar={
            "title": {"text": "score", "side": "right", "font": {"size": 13}},
            "thickness": 10,
            "outlinewidth": 0,
            "lenmode": "pixels",
            "len": 140,
            "tickfont": {"size": 12},
        },
    )
    figure = go.Figure(
        heat,
        layout={
            "template": THEME,
            "height": 170 + _row_height(populations, 30, 20) * len(populations),
            "plot_bgcolor": MISSING,
            "meta": {"least_width": 250 + (13 if len(chosen) > _SLANTED else 20) * len(chosen)},
        },
    )
    slant = {"tickangle": -90, "tickfont": {"size": 11}} if len(chosen) > _SLANTED else {"tickangle": -45}
    figure.update_xaxes(showgrid=False, **slant, **_ticks([names[drug] for drug in chosen], 18))
    figure.update_yaxes(autorange="reversed", showgrid=False, **_ticks(populations, 28))
    return figure


def matrix_caption(drugs: pd.DataFrame, best: int = 5, most: int = 50) -> str:
    """What :func:`score_matrix` shows, which depends on how many populations there are.

    Examples
    --------
    >>> forty = pd.DataFrame({"population": [f"P{n}" for n in range(40)], "rank": 1})
    >>> matrix_caption(forty)[:33], matrix_caption(forty.head(2))[:37]
    ('The best drug of each population,', 'The 5 best drugs of each population, ')
    """
    n = _per_population(ranked_populations(drugs), best, most)
    which = "best drug" if n == 1 else f"{n} best drugs"
    return (
        f"The {which} of each population, against all populations. Blue reverses, orange mimics, grey = not scored. "
        "Point at a field for the score and the rank."
    )


def _per_population(populations: list[str], best: int, most: int) -> int:
    return max(1, min(best, most // max(len(populations), 1)))


def _row_height(populations: list[str], wide: int, tight: int) -> int:
    """Pixels for each row: many rows stand closer, so that the whole figure fits a screen."""
    return wide if len(populations) <= _MANY else tight


def average_figure(drugs: pd.DataFrame, best: int = 5) -> go.Figure | None:
    """Where the average over all cells ranks the best drugs of each population; None without such an average or drug."""
    average = ranked(drugs, AVERAGE).set_index("compound_id")
    populations = [name for name in ranked_populations(drugs) if name != AVERAGE]
    if average.empty or reversing(drugs[drugs["population"].isin(populations)]).empty:
        return None
    last = average["rank"].max()
    figure = go.Figure(layout={"template": THEME, "height": 130 + _row_height(populations, 34, 26) * len(populations)})
    figure.add_vrect(x0=0.8, x1=10, fillcolor=REVERSAL, opacity=0.07, line_width=0)
    for row, population in enumerate(populations):
        top = reversing(drugs, population).head(best)
        top = top.assign(
            there=top["compound_id"].map(average["rank"]), seen=top["compound_id"].map(average["score"]) < 0
        )
        top = top.dropna(subset="there")
        hover = [
            f"<b>{plain(d.compound, 60)}</b><br>rank {d.rank:.0f} in {plain(population, 60)}"
            f"<br>rank {d.there:.0f} in the average"
            + ("" if d.seen else ", where it does not reverse more than others do")
            for d in top.itertuples()
        ]
        first = np.arange(len(top)) == 0
        colour = np.where(first, REVERSAL, "#92c5de")
        # A name at the right edge stands to the left of its point.
        sides = np.where(top["there"] > last / 3, "top left", "top center")
        figure.add_scatter(
            x=top["there"].astype(float),
            y=[row] * len(top),
            mode="markers+text",
            hoverinfo="text",
            hovertext=hover,
            text=[plain(name, 24) if one else "" for name, one in zip(top["compound"], first, strict=True)],
            textposition=sides,
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "opacity": 1,
                "size": np.where(first, 13, 9),
                "color": np.where(top["seen"], colour, "white"),
                "line": {"width": 2, "color": colour},
            },
        )
    figure.update_xaxes(
        type="log",
        range=[np.log10(0.8), np.log10(last * 1.3)],
        tickvals=[1, 3, 10, 30, 100, 300, 1000, 3000, 10000],
        title_text="rank in the average over all cells",
    )
    figure.update_yaxes(range=[len(populations) - 0.5, -0.8], **_ticks(populations, 28))
    return figure


def average_table(drugs: pd.DataFrame) -> Html:
    """Table of each population's best drug and the average's best drug, each with its rank on the other side."""
    average = ranked(drugs, AVERAGE)
    reasons = drugs.loc[drugs["population"] == AVERAGE, "reason"]
    rows = []
    for population in ranked_populations(drugs):
        mine = ranked(drugs, population)
        if population == AVERAGE or average.empty:
            continue
        best = _first(reversing(mine))
        bulk = _first(reversing(average))
        there = average.set_index("compound_id")["rank"].get(best["compound_id"], np.nan)
        here = mine.set_index("compound_id").reindex([bulk["compound_id"]]).iloc[0]
        rows.append(
            {
                "population": population,
                "best": best["compound"],
                "rank_there": there,
                "bulk": bulk["compound"],
                "rank_here": here["rank"],
                "score_here": here["score"],
                "reason": "no drug reverses this signature",
            }
        )
    columns = [
        text("population", "Population", style="name"),
        text("best", "Its best drug", style="name"),
        number("rank_there", "Rank in the average"),
        text("bulk", "Best drug of the average", style="name"),
        number("rank_here", "Its rank here"),
        number("score_here", "Its score here", 2),
    ]
    return html_table(
        pd.DataFrame(rows),
        columns,
        "What averaging over all cells would have chosen",
        empty=f"The average over all cells was not ranked. {reasons.iloc[0]}"
        if len(reasons)
        else "There is one population only, so there is no average over all cells to compare it with.",
    )


def _first(drugs: pd.DataFrame) -> dict:
    """The first drug, or one without a name."""
    return next(iter(drugs.to_dict("records")), {"compound": "", "compound_id": ""})


def agreement_table(drugs: pd.DataFrame, best: int = 50) -> Html:
    """Table of how alike the scores order the drugs of each population.

    Spearman correlation of the ranks by each two scores, and how many drugs all scores have among their first ``best``.
    With fewer than :data:`FEW_DRUGS` drugs the order is chance, and nothing is shown.
    """
    methods = method_names(drugs)
    rows = []
    for population in ranked_populations(drugs):
        mine = ranked(drugs, population)
        if len(mine) < FEW_DRUGS:
            continue
        ranks = mine[[f"rank_{method}" for method in methods]].astype(float).set_axis(methods, axis=1)
        row = {"population": population, "shared": int((ranks <= best).all(axis=1).sum()), "of": min(best, len(mine))}
        rows.append(row | {f"{a}/{b}": ranks[a].corr(ranks[b], method="spearman") for a, b in combinations(methods, 2)})
    if len(methods) < 2:
        return Html('<p class="empty">{}</p>').format("Only one score was computed, so there is nothing to compare.")
    if not rows:
        return Html('<p class="empty">{}</p>').format(f"Fewer than {FEW_DRUGS} drugs were compared: too few to tell.")
    columns = [text("population", "Population", style="name")]
    columns += [_shaded(f"{a}/{b}", f"{method_title(a)} and {method_title(b)}") for a, b in combinations(methods, 2)]
    columns += [
        Column(
            f"Among the first {best} of all",
            lambda row: f"{row['shared']} of {row['of']}",
            lambda row: row["shared"],
            style="num",
        )
    ]
    return html_table(pd.DataFrame(rows), columns, "Agreement of the scores (1 = same order of drugs, 0 = unrelated)")


def _shaded(name: str, title: str) -> Column:
    def cell(row: dict) -> Html:
        value = row[name]
        shade = 0 if np.isnan(value) else 0.35 * max(value, 0)
        return Html('<span class="shaded" style="background:rgba(0,121,107,{})">{}</span>').format(
            f"{shade:.2f}", decimal(value) or dash("too few drugs")
        )

    return Column(title, cell, lambda row: row[name], style="num")


def _ticks(names: list[str], width: int) -> dict:
    """Axis labels by position: two names that are cut to the same text stay two."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [plain(name, width) for name in names],
    }
