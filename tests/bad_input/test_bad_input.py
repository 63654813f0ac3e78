"""Every damaged input stops with the message it must give, or is told: no traceback, no half-written file, no wrong result."""

import shutil
from collections import Counter

import pytest
import rows_cells
import rows_options
import rows_references
import rows_sheets
import rows_stages
import rows_tables
from valid_inputs import write_inputs, write_run

from bad_input import SCENES, Row

ROWS: list[Row] = [
    row
    for part in (rows_sheets, rows_cells, rows_references, rows_tables, rows_stages, rows_options)
    for row in part.ROWS
]

#: Those that take seconds on whole inputs; their own tests run them.
SLOW = {"notebook", "report", "validate", "train", "derive cells", "embed"}


@pytest.fixture(scope="module")
def materials(demo, tmp_path_factory):
    """Valid inputs, written once and copied for every row."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("inputs", "run")}
    write_inputs(demo, folders["inputs"])
    write_run(folders["run"])
    return folders


@pytest.fixture
def play(materials, stage, tmp_path, monkeypatch):
    """Run a scene on a damaged copy of its inputs: exit status, what was said, the folder of results."""

    def run(scene, damage=None):
        folder = shutil.copytree(materials[scene.material], tmp_path / "in")
        out = tmp_path / "out"
        out.mkdir()
        monkeypatch.chdir(tmp_path)
        scene.prepare(folder)
        more = damage(folder) if damage else None
        name, arguments = scene.arguments(folder, out)
        status, said = stage(name, *arguments, *(more or []))
        return status, said, out

    return run


@pytest.mark.parametrize("name", sorted(set(SCENES) - SLOW))
def test_what_is_whole_is_taken(play, name):
    status, said, out = play(SCENES[name])
    assert status == 0, said
    assert list(out.iterdir()) and not list(out.glob("*.partial"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_bad_input(play, row):
    status, said, out = play(SCENES[row.scene], row.damage)
    assert "Traceback" not in said
    written = sorted(path.name for path in out.iterdir())
    if row.told:
        assert status == 0, said
        said += "".join(path.read_text() for path in out.iterdir() if path.suffix in (".json", ".tsv"))
    else:
        assert status in (1, 2), f"It was taken, and gave {written}"
        assert not written, "Something was left behind"
    for part in row.said:
        assert part in said, said


def test_the_suite_is_what_it_says():
    """At least 120 rows, each once, over every kind of input, each with a message."""
    assert len(ROWS) >= 120
    assert not [name for name, n in Counter(row.id for row in ROWS).items() if n > 1]
    assert all(row.said for row in ROWS)
    assert {row.scene for row in ROWS} == set(SCENES)
