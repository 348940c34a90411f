#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What both databases must do alike. The half on PostgreSQL runs when `FLEETPROOF_TEST_POSTGRES` is a connection
//! string, e.g. `host=/tmp user=postgres dbname=postgres`, and the crate has the feature `postgres`.

use fleetproof_platform::args;
use fleetproof_platform::store::{Database, Store, Transaction, Tx, Value};
use fleetproof_world::Runtime;

async fn fresh(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    tx.batch("drop table if exists samples; drop table if exists counters").await.unwrap();
    let int = if matches!(database, Database::Sqlite(_)) { "integer" } else { "bigint" };
    let blob = if matches!(database, Database::Sqlite(_)) { "blob" } else { "bytea" };
    tx.batch(&format!(
        "create table samples (id text primary key, n {int}, data {blob}); \
         create table counters (id text primary key, used {int} not null, lim {int} not null)"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

const INSERT: &str = "insert into samples (id, n, data) values ($1, $2, $3) on conflict do nothing";

async fn count(database: &Database) -> i64 {
    let mut tx = database.begin().await.unwrap();
    tx.number("select count(*) as n from samples", &[]).await.unwrap()
}

/// All of it, on any database.
async fn conform(database: Database) {
    values_come_back(&database).await;
    what_is_dropped_is_rolled_back(&database).await;
    arguments_are_by_number(&database).await;
    a_conflict_is_a_count(&database).await;
    a_conditional_update_is_exact(&database).await;
    a_failed_statement_ends_with_its_transaction(&database).await;
    the_tables_are_made_once(&database).await;
}

async fn values_come_back(database: &Database) {
    fresh(database).await;
    let data = bytes::Bytes::from_static(&[0, 255, b'\'']);
    let mut tx = database.begin().await.unwrap();
    tx.execute(INSERT, args!["it's $1 ?1", i64::MIN, data.clone()]).await.unwrap();
    tx.execute(INSERT, args!["none", None::<i64>, Value::Null]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = database.begin().await.unwrap();
    let rows = tx.query("select id, n, data from samples order by id", &[]).await.unwrap();
    assert_eq!((rows[0].text("id").unwrap(), rows[0].int("n").unwrap()), ("it's $1 ?1".to_owned(), i64::MIN));
    assert_eq!(rows[0].blob("data").unwrap(), data);
    assert_eq!((rows[1].maybe_int("n").unwrap(), rows[1].value("data").unwrap()), (None, &Value::Null));
    assert!(rows[1].int("n").is_err() && rows[1].text("nothing").is_err() && rows[0].int("id").is_err());
}

async fn what_is_dropped_is_rolled_back(database: &Database) {
    fresh(database).await;
    let mut tx = database.begin().await.unwrap();
    assert_eq!(tx.execute(INSERT, args!["a", 1, Value::Null]).await.unwrap(), 1);
    drop(tx);
    assert_eq!(count(database).await, 0);
    // The same when the future that held it is dropped half-way.
    let abandoned = async {
        let mut tx = database.begin().await.unwrap();
        tx.execute(INSERT, args!["a", 1, Value::Null]).await.unwrap();
        std::future::pending::<()>().await;
        tx.commit().await.unwrap();
    };
    let mut abandoned = Box::pin(abandoned);
    for _ in 0..1_000 {
        tokio::select! {
            biased;
            () = &mut abandoned => {}
            () = tokio::task::yield_now() => {}
        }
    }
    drop(abandoned);
    assert_eq!(count(database).await, 0);
}

async fn arguments_are_by_number(database: &Database) {
    fresh(database).await;
    let mut tx = database.begin().await.unwrap();
    let swapped = "insert into samples (n, id, data) values ($2, $1, $3)";
    tx.execute(swapped, args!["one", 2, Value::Null]).await.unwrap();
    let found = "select n from samples where n = $2 and id = $1 and ($3 = '' or id = $3) order by n";
    assert_eq!(tx.first(found, args!["one", 2, ""]).await.unwrap().unwrap().int("n").unwrap(), 2);
    assert_eq!(tx.first(found, args!["one", 2, "two"]).await.unwrap(), None);
}

async fn a_conflict_is_a_count(database: &Database) {
    fresh(database).await;
    let mut tx = database.begin().await.unwrap();
    assert_eq!(tx.execute(INSERT, args!["a", 1, Value::Null]).await.unwrap(), 1);
    assert_eq!(tx.execute(INSERT, args!["a", 2, Value::Null]).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(count(database).await, 1);
}

async fn a_conditional_update_is_exact(database: &Database) {
    fresh(database).await;
    let mut tx = database.begin().await.unwrap();
    tx.execute("insert into counters (id, used, lim) values ('c', 0, 5)", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let one = || async {
        let mut tx: Transaction = database.begin().await.unwrap();
        let taken = "update counters set used = used + 1 where id = 'c' and used < lim";
        let touched = tx.execute(taken, &[]).await.unwrap();
        tx.commit().await.unwrap();
        touched
    };
    let (a, b, c, d, e, f, g, h) = tokio::join!(one(), one(), one(), one(), one(), one(), one(), one());
    assert_eq!(a + b + c + d + e + f + g + h, 5);
}

async fn a_failed_statement_ends_with_its_transaction(database: &Database) {
    fresh(database).await;
    let mut tx = database.begin().await.unwrap();
    tx.execute(INSERT, args!["a", 1, Value::Null]).await.unwrap();
    assert!(tx.execute("insert into samples (id) values ('a')", &[]).await.is_err());
    drop(tx);
    assert_eq!(count(database).await, 0);
}

async fn the_tables_are_made_once(database: &Database) {
    database.migrate().await.unwrap();
    database.migrate().await.unwrap();
    let mut tx = database.begin().await.unwrap();
    assert_eq!(tx.number("select count(*) as n from tenants", &[]).await.unwrap(), 0);
}

#[test]
fn sqlite_conforms() {
    Runtime::virtual_time().unwrap().block_on(conform(Database::in_memory().unwrap()));
}

/// A database file of a test's own, gone with it.
struct DatabaseFile(std::path::PathBuf);

impl DatabaseFile {
    fn new(name: &str) -> Self {
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.db", std::process::id()));
        let file = Self(file);
        file.remove();
        file
    }

    fn open(&self) -> Database {
        Database::in_file(&self.0).unwrap()
    }

    /// Why it is not opened, or its tables are not taken.
    async fn refused(&self) -> String {
        match Database::in_file(&self.0) {
            Err(error) => error.to_string(),
            Ok(database) => database.migrate().await.unwrap_err().to_string(),
        }
    }

    fn remove(&self) {
        for beside in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{beside}", self.0.display())));
        }
    }
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[test]
fn a_sqlite_file_conforms() {
    let file = DatabaseFile::new("conforms");
    Runtime::real_time().unwrap().block_on(conform(file.open()));
}

#[test]
fn a_sqlite_file_keeps_what_was_committed_and_is_synced() {
    let file = DatabaseFile::new("keeps");
    Runtime::real_time().unwrap().block_on(async {
        let database = file.open();
        fresh(&database).await;
        let mut tx = database.begin().await.unwrap();
        tx.execute(INSERT, args!["a", 1, Value::Null]).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = database.begin().await.unwrap();
        tx.execute(INSERT, args!["b", 1, Value::Null]).await.unwrap();
        drop(tx);
        // As a process that is killed leaves it: nobody closes it before somebody else reads it.
        let again = file.open();
        assert_eq!(count(&again).await, 1);
        let mut tx = again.begin().await.unwrap();
        let pragma = |row: Vec<fleetproof_platform::store::Row>, name: &str| row[0].value(name).unwrap().clone();
        let full = tx.query("pragma synchronous", &[]).await.unwrap();
        assert_eq!(pragma(full, "synchronous"), Value::Int(2), "FULL");
        let mode = tx.query("pragma journal_mode", &[]).await.unwrap();
        assert_eq!(pragma(mode, "journal_mode"), Value::Text("wal".to_owned()));
    });
}

#[test]
fn a_file_of_another_version_or_of_somebody_else_is_refused_in_words() {
    let file = DatabaseFile::new("versions");
    Runtime::real_time().unwrap().block_on(async {
        let database = file.open();
        database.migrate().await.unwrap();
        let mut tx = database.begin().await.unwrap();
        tx.batch("update migrations set digest = 'other' where step = 1").await.unwrap();
        tx.commit().await.unwrap();
        let refused = database.migrate().await.unwrap_err().to_string();
        assert!(refused.contains("another build of fleetproof (step 1 differs)"), "{refused}");

        let mut tx = database.begin().await.unwrap();
        tx.batch("delete from migrations where step = 1; insert into migrations values (99, 'x')").await.unwrap();
        tx.commit().await.unwrap();
        drop(database);
        let refused = file.refused().await;
        assert!(refused.contains("newer version of fleetproof (step 99"), "{refused}");

        file.remove();
        std::fs::write(&file.0, "no database at all, but a letter of more than sixteen bytes").unwrap();
        assert!(file.refused().await.contains("not a database"), "{}", file.refused().await);

        file.remove();
        let database = file.open();
        let mut tx = database.begin().await.unwrap();
        tx.batch("create table letters (id text)").await.unwrap();
        tx.commit().await.unwrap();
        drop(database);
        let other = std::fs::read(&file.0).unwrap();
        // The mark is in the header: take it away.
        let unmarked: Vec<u8> =
            other.iter().enumerate().map(|(at, b)| if (68..72).contains(&at) { 0 } else { *b }).collect();
        std::fs::write(&file.0, unmarked).unwrap();
        assert!(file.refused().await.contains("none that fleetproof made"), "{}", file.refused().await);
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_conforms() {
    let Ok(connection) = std::env::var("FLEETPROOF_TEST_POSTGRES") else {
        eprintln!("skipped: FLEETPROOF_TEST_POSTGRES is not set to a connection string");
        return;
    };
    let database = Database::Postgres(fleetproof_platform::store::Postgres::new(&connection).unwrap());
    Runtime::real_time().unwrap().block_on(async {
        conform(database.clone()).await;
        statements::are_understood(&database).await;
    });
}

/// Every statement of the platform, read from its sources, since the other tests run them on SQLite only.
#[cfg(feature = "postgres")]
mod statements {
    use super::*;
    use std::path::Path;

    /// Has the server parse each and look up every table and column, without running any.
    pub async fn are_understood(database: &Database) {
        let statements = all();
        assert!(statements.len() > 100, "too few to believe: {}", statements.len());
        let mut complaints = Vec::new();
        for (number, (place, sql)) in statements.iter().enumerate() {
            let mut tx = database.begin().await.unwrap();
            if let Err(error) = tx.batch(&format!("prepare statement_{number} as {sql}")).await {
                complaints.push(format!("{place}: {error}: {sql}"));
            }
        }
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }

    /// Statements and where they stand. What begins as one and is only a part of one is left out.
    fn all() -> Vec<(String, String)> {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    in_file(&path, &mut found);
                }
            }
        }
        found
    }

    fn in_file(path: &Path, found: &mut Vec<(String, String)>) {
        let text = std::fs::read_to_string(path).unwrap();
        for verb in ["select ", "insert ", "update ", "delete ", "with "] {
            for (at, _) in text.match_indices(&format!("\"{verb}")) {
                let sql = literal(&text[at + 1..]);
                if sql != "select *" {
                    found.push((format!("{}:{}", path.display(), text[..at].lines().count()), sql));
                }
            }
        }
    }

    /// The string that goes on to the next quote, its lines joined as the compiler joins them.
    fn literal(text: &str) -> String {
        let end = text.match_indices('"').find(|(at, _)| !text[..*at].ends_with('\\')).unwrap().0;
        let lines = text[..end].split("\\\n").map(|line| line.trim_start());
        lines.collect::<String>().replace("\\\"", "\"")
    }
}
