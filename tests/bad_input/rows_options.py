"""Options of the stages, for those who run one by hand; the pipeline's parameters are tests/pipeline/test_bad_parameters.py."""

from damages import options

from bad_input import Row

OPTIONS = "options of a stage"


def option(scene: str, flag: str, value: str, *said: str) -> Row:
    return Row(OPTIONS, scene, f"{scene} {flag} {value}", options(flag, value), said)


ROWS = [
    option("check", "--min-gene-overlap", "nan", "--min-gene-overlap: 'nan' is no number from 0 to 1"),
    option("check", "--min-gene-overlap", "50", "--min-gene-overlap: '50' is no number from 0 to 1"),
    option("check", "--out", "{folder}/nowhere", "--out", "There is no such folder", "Make it first"),
    option("check", "--staged", "{folder}/genes.tsv", "genes.tsv: It is no valid JSON"),
    option("check", "--drugs", "{folder}", "The file does not exist"),
    option("check", "--colour", "red", "unrecognized arguments: --colour"),
    option("derive", "--min-cells", "0", "--min-cells: '0' is no whole number from 1"),
    option("derive", "--min-cells", "1.5", "--min-cells: '1.5' is no whole number from 1"),
    option("derive", "--seed=-1", "--resamples=0", "--seed: '-1' is no whole number from 0"),
    option("derive", "--exclude-genes", "mito", "--exclude-genes: 'mito' is not known; choose among mitochondrial, ribosomal"),
    option("derive", "--out", "{folder}/de.csv", "There is no such folder"),
    option("build", "--shard-size", "0", "--shard-size: '0' is no whole number from 1"),
    option("build", "--shard-size", "many", "--shard-size: 'many' is no whole number"),
    option("score", "--methods", "cosine,magic", "--methods: magic is not known", "Choose among"),
    option("score", "--methods", "cosine,", "--methods", "is not known"),
    option("score", "--headline", "wtcs", "--headline: 'wtcs' is not among --methods cosine"),
    option("score", "--threads", "0", "--threads: '0' is no whole number from 1"),
    option("score", "--n-genes", "99999999999", "--n-genes: '99999999999' is no whole number from 1 to"),
    option("score", "--random-queries=-5", "--seed=1", "--random-queries: '-5' is no whole number from 0"),
    option("score", "--device", "tpu", "--device: invalid choice: 'tpu' (choose from"),
    option("rank", "--aggregation", "median", "--aggregation: invalid choice: 'median'"),
    option("rank", "--methods", "cosine,magic", "columns: It has no column 'magic'"),
    option("train", "--encoder", "transformer", "--encoder: invalid choice: 'transformer'"),
    option("train", "--members", "21", "--members: '21' is no whole number from 1 to 20"),
    option("validate", "--encoder", "transformer", "--encoder: invalid choice: 'transformer'"),
    option("validate", "--folds", "1", "--folds: '1' is no whole number from 2"),
    option("validate", "--methods", "embedding", "There is no classic score to compare the learned one with"),
    option("validate", "--methods", "magic", "--methods: magic is not known"),
    option("any scores", "--shards", "{folder}/lib.shard_0000.h5ad", "either --scores with --labels, or --shards"),
]  # fmt: skip
