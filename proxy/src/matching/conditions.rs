//! The conditions of one match besides host and path, built for checking.
//!
//! One function says whether they hold and, if not, which does not: matching and `explain` cannot disagree.

use std::str::FromStr;
use std::sync::Arc;

use http::header::HeaderName;
use sluicegate_table::{LengthRange, Match, ObjectKey, PathMatch, Route, ValueMatch, ValueTest};

use super::RouteIndex;
use super::paths;
use super::pattern::{PathPattern, Pattern};
use super::precedence::Precedence;
use super::query;
use super::traffic_share::TrafficShare;
use crate::request::RequestView;

/// One match of one route.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) precedence: Precedence,
    pub(crate) route: RouteIndex,
    /// Which of the route's matches it is.
    pub(crate) position: u32,
    /// The path condition, which the index has answered for.
    pub(crate) path: PathMatch,
    /// The path condition, where it is a regular expression.
    pub(crate) pattern: Option<Arc<PathPattern>>,
    /// How many bytes of the path `stripPath` takes off.
    pub(crate) strip: usize,
    pub(crate) methods: Box<[Box<str>]>,
    pub(crate) headers: Box<[HeaderCondition]>,
    pub(crate) query: Box<[QueryCondition]>,
    pub(crate) content_length: Option<LengthRange>,
    pub(crate) models: Box<[ModelName]>,
    pub(crate) user_tiers: Box<[Box<str>]>,
    pub(crate) user_segments: Box<[Box<str>]>,
    pub(crate) share: Option<TrafficShare>,
    pub(crate) buffer_size: u64,
}

/// A condition on a header: any of its values passes the test.
#[derive(Clone, Debug)]
pub(crate) struct HeaderCondition {
    pub(crate) name: HeaderName,
    pub(crate) test: Test,
}

/// A condition on a query parameter: any of its values passes the test.
#[derive(Clone, Debug)]
pub(crate) struct QueryCondition {
    pub(crate) name: Box<str>,
    pub(crate) test: Test,
}

/// A test on a value.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Exact(Box<[u8]>),
    RegularExpression(Pattern),
    Present,
}

/// A name in a list of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelName {
    Exact(Box<str>),
    /// Written with a final star.
    StartsWith(Box<str>),
}

/// A condition that does not hold: the first in the order of these variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Method,
    /// The position in [`Conditions::headers`].
    Header(usize),
    /// The position in [`Conditions::query`].
    Query(usize),
    ContentLength,
    UserTier,
    UserSegment,
    /// The model is another, or the request names none, or its body has not been read.
    Model,
    Share,
}

/// A condition that a check passes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Except {
    Nothing,
    Method,
    Model,
}

impl Conditions {
    /// The conditions of the match at `position` of a route.
    ///
    /// # Errors
    /// The pattern that cannot be built, in words.
    pub(crate) fn new(
        index: RouteIndex,
        key: &Arc<ObjectKey>,
        route: &Route,
        position: u32,
        wanted: &Match,
    ) -> Result<Self, String> {
        let pattern = match &wanted.path {
            PathMatch::RegularExpression(text) => Some(Arc::new(PathPattern::new(text)?)),
            PathMatch::Exact(_) | PathMatch::Prefix(_) | PathMatch::Glob(_) => None,
        };
        let headers = wanted.headers.iter().map(HeaderCondition::new).collect::<Result<_, _>>()?;
        let query = wanted.query.iter().map(QueryCondition::new).collect::<Result<_, _>>()?;
        Ok(Self {
            precedence: Precedence::of(key, route, position, wanted),
            route: index,
            position,
            path: wanted.path.clone(),
            pattern,
            strip: paths::strip(&wanted.path),
            methods: boxed(&wanted.methods),
            headers,
            query,
            content_length: wanted.content_length,
            models: wanted.models.iter().map(|name| ModelName::new(name)).collect(),
            user_tiers: boxed(&wanted.user_tiers),
            user_segments: boxed(&wanted.user_segments),
            share: route.traffic.map(|share| TrafficShare::new(key, share)),
            buffer_size: route.buffer_size,
        })
    }

