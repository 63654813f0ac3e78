"""Ready-made disease signatures: tables of differential expression, ranked lists, gene sets."""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from scperturb_cmap.io.tables import MISSING, read_text_table, require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import matches

__all__ = ["Query", "is_cells", "read_gmt", "read_queries"]

#: Columns of a table of differential expression: scanpy, Seurat, DESeq2, edgeR and limma in this order.
_COLUMNS = {
    "gene": ("names", "gene", "Gene", "genes", "gene_name", "gene_symbol", "symbol", "Symbol", "SYMBOL", "hgnc_symbol", "gene_id",
             "ENTREZID", "ID", ""),
    "population": ("group", "cluster", "population", "cell_type", "celltype"),
    "statistic": ("scores", "stat", "t", "wald_z", "z"),
    "log_fc": ("logfoldchanges", "avg_log2FC", "avg_logFC", "log2FoldChange", "logFC", "log2FC", "log_fc"),
    "p_value": ("pvals", "p_val", "pvalue", "PValue", "P.Value", "p_value"),
    "fdr": ("pvals_adj", "p_val_adj", "padj", "FDR", "adj.P.Val", "fdr"),
}  # fmt: skip

#: Smallest p that is told apart; below, the size of the change does.
_SMALLEST_P = 1e-300

#: A first line with one of these is no header, but a gene without a score.
_NO_SCORE = frozenset(map(str.casefold, [*MISSING, "inf", "-inf", "+inf", "infinity", "-infinity", "N/A", "#N/A"]))

_SIDES = re.compile(r"(?i)^(?P<name>.*?)[ _.-]*(?P<side>up|dn|down)$")


@dataclass(frozen=True)
class Query:
    """One ready-made signature.

    Parameters
    ----------
    population
        Name of the population; ``""`` where the file gives none.
    table
        Columns gene (as given), value (signed evidence), log_fc, p_value, fdr; missing = NaN.
    effect
        "statistic" (the table's own), "signed_z" (from p-value and direction), "rank" (of a ranked list) or "set" (+-1).
    """

    population: str
    table: pd.DataFrame
    effect: str


def is_cells(path: str) -> bool:
    """Whether a path of the sample sheet means single cells rather than a ready-made signature.

    Examples
    --------
    >>> is_cells("pbmc.h5ad"), is_cells("de.csv.gz"), is_cells("sets.gmt")
    (True, False, False)
    """
    return not re.search(r"\.(csv|tsv|txt|rnk|gmt|grp)(\.gz)?$", path.lower())


def read_queries(
    path: Path, path_down: Path | None = None, name: str | None = None, patterns: Sequence[str] = (), dataset: str = ""
) -> list[Query]:
    """Read the signatures of a file.

    Parameters
    ----------
    path
        A table of differential expression (recognised by its columns), a ranked list (.rnk: genes and signed scores, or
        genes alone from most up to most down), gene sets (.gmt with sets called ``<name>_UP`` and ``<name>_DN``), or the
        up set (.grp or .txt, one gene per line; .gmt).
    path_down
        The down set that belongs to an up set.
    name
        What to call the file in messages.
    patterns
        Names or patterns of the populations wanted; all by default.
    dataset
        What a signature without a population will be called by.

    Raises
    ------
    InputError
        The file is missing, unreadable, or none of these, or has no such population.
    """
    name = name or Path(path).name
    queries = _read(Path(path), path_down, name)
    there = [query.population or dataset for query in queries]
    if twice := sorted({population for population in there if there.count(population) > 1}):
        wrong = f"The population {twice[0]!r} stands more than once."
        remedy = "Give every signature a name of its own; one without is called by the data set."
        raise InputError(Problem(name, "", wrong, remedy))
    if lost := [pattern for pattern in patterns if not any(matches(one, pattern, there) for one in there)]:
        remedy = "Correct the column 'populations' of the sample sheet."
        raise InputError(Problem(name, "", f"There is no population {pattern!r}.", remedy) for pattern in lost)
    chosen = [not patterns or any(matches(one, pattern, there) for pattern in patterns) for one in there]
    return [query for query, wanted in zip(queries, chosen, strict=True) if wanted]


