//! Where the platform keeps what it knows: statements written once, transactions that are owned.
//!
//! A [`Tx`] that is dropped is rolled back, whatever happened to the future that held it. Statements
//! number their arguments `$1`, `$2`, … and always say `order by`; the same text runs on SQLite and
//! PostgreSQL. Rules that keep it so:
//!
//! * no `for update`, no `now()`, no `random()`: limits are one conditional `update`, time is an argument;
//! * `$` stands for nothing but an argument;
//! * sums are `cast(coalesce(sum(x), 0) as bigint)`;
//! * after a failed statement nothing but dropping the transaction is allowed: say `on conflict do nothing`
//!   and look at the count where a conflict is expected.

mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod values;

#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresTx};
pub use sqlite::{Sqlite, SqliteTx};
pub use values::{Row, Value};

use std::fmt;

/// A database. Clones are the same database.
pub trait Store: Clone + Send + Sync + 'static {
    /// What [`begin`](Self::begin) opens.
    type Tx: Tx;
    /// Opens a transaction; waits for its turn where the database has only one.
    fn begin(&self) -> impl Future<Output = Result<Self::Tx, StoreError>> + Send;
}

/// A transaction. Dropped without [`commit`](Self::commit), it is rolled back.
pub trait Tx: Send + Sized {
    /// The rows that `sql` gives.
    fn query(&mut self, sql: &'static str, args: &[Value])
    -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
    /// Runs `sql`; how many rows it touched.
    fn execute(&mut self, sql: &'static str, args: &[Value]) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Runs several statements without arguments (migrations).
    fn batch(&mut self, sql: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Makes it so.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a database had to complain about. Never a user's mistake: handlers turn it into a 500.
#[derive(Debug)]
pub struct StoreError(String);

impl StoreError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

/// The databases a platform can stand on.
#[derive(Clone, Debug)]
pub enum Database {
    /// In memory, gone with the process, or in a file.
    Sqlite(Sqlite),
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl Database {
    /// A fresh database in memory.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self::Sqlite(Sqlite::in_memory()?))
    }

    /// The database in a file, made where it is not there; see [`Sqlite::in_file`].
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_file(path: &std::path::Path) -> Result<Self, StoreError> {
        Ok(Self::Sqlite(Sqlite::in_file(path)?))
    }

    /// Brings the tables up to this version of the platform; does nothing the second time.
    ///
    /// # Errors
    /// What the database says; tables that a newer or another version made.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => migrations::apply(store, migrations::Flavour::Sqlite).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => migrations::apply(store, migrations::Flavour::Postgres).await,
        }
    }
}

impl Store for Database {
    type Tx = Transaction;

    async fn begin(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite(store) => store.begin().await.map(Transaction::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.begin().await.map(Transaction::Postgres),
        }
    }
}

/// A transaction on whichever [`Database`].
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite.
    Sqlite(SqliteTx),
    /// On PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresTx),
}

impl Tx for Transaction {
    async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.query(sql, args).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.query(sql, args).await,
        }
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.execute(sql, args).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.execute(sql, args).await,
        }
    }

    async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.batch(sql).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.batch(sql).await,
        }
    }

    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl Transaction {
    /// The one row that `sql` gives, if it gives any.
    ///
    /// # Errors
    /// What the database says.
    pub async fn first(&mut self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// The number in the column `n` of the first row that `sql` gives: `select count(*) as n …`.
    ///
    /// # Errors
    /// What the database says; no row, or no column `n`.
    pub async fn number(&mut self, sql: &'static str, args: &[Value]) -> Result<i64, StoreError> {
        self.first(sql, args).await?.ok_or_else(|| StoreError::new("a count gave no row"))?.int("n")
    }
}
