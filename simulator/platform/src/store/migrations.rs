//! The tables, as numbered files with a token where the databases' words differ.

use super::{Store, StoreError, Tx};
use crate::args;

/// Every step that ever changed the tables, in order. A step that was released is never edited.
const STEPS: &[(i64, &str)] =
    &[(1, include_str!("migrations/001_tenancy.sql")), (2, include_str!("migrations/002_fleet.sql"))];

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

/// Runs the steps that have not run yet, each in a transaction of its own.
pub(super) async fn apply<S: Store>(store: &S, flavour: Flavour) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let bookkeeping = "create table if not exists migrations (step {int64} primary key) {strict}";
    tx.batch(&flavour.spell(bookkeeping)).await?;
    tx.commit().await?;
    for (step, sql) in STEPS {
        let mut tx = store.begin().await?;
        let fresh = "insert into migrations (step) values ($1) on conflict do nothing";
        if tx.execute(fresh, args![*step]).await? == 1 {
            tx.batch(&flavour.spell(sql)).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}
