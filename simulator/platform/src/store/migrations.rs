//! The tables, as numbered files with a token where the databases' words differ.

use super::{Store, StoreError, Tx};
use crate::args;
use crate::ids::hex;
use sha2::{Digest, Sha256};

/// Every step that ever changed the tables, in order. A step that was released is never edited.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("migrations/001_tenancy.sql")),
    (2, include_str!("migrations/002_fleet.sql")),
    (3, include_str!("migrations/003_pacing.sql")),
    (4, include_str!("migrations/004_registry.sql")),
    (5, include_str!("migrations/005_organisation.sql")),
    (6, include_str!("migrations/006_shadows.sql")),
    (7, include_str!("migrations/007_jobs.sql")),
    (8, include_str!("migrations/008_lobby.sql")),
    (9, include_str!("migrations/009_provisioning.sql")),
    (10, include_str!("migrations/010_client_limits.sql")),
];

/// Whose words to use.
#[derive(Clone, Copy)]
pub(super) enum Flavour {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Flavour {
    /// Token, its word here.
    const fn words(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sqlite => &[
                ("{int64}", "integer"),
                ("{text}", "text"),
                ("{blob}", "blob"),
                ("{serial}", "integer primary key autoincrement"),
                ("{strict}", "strict"),
            ],
            #[cfg(feature = "postgres")]
            Self::Postgres => &[
                ("{int64}", "bigint"),
                ("{text}", "text collate \"C\""),
                ("{blob}", "bytea"),
                ("{serial}", "bigint generated always as identity primary key"),
                ("{strict}", ""),
            ],
        }
    }

    fn spell(self, sql: &str) -> String {
        self.words().iter().fold(sql.to_owned(), |sql, (token, word)| sql.replace(token, word))
    }
}

/// Runs the steps that have not run yet, each in a transaction of its own. Tables that this version does not know are
/// refused: whoever does not know them would not keep their rules.
pub(super) async fn apply<S: Store>(store: &S, flavour: Flavour) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let bookkeeping =
        "create table if not exists migrations (step {int64} primary key, digest {text} not null) {strict}";
    tx.batch(&flavour.spell(bookkeeping)).await?;
    let done = tx.query("select step, digest from migrations order by step", &[]).await?;
    tx.commit().await?;
    for row in done {
        known(row.int("step")?, &row.text("digest")?)?;
    }
    for (step, sql) in STEPS {
        let mut tx = store.begin().await?;
        let fresh = "insert into migrations (step, digest) values ($1, $2) on conflict do nothing";
        if tx.execute(fresh, args![*step, digest(sql)]).await? == 1 {
            tx.batch(&flavour.spell(sql)).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Whether a step that somebody ran is one of ours.
fn known(step: i64, ran: &str) -> Result<(), StoreError> {
    let last = STEPS.last().map_or(0, |(last, _)| *last);
    match STEPS.iter().find(|(ours, _)| *ours == step) {
        None => Err(StoreError::new(format!(
            "its tables were made by a newer version of fleetproof (step {step}, this one knows {last}): use that version"
        ))),
        Some((_, sql)) if digest(sql) != ran => Err(StoreError::new(format!(
            "its tables were made by another build of fleetproof (step {step} differs): use the version that made them"
        ))),
        Some(_) => Ok(()),
    }
}

/// What tells one text of a step from another.
fn digest(sql: &str) -> String {
    hex(&Sha256::digest(sql.as_bytes()))
}
