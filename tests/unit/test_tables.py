"""Tables and sheets as people and tools really write them: nothing is shifted, swallowed or guessed."""

import gzip
import tracemalloc

import pytest

from scperturb_cmap.io.sheets import check_sheet
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.ranking.annotation import harmonise_annotation
from scperturb_cmap.utils.errors import InputError

SAMPLES = "dataset,path,cell_type_key,condition_key,case,control,donor_key,populations"


@pytest.fixture
def read(tmp_path):
    """Write bytes or text to a file and read it as a table."""

    def run(content, name="table.txt", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_text_table(path, **options)

    return run


@pytest.fixture
def sheet(tmp_path):
    """Write a sample sheet and check it: its rows, and its problems as text."""

    def run(text, kind="samples"):
        path = tmp_path / "samples.csv"
        path.write_bytes(text.encode())
        rows, problems = check_sheet(path, kind)
        return rows, [str(problem) for problem in problems]

    return run


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a\tb\tc\n1\t2\t3\n1\t2\t3\t4\n", "line 3 has 4 fields, the header 3"),
        ("# x\n\na\tb\tc\n1\t2\t3\n\n1\t2\n", "line 6 has 2 fields, the header 3"),
        ('a,b\n"1\n2",3\n4,5,6\n', "line 4 has 3 fields, the header 2"),
        ("a\tb\n1\t2\t3\n", "line 2 has 3 fields, the header 2"),
        ("a\tb\n1\t2\t\n3\t4\t\n", "line 2 has 3 fields, the header 2"),
        ("a\tb\n1\t2\t3\n4\t5\t6\n7\t8\n", "line 2 has 3 fields, line 4 has 2 fields, the header 2"),
        ("a\tb\n1\t2\t3\n1\t5\t6\n", "line 2 has 3 fields, the header 2"),
        ('a,b\n1,"2\n3,4\n', "a quote or line break is out of place"),
        ("# only\n! comments\n", "it has no header"),
    ],
)
@pytest.mark.parametrize("columns", [None, {"b"}])
def test_rows_that_do_not_fit_the_header_are_refused(read, text, where, columns):
    with pytest.raises(InputError, match=r"table\.txt: It does not parse as a table") as error:
        read(text, columns=columns)
    assert where in str(error.value)


def test_the_index_is_the_line_of_the_file(read):
    table = read('# one\n!two\n\nid,name\r\n\n1,"x\ny"\n , \n2,z\n')
    assert table.index.tolist() == [6, 9] and table["name"].tolist() == ["x\ny", "z"]
    assert read("#tax_id\tGeneID\n9606\t1\n\t\n9606\t2").to_dict("index") == {
        2: {"tax_id": "9606", "GeneID": "1"},
        4: {"tax_id": "9606", "GeneID": "2"},
    }
    assert read("id\ta\n   \n1\t2\n \t \n").index.tolist() == [3]


def test_quotes_between_tabs_swallow_nothing(read):
    table = read('id\tname\n1\t5" tape\n2\t"A|B"\n"3"\t"x ""y"" z"\n4\t"open\n5\tend"\n')
    assert table["id"].tolist() == ["1", "2", "3", "4", "5"]
    assert table["name"].tolist() == ['5" tape', "A|B", 'x "y" z', '"open', 'end"']


def test_columns_of_one_name_are_refused(read):
    text = "id,name ,name\n1,2,3\n"
    with pytest.raises(InputError, match="column 'name': The name stands more than once in the header"):
        read(text)
    assert read(text, columns={"id"}).columns.tolist() == ["id"]
    # Spreadsheets leave empty columns behind.
    assert read("id,,\n1,,\n").columns.tolist() == ["id"]
    with pytest.raises(InputError, match="column ''"):
        read("id,,\n1,2,3\n")


def test_row_names_as_r_writes_them(read):
    table = read('"lfc"\t"p"\n"NA"\t1\t0.1\n"B"\t2\tNA\n')
    assert table.columns.tolist() == ["", "lfc", "p"]
    assert table.values.tolist() == [["NA", "1", "0.1"], ["B", "2", ""]]
    with pytest.raises(InputError, match="line 2 has 3 fields, the header 2"):
        read("lfc\tp\nA\t1\t0.1\nB\t2\t0.2\n", row_names=False)


def test_missing_values_and_exact_text(read):
    table = read("id,a\n007,NA\n1e5, -666 \nSEPT2,nan\n")
    assert table.values.tolist() == [["007", ""], ["1e5", ""], ["SEPT2", ""]]
    assert read("a,b\nNA,None\n", missing=("",)).values.tolist() == [["NA", "None"]]
    assert read("id,a\n").shape == (0, 2)


