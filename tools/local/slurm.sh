#!/usr/bin/env bash
# Slurm on this one machine, for tests: no systemd, no accounting, a GPU that is only pretended. Usage: slurm.sh [--stop] FOLDER
# Prints the environment to set. Keys, sockets and states lie in FOLDER; the machine's own Slurm and munge are left alone.
set -euo pipefail

if [ "${1:-}" = --stop ]; then
    run=${2:?Name the folder of the cluster}
    for daemon in slurmd slurmctld munged; do
        [ ! -f "$run/$daemon.pid" ] || kill "$(cat "$run/$daemon.pid")" 2>/dev/null || true
    done
    exit
fi
run=${1:?Name a folder for the cluster}

if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    if [ "$(id -u)" != 0 ]; then
        echo "This machine lacks slurm-wlm and munge: install them, or run this as root." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null 2>&1
fi

mkdir -p "$run"/{state,spool,munge}
# munge refuses a key in a folder that others may write to.
chmod 755 "$run" "$run/munge"
head -c 128 /dev/urandom >"$run/munge/key"
chown -R munge:munge "$run/munge"
chmod 400 "$run/munge/key"
runuser -u munge -- munged --key-file="$run/munge/key" --socket="$run/munge/socket" --pid-file="$run/munge/pid" \
    --log-file="$run/munge/log" --seed-file="$run/munge/seed" >&2
cp "$run/munge/pid" "$run/munged.pid"

host=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
echo "NodeName=$host Name=gpu Count=1 File=/dev/null" >"$run/gres.conf"
cat >"$run/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$run/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
GresTypes=gpu
ReturnToService=2
SchedulerParameters=sched_interval=2,batch_sched_delay=0,defer_batch
SlurmctldPidFile=$run/slurmctld.pid
SlurmdPidFile=$run/slurmd.pid
StateSaveLocation=$run/state
SlurmdSpoolDir=$run/spool
SlurmctldLogFile=$run/slurmctld.log
SlurmdLogFile=$run/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$run/slurm.conf
slurmctld -c -f "$SLURM_CONF" >&2
slurmd -c -f "$SLURM_CONF" >&2
for _ in $(seq 600); do
    [ "$(sinfo --noheader --format %t 2>/dev/null)" != idle ] || break
    sleep 0.2
done
[ "$(sinfo --noheader --format %t)" = idle ] || { tail -5 "$run"/slurm*.log >&2; exit 1; }
echo "SLURM_CONF=$SLURM_CONF"
