//! The scenario reference: every word, its shape, its default and what it means, made from the grammar.

use crate::claim::{Claim, Class};
use crate::diagnostic::CODES;
use crate::fragment::Fragment;
use crate::grammar::{Block, Form, Key, Named, Presence, Refers, Shape};
use crate::lobby::{Identity, Lobby};
use crate::messages::Publishes;
use crate::scenario::{Artifact, Devices, Platform, Provider, Scenario, Selection, Tenant, User};
use crate::schema::text;
use crate::script::Var;
use crate::step::{Expect, Outcome, Step};
use crate::strain::Quotas;
use crate::words::{
    Component, Counting, Defect, Limit, LobbyTrust, Misbehaviour, Need, OnboardOutcome, Points, Protocol, Refusal,
    RetryOn, Role, RolloutState, Row, Surface, Target,
};
use std::fmt::Write;

/// The scenario reference, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Scenario reference\n\nMade from the types of `harness/language`; do not edit. Quantities carry their unit: `250ms 2s 5m 1h 7d`, \
         `200 B 64 KiB 4 MiB 1 GiB`, `50/s 600/min`, `10%`, `1.5x`.\nNames are `kebab-case`, unique in a file; users are e-mail addresses or names. \
         YAML without anchors, aliases, merge keys and tags.\n",
    );
    section(&mut page, "A file", Scenario::BLOCK);
    page.push_str(
        "\nTemplates, `\"{{ name }}\"` in quotes, fill values in before they are read: a variable, `matrix.<name>`, `run.seed`, in a \
         fragment its parameters. A value that is one template takes the place of what it stands for, a number too.\nWhat is known \
         only while running stands only in the texts of `http`, `mqtt` and `log`: secrets, `run.id`, saved values, and `round` inside \
         `repeat` and `sweep`.\n",
    );
    section(&mut page, "`vars.<name>`", Var::BLOCK);
    section(&mut page, "A fragment", Fragment::BLOCK);
    section(&mut page, "`platform`", Platform::BLOCK);
    section(&mut page, "`platform.provider`", Provider::BLOCK);
    section(&mut page, "`platform.lobby`", Lobby::BLOCK);
    section(&mut page, "`platform.tenants.<name>`", Tenant::BLOCK);
    section(&mut page, "`platform.tenants.<name>.users.<user>`", User::BLOCK);
    section(&mut page, "`quotas` of a tenant, and of `configure`", Quotas::BLOCK);
    section(&mut page, "`artifacts.<name>`", Artifact::BLOCK);
    section(&mut page, "`devices.<name>`", Devices::BLOCK);
    section(&mut page, "`devices.<name>.identity`", Identity::BLOCK);
    section(&mut page, "`devices.<name>.publishes`", Publishes::BLOCK);
    section(&mut page, "`selections.<name>`", Selection::BLOCK);
    page.push_str("\n## Steps\nOne verb each: `- enroll: { devices: [hvac] }`. They run one after another; each ends when its effect is confirmed.\n");
    for key in Step::BLOCK.keys {
        if key.word == Expect::VERB {
            continue;
        }
        let _ = write!(page, "\n### `{}`\n{}\n", key.word, text(key.about));
        match key.shape {
            Shape::Block(block) => {
                table(&mut page, block.keys);
                inside(&mut page, block.keys);
            }
            Shape::Choice(block) => kinds(&mut page, key.word, block),
            _ => {}
        }
    }
    section(
        &mut page,
        "What steps on devices, tenants, people, updates and topics take beside their own keys",
        Outcome::BLOCK,
    );
    section_of(&mut page, "`expect`", Expect::BLOCK.about, Expect::BLOCK.keys);
    page.push_str(
        "\nE, *eventual*: may become true until `within`, which it needs. S, *safety*: judged on all that was recorded. \
         A, *active*: makes attempts of its own. Judged in this order.\n",
    );
    for (key, (_, class, acts, rows)) in Claim::BLOCK.keys.iter().zip(Claim::CATALOGUE) {
        let Shape::Block(block) = key.shape else { continue };
        let class = match (class, acts) {
            (Class::Eventual, true) => "E A",
            (Class::Eventual, false) => "E",
            (Class::Safety, _) => "S",
            (Class::Active, _) => "A",
        };
        let rows: Vec<&str> = rows.iter().map(|row| row.word()).collect();
        let proves = if rows.is_empty() { String::new() } else { format!(" Can prove {}.", rows.join(", ")) };
        let _ = write!(page, "\n### `{}` ({class})\n{}{proves}\n", key.word, text(key.about));
        table(&mut page, block.keys);
        inside(&mut page, block.keys);
    }
    page.push_str("\n## Words\n");
    for (what, words) in [
        ("`refused`", Refusal::WORDS),
        ("`needs`", Need::WORDS),
        ("`misbehaves`", Misbehaviour::WORDS),
        ("`surfaces`", Surface::WORDS),
        ("`limits`", Limit::WORDS),
        ("`role`", Role::WORDS),
        ("`speaks`", Protocol::WORDS),
        ("`defect`", Defect::WORDS),
        ("`lobby_trust`", LobbyTrust::WORDS),
        ("`outcome` of `onboarded`", OnboardOutcome::WORDS),
        ("`target`", Target::WORDS),
        ("`retry_on`", RetryOn::WORDS),
        ("`counting`", Counting::WORDS),
        ("`component`", Component::WORDS),
        ("`points` of `sweep`", Points::WORDS),
        ("`is` of `state`, `ended` of `rollout`", RolloutState::WORDS),
    ] {
        let _ = write!(page, "\n| {what} | |\n| --- | --- |\n");
        for (word, about) in words.words.iter().zip(words.about) {
            let _ = writeln!(page, "| `{word}` | {about} |");
        }
    }
    page.push_str("\n## Mistakes\n`check` reports all mistakes of all files. Codes begin with `scenario::`.\n\n| code | what is wrong |\n| --- | --- |\n");
    for (code, meaning) in CODES {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page
}

