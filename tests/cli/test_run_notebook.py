"""One notebook, executed: parameters arrive, the library is found without a home, faults are sentences."""

import json
import os
import subprocess
import sys

import pytest


def notebook(path, *cells):
    """Write a notebook: its parameters, then code."""
    cells = [("results = '.'\nstandalone = True", ["parameters"]), *((source, []) for source in cells)]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{n}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for n, (source, tags) in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def execute(root, tmp_path):
    """Run the stage as a task does: in its folder, without a home, without the library on the path."""

    def run(path, parameters):
        (tmp_path / "p.json").write_text(json.dumps(parameters))
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTER", "IPYTHON", "PYTHONPATH"))
        }
        command = [
            sys.executable,
            root / "bin" / "run_notebook.py",
            "--notebook",
            path,
            "--parameters",
            "p.json",
            "--out",
            "done.ipynb",
        ]
        done = subprocess.run(command, cwd=tmp_path, env=env | {"HOME": "/nowhere"}, capture_output=True, text=True)
        return done.returncode, done.stderr

    return run


def test_parameters_arrive_and_the_library_is_there(execute, tmp_path):
    path = notebook(tmp_path / "one.ipynb", "import scperturb_cmap\nprint(results, standalone)")
    status, said = execute(path, {"results": "here"})
    assert status == 0, said
    done = json.loads((tmp_path / "done.ipynb").read_text())
    assert done["cells"][-1]["outputs"][0]["text"] == ["here False\n"]  # in the report, no page brings plotly along
    assert {p.name for p in tmp_path.iterdir()} == {"one.ipynb", "p.json", "done.ipynb", ".jupyter"}


def test_a_failing_cell_is_named_and_nothing_looks_finished(execute, tmp_path):
    status, said = execute(notebook(tmp_path / "one.ipynb", "x = 1", "raise ValueError('no drugs at all')"), {})
    assert status == 1 and "Traceback" not in said
    assert "one.ipynb, cell 3: It stopped with ValueError: no drugs at all." in said
    assert not (tmp_path / "done.ipynb").exists() and "done.unfinished.ipynb" in said


def test_a_killed_kernel_asks_for_more_memory(execute, tmp_path):
    status, said = execute(notebook(tmp_path / "one.ipynb", "import os; os.kill(os.getpid(), 9)"), {})
    assert status == 137 and "memory" in said and not (tmp_path / "done.ipynb").exists()


def test_a_cell_without_memory_asks_for_more(execute, tmp_path):
    status, said = execute(notebook(tmp_path / "one.ipynb", "x = 1", "raise MemoryError"), {})
    assert status == 137 and "Out of memory: one.ipynb, cell 3" in said and "Traceback" not in said


def test_a_full_disk_is_one_sentence(execute, tmp_path):
    said_by_cell = "import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))"
    status, said = execute(notebook(tmp_path / "one.ipynb", said_by_cell), {})
    assert status == 1 and "done.unfinished.ipynb: No space left on device" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (None, "The file does not exist"),
        ("{", "no valid JSON or YAML"),
        ("[1]", "no names with values"),
        ('{"reslts": "."}', "reslts: one.ipynb has no such parameter. Its parameters are results, standalone."),
    ],
)
def test_bad_parameters(stage, tmp_path, monkeypatch, parameters, message):
    monkeypatch.chdir(tmp_path)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, str(tmp_path))  # what the stage sets is undone after the test
    path = notebook(tmp_path / "one.ipynb")
    if parameters is not None:
        (tmp_path / "p.json").write_text(parameters)
    status, said = stage("run_notebook", "--notebook", path, "--parameters", "p.json", "--out", "done.ipynb")
    assert status == 1 and message in said and "Traceback" not in said


@pytest.mark.parametrize("content", [None, "", "<html>", '{"cells": 1}'])
def test_a_bad_notebook(stage, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "p.json").write_text("{}")
    if content is not None:
        (tmp_path / "one.ipynb").write_text(content)
    status, said = stage("run_notebook", "--notebook", "one.ipynb", "--parameters", "p.json", "--out", "done.ipynb")
    assert status == 1 and "one.ipynb" in said and "Traceback" not in said


def test_a_notebook_of_populations_makes_a_page_of_each(execute, tmp_path):
    (tmp_path / "kang.populations.tsv").write_text("dataset\tpopulation\nkang\tB/T; $(x)\nkang\t<b>\n")
    path = notebook(tmp_path / "n.ipynb", "print(dataset, population)")
    content = json.loads(path.read_text())
    content["cells"][0]["source"] = "results = '.'\ndataset = ''\npopulation = ''"
    content["metadata"]["report"] = {"each": "population"}
    path.write_text(json.dumps(content))
    status, told = execute(path, {"dataset": "kang"})
    assert status == 0 and "done.002.ipynb" in told  # progress, for there may be many
    said = [json.loads((tmp_path / f"done.00{n}.ipynb").read_text())["cells"][-1]["outputs"][0]["text"] for n in (1, 2)]
    assert said == [["kang B/T; $(x)\n"], ["kang <b>\n"]]
    assert not (tmp_path / "done.003.ipynb").exists() and not (tmp_path / "done.ipynb").exists()
