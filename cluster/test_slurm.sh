# The batch scripts of cluster/slurm on a Slurm of three nodes: training, resuming, failures.
# Sourced by test.sh, which has the hosts and the words (on, expect, printed, ...).

"$tests/emulated_slurm.sh" "$lab" 3
export SLURM_CONF=$lab/slurm/slurm.conf

submit() { # submit SBATCH-ARGUMENTS...: sets id; output in $lab/out
    rm -f "$lab/out"
    start=$SECONDS
    id=$(on 0 sbatch --parsable --output="$lab/out" "$@")
}
state() { on 0 scontrol show job "$id" -o | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p'; }
ended() { case $(state) in PENDING | RUNNING | COMPLETING | SUSPENDED | CONFIGURING) false ;; esac; }
wait_end() { # wait_end SECONDS: sets rc to the state of the job, and took
    wait_for "$1" ended || on 0 scancel "$id"
    rc=$(state)
    took=$((SECONDS - start))
}
rank_on() { # rank_on I SCRIPT: process id, inside the node, of a rank running the script
    on "$1" pgrep -of "isograd.launch run .*$2"
}

submit "$tests/slurm/gpt.sbatch" --steps 4 --every 4 $tiny
wait_end 60
expect "gpt.sbatch ends well ($took s)" [ "$rc" = COMPLETED ]
expect "on four ranks" printed ' 4 rank\(s\)'
expect "with the losses of one process" same_losses one "out/gpt-$id"

submit "$tests/slurm/gpt-srun.sbatch" --steps 4 --every 4 $tiny
wait_end 60
expect "gpt-srun.sbatch ends well ($took s)" [ "$rc" = COMPLETED ]
expect "on four ranks" printed ' 4 rank\(s\)'
expect "with the losses of one process" same_losses one "out/gpt-$id"

MPI_TYPE=none submit --no-requeue "$tests/slurm/gpt-srun.sbatch" --steps 4 $tiny
wait_end 60
expect "srun --mpi=none is an error ($took s)" [ "$rc" = FAILED ]
expect "that says what to do" printed 'slurm started 4 process.* use `srun --mpi=pmix`'
expect "and nothing is trained" [ ! -e "out/gpt-$id/loss.csv" ]
timed "training under Slurm"

OUT=again submit "$tests/slurm/gpt.sbatch" --steps 200 --every 20 $tiny
wait_for 60 [ -e again/checkpoint.pt ] || true
on 0 scancel --batch --signal=USR1 "$id" # what Slurm sends before the time limit
wait_end 90
expect "a job near its time limit is requeued and ends well ($took s)" [ "$rc" = COMPLETED ]
expect "after a second start" printed '^job .* start 1$'
expect "without a step lost or done twice" [ "$(rows again)" = "$(seq -s ' ' 200)" ]
timed "requeue"

OUT=killed submit --no-requeue "$tests/slurm/gpt.sbatch" --steps 100000 --every 20 $tiny
wait_for 60 [ -e killed/checkpoint.pt ] || true
start=$SECONDS
on 2 kill -9 "$(rank_on 2 gpt.py)"
wait_end 30
expect "a killed rank fails the job" [ "$rc" = FAILED ]
expect "and is named" printed 'rank [23] \(pid [0-9]+, host node2\) was killed'
expect "within 10 s ($took s)" [ "$took" -le 10 ]

OUT=lost submit --no-requeue "$tests/slurm/gpt.sbatch" --steps 100000 --every 20 $tiny
wait_for 60 [ -e lost/checkpoint.pt ] || true
start=$SECONDS
"$hosts" off "$lab" 2
wait_end 60
expect "a lost node fails the job ($took s)" [ "$rc" = FAILED ]
expect "and is named" printed 'lost host node2 with ranks 2-3:'
