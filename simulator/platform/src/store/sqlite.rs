//! SQLite, in memory or in a file: one connection, handed from transaction to transaction in the order they asked.

use super::{Row, Store, StoreError, Tx, Value};
use bytes::Bytes;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many prepared statements are kept: more than the platform has.
const STATEMENTS: usize = 1024;

/// What a database file of ours says in its header: `flpf`.
const OURS: i64 = 0x666C_7066;

/// How long a reader from outside (`sqlite3`, a backup) may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database with one connection.
#[derive(Clone, Debug)]
pub struct Sqlite(Arc<Mutex<Desk>>);

/// The connection, and what is known of the platform's statements by where their text stands: they are all written
/// once, in the program.
#[derive(Debug)]
struct Desk {
    connection: Connection,
    known: BTreeMap<(usize, usize), Statement>,
}

/// A statement as SQLite takes it.
#[derive(Debug)]
struct Statement {
    sql: String,
    /// The names of what it gives, once it was asked.
    columns: Arc<[String]>,
}

impl Sqlite {
    /// A fresh one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::on(Connection::open_in_memory()?)
    }

    /// The one in the file `path`, made where it is not there. What is committed survives the process, and the machine's
    /// power as far as its disk keeps what it was told to sync. Files beside it (`-wal`, `-shm`) belong to it.
    ///
    /// # Errors
    /// What SQLite says; a database that somebody else made.
    pub fn in_file(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        if number("pragma schema_version")? > 0 && number("pragma application_id")? != OURS {
            return Err(StoreError::new("this is a database, but none that fleetproof made"));
        }
        connection.execute_batch(&format!("pragma application_id = {OURS}"))?;
        let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(StoreError::new(format!("its journal cannot be written ahead here (it stays `{mode}`)")));
        }
        connection.execute_batch("pragma synchronous = full")?;
        Self::on(connection)
    }

    fn on(connection: Connection) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.execute_batch("pragma foreign_keys = on")?;
        // Without it a statement is prepared anew whenever a value is bound that its plan might depend on: in every poll.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self(Arc::new(Mutex::new(Desk { connection, known: BTreeMap::new() }))))
    }
}

impl Store for Sqlite {
    type Tx = SqliteTx;

    async fn begin(&self) -> Result<SqliteTx, StoreError> {
        Ok(SqliteTx { desk: self.0.clone().lock_owned().await, open: false })
    }
}

/// A transaction: the connection, and nobody else has it.
#[derive(Debug)]
pub struct SqliteTx {
    desk: OwnedMutexGuard<Desk>,
    /// SQLite knows of it: something was written. Who only reads needs no more than the connection, which nobody else has.
    open: bool,
}

impl SqliteTx {
    fn rows(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let Desk { connection, known } = &mut *self.desk;
        let known = statement(known, sql);
        let mut statement = connection.prepare_cached(&known.sql)?;
        if !statement.readonly() {
            begin(connection, &mut self.open)?;
        }
        // Other than before it is after a migration.
        if known.columns.len() != statement.column_count() {
            known.columns = statement.column_names().map(str::to_owned).collect();
        }
        let columns = &known.columns;
        let mut rows = statement.query(rusqlite::params_from_iter(args))?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns.len()).map(|at| row.get_ref(at).map_err(StoreError::new).and_then(read));
            answer.push(Row::new(columns.clone(), values.collect::<Result<_, _>>()?));
        }
        Ok(answer)
    }

    fn run(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        let Desk { connection, known } = &mut *self.desk;
        begin(connection, &mut self.open)?;
        let mut statement = connection.prepare_cached(&statement(known, sql).sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(args))? as u64)
    }
}

/// From now on what is written can be taken back.
fn begin(connection: &Connection, open: &mut bool) -> Result<(), StoreError> {
    if !*open {
        connection.prepare_cached("begin")?.execute([])?;
        *open = true;
    }
    Ok(())
}

/// What is known of the statement `sql`.
fn statement<'a>(known: &'a mut BTreeMap<(usize, usize), Statement>, sql: &'static str) -> &'a mut Statement {
    let place = (sql.as_ptr() as usize, sql.len());
    known.entry(place).or_insert_with(|| Statement { sql: numbered(sql), columns: Arc::default() })
}

impl Tx for SqliteTx {
    async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.rows(sql, args)
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        self.run(sql, args)
    }

    async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        begin(&self.desk.connection, &mut self.open)?;
        Ok(self.desk.connection.execute_batch(sql)?)
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        if self.open {
            self.desk.connection.prepare_cached("commit")?.execute([])?;
            self.open = false;
        }
        Ok(())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if self.open {
            // It fails only where SQLite has rolled back by itself already.
            let _rolled_back = self.desk.connection.execute_batch("rollback");
        }
    }
}

/// SQLite numbers `$1` by first appearance and `?1` by its number.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn read(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(n) => Ok(Value::Int(n)),
        ValueRef::Text(text) => Ok(Value::Text(match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        })),
        ValueRef::Blob(bytes) => Ok(Value::Blob(Bytes::copy_from_slice(bytes))),
        ValueRef::Real(_) => Err(StoreError::new("a fraction: the platform keeps whole numbers only")),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error)
    }
}
