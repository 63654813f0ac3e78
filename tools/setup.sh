#!/usr/bin/env bash
# Sets up .venv: the pinned Python packages, and Nextflow where none is installed. A second call has nothing to do.
# PYTHON names the interpreter to use, EXTRAS the groups of pyproject.toml to install (default: dev).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
pins=containers/constraints.txt
extras=${EXTRAS:-dev}
nextflow_version=25.04.4
cd "$root"

say() { printf '%s\n' "$*"; }
die() { printf 'Set-up stopped. %s\n' "$*" >&2; exit 1; }

# macOS has no timeout command.
limit() { if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi; }

check_java() {
    local home=${NXF_JAVA_HOME:-${JAVA_HOME:-}} java=java
    [ -z "$home" ] || [ ! -x "$home/bin/java" ] || java=$home/bin/java
    java_version=$("$java" -version 2>&1 | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p') || true
    [ "${java_version:-0}" -ge 17 ] ||
        die "Nextflow needs Java 17 or newer${java_version:+, and this is Java $java_version}." \
            "Install it (Debian, Ubuntu: apt install openjdk-17-jre-headless), or set JAVA_HOME to it."
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed. Install it, or name it: make setup PYTHON=/path/to/python3.11"
}

install() {
    local quiet=--quiet
    [ ! -t 2 ] || quiet=
    "$venv/bin/uv" pip install $quiet --compile-bytecode --python "$python" \
        --constraints "$pins" --build-constraints "$pins" "$@"
}

set_up_python() {
    local base
    base=$(find_python)
    # A .venv without its stamp was never finished, so nothing in it can be trusted.
    [ -e "$stamp" ] || rm -rf "$venv"
    rm -f "$stamp"
    say "Installing the Python packages into .venv (some minutes the first time) ..."
    "$base" -m venv "$venv" ||
        die "Python could not make a virtual environment; its message is above (Debian, Ubuntu: apt install python3-venv)."
    "$python" -m pip install --quiet --disable-pip-version-check --constraint "$pins" uv ||
        die "pip could not install uv; its message is above."
    eval "$("$python" tools/pip_to_uv.py)"
    install --editable ".[$extras]" || die "The Python packages could not be installed; the reason is above."
}

# The first nextflow on PATH that is not the one in .venv.
installed_nextflow() {
    local candidate
    { type -aP nextflow || true; } | while read -r candidate; do
        [ "$candidate" -ef "$venv/bin/nextflow" ] || { echo "$candidate"; break; }
    done
}

# Downloads what the launcher lacks, if it can.
nextflow_version_of() {
    NXF_TEMP=$venv limit 120 "$1" -version 2>/dev/null | sed -nE 's/.*version ([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'
}

set_up_nextflow() {
    local installed version major minor
    installed=$(installed_nextflow)
    if [ -n "$installed" ]; then
        version=$(nextflow_version_of "$installed") || true
        IFS=. read -r major minor _ <<<"$version"
        if [ $((10#${major:-0} * 100 + 10#${minor:-0})) -ge 2504 ]; then
            rm -f "$venv/bin/nextflow"
            say "Using the installed Nextflow $version."
            return
        fi
        say "The installed Nextflow (${version:-it does not start}) is not 25.04 or newer; .venv gets its own."
    fi
    [ "$java_version" -le 24 ] || die "Nextflow $nextflow_version does not run on Java $java_version." \
        "Install a newer Nextflow, or set JAVA_HOME to a Java from 17 to 24."

    say "Fetching Nextflow ..."
    install --reinstall-package nextflow "nextflow==${nextflow_version/.0/.}" # PyPI has it without the zero
    nextflow_version_of "$venv/bin/nextflow" >/dev/null || fetch_runtime_with_maven
}

# Leaves a .venv/bin/nextflow that knows where the runtime lies, and that nothing newer is to be looked for.
fetch_runtime_with_maven() {
    local remedy="Install Nextflow 25.04 or newer, or Maven, and call make setup again."
    rm -f "$venv"/nxf-tmp.*
    [[ $venv != *[[:space:]]* ]] || die "Nextflow cannot lie in a folder with a space in its path; move the project."
    say "Its own download does not work here; trying Maven ..."
    command -v mvn >/dev/null || die "Nextflow could not be downloaded, and there is no Maven (mvn) to fetch it. $remedy"
    mvn --batch-mode --file tools/nextflow/pom.xml package -Dnextflow.version="$nextflow_version" \
        -Ddist="$venv/nextflow/$nextflow_version" >"$venv/maven.log" 2>&1 ||
        die "Neither its own download nor Maven could fetch Nextflow (.venv/maven.log tells why). $remedy"
    mv "$venv/bin/nextflow" "$venv/nextflow/launcher"
    {
        echo '#!/usr/bin/env bash'
        printf 'export NXF_VER=%s NXF_DIST=%q NXF_OFFLINE=true\n' "$nextflow_version" "$venv/nextflow"
        printf '. %q\n' "$venv/nextflow/launcher"
    } >"$venv/bin/nextflow"
    chmod +x "$venv/bin/nextflow"
    nextflow_version_of "$venv/bin/nextflow" >/dev/null ||
        die "Nextflow does not start; .venv/bin/nextflow -version tells why."
}

[ ! -L "$venv" ] || die ".venv is a link to another folder, which would be changed. Remove the link (rm .venv)."
check_java
stamp=$venv/finished
key=$({
    echo "$root" "$extras"
    cat pyproject.toml "$pins" {containers/*,tools}/requirements.txt tools/{setup.sh,pip_to_uv.py,nextflow/pom.xml}
} | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && "$python" -c '' 2>/dev/null &&
    PATH=$venv/bin:$PATH command -v nextflow >/dev/null; then
    say "Set-up is complete."
    exit
fi
set_up_python
set_up_nextflow
echo "$key" >"$stamp"
say "Set-up is complete."
