//! The shapes of texts, lists and maps that fields share: bounds, patterns and rules.
//!
//! Everything is bounded: an API server refuses a definition whose CEL rules could cost too much, and it judges that by
//! the bounds alone. A rule with a message stands where a bare pattern would leave the reader guessing. Rules use only
//! functions that API servers since Kubernetes 1.30 and `kube::core::cel` both have.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::rule::ValueMatch;

/// A DNS-1123 subdomain: the name of a Kubernetes object.
const NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";

/// A token of RFC 9110, 5.6.2: the name of a header, a cookie or a method.
const TOKEN: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// A host name: labels of letters, digits and hyphens; and underscores, which names of containers and services have.
macro_rules! host_name {
    () => {
        "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?([.][A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
    };
}

/// A TCP port from 1 to 65535.
macro_rules! port {
    () => {
        "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// A path of RFC 3986 that begins with `/`, without query and fragment.
macro_rules! path {
    () => {
        "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)"
    };
}

/// What a request's path may consist of. Clients send more than RFC 3986 allows, such as `[`, and proxies pass it on.
pub(crate) const REQUEST_PATH: &str = "^([!-\"$&->@-~]|%[0-9A-Fa-f]{2})*$";

/// The name of a Kubernetes object in the same namespace.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": NAME})
}

/// A key of a `Secret` or `ConfigMap`.
pub(crate) fn data_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$"})
}

/// Where connections go: a host name or an IP address.
pub(crate) fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        // A last label of digits only would be a malformed IPv4 address.
        "x-kubernetes-validations": [rule(
            &format!(
                "isIP(self) || (self.matches(\"^{}$\") && !self.matches(\"(^|[.])[0-9]+$\"))",
                host_name!()
            ),
            "must be a host name or an IP address, without scheme, port or path; IPv6 without brackets",
        )],
    })
}

/// A host name, as a certificate has it.
pub(crate) fn server_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "x-kubernetes-validations": [rule(
            &format!("isIP(self) || self.matches(\"^{}$\")", host_name!()),
            "must be a host name such as api.example.com, or an IP address",
        )],
    })
}

/// The host names that a Rule serves.
pub(crate) fn hostnames(_: &mut SchemaGenerator) -> Schema {
    let hostname = json!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "x-kubernetes-validations": [rule(
            &format!("self.matches(\"^([*][.])?{}$\")", host_name!()),
            "must be a host name such as api.example.com, or one with *. in front such as *.example.com; no port, \
             no * elsewhere",
        )],
    });
    let mut list = set_of(&hostname, 64);
    list.insert(
        "x-kubernetes-validations".to_owned(),
        json!([rule(
            "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))",
            "a host name stands here twice: capital letters make no difference",
        )]),
    );
    list
}

/// A path that is put in front of requests' paths.
pub(crate) fn path_prefix(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 1024,
        "x-kubernetes-validations": [rule(
            &format!("self.matches(\"^{}+$\")", path!()),
            "must begin with / and be a URL's path, without ? and #; escape other characters as %20",
        ), rule(
            "!self.matches('/([.]|%2[Ee]){1,2}(/|$)')",
            "must have no . and .. elements: write the path that they lead to",
        )],
    })
}

/// The URL of a target written in place.
pub(crate) fn target_url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 2048,
        "x-kubernetes-validations": [rule(
            &format!(
                "self.matches(\"^https?://({}|\\\\[[0-9A-Fa-f:.]+\\\\])(:{})?{}*$\")",
                host_name!(), port!(), path!()
            ),
            "must be http:// or https://, a host, and if need be a port and a path, such as https://api.example.com:8443/v1",
        )],
    })
}

/// A header's name, where Sluicegate reads the header.
pub(crate) fn header_name(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(header_name_value(&[])).unwrap_or_default()
}

/// A header's name, where Sluicegate writes the header.
pub(crate) fn written_header_name(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(header_name_value(&[not_reserved("self", "'host', ")])).unwrap_or_default()
}

/// A cookie's name.
pub(crate) fn cookie_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 128,
        "x-kubernetes-validations": [rule(
            &format!("self.matches(\"{TOKEN}\")"),
            "must be a cookie's name: letters, digits and any of !#$%&'*+-.^_`|~",
        )],
    })
}