def _read(path: Path, path_down: Path | None, name: str) -> list[Query]:
    """Read all signatures of a file, by its kind."""
    kind = re.sub(r"\.gz$", "", path.name.lower()).rsplit(".", 1)[-1]
    if kind == "gmt":
        return _sets(
            read_gmt(path, name),
            {} if path_down is None else read_gmt(path_down, path_down.name),
            path_down is None,
            name,
        )
    if path_down is not None:
        return [_set("", _genes(path, name), _genes(path_down, path_down.name), name)]
    if kind == "grp":
        return [_set("", _genes(path, name), [], name)]
    if kind == "rnk":
        return [_ranked_list(path, name)]
    return list(_differential(read_text_table(path, name), name))


def _differential(table: pd.DataFrame, name: str) -> Iterator[Query]:
    """Signatures of a table of differential expression, one per population."""
    found = {ours: next((column for column in theirs if column in table), None) for ours, theirs in _COLUMNS.items()}
    lacking = [
        what for what in ("gene", "log_fc") if found[what] is None and not (what == "log_fc" and found["statistic"])
    ]
    if found["statistic"] is None and found["p_value"] is None:
        lacking.append("p_value")
    if lacking:
        raise InputError(
            Problem(
                name,
                f"column '{what}'",
                f"None of the columns {', '.join(filter(None, _COLUMNS[what]))} is there.",
                "Give a table as scanpy, Seurat, DESeq2, edgeR or limma write it, or a .rnk, .gmt or .grp file.",
            )
            for what in lacking
        )
    if table.empty:
        raise InputError(Problem(name, "", "It has a header and no rows.", "Give one row per gene."))
    numbers = pd.DataFrame(index=table.index)
    for what in ("statistic", "log_fc", "p_value", "fdr"):
        text = table[found[what]] if found[what] is not None else pd.Series("", index=table.index)
        numbers[what] = pd.to_numeric(text.replace({"": None, "Inf": "inf", "-Inf": "-inf"}), errors="coerce").astype(
            float
        )
        wrong = text[(text != "") & numbers[what].isna()]
        if len(wrong):
            raise InputError(
                Problem(
                    name,
                    f"line {wrong.index[0]}, column '{found[what]}'",
                    f"{wrong.iloc[0]!r} is no number.",
                    "Correct it.",
                )
            )
    for what, remedy in (("p_value", "Give p-values."), ("fdr", "Give adjusted p-values.")):
        if ((numbers[what] < 0) | (numbers[what] > 1)).any():
            raise InputError(Problem(name, f"column '{found[what]}'", "It holds values outside 0 to 1.", remedy))
    p = numbers["p_value"]
    if found["statistic"] is not None:
        effect, value = "statistic", numbers["statistic"]
    else:
        # Equal p-values of 0 are told apart by the size of the change, which adds less than any step of p does.
        size = numbers["log_fc"].abs()
        z = norm.isf(p.clip(lower=_SMALLEST_P) / 2) + np.where(p < _SMALLEST_P, 1e-3 * size, 0)
        effect, value = "signed_z", np.sign(numbers["log_fc"]) * z
    populations = table[found["population"]] if found["population"] is not None else pd.Series("", index=table.index)
    if found["population"] is not None and (nameless := populations[populations == ""]).size:
        where = f"line {nameless.index[0]}, column '{found['population']}'"
        raise InputError(Problem(name, where, "The value is empty.", "Name the population of every row."))
    result = pd.DataFrame({"gene": table[found["gene"]], "value": value}).join(numbers[["log_fc", "p_value", "fdr"]])
    for population, mine in result.groupby(populations.to_numpy(), sort=True):
        mine = mine[np.isfinite(mine["value"])].reset_index(drop=True)
        if mine["fdr"].isna().all() and mine["p_value"].notna().any():
            there = mine["p_value"].notna()
            mine.loc[there, "fdr"] = false_discovery_control(mine.loc[there, "p_value"])
        _require_both_signs(mine["value"], name, str(population))
        yield Query(str(population), mine, effect)


def _ranked_list(path: Path, name: str) -> Query:
    rows = [re.split(r"[\t,]", line) for line in _text_lines(path, name)]
    if {len(row) for row in rows} - {1, 2} or len({len(row) for row in rows}) != 1:
        raise InputError(Problem(name, "", "A ranked list has a gene and a score per line.", "Correct the file."))
    if len(rows[0]) == 1:
        genes, values = [row[0] for row in rows], np.linspace(1, -1, len(rows))
        return Query("", _table(genes, values), "rank")
    if not _number(rows[0][1]) and rows[0][1].strip().casefold() not in _NO_SCORE:  # a header
        rows = rows[1:]
    wrong = [row for row in rows if not _number(row[1])]
    if wrong or not rows:
        shown = wrong[0] if wrong else ["", ""]
        raise InputError(
            Problem(name, f"gene {shown[0]!r}", f"Its score {shown[1]!r} is no number.", "Correct the score.")
        )
    values = np.array([float(row[1]) for row in rows])
    _require_both_signs(pd.Series(values), name, "")
    return Query("", _table([row[0] for row in rows], values), "rank")


