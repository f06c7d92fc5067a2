//! What was found wrong, with its place: for people as a report, for programs as JSON.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::{Serialize, Serializer};

use super::file::{Place, Position};
use crate::problem::{FieldPath, Problem, Severity};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where; absent where no file can be named.
    pub place: Option<Place>,
    /// Whether it keeps something from being served.
    pub severity: Severity,
    /// The object, as in `Rule default/chat`.
    pub object: Option<String>,
    /// The object's field.
    pub field: Option<FieldPath>,
    /// One CamelCase word for programs: a condition's reason, or one of [`Reason`].
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The reasons that no condition has, since they are about files and not about objects of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A file or folder cannot be read.
    Unreadable,
    /// A document is no YAML or JSON.
    SyntaxError,
    /// A document is no object: `apiVersion`, `kind` or `metadata.name` is missing or unusable.
    NotAnObject,
    /// A kind that the API group does not have.
    UnknownKind,
    /// A kind of another API group that Sluicegate has no use for.
    ForeignKind,
    /// An object that was there before, by kind, namespace and name.
    Duplicate,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Finding {
    /// A problem of an object, without its place.
    pub fn about(object: &str, problem: &Problem) -> Self {
        Self {
            place: None,
            severity: problem.severity,
            object: Some(object.to_owned()),
            field: Some(problem.field.clone()).filter(|field| !field.steps().is_empty()),
            reason: problem.reason.to_string(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }

    /// Whether it keeps something from being served.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The finding as a report of several lines, the offending text underlined.
    pub fn render(&self, style: Style) -> String {
        let theme = match style {
            Style::Colour => GraphicalTheme::unicode(),
            Style::Plain => GraphicalTheme::unicode_nocolor(),
            Style::Ascii => GraphicalTheme::none(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(120).with_context_lines(1);
        let mut text = String::new();
        match handler.render_report(&mut text, &Report::new(self)) {
            Ok(()) => text,
            Err(fmt::Error) => format!("{self}\n"),
        }
    }
}

/// How a report is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal.
    Colour,
    /// For a file or a pipe.
    Plain,
    /// Without box-drawing characters too.
    Ascii,
}

impl fmt::Display for Finding {
    /// One line: place, object, field, message, hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.headline())?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Finding {
    fn headline(&self) -> String {
        let field = self.field.as_ref().map(ToString::to_string).filter(|field| !field.is_empty());
        let parts = [self.object.clone(), field, Some(self.message.clone())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

/// The form for programs. Lines and columns count from 1.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Form<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            file: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            end_line: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            end_column: Option<usize>,
            severity: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            object: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<String>,
            reason: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let start = self.place.as_ref().map(Place::start);
        let end = self.place.as_ref().map(Place::end);
        let line = |position: Option<Position>| position.map(|position| position.line);
        let column = |position: Option<Position>| position.map(|position| position.column);
        Form {
            file: self.place.as_ref().map(|place| place.file.name()),
            line: line(start),
            column: column(start),
            end_line: line(end),
            end_column: column(end),
            severity: match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            object: self.object.as_deref(),
            field: self.field.as_ref().map(ToString::to_string),
            reason: &self.reason,
            message: &self.message,
            hint: self.hint.as_deref(),
        }
        .serialize(serializer)
    }
}

/// A finding as miette draws it.
#[derive(Debug)]
struct Report<'a> {
    finding: &'a Finding,
    headline: String,
    source: Option<NamedSource<std::sync::Arc<str>>>,
}

impl<'a> Report<'a> {
    fn new(finding: &'a Finding) -> Self {
        let place = finding.place.as_ref();
        let source = place.map(|place| NamedSource::new(place.file.name(), place.file.text().clone()));
        Self { finding, headline: finding.headline(), source }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.hint.as_ref().map(|hint| Box::new(hint) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.finding.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, place.span.clone()))))
    }
}
