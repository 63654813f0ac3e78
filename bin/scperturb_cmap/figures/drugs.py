"""Tables of the drugs ranked for one population."""

import numpy as np
import pandas as pd

from scperturb_cmap.figures.results import CONSENSUS, method_names, ranked, reversing
from scperturb_cmap.figures.style import Html, dash, decimal, rate, short
from scperturb_cmap.figures.tables import Column, clip, html_table, number

__all__ = ["drug_table", "method_title", "mimic_table", "score_bar", "score_scale"]

#: Scores as readers know them.
_METHODS = {"cosine": "cosine", "spearman": "Spearman", "wtcs": "WTCS"}


#: What the column FDR says.
_FDR = (
    "False discovery rate: of the drugs with this value or a smaller one, so large a share is expected to reverse no more than "
    "other drugs of the same cell lines and strength do"
)


def drug_table(drugs: pd.DataFrame, population: str, best: int = 50) -> Html:
    """Table of the drugs that reverse a population's signature most strongly.

    Parameters
    ----------
    drugs
        Ranking of one data set.
    population
        Which population.
    best
        How many drugs, from rank 1 down.
    """
    mine, found = ranked(drugs, population), reversing(drugs, population)
    shown = f"all {len(found):,}" if len(found) <= best else f"the first {best} of {len(found):,}"
    more = " more than others do" if (mine["scored_by"] == "z").any() else ""
    caption = f"Drugs that reverse {short(population)}{more}: {shown} (of {len(mine):,} compared)"
    empty = f"None of the {len(mine):,} drugs reverses this signature." if len(mine) else _no_ranking(drugs, population)
    return html_table(found.head(best), _columns(drugs, mine), caption, search=True, empty=empty)


def mimic_table(drugs: pd.DataFrame, population: str, last: int = 10) -> Html:
    """Table of the drugs that mimic a population's signature most strongly, the strongest first, folded."""
    mine = ranked(drugs, population)
    mimics = mine[mine["score"] > 0].tail(last).iloc[::-1]
    if mimics.empty:
        return Html("")
    table = html_table(mimics, _columns(drugs, mine), f"Strongest mimics of {short(population)}")
    return Html("<details><summary>Strongest mimics: drugs that act as the disease does</summary>{}</details>").format(
        table
    )


def _columns(drugs: pd.DataFrame, mine: pd.DataFrame) -> list[Column]:
    """Columns of a ranking table; ``mine``: all drugs of the population, for a common scale."""
    low, high = score_scale(mine)
    methods = method_names(drugs)
    titles = " · ".join(map(method_title, methods))
    known = mine[[name for name in ("mechanism", "targets", "clinical_phase") if name in mine]].fillna("")
    about = [
        Column("Mechanism, targets", _annotation, style="prose"),
        Column("Phase", lambda row: clip(row.get("clinical_phase", ""), 2) or dash("not in the drug annotation")),
    ]
    return [
        number("rank", "Rank"),
        Column(
            "Drug", lambda row: Html('<span class="clamp" title="{0}">{0}</span>').format(row["compound"]), style="name"
        ),
        Column(
            "Score",
            lambda row: score_bar(row, low, high),
            lambda row: float(row["score"]),
            style="nowrap",
            help="Below 0 reverses, above 0 mimics the disease. Bar: where it lies with other draws of the donors",
        ),
        Column(
            "Rank with other donors",
            _rank_span,
            lambda row: float(row["rank_high"]),
            style="num nowrap",
            help="From the 5th to the 95th percentile over resampled donors, or from the best to the worst where there are few",
        ),
        *(
            [
                Column(
                    "FDR",
                    lambda row: rate(row["fdr"], row["p_reason"]),
                    lambda row: float(row["fdr"]),
                    style="num",
                    help=_FDR,
                )
            ]
            if "fdr" in mine
            else []
        ),
        Column(
            _by_each(methods),
            lambda row: Html(" · ").join(_rank_by(row, name) for name in methods),
            lambda row: float(np.median([row[f"rank_{name}"] for name in methods if row[f"score_{name}"]] or [np.nan])),
            style="num nowrap",
            help=f"Rank of the drug by each connectivity score alone: {titles}; – where that is 0, which has no direction. "
            "Sorted by their median",
        ),
        Column(
            "Signatures",
            _signatures,
            lambda row: float(row["n_signatures"]),
            style="num nowrap",
            help="How many signatures of this drug were compared, in how many cell lines",
        ),
        Column("Strongest in", _condition, help="The signature that supports the score most"),
        # Without a drug annotation they would only hold dashes.
        *(about if (known != "").any(axis=None) else []),
    ]


