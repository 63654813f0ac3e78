"""The first page: what was asked, which drugs come first, and what a reader must know before using them."""

from collections.abc import Iterator

import pandas as pd

from scperturb_cmap.figures.drugs import method_title
from scperturb_cmap.figures.populations import badge, badges, population_page
from scperturb_cmap.figures.results import AVERAGE, method_names, ranked
from scperturb_cmap.figures.style import Html, dash, decimal, percent, short, tint

__all__ = ["key_numbers", "notices", "question", "remark_list", "top_drugs"]

#: False discovery rate from which a drug counts as sure for the notice.
_SURE = 0.1

#: More reasons than this why populations were not ranked are folded.
_REASONS = 4

_WEAK = {
    "limited": "only two donors in an arm. Their signatures are unsure, and so are their rankings: take them as hints.",
    "given": "ready-made signatures. Their donors and design are not known here, so neither is how sure they are.",
    "exploratory": "one donor in an arm. Their rankings rest on effect sizes without replicates: no gene has a p-value, and the "
    "FDR of a drug, made for this one donor, says nothing about others.",
}


def question(populations: pd.DataFrame) -> Html:
    """Say in words what was compared with what, one line per data set."""
    several = populations["dataset"].nunique() > 1
    lines = []
    for dataset, mine in populations.groupby("dataset", sort=False):
        about = Html("<b>{}</b>: ").format(dataset) if several else ""
        first, n = mine.iloc[0], int((mine["population"] != AVERAGE).sum())
        named = f"{first['case']} against {first['control']}" if first["case"] else "a ready-made signature"
        what = f"{named}, in {n} cell population{'' if n == 1 else 's'}"
        lines.append(Html("<li>{}{}</li>").format(about, what))
    return Html('<ul class="question">{}</ul>').format(Html("").join(lines))


def key_numbers(populations: pd.DataFrame, drugs: pd.DataFrame, funnel: pd.DataFrame) -> Html:
    """Show the size of the run as a row of numbers."""
    real = populations[populations["population"] != AVERAGE]
    done = ranked(drugs)
    done = done[done["population"] != AVERAGE].drop_duplicates(["dataset", "population"])
    done = done.merge(real[["dataset", "population", "caution"]])
    last = funnel.groupby("reference", sort=False).last()
    last = last[last.index.isin(drugs["best_reference"])]  # others are learned from only
    n = populations["dataset"].nunique()
    tiles = {
        f"data set{'s' * (n != 1)}": f"{n}",
        "populations ranked": f"{len(done)} of {len(real)}",
        Html(
            '<a href="#before-you-use-this">of these to read with care</a>'
        ): f"{((done['evidence'] != 'replicated') | (done['caution'] != '')).sum()}",
        "drugs compared": f"{ranked(drugs)['compound_id'].nunique():,}",
        "drug signatures": f"{int(last['n_signatures'].sum()):,}",
    }
    return Html('<div class="tiles">{}</div>').format(
        Html("").join(Html("<div><b>{}</b><span>{}</span></div>").format(value, name) for name, value in tiles.items())
    )


def top_drugs(populations: pd.DataFrame, drugs: pd.DataFrame, best: int = 5) -> Html:
    """Table of the best drugs of every population; a drug that does not reverse the disease is not among them.

    Parameters
    ----------
    populations, drugs
        Of all data sets.
    best
        How many drugs per population.
    """
    blocks = []
    for dataset, mine in populations.groupby("dataset", sort=False):
        scored = drugs[drugs["dataset"] == dataset]
        head = Html(
            '<tr class="group"><th colspan="{0}" scope="colgroup"><a href="dataset.{1}.html">{1}</a></th></tr>'
        ).format(best + 1, dataset)
        rows = Html("").join(
            _top_row(row, scored, best, population_page(mine, row["population"])) for row in mine.to_dict("records")
        )
        blocks.append(Html("<tbody>{}{}</tbody>").format(head, rows))
    headline, n = next(iter(ranked(drugs)["method"]), ""), int((populations["population"] != AVERAGE).sum())
    places = Html("").join(Html('<th scope="col">{}</th>').format(n) for n in range(1, best + 1))
    return Html(
        '<div class="sheet" tabindex="0" role="region" aria-label="Strongest reversal candidates"><table class="top">'
        '<caption>{}</caption><thead><tr><th scope="col">Population</th>{}</tr></thead>{}</table></div>'
    ).format(f"{n} population{'s' * (n != 1)}; score made of {method_title(headline)}", places, Html("").join(blocks))


