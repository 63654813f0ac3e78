"""The demo in Podman, through the Docker client, and on Slurm with Podman: `make test-images` builds what is needed.

No task has a network, each run is followed by one in which everything is cached, and the rankings are those of a run without
containers, byte for byte.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

import scperturb_cmap

pytestmark = [pytest.mark.nextflow, pytest.mark.container, pytest.mark.slow]
IMAGES = {name: f"scperturb-cmap-{name}:{scperturb_cmap.__version__}" for name in ("core", "torch", "report")}
PROFILES = ["podman", "docker", "slurm,podman"]
#: Slurm's usual intervals would double the time of a small run.
SITE = """
podman.runOptions = '--user 0:0 --network none'
docker.runOptions = '-u $(id -u):$(id -g) --network none'
executor { queueStatInterval = '2 sec'; pollInterval = '1 sec'; exitReadTimeout = '30 sec' }
// what numba compiled, for all three runs: the project's folder is seen in the containers
env.NUMBA_CACHE_DIR = "${projectDir}/numba"
"""


@pytest.fixture(scope="module")
def images(root):
    """Skips where the images are not built."""
    os.environ.setdefault("CONTAINERS_CONF", str(root / "tools" / "local" / "containers.conf"))
    for image in IMAGES.values():
        if not shutil.which("podman") or subprocess.run(["podman", "image", "exists", image]).returncode:
            pytest.skip(f"there is no image {image}: run `make test-images`")
    return IMAGES


def service(root, folder, script, stop):
    """Start a service of tools/local; yields the environment that its script prints."""
    try:
        done = subprocess.run([root / "tools" / "local" / script, folder], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield dict(line.split("=", 1) for line in done.stdout.splitlines())
    finally:  # also of a service that came up by half
        subprocess.run(stop, check=True)


@pytest.fixture(scope="module")
def docker(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("docker")
    yield from service(root, folder, "docker_socket.sh", ["bash", "-c", f"kill $(cat {folder}/service.pid) || true"])


@pytest.fixture(scope="module")
def slurm(root):
    # munge runs as a user of its own, who does not see into pytest's folders
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    yield from service(root, folder, "slurm.sh", [root / "tools" / "local" / "slurm.sh", "--stop", folder])
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def project(images, make_project):
    folder = make_project(code=True)
    (folder / "site.config").write_text(SITE)
    return folder


@pytest.fixture(scope="module", params=PROFILES)
def runs(request, project, run_pipeline):
    """The demo under a profile, and once more with -resume."""
    services = {"docker": "docker", "slurm": "slurm"}
    needed = [services[name] for name in request.param.split(",") if name in services]
    environment = {"CONTAINERS_CONF": os.environ["CONTAINERS_CONF"]}
    environment |= {key: value for name in needed for key, value in request.getfixturevalue(name).items()}
    name = request.param.replace(",", "_")
    options = [
        "-profile",
        f"test,{request.param}",
        "-c",
        "site.config",
        "-work-dir",
        f"work_{name}",
        "--outdir",
        f"results_{name}",
    ]
    first = replace(run_pipeline(project, *options, **environment), outdir=project / f"results_{name}")
    assert first.status == 0, first.said
    trace = first.trace
    again = run_pipeline(project, *options, "-resume", **environment)
    assert again.status == 0, again.said
    return request.param, first, trace, first.trace


def test_every_task_ran_where_it_should(runs):
    profile, run, trace, _again = runs
    engine = profile.split(",")[-1]
    assert set(trace["status"]) == {"COMPLETED"} and len(trace) > 15
    for number, name in zip(trace["hash"], trace["name"], strict=True):
        folder = next(run.outdir.with_name(run.outdir.name.replace("results", "work")).glob(f"{number}*"))
        script = (folder / ".command.run").read_text()
        assert f"{engine} run" in script and "--network none" in script, name
        assert any(image in script for image in IMAGES.values()), name
        assert ("#SBATCH" in script) == ("slurm" in profile), name


def test_a_second_run_is_all_cached(runs):
    _profile, _run, trace, again = runs
    assert set(again["status"]) == {"CACHED"} and len(again) == len(trace)


def test_rankings_are_those_of_a_run_without_containers(runs, demo_run):
    _profile, run, _trace, _again = runs
    files = sorted(path.name for path in (demo_run.outdir / "ranking").glob("*.tsv"))
    assert len(files) > 3
    for name in files:
        assert (run.outdir / "ranking" / name).read_bytes() == (demo_run.outdir / "ranking" / name).read_bytes(), name


def test_images_run_as_nobody_in_particular_and_hold_no_code_of_the_project(images):
    for name, image in images.items():
        inside = "id -u; command -v ps bash; python3 -c 'import scperturb_cmap' 2>&1 | tail -1"
        said = subprocess.run(
            ["podman", "run", "--rm", image, "bash", "-c", inside], capture_output=True, text=True
        ).stdout
        assert said.startswith("1000\n") and said.count("/bin/") == 2, name
        assert "No module named 'scperturb_cmap'" in said, name


def test_the_bill_of_materials_names_what_is_in_the_image(images, root):
    path = root / "results" / "images" / f"{images['core'].replace(':', '-')}.cdx.json"
    if not path.is_file():
        pytest.skip("the images were built elsewhere: run `make test-images`")
    bill = json.loads(path.read_text())
    versions = {part["name"].lower(): part["version"] for part in bill["components"]}
    pins = dict(
        line.split(" ;")[0].strip().split("==")
        for line in (root / "containers" / "constraints.txt").read_text().splitlines()
        if "==" in line.split(" ;")[0]
    )
    for package in ("anndata", "pydeseq2", "numba", "scanpy"):
        assert versions[package] == pins[package]
    assert "bash" in versions and "torch" not in versions
