"""Every stage: instant help, a version, choices that equal the schema's, errors as sentences."""

import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from tests.conftest import make_sets

from scperturb_cmap.io.signature_set import write_signature_set
from scperturb_cmap.utils.cli import base_parser, run

STAGES = [
    "check_inputs",
    "derive_signatures",
    "build_reference",
    "train_embedding",
    "embed_signatures",
    "validate_methods",
    "score_connectivity",
    "rank_drugs",
    "find_leading_edges",
    "pair_drugs",
    "run_notebook",
    "build_report",
]


@pytest.mark.parametrize("name", STAGES)
def test_help_is_instant(root, name):
    def used() -> float:  # CPU time, which other work on the machine does not lengthen by much
        mine = resource.getrusage(resource.RUSAGE_CHILDREN)
        return mine.ru_utime + mine.ru_stime

    start = used()
    done = subprocess.run([sys.executable, root / "bin" / f"{name}.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and used() - start < 1.5
    assert "torch" not in done.stderr and len(done.stdout.splitlines()) > 5


def test_defaults_and_choices_equal_the_schema(root):
    groups = json.loads((root / "nextflow_schema.json").read_text())["$defs"].values()
    schema = {name: about for group in groups for name, about in group["properties"].items()}
    seen = set()
    for name in STAGES:
        text = subprocess.run(
            [sys.executable, root / "bin" / f"{name}.py", "--help"], capture_output=True, text=True
        ).stdout
        for flag, choices, default in re.findall(
            r"--([a-z-]+) (?:[A-Z_ ]+|\{([^}]*)\})[^-]*?\(default: ([^)]*)\)", re.sub(r"\s+", " ", text)
        ):
            about = schema.get(flag.replace("-", "_"))
            if not about or "default" not in about or about.get("format"):
                continue
            seen.add(flag)
            # a stage alone has no space, so no score by it either, and no validation that chose one
            wanted = str(about["default"]).removesuffix(",embedding")
            wanted = "spearman" if flag == "headline" and name != "validate_methods" else wanted
            assert default == wanted, f"{name} --{flag}"
            assert not choices or choices.split(",") == about["enum"], f"{name} --{flag}"
    assert {"min-cells", "min-donors", "shard-size", "n-genes", "device", "headline"} <= seen


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (MemoryError("Unable to allocate 3 GiB"), 137, r"\S+: Out of memory: Unable to allocate 3 GiB"),
        (MemoryError(), 137, r"\S+: Out of memory: an allocation failed"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 137, r"\S+: Out of memory: .*"),
        (OSError(28, "No space left on device", "a.tsv"), 1, r"a\.tsv: No space left on device, in /.* -resume\."),
        (OSError(27, "File too large", "a.tsv"), 1, r"a\.tsv: File too large, in /.* \(ulimit -f\), .* -resume\."),
        (RuntimeError("Can't close (error message = 'Disk quota exceeded')"), 1, r"\S+: Disk quota exceeded, in .*"),
    ],
)
def test_trouble_of_the_machine_is_one_sentence(capsys, error, status, sentence):
    def stage(args):
        raise error

    assert run(base_parser("A stage."), stage, []) == status
    assert re.fullmatch(sentence, capsys.readouterr().err.strip())


def test_hdf5_neither_crashes_nor_babbles_where_the_disk_is_full(root, tmp_path):
    """It does both while the process ends, unless it is kept from it; a crash would be tried again, in vain."""
    script = tmp_path / "some_stage.py"
    script.write_text("""import resource, sys
import anndata, numpy
from scperturb_cmap.io.signature_set import write_signature_set
from scperturb_cmap.utils.cli import base_parser, run

def stage(args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    write_signature_set(anndata.AnnData(numpy.random.default_rng(0).normal(size=(200, 2000))), "a.h5ad")

sys.exit(run(base_parser("A stage."), stage))
""")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root / "bin")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"a\.h5ad: File too large, in .* -resume\.", done.stderr.strip())


def test_other_trouble_is_a_fault_of_the_program():
    def stage(args):
        raise FileNotFoundError(2, "No such file or directory", "a.tsv")

    with pytest.raises(FileNotFoundError):
        run(base_parser("A stage."), stage, [])


@pytest.mark.parametrize("content", [b"", b"<html>", b"no h5ad"])
def test_a_broken_signature_set_is_named(stage, tmp_path, content):
    broken = tmp_path / "broken.h5ad"
    broken.write_bytes(content)
    status, said = stage("score_connectivity", "--signatures", broken, "--shard", broken, "--out", tmp_path)
    assert status == 1 and "broken.h5ad" in said and "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["broken.h5ad"]


def test_unknown_methods_are_named(stage, tmp_path):
    status, said = stage(
        "score_connectivity", "--signatures", "a", "--shard", "b", "--methods", "cosine,magic", "--out", tmp_path
    )
    assert status == 1 and "magic is not known" in said and "wtcs" in said
    status, said = stage(
        "rank_drugs", "--signatures", "a", "--scores", "b", "--methods", "cosine", "--headline", "wtcs"
    )
    assert status == 1 and "'wtcs' is not among" in said


def test_the_embedding_needs_a_space(stage, tmp_path):
    status, said = stage("score_connectivity", "--signatures", "a", "--shard", "b", "--methods", "cosine,embedding")
    assert status == 1 and "needs a learned space" in said and "--embedding" in said


def test_without_random_queries_pairs_have_no_p_value(stage, tmp_path):
    rng = np.random.default_rng(0)
    shard, queries = make_sets(rng.normal(size=(4, 90)), rng.normal(size=(1, 90)))
    shard.obs["tas"] = 0.5
    write_signature_set(shard, tmp_path / "lib.shard_0000.h5ad")
    write_signature_set(queries, tmp_path / "d.signatures.h5ad")
    status, said = stage(
        "score_connectivity", "--signatures", tmp_path / "d.signatures.h5ad", "--shard", tmp_path / "lib.shard_0000.h5ad",
        "--random-queries", 0, "--device", "cpu", "--out", tmp_path,
    )  # fmt: skip
    assert status == 0, said
    table = pd.read_parquet(tmp_path / "lib.shard_0000.scores.parquet")
    assert table["wtcs"].notna().all() and table["p_value"].isna().all()