def notices(populations: pd.DataFrame, drugs: pd.DataFrame) -> Html:
    """Tell in plain words what a reader must know before using the ranking; one line per data set and cause."""
    several = populations["dataset"].nunique() > 1
    lines = [
        line
        for dataset, mine in populations.groupby("dataset", sort=False)
        for line in _notices(mine, drugs[drugs["dataset"] == dataset], f"{dataset}, " if several else "")
    ]
    scored = ranked(drugs)
    single, total = (table["compound_id"].nunique() for table in (scored[scored["n_signatures"] == 1], scored))
    if single > 0.5 * total:
        what = (
            f"{single:,} of {total:,} drugs",
            "have a single signature in the references: how their scores vary with cell line, dose or time is not known. "
            "Such a score is little more than a rank: it does not tell how strong the match is, nor compare populations.",
        )
        lines.append(Html('<span class="badge limited">no range</span> <b>{}</b> {}').format(*what))
    lines += _copies(scored)
    lines += _beyond_chance(scored[scored["population"] != AVERAGE])
    if not lines:
        what = "This population was" if len(populations) == 1 else "Every population was"
        what += " ranked, with at least three donors per arm and enough genes in common with the drugs."
        return Html('<p class="notice fine">{}</p>').format(what)
    return Html('<ul class="notices">{}</ul>').format(Html("").join(Html("<li>{}</li>").format(line) for line in lines))


def _copies(scored: pd.DataFrame) -> Iterator[Html]:
    """A notice where drugs have one and the same measurement under several names."""
    columns = [f"score_{name}" for name in method_names(scored)]
    one = scored[scored["population"] == next(iter(scored["population"]), "")]
    one = one[(one[columns] != 0).any(axis=1)]
    if n := int(one.duplicated(["dataset", *columns], keep=False).sum()):
        sentence = (
            f"{n:,} of {len(one):,} drugs have the same scores as another by every method: as a rule one measurement under "
            "several names. Two of them near the front are one piece of evidence."
        )
        yield Html('<span class="badge limited">copies</span> {}').format(sentence)


def _beyond_chance(scored: pd.DataFrame) -> Iterator[Html]:
    """A notice where no single drug stands out from chance."""
    reversing = scored[scored["score"] < 0]
    least = reversing.groupby(["dataset", "population"], sort=False)["fdr"].min()
    few = least[least > _SURE].index.get_level_values("population").drop_duplicates()
    if not len(few):
        return
    n = scored.groupby("population")["compound_id"].nunique().min()
    sentence = (
        f"no drug has an FDR below {percent(_SURE)}. That is usual with a few hundred or thousand drugs that have one or "
        f"a few signatures each: a drug is compared with the others, so among {n:,} its p-value is hardly below 1 in {n:,}, "
        "times as many tests. The order is the best guess for what to test first; no single drug is proven by it."
    )
    badge_ = Html('<span class="badge limited">none sure</span>')
    yield Html("{} <b>{}</b>: {}").format(badge_, _names(few.to_series()), sentence)


def remark_list(remarks: list[tuple[str, str]]) -> Html:
    """List what the stages of the pipeline remarked, folded away; nothing where there is nothing."""
    remarks = list(dict.fromkeys(remarks))
    if not remarks:
        return Html("")
    items = Html("").join(Html("<li><b>{}</b>: {}</li>").format(about, remark) for about, remark in remarks)
    return Html("<details><summary>Remarks of the pipeline's stages ({})</summary><ul>{}</ul></details>").format(
        len(remarks), items
    )


