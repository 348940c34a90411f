//! A mistake in a file: where, what, and what to do instead.

use crate::source::Span;
use crate::sources::{Sources, floor};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Longer lines are shown in part.
const LONGEST_LINE: usize = 240;

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

/// Every code without its area, and what it means. Further mistakes get further codes; none changes its meaning.
pub const CODES: &[(&str, &str)] = &[
    ("not-yaml", "the text is not YAML, or not UTF-8"),
    ("no-kind", "the file does not begin with `scenario:` or `fragment:`"),
    ("too-large", "the file is longer than a scenario can be"),
    ("too-deep", "the file is nested deeper than a scenario can be"),
    ("too-many", "more of something than is looked at"),
    ("yaml-alias", "anchors, aliases, merge keys and tags are not part of the language"),
    ("unquoted-template", "a template is quoted"),
    ("bad-template", "a template holds one name"),
    ("unknown-variable", "no variable of this name is known here"),
    ("late-template", "what is known only while running is needed before"),
    ("unknown-fragment", "there is no file where a fragment is named"),
    ("nested-fragment", "a fragment uses no other"),
    ("bad-path", "a text is no JSON path, or no path on the platform"),
    ("secret-in-file", "something looks like a credential"),
    ("unknown-key", "a block has no such key"),
    ("unknown-word", "a place takes other words"),
    ("unknown-verb", "there is no such step"),
    ("unknown-claim", "there is no such claim"),
    ("unknown-row", "there is no such row"),
    ("unknown-tenant", "no tenant of this name is declared"),
    ("unknown-user", "nobody of this name is declared"),
    ("unknown-devices", "no device group and no selection of this name is declared"),
    ("unknown-region", "no region of this name is declared"),
    ("unknown-authority", "no authority of this name is declared"),
    ("unknown-artifact", "no artifact of this name is declared"),
    ("unknown-deployment", "no step above deploys under this name"),
    ("unknown-tag", "no devices bear this label"),
    ("unknown-measure", "no step above measures under this name"),
    ("unknown-subscription", "no step above subscribes under this name"),
    ("two-verbs", "a step has exactly one verb"),
    ("two-outcomes", "a step is refused or may fail, not both"),
    ("two-parts", "a selection takes `first` or `share`, not both"),
    ("duplicate-key", "a key is written twice"),
    ("listed-twice", "a list holds each name once"),
    ("missing-key", "a key is required here"),
    ("wrong-shape", "a place takes a value of another shape"),
    ("too-few", "a list is too short"),
    ("out-of-range", "a number, or what it means here, is too large or too small"),
    ("no-unit", "a quantity carries its unit"),
    ("version-not-text", "a version is quoted, since 2.10 is not 2.1"),
    ("bad-name", "names are `kebab-case`"),
    ("name-taken", "names are unique in a file, those of scenarios in a run"),
    ("cyclic-selection", "a selection is a part of itself"),
    ("mixed-group", "a group on the platform belongs to one tenant"),
    ("not-a-group", "a role is narrowed to selections that are groups"),
    ("budget-too-small", "what takes its time anyway does not fit into the budget"),
    ("two-kinds", "a place that takes one kind has several"),
    ("already-there", "a tenant that is there is onboarded"),
    ("suspended-before", "something is done, or looked at, inside a tenant that an earlier step suspended"),
    ("removed-before", "something is done in a tenant that an earlier step removed"),
    ("no-provider", "there is no pool without a provider"),
    ("pool-exceeded", "the tenants' limits add up to more than the provider has"),
    ("limit-exceeded", "more devices enrol than their tenant takes"),
    ("refused-without-kind", "a refusal is expected by its kind"),
    ("no-control", "nobody may do what is refused, so the refusal proves nothing"),
    ("hold-without-for", "what is held by itself needs its time"),
    ("not-held", "what happens once cannot be held"),
    ("hold-with-for", "what is held beside steps lasts as long as they do"),
    ("two-ends", "a fault has more than two ends"),
    ("no-link", "nothing goes between the ends of a fault"),
    ("unknown-end", "an end of a fault that is neither devices nor a tenant"),
    ("not-signed", "an artifact without signature cannot have a bad one"),
    ("revoked-before", "devices whose tokens were ended are not kept out by that"),
    ("no-limit", "a limit that nothing sets cannot be held"),
    ("no-lobby", "something that only a lobby does, and none is declared"),
    ("no-owner", "devices that belong to nobody are enrolled"),
    ("not-alike", "devices are like a group that they cannot be like"),
    ("nothing-moves", "a region is evacuated into itself"),
    ("never-refused", "nothing in the scenario makes the platform refuse like that"),
    ("no-evidence", "nothing happens that could be judged"),
    ("not-spoken", "devices do not do this in the protocol that they speak"),
    ("bad-topic", "a text is no topic that a message can have"),
    ("unknown-component", "no component of this name has calls that can be made to fail"),
    ("never-called", "no step of a sweep calls what the sweep interrupts"),
    ("never-updated", "no step of a sweep brings an update over the connections that the sweep interrupts"),
    ("nothing-drawn", "a number of draws where nothing is drawn"),
    ("no-load", "nobody is hurt by a neighbour who does nothing"),
    ("operator-only", "only the platform's operator can do this"),
    ("unjudged", "a step may fail, and nothing later judges it"),
    ("not-alone", "a claim that makes attempts stands in a branch beside others"),
    ("missing-deadline", "an eventual claim needs `within`"),
    ("never-true", "nothing in the scenario can make a claim true"),
    ("nothing-claimed", "a scenario without claims could never pass"),
    ("covers-nothing", "no claim can prove a row that the scenario covers"),
];

