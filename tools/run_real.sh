#!/usr/bin/env bash
# Profile test_full into results/real. Arguments are handed on to Nextflow.
# REAL_DATA names the folder with the data where it is not ../shared/data, OUTDIR where the results go.
set -euo pipefail

cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
beside=../shared/data
data=${REAL_DATA:-$beside}
out=${OUTDIR:-results/real}

if [ ! -d "$data" ]; then
    echo "There is no folder $data with the real data. Name it: make real REAL_DATA=/path/to/data" >&2
    exit 1
fi
options=()
if [ ! "$data" -ef "$beside" ]; then
    data=$(cd "$data" && pwd)
    mkdir -p "$out/input"
    for name in samples references; do
        sheet=$(<"assets/real/$name.csv")
        sheet=${sheet//"../../../shared/data"/"$data"}
        # An unchanged sheet keeps its date, and -resume its results.
        [ "$sheet" = "$(cat "$out/input/$name.csv" 2>/dev/null)" ] || printf '%s\n' "$sheet" >"$out/input/$name.csv"
    done
    options=(--input "$out/input/samples.csv" --references "$out/input/references.csv"
        --genes "$data/genes/lincs_gene_info_12328.tsv,$data/genes/human_gene_map.tsv.gz"
        --drugs "$data/goldstandard/repurposing_hub_drugs.dev.tsv")
fi

nextflow run . -profile test_full "${options[@]}" --outdir "$out" "$@"
echo
echo "Open the report in a browser: $out/report/index.html"
