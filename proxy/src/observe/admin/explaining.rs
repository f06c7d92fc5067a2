//! `/explain`: a request described in a query or in JSON, explained under the table in force.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Observed, json};
use crate::explain::{DescribeError, DescribedRequest, explain};

/// A request described in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Description {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "clientIP")]
    client_ip: Option<IpAddr>,
    #[serde(default)]
    format: Format,
}

/// One value of a header or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Values {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
}

/// A query's parameters, in order.
type Pairs = Vec<(String, String)>;

fn get() -> String {
    "GET".to_owned()
}

/// `GET /explain?method=GET&url=http://host/path&header=Name:+value&clientIP=192.0.2.1&format=text`
pub(super) async fn asked_by_query(
    State(observed): State<Observed>,
    query: Result<Query<Pairs>, QueryRejection>,
) -> Response {
    let description = query.map_err(|error| error.body_text()).and_then(|Query(pairs)| read_query(pairs));
    match description {
        Ok(description) => answer(&observed, &description),
        Err(why) => refuse(&why),
    }
}

/// `POST /explain` with `{"method", "url", "headers": {"name": "value"}, "body", "clientIP", "format"}`.
pub(super) async fn asked_by_body(State(observed): State<Observed>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(description) => answer(&observed, &description),
        Err(error) => refuse(&format!("the description is not as it should be: {error}")),
    }
}

fn answer(observed: &Observed, description: &Description) -> Response {
    match describe(description) {
        Ok(request) => {
            let explanation = explain(&observed.current.load(), &request, &observed.identity);
            match description.format {
                Format::Json => json(&explanation),
                Format::Text => explanation.to_string().into_response(),
            }
        }
        Err(error) => refuse(&error.to_string()),
    }
}

fn describe(description: &Description) -> Result<DescribedRequest, DescribeError> {
    let headers = description
        .headers
        .iter()
        .flat_map(|(name, values)| values.texts().iter().map(|value| (name.as_str(), value.as_str())));
    let client_ip = description.client_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    DescribedRequest::new(&description.method, &description.url, headers, description.body.clone(), client_ip)
}

fn read_query(pairs: Pairs) -> Result<Description, String> {
    let mut url = None;
    let mut description = Description {
        method: get(),
        url: String::new(),
        headers: BTreeMap::new(),
        body: String::new(),
        client_ip: None,
        format: Format::Json,
    };
    for (name, value) in pairs {
        match name.as_str() {
            "method" => description.method = value,
            "url" => url = Some(value),
            "header" => {
                let (name, value) = DescribedRequest::header(&value).map_err(|error| error.to_string())?;
                let values = description.headers.entry(name.to_owned()).or_insert_with(|| Values::Several(Vec::new()));
                if let Values::Several(values) = values {
                    values.push(value.to_owned());
                }
            }
            "body" => description.body = value,
            "clientIP" => {
                let ip = value.parse().map_err(|_| format!("clientIP: `{value}` is no address"))?;
                description.client_ip = Some(ip);
            }
            "format" => {
                description.format = match value.as_str() {
                    "json" => Format::Json,
                    "text" => Format::Text,
                    _ => return Err(format!("format: `{value}` is neither json nor text")),
                }
            }
            _ => return Err(format!("`{name}` is not one of method, url, header, body, clientIP and format")),
        }
    }
    description.url = url.ok_or("url is missing: ask as /explain?method=GET&url=http://host/path")?;
    Ok(description)
}

fn refuse(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}
