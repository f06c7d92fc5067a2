# What `up` needs: Debian packages and Go programs, installed once. A reason why that can't be is printed in one sentence.
# shellcheck shell=bash disable=SC2154 # `rig` sets the variables

install_all() { # [--node]
  if [ "${1:-}" = --node ] && [ "$(id -u)" != 0 ]; then
    echo "only root can bring up a node"
    return 1
  fi
  (
    # Several rigs may come up at once.
    flock 9
    packages etcd:etcd-server etcdctl:etcd-client openssl:openssl python3:python3 ps:procps || exit
    programs api kubernetes k8s.io/kubernetes/cmd/{kube-apiserver,kubectl} || exit
    [ "${1:-}" = --node ] || exit 0
    packages containerd:containerd runc:runc /usr/lib/cni/ptp:containernetworking-plugins iptables:iptables ip:iproute2 \
      nsenter:util-linux sysctl:procps || exit
    programs node kubernetes k8s.io/kubernetes/cmd/{kubelet,kube-controller-manager,kube-scheduler,kube-proxy} ./pause || exit
    programs dns dns . || exit
  ) 9>"$bin/.lock"
}

packages() { # COMMAND:PACKAGE...
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "there is no ${missing[*]}, and only root on Debian can install that here"
    return 1
  fi
  # A fresh machine has no lists of packages, or old ones.
  # shellcheck disable=SC2016 # the inner shell's variables
  logged packages sh -c '
    options="-o Acquire::Retries=5 -o DPkg::Lock::Timeout=300"
    get="apt-get $options install -y --no-install-recommends $*"
    $get || { apt-get $options update && $get; }' sh "${missing[@]}"
}

programs() { # STAMP MODULE PACKAGE...: builds Go programs of a module beside this file
  local stamp=$bin/.$1 module=$here/$2 version inputs
  shift 2
  inputs="$(cat "$module/go.mod" "$module/go.sum" | sha256sum) $*"
  [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$inputs" ] || return 0
  command -v go >/dev/null || { echo "there is no Go to build Kubernetes with" && return 1; }
  version=$(cd "$module" && go list -m -f '{{.Version}}' k8s.io/kubernetes 2>/dev/null || true)
  # kubectl and the kubelet compare versions, which only the build's flags tell them.
  logged programs again env -C "$module" CGO_ENABLED=0 go build -o "$bin/" \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")" "$@" || return
  echo "$inputs" >"$stamp"
}

again() { # COMMAND...: three times in all, for downloads
  "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; }
}

logged() { # NAME COMMAND...: keeps the output for the one who asks
  local log=$bin/.$1.log
  shift
  "$@" >"$log" 2>&1 && return
  echo "what the rig needs could not be installed: see $log"
  return 1
}
