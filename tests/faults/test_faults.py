"""Runs that are disturbed in every stage, and resumed: the results are those of a run that nobody disturbed."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults_compare import crate_checksums, published, same
from faults_plan import FAULTS, HALF_PUBLISHED, PROCESSES, RUNS, SECOND, SIGNATURES, Fault
from faults_site import Outcome, Site

pytestmark = [
    pytest.mark.nextflow,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("TEST_FAULTS"), reason="a quarter of an hour: make test-faults runs it"),
]


@dataclass(frozen=True)
class Story:
    """What happened: the site, the results of the undisturbed run, and every other run."""

    site: Site
    undisturbed: Path
    outcomes: list[Outcome]

    def run_of(self, fault: Fault) -> int:
        """Number of the run in which a fault was to strike first."""
        return next(n for n, run in enumerate(RUNS) if fault in (*run.faults, *(step[1] for step in run.before)))


@pytest.fixture(scope="module")
def story(make_project, nextflow):
    """All runs, one after the other; each resumes the one before, whatever became of it."""
    site = Site(make_project(), nextflow)
    began = time.monotonic()
    first = site.finish(site.start("-w", "undisturbed"), "undisturbed")
    assert first.status == 0, first.said
    print(f"\nundisturbed: {time.monotonic() - began:.0f} s")
    site.results.rename(site.project / "reference")
    outcomes = []
    try:
        for number, run in enumerate(RUNS):
            began = time.monotonic()
            for fault in run.faults:
                site.arm(FAULTS.index(fault), fault)
            steps = {step[0]: step[1:] for step in run.before}
            twice = steps.pop("call_twice", None)
            for name, (fault, *rest) in steps.items():
                getattr(site, name)(fault, *(rest or outcomes[-1:]))
            process = site.start(*run.options, *(["-resume"] if number else []))
            if twice:
                site.call_twice(*twice, process)
            outcomes.append(site.finish(process, f"{number:02d}"))
            site.unmount()
            print(f"run {number + 1}: status {outcomes[-1].status}, {time.monotonic() - began:.0f} s")
        yield Story(site, site.project / "reference", outcomes)
    finally:
        site.unmount()
        end_of(site.project)


def end_of(project: Path) -> None:
    """End the tasks that a dead launcher left behind: whatever still works in the project's folder."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(project):
                os.kill(int(entry.name), 9)
        except OSError:
            continue


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_every_run_ended_as_its_faults_demand(story, number):
    outcome = story.outcomes[number]
    assert outcome.status == RUNS[number].status, outcome.said
    assert "Traceback" not in outcome.said


def test_there_are_enough_faults_in_every_stage():
    assert len(FAULTS) >= 20 and len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert {fault.process for fault in FAULTS} == set(PROCESSES)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.how], ids=lambda fault: fault.name)
def test_the_fault_struck_its_task(story, fault):
    """The task's folder is known from strike.py, so its row in the trace is found, and the exit status there."""
    struck = story.site.struck(FAULTS.index(fault), fault)
    assert struck, "it never struck"
    if half := fault.how.get("half"):
        assert any(Path(name).match(half.split("/")[0]) for name in struck["there"])
    place = "/".join(Path(struck["folder"]).parts[-2:])
    rows = [
        (row.status, row.exit)
        for outcome in story.outcomes
        for row in outcome.trace.itertuples()
        if place.startswith(row.hash)
    ]
    if fault.exit is None:  # the launcher died: whatever its last trace says, the task was not completed
        assert all(status not in ("COMPLETED", "CACHED") for status, _ in rows)
    else:
        assert ("FAILED", str(fault.exit)) in rows


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.said], ids=lambda fault: fault.name)
def test_the_user_is_told(story, fault):
    said = [outcome.said for outcome in story.outcomes[story.run_of(fault) :]]
    if fault is SECOND:
        status, text = story.site.saw[fault.name]
        assert status != 0
        said = [text]
    if struck := story.site.struck(FAULTS.index(fault), fault):
        # of a task that is tried again Nextflow prints no more than the exit status
        said.append((Path(struck["folder"]) / ".command.err").read_text())
    assert any(re.search(fault.said, text) for text in said), said[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_was_recovered_from(story, fault):
    """In the last run every task of the process is done, and none of them in the folder that was struck."""
    trace = story.outcomes[-1].trace
    mine = trace[trace["name"].str.split().str[0] == fault.process]
    assert len(mine) and mine["status"].isin(["COMPLETED", "CACHED"]).all()
    struck = story.site.struck(FAULTS.index(fault), fault)
    if struck:
        assert not any("/".join(Path(struck["folder"]).parts[-2:]).startswith(name) for name in mine["hash"])


def test_half_a_published_file_was_replaced(story):
    after = story.outcomes[story.run_of(HALF_PUBLISHED)].results
    assert same(after / SIGNATURES, story.undisturbed / SIGNATURES)


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_nothing_half_written_was_published(story, number):
    """What lay in the results right after a run is what lies there in the end.

    Two exceptions: the versions are those of the stages that ran so far, and a file that was cut off in work/ after its task is
    copied so by the run that refuses it.
    """
    allowed = {step[-1] for step in RUNS[number].before if step[0] == "cut_off"}
    for name, path in published(story.outcomes[number].results).items():
        if name.endswith("software_versions.tsv"):
            assert set(path.read_text().splitlines()) <= set((story.undisturbed / name).read_text().splitlines())
        elif path.name not in allowed:
            assert same(path, story.undisturbed / name), name


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_the_crate_lists_what_lies_there(story, number):
    """Where a launcher lives to write it; one that is killed leaves the crate of the run before, or none."""
    outcome = story.outcomes[number]
    if "Writing down how the run was made" not in outcome.said:
        assert RUNS[number].status != 0
        return
    listed = crate_checksums(outcome.results)
    assert listed and all(
        hashlib.sha256((outcome.results / name).read_bytes()).hexdigest() == digest for name, digest in listed.items()
    )


def test_the_results_are_those_of_an_undisturbed_run(story):
    mine, theirs = published(story.outcomes[-1].results), published(story.undisturbed)
    assert set(mine) == set(theirs)
    assert set(crate_checksums(story.outcomes[-1].results)) == set(crate_checksums(story.undisturbed))
    other = {name for name in theirs if mine[name].read_bytes() != theirs[name].read_bytes()}
    print(f"\n{len(theirs)} files, of which not byte for byte: {sorted(other)}")
    assert all(Path(name).suffix in (".ipynb", ".html") or Path(name).name == "report.zip" for name in other)
    assert not [name for name in other if not same(mine[name], theirs[name])]
