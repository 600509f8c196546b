#!/usr/bin/env bash
# Several hosts on one Linux machine, to test what only happens between hosts. Needs root, sshd, iproute2.
#
#   emulated_hosts.sh up FOLDER N      node0 (where jobs are started) and node1..nodeN, ssh between them
#   emulated_hosts.sh on FOLDER I cmd  run a command on node I, in the current folder
#   emulated_hosts.sh off FOLDER I     cut the power of node I
#   emulated_hosts.sh down FOLDER      remove all of them
#
# Each answers to nodeI and, as a pod of an MPIJob does, to a longer name whose first part alone means nothing.
# A host is a set of namespaces (network, host name, processes, mounts, IPC) with its own address, its own
# /dev/shm and TMPDIR, and its own sshd as first process; a bridge joins them. The file system is
# shared, as a cluster's would be. Nothing is connected to the real network.
set -euo pipefail

verb=$1
D=$(mkdir -p "$2" && cd "$2" && pwd)
net=ig$(printf '%s' "$D" | cksum | cut -c1-5) # names of ours, so that two folders do not meet

run_on() { # run_on I cmd...
    local node=$1
    shift
    TMPDIR=$D/tmp$node nsenter -t "$(cat "$D/node$node.pid")" -n -u -i -p -m --wd="$PWD" -- "$@"
}

write_ssh() {
    [ -s "$D/id" ] || ssh-keygen -q -t ed25519 -N '' -f "$D/id"
    [ -s "$D/hostkey" ] || ssh-keygen -q -t ed25519 -N '' -f "$D/hostkey"
    cp "$D/id.pub" "$D/authorized"
    cat >"$D/sshd_config" <<CONF
HostKey $D/hostkey
AuthorizedKeysFile $D/authorized
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PidFile none
MaxStartups 100
CONF
    cat >"$D/ssh_config" <<CONF
Host *
  User root
  IdentityFile $D/id
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 10
CONF
}

start_node() { # start_node I
    local i=$1 ns=$net-$1 shell=
    mkdir -p "$D/tmp$i" # process ids repeat between nodes, so files named after them need it
    ip netns add "$ns"
    ip -n "$ns" link set lo up
    ip link add "p$i" netns "$net-sw" type veth peer name eth0 netns "$ns"
    ip -n "$net-sw" link set "p$i" master br0 up
    ip -n "$ns" addr add "10.77.0.$((10 + i))/24" dev eth0
    ip -n "$ns" link set eth0 up
    nsenter --net="/run/netns/$ns" unshare -u -i -p -m --fork --kill-child --mount-proc \
        --propagation private bash -c "
            mount --bind '$D/etc_hosts' /etc/hosts
            mount -t tmpfs -o size=1g tmpfs /dev/shm
            hostname node$i
            exec /usr/sbin/sshd -D -e -f '$D/sshd_config' -o SetEnv=TMPDIR='$D/tmp$i'" >"$D/node$i.log" 2>&1 </dev/null &
    shell=$!
    for _ in $(seq 100); do # the first process of the node is the child of unshare
        tr -d ' ' <"/proc/$shell/task/$shell/children" >"$D/node$i.pid" || true
        [ -s "$D/node$i.pid" ] && return
        sleep 0.05
    done
    echo "node$i did not start; see $D/node$i.log" >&2
    exit 1
}

case $verb in
up)
    mkdir -p /run/sshd
    chmod 700 "$D"
    write_ssh
    { echo "127.0.0.1 localhost"
      for i in $(seq 0 "$3"); do echo "10.77.0.$((10 + i)) node$i worker-$i.gpt.default.svc"; done
    } >"$D/etc_hosts"
    ip netns add "$net-sw"
    ip -n "$net-sw" link add br0 type bridge
    ip -n "$net-sw" link set br0 up
    for i in $(seq 0 "$3"); do start_node "$i"; done
    for i in $(seq 0 "$3"); do
        for try in $(seq 100); do
            run_on 0 ssh -F "$D/ssh_config" "node$i" true 2>/dev/null && break
            [ "$try" = 100 ] && { echo "node$i does not answer" >&2; exit 1; }
            sleep 0.1
        done
    done
    ;;
on)
    shift 2
    run_on "$@"
    ;;
off)
    ip -n "$net-sw" link set "p$3" down # no last words on the network
    kill -9 "$(cat "$D/node$3.pid")"
    ;;
down)
    for file in "$D"/node*.pid; do
        [ -s "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
    sleep 0.3
    ip netns list | awk -v p="$net-" 'index($1, p) == 1 {print $1}' |
        while read -r ns; do ip netns del "$ns"; done
    ;;
*)
    echo "emulated_hosts.sh: expected up, on, off or down, got $verb" >&2
    exit 2
    ;;
esac
