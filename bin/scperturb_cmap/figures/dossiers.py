"""What speaks for each of the first drugs of a population, and what against: one dossier per drug."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.dossier_tables import elsewhere, line_table, signature_table
from scperturb_cmap.figures.drugs import method_title, score_bar, score_scale
from scperturb_cmap.figures.results import AVERAGE, method_names, ranked, reversing
from scperturb_cmap.figures.style import (
    DIVERGING,
    LEGEND,
    MISSING,
    NEUTRAL,
    THEME,
    Html,
    decimal,
    embed,
    percent,
    plain,
    rate,
)
from scperturb_cmap.figures.tables import clip

__all__ = ["dose_figure", "dossiers", "edge_figure"]

#: Drugs with a dossier.
BEST = 10

#: Colours of cell lines, told apart by any colour vision (Okabe and Ito); further lines share the last.
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", NEUTRAL)

#: A z this far from 0 has the full colour.
_STRONG_Z = 6.0


def dossiers(
    population: str, drugs: pd.DataFrame, connections: pd.DataFrame, pairs: pd.DataFrame, best: int = BEST
) -> Html:
    """One folded dossier for each of the first drugs that reverse a population; nothing where none does.

    Parameters
    ----------
    population
        Which population.
    drugs, pairs
        Tables ``<dataset>.drugs.tsv`` and ``<dataset>.pairs.tsv``.
    connections
        The score of every signature of these drugs against the population (:meth:`Results.connections`).
    best
        How many drugs.
    """
    first = reversing(drugs, population).head(best)
    mine, pairs = ranked(drugs, population), pairs[pairs["population"] == population]
    rows = first.to_dict("records")
    parts = [_dossier(row, mine, drugs, connections, pairs, opened=n == 0) for n, row in enumerate(rows)]
    none = "No drug reverses this signature." if len(mine) else "This population was not ranked."
    return Html("").join(parts) if parts else Html('<p class="empty">{}</p>').format(none)


def _dossier(
    row: dict, mine: pd.DataFrame, drugs: pd.DataFrame, connections: pd.DataFrame, pairs: pd.DataFrame, opened: bool
) -> Html:
    signatures = connections[connections["compound_id"] == row["compound_id"]]
    facts = Html("").join(Html("<dt>{}</dt><dd>{}</dd>").format(*fact) for fact in _facts(row, mine, pairs))
    others = drugs[(drugs["compound_id"] == row["compound_id"]) & drugs["rank"].notna()]
    body = [Html('<dl class="facts">{}</dl>').format(facts)]
    if len(signatures) > 1:
        what = "Each point is one signature of the drug: its score against this population. Below 0 reverses."
        body.append(embed(dose_figure(signatures), what))
    body += [
        line_table(signatures, row["compound"]),
        signature_table(signatures, row["compound"], row["best_signature"]),
        elsewhere(others, row["compound"]),
    ]
    return Html(
        '<details class="dossier"{}><summary><b>{}</b> {} <span class="muted">score {}{}</span></summary>{}</details>'
    ).format(
        Html(" open") if opened else "", f"{row['rank']:.0f}.", row["compound"], decimal(row["score"]),
        "" if np.isnan(row["fdr"]) else f", FDR {rate(row['fdr'])}", Html("").join(body),
    )  # fmt: skip


def _facts(row: dict, mine: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[tuple[str, Html | str]]:
    """What is known of a drug, and how it stands: (what, how)."""
    bar = score_bar(row, *score_scale(mine))
    if row["interval"] == "none":
        yield "Score", Html("{} {}").format(bar, row["interval_reason"])
    else:
        span = f"{decimal(row['score_low'])} to {decimal(row['score_high'])}"
        span += f", rank {row['rank_low']:.0f} to {row['rank_high']:.0f}"
        yield "Score", Html("{} with other donors {}").format(bar, span)
    yield "FDR", rate(row["fdr"]) if pd.notna(row["fdr"]) else _lacking(row["p_reason"] or "not tested")
    each = [
        f"{method_title(name)} "
        + (f"{row[f'rank_{name}']:.0f}" if row[f"score_{name}"] else "– (score 0: no direction)")
        for name in method_names(mine)
        if pd.notna(row[f"rank_{name}"])
    ]
    yield "Rank by each score", f"{', '.join(each)} (of {len(mine):,} drugs)"
    for name, title in (
        ("mechanism", "Mechanism"), ("targets", "Targets"), ("clinical_phase", "Clinical phase"), ("indications", "Given for"),
    ):  # fmt: skip
        yield title, clip(row.get(name, ""), 8) or _lacking("not in the drug annotation")
    yield "Same mechanism", _alike(row, mine)
    if pd.notna(row.get("selectivity")):
        yield (
            "Selectivity",
            f"{decimal(row['selectivity'])} (below 0: further up here than in the median of the other populations)",
        )
    else:
        average = "not made for the average over all cells"
        none = average if row["population"] == AVERAGE else "no other population of the data set has this drug"
        yield "Selectivity", _lacking(none)
    pair = pairs[pairs["first_id"] == row["compound_id"]]
    if len(pair) and pair["status"].iloc[0] == "ok":
        both, one = (percent(pair[column].iloc[0]) for column in ("covered_by_both", "covered_by_first"))
        yield (
            "Best partner",
            f"{pair['second'].iloc[0]}: on paper the two reverse {both} of the weight (absolute value) of the up and down "
            f"genes, this drug alone {one}",
        )
    else:
        yield "Best partner", _lacking(next(iter(pair["reason"]), "no partner was sought"))


def _lacking(reason: str) -> Html:
    """Why there is no such fact: said, since here is room for it, and a telephone has no pointer to rest on a dash."""
    return Html('<span class="muted">– ({})</span>').format(reason.removesuffix("."))


def _alike(row: dict, mine: pd.DataFrame, most: int = 8) -> Html | str:
    """Other drugs that share a mechanism, the best first, with their ranks."""
    known = set(filter(None, str(row.get("mechanism") or "").split("|")))
    if not known:
        return _lacking("its mechanism is not in the drug annotation")
    shared = mine["mechanism"].fillna("").map(lambda names: bool(known & set(names.split("|"))))
    others = mine[shared & (mine["compound_id"] != row["compound_id"])]
    if others.empty:
        return _lacking("no other drug of the references has this mechanism")
    names = [f"{other.compound} ({other.rank:.0f})" for other in others.head(most).itertuples(index=False)]
    more = f" and {len(others) - most:,} more" if len(others) > most else ""
    return f"{', '.join(names)}{more}; ranks in brackets, of {len(mine):,}"


def dose_figure(signatures: pd.DataFrame) -> go.Figure:
    """Scores of a drug's signatures by dose, or by cell line where only one dose is known.

    Parameters
    ----------
    signatures
        Rows of ``<dataset>.connections.parquet`` of one drug and population: score, cell_line, dose_um, time_h.

    Examples
    --------
    >>> rows = {"score": [-0.4, -0.1], "cell_line": ["A", "A"], "dose_um": [10.0, 1.0], "time_h": [6.0, 6.0]}
    >>> dose_figure(pd.DataFrame(rows)).data[0].x
    (1.0, 10.0)
    """
    table = signatures.assign(line=signatures["cell_line"].fillna("").replace("", "line not given"))
    by_dose = table["dose_um"].nunique() > 1
    table = table.sort_values(["line", "dose_um", "time_h"] if by_dose else ["line", "score"], kind="stable")
    lines = table["line"].value_counts(sort=False).sort_values(ascending=False, kind="stable").index.tolist()
    figure = go.Figure(layout={"template": THEME, "height": 230})
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    for line, mine in table.groupby("line", sort=False):
        place = min(lines.index(line), len(_LINES) - 1)
        figure.add_scatter(
            x=tuple(mine["dose_um"] if by_dose else [plain(line, 14)] * len(mine)), y=tuple(mine["score"]), mode="markers",
            name=plain(line, 18), hoverinfo="text", text=[_told(row) for row in mine.to_dict("records")],
            marker={"color": _LINES[place], "size": 9, "symbol": place, "line": {"color": "white", "width": 0.5}},
        )  # fmt: skip
    figure.update_yaxes(title_text="score")
    if by_dose:
        doses = sorted(table["dose_um"].dropna().unique())
        shown = doses if len(doses) <= 8 else None
        figure.update_xaxes(
            type="log", title_text="dose (µM)", tickvals=shown, ticktext=shown and [f"{d:g}" for d in doses]
        )
        figure.update_layout(showlegend=len(lines) <= len(_LINES), legend=LEGEND)
    return figure


def _told(row: dict) -> str:
    parts = [plain(row["line"], 30), f"{row['dose_um']:g} µM" if pd.notna(row["dose_um"]) else ""]
    parts += [f"{row['time_h']:g} h" if pd.notna(row["time_h"]) else ""]
    return f"<b>{decimal(row['score'])}</b> {', '.join(filter(None, parts))}"


def edge_figure(
    population: str, drugs: pd.DataFrame, edges: pd.DataFrame, best: int = BEST, most: int = 40
) -> go.Figure | None:
    """Heat map of the genes by which the first drugs reverse a population: the disease beside each drug.

    Parameters
    ----------
    population
        Which population.
    drugs, edges
        Tables ``<dataset>.drugs.tsv`` and ``<dataset>.leading_edges.tsv``.
    best
        How many drugs.
    most
        No more genes than this: those with the strongest change in disease among the genes that most drugs reverse.

    Returns
    -------
    None where there is nothing to show. A drug's field is empty where the gene is not in its leading edge.

    Examples
    --------
    >>> drugs = pd.DataFrame({"population": ["B"], "rank": [1], "compound": ["x"], "compound_id": ["x"], "score": [-1.0]})
    >>> gene = {"population": "B", "compound_id": "x", "gene_key": "1", "symbol": "MX1", "disease_z": 5.0, "drug_z": -2.0}
    >>> edge_figure("B", drugs, pd.DataFrame([gene])).data[0].z.tolist()
    [[5.0, -2.0]]
    """
    first = reversing(drugs, population).head(best)
    mine = edges[(edges["population"] == population) & edges["compound_id"].isin(first["compound_id"])]
    if mine.empty:
        return None
    names = mine.drop_duplicates("gene_key").set_index("gene_key")
    label = names["symbol"].where(names["symbol"] != "", names.index.to_series())
    disease = names["disease_z"]
    spread = mine.groupby("gene_key")["compound_id"].nunique().reindex(names.index)
    chosen = (spread * disease.abs()).sort_values(ascending=False, kind="stable").index[:most]
    order = disease[chosen].sort_values(ascending=False, kind="stable").index
    wide = mine.pivot_table(index="gene_key", columns="compound_id", values="drug_z").reindex(
        order, columns=first["compound_id"]
    )
    values = np.column_stack([disease[order], wide])
    columns = ["disease", *(plain(name, 18) for name in first["compound"])]
    hover = [
        [
            f"<b>{plain(label[gene], 30)}</b><br>{what}<br>"
            + ("not in its leading edge" if np.isnan(z) else f"z {decimal(z)}")
            for what, z in zip(["disease", *(plain(name, 60) for name in first["compound"])], row, strict=True)
        ]
        for gene, row in zip(order, values, strict=True)
    ]
    heat = go.Heatmap(
        z=values, zmin=-_STRONG_Z, zmax=_STRONG_Z, colorscale=DIVERGING, hoverinfo="text", text=hover, xgap=1, ygap=1,
        colorbar={"title": {"text": "z", "side": "right"}, "thickness": 10, "outlinewidth": 0, "lenmode": "pixels", "len": 140},
    )  # fmt: skip
    figure = go.Figure(heat, layout={"template": THEME, "height": 150 + 15 * len(order), "plot_bgcolor": MISSING})
    figure.add_vline(x=0.5, line={"color": "white", "width": 4})
    figure.update_xaxes(
        side="top",
        tickangle=-40,
        showgrid=False,
        tickmode="array",
        tickvals=list(range(len(columns))),
        ticktext=columns,
    )
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickmode="array", tickvals=list(range(len(order))), tickfont={"size": 11},
        ticktext=[plain(label[gene], 14) for gene in order],
    )  # fmt: skip
    return figure
