//! What must be in the data folder: the book of what was acknowledged, compared with the rows, and what holds of the rows
//! whoever wrote them.

use crate::server::Folder;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One thing that a writer made: what it is now, and what it may be instead because the answer never came.
#[derive(Debug, Default)]
struct Entry {
    /// `None`: it is not there.
    certain: Option<String>,
    pending: Option<(Option<String>, Option<&'static str>)>,
    /// Its id, once somebody saw it.
    id: Option<String>,
    /// How often which action stands in the log.
    audited: BTreeMap<&'static str, i64>,
    /// The bytes of an artifact.
    bytes: Option<Vec<u8>>,
}

/// All things of one writer by their names, which are never given twice.
#[derive(Debug)]
pub(crate) struct Book {
    /// Gives `id` and `state` of the things with a name; `?1` is the name.
    statement: &'static str,
    entries: BTreeMap<String, Entry>,
    acknowledged: usize,
}

impl Book {
    pub(crate) fn new(statement: &'static str) -> Self {
        Self { statement, entries: BTreeMap::new(), acknowledged: 0 }
    }

    /// A change is about to be asked for: after it `name` is in `state` (`None`: gone), and `action` is in the log.
    pub(crate) fn ask(&mut self, name: &str, state: Option<String>, action: Option<&'static str>) {
        let entry = self.entries.entry(name.to_owned()).or_default();
        assert!(entry.pending.is_none(), "one thing at a time: {name}");
        entry.pending = Some((state, action));
    }

    /// It was acknowledged.
    pub(crate) fn done(&mut self, name: &str) {
        self.acknowledged += 1;
        self.entries.get_mut(name).unwrap().came();
    }

    /// It was acknowledged, and is called `id`.
    pub(crate) fn made(&mut self, name: &str, id: &str) {
        self.done(name);
        self.entries.get_mut(name).unwrap().id = Some(id.to_owned());
    }

    /// The bytes that belong to `name`.
    pub(crate) fn holds(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.entry(name.to_owned()).or_default().bytes = Some(bytes);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn audited(&self) -> i64 {
        self.entries.values().flat_map(|entry| entry.audited.values()).sum()
    }

    /// Compares the book with what is there; how many changes were in flight, and how many of them came to be.
    pub(crate) fn settle(&mut self, database: &Connection, folder: &Folder) -> (usize, usize) {
        let (mut open, mut came) = (0, 0);
        let mut statement = database.prepare(self.statement).unwrap();
        for (name, entry) in &mut self.entries {
            let found: Vec<(String, String, String)> = statement
                .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(found.len() < 2, "{name} is there {} times", found.len());
            let there = found.first().map(|(_, state, _)| state.clone());
            if let Some((id, ..)) = found.first() {
                entry.id = Some(id.clone());
            }
            if entry.pending.is_some() {
                open += 1;
                // What changed nothing that can be seen is told by the log.
                if entry.pending.as_ref().is_some_and(|(state, _)| *state == there) && entry.certain != there {
                    came += 1;
                    entry.came();
                }
                entry.pending = None;
            }
            assert_eq!(there, entry.certain, "{name}: what is there, and what was acknowledged");
            if let (Some(bytes), Some((id, _, tenant))) = (&entry.bytes, found.first()) {
                let file = folder.data().join("objects").join(tenant).join(id);
                assert!(std::fs::read(&file).unwrap() == *bytes, "{name}: {} has other bytes", file.display());
            }
            entry.compare_log(name, database);
        }
        (open, came)
    }
}

impl Entry {
    fn came(&mut self) {
        let (state, action) = self.pending.take().unwrap();
        self.certain = state;
        if let Some(action) = action {
            *self.audited.entry(action).or_default() += 1;
        }
    }

