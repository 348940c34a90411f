//! What the project's README shows of two runs is what they print.

use crate::golden;
use crate::runs::{self, Result, root};
use std::ops::Range;

/// A run that the README shows: its arguments, and how the first and the last line begin that are shown of it.
struct Shown {
    arguments: &'static [&'static str],
    first: &'static str,
    last: &'static str,
}

const SHOWN: [Shown; 2] = [
    Shown { arguments: &["--seed", "1"], first: "seed 1", last: "journal and reports" },
    Shown {
        arguments: &["--seed", "1", "--seeded-defect", "device-limit-check-then-act"],
        first: "failed A bad update",
        last: "  reproduce",
    },
];

/// Compares the README with the runs, or with `INSTA_UPDATE=always` takes over what they print.
pub(crate) fn shows_what_is_printed() -> Result<()> {
    let path = root().join("README.md");
    let mut readme = std::fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let mut wrong = Vec::new();
    for shown in SHOWN {
        let run = runs::run("scenarios/quickstart.yaml", "readme", shown.arguments)?;
        let printed = shown.part_of(&run.printed())?;
        let block = block(&readme, shown.first)?;
        if readme[block.clone()] != printed {
            wrong.push(golden::difference(&readme[block.clone()], &printed));
            readme.replace_range(block, &printed);
        }
        run.forget();
    }
    if wrong.is_empty() {
        return Ok(());
    }
    if golden::accepts() {
        return std::fs::write(&path, readme).map_err(|error| format!("README.md: {error}"));
    }
    let wrong = wrong.join("\n");
    Err(format!("README.md shows what is not printed (- shown, + printed); INSTA_UPDATE=always accepts it\n{wrong}"))
}

impl Shown {
    /// From its first line to its last.
    fn part_of(&self, printed: &str) -> Result<String> {
        let lines = printed.lines().skip_while(|line| !line.starts_with(self.first));
        let mut part = Vec::new();
        for line in lines {
            part.push(line);
            if line.starts_with(self.last) {
                return Ok(part.join("\n"));
            }
        }
        Err(format!("nothing from `{}` to `{}` in what is printed:\n{printed}", self.first, self.last))
    }
}

/// Where the block stands that begins with these words, without its fences.
fn block(text: &str, first: &str) -> Result<Range<usize>> {
    let missing = || format!("README.md has no block that begins with `{first}`");
    let start = text.find(&format!("```\n{first}")).ok_or_else(missing)? + "```\n".len();
    let length = text[start..].find("\n```").ok_or_else(missing)?;
    Ok(start..start + length)
}
