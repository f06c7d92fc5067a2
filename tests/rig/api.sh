# The API server and its store.
# shellcheck shell=bash disable=SC2154 # `rig` sets the variables

# Below the ports that the kernel gives out, so that a stopped server finds its own free when it starts again.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 9900))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# Another process may take a port between the choice and the use of it.
up_api_anywhere() {
  local attempt
  for attempt in 1 2 3; do
    if up_api 127.0.0.1 "${RIG_ETCD_PORT:-$(free_port)}" "${RIG_API_PORT:-$(free_port)}"; then return; fi
    say "attempt $attempt failed"
    stop apiserver
    stop etcd
    rm -rf "$run"
    mkdir -p "$run"
  done
  return 1
}

etcd_is_ready() {
  local client
  client=$(cat "$run/etcd.url")
  ETCDCTL_API=3 inside etcdctl --endpoints "$client" endpoint health
}

up_api() { # ADDRESS ETCD-PORT API-PORT
  local address=$1 client=http://127.0.0.1:$2 port=$3 reconciler=none bind=127.0.0.1
  if [ "$address" != 127.0.0.1 ]; then
    # Pods find the API server by the endpoints of its Service, which must not be of loopback.
    reconciler=lease
    bind=0.0.0.0
  fi
  if [ ! -f "$run/accounts.pub" ]; then
    openssl genrsa -out "$run/accounts.key" 2048 2>/dev/null
    openssl rsa -in "$run/accounts.key" -pubout -out "$run/accounts.pub" 2>/dev/null
  fi
  local token
  token=$(openssl rand -hex 16)
  echo "$token,admin,admin,system:masters" >"$run/tokens.csv"
  echo "$client" >"$run/etcd.url"
  # What was asked of it, one line a request, for tests that count writes or hold requests against the rights granted.
  cat >"$run/audit.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver", "admin"]}
- {level: Metadata}
YAML
  # A data directory on a slow disk is not what is tested: nothing here outlives the machine.
  launch etcd ${namespace_pid:+nsenter -t "$namespace_pid" --net} etcd --data-dir "$run/etcd" --unsafe-no-fsync \
    --listen-client-urls "$client" --advertise-client-urls "$client" --listen-peer-urls http://127.0.0.1:0 \
    --initial-advertise-peer-urls http://127.0.0.1:0 --initial-cluster default=http://127.0.0.1:0
  wait_for etcd 120 etcd etcd_is_ready || return
  launch apiserver ${namespace_pid:+nsenter -t "$namespace_pid" --net} kube-apiserver --etcd-servers="$client" \
    --bind-address="$bind" --advertise-address="$address" --secure-port="$port" --endpoint-reconciler-type=$reconciler \
    --cert-dir="$run/certificates" --token-auth-file="$run/tokens.csv" --authorization-mode=Node,RBAC \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$run/accounts.pub" \
    --service-account-signing-key-file="$run/accounts.key" --service-cluster-ip-range="$service_net" --allow-privileged=true \
    --audit-policy-file="$run/audit.yaml" --audit-log-path="$run/audit.log" --kubelet-preferred-address-types=InternalIP
  wait_for apiserver 120 "the API server's certificate" test -s "$run/certificates/apiserver.crt" || return
  cat >"$KUBECONFIG" <<YAML
apiVersion: v1
kind: Config
current-context: rig
contexts: [{name: rig, context: {cluster: rig, user: admin}}]
users: [{name: admin, user: {token: $token}}]
clusters:
- name: rig
  cluster:
    server: https://$address:$port
    certificate-authority-data: $(base64 -w0 "$run/certificates/apiserver.crt")
YAML
  wait_for apiserver 300 "the API server" kubectl get --raw /readyz
}

compact() {
  local client revision
  client=$(cat "$run/etcd.url")
  revision=$(ETCDCTL_API=3 inside etcdctl --endpoints "$client" endpoint status --write-out json | grep -o '"revision":[0-9]*' | cut -d: -f2)
  ETCDCTL_API=3 inside etcdctl --endpoints "$client" compaction --physical "$revision" >/dev/null
  say "compacted at revision $revision"
}
