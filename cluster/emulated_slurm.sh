#!/usr/bin/env bash
# A Slurm cluster on the hosts of emulated_hosts.sh: the controller on node0, a slurmd on node1..nodeN.
#
#   emulated_slurm.sh FOLDER N [CPUS]   start it; then on node0, with SLURM_CONF=FOLDER/slurm/slurm.conf:
#                                       sinfo, sbatch, srun --mpi=pmix, ...
#
# Everything lives in FOLDER/slurm and runs inside the hosts, so it ends with them.
set -euo pipefail

hosts=$(cd "$(dirname "$0")" && pwd)/emulated_hosts.sh
lab=$(cd "$1" && pwd)
count=$2 cpus=${3:-2}
D=$lab/slurm
mkdir -p "$D/state" "$D/spool" "$D/munge"
export SLURM_CONF=$D/slurm.conf

fail() {
    echo "emulated_slurm.sh: $1" >&2
    tail -n 5 "$D"/*.log >&2 || true
    exit 1
}

# task/none and linuxproc: leave the control groups of this machine alone.
# JobRequeue needs cred_expire: a requeued job starts again only when its credential has expired.
cat >"$SLURM_CONF" <<CONF
ClusterName=lab
SlurmctldHost=node0(10.77.0.10)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=$D/munge/socket,cred_expire=5
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.%n.pid
SlurmctldLogFile=$D/slurmctld.log
SlurmdLogFile=$D/slurmd.%n.log
SlurmdParameters=config_overrides
TmpFS=$D/tmp.%n
TaskProlog=$D/task_prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdTimeout=10
KillWait=5
$(for i in $(seq "$count"); do
    echo "NodeName=node$i NodeAddr=10.77.0.$((10 + i)) CPUs=$cpus State=UNKNOWN"
done)
PartitionName=main Nodes=node[1-$count] Default=YES MaxTime=60 State=UP
CONF
echo "CgroupAutomount=no" >"$D/cgroup.conf"
# a TMPDIR per node, as each would have its own /tmp
printf '#!/bin/sh\necho "export TMPDIR=%s/tmp${SLURMD_NODENAME#node}"\n' "$lab" >"$D/task_prolog"
chmod +x "$D/task_prolog"
for i in $(seq "$count"); do mkdir -p "$D/tmp.node$i"; done

head -c 1024 /dev/urandom >"$D/munge/key"
chmod 600 "$D/munge/key"
"$hosts" on "$lab" 0 munged --force --num-threads=2 --key-file="$D/munge/key" \
    --socket="$D/munge/socket" --pid-file="$D/munge/pid" --log-file="$D/munge.log" \
    --seed-file="$D/munge/seed" 2>>"$D/munge.log" || fail "munged did not start"
"$hosts" on "$lab" 0 slurmctld || fail "slurmctld did not start"
for i in $(seq "$count"); do
    "$hosts" on "$lab" "$i" slurmd || fail "slurmd did not start on node$i"
done
for _ in $(seq 100); do
    idle=$("$hosts" on "$lab" 0 sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)
    [ "$idle" = "$count" ] && exit 0
    sleep 0.1
done
fail "expected $count idle nodes within 10 s, got $idle"
