//! `values.schema.json` and the templates refuse what makes no sense, before anything is installed.

use std::thread;

use super::helm::{NAMESPACE, release_template, template};

/// Values, and a part of what Helm says against them.
const NONSENSE: &[(&str, &str)] = &[
    ("proxies: {}", "additional properties 'proxies' not allowed"),
    ("image: {name: x}", "at '/image': additional properties 'name' not allowed"),
    ("image: {tag: 'a b'}", "at '/image/tag'"),
    ("image: {tag: 1.5}", "at '/image/tag': got number, want string"),
    ("image: {digest: 0123}", "at '/image/digest'"),
    ("image: {pullPolicy: always}", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("imagePullSecrets: [registry]", "at '/imagePullSecrets/0'"),
    ("watchNamespaces: team-a", "at '/watchNamespaces': got string, want array"),
    ("watchNamespaces: [Team_A]", "at '/watchNamespaces/0'"),
    ("watchNamespaces: [a, a]", "at '/watchNamespaces': items at 0 and 1 are equal"),
    ("objectSelector: {app: x}", "at '/objectSelector': got object, want string"),
    ("hostnames: [a.example.com]", "at '/hostnames/0'"),
    ("hostnames: [{namespaces: [a], hostnames: []}]", "at '/hostnames/0/hostnames': minItems: got 0, want 1"),
    ("hostnames: [{namespaces: [a], hostnames: ['https://a.example.com']}]", "at '/hostnames/0/hostnames/0'"),
    ("channel: {secret: x}", "at '/channel': additional properties 'secret' not allowed"),
    ("channel: {existingSecret: Not_A_Name}", "at '/channel/existingSecret'"),
    ("controller: {replicas: 0}", "at '/controller/replicas': minimum: got 0, want 1"),
    ("controller: {replicas: two}", "at '/controller/replicas': got string, want integer"),
    ("controller: {config: {}}", "at '/controller': additional properties 'config' not allowed"),
    ("controller: {log: 'info debug'}", "at '/controller/log'"),
    (
        "controller: {podLabels: {app.kubernetes.io/name: x}}",
        "at '/controller/podLabels/app.kubernetes.io~1name': false schema",
    ),
    ("controller: {podAnnotations: {a: 1}}", "at '/controller/podAnnotations/a': got number, want string"),
    ("controller: {extraEnv: [{name: POD_NAME, value: x}]}", "at '/controller/extraEnv/0/name'"),
    ("proxy: {extraEnv: [{name: RUST_LOG, value: x}]}", "at '/proxy/extraEnv/0/name'"),
    ("proxy: {replica: 3}", "at '/proxy': additional properties 'replica' not allowed"),
    (
        "proxy: {config: {admin: {address: '0.0.0.0:1'}}}",
        "at '/proxy/config': additional properties 'admin' not allowed",
    ),
    ("proxy: {config: {observe: {address: '0.0.0.0:1'}}}", "additional properties 'observe' not allowed"),
    ("proxy: {config: {controller: {url: x}}}", "additional properties 'controller' not allowed"),
    ("proxy: {config: {savedTable: /tmp/x}}", "additional properties 'savedTable' not allowed"),
    ("proxy: {config: {redis: {url: x}}}", "additional properties 'redis' not allowed"),
    ("proxy: {config: {listeners: []}}", "at '/proxy/config/listeners': minItems: got 0, want 1"),
    ("proxy: {config: {listeners: [{address: localhost}]}}", "at '/proxy/config/listeners/0/address'"),
    ("proxy: {config: {listeners: [{address: '0.0.0.0:80', tls: {}}]}}", "missing property 'certificates'"),
    ("proxy: {config: {workers: -1}}", "at '/proxy/config/workers': minimum: got -1, want 0"),
    ("proxy: {config: {trustedProxies: [example.com]}}", "at '/proxy/config/trustedProxies/0'"),
    ("proxy: {config: {identity: {userHeader: 'X User'}}}", "at '/proxy/config/identity/userHeader'"),
    ("proxy: {config: {limits: {requestBody: 10 MB}}}", "at '/proxy/config/limits/requestBody'"),
    (
        "proxy: {config: {shutdown: {drainTimeout: 30}}}",
        "at '/proxy/config/shutdown/drainTimeout': got number, want string",
    ),
    ("proxy: {preStopDelay: soon}", "at '/proxy/preStopDelay'"),
    ("proxy: {savedTableSize: 64}", "at '/proxy/savedTableSize': got number, want string"),
    ("proxy: {service: {type: ExternalName}}", "at '/proxy/service/type': value must be one of"),
    ("proxy: {service: {httpPort: 0}}", "at '/proxy/service/httpPort': minimum: got 0, want 1"),
    ("proxy: {service: {externalTrafficPolicy: Local}}", "at '/proxy/service/externalTrafficPolicy': value must be ''"),
    ("proxy: {service: {loadBalancerClass: x}}", "at '/proxy/service/loadBalancerClass': value must be ''"),
    (
        "proxy: {autoscaling: {enabled: true, targetCPUUtilizationPercentage: 0}}",
        "at '/proxy/autoscaling/targetCPUUtilizationPercentage': minimum: got 0, want 1",
    ),
    (
        "proxy: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 4}}",
        "proxy.autoscaling.maxReplicas is 4, less than minReplicas, which is 5",
    ),
    ("proxy: {podDisruptionBudget: {minAvailable: half}}", "at '/proxy/podDisruptionBudget/minAvailable'"),
    ("proxy: {topologySpreadConstraints: [{topologyKey: zone}]}", "missing properties 'maxSkew', 'whenUnsatisfiable'"),
    ("redis: {url: 'redis://redis:6379'}", "at '/redis/url': value must be ''"),
    ("redis: {existingSecret: redis}", "at '/redis/existingSecret': value must be ''"),
    ("networkPolicy: {enabled: 'yes'}", "at '/networkPolicy/enabled': got string, want boolean"),
    ("metrics: {podMonitor: {enabled: true}, serviceMonitor: {enabled: true}}", "at '/metrics': 'not' failed"),
    ("metrics: {podMonitor: {interval: 30}}", "at '/metrics/podMonitor/interval': got number, want string"),
    (
        "metrics: {podMonitor: {labels: {helm.sh/chart: x}}}",
        "at '/metrics/podMonitor/labels/helm.sh~1chart': false schema",
    ),
];

#[test]
fn nonsense_is_refused_with_its_place() {
    thread::scope(|scope| {
        for (values, message) in NONSENSE {
            scope.spawn(move || {
                let error = template(values).expect_err(values);
                assert!(error.contains(message), "{values}:\n{error}");
            });
        }
    });
}

/// A Service's name ends at 63 characters, so that Helm's limit alone is not enough.
#[test]
fn a_release_with_too_long_a_name_is_refused() {
    let longest = "e".repeat(49);
    release_template(&longest, NAMESPACE, "{}").unwrap();
    let error = release_template(&format!("{longest}e"), NAMESPACE, "{}").unwrap_err();
    assert!(error.contains("has more than 49 characters"), "{error}");
}
