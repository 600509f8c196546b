# `isograd run` over ssh: placement, hostfiles, the same losses, exceptions, a killed rank, a lost host.
# Sourced by test.sh, which has the hosts and the words (on, expect, printed, ...).

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

run() { # run ARGUMENTS...: isograd run on node0; sets rc, took and $lab/out
    local start=$SECONDS
    rc=0
    rm -f "$lab"/started*
    timeout -k 5 60 "$hosts" on "$lab" 0 isograd run "$@" >"$lab/out" 2>&1 || rc=$?
    took=$((SECONDS - start))
}
job() { run -H node1:2,node2:1,node3:1 --log-dir "$lab/logs-$1" "$lab/job.py" "$1" "$lab"; }

job ok
expect "a job on three hosts ends with 0" [ "$rc" = 0 ]
expect "ranks fill the hosts in order" printed '^ranks on node1:0 node1:1 node2:0 node3:0$'
expect "only rank 0 prints" [ "$(grep -c 'ranks on' "$lab/out")" = 1 ]

gpt="examples/gpt.py --steps 4 --every 4 $tiny"
run $gpt --out one
expect "the example trains in one process" printed 'step 4: loss '
run -n 2 -H node1:1,node2:1 $gpt --out two
expect "and on two hosts" [ "$rc" = 0 ]
expect "with two ranks" printed ' 2 rank\(s\)'
expect "and the same losses" same_losses one two
printf '# as cluster/hostfile\nnode1 slots=1\nnode2:1 # MPICH writes it so\n' >hostfile
run --hostfile hostfile $gpt --out file
expect "a hostfile says how many ($took s)" printed ' 2 rank\(s\)'
expect "and gives the same losses" same_losses two file
printf 'worker-%d.gpt.default.svc slots=2\n' 1 2 >hostfile
export PRTE_MCA_prte_keep_fqdn_hostnames=true
run --hostfile hostfile "$lab/job.py" ok "$lab"
unset PRTE_MCA_prte_keep_fqdn_hostnames
expect "long host names, as of Kubernetes" printed '^ranks on node1:0 node1:1 node2:0 node2:1$'
timed "training over ssh"

job raise
expect "an exception far away ends the job" [ "$rc" = 1 ]
expect "with its traceback last" last '^ValueError: far away$'
expect "and its rank and host" printed 'rank 3 \(host node3\) raised ValueError:'
expect "within 20 s ($took s)" [ "$took" -le 20 ]

job kill
expect "a killed rank ends the job" [ "$rc" != 0 ]
expect "and is named" last 'rank 2 \(pid [0-9]+, host node2\) was killed' # Open MPI may hide the signal
expect "within 10 s, start included ($took s)" [ "$took" -le 10 ]

( wait_for 30 [ -e "$lab/started2" ] && sleep 1 && "$hosts" off "$lab" 2 ) &
job lost
wait
expect "a lost host fails the job, whatever mpirun's exit code" [ "$rc" != 0 ]
expect "and is named, with its rank" last 'lost host node2 with rank 2:'
expect "within 40 s ($took s)" [ "$took" -le 40 ]
