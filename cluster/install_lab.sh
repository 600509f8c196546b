#!/usr/bin/env bash
# What `make test-cluster` needs on Debian or Ubuntu: Slurm, ssh server, iproute2. Root; about half a minute.
# Nothing is started: a policy file keeps the packages' daemons off, also at the next boot.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "install_lab.sh: expected to run as root" >&2; exit 1; }
command -v apt-get >/dev/null || {
    echo "install_lab.sh: expected Debian or Ubuntu; install slurmctld, slurmd, munge, the PMIx library" \
        "(version 4), sshd and iproute2 yourself" >&2
    exit 1
}

had=$(dpkg-query -W -f '${Package} ' slurmctld slurmd munge openssh-server 2>/dev/null || true)
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -yq --no-install-recommends \
    slurmctld slurmd slurm-client munge libpmix2 openssh-server iproute2 procps

# Slurm's mpi/pmix plugin opens libpmix.so, which is only in libpmix-dev; a link is enough
library=$(dpkg -L libpmix2 | grep '/pmix2/lib/libpmix\.so\.2$')
[ -e "${library%.2}" ] || ln -s libpmix.so.2 "${library%.2}"

if command -v systemctl >/dev/null; then # only what was not here before
    for unit in slurmctld slurmd munge; do
        case " $had " in *" $unit "*) ;; *) systemctl disable "$unit" >/dev/null 2>&1 || true ;; esac
    done
fi
echo "ready: make test-cluster"
