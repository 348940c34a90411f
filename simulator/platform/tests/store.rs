#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What both databases must do alike. The half on PostgreSQL runs when `FLEETPROOF_TEST_POSTGRES` is a connection
//! string, e.g. `host=/tmp user=postgres dbname=postgres`, and the crate has the feature `postgres`.

use fleetproof_platform::args;
use fleetproof_platform::store::{Database, Store, Transaction, Tx, Value};
use fleetproof_world::Runtime;

async fn fresh(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    tx.batch("drop table if exists things; drop table if exists counters").await.unwrap();
    let int = if matches!(database, Database::Sqlite(_)) { "integer" } else { "bigint" };
    let blob = if matches!(database, Database::Sqlite(_)) { "blob" } else { "bytea" };
    tx.batch(&format!(
        "create table things (id text primary key, n {int}, data {blob}); \
         create table counters (id text primary key, used {int} not null, lim {int} not null)"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

const INSERT: &str = "insert into things (id, n, data) values ($1, $2, $3) on conflict do nothing";

async fn count(database: &Database) -> i64 {
    let mut tx = database.begin().await.unwrap();
    tx.number("select count(*) as n from things", &[]).await.unwrap()
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
    let rows = tx.query("select id, n, data from things order by id", &[]).await.unwrap();
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
    let swapped = "insert into things (n, id, data) values ($2, $1, $3)";
    tx.execute(swapped, args!["one", 2, Value::Null]).await.unwrap();
    let found = "select n from things where n = $2 and id = $1 and ($3 = '' or id = $3) order by n";
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
    assert!(tx.execute("insert into things (id) values ('a')", &[]).await.is_err());
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
