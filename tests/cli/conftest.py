"""Running a stage as a command."""

import importlib.util
from pathlib import Path

import pytest

from scperturb_cmap.utils.cli import run

BIN = Path(__file__).parents[2] / "bin"


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