    /// The first condition that does not hold for the request.
    pub(crate) fn failing(&self, request: &RequestView<'_>, except: Except) -> Option<Failing> {
        if except != Except::Method && !self.methods.is_empty() {
            let method = request.method.as_str();
            if !self.methods.iter().any(|wanted| **wanted == *method) {
                return Some(Failing::Method);
            }
        }
        if let Some(at) = self.headers.iter().position(|header| !header.holds(request)) {
            return Some(Failing::Header(at));
        }
        if let Some(at) = self.query.iter().position(|parameter| !parameter.holds(request)) {
            return Some(Failing::Query(at));
        }
        if let Some(range) = self.content_length
            && !request.content_length.is_some_and(|length| range.min <= length && length <= range.max)
        {
            return Some(Failing::ContentLength);
        }
        if !self.user_tiers.is_empty()
            && !tiers(request).any(|tier| self.user_tiers.iter().any(|t| t.as_bytes() == tier))
        {
            return Some(Failing::UserTier);
        }
        if !self.user_segments.is_empty()
            && !segments(request).any(|segment| self.user_segments.iter().any(|s| s.as_bytes() == segment))
        {
            return Some(Failing::UserSegment);
        }
        if except != Except::Model
            && !self.models.is_empty()
            && !model(request).is_some_and(|model| self.models.iter().any(|name| name.takes(model)))
        {
            return Some(Failing::Model);
        }
        if self.share.is_some_and(|share| !share.takes(request)) {
            return Some(Failing::Share);
        }
        None
    }

    /// Whether all conditions but the excepted one hold.
    pub(crate) fn hold(&self, request: &RequestView<'_>, except: Except) -> bool {
        self.failing(request, except).is_none()
    }
}

impl HeaderCondition {
    fn new(wanted: &ValueMatch) -> Result<Self, String> {
        let name = HeaderName::from_str(&wanted.name).map_err(|_| format!("`{}` is no header name", wanted.name))?;
        Ok(Self { name, test: Test::new(&wanted.test)? })
    }

    fn holds(&self, request: &RequestView<'_>) -> bool {
        request.headers.get_all(&self.name).iter().any(|value| self.test.passes(value.as_bytes()))
    }
}

impl QueryCondition {
    fn new(wanted: &ValueMatch) -> Result<Self, String> {
        Ok(Self { name: wanted.name.as_str().into(), test: Test::new(&wanted.test)? })
    }

    fn holds(&self, request: &RequestView<'_>) -> bool {
        let Some(query) = request.query else { return false };
        query::parameters(query).any(|(name, value)| {
            query::means(name, self.name.as_bytes())
                && match &self.test {
                    Test::Exact(wanted) => query::means(value, wanted),
                    Test::RegularExpression(pattern) => pattern.matches(&query::decoded(value)),
                    Test::Present => true,
                }
        })
    }
}

impl Test {
    fn new(test: &ValueTest) -> Result<Self, String> {
        Ok(match test {
            ValueTest::Exact(value) => Self::Exact(value.as_bytes().into()),
            ValueTest::RegularExpression(pattern) => Self::RegularExpression(Pattern::new(pattern)?),
            ValueTest::Present => Self::Present,
        })
    }

    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => **wanted == *value,
            Self::RegularExpression(pattern) => pattern.matches(value),
            Self::Present => true,
        }
    }
}

impl ModelName {
    fn new(name: &str) -> Self {
        match name.strip_suffix('*') {
            Some(start) => Self::StartsWith(start.into()),
            None => Self::Exact(name.into()),
        }
    }

    fn takes(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *model,
            Self::StartsWith(start) => model.starts_with(&**start),
        }
    }
}

/// The values of the header that names the user's tier.
pub(crate) fn tiers<'a>(request: &RequestView<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    request.headers.get_all(&request.identity.tier).iter().map(http::HeaderValue::as_bytes)
}

/// The user's segments: the header's values taken apart at commas.
pub(crate) fn segments<'a>(request: &RequestView<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let values = request.headers.get_all(&request.identity.segment).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

/// The model that the body names, where it has been read.
pub(crate) fn model<'a>(request: &RequestView<'a>) -> Option<&'a str> {
    request.body?.model.as_deref()
}

fn boxed(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}
