//! What the files of this room have in common when they are tested: an account with jobs, and a thing that asks.

mod defects;
mod events;
mod execution;
mod http;
mod job;
mod messages;
mod ota;
mod properties;
mod rollout;

use super::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// 2024-05-20T12:00:00Z.
const NOON: u64 = 1_716_206_400_000_000;
const MINUTE: u64 = 60_000_000;

pub(super) static LIMITS: std::sync::LazyLock<Limits> = std::sync::LazyLock::new(Limits::default);

fn place() -> Place<'static> {
    Place { region: "eu-central-1", account: "111122223333", limits: &LIMITS }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A body of CreateJob with these fields more, or others.
fn body(more: Value) -> Map<String, Value> {
    let mut body = object(json!({
        "document": r#"{"do":"it"}"#,
        "targets": ["arn:aws:iot:eu-central-1:111122223333:thing/pump-1"],
    }));
    body.extend(object(more));
    body
}

fn job(id: &str, more: Value) -> Job {
    Job::create(NOON, id, &body(more), &place()).unwrap()
}

fn moment(now_us: u64) -> Moment {
    Moment { now_us, defect: None }
}

#[derive(Default)]
struct Shop(BTreeMap<String, Job>);

impl Jobs for Shop {
    fn find(&self, id: &str) -> Option<&Job> {
        self.0.get(id)
    }

    fn link(&self, job: &Job, location: &str) -> String {
        let expires = job.config.presigned_url.as_ref().map_or(0, |url| url.expires_sec);
        format!("https://signed.example/{location}?expires={expires}")
    }
}

/// The owner of the rows, in memory.
struct Owner {
    now_us: u64,
    rows: Vec<Execution>,
    shop: Shop,
    defect: Option<Defect>,
    earlier_token: Option<String>,
}

impl Owner {
    fn new(jobs: Vec<Job>) -> Self {
        let shop = Shop(jobs.into_iter().map(|job| (job.id.clone(), job)).collect());
        Self { now_us: NOON, rows: Vec::new(), shop, defect: None, earlier_token: None }
    }

    /// With an execution of each of these jobs for `pump-1`, queued a second apart.
    fn with(jobs: Vec<Job>) -> Self {
        let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
        let mut owner = Self::new(jobs);
        for id in ids {
            owner.rows.push(Execution::new(id, "pump-1", owner.now_us));
            owner.now_us += 1_000_000;
        }
        owner
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            now_us: self.now_us,
            executions: &self.rows,
            jobs: &self.shop,
            limits: &LIMITS,
            defect: self.defect,
            earlier_token: self.earlier_token.as_deref(),
        }
    }

    fn keep(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Insert(row) => self.rows.push(row.clone()),
                Change::Update(row) => {
                    let key = (row.key(), row.thing.as_str());
                    let kept = self.rows.iter_mut().find(|one| (one.key(), one.thing.as_str()) == key).unwrap();
                    kept.clone_from(row);
                }
            }
        }
    }

    fn send(&mut self, asked: &str, payload: Value) -> Outcome {
        self.send_as("pump-1", asked, payload.to_string().as_bytes())
    }

    fn send_as(&mut self, thing: &str, asked: &str, payload: &[u8]) -> Outcome {
        let topic = format!("$aws/things/{thing}/jobs/{asked}");
        let outcome = self.desk().handle(&Topic::parse(&topic).unwrap(), payload);
        self.keep(&outcome.changes);
        outcome
    }

    /// The payload of the one reply, which must be on this topic.
    fn ask(&mut self, asked: &str, payload: Value, end: &str) -> Value {
        let outcome = self.send(asked, payload);
        let [reply] = &outcome.replies[..] else { panic!("{outcome:?}") };
        let said = read(reply);
        assert_eq!(reply.topic, format!("$aws/things/pump-1/jobs/{asked}/{end}"), "{said}");
        said
    }

    fn row(&self, job: &str, number: u64) -> &Execution {
        self.rows.iter().find(|row| row.key() == (job, number)).unwrap()
    }
}

fn read(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

/// The last levels of the topics of pushes.
fn pushed(outcome: &Outcome) -> Vec<&str> {
    outcome.pushes.iter().map(|push| push.topic.rsplit('/').next().unwrap()).collect()
}
