"""What several tests share: the project's folders, the real data where they are there, small signature sets."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

# before numpy is there; as in nextflow.config
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
#: What numba compiles takes minutes: all tests and their runs share it (a file's own changes are noticed), and `make demo` too.
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "work" / "numba"))
REAL_DATA = Path(os.environ.get("REAL_DATA", ROOT.parent / "shared" / "data"))


#: What a run needs of the project.
PARTS = (
    "bin",
    "conf",
    "modules",
    "notebooks",
    "report",
    "assets",
    "tools",
    "main.nf",
    "nextflow.config",
    "nextflow_schema.json",
)


#: Files of tests that look at the demo's run.
OF_THE_DEMO = ("test_demo.py", "test_engines.py", "test_own_data.py")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """One worker of pytest-xdist takes a whole file, and one of them all that look at the demo's run: it costs minutes.

    Groups by marks (--dist loadgroup) would do the same; they have no effect in pytest 9.2 with xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "demo" if file.endswith(OF_THE_DEMO) else file

    # In the order of the folders, where long runs come before the many short tests: by number of tests they would come last.
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def demo() -> Path:
    """The generated demo data."""
    return ROOT / "assets" / "demo"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real data beside the project; the test is skipped where they are absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real data are not there ({REAL_DATA}); name their folder in REAL_DATA")
    return REAL_DATA


@pytest.fixture(scope="session")
def check_report():
    """Open every page of a report in a real browser and say what is wrong; skipped where there is no Chromium."""
    if not shutil.which("chromium"):
        pytest.skip("Chromium is not installed: the pages are not looked at")
    spec = importlib.util.spec_from_file_location("check_pages", ROOT / "tests" / "browser" / "check_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check_report


@pytest.fixture(scope="session")
def nextflow(root) -> dict[str, str]:
    """The environment for Nextflow; tests that need it are skipped, visibly, where it is missing."""
    path = f"{root / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    if not shutil.which("nextflow", path=path):
        pytest.skip("Nextflow is not installed: run `make setup`")
    quick = {
        "NXF_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g",
        "NXF_ANSI_LOG": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return os.environ | quick | {"PATH": path}


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> list[str]:
    """Options for runs that share the code numba compiled: half of every small run is spent on it."""
    config = tmp_path_factory.mktemp("numba") / "site.config"
    config.write_text(f"env.NUMBA_CACHE_DIR = '{os.environ['NUMBA_CACHE_DIR']}'\n")
    return ["-c", str(config)]


@pytest.fixture(scope="session")
def make_project(root, tmp_path_factory):
    """Copies of the project; the code is a link to one place, for what numba compiled is found by that, unless asked for."""

    def copy(code: bool = False) -> Path:
        project = tmp_path_factory.mktemp("project")
        for part in PARTS:
            source = root / part
            if part == "bin" and not code:
                (project / part).symlink_to(source)
            elif source.is_dir():
                shutil.copytree(source, project / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, project / part)
        return project

    return copy


@pytest.fixture
def stage(capsys):
    """Run the stage ``bin/<name>.py`` with arguments, in this process; gives (exit status, standard error)."""
    from scperturb_cmap.utils.cli import run

    def call(name: str, *arguments: object) -> tuple[int, str]:
        spec = importlib.util.spec_from_file_location(name, ROOT / "bin" / f"{name}.py")
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        capsys.readouterr()
        try:
            status = run(script.build_parser(), getattr(script, name), [str(argument) for argument in arguments])
        except SystemExit as error:  # argparse's, of an option that is none
            status = error.code
        return status, capsys.readouterr().err

    return call


@pytest.fixture
def gene_table() -> pd.DataFrame:
    """Gene table with every trap: versions, a synonym of two genes, a symbol that is another gene's synonym."""
    return pd.DataFrame({
        "entrez_id": ["1", "2", "3", "4"],
        "symbol": ["AAA", "BBB", "CCC", "DDD"],
        "ensembl_id": ["ENSG01", "ENSG02", "", "ENSG04|ENSG44"],
        "synonyms": ["OLD1|BOTH", "BOTH", "AAA", ""],
        "feature_space": ["landmark", "best inferred", "landmark", "other"],
    })  # fmt: skip


def make_sets(reference: np.ndarray, queries: np.ndarray):
    """Signature sets of drugs and of populations over the same genes; all names made up."""
    from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS, signature_set

    var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(n) for n in range(reference.shape[1])])
    drugs = pd.DataFrame({c: [f"{c}{n}" for n in range(len(reference))] for c in PERTURBATION_COLUMNS}).assign(
        status="ok", dose_um=1.0, time_h=6.0
    )
    drugs.index = [f"sig{n}" for n in range(len(reference))]
    ill = pd.DataFrame({c: [f"{c}{n}" for n in range(len(queries))] for c in POPULATION_COLUMNS}).assign(
        status="ok", dataset="d"
    )
    ill.index = [f"d|{n}" for n in range(len(queries))]
    return signature_set(reference, drugs, var, "modz"), signature_set(queries, ill, var, "wald_z")


def write_references(folder: Path, n: int = 120) -> None:
    """A target of profiles and a source of gene sets that see one state; the source writes its names otherwise."""
    from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, signature_set, write_signature_set

    random = np.random.default_rng(0)
    state = random.normal(size=(n, 6))
    target = state @ random.normal(size=(6, 60)) + 0.5 * random.normal(size=(n, 60))
    source = np.repeat(state, 2, axis=0) @ random.normal(size=(6, 80)) + 0.5 * random.normal(size=(2 * n, 80))
    source[abs(source) < 1.5] = 0
    for name, values, effect, names in (
        ("target", target, "modz", [f"drug-{i}" for i in range(n)]),
        ("source", source, "rank", [f"X-{i}" for i in np.repeat(np.arange(n), 2)]),
    ):
        obs = pd.DataFrame({c: [""] * len(values) for c in PERTURBATION_COLUMNS}).assign(
            reference=name, compound=names, compound_id=names, cell_line="A", status="ok", dose_um=1.0, time_h=6.0, tas=0.5,
            n_replicates=1.0,
        )  # fmt: skip
        obs.index = [f"{name}:{i}" for i in range(len(values))]
        var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(i) for i in range(values.shape[1])])
        write_signature_set(signature_set(values, obs, var, effect), folder / f"{name}.shard_0000.h5ad")
        keys = ["".join(chr(65 + int(d)) for d in f"{i:014d}") + "-X-N" for i in range(n)]
        table = pd.DataFrame({"compound_id": list(dict.fromkeys(names)), "inchi_keys": keys, "pert_ids": ""})
        table.assign(compound=table["compound_id"]).to_csv(folder / f"{name}.compounds.tsv", sep="\t", index=False)
        about = {
            "reference": name,
            "effect": effect,
            "n_signatures": len(values),
            "n_compounds": n,
            "licence": "CC BY 4.0",
        }
        about["sources"] = [{"column": "path", "file": f"{name}.gctx", "sha256": "0" * 64}]
        (folder / f"{name}.library.json").write_text(json.dumps(about))


@pytest.fixture
def references(tmp_path):
    """Two references to learn from."""
    write_references(tmp_path)
    return tmp_path


@pytest.fixture
def single_cells(references):
    """The same, the source measured on single cells."""
    import anndata as ad

    shard, library = references / "source.shard_0000.h5ad", references / "source.library.json"
    signatures = ad.read_h5ad(shard)
    signatures.uns["effect"] = "log_fc"
    signatures.write_h5ad(shard)
    about = json.loads(library.read_text()) | {"effect": "log_fc", "assay": "single_cell"}
    library.write_text(json.dumps(about))
    return references
