#!/usr/bin/env bash
# mpi_test.sh N [pytest arguments]: the tests marked `mpi` on N ranks of this machine.
#
# Rank 0 prints to the terminal, the others to build/mpi-tests/nN/rank_k.log. Each rank leaves its
# exit code in a file and success is N zeros there: a rank that fails a test does not cut short
# the reports of the others, and a rank that vanished counts as a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
export N=$1
shift

python=${PYTHON:-.venv/bin/python}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
export TEST_PYTHON=$python
mpirun=$(dirname "$(command -v "$python")")/mpirun
[ -x "$mpirun" ] || mpirun=mpirun

export LOGS=$PWD/build/mpi-tests/n$N
rm -rf "$LOGS"
mkdir -p "$LOGS"

export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export PRTE_MCA_hwloc_default_binding_policy=none
export OMPI_MCA_mpi_yield_when_idle=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

rank='
    k=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:?no rank in the environment}}
    if [ "$k" != 0 ]; then exec >"$LOGS/rank_$k.log" 2>&1; fi
    code=0
    "$TEST_PYTHON" -m pytest "$@" || code=$?
    echo "$code" >"$LOGS/rank_$k.exit"
'
end=0
timeout -k 5 "${MPI_TEST_TIMEOUT:-600}" "$mpirun" -n "$N" bash -c "$rank" rank \
    --with-mpi -m "mpi and not gpu" -p no:cacheprovider \
    -o faulthandler_timeout=60 -o faulthandler_exit_on_timeout=true "$@" || end=$?

bad=0
for ((k = 0; k < N; k++)); do
    code=$(cat "$LOGS/rank_$k.exit" 2>/dev/null || echo "none: it did not end by itself")
    [ "$code" = 0 ] && continue
    bad=1
    echo "rank $k of $N: exit code $code" >&2
    if [ -s "$LOGS/rank_$k.log" ]; then
        echo "--- end of $LOGS/rank_$k.log" >&2
        tail -n "${MPI_TEST_LINES:-40}" "$LOGS/rank_$k.log" >&2
    fi
done
[ "$bad" = 0 ] && [ "$end" != 0 ] && echo "mpirun ended with code $end" >&2
[ "$bad" = 0 ] && [ "$end" = 0 ]
