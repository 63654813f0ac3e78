"""Files that are whole or not there; errors of the system, whoever passes them on."""

import errno
import multiprocessing
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
from tests.conftest import make_sets

from scperturb_cmap.io import parquet, schemas
from scperturb_cmap.io.json_files import read_json
from scperturb_cmap.io.signature_set import read_about, read_rows, read_signature_set, write_signature_set
from scperturb_cmap.io.wide_scores import WideScores, wide_scores_writer
from scperturb_cmap.report.bundle import write_zip
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.utils.files import DISK_FULL, OUT_OF_MEMORY, made_again, system_error, whole_file
from scperturb_cmap.utils.provenance import write_json

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(RANDOM.normal(size=(4000, 4)), columns=list("abcd"))
CONTRACT = pa.DataFrameSchema({column: pa.Column(float) for column in TABLE})


@contextmanager
def small_files():
    """No file may be larger than 8 kB, as if the disk were full; numbers that do not compress are larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_parts(path):
    with parquet.parquet_writer(pyarrow.Schema.from_pandas(TABLE), path) as writer:
        for _ in range(3):
            writer.write_table(pyarrow.Table.from_pandas(TABLE))


def write_wide(path):
    with wide_scores_writer(list(TABLE), path) as write:
        write("reference", TABLE)


WRITERS = {
    "a.tsv": lambda path: schemas.write_table(TABLE, CONTRACT, path),
    "a.parquet": lambda path: schemas.write_table(TABLE, CONTRACT, path),
    "b.parquet": write_parts,
    "c.parquet": write_wide,
    "a.h5ad": lambda path: write_signature_set(make_sets(TABLE.to_numpy(), TABLE.to_numpy())[0], path),
    "a.json": lambda path: write_json({"x": TABLE["a"].tolist()}, path),
    "a.zip": lambda path: write_zip(path, {"x": RANDOM.bytes(40_000).hex()}),
}


def told_without_room(path, answer):
    """In a process of its own, for HDF5 is of no use afterwards: what is raised where files may not be large."""
    try:
        with small_files():
            WRITERS[path.name](path)
    except OSError as error:
        answer.send((error.errno, error.filename))
    finally:
        os._exit(0)


@pytest.mark.parametrize("name", WRITERS)
def test_without_room_there_is_no_file_and_the_error_names_it(tmp_path, name):
    forked = multiprocessing.get_context("fork")
    told, answer = forked.Pipe(duplex=False)
    process = forked.Process(target=told_without_room, args=(tmp_path / name, answer))
    process.start()
    assert told.poll(60) and told.recv() == (errno.EFBIG, name)
    process.join()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_with_room_there_is_the_file_alone(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_stays_as_it_was_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ValueError, match="mine"), whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("ne")
        raise ValueError("mine")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_errors_of_the_system_are_found_behind_others():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    outer = RuntimeError("closing failed")
    outer.__cause__ = full
    assert system_error(full, DISK_FULL) == system_error(outer, DISK_FULL) == errno.ENOSPC
    assert system_error(np._core._exceptions._ArrayMemoryError((9,), np.dtype(float)), OUT_OF_MEMORY)
    assert system_error(pyarrow.ArrowMemoryError("malloc of size 7 failed"), OUT_OF_MEMORY)
    assert system_error(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), OUT_OF_MEMORY)
    assert not system_error(OSError(errno.ENOENT, "No such file"), DISK_FULL) and not system_error(full, OUT_OF_MEMORY)


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.parquet", parquet.read_parquet),
        ("c.parquet", lambda path: WideScores([path]).keys()),
        ("a.h5ad", read_signature_set),
        ("a.h5ad", read_about),
        ("a.h5ad", lambda path: read_rows(path, ["sig0"])),
        ("a.json", read_json),
    ],
)
def test_what_was_cut_off_is_refused_by_name(tmp_path, name, read, part):
    """In a task's folder the message says which one has to go, since Nextflow takes for done what is there."""
    task = tmp_path / "work" / "ab" / "cdef"
    task.mkdir(parents=True)
    (task / ".command.run").touch()
    WRITERS[name](task / name)
    whole = (task / name).read_bytes()
    (task / name).write_bytes(whole[: int(part * len(whole))])
    (tmp_path / name).symlink_to(task / name)  # as a later task gets it
    with pytest.raises(InputError, match=f"^{name}: .*(cut off|damaged|empty)") as caught:
        read(tmp_path / name)
    assert part == 0 or f"Delete {task}" in str(caught.value)


def test_a_damaged_part_inside_is_refused_too(tmp_path):
    write_wide(tmp_path / "c.parquet")
    raw = bytearray((tmp_path / "c.parquet").read_bytes())
    middle = len(raw) // 2
    raw[middle - 20_000 : middle + 20_000] = bytes(40_000)
    (tmp_path / "c.parquet").write_bytes(raw)
    scores = WideScores([tmp_path / "c.parquet"])
    for read in (scores.columns, scores.rows):
        with pytest.raises(InputError, match=r"^c\.parquet: It is no readable Parquet file"):
            list(read())


def test_without_a_task_it_is_simply_made_again(tmp_path, monkeypatch):
    (tmp_path / ".command.run").touch()
    monkeypatch.chdir(tmp_path)  # what a task made itself
    assert made_again(Path("a.h5ad")) == "Make it again."


@pytest.mark.parametrize(("named", "kept"), [("./.numba", False), ("/site/numba", True)])
def test_tasks_of_a_run_share_what_numba_compiled_unless_a_site_names_a_folder(tmp_path, monkeypatch, named, kept):
    from scperturb_cmap.utils import cli

    task = tmp_path / "ab" / "cdef"
    task.mkdir(parents=True)
    monkeypatch.setenv("NUMBA_CACHE_DIR", named)
    cli._share_compiled_code(task)
    assert os.environ["NUMBA_CACHE_DIR"] == named  # this is no task of Nextflow
    (task / ".command.run").touch()
    cli._share_compiled_code(task)
    assert os.environ["NUMBA_CACHE_DIR"] == (named if kept else str(tmp_path / "numba"))


def test_tasks_share_the_work_folder_where_it_can_be_written_to(tmp_path, monkeypatch):
    from scperturb_cmap.utils.cli import run_folder

    task = tmp_path / "ab" / "cdef"
    task.mkdir(parents=True)
    assert run_folder(task) is None
    (task / ".command.run").touch()
    assert run_folder(task) == tmp_path
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert run_folder(task) is None
