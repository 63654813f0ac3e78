"""What the rows of the suite are: a damaged input, and the command that must refuse it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from damages import Damage
from tests.conftest import ROOT


@dataclass(frozen=True)
class Row:
    """One damaged input.

    Parameters
    ----------
    kind
        Kind of input.
    scene
        The command that must refuse it, one of SCENES.
    name
        What is wrong, in a few words.
    damage
        Damages the valid inputs in a folder; may return further options of the command.
    said
        What the message must tell: file, place, what to do.
    told
        The run goes on, and tells this in its messages or results.
    """

    kind: str
    scene: str
    name: str
    damage: Damage
    said: tuple[str, ...]
    told: bool = False

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"


def rows_of(kind: str, scene: str) -> Callable[..., Row]:
    """Makes rows of one kind that one command refuses: what is wrong, the damage, parts of the message."""

    def row(name: str, damage: Damage, *said: str) -> Row:
        return Row(kind, scene, name, damage, said)

    return row


@dataclass(frozen=True)
class Scene:
    """A command on valid inputs: {folder} and {out} are filled in; what a reference or sample sheet must say for it."""

    material: str
    command: str
    references: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        if self.references:
            columns = "reference,path,format,role,path_down,siginfo,geneinfo,compoundinfo,level,filter,control"
            (folder / "references.csv").write_text("\n".join([columns, *self.references]) + "\n")
        if self.samples:
            (folder / "samples.csv").write_text("\n".join(self.samples) + "\n")

    def arguments(self, folder: Path, out: Path) -> tuple[str, list[str]]:
        stage, *words = self.command.split()
        return stage, [word.format(folder=folder, out=out, root=ROOT) for word in words]


_CHECK = "check_inputs --input {folder}/samples.csv --references {folder}/references.csv --genes {folder}/genes.tsv "
_CHECK += "--drugs {folder}/drugs.tsv --out {out}"
_BUILD = "build_reference --reference {folder}/lib.reference.json --genes {folder}/genes.tsv --out {out} "
_DERIVE = "derive_signatures --genes {folder}/genes.tsv --resamples 0 --out {out} "
_LEARN = (
    "--shards {folder}/target.shard_0000.h5ad {folder}/source.shard_0000.h5ad --libraries {folder}/target.library.json "
)
_LEARN += "{folder}/source.library.json --compounds {folder}/target.compounds.tsv {folder}/source.compounds.tsv "
_LEARN += "--searched target --device cpu --out {out}"

SCENES = {
    "check": Scene("inputs", _CHECK),
    "check more": Scene(
        "inputs",
        _CHECK + " --orthologs {folder}/orthologs.tsv --indications {folder}/indications.tsv"
        " --sensitivity {folder}/sensitivity.tsv",
        references=("r,reference.gctx,gctx,both,,siginfo.txt,geneinfo.txt,compoundinfo.txt,,,",),
    ),
    "check gct": Scene("inputs", _CHECK, ("r,reference.gct,gct,search,,siginfo.txt,,,,,",)),
    "check pairs": Scene("inputs", _CHECK, ("r,up.gmt,gmt,search,down.gmt,,,,,,",)),
    "check signatures": Scene("inputs", _CHECK, ("r,signatures.h5ad,signatures,search,,,,,,,",)),
    "check atlas": Scene("inputs", _CHECK, ("r,atlas.h5ad,cells,search,,,,,,,",)),
    "check table": Scene("inputs", _CHECK, ("r,plain.tsv,table,search,,siginfo.txt,,,,,",)),
    "check parquet": Scene("inputs", _CHECK, ("r,plain.parquet,table,search,,siginfo.txt,,,,,",)),
    "check library": Scene("inputs", _CHECK, ("lib,lib.library.json,library,both,,,,,,,",)),
    "check de": Scene("inputs", _CHECK, samples=("dataset,path", "mine,de.csv")),
    "check rnk": Scene("inputs", _CHECK, samples=("dataset,path", "mine,list.rnk")),
    "check sets": Scene("inputs", _CHECK, samples=("dataset,path", "mine,sets.gmt")),
    "check grp": Scene("inputs", _CHECK, samples=("dataset,path,path_down", "mine,up.grp,down.grp")),
    "build": Scene("inputs", _BUILD + "--path {folder}/reference.gctx --siginfo {folder}/siginfo.txt"),
    "derive": Scene("inputs", _DERIVE + "--sample {folder}/mine.sample.json --cells {folder}/de.csv"),
    "derive cells": Scene("inputs", _DERIVE + "--sample {folder}/demo.sample.json --cells {folder}/cells.h5ad"),
    "score": Scene(
        "run",
        "score_connectivity --signatures {folder}/d.signatures.h5ad --shard {folder}/lib.shard_0000.h5ad --methods cosine"
        " --headline cosine --random-queries 0 --device cpu --out {out}",
    ),
    "score space": Scene(
        "run",
        "score_connectivity --signatures {folder}/d.signatures.h5ad --shard {folder}/lib.shard_0000.h5ad --headline cosine"
        " --methods cosine,embedding --embedding {folder}/run.embedding.json --random-queries 0 --device cpu --out {out}",
    ),
    "rank": Scene(
        "run",
        "rank_drugs --signatures {folder}/d.signatures.h5ad --scores {folder}/lib.shard_0000.scores.parquet --methods cosine"
        " --headline cosine --reference-queries {folder}/lib.shard_0000.reference_queries.parquet --out {out}",
    ),
    "edges": Scene(
        "run",
        "find_leading_edges --shard {folder}/lib.shard_0000.h5ad --signatures {folder}/d.signatures.h5ad"
        " --drugs {folder}/d.drugs.parquet --n-genes 20 --out {out}",
    ),
    "pair": Scene(
        "run",
        "pair_drugs --drugs {folder}/d.drugs.parquet --edges {folder}/lib.shard_0000.leading_edges.parquet"
        " --genes {folder}/lib.shard_0000.query_genes.parquet --out {out}",
    ),
    "embed": Scene(
        "run",
        "embed_signatures --embedding {folder}/run.embedding.json --signatures {folder}/d.signatures.h5ad"
        " --shards {folder}/lib.shard_0000.h5ad --out {out}",
    ),
    "train": Scene("run", "train_embedding " + _LEARN),
    "validate": Scene("run", "validate_methods --methods spearman --queries 20 " + _LEARN),
    "any scores": Scene(
        "run", "validate_methods --scores {folder}/scores.tsv --labels {folder}/labels.tsv --out {out}"
    ),
    "notebook": Scene(
        "run",
        "run_notebook --notebook {folder}/page.ipynb --parameters {folder}/parameters.json --out {out}/done.ipynb",
    ),
    "report": Scene(
        "run",
        "build_report --book {root}/report --notebooks {folder}/01_overview.ipynb --results {folder}/run.params.json"
        " --report-logo {folder}/logo.svg --out {out}/report",
    ),
}