impl Diagnostic {
    /// A mistake with this code (without its area) at this place.
    pub(crate) fn new(code: &str, span: Span, message: impl Into<String>) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in the list of codes");
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
        let used = sources.used(self.span).and_then(|used| sources.excerpt(used));
        let used = used.filter(|used| used.text.len() <= LONGEST_LINE).map(|used| {
            let snippet = Snippet::source(used.text)
                .line_start(used.line)
                .path(used.path)
                .annotation(AnnotationKind::Primary.span(used.start..used.end));
            Level::NOTE.secondary_title("the fragment is used here").element(snippet)
        });
        let label = (!self.label.is_empty()).then_some(self.label.as_str());
        let shown = AnnotationKind::Primary;
        if excerpt.text.len() <= LONGEST_LINE {
            let snippet = Snippet::source(excerpt.text)
                .line_start(excerpt.line)
                .path(excerpt.path)
                .annotation(shown.span(excerpt.start..excerpt.end).label(label));
            let mut groups = vec![title.element(snippet).elements(help)];
            groups.extend(used);
            return renderer.render(&groups);
        }
        // Of a line that nobody can read at once only the part around the mistake is shown.
        let from = floor(excerpt.text, excerpt.start.saturating_sub(LONGEST_LINE / 4));
        let to = floor(excerpt.text, excerpt.start + LONGEST_LINE / 2);
        let end = excerpt.end.min(to).max(excerpt.start);
        let snippet = Snippet::source(&excerpt.text[from..to])
            .line_start(excerpt.line)
            .path(excerpt.path)
            .annotation(shown.span(excerpt.start - from..end - from).label(label));
        let mut groups = vec![title.element(snippet).elements(help)];
        groups.extend(used);
        let text = renderer.render(&groups);
        // The renderer counts columns from where the excerpt begins.
        let place = |from: usize| {
            let column = excerpt.text[from..excerpt.start].chars().count() + 1;
            format!("--> {}:{}:{column}", excerpt.path, excerpt.line)
        };
        text.replacen(&place(from), &place(0), 1)
    }
}
