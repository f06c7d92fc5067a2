//! The image in pods, as strictly confined as a cluster can demand.

use sluicegate_tests::Client;
use sluicegate_tests::kubernetes::Cluster;

/// Echo servers behind a Service. They answer until everyone has heard that they go.
pub(crate) const ECHO: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: echo
        image: localhost/sluicegate:dev
        imagePullPolicy: IfNotPresent
        args: [echo, --listen, '0.0.0.0:9101']
        ports: [{containerPort: 9101}]
        lifecycle: {preStop: {exec: {command: [sluicegate, sleep, 15s]}}}
        readinessProbe: {exec: {command: [sluicegate, probe, 'http://127.0.0.1:9101/']}, periodSeconds: 1, timeoutSeconds: 10}
        securityContext:
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{port: 80, targetPort: 9101}]}
";

#[test]
fn it_runs_where_pods_are_restricted() {
    let cluster = Cluster::with_node();
    cluster.load_image();
    let namespace = cluster.namespace();
    cluster.kubectl(&["label", "namespace", namespace.name(), "pod-security.kubernetes.io/enforce=restricted"]);
    namespace.apply(ECHO);
    namespace.kubectl(&["rollout", "status", "deployment/echo", "--timeout=300s"]);

    // From the machine through the Service, and from pod to pod by name.
    let answer = Client::connect(namespace.service_address("echo", 80)).get("/hello").text();
    assert!(answer.contains("\"name\":\"echo-"), "each is called after its pod: {answer}");
    let url = format!("http://echo.{}.svc.cluster.local/", namespace.name());
    let probe = |url: &str| namespace.try_kubectl(&["exec", "deployment/echo", "--", "sluicegate", "probe", url], "");
    probe(&url).unwrap();
    let refused = probe(&format!("{url}status/503")).unwrap_err();
    assert!(refused.contains("answers 503 Service Unavailable"), "{refused}");

    let shell = namespace.try_kubectl(&["exec", "deployment/echo", "--", "sh", "-c", "id"], "").unwrap_err();
    assert!(shell.contains("executable file not found"), "there is no shell: {shell}");
}
