//! What was found wrong, with its place: for people as a report, for programs as JSON.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};
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

    /// Whether it keeps something from being in force as it is written.
    pub fn is_error(&self) -> bool {
        match self.severity {
            Severity::FieldRefused | Severity::Error => true,
            Severity::Warning => false,
        }
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
                Severity::FieldRefused | Severity::Error => "error",
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
    source: Option<Surroundings<'a>>,
}

impl<'a> Report<'a> {
    fn new(finding: &'a Finding) -> Self {
        let source = finding.place.as_ref().map(Surroundings);
        Self { finding, headline: finding.headline(), source }
    }
}

/// The lines around a place. miette's own source looks through its text up to the place, byte by byte and several times a
/// report, which for thousands of findings in one file takes many seconds.
#[derive(Debug)]
struct Surroundings<'a>(&'a Place);

impl SourceCode for Surroundings<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text: &str = self.0.file.text();
        let head = text.get(..span.offset()).ok_or(MietteError::OutOfBounds)?;
        let tail = text.get(span.offset() + span.len()..).ok_or(MietteError::OutOfBounds)?;
        let start = head.rmatch_indices('\n').nth(before).map_or(0, |(end, _)| end + 1);
        let length = tail.match_indices('\n').nth(after).map_or(tail.len(), |(end, _)| end + 1);
        let lines = text.get(start..text.len() - tail.len() + length).unwrap_or_default();
        let lines = lines.read_span(&SourceSpan::from((span.offset() - start, span.len())), before, after)?;
        let earlier = text.get(..start).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count();
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.file.name().to_owned(),
            lines.data(),
            SourceSpan::from((start + lines.span().offset(), lines.span().len())),
            earlier + lines.line(),
            lines.column(),
            lines.line_count(),
        )))
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
            Severity::FieldRefused | Severity::Error => miette::Severity::Error,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::sync::Arc;

    use super::*;
    use crate::source::folder::file::SourceFile;

    #[test]
    fn the_lines_around_a_place_are_those_that_a_look_through_the_whole_text_finds() {
        for text in ["one: 1\n  two: é\n\nthree: 3\nfour", "only", "\n\n", "a\nb\n"] {
            let file = Arc::new(SourceFile::new("a.yaml", text, &[]));
            let edges = || (0..=text.len()).filter(|at| text.is_char_boundary(*at));
            for (start, end) in edges().flat_map(|start| edges().map(move |end| (start, end))).filter(|(a, b)| a <= b) {
                let place = Place { file: Arc::clone(&file), span: start..end };
                let (near_it, span) = (Surroundings(&place), SourceSpan::from((start, end - start)));
                for context in 1..3 {
                    let near = near_it.read_span(&span, context, context).unwrap();
                    let whole = text.read_span(&span, context, context).unwrap();
                    let shown = |lines: &dyn SpanContents<'_>| {
                        (
                            String::from_utf8_lossy(lines.data()).into_owned(),
                            *lines.span(),
                            lines.line(),
                            lines.column(),
                        )
                    };
                    assert_eq!(shown(&*near), shown(&*whole), "{text:?} {start}..{end} with {context}");
                }
            }
        }
    }
}
