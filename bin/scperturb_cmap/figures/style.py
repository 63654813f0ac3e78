"""How everything in the report looks, and how names that come from data become harmless text."""

from html import escape
from math import isfinite
from pathlib import PurePath

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

__all__ = [
    "DIVERGING",
    "LEGEND",
    "MIMIC",
    "MISSING",
    "REVERSAL",
    "STRONG",
    "strong",
    "THEME",
    "Html",
    "dash",
    "decimal",
    "embed",
    "file_name",
    "fold",
    "percent",
    "plain",
    "rate",
    "short",
    "standalone",
    "tint",
]

#: Negative = reverses the disease (a gene: down in cases), positive = mimics it (up). Told apart by any colour vision.
REVERSAL, MIMIC = "#2166ac", "#b35806"

INK, MUTED, LINE, NEUTRAL = "#1f2933", "#52606d", "#d9e0e6", "#9aa5b1"

#: Colour scale of every score: reversal, nothing, mimic.
DIVERGING = [[0, REVERSAL], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#fdb863"], [1, MIMIC]]

#: A score this far from 0 has the full colour, in every table, figure and report, so that colours can be compared: z is in
#: standard deviations of chance, other ways to sum up a drug's signatures keep the scale of the connectivity score.
STRONG = {"z": 4.0, "other": 0.75}

#: Behind a heat map: what has no score.
MISSING = "#c3ccd5"

#: A legend in one line above a figure, which grows upwards where it needs more.
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}

_AXIS = {
    "gridcolor": "#edf0f3",
    "linecolor": LINE,
    "ticks": "",
    "zerolinecolor": LINE,
    "title": {"standoff": 10, "font": {"size": 13}},
}

#: The theme of every figure.
THEME = go.layout.Template(
    layout={
        "font": {
            "family": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
            "size": 13,
            "color": INK,
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": [REVERSAL, MIMIC, "#009e73", "#cc79a7", "#56b4e9", NEUTRAL],
        # else plotly makes a dark bar of it, over the data
        "modebar": {"bgcolor": "rgba(255,255,255,0.7)", "color": NEUTRAL, "activecolor": INK},
        "hoverlabel": {"bgcolor": "white", "bordercolor": LINE, "align": "left", "font": {"size": 13, "color": INK}},
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "xaxis": {**_AXIS, "automargin": True},
        "yaxis": {**_AXIS, "automargin": True},
        "showlegend": False,
    }
)


class Html(Markup):
    """HTML that is safe to show; whatever is formatted into it is escaped.

    Examples
    --------
    >>> Html("<td>{}</td>").format("<script>")
    Html('<td>&lt;script&gt;</td>')
    """

    def _repr_html_(self) -> str:
        return str(self)


def plain(text: object, width: int = 36) -> str:
    """Text for a plotly label or hover box, which would otherwise take ``<b>`` or ``<a>`` in a name for markup.

    Parameters
    ----------
    text
        A name from the data.
    width
        Longer names are cut, so that one name cannot push the figure aside.

    Examples
    --------
    >>> plain("<b>TNF</b> & co")
    '&lt;b&gt;TNF&lt;/b&gt; &amp; co'
    >>> plain("a very long name", width=7)
    'a very…'
    """
    return escape(short(text, width), quote=False)


def short(text: object, width: int = 60) -> str:
    """Text for a caption or a sentence: a name that is longer than this is cut; not escaped.

    Examples
    --------
    >>> short("a very long name", width=7)
    'a very…'
    """
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def file_name(value: str) -> str:
    """Name of a file without its folders; anything but an absolute path or address stays as it is.

    Examples
    --------
    >>> file_name("/data/genes.tsv"), file_name("genes/all")
    ('genes.tsv', 'genes/all')
    """
    return PurePath(value).name if value.startswith("/") or "://" in value else value


def decimal(value: float, digits: int = 2) -> str:
    """Write a number for readers; ``""`` where there is none.

    Examples
    --------
    >>> decimal(-0.517), decimal(12345, 0), decimal(float("nan"))
    ('−0.52', '12,345', '')
    """
    if not isfinite(value):
        return ""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """Write a part of 1 in whole percent.

    Examples
    --------
    >>> percent(0.123), percent(1)
    ('12 %', '100 %')
    """
    return f"{decimal(100 * share, 0)} %"


def dash(reason: str = "") -> Html:
    """Stand-in for a missing value; the reason shows when the pointer rests on it.

    Examples
    --------
    >>> dash("not tested")
    Html('<span class="none" title="not tested">–</span>')
    """
    return Html('<span class="none" title="{}">–</span>').format(reason or "no value")


def rate(value: float, reason: str = "") -> Html | str:
    """Write a false discovery rate or p-value with two digits, or why there is none.

    Examples
    --------
    >>> rate(0.123), rate(0.00012), rate(float("nan"), "too few drugs")
    ('0.12', '1e-04', Html('<span class="none" title="too few drugs">–</span>'))
    """
    return dash(reason) if not isfinite(value) else f"{value:.2f}" if value >= 0.01 else f"{value:.0e}"


def strong(scored_by: str) -> float:
    """The score that has the full colour (:data:`STRONG`)."""
    return STRONG.get(scored_by, STRONG["other"])


def tint(value: float, scored_by: str) -> str:
    """CSS colour behind a score: the deeper, the stronger, up to :data:`STRONG`; blue reverses, orange mimics.

    Examples
    --------
    >>> tint(-0.375, "maxq"), tint(2.0, "z")
    ('rgba(33,102,172,0.24)', 'rgba(179,88,6,0.24)')
    """
    rgb = "33,102,172" if value < 0 else "179,88,6"
    return f"rgba({rgb},{0.06 + 0.36 * min(abs(value) / strong(scored_by), 1):.2f})"


def embed(figure: go.Figure, caption: str, wide: bool = False) -> Html:
    """Turn a figure into HTML that draws itself with the one plotly script of the page.

    Parameters
    ----------
    figure
        Any plotly figure; names in it went through :func:`plain`. ``meta["least_width"]`` in its layout: pixels that a wide one
        has at least, 660 by default.
    caption
        What it shows and how to read it.
    wide
        It needs room: on a narrow screen it scrolls instead of shrinking.

    Examples
    --------
    >>> "<figcaption>x &lt; y</figcaption>" in embed(go.Figure(), "x < y")
    True
    """
    config = {
        "responsive": True,
        "displaylogo": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": "svg"},
    }
    drawing = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    least = (figure.layout.meta or {}).get("least_width", 660)
    kind = Html(' wide" style="--least: {}px').format(least) if wide else ""
    return Html('<figure class="plot{}"><div class="canvas">{}</div><figcaption>{}</figcaption></figure>').format(
        kind, Html(drawing), caption
    )


def fold(content: Html, title: str, wanted: bool) -> Html:
    """Content behind a line to click on, where that is wanted.

    Examples
    --------
    >>> fold(Html("<p>x</p>"), "a < b", True)
    Html('<details><summary>a &lt; b</summary><p>x</p></details>')
    """
    return Html("<details><summary>{}</summary>{}</details>").format(title, content) if wanted else content


def standalone(wanted: bool) -> Html:
    """Plotly's script, for a notebook that is read outside the report (4.8 MB); nothing inside it.

    Examples
    --------
    >>> standalone(False)
    Html('')
    """
    return Html("<script>{}</script>").format(Html(get_plotlyjs())) if wanted else Html("")
