"""Every parser the project wrote, on what hypothesis makes up: a result, or a sentence; never another exception, never a hang.

`make test` gives each parser a second or two; `make fuzz` (MINUTES=10) gives them all the time there is, in turn.
"""

import os
import time

import pytest
from fuzz_parsers import PARSERS
from hypothesis import HealthCheck, Phase, given, seed, settings

from scperturb_cmap.utils.errors import InputError

#: Minutes of CPU for all parsers together, which `make fuzz` sets; another seed makes other examples.
MINUTES = float(os.environ.get("FUZZ_MINUTES", 0.3))
SEED = int(os.environ.get("FUZZ_SEED", 1))

#: One example may take so long; a larger file is read in less.
MOST_SECONDS = 20

#: Examples come in lots, since hypothesis knows no time but their number.
PROFILE = settings(
    max_examples=100,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")  # of other packages, about what they are given here
def test_a_result_or_a_sentence(name, tmp_path, caplog):
    caplog.set_level("ERROR")
    strategy, file, parse = PARSERS[name]
    path, until, seen = (
        tmp_path / file,
        time.process_time() + 60 * MINUTES / len(PARSERS),
        dict.fromkeys(("examples", "refused", "wrong"), 0),
    )
    strategy = strategy(tmp_path) if callable(strategy) else strategy

    def examine(content: bytes) -> None:
        if time.process_time() > until and not seen["wrong"]:
            return
        path.write_bytes(content)
        start = time.monotonic()
        seen["examples"] += 1
        try:
            parse(path)
        except InputError as error:
            seen["refused"] += 1
            for problem in error.problems:
                assert problem.file and problem.message and problem.remedy, repr(problem)
        except BaseException:
            seen["wrong"] = 1  # what follows makes it smaller
            raise
        assert time.monotonic() - start < MOST_SECONDS, "It hangs."

    number = 0
    while time.process_time() < until:
        number += 1
        seed(1000 * SEED + number)(PROFILE(given(strategy)(examine)))()
    print(f"{name}: {seen['examples']} examples, {seen['refused']} of them refused")
    assert seen["examples"] > seen["refused"] > 0 or seen["examples"] < 200, "What is tried is all good or all bad."
