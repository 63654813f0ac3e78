"""The plan of a large run (tools/plan_run.py): unit costs solved, tasks placed, in step with the workflow."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest

GROWING = ("BUILD_REFERENCE", "SCORE_CONNECTIVITY", "RANK_DRUGS", "FIND_LEADING_EDGES", "PAIR_DRUGS")


@pytest.fixture(scope="module")
def plan(root):
    spec = importlib.util.spec_from_file_location("plan_run", root / "tools" / "plan_run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["plan_run"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def units(plan):
    """Every stage: 5 s to start, 1 ms a signature, 2 s a population, 0.1 ms a pair of them; 1 GB, 10 kB a signature."""
    sizes = ((1000, 10), (3000, 10), (1000, 20), (3000, 20))
    cost = {
        "cpu_s": [5 + 1e-3 * n + 2 * q + 1e-4 * n * q for n, q in sizes],
        "gb": [1 + 1e-5 * n for n, _ in sizes],
    }
    return plan.Units(
        {"n_genes": 9, "signatures": [1000, 3000], "populations": [10, 20], "stages": dict.fromkeys(GROWING, cost)}
    )


def test_unit_costs_are_solved_from_three_sizes(units):
    assert units.parts("RANK_DRUGS", "cpu_s") == pytest.approx((5, 1e-3, 2, 1e-4))
    task = units.task("RANK_DRUGS", 100_000, 50)
    assert task.cpu_s == pytest.approx(5 + 100 + 2 * 50 + 500) and task.gb == pytest.approx(2)
    assert units.task("BUILD_REFERENCE", 100_000, 0, shard_size=10_000).gb == pytest.approx(1.1)


def test_every_shard_and_data_set_is_a_task(plan, units):
    tasks = plan.tasks_of(units, signatures=25_000, queries=30, shard_size=10_000, datasets=3)
    count = {stage: sum(task.stage == stage for task in tasks) for stage in plan.AFTER}
    assert count["SCORE_CONNECTIVITY"] == count["FIND_LEADING_EDGES"] == 3 and count["RANK_DRUGS"] == 3
    scored = sorted(task.cpu_s for task in tasks if task.stage == "SCORE_CONNECTIVITY")
    assert scored == pytest.approx([5 + 5 + 60 + 15, 5 + 10 + 60 + 30, 5 + 10 + 60 + 30])


def test_tasks_are_placed_on_the_processors_there_are(plan):
    tasks = [plan.Task("FIND_LEADING_EDGES", 10, 1)] * 5 + [plan.Task("PAIR_DRUGS", 7, 1)]
    tasks += [plan.Task(stage, 0, 0) for stage in plan.AFTER if stage not in ("FIND_LEADING_EDGES", "PAIR_DRUGS")]
    ends = {task.stage: end for task, _, end in plan.schedule(tasks, cpus=2, overhead_s=0)}
    assert ends["PAIR_DRUGS"] == 3 * 10 + 7  # three rounds of two, then what waits for all of them
    placed = plan.schedule([plan.Task(stage, 1, 1) for stage in plan.AFTER], cpus=1, overhead_s=1)
    assert max(end for *_, end in placed) == 2 * len(plan.AFTER)  # also where a task asks for more than there is


def test_the_plan_knows_the_workflow(plan, root):
    modules = {path.parent.name.upper(): path.read_text() for path in (root / "modules").glob("*/main.nf")}
    assert set(plan.AFTER) == set(plan.CPUS) == set(modules)
    base = (root / "conf" / "base.config").read_text()
    cpus = {label: int(n) for label, n in re.findall(r"withLabel: (\w+) \{\s+cpus\s+= \{ (\d+) \}", base)}
    for stage, text in modules.items():
        assert plan.CPUS[stage] == cpus[re.search(r"label '(process_\w+)'", text)[1]], stage


def test_the_plan_is_printed_and_written(root, tmp_path):
    command = [sys.executable, root / "tools" / "plan_run.py", "--trace", tmp_path / "plan.tsv", "--price", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SCORE_CONNECTIVITY      120" in done.stdout and set(GROWING) <= set(json.loads(
        (root / "tools" / "units.json").read_text())["stages"])  # fmt: skip
    assert len((tmp_path / "plan.tsv").read_text().splitlines()) > 250
    lost = subprocess.run([*command, "--units", "lost.json"], capture_output=True, text=True)
    assert lost.returncode == 2 and "there is no file lost.json" in lost.stderr and "Traceback" not in lost.stderr
