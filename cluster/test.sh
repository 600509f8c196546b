#!/usr/bin/env bash
# What only happens between hosts, tried on this one: ssh, Slurm, killed ranks, lost hosts. Linux, root.
# Run: make test-cluster (a bit over two minutes; packages it needs: cluster/install_lab.sh).
# Where it cannot run it says why and ends with 0.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "SKIPPED $1"
    exit 0
}
[ "$(uname -s)" = Linux ] || skip "cluster tests: they need Linux"
[ "$(id -u)" = 0 ] || skip "cluster tests: they need root, for network namespaces and sshd"
for tool in /usr/sbin/sshd ssh ip nsenter unshare; do
    command -v "$tool" >/dev/null || skip "cluster tests: no $tool; cluster/install_lab.sh installs it"
done
unshare -n -u -i -p -m --fork true 2>/dev/null || skip "cluster tests: no namespaces here (a container?)"

python=${PYTHON:-.venv/bin/python}
case $python in
/*) ;;
*/*) python=$PWD/$python ;;
*) python=$(command -v "$python") ;;
esac
lab=$(mktemp -d)
hosts=$PWD/cluster/emulated_hosts.sh
failures=0
began=$SECONDS

finish() { # leave nothing behind, and look whether that is so
    local code=$? left
    trap - EXIT
    "$hosts" down "$lab"
    left=$(env -i grep -lsF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ <<<"$lab" || true)
    rm -rf "$lab"
    [ -z "$left" ] || { echo "FAIL  processes left: $left" >&2; code=1; }
    [ "$code" = 0 ] || echo "cluster tests failed" >&2
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

on() { "$hosts" on "$lab" "$@"; }
timed() { echo "--    $1: $((SECONDS - began)) s since the start"; }
expect() { # expect WHAT CONDITION...; the condition may look at $rc, $took and the file $lab/out
    local what=$1
    shift
    if "$@"; then
        echo "ok    $what"
    else
        failures=$((failures + 1))
        echo "FAIL  $what (exit code $rc, $took s); output:"
        sed 's/^/      | /' "$lab/out"
    fi
}
printed() { grep -qE -- "$1" "$lab/out"; }
last() { tail -n 1 "$lab/out" | grep -qE -- "$1"; }
wait_for() { # wait_for SECONDS CONDITION...
    local tries=$(($1 * 10))
    shift
    for _ in $(seq "$tries"); do
        "$@" && return
        sleep 0.1
    done
    return 1
}
rows() { tail -n +2 "$1/loss.csv" | cut -d, -f1 | paste -sd ' '; } # the steps in a table of losses
same_losses() { # same_losses FOLDER FOLDER: the tables agree to rounding
    "$python" - "$1/loss.csv" "$2/loss.csv" <<'PY'
import csv, sys
a, b = ([[float(x or 0) for x in row] for row in list(csv.reader(open(f)))[1:]] for f in sys.argv[1:])
far = [(x, y) for r, s in zip(a, b) for x, y in zip(r, s) if abs(x - y) > 1e-3 * abs(x)]
sys.exit(len(a) != len(b) or not a or bool(far))
PY
}

# a folder to start jobs from, as a user's copy of the repository with `isograd` in PATH
mkdir -p "$lab/home" "$lab/bin"
ln -s "$PWD/examples" "$lab/home/examples"
printf '#!/bin/sh\nexec "%s" -m isograd.launch "$@"\n' "$python" >"$lab/bin/isograd"
chmod +x "$lab/bin/isograd"
export PATH=$lab/bin:$PATH PYTHONPATH=$PWD PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
export OMPI_MCA_mpi_yield_when_idle=1 # more ranks than cores, on hosts that think they have them alone
export PRTE_MCA_plm_ssh_agent="ssh -F $lab/ssh_config"
# a host that is cut off is noticed within seconds, not after minutes
export PRTE_MCA_oob_tcp_keepalive_time=4 PRTE_MCA_oob_tcp_keepalive_intvl=1
export PRTE_MCA_oob_tcp_keepalive_probes=3
tiny="--layers 1 --width 32 --context 32 --batch 8 --text 200000"
tests=$PWD/cluster

"$hosts" up "$lab" 3
timed "four hosts are up"
cd "$lab/home"
. "$tests/test_hosts.sh"
timed "hosts done"
if command -v slurmctld slurmd munged sbatch >/dev/null; then
    "$hosts" down "$lab" # one of them is off by now
    "$hosts" up "$lab" 3
    . "$tests/test_slurm.sh"
    timed "Slurm done"
else
    echo "SKIPPED Slurm: not installed; cluster/install_lab.sh installs it"
fi
[ "$failures" = 0 ] || { echo "$failures failed" >&2; exit 1; }
echo "all well"