/// Headers that are taken off.
pub(crate) fn removed_headers(_: &mut SchemaGenerator) -> Schema {
    set_of(&header_name_value(&[not_reserved("self", "'host', ")]), 32)
}

/// Headers that get a value in place of any that was there: names and values. Host is one of them: what targets are told
/// instead of their own name.
pub(crate) fn set_headers(_: &mut SchemaGenerator) -> Schema {
    written_headers(&not_reserved_each(""))
}

/// Headers that get a value besides any that was there: names and values.
pub(crate) fn added_headers(_: &mut SchemaGenerator) -> Schema {
    written_headers(&not_reserved_each("'host', "))
}

fn written_headers(not_reserved: &Value) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {
            "type": "string", "maxLength": 4096, "pattern": "^([!-~]([\\t -~]*[!-~])?)?$",
        },
        "x-kubernetes-validations": [
            rule(
                &format!("self.all(name, name.matches(\"{TOKEN}\"))"),
                "header names consist of letters, digits and any of !#$%&'*+-.^_`|~",
            ),
            not_reserved.clone(),
            rule(
                "self.all(name, self.exists_one(other, other.lowerAscii() == name.lowerAscii()))",
                "a header stands here twice: names differ in capital letters only",
            ),
        ],
    })
}

/// Conditions on headers.
pub(crate) fn header_matches(generator: &mut SchemaGenerator) -> Schema {
    let mut name = header_name_value(&[]);
    describe(&mut name, "The header's name; capital letters make no difference.");
    value_matches(generator, name)
}

/// Conditions on query parameters.
pub(crate) fn query_matches(generator: &mut SchemaGenerator) -> Schema {
    let mut name = json!({"type": "string", "minLength": 1, "maxLength": 256});
    describe(&mut name, "The parameter's name; capital letters make a difference.");
    value_matches(generator, name)
}

/// Request methods.
pub(crate) fn methods(_: &mut SchemaGenerator) -> Schema {
    set_of(&method_value(&[]), 16)
}

/// The method of a request that Sluicegate makes itself.
pub(crate) fn method(_: &mut SchemaGenerator) -> Schema {
    let no_tunnel = rule("self != 'CONNECT'", "CONNECT asks for a tunnel: write GET or HEAD");
    Schema::try_from(method_value(&[no_tunnel])).unwrap_or_default()
}

fn method_value(more_rules: &[Value]) -> Value {
    let mut rules =
        vec![rule("self.matches(\"^[A-Z][A-Z0-9_-]*$\")", "methods are written in capital letters, such as GET")];
    rules.extend_from_slice(more_rules);
    json!({"type": "string", "minLength": 1, "maxLength": 32, "x-kubernetes-validations": rules})
}

/// The path and query of a request that Sluicegate makes itself.
pub(crate) fn request_target(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 1024,
        "x-kubernetes-validations": [rule(
            &format!("self.matches(\"^{}+([?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{{2}})*)?$\")", path!()),
            "must begin with / and be a URL's path, with a query if need be, without #; escape other characters as %20",
        )],
    })
}

/// The value of a `Host` header.
pub(crate) fn authority(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 260,
        "x-kubernetes-validations": [rule(
            &format!("self.matches(\"^({}|\\\\[[0-9A-Fa-f:.]+\\\\])(:{})?$\")", host_name!(), port!()),
            "must be a host name, and a port if need be, such as api.example.com or localhost:8080",
        )],
    })
}

/// Globs that requests' paths are compared with.
pub(crate) fn path_globs(_: &mut SchemaGenerator) -> Schema {
    let glob = json!({
        "type": "string", "minLength": 1, "maxLength": 1024,
        "x-kubernetes-validations": [rule(
            &format!("self.startsWith('/') && self.matches('{REQUEST_PATH}')"),
            "a path begins with / and has no ? and no #; spaces and characters outside ASCII are written as %20",
        ), rule(
            "!self.matches('/([.]|%2[Ee]){1,2}(/|$)')",
            "requests' paths have no . and .. elements any more when they are compared: write the path without them",
        ), rule(
            "!self.matches('[*][*]|[{}]')",
            "only * is special in a glob, and once: at the end it takes any text",
        )],
    });
    set_of(&glob, 32)
}

