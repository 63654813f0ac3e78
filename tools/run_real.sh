#!/usr/bin/env bash
# Two real data sets against a real reference, into results/real. Arguments are handed on to Nextflow.
# REAL_DATA names the folder with the data, OUTDIR where the results go.
set -euo pipefail

cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
data=${REAL_DATA:-../shared/data}
out=${OUTDIR:-results/real}

if [ ! -d "$data" ]; then
    echo "There is no folder $data with the real data. Name it: make real REAL_DATA=/path/to/data" >&2
    exit 1
fi
data=$(cd "$data" && pwd)

# An unchanged sheet keeps its date, and -resume its results.
write() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

mkdir -p "$out/input"
write "$out/input/samples.csv" <<EOF
dataset,path,cell_type_key,condition_key,case,control,donor_key
kang2018_ifnb,$data/singlecell/kang2018_ifnb_pbmc_8donors.h5ad,cell_type,condition,stim,ctrl,donor
covid19_combat,$data/singlecell/covid19_combat_pbmc.h5ad,cell_type,condition,covid_critical,healthy,donor
EOF
write "$out/input/references.csv" <<EOF
reference,path,format,role,siginfo,geneinfo,path_down
l1000_consensus,$data/lincs/l1000_consensus_drugbank_n1170x978.gctx,gctx,both,$data/lincs/siginfo_consensus_drugbank.txt,,
cmap_build02,$data/cmap02/cmap_build02_up100.gmt.gz,gmt,train,,,$data/cmap02/cmap_build02_dn100.gmt.gz
EOF

nextflow run . --input "$out/input/samples.csv" --references "$out/input/references.csv" \
    --genes "$data/genes/lincs_gene_info_12328.tsv,$data/genes/human_gene_map.tsv.gz" \
    --drugs "$data/goldstandard/repurposing_hub_drugs.dev.tsv" --outdir "$out" "$@"
echo
echo "Open the report in a browser: $out/report/index.html"
