#!/usr/bin/env bash
# Lints the Nextflow files of a folder (default: this project); exit status 1 if there is anything to say.
# Nextflow 25.04.4 dies on a file with errors but no warnings, or the reverse, before it prints them. So this lints a copy
# in which each script ends in one of either kind, far to the right, and drops what is said of such columns.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$root/.venv/bin:$PATH
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cd "${1:-$root}"
find . \( -name '.?*' -o -path ./work -o -path ./results \) -prune -o \( -name '*.nf' -o -name '*.config' \) -print0 |
    tar --null -T - -cf - | tar -xf - -C "$copy"
cd "$copy"
find . -name '*.nf' -print0 | while IFS= read -r -d '' script; do
    printf '\n%900sworkflow LINT_PROBE { def unused = 1; undefined() }\n' '' >>"$script"
done
said=$(nextflow lint -o concise . 2>&1) || true
if ! grep -q 'linting complete' <<<"$said"; then
    printf 'The linter itself failed:\n%s\n' "$said" >&2
    exit 2
fi
! grep -E '^(Error|Warn) ' <<<"$said" | grep -vE ':[0-9]+:9[0-9]{2}:'
