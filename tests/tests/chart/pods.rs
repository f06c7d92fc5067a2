//! What the pods are told: configuration, time to stop, and who they are.

use super::helm::{NAMESPACE, find, objects};

#[test]
fn a_pod_has_time_for_the_delay_and_for_draining() {
    // preStopDelay, drainTimeout, and their sum in whole seconds with five more.
    for (delay, drain, expected) in
        [("5s", "30s", 40), ("0s", "0s", 5), ("1m", "1h30m", 5465), ("500ms", "1s", 7), ("1m1s1ms", "1500ms", 69)]
    {
        let values = format!("proxy: {{preStopDelay: {delay}, config: {{shutdown: {{drainTimeout: {drain}}}}}}}");
        let objects = objects(&values);
        let pod = &find(&objects, "Deployment", "edge-proxy")["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], expected, "{delay} and {drain}");
        let lifecycle = &pod["containers"][0]["lifecycle"];
        if delay == "0s" {
            assert!(lifecycle.is_null(), "nothing to wait for");
        } else {
            assert_eq!(lifecycle["preStop"]["exec"]["command"], serde_json::json!(["sluicegate", "sleep", delay]));
        }
    }
}

#[test]
fn another_configuration_is_another_pod() {
    let checksum = |values: &str, name: &str| {
        let objects = objects(values);
        let annotations = &find(&objects, "Deployment", name)["spec"]["template"]["metadata"]["annotations"];
        annotations["sluicegate.dev/config-checksum"].as_str().unwrap().to_owned()
    };
    for (name, values) in
        [("edge-controller", "watchNamespaces: [team-a]"), ("edge-proxy", "proxy: {config: {workers: 2}}")]
    {
        assert_ne!(checksum("{}", name), checksum(values, name), "{name}");
        assert_eq!(checksum("{}", name), checksum("proxy: {replicas: 5}", name), "{name}");
    }
}

/// The proxies' account has no token for the API server, only one that the controller asks for.
#[test]
fn proxies_show_a_token_of_the_controllers_audience() {
    let objects = objects("{}");
    let pod = &find(&objects, "Deployment", "edge-proxy")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let volumes = pod["volumes"].as_array().unwrap();
    let projected = volumes.iter().find_map(|volume| volume["projected"]["sources"].as_array()).unwrap();
    let token = &projected[0]["serviceAccountToken"];

    let config = &find(&objects, "ConfigMap", "edge-controller")["data"]["controller.yaml"];
    let config: serde_json::Value = serde_saphyr::from_str(config.as_str().unwrap()).unwrap();
    assert_eq!(token["audience"], config["channel"]["audience"]);
    assert_eq!(pod["serviceAccountName"], config["proxies"]["serviceAccount"]);
    find(&objects, "Service", config["proxies"]["service"].as_str().unwrap());
    let authorities = volumes.iter().find(|volume| volume["name"] == "authorities").unwrap();
    assert_eq!(authorities["configMap"]["name"], config["channel"]["caConfigMap"]);

    // The proxies look for the controller by the name that its certificate is for.
    let proxy = &find(&objects, "ConfigMap", "edge-proxy")["data"]["sluicegate.yaml"];
    let proxy: serde_json::Value = serde_saphyr::from_str(proxy.as_str().unwrap()).unwrap();
    let server = config["channel"]["serverName"].as_str().unwrap();
    assert_eq!(proxy["controller"]["url"], format!("https://{server}:8443"));
    let service = find(&objects, "Service", "edge-controller");
    assert_eq!(server, format!("edge-controller.{NAMESPACE}.svc"));
    assert_eq!(service["spec"]["ports"][0]["port"], 8443);
}

/// The files that the proxies' configuration names are where the pod's volumes are mounted.
#[test]
fn files_are_where_volumes_are_mounted() {
    let objects = objects("{}");
    let proxy = &find(&objects, "ConfigMap", "edge-proxy")["data"]["sluicegate.yaml"];
    let proxy: serde_json::Value = serde_saphyr::from_str(proxy.as_str().unwrap()).unwrap();
    let pod = &find(&objects, "Deployment", "edge-proxy")["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    for (file, volume) in [
        (&proxy["controller"]["caFile"], "authorities"),
        (&proxy["controller"]["tokenFile"], "token"),
        (&proxy["savedTable"], "saved-table"),
    ] {
        let folder = file.as_str().unwrap().rsplit_once('/').unwrap().0;
        let mount = mounts.iter().find(|mount| mount["mountPath"] == folder).unwrap_or_else(|| panic!("{folder}"));
        assert_eq!(mount["name"], volume);
        // Only the saved table is written.
        assert_eq!(mount["readOnly"] == true, volume != "saved-table", "{folder}");
    }
}