def _by_each(methods: list[str], most: int = 4) -> Html | str:
    """Heading of the ranks by each score: it names them, as long as they are few."""
    if len(methods) > most:
        return "By each score"
    return Html('By each score <small class="line">{}</small>').format(" · ".join(map(method_title, methods)))


def _rank_by(row: dict, method: str) -> Html | str:
    """Rank by one score; a score of 0 shares its rank with all others of 0, so that is none."""
    if row[f"score_{method}"] == 0:
        return dash("score 0: no direction")
    return decimal(row[f"rank_{method}"], 0) or dash(row["reason"])


def _rank_span(row: dict) -> Html | str:
    """Ranks over resampled donors, or why there are none."""
    low, high = float(row["rank_low"]), float(row["rank_high"])
    return dash(row["interval_reason"]) if np.isnan(low) else f"{low:.0f}–{high:.0f}" if low < high else f"{low:.0f}"


def method_title(method: str) -> str:
    """Name of a score as readers know it.

    Examples
    --------
    >>> method_title("wtcs"), method_title("rges")
    ('WTCS', 'rges')
    """
    return _METHODS.get(method, method)


def score_scale(mine: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest score, with other draws of the donors, of a population's drugs; 0 lies between.

    Examples
    --------
    >>> score_scale(pd.DataFrame({"score": [-2.0, -1.0], "score_low": [-2.5, None], "score_high": [-1.5, None]}))
    (-2.5, 0.0)
    """
    low = np.nanmin(mine[["score", "score_low"]].to_numpy(dtype=float), initial=0)
    high = np.nanmax(mine[["score", "score_high"]].to_numpy(dtype=float), initial=0)
    return float(low), float(high)


def score_bar(row: dict, low: float, high: float) -> Html:
    """Score as a number, and as a point with its range on the population's common scale."""
    score, start, end = (float(row[name]) for name in ("score", "score_low", "score_high"))
    if np.isnan(score):
        return dash(row.get("reason", ""))
    start, end = (score if np.isnan(value) else value for value in (start, end))

    def place(value: float) -> str:
        return f"{100 * (value - low) / ((high - low) or 1):.1f}%"

    label = f"{decimal(score, 3)}; " + (
        row["interval_reason"]
        if row["interval"] == "none"
        else f"with other donors {decimal(start, 3)} to {decimal(end, 3)} ({row['n_resamples']:.0f} draws)"
    )
    return Html(
        '<span class="score" title="{}">{}<span class="track" aria-hidden="true"><i style="left:{}"></i>'
        '<b class="{}" style="left:{};width:{}"></b><u class="{}" style="left:{}"></u></span></span>'
    ).format(
        label,
        decimal(score),
        place(0),
        _side(score),
        place(start),
        f"{100 * (end - start) / ((high - low) or 1):.1f}%",
        _side(score),
        place(score),
    )


def _side(score: float) -> str:
    return "reversal" if score < 0 else "mimic" if score > 0 else "nothing"


def _condition(row: dict) -> Html | str:
    dose, time = float(row["best_dose_um"]), float(row["best_time_h"])
    parts = [
        str(row["best_cell_line"] or ""),
        "" if np.isnan(dose) else f"{dose:g} µM",
        "" if np.isnan(time) else f"{time:g} h",
    ]
    shown = ", ".join(part for part in parts if part)
    if not shown:
        return dash("The reference does not tell cell line, dose or time.")
    return Html('<span title="reference {}">{}</span>').format(row.get("best_reference", ""), shown)


def _signatures(row: dict) -> Html:
    if row["best_cell_line"] == CONSENSUS:
        return Html("{} <small>over lines</small>").format(decimal(float(row["n_signatures"]), 0))
    return Html("{} <small>in {} line{}</small>").format(
        decimal(float(row["n_signatures"]), 0),
        decimal(float(row["n_cell_lines"]), 0),
        "" if row["n_cell_lines"] == 1 else "s",
    )


def _annotation(row: dict) -> Html:
    mechanism, targets = clip(row.get("mechanism", ""), 2), clip(row.get("targets", ""))
    if not mechanism and not targets:
        return dash("not in the drug annotation")
    return Html('{}<small class="line">{}</small>').format(mechanism, targets)


def _no_ranking(drugs: pd.DataFrame, population: str) -> str:
    reasons = drugs.loc[drugs["population"] == population, "reason"]
    return f"Not ranked. {reasons.iloc[0]}" if len(reasons) else "Not ranked."