/// A region or zone, as labels of Kubernetes name it.
pub(crate) fn topology_label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
    })
}

/// Names of models, with a star at the end for any text.
pub(crate) fn models(_: &mut SchemaGenerator) -> Schema {
    let model = json!({
        "type": "string", "minLength": 1, "maxLength": 256,
        "x-kubernetes-validations": [rule(
            "self.matches(\"^[^*]*[*]?$\")",
            "a * stands for any text and is allowed at the end only",
        )],
    });
    set_of(&model, 64)
}

/// User tiers or segments, as identity headers carry them.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    let label = json!({
        "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-+\\--~]([ -+\\--~]*[!-+\\--~])?$",
    });
    set_of(&label, 64)
}

/// The conditions of a status, keyed by type; bounds as in Kubernetes' own `Condition`.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    let condition = json!({
        "description": "One aspect of the object's state.",
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {
                "description": "Which aspect.",
                "type": "string", "minLength": 1, "maxLength": 316, "pattern": "^[A-Za-z][A-Za-z0-9]*$",
            },
            "status": {
                "description": "Whether it holds.",
                "type": "string", "enum": ["True", "False", "Unknown"],
            },
            "reason": {
                "description": "Why, as one CamelCase word.",
                "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z][A-Za-z0-9]*$",
            },
            "message": {
                "description": "Why, for people.",
                "type": "string", "maxLength": 32768,
            },
            "lastTransitionTime": {
                "description": "When `status` last changed.",
                "type": "string", "format": "date-time", "maxLength": 64,
            },
            "observedGeneration": {
                "description": "The `metadata.generation` that this was found for.",
                "type": "integer", "format": "int64", "minimum": 0,
            },
        },
    });
    list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}), &condition, 8)
}

fn value_matches(generator: &mut SchemaGenerator, name: Value) -> Schema {
    let mut item = ValueMatch::json_schema(generator).to_value();
    if let Some(place) = item.pointer_mut("/properties/name") {
        *place = name;
    }
    map_of(&item, 16)
}

fn describe(schema: &mut Value, text: &str) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(text));
    }
}

const RESERVED_MESSAGE: &str = "this header belongs to the connection or the framing, which are the proxy's";

/// Headers that a change would break the message with, or that would be changed again behind it; `more` ends with a comma.
fn not_reserved_expression(variable: &str, more: &str) -> String {
    format!(
        "!({variable}.lowerAscii() in [{more}'connection', 'content-length', 'expect', 'http2-settings', 'keep-alive', \
         'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])"
    )
}

fn not_reserved(variable: &str, more: &str) -> Value {
    rule(&not_reserved_expression(variable, more), RESERVED_MESSAGE)
}

fn not_reserved_each(more: &str) -> Value {
    rule(
        &format!("self.all(name, {})", not_reserved_expression("name", more)),
        "headers of the connection and the framing are the proxy's and cannot be written: Connection, Content-Length, \
         Expect, HTTP2-Settings, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade; Host can be set, \
         not added",
    )
}

fn header_name_value(more_rules: &[Value]) -> Value {
    let mut rules = vec![rule(
        &format!("self.matches(\"{TOKEN}\")"),
        "must be a header's name: letters, digits and any of !#$%&'*+-.^_`|~",
    )];
    rules.extend_from_slice(more_rules);
    json!({"type": "string", "minLength": 1, "maxLength": 256, "x-kubernetes-validations": rules})
}

fn rule(expression: &str, message: &str) -> Value {
    json!({"rule": expression, "message": message})
}

/// A list of scalars whose order has no meaning.
fn set_of(item: &Value, most: u32) -> Schema {
    list(json!({"x-kubernetes-list-type": "set"}), item, most)
}

/// A list of objects that their `name` tells apart.
fn map_of(item: &Value, most: u32) -> Schema {
    list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}), item, most)
}

fn list(mut schema: Value, item: &Value, most: u32) -> Schema {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("type".to_owned(), json!("array"));
        schema.insert("items".to_owned(), item.clone());
        schema.insert("maxItems".to_owned(), json!(most));
    }
    Schema::try_from(schema).unwrap_or_default()
}
