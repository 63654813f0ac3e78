"""Reference sources: what each file becomes, which names are one compound, what is refused."""

import gzip
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.io.gene_tables import read_gene_table
from scperturb_cmap.io.sources import MatrixTable, SetPairs, SignatureFile, open_source
from scperturb_cmap.reference import (
    check_library_files,
    harmonise_metadata,
    open_reference,
    quality_funnel,
    read_library,
    write_library,
)
from scperturb_cmap.reference.identity import identify_compounds, several_structures
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.utils.provenance import file_sha256

ROW = dict.fromkeys(
    ("path_down", "siginfo", "geneinfo", "compoundinfo", "level", "filter", "control", "assay", "licence"), ""
)


def gmt(path, sets):
    path.write_bytes(gzip.compress("\n".join("\t".join([name, "", *genes]) for name, genes in sets.items()).encode()))
    return path


def test_pairs_of_gene_sets(tmp_path):
    up = gmt(tmp_path / "up.gmt.gz", {"d@MCF7#1e-05M_1": ["A", "B", "C", "D"], "e@PC3#3e-06M_7": ["X"]})
    down = gmt(tmp_path / "down.gmt.gz", {"d@MCF7#1e-05M_1": ["X", "Y"], "e@PC3#3e-06M_7": ["A", "B"]})
    pairs = SetPairs(up, down, "up", "down")
    values = pd.DataFrame(pairs.read(np.array([0, 1])), columns=pairs.genes)
    assert values.loc[0, ["A", "B", "C", "D", "X", "Y"]].tolist() == [1, 0.75, 0.5, 0.25, -1, -0.5]
    assert values.loc[1, ["X", "A", "B", "C", "Y"]].tolist() == [1, -1, -0.5, 0, 0]
    metadata, _ = harmonise_metadata(pairs.metadata, "up")
    found = metadata.loc["e@PC3#3e-06M_7", ["compound", "cell_line", "dose_um", "batch"]]
    assert found.tolist() == ["e", "PC3", pytest.approx(3), "7"]


@pytest.mark.parametrize(
    ("up", "down", "said"),
    [
        ({"a@b#1M_1": ["A"]}, {"other": ["B"]}, "2 sets stand in one of the files"),
        ({"a@b#1M_1": ["A", "B"]}, {"a@b#1M_1": ["B"]}, "in the up and in the down set"),
        ({"noname": ["A"]}, {"noname": ["B"]}, "They do not tell the compound"),
    ],
)
def test_pairs_that_are_none(tmp_path, up, down, said):
    with pytest.raises(InputError, match=said):
        _ = SetPairs(gmt(tmp_path / "u.gmt", up), gmt(tmp_path / "d.gmt", down), "u", "d").metadata


@pytest.mark.parametrize("store", ["dense", "csr", "csc"])
def test_a_signature_file_in_parts(tmp_path, store):
    from scipy import sparse

    x = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    x[2, 3] = np.nan
    obs = pd.DataFrame({"pert_name": "D", "cell_type": ["B", "T"] * 3 + ["B"]}, index=[f"s{n}" for n in range(7)])
    stored = {"dense": x, "csr": sparse.csr_matrix(x), "csc": sparse.csc_matrix(x)}[store]
    ad.AnnData(stored, obs=obs, var=pd.DataFrame(index=list("ABCDE"))).write_h5ad(tmp_path / "a.h5ad")
    file = SignatureFile(tmp_path / "a.h5ad", "a.h5ad")
    np.testing.assert_array_equal(file.read(np.array([0, 2, 6])), x[[0, 2, 6]])
    metadata, _ = harmonise_metadata(file.metadata, "a.h5ad")
    assert metadata.loc["s1", ["compound", "cell_line"]].tolist() == ["D", "T"]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.csv.gz", "a.parquet"])
