//! The configurations that the chart writes are ones that the controller and the proxies take.

use std::path::Path;

use sluicegate_controller::config::Config as ControllerConfig;
use sluicegate_proxy::config::Config as ProxyConfig;

use super::helm::{cases, find, objects, values};

#[test]
fn controller_and_proxy_take_their_configurations() {
    for case in cases() {
        let objects = objects(&values(&case));
        let text = |map: &str, file: &str| find(&objects, "ConfigMap", map)["data"][file].as_str().unwrap().to_owned();

        let controller = text("edge-controller", "controller.yaml");
        let controller = ControllerConfig::parse(&controller, Path::new("controller.yaml"))
            .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert_eq!(controller.channel.server_name, "edge-controller.gate.svc");

        let proxy = text("edge-proxy", "sluicegate.yaml");
        let proxy = ProxyConfig::parse(&proxy, Path::new("/etc/sluicegate/sluicegate.yaml"))
            .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert!(proxy.controller.is_some() && proxy.saved_table.is_some(), "{}", case.display());
    }
}

/// What the schema lets through into the proxies' configuration, they take: a typical value of each form.
#[test]
fn what_the_schema_lets_through_the_proxies_take() {
    for config in [
        "{listeners: [{address: '[::1]:8080'}, {address: '10.0.0.1:8081'}]}",
        "{trustedProxies: [10.0.0.0/8, 192.0.2.7, 'fd00::/8', '::1']}",
        "{limits: {requestHeaders: 8Ki, requestBody: 0}}",
        "{limits: {requestHeaders: 65536, requestBody: 10G}}",
        "{limits: {headerTimeout: 1m30s500ms, bodyTimeout: 24h, idleTimeout: 100ms}}",
        "{accessLog: {sample: 0}, workers: 1024}",
        "{identity: {userHeader: x-user_id.2}}",
        "{shutdown: {drainTimeout: 100ms}}",
    ] {
        let objects = objects(&format!("proxy: {{config: {config}}}"));
        let text = find(&objects, "ConfigMap", "edge-proxy")["data"]["sluicegate.yaml"].as_str().unwrap();
        ProxyConfig::parse(text, Path::new("sluicegate.yaml")).unwrap_or_else(|error| panic!("{config}: {error}"));
    }
}
