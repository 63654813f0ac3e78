#!/usr/bin/env bash
# Podman for the tests of the images, on a Debian machine, as root: installs it where it is missing, sees that it can start a
# container, and makes a Python base image without any image registry. Prints the image's name.
set -euo pipefail
base=localhost/python-base:bookworm

lacking=()
for tool in podman:podman buildah:buildah runc:runc debootstrap:debootstrap; do
    command -v "${tool%:*}" >/dev/null || lacking+=("${tool#*:}")
done
if [ ${#lacking[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "This machine lacks ${lacking[*]}: install them, or run this as root." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null 2>&1
fi

# For this script and the tests alone: the machine's own settings stay as they are.
export CONTAINERS_CONF=${CONTAINERS_CONF:-$(cd "$(dirname "$0")" && pwd)/containers.conf}

if ! podman image exists "$base"; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=python3,python3-venv,procps,ca-certificates bookworm "$root" >&2
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar --directory "$root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' --create . |
        podman import --quiet --change 'CMD ["/bin/bash"]' \
            --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" >/dev/null
fi
podman run --rm "$base" sh -c 'ps --version >/dev/null && python3 -c "import ensurepip"' >&2
echo "$base"
