//! The rows of jobs, of the things they wait for, and of their executions.

use crate::args;
use crate::store::{Row, StoreError, Transaction, Tx};
use fleetproof_dataplane::jobs::{Change, Counts, Execution, Job, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Where rows are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shelf {
    /// The tenant's id.
    pub(crate) tenant: String,
    pub(crate) region: String,
}

/// A job and how far its rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) job: Job,
    /// Things that it was handed to.
    pub(crate) notified: u64,
    /// When the rate allows the next, in µs since 1970.
    pub(crate) next_us: u64,
    /// When that is asked; `None`: not by time.
    pub(crate) step_us: Option<u64>,
}

impl Kept {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            job: row.json("job")?,
            notified: row.time("notified")?,
            next_us: row.time("next_us")?,
            step_us: row.maybe_int("step_us")?.and_then(|at| u64::try_from(at).ok()),
        })
    }
}

fn written<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}

fn executions(rows: &[Row]) -> Result<Vec<Execution>, StoreError> {
    rows.iter().map(|row| row.json("execution")).collect()
}

impl Shelf {
    pub(crate) async fn find(&self, tx: &mut Transaction, id: &str) -> Result<Option<Kept>, StoreError> {
        let sql = "select job, notified, next_us, step_us from jobs where tenant_id = $1 and region = $2 and id = $3 order by id";
        tx.first(sql, args![&self.tenant, &self.region, id]).await?.as_ref().map(Kept::of).transpose()
    }

    /// Puts in a job that is new; whether its id was free.
    pub(crate) async fn insert(&self, tx: &mut Transaction, kept: &Kept) -> Result<bool, StoreError> {
        let sql = "insert into jobs (tenant_id, region, id, status, job, notified, next_us, step_us, due_us, created_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, null, $9) on conflict do nothing";
        let (job, created_at) = (&kept.job, kept.job.created_us / 1_000);
        let row = args![
            &self.tenant,
            &self.region,
            &job.id,
            job.status.name(),
            written(job)?,
            kept.notified,
            kept.next_us,
            kept.step_us,
            created_at
        ];
        Ok(tx.execute(sql, row).await? == 1)
    }

    pub(super) async fn save(&self, tx: &mut Transaction, kept: &Kept, due_us: Option<u64>) -> Result<(), StoreError> {
        let sql = "update jobs set status = $4, job = $5, notified = $6, next_us = $7, step_us = $8, due_us = $9 \
                   where tenant_id = $1 and region = $2 and id = $3";
        let job = &kept.job;
        let row = args![
            &self.tenant,
            &self.region,
            &job.id,
            job.status.name(),
            written(job)?,
            kept.notified,
            kept.next_us,
            kept.step_us,
            due_us
        ];
        tx.execute(sql, row).await.map(drop)
    }

    /// Takes a job away with all that is its own.
    pub(super) async fn remove(&self, tx: &mut Transaction, id: &str) -> Result<(), StoreError> {
        let sql = "delete from jobs where tenant_id = $1 and region = $2 and id = $3";
        tx.execute(sql, args![&self.tenant, &self.region, id]).await.map(drop)
    }

    /// How many jobs there are, and how many of them have not ended.
    pub(crate) async fn number(&self, tx: &mut Transaction) -> Result<(i64, i64), StoreError> {
        let all = "select count(*) as n from jobs where tenant_id = $1 and region = $2";
        let open = "select count(*) as n from jobs where tenant_id = $1 and region = $2 and status in ('SCHEDULED', 'IN_PROGRESS')";
        let here = args![&self.tenant, &self.region];
        Ok((tx.number(all, here).await?, tx.number(open, here).await?))
    }

    /// The job here that time changes first, if it does by `now_us`.
    pub(super) async fn first_due(&self, tx: &mut Transaction, now_us: u64) -> Result<Option<String>, StoreError> {
        let sql =
            "select id from jobs where tenant_id = $1 and region = $2 and due_us <= $3 order by due_us, id limit 1";
        tx.first(sql, args![&self.tenant, &self.region, now_us]).await?.map(|row| row.text("id")).transpose()
    }

    /// A thing that a job is for, the `seq`th.
    pub(crate) async fn aim(&self, tx: &mut Transaction, id: &str, seq: usize, thing: &str) -> Result<(), StoreError> {
        let sql = "insert into job_targets (tenant_id, region, job_id, seq, thing) values ($1, $2, $3, $4, $5)";
        tx.execute(sql, args![&self.tenant, &self.region, id, seq, thing]).await.map(drop)
    }

