"""What profiles make of every process: images, conda environments, resources and GPU options, by executor and engine.

Executors and engines that this machine lacks are played by small scripts that write down how they were called and then run
the task; clouds need plugins, so their configuration alone is read.
"""

import json
import re
import subprocess

import pytest

pytestmark = pytest.mark.nextflow
IMAGE_OF = {
    "CHECK_INPUTS": "core",
    "DERIVE_SIGNATURES": "core",
    "BUILD_REFERENCE": "core",
    "TRAIN_EMBEDDING": "torch",
    "VALIDATE_METHODS": "torch",
    "SCORE_CONNECTIVITY": "torch",
    "EMBED_SIGNATURES": "torch",
    "RANK_DRUGS": "core",
    "FIND_LEADING_EDGES": "torch",
    "PAIR_DRUGS": "core",
    "RUN_NOTEBOOK": "report",
    "BUILD_REPORT": "report",
}
ON_GPU = {"TRAIN_EMBEDDING", "SCORE_CONNECTIVITY", "VALIDATE_METHODS"}
TWO_CORES = ON_GPU | {"DERIVE_SIGNATURES", "EMBED_SIGNATURES", "RANK_DRUGS"}
#: GB by process, as the test profile caps them; the others have 4.
MEMORY = dict.fromkeys(TWO_CORES | {"BUILD_REFERENCE"}, 6)
#: Runs the job's script at once, in the place of LSF.
BSUB = """#!/bin/bash
script=$(mktemp)
cat >"$script"
bash "$script" >/dev/null 2>&1
echo "Job <$$> is submitted to default queue <normal>."
"""
BJOBS = "#!/bin/bash\nexit 0\n"
#: Pulls and runs images in the place of Apptainer: the command comes after the image.
APPTAINER = """#!/bin/bash
echo "$@" >>"$CALLS"
if [ "$1" = pull ]; then
    while [ $# -gt 2 ]; do shift; done
    touch "$1"
    exit
fi
while [ "${1##*.}" != img ] && [ "${1##*.}" != sif ]; do shift; done
shift
exec "$@"
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)


def task_scripts(run):
    """The launch script of every task, by process."""
    scripts = {}
    for number, name in zip(run.trace["hash"], run.trace["name"], strict=True):
        folder = next((run.outdir.parent / "work").glob(f"{number}*"))
        scripts.setdefault(name.split()[0], []).append((folder / ".command.run").read_text())
    assert set(scripts) == set(IMAGE_OF)
    return scripts


def test_lsf_gets_every_request(make_project, run_pipeline, nextflow, tmp_path):
    executable(tmp_path / "bsub", BSUB)
    executable(tmp_path / "bjobs", BJOBS)
    quick = "executor { pollInterval = '1 sec'; queueStatInterval = '1 sec' }\n"
    (tmp_path / "site.config").write_text(quick + "process.resourceLimits = [cpus: 2, memory: 6.GB, time: 1.h]\n")
    options = ("-profile", "test,lsf,gpu", "-stub-run", "-c", tmp_path / "site.config")
    run = run_pipeline(make_project(), *options, PATH=f"{tmp_path}:{nextflow['PATH']}")
    assert run.status == 0, run.said
    for process, scripts in task_scripts(run).items():
        for script in scripts:
            assert "#BSUB -W 01:00" in script and f"rusage[mem={1024 * MEMORY.get(process, 4)}]" in script, process
            assert ("#BSUB -gpu num=1" in script) == (process in ON_GPU), process
            assert ("#BSUB -n 2" in script) == (process in TWO_CORES), process


@pytest.mark.parametrize("engine", ["apptainer", "singularity"])
def test_apptainer_gets_image_and_gpu(make_project, run_pipeline, nextflow, tmp_path, engine):
    executable(tmp_path / engine, APPTAINER)
    calls = tmp_path / "calls.txt"
    environment = {"PATH": f"{tmp_path}:{nextflow['PATH']}", "CALLS": str(calls)}
    run = run_pipeline(make_project(code=True), "-profile", f"test,{engine},gpu", "-stub-run", **environment)
    assert run.status == 0, run.said
    for process, scripts in task_scripts(run).items():
        for script in scripts:
            image = f"scperturb-cmap-{IMAGE_OF[process]}-"
            assert re.search(rf"{engine} exec .*{image}", script), process
            assert (" --nv " in script) == (process in ON_GPU), process
    assert calls.read_text().count("pull ") == 3


@pytest.mark.parametrize("profile", ["docker", "slurm,podman", "awsbatch", "googlebatch", "k8s"])
def test_every_process_has_an_image(root, nextflow, tmp_path, profile):
    # the executors of clouds are plugins: their images are asked for without them
    (tmp_path / "site.config").write_text("process.executor = 'local'\n")
    command = [
        "nextflow",
        "-c",
        tmp_path / "site.config",
        "inspect",
        root,
        "-profile",
        f"test,{profile}",
        "-format",
        "json",
    ]
    done = subprocess.run(command, env=nextflow, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {part["name"]: part["container"] for part in json.loads(done.stdout)["processes"]}
    assert set(found) == set(IMAGE_OF)
    assert all(f"scperturb-cmap-{IMAGE_OF[process]}" in image for process, image in found.items())


@pytest.mark.parametrize(
    ("profile", "executor"),
    [("slurm", "slurm"), ("lsf", "lsf"), ("awsbatch", "awsbatch"), ("googlebatch", "google-batch"), ("k8s", "k8s")],
)
def test_configuration_of_executors(root, nextflow, profile, executor):
    command = ["nextflow", "config", root, "-profile", f"{profile},gpu", "-flat"]
    done = subprocess.run(command, env=nextflow, capture_output=True, text=True, check=True)
    flat = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    assert flat["process.executor"] == f"'{executor}'"
    assert flat["process.'withLabel:process_gpu'.accelerator"] == "1"
    # images are run by a user who is not root, and folders of tasks are root's there
    assert flat.get("process.containerOptions") == ("'--user root'" if profile == "googlebatch" else None)
    assert ("'google-batch' ? '--user root'" in done.stdout) and flat.get("k8s.runAsUser") == (
        "0" if profile == "k8s" else None
    )
    copied = flat.get("process.'withName:BUILD_REFERENCE'.ext.args")
    assert copied == ("'--copy-files'" if profile == "googlebatch" else None)


def test_conda_environments_hold_the_images_pins(root):
    pins = set(re.findall(r"^([\w.-]+==[^\s;]+)", (root / "containers" / "constraints.txt").read_text(), re.M))
    for image in ("core", "torch", "report"):
        listed = re.findall(r"^      - ([^\s;]+)", (root / "containers" / image / "environment.yml").read_text(), re.M)
        assert len(listed) > 50 and set(listed) <= pins, image
        wanted = re.findall(r"^([\w-]+)", (root / "containers" / image / "requirements.txt").read_text(), re.M)
        assert {name.lower() for name in wanted} <= {pin.split("==")[0] for pin in listed}, image
