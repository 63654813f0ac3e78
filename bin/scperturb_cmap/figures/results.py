"""Reading a run's results for the notebooks, from a task folder or from the folder a run was published to."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata as ad
import pandas as pd

from scperturb_cmap.io.hdf5 import open_hdf5
from scperturb_cmap.io.json_files import read_json
from scperturb_cmap.io.parquet import open_parquet, read_parquet
from scperturb_cmap.io.signature_set import read_signature_set
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import made_again
from scperturb_cmap.utils.names import ALL_CELLS

__all__ = ["AVERAGE", "CONSENSUS", "Results", "method_names", "numbers", "ranked", "ranked_populations"]

#: The population that is the average over every cell, for comparison.
AVERAGE = ALL_CELLS

#: The "cell line" that sources give to averages over cell lines.
CONSENSUS = "consensus"

_NUMBERS = (
    "rank",
    "score",
    "consensus",
    "disagreement",
    "selectivity",
    "n_",
    "best_dose",
    "best_time",
    "bytes",
    "pc1",
    "pc2",
    "fdr",
    "p_value",
    "es",
    "nes",
    "covered",
    "ncs",
    "tau",
    "top_share",
    "effective_n",
    "gain",
    "disease_z",
    "drug_z",
    "drug_rank",
    "neighbour",
    "share",
)


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the columns that hold numbers, known by their names, from text into numbers.

    Examples
    --------
    >>> numbers(pd.DataFrame({"score": ["-0.5", ""], "compound": ["007", ""]})).to_dict("list")
    {'score': [-0.5, nan], 'compound': ['007', '']}
    """
    wanted = [column for column in table if column.startswith(_NUMBERS) and column != "scored_by"]
    return table.assign(**{column: pd.to_numeric(table[column], errors="coerce") for column in wanted})


def ranked(drugs: pd.DataFrame, population: str | None = None) -> pd.DataFrame:
    """Rows of a ranking that hold a ranked drug, best first; of one population, if it is given.

    Examples
    --------
    >>> drugs = pd.DataFrame({"population": ["B", "B", "T"], "rank": [2, 1, None], "compound": ["x", "y", ""]})
    >>> ranked(drugs, "B")["compound"].tolist(), len(ranked(drugs))
    (['y', 'x'], 2)
    """
    drugs = drugs[drugs["rank"].notna()]
    if population is not None:
        drugs = drugs[drugs["population"] == population]
    return drugs.sort_values(["population", "rank"], kind="stable")


def reversing(drugs: pd.DataFrame, population: str | None = None) -> pd.DataFrame:
    """Rows of a ranking whose drug reverses the disease: ranked, with a score below 0 (see :func:`ranked`)."""
    found = ranked(drugs, population)
    return found[found["score"] < 0]


def ranked_populations(drugs: pd.DataFrame) -> list[str]:
    """Populations that were ranked, in the order of the table, the average over all cells last.

    Examples
    --------
    >>> drugs = pd.DataFrame({"population": ["T", "all cells", "B", "NK"], "rank": [1, 1, 1, None]})
    >>> ranked_populations(drugs)
    ['T', 'B', 'all cells']
    """
    return sorted(drugs.loc[drugs["rank"].notna(), "population"].unique(), key=lambda name: name == AVERAGE)


def method_names(drugs: pd.DataFrame) -> list[str]:
    """Scores a ranking was made with, in the order of its columns.

    Examples
    --------
    >>> method_names(pd.DataFrame(columns=["rank", "rank_low", "score_wtcs", "rank_cosine", "rank_wtcs"]))
    ['cosine', 'wtcs']
    """
    columns = [column for column in drugs if column.startswith("rank_") and column not in ("rank_low", "rank_high")]
    return [column.removeprefix("rank_") for column in columns]


class Results:
    """A folder of results: the files may lie flat in it or in its subfolders, as ``--outdir`` has them.

    Parameters
    ----------
    folder
        Where to look.

    Raises
    ------
    InputError
        There is no such folder.
    """

    def __init__(self, folder: str | Path = "."):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(
                Problem(str(folder), "", "There is no such folder.", "Name the folder with a run's results.")
            )

    def find(self, pattern: str) -> list[Path]:
        """Files of that name, here or one folder down, one for each name, sorted."""
        found = {
            path.name: path for place in (f"*/{pattern}", pattern) for path in self.folder.glob(place) if path.is_file()
        }
        return [found[name] for name in sorted(found)]

    def file(self, name: str) -> Path:
        """Find one file.

        Raises
        ------
        InputError
            It is not there.
        """
        if not (found := self.find(name)):
            raise InputError(
                Problem(name, "", f"It is not in {self.folder}.", "Stage it there, or name another folder.")
            )
        return found[0]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets that were ranked."""
        return [path.name.removesuffix(".populations.tsv") for path in self.find("*.populations.tsv")]

    def table(self, name: str) -> pd.DataFrame:
        """Read a table by its file name; its numbers are numbers."""
        # In our own tables only an empty field is missing: a population may be called "NA".
        table = read_text_table(self.file(name), name, missing=("",), row_names=False)
        return numbers(table.reset_index(drop=True))

    def tables(self, kind: str) -> pd.DataFrame:
        """Stack the tables ``<name>.<kind>.tsv`` of all data sets or references."""
        if not (found := self.find(f"*.{kind}.tsv")):
            raise InputError(
                Problem(f"*.{kind}.tsv", "", f"There is none in {self.folder}.", "Stage the tables there.")
            )
        return pd.concat([self.table(path.name) for path in found], ignore_index=True)

    def connections(self, dataset: str, population: str, compounds: Sequence[str]) -> pd.DataFrame:
        """Read the score of every signature of some compounds against a population; nothing else is read.

        Columns as of ``<dataset>.connections.parquet`` (docs/output.md).
        """
        wanted = [("population", "==", population), ("compound_id", "in", list(compounds) or [""])]
        table = read_parquet(self.file(f"{dataset}.connections.parquet"), [name for name, *_ in wanted], filters=wanted)
        return table[table["status"] == "ok"].reset_index(drop=True)

    def searched(self) -> pd.DataFrame:
        """What the drug signatures of the run are: reference, compound_id, cell_line, dose_um, time_h, tas; one row for each.

        No rows where no population was ranked.
        """
        columns = ["reference", "compound_id", "cell_line", "dose_um", "time_h", "tas"]
        for path in self.find("*.connections.parquet"):
            file = open_parquet(path)
            if file.metadata.num_rows:
                # every population is compared with the same signatures
                first = next(file.iter_batches(1, columns=["population"]))["population"][0].as_py()
                return read_parquet(path, columns, columns, [("population", "==", first)])
        return pd.DataFrame(columns=columns)

    def signatures(self, dataset: str) -> ad.AnnData:
        """Read the signature set of a data set."""
        return read_signature_set(self.file(f"{dataset}.signatures.h5ad"))

    def embedded(self) -> Iterator[ad.AnnData]:
        """Places of populations and drugs in the learned space, one set for each kind of query; genes stay on the disk."""
        for path in self.find("*.embedded.h5ad"):
            with open_hdf5(path, path.name, made_again(path)):
                embedded = ad.read_h5ad(path, backed="r")
            yield embedded

    def document(self, name: str) -> dict:
        """Read a JSON file."""
        return read_json(self.file(name), name=name)

    def remarks(self) -> list[tuple[str, str]]:
        """Warnings that stages left in their metrics: (what it is about, the sentence)."""
        metrics = [self.document(path.name) for path in self.find("*.metrics.json")]
        return [(str(entry.get("id", "")), str(text)) for entry in metrics for text in entry.get("warnings", [])]
