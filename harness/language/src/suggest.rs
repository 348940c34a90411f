//! "Did you mean", and lists of what is known.

/// How many names a list shows.
const SHOWN: usize = 8;

/// The known word nearest to `wrong`, if it is near enough: at most one edit, and one more per three characters.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    within(wrong, 1 + wrong.chars().count() / 3, known)
}

/// The known word that `wrong` is so near to that it is surely meant: one edit, two from six characters on.
pub(crate) fn slip<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    within(wrong, (wrong.chars().count() / 3).clamp(1, 2), known)
}

fn within<'a>(wrong: &str, allowed: usize, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wrong.chars().count();
    if length > 80 {
        return None;
    }
    known
        .into_iter()
        .filter(|word| word.chars().count().abs_diff(length) <= allowed)
        .map(|word| (strsim::osa_distance(wrong, word), word))
        .filter(|(edits, word)| *edits <= allowed && *edits < word.chars().count().max(length))
        .min_by_key(|(edits, word)| (*edits, word.chars().next() != wrong.chars().next()))
        .map(|(_, word)| word)
}

/// `a, b, c`; ends after eight.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let mut text = words.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

/// The help for a word that is not known: the nearest one, and what there is.
pub(crate) fn help<'a>(wrong: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = if known.is_empty() {
        format!("there are no {what} here")
    } else {
        format!("{what} here: {}", list(known.iter().copied()))
    };
    match nearest(wrong, known) {
        Some(word) => format!("did you mean `{word}`? {all}"),
        None => all,
    }
}

/// A text of the file, short enough for a message.
pub(crate) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= 60 && line.len() == text.len() {
        return text.to_owned();
    }
    format!("{}…", line.chars().take(60).collect::<String>())
}
