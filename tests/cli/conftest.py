"""Running a stage as a command."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, signature_set, write_signature_set
from scperturb_cmap.utils.cli import run

BIN = Path(__file__).parents[2] / "bin"

N_COMPOUNDS = 120


@pytest.fixture
def stage(capsys):
    """Run the stage ``bin/<name>.py`` with arguments, in this process; gives (exit status, standard error)."""

    def call(name: str, *arguments: object) -> tuple[int, str]:
        spec = importlib.util.spec_from_file_location(name, BIN / f"{name}.py")
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        capsys.readouterr()
        status = run(script.build_parser(), getattr(script, name), [str(argument) for argument in arguments])
        return status, capsys.readouterr().err

    return call


@pytest.fixture
def references(tmp_path):
    """A target of profiles and a source of gene sets that see one state; the source writes its names otherwise."""
    random = np.random.default_rng(0)
    state = random.normal(size=(N_COMPOUNDS, 6))
    target = state @ random.normal(size=(6, 60)) + 0.5 * random.normal(size=(N_COMPOUNDS, 60))
    source = np.repeat(state, 2, axis=0) @ random.normal(size=(6, 80)) + 0.5 * random.normal(size=(2 * N_COMPOUNDS, 80))
    source[abs(source) < 1.5] = 0
    for name, values, effect, names in (
        ("target", target, "modz", [f"drug-{n}" for n in range(N_COMPOUNDS)]),
        ("source", source, "rank", [f"X-{n}" for n in np.repeat(np.arange(N_COMPOUNDS), 2)]),
    ):
        obs = pd.DataFrame({c: [""] * len(values) for c in PERTURBATION_COLUMNS}).assign(
            reference=name, compound=names, compound_id=names, cell_line="A", status="ok", dose_um=1.0, time_h=6.0, tas=0.5,
            n_replicates=1.0,
        )  # fmt: skip
        obs.index = [f"{name}:{n}" for n in range(len(values))]
        var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(n) for n in range(values.shape[1])])
        write_signature_set(signature_set(values, obs, var, effect), tmp_path / f"{name}.shard_0000.h5ad")
        keys = ["".join(chr(65 + int(d)) for d in f"{n:014d}") + "-X-N" for n in range(N_COMPOUNDS)]
        table = pd.DataFrame({"compound_id": list(dict.fromkeys(names)), "inchi_keys": keys, "pert_ids": ""})
        table.assign(compound=table["compound_id"]).to_csv(tmp_path / f"{name}.compounds.tsv", sep="\t", index=False)
        about = {
            "reference": name,
            "effect": effect,
            "n_signatures": len(values),
            "n_compounds": N_COMPOUNDS,
            "licence": "CC BY 4.0",
        }
        about["sources"] = [{"column": "path", "file": f"{name}.gctx", "sha256": "0" * 64}]
        (tmp_path / f"{name}.library.json").write_text(json.dumps(about))
    return tmp_path