def _require_both_signs(values: pd.Series, name: str, population: str) -> None:
    if not ((values > 0).any() and (values < 0).any()):
        where = f"population {population!r}" if population else ""
        raise InputError(
            Problem(
                name,
                where,
                "Its values have one sign only, so they do not tell genes up from genes down.",
                "Give all genes with signed values: positive = higher in cases.",
            )
        )


def read_gmt(path: Path, name: str) -> dict[str, list[str]]:
    """Gene sets of a GMT file: name -> genes, in the order of the file.

    Raises
    ------
    InputError
        The file is missing or no GMT, or a set stands twice.
    """
    sets = {}
    for line in _text_lines(path, name):
        fields = line.split("\t")
        if len(fields) < 3:
            wrong = "A line of a GMT file has a name, a description and genes."
            raise InputError(Problem(name, f"set {fields[0]!r}", wrong, "Correct it."))
        if fields[0].strip() in sets:
            raise InputError(
                Problem(name, f"set {fields[0]!r}", "It stands more than once.", "Give every set its own name.")
            )
        sets[fields[0].strip()] = [gene.split(",")[0].strip() for gene in fields[2:] if gene.strip()]
    return sets


def _sets(up: dict[str, list[str]], down: dict[str, list[str]], by_name: bool, name: str) -> list[Query]:
    """Pair up and down sets, by the end of their names in one file or by the same name in two."""
    pairs: dict[str, dict[str, list[str]]] = {}
    names: dict[tuple[str, str], str] = {}
    for sets, side in ((up, "up"), (down, "down")):
        for label, genes in sets.items():
            match = _SIDES.match(label)
            if by_name and not match:
                wrong, remedy = "Its name ends in neither _UP nor _DN.", "Name sets <name>_UP and <name>_DN."
                raise InputError(Problem(name, f"set {label!r}", wrong, remedy))
            stem, end = (match["name"], match["side"].lower()) if match else (label, side)
            pair, mine = pairs.setdefault(stem, {}), "up" if (end if by_name else side) == "up" else "down"
            if mine in pair:  # x_DN and x_down
                wrong = f"There is another {mine} set of this name, {names[stem, mine]!r}."
                raise InputError(Problem(name, f"set {label!r}", wrong, "Give every pair of sets its own name."))
            pair[mine], names[stem, mine] = genes, label
    return [_set(stem, pair.get("up", []), pair.get("down", []), name) for stem, pair in pairs.items()]


def _set(population: str, up: list[str], down: list[str], name: str) -> Query:
    if both := sorted(set(up) & set(down)):
        wrong = f"{len(both)} genes are in the up and in the down set ({', '.join(both[:3])})."
        raise InputError(
            Problem(name, f"set {population!r}" if population else "", wrong, "Leave each in one of them.")
        )
    genes = [*dict.fromkeys(up), *dict.fromkeys(down)]
    values = np.repeat([1.0, -1.0], [len(dict.fromkeys(up)), len(dict.fromkeys(down))])
    return Query(population, _table(genes, values), "set")


def _genes(path: Path, name: str) -> list[str]:
    """One gene per line (GRP, plain text)."""
    lines = _text_lines(path, name)
    if any("\t" in line for line in lines):
        raise InputError(Problem(name, "", "A gene set has one gene per line.", "Give one column."))
    return lines


def _text_lines(path: Path, name: str) -> list[str]:
    """Lines that are no comments and not blank."""
    require_data(path, name)
    raw = Path(path).read_bytes()
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error):
        raise InputError(Problem(name, "", "It is not a UTF-8 text file.", "Save it as plain text.")) from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("#", "!"))]
    if not lines or "\0" in text:
        raise InputError(Problem(name, "", "It holds no genes.", "Give one gene per line, or a set per line (GMT)."))
    return lines


def _number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _table(genes: list[str], values: np.ndarray) -> pd.DataFrame:
    missing = dict.fromkeys(("log_fc", "p_value", "fdr"), np.nan)
    return pd.DataFrame({"gene": [gene.strip() for gene in genes], "value": values}).assign(**missing)