def test_a_plain_table(tmp_path, name):
    table = pd.DataFrame({"s1": [1.5, np.nan], "s2": [0.0, -2.0]}, index=pd.Index(["007", "8"], name="gene"))
    if name.endswith("parquet"):
        table.reset_index().to_parquet(tmp_path / name)
    else:
        table.to_csv(tmp_path / name, sep="\t" if "tsv" in name else ",")
    found = MatrixTable(tmp_path / name, name)
    assert found.genes.tolist() == ["007", "8"] and found.signatures.tolist() == ["s1", "s2"]
    np.testing.assert_array_equal(found.read(np.array([0, 1])), table.to_numpy(np.float32).T)


def test_a_plain_table_with_quotes_and_numeric_ids(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbf"gene","a, 1","a, 2"\r\n"5720",1.5,NA\r\n"007","2",-3e-1\r\n')
    found = MatrixTable(tmp_path / "a.csv", "a.csv")
    assert found.signatures.tolist() == ["a, 1", "a, 2"] and found.genes.tolist() == ["5720", "007"]
    np.testing.assert_array_equal(found.read(np.array([0, 1])), np.float32([[1.5, 2], [np.nan, -0.3]]))
    pd.DataFrame({"gene": [5720, 7], "a": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    assert MatrixTable(tmp_path / "a.parquet", "a.parquet").genes.tolist() == ["5720", "7"]
    for index in (
        pd.Index([5720, 7], name="gene"),
        pd.CategoricalIndex(["5720", "7"]),
    ):  # kept by pandas beside the columns
        pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=index).to_parquet(tmp_path / "a.parquet")
        found = MatrixTable(tmp_path / "a.parquet", "a.parquet")
        assert found.genes.tolist() == ["5720", "7"] and found.signatures.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gene,a,a\n1,2,3\n", "The column 'a' stands more than once"),
        ("gene,a\n1,x\n", "Column 'a' holds values that are no numbers"),
        ("gene,a\n1,2,3,4\n5,6\n", "Line 2 has 4 fields, the header 2"),
        ("gene\n1\n", "It has no values"),
        ("gene,aspirin,imatinib\n5720,1,-5,\n8,1,-5,\n", "Its lines end with a separator"),
        ("gene,a,b\n5720,-6,2,7,9\n", "Line 2 has 5 fields, the header 3"),
        ("gene,a,b\n5720,-6,2\n\n8,1\n", "Line 4 has 2 fields, the lines before 3"),
        ('gene,a,b\n"57,20",-6,2\n"8,9",1,2,3\n', "Line 3 has 4 fields, the lines before 3"),
        ("<html>", "HTML page"),
    ],
)
def test_a_plain_table_that_is_none(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        MatrixTable(tmp_path / "a.csv", "a.csv")


def test_a_quote_in_a_table_of_mixed_line_ends_gives_a_sentence(tmp_path):
    """Found by `make fuzz`."""
    (tmp_path / "a.tsv").write_bytes(b'# a\ngene\t1\t2\ra\ta\t"')
    with pytest.raises(InputError, match="does not parse as a table"):
        MatrixTable(tmp_path / "a.tsv", "a.tsv")


def test_names_salts_ids_and_structures_that_are_one_compound():
    rows = [
        ("Imatinib", "BRD-K92723993-001-01-1", ""),
        ("imatinib mesylate", "", "KTUFNOKKBVMGRW-UHFFFAOYSA-N"),
        ("Gleevec", "", "InChIKey=KTUFNOKKBVMGRW-XXXXXXXXXX-N"),
        ("STI-571", "BRD-K92723993-066-09-1", ""),
        ("lithium chloride", "", ""),
        ("lithium carbonate", "", ""),
        ("", "BRD-K00000001-001-01-1", ""),
        ("", "", ""),
    ]
    metadata = pd.DataFrame(rows, columns=["compound", "pert_id", "inchi_key"])
    ids, compounds = identify_compounds(metadata)
    assert ids.tolist() == ["imatinib"] * 4 + ["lithium-chloride", "lithium-carbonate", "brd-k00000001", ""]
    table = compounds.set_index("compound_id")
    assert table.loc["imatinib", "merged_by"] == "name|InChIKey|pert_id" and table.loc["imatinib", "n_signatures"] == 4
    assert set(table.loc["imatinib", "names"].split("|")) == {row[0] for row in rows[:4]}
    again = identify_compounds(metadata.iloc[::-1])[0].iloc[::-1]
    assert again.tolist() == ids.tolist()  # the order of rows does not matter


def test_one_name_with_several_structures_is_told():
    """Salts have structures of their own, and so have drugs that share a name: one compound, and a sentence."""
    rows = [
        ("omeprazole", "SUBDBMMJDZJVOS-A-N"),
        ("omeprazole magnesium", "KWORUUGOSLYAGD-A-N"),
        ("x", "SUBDBMMJDZJVOS-B-N"),
    ]
    metadata = pd.DataFrame(rows, columns=["compound", "inchi_key"]).assign(pert_id="")
    assert several_structures(identify_compounds(metadata.iloc[[0, 2]])[1]) == []
    (said,) = several_structures(identify_compounds(metadata)[1])
    assert said.startswith("1 compounds have names or ids in common but different structures (such as omeprazole)")


def test_columns_of_a_matrix_without_metadata_are_told(tmp_path):
    """Such as a column of annotation that would pass for a signature."""
    (tmp_path / "a.tsv").write_text("gene\tentrez\ts1\n1\t1\t0.5\n2\t2\t-1\n")
    (tmp_path / "info.tsv").write_text("sig_id\tcmap_name\ns1\taspirin\n")
    row = ROW | {"reference": "r", "format": "table", "path": "a.tsv", "siginfo": "info.tsv"}
    opened = open_reference(row, {"path": tmp_path / "a.tsv", "siginfo": tmp_path / "info.tsv"})
    assert opened.warnings == ["1 of 2 columns of the matrix have no metadata: 'entrez'."]


@pytest.mark.parametrize("nothing", ["-666", "N/A", "restricted", "unknown"])
def test_a_placeholder_is_no_structure_and_no_id(nothing):
    names = ["aspirin", "imatinib", "jq1"]
    table = pd.DataFrame({"sig_id": list("abc"), "cmap_name": names, "inchi_key": nothing, "pert_id": ""})
    assert identify_compounds(harmonise_metadata(table, "s")[0])[0].tolist() == names
    if nothing in ("-666", "N/A"):
        assert identify_compounds(harmonise_metadata(table.assign(pert_id=nothing), "s")[0])[0].tolist() == names


def test_a_library_is_what_it_was(tmp_path):
    (tmp_path / "lib.shard_0000.h5ad").write_bytes(b"shard")
    file = tmp_path / "lib.library.json"
    shard, queries = tmp_path / "lib.shard_0000.h5ad", tmp_path / "lib.reference_queries.h5ad"
    queries.write_bytes(b"queries")
    write_library({path: file_sha256(path) for path in (shard, queries)}, file, "lib", licence="CC BY 4.0")
    row = {"path": "lib.library.json", "reference": "lib"}
    about = read_library(file, row)
    assert about["licence"] == "CC BY 4.0"
    check_library_files(about, [shard, queries], "lib.library.json")
    with pytest.raises(InputError, match=r"lib.shard_0000.h5ad: It is not beside the library file"):
        check_library_files(about, [], "lib.library.json")
    (tmp_path / "lib.shard_0000.h5ad").write_bytes(b"shar!")
    with pytest.raises(InputError, match="It has changed since"):
        check_library_files(about, [shard, queries], "lib.library.json")
    with pytest.raises(InputError, match="It is the library of 'lib', in the sheet it is called 'other'"):
        read_library(file, row | {"reference": "other"})
    for content in ("{}", "[]", "no", json.dumps({"kind": "another", "files": [], "reference": "lib"})):
        file.write_text(content)
        with pytest.raises(InputError, match="describe a library|tell kind|no names with values|no valid JSON"):
            read_library(file, row)


L1000 = "lincs/l1000_"

#: format, file, siginfo; genes, signatures of compounds, names of compounds
REAL = {
    "consensus": ("gctx", L1000 + "consensus_drugbank_n1170x978.gctx", "siginfo_consensus_drugbank.txt", 978, 1170, 1170),
    "level5": ("gctx", L1000 + "level5_modz_n272x978.gctx", "", 978, 272, 3),
    "level4": ("gctx", L1000 + "level4_LJP005_A375_24H_n377x978.gctx", "instinfo_level4_LJP005_A375_24H.txt", 978, 351, 59),
    "level3": ("gctx", L1000 + "level3_CPC006_A375_6H_n371x978.gctx", "instinfo_level3_CPC006_A375_6H.txt", 978, 355, 352),
    "tahoe": ("signatures", "lincs/tahoe_signatures_39lines.h5ad", "", 5623, 3149, 82),
    "op2": ("signatures", "lincs/op2_pbmc_signatures_B_NK_T.h5ad", "", 6349, 294, 98),
    "cmap02": ("gmt", "cmap02/cmap_build02_up100.gmt.gz", "", 12240, 4985, 1060),
}  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_published_files_hold_what_their_readme_says(real_data, name):
    kind, path, siginfo, n_genes, n_signatures, n_names = REAL[name]
    row = ROW | {"reference": name, "format": kind, "path": path, "siginfo": siginfo}
    files = {"path": real_data / path} | ({"siginfo": real_data / "lincs" / siginfo} if siginfo else {})
    if kind == "gmt":
        row["path_down"], files["path_down"] = "down", real_data / path.replace("up100", "dn100")
    opened = open_reference(row, files)
    kept, _ = quality_funnel(opened.metadata, opened.signatures, row)
    compounds = opened.compounds[opened.compounds["compound_id"].isin(kept["compound_id"])]
    names = {spelled for names in compounds["names"] for spelled in names.split("|")}
    merged = compounds[compounds["merged_by"] != ""]
    print(
        f"\n{name}: {len(opened.genes)} genes, {len(kept)} signatures, {len(names)} names, {len(compounds)} compounds;",
        end=" ",
    )
    print("merged:", merged["names"].tolist())
    assert (len(opened.genes), len(kept), len(names)) == (n_genes, n_signatures, n_names)
    values = opened.read(np.arange(3))
    assert values.shape == (3, n_genes) and np.isfinite(values).any()
    table = read_gene_table([real_data / "genes" / n for n in ("lincs_gene_info_12328.tsv", "human_gene_map.tsv.gz")])
    matched = (table.map(opened.genes)["gene_key"] != "").sum()
    print(f"{matched} genes matched")
    assert matched == n_genes if kind == "gctx" else matched > 0.8 * n_genes


def test_a_source_of_another_format_is_refused(tmp_path):
    (tmp_path / "a").write_text("gene\ta\n1\t2\n")
    for kind in ("gctx", "gct", "signatures", "gmt"):
        row = ROW | {"reference": "r", "format": kind, "path": "a", "path_down": "a"}
        with pytest.raises(InputError):
            open_source(tmp_path / "a", row, tmp_path / "a")


@pytest.mark.real
def test_shuffled_gene_ids_are_refused(real_data, tmp_path):
    """The ids of a published matrix in another order than its symbols: every gene is known, and every value wrong."""
    import shutil

    import h5py

    path = shutil.copy(real_data / "lincs" / "l1000_level5_modz_n272x978.gctx", tmp_path / "a.gctx")
    (tmp_path / "a.gctx").chmod(0o644)
    table = read_gene_table([real_data / "genes" / "lincs_gene_info_12328.tsv"])
    row = ROW | {"reference": "r", "format": "gctx", "path": "a.gctx"}
    assert open_reference(row, {"path": path}).map_genes(table, "a.gctx", 0.5)[1]["n_entrez_id"] == 978
    with h5py.File(path, "r+") as file:
        ids = file["0/META/ROW/id"][()]
        file["0/META/ROW/id"][...] = np.random.default_rng(0).permutation(ids)
    with pytest.raises(InputError, match="of 943 do not belong to the symbol beside them"):
        open_reference(row, {"path": path}).map_genes(table, "a.gctx", 0.5)
    with h5py.File(path, "r+") as file:
        file["0/META/ROW/id"][...] = np.array([str(n).encode() for n in range(978)])
    with pytest.raises(InputError, match="They are row numbers"):
        open_reference(row, {"path": path}).map_genes(table, "a.gctx", 0.5)