@pytest.mark.parametrize("name", ["t.txt", "t.csv.gz", "t.tsv"])
def test_gzip_is_known_by_its_content(read, name):
    assert read(gzip.compress(b"id,a\n1,2\n"), name).values.tolist() == [["1", "2"]]
    assert read("id,a\n1,2\n", name).values.tolist() == [["1", "2"]]
    with pytest.raises(InputError, match="It is damaged or incomplete"):
        read(gzip.compress(b"id,a\n1,2\n" * 9999)[:-20], name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"PK\x03\x04rest", "t.csv"),
        (b"\x28\xb5\x2f\xfdrest", "t.txt"),
        (b"\xfd7zXZ\x00rest", "t.tsv.gz"),
        (b"BZh91AY&SYrest", "t.txt"),
        (gzip.compress(b"x" * 257 + b"ustar\x00"), "t.txt"),
        (b"id,a\n1,2\n", "t.csv.zip"),
        (b"id,a\n1,2\n", "t.csv.zst"),
    ],
    ids=["zip", "zst", "xz", "bz2", "tar.gz", "named zip", "named zst"],
)
def test_archives_get_a_sentence(read, content, name):
    with pytest.raises(InputError, match="It is an archive or a workbook, not a text table"):
        read(content, name)


def test_encodings(read):
    for encoding in ("utf-8", "utf-8-sig", "latin-1", "cp1252"):
        assert read("id,dose\n1,10 µM\n".encode(encoding)).values.tolist() == [["1", "10 µM"]]
    mixed = "id,dose\n1,10 µM\n".encode() + "2,3 µM\n".encode("latin-1")
    assert read(mixed)["dose"].tolist() == ["10 µM", "3 µM"]
    for content in ("id,a\n1,2\n".encode("utf-16"), b"id,a\n" + b"1,2\n" * 30_000 + b"1,\0\n", b"id\n\x89\x01\xff\n"):
        with pytest.raises(InputError, match="It is not a UTF-8 text table"):
            read(content)


def test_long_fields(read):
    assert len(read("id\ta\n1\t" + "x" * 200_000)["a"].iloc[0]) == 200_000


def test_a_large_table_keeps_each_value_once(read):
    text = "sig_id\tcell\tmore\n" + "".join(f"s{n}\tcell line {n % 9}\t{n}.0\n" for n in range(50_000))
    tracemalloc.start()
    table = read(text, columns={"sig_id", "cell"})
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert table.index[-1] == 50_001 and table["cell"].map(id).nunique() == 9
    assert size < 12e6  # ids about 3 MB, the remembered ones 5 MB at most while reading


def test_labels_that_spell_missing_are_labels_in_a_sheet(sheet):
    rows, problems = sheet(f"{SAMPLES}\nd,cells.h5ad,ct,cond,null,None,donor,NA; nan\n")
    assert not problems
    assert [rows[0][key] for key in ("case", "control", "populations")] == ["null", "None", "NA; nan"]


def test_lines_of_a_sheet(sheet):
    row = "cells.h5ad,ct,cond,ill,well,donor,"
    rows, problems = sheet(f"# my sheet\n\n{SAMPLES}\na b,{row}\n\n,,,,,,,\n# no comment\nx,{row}\nX,{row}\n")
    assert any("does not parse as a table (line 7 has 1 fields" in problem for problem in problems)
    rows, problems = sheet(f"# my sheet\n\n{SAMPLES}\na b,{row}\n\n,,,,,,,\nx,{row}\nX,{row}\n")
    assert [row.line for row in rows] == [4, 7, 8]
    assert problems[0].startswith("samples.csv, line 4, column 'dataset'")
    assert problems[1].startswith("samples.csv, lines 7, 8, column 'dataset'")


def test_a_separator_too_much_in_a_sheet_is_no_row_name(sheet):
    row = "cells.h5ad,ct,cond,ill,well,donor,B cells,NK cells"
    _, problems = sheet(f"{SAMPLES}\na,{row}\nb,{row}\n")
    assert len(problems) == 1 and "line 2 has 9 fields, the header 8" in problems[0]


def test_paths_with_quotes_and_line_breaks_are_refused(sheet):
    _, problems = sheet(f'{SAMPLES}\nd,"my ""best"" cells.h5ad",ct,cond,ill,well,donor,"B\ncells"\n')
    assert [problem.split(":")[0] for problem in problems] == [
        "samples.csv, line 2, column 'path'",
        "samples.csv, line 2, column 'populations'",
    ]
    assert "holds a double quote" in problems[0] and "has a line break" in problems[1]


def test_original_files_of_the_repurposing_hub(read):
    text = (
        "!Notes: Drug information\t\n!Version: 2020-03-24\n"
        "pert_iname\tclinical_phase\tmoa\ttarget\tdisease_area\tindication\n"
        "(R)-(-)-apomorphine\tLaunched\tdopamine receptor agonist\tADRA2A|DRD1\tneurology\tParkinson's Disease\n"
        'naïve\tPhase 1\t"a, b"\t\t\t\n'
    ).encode("latin-1")
    table = read(text)
    assert table["pert_iname"].tolist() == ["(R)-(-)-apomorphine", "naïve"] and table["moa"].iloc[1] == "a, b"
    drugs = harmonise_annotation(table, "drugs.txt")
    assert drugs.loc["(r)-(-)-apomorphine"].tolist() == [
        "dopamine receptor agonist", "ADRA2A|DRD1", "Launched", "Parkinson's Disease"
    ]  # fmt: skip
    web = harmonise_annotation(read("Name\tMOA\tTarget\tPhase\nx\tm\tt\tLaunched\n"), "export.txt")
    assert web.values.tolist() == [["m", "t", "Launched", ""]]
