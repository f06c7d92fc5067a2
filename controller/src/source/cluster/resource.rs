//! The resources that are watched, and the requests that list, watch and get them.

use std::fmt;

use http::Request;
use http::header::{ACCEPT, HeaderValue};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Resource as _;
use kube::api::{GetParams, ListParams, WatchParams};
use kube::core::request;
use sluicegate_crds::{Rule, Target, Upstream};

use super::projected::Version;
use crate::objects::Kind;

/// How many objects a page of a list has: some are big before they are cut down.
const PAGE: u32 = 500;
const METADATA_LIST: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
const METADATA: HeaderValue = HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    /// One of our own kinds.
    Own(Kind),
    /// Services.
    Service,
    /// `EndpointSlice`s.
    Slice,
    /// Secrets; lists and watches show their metadata only.
    Secret,
    /// `ConfigMap`s; lists and watches show their metadata only.
    ConfigMap,
}

impl Resource {
    fn path(self, namespace: Option<&str>) -> String {
        match self {
            Self::Own(Kind::Rule) => Rule::url_path(&(), namespace),
            Self::Own(Kind::Upstream) => Upstream::url_path(&(), namespace),
            Self::Own(Kind::Target) => Target::url_path(&(), namespace),
            Self::Service => Service::url_path(&(), namespace),
            Self::Slice => EndpointSlice::url_path(&(), namespace),
            Self::Secret => Secret::url_path(&(), namespace),
            Self::ConfigMap => ConfigMap::url_path(&(), namespace),
        }
    }

    fn metadata_only(self) -> bool {
        matches!(self, Self::Secret | Self::ConfigMap)
    }

    /// A request for one object.
    pub(super) fn get(self, namespace: &str, name: &str) -> Result<Request<Vec<u8>>, request::Error> {
        request::Request::new(self.path(Some(namespace))).get(name, &GetParams::default())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own(Kind::Rule) => "Rules",
            Self::Own(Kind::Upstream) => "Upstreams",
            Self::Own(Kind::Target) => "Targets",
            Self::Service => "Services",
            Self::Slice => "EndpointSlices",
            Self::Secret => "Secrets",
            Self::ConfigMap => "ConfigMaps",
        })
    }
}

/// A part of a resource: what one list shows and one watch follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The resource.
    pub(super) resource: Resource,
    /// The one namespace; none: all.
    pub(super) namespace: Option<Box<str>>,
    /// A label selector; empty: all.
    pub(super) selector: Box<str>,
}

impl Part {
    /// Whether an object of this namespace belongs to it, as far as the namespace goes.
    pub(super) fn covers(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    /// A request for a page of the list. `page`: where the last page left off; not `paged`: everything at once.
    pub(super) fn list(&self, page: Option<&str>, paged: bool) -> Result<Request<Vec<u8>>, request::Error> {
        let parameters = ListParams {
            label_selector: self.label_selector(),
            limit: paged.then_some(PAGE),
            continue_token: page.map(str::to_owned),
            ..ListParams::default()
        };
        let request = request::Request::new(self.resource.path(self.namespace.as_deref())).list(&parameters)?;
        Ok(self.accepting(request, METADATA_LIST))
    }

    /// A request for what happens after a version.
    pub(super) fn watch(&self, after: &Version, seconds: u32) -> Result<Request<Vec<u8>>, request::Error> {
        let parameters = WatchParams {
            label_selector: self.label_selector(),
            timeout: Some(seconds),
            bookmarks: true,
            ..WatchParams::default()
        };
        let path = self.resource.path(self.namespace.as_deref());
        let request = request::Request::new(path).watch(&parameters, after.as_str())?;
        Ok(self.accepting(request, METADATA))
    }

    fn label_selector(&self) -> Option<String> {
        (!self.selector.is_empty()).then(|| self.selector.to_string())
    }

    fn accepting(&self, mut request: Request<Vec<u8>>, metadata: HeaderValue) -> Request<Vec<u8>> {
        if self.resource.metadata_only() {
            request.headers_mut().insert(ACCEPT, metadata);
        }
        request
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.resource.fmt(f)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}
