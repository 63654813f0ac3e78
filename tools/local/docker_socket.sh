#!/usr/bin/env bash
# The Docker API on Podman's socket, for the docker client. Usage: docker_socket.sh FOLDER
# Prints the environment to set, and leaves the service's process id in FOLDER/service.pid: kill it when done.
set -euo pipefail
run=${1:?Name a folder for the socket}
socket=$run/podman.sock
if ! command -v docker >/dev/null; then
    if [ "$(id -u)" != 0 ]; then
        echo "This machine lacks a docker client: install one, or run this as root." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends docker.io >/dev/null 2>&1
fi
mkdir -p "$run"
setsid podman system service --time=0 "unix://$socket" >"$run/service.log" 2>&1 </dev/null &
echo $! >"$run/service.pid"
for _ in $(seq 600); do
    [ ! -S "$socket" ] || break
    sleep 0.1
done
DOCKER_HOST=unix://$socket docker version >/dev/null
echo "DOCKER_HOST=unix://$socket"
