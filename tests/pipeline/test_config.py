"""Configuration: lint, one list of parameters, an image and resources for every process, no shadowed modules."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
import yaml


def test_lint(root, nextflow):
    done = subprocess.run([root / "tools" / "nf_lint.sh"], env=nextflow, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema_and_config_name_the_same_parameters(root):
    groups = json.loads((root / "nextflow_schema.json").read_text())["$defs"].values()
    schema = {name: about for group in groups for name, about in group["properties"].items()}
    block = re.search(r"\nparams \{\n(.*?)\n\}", (root / "nextflow.config").read_text(), re.S)[1]
    config = dict(re.findall(r"^\s+(\w+)\s+= (.+)$", block, re.M))
    assert list(schema) == list(config)
    for name, about in schema.items():
        default = None if config[name] == "null" else config[name].strip("'")
        written = json.dumps(about.get("default")).strip('"')
        assert default == (written if "default" in about else None), name


def test_the_example_of_a_parameter_file_has_every_parameter(root):
    """Those that are commented out with their defaults."""
    groups = json.loads((root / "nextflow_schema.json").read_text())["$defs"].values()
    schema = {name: about for group in groups for name, about in group["properties"].items() if name != "help"}
    text = (root / "assets" / "params.example.yml").read_text()
    shown = yaml.safe_load("\n".join(re.findall(r"^# (\w+: .*)$", text, re.M)))
    assert set(yaml.safe_load(text)) | set(shown) == set(schema)
    for name in set(shown) & {name for name, about in schema.items() if "default" in about}:
        assert shown[name] == schema[name]["default"], name


def test_one_version(root):
    import scperturb_cmap

    config = (root / "nextflow.config").read_text()
    tags = set(re.findall(r":([\d.]+)'", (root / "conf" / "containers.config").read_text()))
    assert {re.search(r"version \s*= '([\d.]+)'", config)[1], *tags} == {scperturb_cmap.__version__}


def test_the_parameter_page_is_up_to_date(root):
    done = subprocess.run([sys.executable, root / "tools" / "make_docs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_of_dependencies_is_that_of_the_pins(root):
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (root / "containers" / "constraints.txt").read_text(), re.M)
    listed = re.findall(
        r"^\| ([\w.-]+) \| (\S+) \| \d{4}-\d\d-\d\d \|", (root / "docs" / "dependencies.md").read_text(), re.M
    )
    assert len(pins) > 200 and listed == pins


def test_every_process_has_resources_and_an_image(root):
    containers = (root / "conf" / "containers.config").read_text()
    resources = (root / "conf" / "base.config").read_text()
    modules = sorted((root / "modules").glob("*/main.nf"))
    assert 5 <= len(modules) <= 12
    for module in modules:
        text = module.read_text()
        assert re.search(rf"process {module.parent.name.upper()} ", text)
        labels = re.findall(r"label '(\w+)'", text)
        assert [
            f"withLabel: {label} " in (containers if label.startswith("env") else resources) for label in labels
        ] == [True, True]
        assert "stub:" in text and (root / "bin" / f"{module.parent.name}.py").is_file()


def test_scripts_shadow_no_module(root):
    """Python puts bin/ first on its path: a bin/queue.py would replace the standard library's."""
    for script in (root / "bin").glob("*.py"):
        assert "_" in script.stem
        spec = importlib.util.find_spec(script.stem)
        assert spec is None or spec.origin == str(script), script.name


def test_nothing_names_this_machine(root):
    files = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        path = root / name
        if path.is_file() and path.suffix not in (".h5ad", ".gctx", ".png"):
            assert not re.search(r"/(root|home)/|/work/(main|shared)", path.read_text(errors="ignore")), name


@pytest.mark.nextflow
@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ([], ["--input is missing", "--references is missing", "--genes is missing"]),
        (
            ["-profile", "test", "--min_donor", "3", "--min-cells", "5", "--colour", "red"],
            ["3 problem(s)", "did you mean --min_donors?", "did you mean --min_cells?", "--colour is not a parameter"],
        ),
        (
            ["-profile", "test", "--report_title", "Lupus --pilot, 'second' try", "--colour", "red"],
            ["1 problem(s)", "--colour is not a parameter"],
        ),
        (
            ["-profile", "test", "--methods", "cosine", "--headline", "wtcs"],
            ["--headline is 'wtcs', which is not among"],
        ),
        (
            ["-profile", "test", "--methods=", "--headline=", "--min_cells=", "--genes", ",", "--drugs", "a.tsv,b.tsv"],
            [
                "5 problem(s)",
                "--methods is empty",
                "--headline is empty",
                "--min_cells is empty",
                "--genes: the file , does not exist",
                "--drugs: the file a.tsv,b.tsv does not exist",
            ],
        ),
    ],
)
@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_wrong_parameters_stop_before_any_task(make_project, run_pipeline, options, parts, parser):
    run = run_pipeline(make_project(), *options, NXF_SYNTAX_PARSER=parser)
    assert run.status == 1
    for part in parts:
        assert part in run.said, run.said
    assert "Submitted process" not in run.said and "Exception" not in run.said and "\tat " not in run.said


@pytest.mark.nextflow
def test_wrong_sheets_stop_with_all_their_problems(make_project, run_pipeline):
    project = make_project()
    sheet = project / "assets" / "demo" / "samples.csv"
    header, row = sheet.read_text().splitlines()[:2]
    sheet.write_text(
        "\n".join(
            [header, row.replace("demo,", "$(touch hacked),").replace("healthy", "well"), row.replace("cells", "lost")]
        )
        + "\n"
    )
    (project / "known.tsv").write_text("dataset\tname\ndemo\tx\n")
    run = run_pipeline(project, "-profile", "test", "--indications", "known.tsv")
    assert run.status == 1
    for part in (
        "The input has 4 problems",
        "known.tsv, column 'compound': None of the columns",
        "is not a safe name",
        "No cell has the control label 'well'",
        "line 3, column 'path': There is no file 'lost.h5ad'",
    ):
        assert part in run.said, run.said
    assert "Traceback" not in run.said and not list(project.rglob("hacked"))
