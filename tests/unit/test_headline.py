"""Which score the gates let rank the drugs."""

import numpy as np
import pandas as pd

from scperturb_cmap.validation.headline import choose_headline


def queries_of(task, gain, n=40, third=None, seed=0):
    """Metrics of queries in which the embedding gains so much over wtcs."""
    kind = {"single_cell": "single_cells", "other_platform": "gene_sets"}.get(task, "profiles")
    random, rows = np.random.default_rng(seed), []
    for query in range(n):
        base = random.uniform(0.2, 0.6)
        line = {"task": task, "half": "validation", "cluster": f"c{query}", "query": query}
        line |= {"strength_third": query % 3 + 1, "kind": kind}
        mine = gain if third is None or line["strength_third"] == third else 0.0
        for method, value in (
            ("wtcs", base),
            ("cosine", base - 0.1),
            ("embedding", base + mine + 0.01 * random.normal()),
        ):
            rows.append(line | {"method": method, "average_precision": value, "auroc": 0.7})
        for control in ("control: permuted labels", "control: shuffled genes"):
            rows.append(line | {"method": control, "average_precision": 0.1, "auroc": 0.5 + 0.1 * random.normal()})
    return pd.DataFrame(rows)


ODD = {"wtcs": 0.0, "cosine": 0.0, "embedding": 0.0}


def test_the_gates_choose_the_headline():
    methods = ["wtcs", "cosine", "embedding"]

    own = queries_of("single_cell", 0.0)

    def chosen(*tables, oddness=ODD, own=own, kinds=("single_cells",)):
        return choose_headline(pd.concat([*tables, own]), methods, oddness=oddness, kinds=kinds)

    across = queries_of("other_line", 0.0)
    assert chosen(queries_of("mechanism", 0.1), across).method == "embedding"
    alone = chosen(queries_of("mechanism", 0.1))
    told = alone.gates.set_index("gate").at["G2", "detail"]
    assert alone.method == "embedding" and "across lines: not measured" in told
    assert chosen(queries_of("mechanism", 0.0), across).method == "wtcs"
    assert "G2" in chosen(queries_of("mechanism", -0.1), across).reason
    assert "G2" in chosen(queries_of("mechanism", 0.1), queries_of("other_line", -0.05)).reason
    assert "G3" in chosen(queries_of("mechanism", 0.3, third=3), across).reason
    assert "G3" in chosen(queries_of("mechanism", 0.1), across, queries_of("other_line_same_batch", -0.05)).reason
    shortcut = queries_of("mechanism", 0.1)
    shortcut.loc[shortcut["method"] == "control: shuffled genes", "auroc"] += 0.2
    assert "G1" in chosen(shortcut).reason
    assert chosen(queries_of("mechanism", 0.1), oddness=ODD | {"embedding": 0.1}).method == "wtcs"
    assert "no task" in chosen(queries_of("mechanism", 0.1, n=10), own=queries_of("single_cell", 0.0, n=10)).reason
    uneven = choose_headline(
        queries_of("mechanism", -0.2), ["embedding", "cosine"], oddness={"cosine": 0.8, "embedding": 0.0}
    )
    assert uneven.method == "cosine"  # the embedding does not rank because no other score is odd
    silent = queries_of("mechanism", 0.1)
    silent = silent[silent["method"] != "wtcs"]
    silent = pd.concat([silent, across, own])
    assert choose_headline(silent, methods, oddness=ODD).method == "embedding"  # against cosine, which has scores
    better = queries_of("mechanism", 0.0)
    better.loc[better["method"] == "cosine", "average_precision"] += 0.3
    assert chosen(better).method == "cosine"
    unseen = queries_of("mechanism", 0.1).assign(half="test")
    assert chosen(unseen).method == "wtcs"  # the test half decides nothing


def test_the_embedding_ranks_only_where_it_was_tried_on_queries_of_the_runs_kind():
    arrays, methods = queries_of("mechanism", 0.1), ["wtcs", "cosine", "embedding"]
    sets, cells = queries_of("other_platform", 0.0), queries_of("single_cell", 0.0)

    def chosen(*own, kinds):
        return choose_headline(pd.concat([arrays, *own]), methods, oddness=ODD, kinds=kinds)

    unknown = chosen(sets, kinds=["single_cells"])
    assert unknown.method == "wtcs" and unknown.reason.endswith("the embedding was not tried on enough single cells")
    assert "single_cell by auroc: not measured" in unknown.gates.set_index("gate").at["G4", "detail"]
    assert chosen(cells, kinds=["single_cells"]).method == "embedding"
    assert chosen(sets, kinds=["gene_sets"]).method == "embedding"
    assert chosen(sets, kinds=["gene_sets", "single_cells"]).method == "wtcs"  # of each kind
    later = queries_of("single_cell", 0.0)  # the answer comes later, where average precisions are all but 0
    later.loc[later["method"] == "embedding", "auroc"] -= 0.05
    profiles = sets.assign(kind="profiles")
    assert chosen(profiles, kinds=["gene_sets"]).reason.endswith("was not tried on enough gene sets")
    assert chosen(queries_of("single_cell", -0.05), kinds=["single_cells"]).reason.endswith("did not pass G4")
    for hurt in (queries_of("single_cell", -0.05), queries_of("single_cell", 0.0, n=19), later):
        assert chosen(hurt, kinds=["single_cells"]).method == "wtcs"
