//! PostgreSQL: a connection per transaction, kept for the next one when it ended well.

use super::{Row, Store, StoreError, Tx, Value};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};

/// How many transactions may be open at once.
const AT_ONCE: usize = 16;

/// A database server. It is an edge: its connections are the real network's, whatever the world says.
#[derive(Clone)]
pub struct Postgres(Arc<Pool>);

struct Pool {
    config: Config,
    idle: Mutex<Vec<Connected>>,
    turns: Arc<Semaphore>,
}

/// A connection and the statements that it has prepared.
struct Connected {
    client: Client,
    prepared: BTreeMap<&'static str, Statement>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Postgres {
    /// A server, e.g. `host=localhost user=fleet dbname=fleet`. Nothing is dialled yet.
    ///
    /// # Errors
    /// The text says something else.
    pub fn new(connection: &str) -> Result<Self, StoreError> {
        let config = connection.parse()?;
        Ok(Self(Arc::new(Pool { config, idle: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) })))
    }
}

impl Pool {
    fn idle(&self) -> Option<Connected> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connected| !connected.client.is_closed());
        idle.pop()
    }

    fn keep(&self, connected: Connected) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connected);
    }

    async fn connected(&self) -> Result<Connected, StoreError> {
        if let Some(connected) = self.idle() {
            return Ok(connected);
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // It ends with its client; what went wrong is told to whoever asked.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connected { client, prepared: BTreeMap::new() })
    }
}

impl Store for Postgres {
    type Tx = PostgresTx;

    async fn begin(&self) -> Result<PostgresTx, StoreError> {
        let turn = self.0.turns.clone().acquire_owned().await.map_err(StoreError::new)?;
        let connected = self.0.connected().await?;
        connected.client.batch_execute("begin").await?;
        Ok(PostgresTx { connected, pool: self.0.clone(), _turn: turn })
    }
}

/// A transaction. Dropped, it takes its connection along, and the server rolls back.
pub struct PostgresTx {
    connected: Connected,
    pool: Arc<Pool>,
    _turn: OwnedSemaphorePermit,
}

impl fmt::Debug for PostgresTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresTx")
    }
}

impl PostgresTx {
    async fn prepare(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(known) = self.connected.prepared.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.connected.client.prepare(sql).await?;
        self.connected.prepared.insert(sql, statement.clone());
        Ok(statement)
    }
}

fn borrowed(args: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

impl Tx for PostgresTx {
    async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        let columns: Arc<[String]> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let rows = self.connected.client.query(&statement, &borrowed(args)).await?;
        let read = |row: &tokio_postgres::Row| {
            let values = (0..columns.len()).map(|at| row.try_get::<_, Value>(at));
            Ok(Row::new(columns.clone(), values.collect::<Result<_, _>>()?))
        };
        rows.iter().map(read).collect()
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql).await?;
        Ok(self.connected.client.execute(&statement, &borrowed(args)).await?)
    }

    async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.connected.client.batch_execute(sql).await?)
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.connected.client.batch_execute("commit").await?;
        self.pool.keep(self.connected);
        Ok(())
    }
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *kind == Type::INT4 => i32::try_from(*n)?.to_sql(kind, out),
            Self::Int(n) => n.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Blob(bytes) => bytes.as_ref().to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::TEXT, Type::VARCHAR, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::BYTEA => Self::Blob(Bytes::copy_from_slice(raw)),
            _ => Self::Text(String::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        <Self as ToSql>::accepts(kind)
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(told) => Self::new(format!("{}: {}", told.code().code(), told.message())),
            None => Self::new(error),
        }
    }
}
