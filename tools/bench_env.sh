#!/usr/bin/env bash
# Sets up .venv/bench: the packages of .venv, and beside them the peers that the benchmarks compare with.
set -euo pipefail

cd "$(dirname "$0")/.."
bench=.venv/bench
[ "$(cat "$bench/finished" 2>/dev/null)" = "$(cksum <tests/benchmarks/requirements.txt)" ] && exit
echo "Installing the peers into $bench ..."
rm -rf "$bench"
.venv/bin/python -m venv --system-site-packages "$bench"
# What .venv has is used from there.
.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    >"$("$bench/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
"$bench/bin/python" -m pip install --quiet --disable-pip-version-check --constraint containers/constraints.txt \
    --requirement tests/benchmarks/requirements.txt
cksum <tests/benchmarks/requirements.txt >"$bench/finished"