fn section(page: &mut String, title: &str, block: &Block) {
    section_of(page, title, block.about, block.keys);
}

fn section_of(page: &mut String, title: &str, about: &[&str], keys: &[Key]) {
    let _ = write!(page, "\n## {title}\n{}\n", text(about));
    table(page, keys);
}

/// The blocks that stand inside a block.
fn inside(page: &mut String, keys: &[Key]) {
    for key in keys {
        match key.shape {
            Shape::List(Shape::Block(inner), _) => {
                let _ = write!(page, "\nEach of `{}`: {}\n", key.word, text(inner.about));
                table(page, inner.keys);
            }
            Shape::Block(inner) => {
                let _ = write!(page, "\n`{}`: {}\n", key.word, text(inner.about));
                table(page, inner.keys);
            }
            Shape::Choice(inner) => kinds(page, key.word, inner),
            _ => {}
        }
    }
}

/// A step that takes one of several kinds.
fn kinds(page: &mut String, verb: &str, block: &Block) {
    let _ = writeln!(page, "\nOne kind each:");
    for kind in block.keys {
        let Shape::Block(parameters) = kind.shape else { continue };
        let _ = write!(page, "\n`{verb}: {{ {}: {{ … }} }}`: {}\n", kind.word, text(kind.about));
        table(page, parameters.keys);
    }
}

fn table(page: &mut String, keys: &[Key]) {
    page.push_str("\n| key | takes | when absent | |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let absent = match key.presence {
            Presence::Required(_) => "**required**",
            Presence::Default(default) => default,
            Presence::Optional => "–",
        };
        let _ = writeln!(page, "| `{}` | {} | {absent} | {} |", key.word, takes(&key.shape), text(key.about));
    }
}

fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Live => "text".to_owned(),
        Shape::Scalar => "value".to_owned(),
        Shape::Json => "any data".to_owned(),
        Shape::JsonPath => "JSON path".to_owned(),
        Shape::Map(_, value) => format!("table: {}", takes(value)),
        Shape::Version => "version, in quotes".to_owned(),
        Shape::Number(least, u32::MAX) if *least == 0 => "number".to_owned(),
        Shape::Number(least, u32::MAX) => format!("number, at least {least}"),
        Shape::Number(least, most) => format!("number, {least} to {most}"),
        Shape::Duration(_) => "duration".to_owned(),
        Shape::Size => "size".to_owned(),
        Shape::Share => "share".to_owned(),
        Shape::Bandwidth => "bandwidth".to_owned(),
        Shape::Rate => "rate".to_owned(),
        Shape::Ratio => "ratio".to_owned(),
        Shape::YesNo => "`true` or `false`".to_owned(),
        Shape::Word(words) if words.code == Row::WORDS.code => "`P1`–`P13`, `A1`–`A10`, `B1`–`B7`".to_owned(),
        Shape::Word(words) => words.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
        Shape::Declares(Named::Scenario) => "text".to_owned(),
        Shape::Declares(named) => match named {
            Named::User => "user".to_owned(),
            Named::Tag => "label".to_owned(),
            _ => "new name".to_owned(),
        },
        Shape::Refers(refers) => match refers {
            Refers::Tenant => "tenant",
            Refers::TenantOrProvider => "tenant or `provider`",
            Refers::TenantOrNone => "tenant or `none`",
            Refers::Region => "region",
            Refers::Authority => "authority",
            Refers::User => "user",
            Refers::Artifact => "artifact",
            Refers::Devices => "device group or selection",
            Refers::Group => "device group",
            Refers::Groups => "selection that is a group",
            Refers::Deployment => "deployment",
            Refers::Tag => "label",
            Refers::Saved => "saved value",
            Refers::End => "device group, selection, tenant or `platform`",
            Refers::Measure => "measurement",
            Refers::Subscription => "subscription",
        }
        .to_owned(),
        Shape::Steps { .. } => "list: step".to_owned(),
        Shape::Branches => "list, at least 2: list: step".to_owned(),
        Shape::List(item, least) => {
            let least = if *least > 1 { format!(", at least {least}") } else { String::new() };
            format!("list: {}{least}", takes(item))
        }
        Shape::Block(_) => "block".to_owned(),
        Shape::Table(..) => "table".to_owned(),
        Shape::Choice(block) if block.name == "Step" => "step".to_owned(),
        Shape::Choice(_) => "one kind".to_owned(),
    }
}
