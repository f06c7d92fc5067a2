# A node that runs pods: everything that makes Services, cluster DNS and containers work, in namespaces of its own.
#
# Its network is a namespace joined to the machine's by one pair of interfaces, its mounts and processes are in namespaces too:
# when the namespace's first process ends, so do all of them, and the machine is as it was. Pods (10.201.1.0/24), Services
# (10.201.2.0/24) and the API server (10.201.0.1) are reached from the machine, and nothing else is from the pods.
# shellcheck shell=bash disable=SC2154 # `rig` sets the variables

machine_ip=10.201.0.2 node_ip=10.201.0.1 dns_ip=10.201.0.10
all_net=10.201.0.0/16 pod_net=10.201.1.0/24 service_net=10.201.2.0/24
interface=sluicegate-rig
etcd_in_node=2379 api_in_node=6443
node_lock=/run/lock/sluicegate-rig
# What the kubelet sets for the whole machine.
tunables=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

namespace_pid=$(cat "$run/namespace.pid" 2>/dev/null || true)

inside() { # COMMAND...: in the node's network, where there is one
  if [ -n "$namespace_pid" ]; then nsenter -t "$namespace_pid" --net "$@"; else "$@"; fi
}

up_namespace() {
  mkdir -p "$(dirname $node_lock)"
  exec {lock}>>"$node_lock"
  if ! flock --nonblock "$lock"; then
    say "waiting for the node of $(cat "$node_lock")"
    flock --timeout "${RIG_WAIT:-900}" "$lock" || { say "the node of $(cat "$node_lock") is still up" && return 1; }
  fi
  echo "$dir" >"$node_lock"
  sysctl "${tunables[@]}" >"$run/tunables"
  # The first process holds the lock for as long as the node is up, and takes care of orphans.
  # shellcheck disable=SC2016 # the inner shell's variables
  setsid unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash -c '
    mount --make-rshared /
    for folder in /run/containerd /run/netns /var/lib/cni /var/lib/containerd /var/lib/kubelet /var/log/pods /var/log/containers; do
      mkdir -p "$folder" && mount -t tmpfs -o mode=0755 tmpfs "$folder" || exit
    done
    touch "$0"
    while :; do sleep 3600 & wait; done' "$run/namespace.ready" >"$run/namespace.log" 2>&1 </dev/null &
  echo $! >"$run/namespace-outside.pid"
  disown
  exec {lock}>&-
  wait_for namespace-outside 60 "the node's namespaces" test -f "$run/namespace.ready"
  namespace_pid=$(pgrep -P "$(cat "$run/namespace-outside.pid")")
  echo "$namespace_pid" >"$run/namespace.pid"
  ip link add $interface type veth peer name eth0 netns "$namespace_pid"
  ip addr add $machine_ip/30 dev $interface
  ip link set $interface up
  ip route add $all_net via $node_ip
  inside sh -c "ip link set lo up && ip link set eth0 up && ip addr add $node_ip/30 dev eth0 && ip addr add $dns_ip/32 dev lo &&
    ip route add default via $machine_ip && echo 1 >/proc/sys/net/ipv4/ip_forward"
}

up_node() {
  node_configuration
  contained containerd containerd --config "$run/containerd.toml"
  wait_for containerd 120 containerd in_node ctr version
  python3 "$here/../../image/archive" --output "$run/pause.tar" --name localhost/pause:1 --entrypoint /pause "$bin/pause=/pause"
  load_images "$run/pause.tar"
  networked controller-manager kube-controller-manager --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 \
    --service-account-private-key-file="$run/accounts.key" --root-ca-file="$run/certificates/apiserver.crt" --cert-dir="$run/kcm" \
    --use-service-account-credentials=true
  networked scheduler kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 --cert-dir="$run/scheduler"
  contained kubelet kubelet --kubeconfig="$KUBECONFIG" --config="$run/kubelet.yaml" --hostname-override=rig --node-ip=$node_ip \
    --cert-dir="$run/kubelet"
  networked kube-proxy kube-proxy --kubeconfig="$KUBECONFIG" --hostname-override=rig --proxy-mode=iptables --cluster-cidr=$pod_net \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0
  networked dns dns -conf "$run/Corefile"
  wait_for kubelet 300 "the node" sh -c 'kubectl get node rig | grep -q " Ready"'
  wait_for controller-manager 120 "the default service account" kubectl get serviceaccount default
  wait_for dns 120 "the cluster's DNS" bash -c "exec 3<>/dev/tcp/$dns_ip/53"
}

networked() { # NAME COMMAND...
  launch "$1" nsenter -t "$namespace_pid" --net "${@:2}"
}

in_node() { # COMMAND...
  nsenter -t "$namespace_pid" --mount --net --pid "$@"
}

contained() { # NAME COMMAND...
  launch "$1" nsenter -t "$namespace_pid" --mount --net --pid "${@:2}"
}

# Containers are joined pairwise to the node rather than by a bridge: every packet is routed, so Services work without the
# kernel's filter for bridges.
node_configuration() {
  mkdir -p "$run/cni"
  : >"$run/resolv.conf"
  cat >"$run/containerd.toml" <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
TOML
  cat >"$run/cni/10-rig.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "rig",
  "plugins": [{
    "type": "ptp",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pod_net"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
JSON
  cat >"$run/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: true
failSwapOn: false
failCgroupV1: false
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: "1%", imagefs.available: "1%"}
clusterDNS: ["$dns_ip"]
clusterDomain: cluster.local
resolvConf: "$run/resolv.conf"
YAML
  cat >"$run/Corefile" <<CORE
.:53 {
  bind $dns_ip
  errors
  kubernetes cluster.local {
    kubeconfig $KUBECONFIG rig
    ttl 0
  }
}
CORE
}

load_images() { # ARCHIVE...
  [ -n "$namespace_pid" ] || { say "there is no node here: rig up --node" && return 1; }
  local archive
  for archive in "$@"; do
    in_node ctr --namespace k8s.io images import - <"$archive" >/dev/null
    say "loaded $archive"
  done
}

down_node() {
  [ -n "$namespace_pid" ] || return 0
  kill -9 "$namespace_pid" 2>/dev/null || true
  # Ended with their namespace; their outer halves may take a moment.
  stop kubelet
  stop containerd
}

down_network() {
  [ -n "$namespace_pid" ] || return 0
  stop namespace-outside
  ip link del $interface 2>/dev/null || true
  [ ! -f "$run/tunables" ] || sysctl --quiet --load "$run/tunables" || true
  local groups
  for groups in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
    [ ! -d "$groups" ] || find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  namespace_pid=
}
