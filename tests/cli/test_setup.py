"""The set-up and the other shell tools, run in a copy of the project so that they never touch the real .venv."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
SCRIPTS = [*ROOT.glob("tools/*.sh"), ROOT / ".ci" / "run"]


@pytest.fixture
def project(tmp_path):
    """What the tools need of the project, and an empty bin/ for stand-ins."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "tools", folder / "tools")
    shutil.copytree(ROOT / "containers", folder / "containers")
    shutil.copytree(ROOT / "assets" / "real", folder / "assets" / "real")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "sed", "cat", "cksum", "rm", "mkdir", "mv"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return folder


def stand_in(project, name, script):
    path = project.parent / "bin" / name
    path.write_text(f"#!{BASH}\n{script}\n")
    path.chmod(0o755)


def run(project, script, *args, **env):
    """Run a tool that sees only the stand-ins."""
    return subprocess.run(
        [BASH, project / "tools" / script, *args],
        env={"PATH": str(project.parent / "bin"), **env},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_can_be_executed(script):
    assert subprocess.run([BASH, "-n", script]).returncode == 0
    assert os.access(script, os.X_OK)


def test_a_linked_environment_is_not_touched(project, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "finished").touch()
    (project / ".venv").symlink_to(tmp_path / "other")
    done = run(project, "setup.sh")
    assert done.returncode == 1 and ".venv is a link to another folder" in done.stderr
    assert (tmp_path / "other" / "finished").exists()


def test_missing_java_is_one_sentence(project):
    done = run(project, "setup.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("Set-up stopped. Nextflow needs Java 17 or newer. Install it")
    assert done.stderr.count("\n") == 1
    assert not (project / ".venv").exists()


@pytest.mark.parametrize(
    ("line", "version"), [('openjdk version "11.0.2" 2019-01-15', "11"), ('java version "1.8.0_402"', "8")]
)
def test_old_java_is_named(project, line, version):
    stand_in(project, "java", f"echo '{line}' >&2")
    done = run(project, "setup.sh")
    assert done.returncode == 1
    assert f"Java 17 or newer, and this is Java {version}." in done.stderr


def test_missing_python_is_one_sentence(project):
    stand_in(project, "java", "echo 'openjdk version \"17.0.15\"' >&2")
    stand_in(project, "python3", "exit 1")  # an older one fails the check of its version
    done = run(project, "setup.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("Set-up stopped. Python 3.11 or newer is needed.")
    assert done.stderr.count("\n") == 1


def test_uv_is_told_what_pip_knows():
    settings = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "https://main.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://more.example/simple",
        "PIP_FIND_LINKS": "/a /b",
        "PIP_CERT": "/certs/own bundle.pem",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))}
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "pip_to_uv.py"],
        env=kept | settings | {"UV_INDEX_STRATEGY": "first-index"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.splitlines()) == {
        "export UV_SYSTEM_CERTS=1",
        "export UV_PYTHON_DOWNLOADS=never",
        "export UV_DEFAULT_INDEX=https://main.example/simple",
        "export UV_INDEX=https://more.example/simple",
        "export UV_FIND_LINKS=/a,/b",
        "export SSL_CERT_FILE='/certs/own bundle.pem'",
    }


def test_real_run_without_data_is_one_sentence(project):
    done = run(project, "run_real.sh", REAL_DATA="nowhere")
    assert done.returncode == 1
    assert done.stderr == "There is no folder nowhere with the real data. Name it: make real REAL_DATA=/path/to/data\n"


def test_real_run_writes_sheets_and_calls_nextflow(project):
    stand_in(project, "nextflow", 'printf "%s\\n" "$@"')
    data = project.parent / "data"
    data.mkdir()
    done = run(project, "run_real.sh", "-resume", REAL_DATA=str(data))
    assert done.returncode == 0, done.stderr
    assert "-resume" in done.stdout.splitlines()
    with open(project / "results/real/input/samples.csv") as handle:
        samples = list(csv.DictReader(handle))
    assert [(s["dataset"], s["case"], s["control"]) for s in samples] == [
        ("kang2018_ifnb", "stim", "ctrl"),
        ("covid19_combat", "covid_critical", "healthy"),
    ]
    with open(project / "results/real/input/references.csv") as handle:
        reference, sets = csv.DictReader(handle)
    assert reference["path"] == f"{data}/lincs/l1000_consensus_drugbank_n1170x978.gctx"
    assert (reference["format"], reference["role"], reference["geneinfo"]) == ("gctx", "both", "")
    assert (sets["format"], sets["role"]) == ("gmt", "train") and sets["path_down"].startswith(f"{data}/cmap02/")


@pytest.mark.nextflow
@pytest.mark.skipif(shutil.which("nextflow") is None, reason="there is no nextflow on PATH")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    channel.of(1).view()", ""),
        ("    def unused = 1", "Warn  main.nf:2:9: Variable was declared but not used\n"),
        ("    channel.of(nothing).view()", "Error main.nf:2:16: `nothing` is not defined\n"),
    ],
    ids=["clean", "warning", "error"],
)
def test_lint_says_what_it_finds(tmp_path, body, said):
    (tmp_path / "main.nf").write_text(f"workflow {{\n{body}\n}}\n")
    done = subprocess.run([BASH, ROOT / "tools" / "nf_lint.sh", tmp_path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (said, "")
    assert done.returncode == (1 if said else 0)