    /// Each acknowledged change once in the log, and nothing else about this thing.
    fn compare_log(&self, name: &str, database: &Connection) {
        let Some(id) = &self.id else {
            // Made and gone before anybody saw its id, or never there.
            return;
        };
        let sql = "select action, count(*) from audit where object_id = ?1 group by action";
        let mut statement = database.prepare_cached(sql).unwrap();
        let logged: BTreeMap<String, i64> =
            statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
        let due: BTreeMap<String, i64> =
            self.audited.iter().map(|(action, times)| ((*action).to_owned(), *times)).collect();
        assert_eq!(logged, due, "{name} ({id}): what is in the log, and what was done");
    }
}

/// A copy of the database as the killed process left it, recovered as SQLite does: the original is left for `serve`.
pub(crate) fn open(folder: &Folder) -> Connection {
    let copy = folder.data().with_file_name("copy");
    drop(std::fs::remove_dir_all(&copy));
    std::fs::create_dir(&copy).unwrap();
    for name in ["platform.db", "platform.db-wal"] {
        let from = folder.data().join(name);
        if from.exists() {
            std::fs::copy(from, copy.join(name)).unwrap();
        }
    }
    Connection::open(copy.join("platform.db")).unwrap()
}

/// Rows that break a rule of the tables: each statement gives none.
const NEVER: &[(&str, &str)] = &[
    (
        "a counter of accepted devices",
        "select id, devices_accepted from tenants t where devices_accepted <> \
         (select count(*) from devices d where d.tenant_id = t.id and d.status = 'accepted')",
    ),
    (
        "a counter of bytes",
        "select id, storage_used from tenants t where storage_used <> \
         (select coalesce(sum(size), 0) from artifacts a where a.tenant_id = t.id)",
    ),
    (
        "what a provider has given away",
        "select id, carved from tenants p where provider = 1 and (carved <> \
         (select coalesce(sum(lim), 0) from tenants c where c.parent_id = p.id) or lim + carved <> 1000)",
    ),
    (
        "a deployment's number of devices",
        "select id, device_count from deployments d where device_count <> \
         (select count(*) from device_deployments x where x.deployment_id = d.id)",
    ),
    (
        "a deployment's unfinished devices",
        "select id, unfinished from deployments d where unfinished <> \
         (select count(*) from device_deployments x where x.deployment_id = d.id and x.open = 1)",
    ),
    (
        "a deployment's end",
        "select id, unfinished from deployments where (unfinished = 0) <> (finished_at is not null)",
    ),
    (
        "a device's status",
        "select id, 0 from devices d where (status = 'accepted') <> \
         (exists (select 1 from auth_sets s where s.device_id = d.id and s.status = 'accepted'))",
    ),
    (
        "a device's key",
        "select device_id, count(*) from auth_sets where status = 'accepted' group by 1 having count(*) > 1",
    ),
    (
        "a release",
        "select name, 0 from releases r where not exists \
                   (select 1 from artifacts a where a.tenant_id = r.tenant_id and a.name = r.name)",
    ),
];

/// What holds whoever wrote: counters equal rows, references have their ends, every artifact has its bytes.
pub(crate) fn invariants(database: &Connection, folder: &Folder) {
    for check in ["pragma integrity_check", "pragma foreign_key_check"] {
        let mut statement = database.prepare(check).unwrap();
        let said: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(said.iter().all(|line| line == "ok"), "{check}: {said:?}");
    }
    for (what, sql) in NEVER {
        let mut statement = database.prepare(sql).unwrap();
        let wrong: Vec<(String, i64)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(wrong.is_empty(), "{what} is wrong: {wrong:?}");
    }
    for (tenant, id, size) in artifacts(database) {
        let file = folder.data().join("objects").join(tenant).join(id);
        let there = file.metadata().map(|metadata| metadata.len());
        assert_eq!(there.ok(), Some(size), "a row without its bytes: {}", file.display());
    }
}

fn artifacts(database: &Connection) -> Vec<(String, String, u64)> {
    let mut statement = database.prepare("select tenant_id, id, size from artifacts").unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs()))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// How many files no artifact has.
pub(crate) fn orphans(folder: &Folder) -> usize {
    let rows: Vec<PathBuf> =
        artifacts(&open(folder)).iter().map(|(tenant, id, _)| PathBuf::from(tenant).join(id)).collect();
    let root = folder.data().join("objects");
    let folders = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.filter(|file| !rows.contains(&file.strip_prefix(&root).unwrap().to_owned())).count()
}
