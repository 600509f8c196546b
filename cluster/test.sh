#!/usr/bin/env bash
# `isograd run` over three emulated hosts: placement, output, exceptions, a killed rank, a lost host.
# Run: make test-cluster (Linux, root, openssh-server, iproute2). About half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=""
[ "$(id -u)" = 0 ] || missing+=" root;"
for tool in /usr/sbin/sshd ip nsenter unshare ssh; do
    command -v "$tool" >/dev/null || missing+=" $tool;"
done
if [ -n "$missing" ]; then
    echo "test-cluster needs:$missing on Debian: apt-get install openssh-server iproute2" >&2
    exit 1
fi

python=${PYTHON:-.venv/bin/python}
case $python in */*) python=$PWD/$python ;; *) python=$(command -v "$python") ;; esac
[ -x "$python" ] || python=${PYTHON} # an absolute path was given
lab=$(mktemp -d)
hosts=$PWD/cluster/emulated_hosts.sh
trap '"$hosts" down "$lab"; rm -rf "$lab"' EXIT
"$hosts" up "$lab" 3

export PYTHONPATH=$PWD PRTE_MCA_plm_ssh_agent="ssh -F $lab/ssh_config"
export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1
# a host that is cut off is noticed within seconds, not after the two hours of TCP
export PRTE_MCA_oob_tcp_keepalive_time=4 PRTE_MCA_oob_tcp_keepalive_intvl=1
export PRTE_MCA_oob_tcp_keepalive_probes=3

cat >"$lab/job.py" <<'PY'
import os, signal, socket, sys, time
from pathlib import Path
from mpi4py import MPI

comm, what, lab = MPI.COMM_WORLD, sys.argv[1], Path(sys.argv[2])
names = comm.allgather(f"{socket.gethostname()}:{os.environ['LOCAL_RANK']}")
print("ranks on", *names)
Path(lab, f"started{comm.rank}").touch()
if what == "raise" and comm.rank == 3:
    raise ValueError("far away")
if what == "kill" and comm.rank == 2:
    os.kill(os.getpid(), signal.SIGKILL)
if what != "ok":
    comm.bcast(time.sleep(60) if comm.rank == 1 else None, root=1)
PY

failures=0
job() { # job NAME: rc, output and seconds of a job on node1:2,node2:1,node3:1
    rm -f "$lab"/started*
    SECONDS=0 rc=0
    timeout -k 5 60 "$hosts" on "$lab" 0 "$python" -m isograd.launch run -H node1:2,node2:1,node3:1 \
        --log-dir "$lab/logs-$1" "$lab/job.py" "$1" "$lab" >"$lab/out" 2>&1 || rc=$?
}
expect() { # expect WHAT CONDITION...
    local what=$1
    shift
    if "$@"; then
        echo "ok    $what"
    else
        failures=$((failures + 1))
        echo "FAIL  $what (exit code $rc, ${SECONDS} s); output:"
        sed 's/^/      | /' "$lab/out"
    fi
}
printed() { grep -qE -- "$1" "$lab/out"; }
last() { tail -n 1 "$lab/out" | grep -qE -- "$1"; }

job ok
expect "a job on three hosts ends with 0" [ "$rc" = 0 ]
expect "ranks fill the hosts in order" printed '^ranks on node1:0 node1:1 node2:0 node3:0$'
expect "only rank 0 prints" [ "$(grep -c 'ranks on' "$lab/out")" = 1 ]

job raise
expect "an exception far away ends the job" [ "$rc" = 1 ]
expect "with its traceback last" last '^ValueError: far away$'
expect "and its rank and host" printed 'rank 3 \(host node3\) raised ValueError:'
expect "within 20 s" [ "$SECONDS" -le 20 ]

job kill
expect "a killed rank ends the job" [ "$rc" != 0 ]
expect "and is named" last 'rank 2 \(pid [0-9]+, host node2\) was killed' # Open MPI may hide the signal
expect "within 10 s, start included ($SECONDS s)" [ "$SECONDS" -le 10 ]

rm -f "$lab"/started*
(
    for _ in $(seq 300); do [ -e "$lab/started2" ] && break; sleep 0.1; done
    sleep 1
    "$hosts" off "$lab" 2
) &
job lost
wait
expect "a lost host fails the job" [ "$rc" != 0 ]
expect "and its rank is named" printed 'rank 2 \(pid [0-9]+, host node2\)'
expect "within 40 s ($SECONDS s)" [ "$SECONDS" -le 40 ]

[ "$failures" = 0 ] && echo "all well" || { echo "$failures failed" >&2; exit 1; }
