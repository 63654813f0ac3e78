"""The learned embedding on real data, on unseen compounds only: make validate-real [ARGS='--seeds 2'].

Five folds by compound, five seeds; everything learned sees training compounds only. Column *shipped*: "yes" is what a run of
the pipeline makes and scores, by the pipeline's own functions, with settings chosen among training compounds; "cosine" and
"classic" learn nothing; "no" is made here only. Looked at on these data without folds: the shape of gene sets' ranks, the
shrinkage of full profiles, the numbers of the maps between cell lines. Controls that learn anew are of seed 0. Prints one table
per task; docs/validation.md tells how to read them.
"""

import argparse
import sys
import time
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))
import classic
import cross_platform
import known_answers
import losses
import plain
import same_mechanism
import single_cell
from real_data import load

HERE = Path(__file__).resolve().parents[2]
TASKS = {
    "cross_platform": cross_platform.run,
    "same_mechanism": same_mechanism.run,
    "single_cell": single_cell.run,
}
#: Only when asked for by --tasks: networks take longer than half an hour, the others judge nothing that is learned.
MORE_TASKS = {"losses": losses.run, "plain": plain.run, "classic": classic.run, "known_answers": known_answers.run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"of {', '.join(TASKS | MORE_TASKS)}")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pd.set_option("display.width", 200, "display.max_columns", 30, "display.max_colwidth", 80)
    start = time.time()
    sets = load(args.data)
    print(f"{args.folds} folds by compound, {args.seeds} seeds; unseen compounds only")
    for name in args.tasks.split(","):
        print(f"\n## {name}\n", flush=True)
        (TASKS | MORE_TASKS)[name](sets, args)
        print(f"\n({name}: {time.time() - start:.0f} s since the start)", flush=True)


if __name__ == "__main__":
    main()