    /// How many things wait for a job.
    pub(super) async fn waiting(&self, tx: &mut Transaction, id: &str) -> Result<u64, StoreError> {
        let sql = "select count(*) as n from job_targets where tenant_id = $1 and region = $2 and job_id = $3";
        let n = tx.number(sql, args![&self.tenant, &self.region, id]).await?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// The thing that a job is handed to next; it waits no longer.
    pub(super) async fn take_target(&self, tx: &mut Transaction, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "select seq, thing from job_targets where tenant_id = $1 and region = $2 and job_id = $3 order by seq limit 1";
        let Some(row) = tx.first(sql, args![&self.tenant, &self.region, id]).await? else { return Ok(None) };
        let sql = "delete from job_targets where tenant_id = $1 and region = $2 and job_id = $3 and seq = $4";
        tx.execute(sql, args![&self.tenant, &self.region, id, row.int("seq")?]).await?;
        row.text("thing").map(Some)
    }

    /// No job waits for this thing any more; which ones did.
    pub(super) async fn drop_targets(&self, tx: &mut Transaction, thing: &str) -> Result<BTreeSet<String>, StoreError> {
        let sql = "select distinct job_id from job_targets where tenant_id = $1 and region = $2 and thing = $3 order by job_id";
        let rows = tx.query(sql, args![&self.tenant, &self.region, thing]).await?;
        let sql = "delete from job_targets where tenant_id = $1 and region = $2 and thing = $3";
        tx.execute(sql, args![&self.tenant, &self.region, thing]).await?;
        rows.iter().map(|row| row.text("job_id")).collect()
    }

    /// Where the things of a job are.
    pub(crate) async fn counts(&self, tx: &mut Transaction, id: &str) -> Result<Counts, StoreError> {
        let sql = "select status, count(*) as n from job_executions \
                   where tenant_id = $1 and region = $2 and job_id = $3 and is_last = 1 group by status order by status";
        let rows = tx.query(sql, args![&self.tenant, &self.region, id]).await?;
        let mut counts = BTreeMap::new();
        for row in &rows {
            if let Some(status) = Status::named(&row.text("status")?) {
                counts.insert(status, row.time("n")?);
            }
        }
        Ok(Counts::of(counts))
    }

    /// The executions of a thing that have not ended.
    pub(super) async fn pending(&self, tx: &mut Transaction, thing: &str) -> Result<Vec<Execution>, StoreError> {
        let sql = "select execution from job_executions where tenant_id = $1 and region = $2 and thing = $3 and is_pending = 1 \
                   order by job_id, number";
        executions(&tx.query(sql, args![&self.tenant, &self.region, thing]).await?)
    }

    /// The executions of a thing that have not ended, and all of one job.
    pub(super) async fn of_thing(
        &self,
        tx: &mut Transaction,
        thing: &str,
        job: &str,
    ) -> Result<Vec<Execution>, StoreError> {
        let sql = "select execution from job_executions where tenant_id = $1 and region = $2 and thing = $3 \
                   and (is_pending = 1 or job_id = $4) order by job_id, number";
        executions(&tx.query(sql, args![&self.tenant, &self.region, thing, job]).await?)
    }

    /// The executions of a job that have not ended.
    pub(super) async fn open_of_job(&self, tx: &mut Transaction, id: &str) -> Result<Vec<Execution>, StoreError> {
        let sql = "select execution from job_executions where tenant_id = $1 and region = $2 and job_id = $3 and is_pending = 1 \
                   order by thing, number";
        executions(&tx.query(sql, args![&self.tenant, &self.region, id]).await?)
    }

    /// The execution of a job that time ends first.
    pub(super) async fn first_to_end(&self, tx: &mut Transaction, id: &str) -> Result<Option<Execution>, StoreError> {
        let sql = "select execution from job_executions \
                   where tenant_id = $1 and region = $2 and job_id = $3 and due_us is not null order by due_us, thing, number limit 1";
        Ok(executions(&tx.query(sql, args![&self.tenant, &self.region, id]).await?)?.pop())
    }

    /// Writes what an execution has become.
    pub(super) async fn write(&self, tx: &mut Transaction, change: &Change) -> Result<(), StoreError> {
        let (one, is_new) = match change {
            Change::Update(one) => (one, false),
            Change::Insert(one) => (one, true),
        };
        let text = written(one)?;
        let (status, due_us) = (one.status.name(), one.due_us(None));
        let row = args![
            &self.tenant,
            &self.region,
            &one.job_id,
            &one.thing,
            one.number,
            status,
            one.is_pending(),
            due_us,
            text
        ];
        if is_new {
            let before = "update job_executions set is_last = 0 where tenant_id = $1 and region = $2 and job_id = $3 and thing = $4";
            tx.execute(before, args![&self.tenant, &self.region, &one.job_id, &one.thing]).await?;
            let sql = "insert into job_executions \
                       (tenant_id, region, job_id, thing, number, status, is_pending, due_us, execution, is_last) \
                       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)";
            return tx.execute(sql, row).await.map(drop);
        }
        let sql = "update job_executions set status = $6, is_pending = $7, due_us = $8, execution = $9 \
                   where tenant_id = $1 and region = $2 and job_id = $3 and thing = $4 and number = $5";
        tx.execute(sql, row).await.map(drop)
    }
}
