"""The 100 nearest of 720,216 places of 128 dimensions: ours beside faiss' exact index, alternately in one process.

python tests/benchmarks/bench_top_k.py [--repeats 7]
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.embedding.retrieval import top_matches  # noqa: E402

N, D, K = 720_216, 128, 100


def main() -> None:
    import faiss  # a peer, in the benchmarks' environment only

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    references = rng.standard_normal((N, D), dtype=np.float32)
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(D)
    index.add(references)
    print(f"faiss {faiss.__version__}, {torch.get_num_threads()} threads; {N:,} x {D}, {K} nearest; medians")
    for n in (1, 20, 256):
        queries = rng.standard_normal((n, D), dtype=np.float32)
        theirs = index.search(queries, K)
        mine = top_matches(queries, references, K)
        # Sums in another order: two neighbours that are nearly as near may change places.
        same = np.mean([len(set(a) & set(b)) for a, b in zip(mine[1], theirs[1], strict=True)]) / K
        assert same > 0.999 and np.allclose(mine[0], theirs[0], atol=1e-4), same
        took: dict[str, list[float]] = {"ours": [], "faiss": []}
        for _ in range(args.repeats):
            for name, run in (
                ("ours", lambda q=queries: top_matches(q, references, K)),
                ("faiss", lambda q=queries: index.search(q, K)),
            ):
                start = time.perf_counter()
                run()
                took[name].append(time.perf_counter() - start)
        ours, peer = (1e3 * np.median(took[name]) for name in took)
        print(
            f"{n:4} queries: ours {ours:7.1f} ms, faiss {peer:7.1f} ms: {peer / ours:.1f} times as fast, {same:.2%} equal ids"
        )


if __name__ == "__main__":
    main()
