//! A mistake in a file: where, what, and what to do instead.

use crate::source::Span;
use crate::sources::Sources;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake, as it is shown to the person who wrote the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The mistake's code with its area, e.g. `scenario::unknown-tenant`.
    pub code: String,
    /// What is wrong, in the file.
    pub span: Span,
    /// The mistake in one sentence.
    pub message: String,
    /// What stands beside the caret.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake with this code (without its area) at this place.
    pub(crate) fn new(code: &str, span: Span, message: impl Into<String>) -> Self {
        Self { code: format!("scenario::{code}"), span, message: message.into(), label: String::new(), help: None }
    }

    /// The same with words beside the caret.
    #[must_use]
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The text that a person sees: message, line, caret, label and help.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str()).id(self.code.as_str());
        let help = self.help.as_deref().map(|help| Level::HELP.message(help));
        let renderer = Renderer::plain();
        let Some(excerpt) = sources.excerpt(self.span) else {
            let group = annotate_snippets::Group::with_title(title).elements(help);
            return renderer.render(&[group]);
        };
        let label = (!self.label.is_empty()).then_some(self.label.as_str());
        let snippet = Snippet::source(excerpt.text)
            .line_start(excerpt.line)
            .path(excerpt.path)
            .annotation(AnnotationKind::Primary.span(excerpt.start..excerpt.end).label(label));
        renderer.render(&[title.element(snippet).elements(help)])
    }
}