def _notices(mine: pd.DataFrame, drugs: pd.DataFrame, about: str) -> Iterator[Html]:
    """Notices of one data set; ``about`` begins each."""
    line = Html("{} {}<b>{}</b>: {}")
    done = mine["population"].isin(ranked(drugs)["population"])
    for evidence, sentence in _WEAK.items():
        if (weak := done & (mine["evidence"] == evidence)).any():
            yield line.format(badge(evidence), about, _names(mine.loc[weak, "population"]), sentence)
    if len(few := mine[mine["caution"].str.contains("few genes")]):
        span = " to ".join(f"{n:.0f}" for n in sorted({few["n_genes_shared"].min(), few["n_genes_shared"].max()}))
        sentence = f"only {span} genes are measured in cells and drugs alike, so the scores rest on little: a hint and no more."
        yield line.format(badge("few genes"), about, _names(few["population"]), sentence)
    if len(few := mine[mine["caution"].str.contains("weak signal")]):
        counts = ", ".join(
            f"{n:.0f} of {all_:.0f}" for n, all_ in zip(few["n_changed_shared"], few["n_genes_shared"], strict=True)
        )
        sentence = (
            f"of the genes compared only {counts} change (FDR below 5 %); the rest of what is compared is mostly noise."
        )
        yield line.format(badge("weak signal"), about, _names(few["population"]), sentence)
    reasons = drugs.drop_duplicates("population").set_index("population")["reason"]
    lost = mine[~done]
    lost = lost.assign(reason=lost["reason"].where(lost["reason"] != "", lost["population"].map(reasons).fillna("")))
    said = [
        line.format(badge(""), about, _names(group["population"]), reason or "no reason was given.")
        for reason, group in lost.groupby("reason", sort=False)
    ]
    if len(said) <= _REASONS:
        yield from said
    else:  # each counts its own donors: dozens of lines would hide all others
        what = Html("{} {}<b>{} populations</b>, each for a reason of its own").format(badge(""), about, len(lost))
        rows = Html("").join(Html("<li>{}</li>").format(one) for one in said)
        yield Html("<details><summary>{}</summary><ul>{}</ul></details>").format(what, rows)


def _top_row(row: dict, scored: pd.DataFrame, best: int, page: str) -> Html:
    mine = ranked(scored, row["population"]).head(best)
    style = "average" if row["population"] == AVERAGE else ""
    head = Html('<th scope="row"><a class="clamp" title="{0}" href="{1}">{0}</a> {2}</th>').format(
        row["population"], page, badges(row) if len(mine) else badge("", row["reason"])
    )
    if not (mine["score"] < 0).any():
        none = "No drug reverses this signature." if len(mine) else row["reason"]
        reason = none or "; ".join(scored.loc[scored["population"] == row["population"], "reason"].head(1))
        return Html('<tr class="{} muted">{}<td colspan="{}">{}</td></tr>').format(
            style, head, best, reason or "Not ranked."
        )
    methods = method_names(scored)
    cells = [_chip(drug, methods) for drug in mine.to_dict("records")]
    cells += [Html("<td>{}</td>").format(dash("no further drug"))] * (best - len(cells))
    return Html('<tr class="{}">{}{}</tr>').format(style, head, Html("\n").join(cells))


def _chip(drug: dict, methods: list[str]) -> Html:
    """One drug of :func:`top_drugs`: name, score, FDR, rank over draws of the donors; its ranks by all scores on hover."""
    if not drug["score"] < 0:
        return Html("<td>{}</td>").format(dash("no further drug reverses this signature"))
    ranks = {
        method_title(name): f"{drug[f'rank_{name}']:.0f}" if drug[f"score_{name}"] else "none (score 0)"
        for name in methods
        if pd.notna(drug[f"rank_{name}"])
    }
    low, high = drug["rank_low"], drug["rank_high"]
    span = "" if pd.isna(low) else f"rank {low:.0f}" if low == high else f"rank {low:.0f}–{high:.0f}"
    span += f" in {drug['n_resamples']:.0f} draws" if drug["interval"] == "range" else ""
    rate = "" if pd.isna(drug["fdr"]) else f"FDR {drug['fdr']:.2f}"
    each = ", ".join(f"{name} {rank}" for name, rank in ranks.items())
    where = f"{decimal(drug['n_signatures'], 0)} signatures in {decimal(drug['n_cell_lines'], 0)} cell lines"
    return Html(
        '<td><span class="chip" style="background:{}" title="{}"><b>{}</b><small>{}</small> <small>{}</small></span></td>'
    ).format(
        tint(drug["score"], drug["scored_by"]), f"{drug['compound']}; ranks by score: {each}; {where}", drug["compound"],
        " · ".join(filter(None, [decimal(drug["score"]), rate])), span,
    )  # fmt: skip


def _names(populations: pd.Series, most: int = 8) -> str:
    names = [short(name) for name in populations]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
