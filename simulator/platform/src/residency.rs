//! Where a word stands: in the tables of which regions, and in what brokers keep there. A test harness asks, to see that what
//! belongs to a region is nowhere else.

use crate::Platform;
use crate::args;
use crate::platform::PlatformError;
use crate::store::{StoreError, Tx};
use std::collections::{BTreeMap, BTreeSet};

/// The tables whose rows belong to a region, and how a word is found in them.
const STORES: &[(&str, &str)] = &[
    (
        "things",
        "select distinct region from things where replace(name || attributes, $1, '') <> name || attributes order by region",
    ),
    (
        "thing_groups",
        "select distinct region from thing_groups where replace(name || attributes, $1, '') <> name || attributes \
         order by region",
    ),
    (
        "certificates",
        "select distinct region from certificates where replace(id || facts, $1, '') <> id || facts order by region",
    ),
    (
        "policies",
        "select distinct region from policy_versions where replace(name || document, $1, '') <> name || document \
         order by region",
    ),
    (
        "shadows",
        "select distinct region from shadows where replace(thing || stored, $1, '') <> thing || stored order by region",
    ),
    ("jobs", "select distinct region from jobs where replace(id || job, $1, '') <> id || job order by region"),
    (
        "job_executions",
        "select distinct region from job_executions where replace(thing || execution, $1, '') <> thing || execution \
         order by region",
    ),
];

/// Messages that brokers keep.
const RETAINED: &str = "retained messages";

impl Platform {
    /// Region → the stores there in which `word` stands.
    ///
    /// # Errors
    /// The database.
    pub async fn stores_with(&self, word: &str) -> Result<BTreeMap<String, BTreeSet<&'static str>>, PlatformError> {
        let mut found: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        let mut tx = self.begin().await?;
        for (store, sql) in STORES {
            let rows = tx.query(sql, args![word]).await?;
            let regions = rows.iter().map(|row| row.text("region")).collect::<Result<Vec<_>, StoreError>>()?;
            for region in regions {
                found.entry(region).or_default().insert(store);
            }
        }
        self.commit(tx).await?;
        for region in self.data_plane().regions_that_retain(self, word) {
            found.entry(region).or_default().insert(RETAINED);
        }
        Ok(found)
    }
}
