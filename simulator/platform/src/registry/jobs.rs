//! Jobs: what is to be done on which things. What they do is in [`crate::jobs`]; here is how an account's people ask for it.
//!
//! Served is the snapshot: the members that a group has when a job is made are its things. Lists are in the order of names.

use super::desk::{Asked, Desk};
use super::listing::Listing;
use super::refusals::{exists, invalid, limit, unknown, version_conflict};
use super::{accounts, thing_groups, things};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Params, need};
use crate::endpoint::read_limits;
use crate::fleet::stored_at;
use crate::jobs::{Kept, News, Round, Shelf};
use crate::refusal::{Answer, Refusal};
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{StoreError, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::jobs::{self, Execution, Job, JobError, Limits, Moment, Status, Target};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Jobs of an account in a region, those that have ended too.
const MOST: i64 = 1_000;

/// The statuses that lists of jobs and of executions may be narrowed to.
const JOB_STATUSES: &[&str] = &["SCHEDULED", "IN_PROGRESS", "COMPLETED", "CANCELED", "DELETION_IN_PROGRESS"];

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(create, describe, delete))
        .routes(routes!(list))
        .routes(routes!(cancel))
        .routes(routes!(show_document))
        .routes(routes!(list_of_job))
        .routes(routes!(list_of_thing))
        .routes(routes!(describe_execution))
}

/// Why a job is canceled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Cancellation {
    reason_code: Option<String>,
    comment: Option<String>,
}

/// What the rules refuse, in the words of the account's interface.
fn refused(error: &JobError) -> Refusal {
    match error {
        JobError::InvalidStateTransition { .. } => {
            Refusal::conflict(error.to_string()).named("InvalidStateTransitionException")
        }
        JobError::ResourceNotFound { .. } => unknown(),
        JobError::VersionMismatch { .. } => version_conflict(),
        JobError::InvalidTopic { .. }
        | JobError::InvalidJson { .. }
        | JobError::InvalidRequest { .. }
        | JobError::TerminalStateReached { .. } => invalid(error.to_string()),
    }
}

fn shelf(desk: &Desk) -> Shelf {
    Shelf { tenant: desk.place.tenant.clone(), region: desk.place.region.clone() }
}

fn place<'a>(desk: &'a Desk, limits: &'a Limits) -> jobs::Place<'a> {
    jobs::Place { region: &desk.place.region, account: &desk.place.account, limits }
}

/// µs since 1970.
fn now_us(desk: &Desk) -> u64 {
    desk.now() * 1_000
}

/// Does what time has done to the jobs here, and what follows for the one that is named.
async fn look(desk: &mut Desk, shelf: &Shelf, id: &str) -> Result<News, StoreError> {
    let now_us = now_us(desk);
    let app = desk.app.clone();
    let mut round = Round::begin(&app, &mut desk.tx, shelf, now_us);
    round.catch_up().await?;
    round.turn(id).await?;
    Ok(round.end())
}

async fn finish(app: &Platform, desk: Desk, shelf: &Shelf, news: News) -> Answer<()> {
    desk.commit().await?;
    news.tell(app, shelf);
    Ok(())
}

async fn find(desk: &mut Desk, shelf: &Shelf, id: &str) -> Answer<Kept> {
    shelf.find(&mut desk.tx, id).await?.ok_or_else(unknown)
}

fn is_forced(params: &Params) -> Answer<bool> {
    Ok(params.choice("force", &["true", "false"])? == Some("true"))
}

/// What is answered to whoever made or canceled a job.
fn named(desk: &Desk, job: &Job) -> Value {
    let mut answer = json!({ "jobId": job.id, "jobArn": desk.arn("job", &job.id) });
    if let Some(description) = &job.description {
        answer["description"] = json!(description);
    }
    answer
}

/// What is not served, said before anything is made.
fn check_served(job: &Job) -> Answer<()> {
    if job.is_continuous {
        return Err(invalid("targetSelection: CONTINUOUS is not served, use SNAPSHOT"));
    }
    Ok(())
}

/// What placeholders point to must be an artifact of the account: anything else is as what never existed.
async fn check_links(desk: &mut Desk, job: &Job) -> Answer<()> {
    for place in jobs::placeholders(&job.document) {
        let stored = stored_at(&place).filter(|(tenant, _)| *tenant == desk.place.tenant);
        let (tenant, artifact) = stored.ok_or_else(unknown)?;
        let sql = "select count(*) as n from artifacts where tenant_id = $1 and id = $2";
        if desk.tx.number(sql, args![tenant, artifact]).await? == 0 {
            return Err(unknown());
        }
    }
    Ok(())
}

/// The things of a job's targets, each once, in the order of the targets and of names.
async fn resolved(desk: &mut Desk, targets: &[Target]) -> Answer<Vec<String>> {
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    for target in targets {
        let members = match target {
            Target::Thing(name) => {
                things::find(desk, name).await?;
                vec![name.clone()]
            }
            Target::Group(name) => thing_groups::members(desk, name).await?,
        };
        for thing in members {
            if seen.insert(thing.clone()) {
                all.push(thing);
            }
        }
    }
    Ok(all)
}

/// The seeded defect: whose account the first target is of, in that one the job is made.
async fn follow_target(desk: &mut Desk, body: &Map<String, Value>) -> Answer<()> {
    let first = body.get("targets").and_then(|targets| targets.get(0)).and_then(Value::as_str).unwrap_or_default();
    let account = first.split(':').nth(4).unwrap_or_default().to_owned();
    if let Some(tenant) = accounts::tenant_of(&mut desk.tx, &account).await? {
        (desk.place.tenant, desk.place.account) = (tenant, account);
    }
    Ok(())
}

/// Create a job.
#[utoipa::path(put, path = "/api/management/v1/iot/jobs/{jobId}", operation_id = "CreateJob", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = Value,
    responses((status = 200, description = "`jobId`, `jobArn`, `description`.", body = Value),
        (status = 400, description = "InvalidRequestException."),
        (status = 404, description = "ResourceNotFoundException: the account or a target."),
        (status = 409, description = "ResourceAlreadyExistsException."),
        (status = 410, description = "LimitExceededException.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    asked: Asked<need::Deploy>,
    At(id): At<String>,
    Body(body): Body<Option<Map<String, Value>>>,
) -> Answer<Json<Value>> {
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "CreateJob").await?;
    let body = body.unwrap_or_default();
    if is_planted(&app, RegistryDefect::JobTargetsAnybodysThing) {
        follow_target(&mut desk, &body).await?;
    }
    let (shelf, now_us, limits) = (shelf(&desk), now_us(&desk), Limits::default());
    let job = Job::create(now_us, &id, &body, &place(&desk, &limits));
    let job = job.map_err(|error| refused(&error))?;
    check_served(&job)?;
    check_links(&mut desk, &job).await?;
    let before = look(&mut desk, &shelf, "").await?;
    let things = resolved(&mut desk, &job.targets).await?;
    let (all, open) = shelf.number(&mut desk.tx).await?;
    let kept = Kept { job, notified: 0, next_us: now_us, step_us: Some(now_us) };
    if !shelf.insert(&mut desk.tx, &kept).await? {
        return Err(exists("job"));
    }
    let most_open = if app.defect(DefectId::JobsUnheld) { i64::MAX } else { most_open(&mut desk).await? };
    if all >= MOST || open >= most_open {
        return Err(limit(
            "The account has the most jobs that it may have here: let them end, delete those that have.",
        ));
    }
    for (seq, thing) in things.iter().enumerate() {
        shelf.aim(&mut desk.tx, &id, seq, thing).await?;
    }
    desk.audit("create", "job", &id, Some(format!("things: {}", things.len()))).await?;
    let answer = named(&desk, &kept.job);
    let news = before.and(look(&mut desk, &shelf, &id).await?);
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// Jobs of the account that may be open at once in a region.
async fn most_open(desk: &mut Desk) -> Answer<i64> {
    let tenant = desk.place.tenant.clone();
    let limits = read_limits(&mut desk.tx, &tenant).await?;
    Ok(i64::try_from(limits.open_jobs()).unwrap_or(i64::MAX))
}

/// A job.
#[utoipa::path(get, path = "/api/management/v1/iot/jobs/{jobId}", operation_id = "DescribeJob", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`job`.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "DescribeJob").await?;
    let whose =
        "select tenant_id from jobs where id = $1 order by case when tenant_id = $2 then 0 else 1 end, tenant_id";
    desk.stray(RegistryDefect::JobReadForgetsTenant, whose, &id).await?;
    let (shelf, limits) = (shelf(&desk), Limits::default());
    let news = look(&mut desk, &shelf, &id).await?;
    let kept = find(&mut desk, &shelf, &id).await?;
    let counts = shelf.counts(&mut desk.tx, &id).await?;
    let answer = json!({ "job": kept.job.describe(&counts, &place(&desk, &limits)) });
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// What devices are to do.
#[utoipa::path(get, path = "/api/management/v1/iot/jobs/{jobId}/job-document", operation_id = "GetJobDocument", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`document`.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn show_document(
    State(app): State<Platform>,
    asked: Asked<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "GetJobDocument").await?;
    let shelf = shelf(&desk);
    let kept = find(&mut desk, &shelf, &id).await?;
    desk.commit().await?;
    Ok(Json(json!({ "document": kept.job.document })))
}

/// Cancel a job: executions that are queued, with `force` also those in progress.
#[utoipa::path(put, path = "/api/management/v1/iot/jobs/{jobId}/cancel", operation_id = "CancelJob", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("force" = Option<bool>, Query, description = "Executions in progress, too."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = Cancellation,
    responses((status = 200, description = "`jobId`, `jobArn`, `description`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "InvalidStateTransitionException: it has ended.")), security(("user" = [])))]
async fn cancel(
    State(app): State<Platform>,
    asked: Asked<need::Deploy>,
    At(id): At<String>,
    Body(why): Body<Option<Cancellation>>,
) -> Answer<Json<Value>> {
    let why = why.unwrap_or_default();
    let force = is_forced(&asked.params)?;
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "CancelJob").await?;
    let (shelf, now_us) = (shelf(&desk), now_us(&desk));
    let app = desk.app.clone();
    let mut round = Round::begin(&app, &mut desk.tx, &shelf, now_us);
    round.catch_up().await?;
    round.turn(&id).await?;
    let mut kept = round.find(&id).await?.ok_or_else(unknown)?;
    let canceled = kept.job.cancel(now_us, why.reason_code.as_deref(), why.comment.as_deref(), force);
    kept.job = canceled.map_err(|error| refused(&error))?;
    round.cancel(kept.clone(), force).await?;
    let news = round.end();
    desk.audit("update", "job", &id, Some("status: CANCELED".to_owned())).await?;
    let answer = named(&desk, &kept.job);
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// Delete a job with its executions. One that has not ended only with `force`.
#[utoipa::path(delete, path = "/api/management/v1/iot/jobs/{jobId}", operation_id = "DeleteJob", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("force" = Option<bool>, Query, description = "Also if it has not ended."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is not there.", body = Value),
        (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "InvalidStateTransitionException: it has not ended.")), security(("user" = [])))]
async fn delete(State(app): State<Platform>, asked: Asked<need::Deploy>, At(id): At<String>) -> Answer<Json<Value>> {
    let force = is_forced(&asked.params)?;
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "DeleteJob").await?;
    let (shelf, now_us) = (shelf(&desk), now_us(&desk));
    let app = desk.app.clone();
    let mut round = Round::begin(&app, &mut desk.tx, &shelf, now_us);
    round.catch_up().await?;
    round.turn(&id).await?;
    let kept = round.find(&id).await?.ok_or_else(unknown)?;
    kept.job.delete(now_us, force).map_err(|error| refused(&error))?;
    round.delete(&id).await?;
    let news = round.end();
    desk.audit("delete", "job", &id, None).await?;
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(json!({})))
}

/// Jobs, by id.
#[utoipa::path(get, path = "/api/management/v1/iot/jobs", operation_id = "ListJobs", tag = "jobs",
    params(("status" = Option<String>, Query, description = "Only those that are there."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`jobs`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDeployments>) -> Answer<Json<Value>> {
    let status = asked.params.choice("status", JOB_STATUSES)?.unwrap_or_default().to_owned();
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "ListJobs").await?;
    let (shelf, limits) = (shelf(&desk), Limits::default());
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("jobs/{status}"))?;
    let news = look(&mut desk, &shelf, "").await?;
    let sql = "select job from jobs where tenant_id = $1 and region = $2 and id > $3 and ($4 = '' or status = $4) \
               order by id limit $5";
    let which = args![&shelf.tenant, &shelf.region, &listing.after, status, listing.rows()];
    let rows = desk.tx.query(sql, which).await?;
    let shown = ["jobArn", "jobId", "targetSelection", "status", "createdAt", "lastUpdatedAt", "completedAt"];
    let mut entries = Vec::new();
    for row in &rows {
        let job: Job = row.json("job")?;
        let mut all = job.describe(&jobs::Counts::default(), &place(&desk, &limits));
        let entry: Map<_, _> =
            shown.iter().filter_map(|name| Some(((*name).to_owned(), all.get_mut(name)?.take()))).collect();
        entries.push((job.id, Value::Object(entry)));
    }
    let answer = listing.answer(&app, &desk.place, ("jobs", "nextToken"), entries);
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// Whose executions are listed.
enum Of<'a> {
    Job(&'a str),
    Thing(&'a str),
}

/// A page of executions, ordered by the other name and the number.
async fn executions(app: &Platform, desk: &mut Desk, params: &Params, of: Of<'_>) -> Answer<Value> {
    let status = params.choice("status", &Status::ALL.map(Status::name))?.unwrap_or_default().to_owned();
    let (sql, kind, name) = match of {
        Of::Job(id) => (
            "select execution from job_executions where tenant_id = $1 and region = $2 and job_id = $3 \
             and (thing > $4 or (thing = $4 and number > $5)) and ($6 = '' or status = $6) order by thing, number limit $7",
            "jobs",
            id,
        ),
        Of::Thing(name) => (
            "select execution from job_executions where tenant_id = $1 and region = $2 and thing = $3 \
             and (job_id > $4 or (job_id = $4 and number > $5)) and ($6 = '' or status = $6) order by job_id, number limit $7",
            "things",
            name,
        ),
    };
    let listing = Listing::read(app, &desk.place, params, format!("executions/{kind}/{name}/{status}"))?;
    // No name has a slash.
    let (after, number) = listing.after.rsplit_once('/').unwrap_or_default();
    let number: i64 = number.parse().unwrap_or(0);
    let which = args![&desk.place.tenant, &desk.place.region, name, after, number, status, listing.rows()];
    let rows = desk.tx.query(sql, which).await?;
    let mut entries = Vec::new();
    for row in &rows {
        let one: Execution = row.json("execution")?;
        let (other, mut entry) = match of {
            Of::Job(_) => (&one.thing, json!({ "thingArn": desk.arn("thing", &one.thing) })),
            Of::Thing(_) => (&one.job_id, json!({ "jobId": one.job_id })),
        };
        entry["jobExecutionSummary"] = Value::Object(summary(&one));
        entries.push((format!("{other}/{}", one.number), entry));
    }
    Ok(listing.answer(app, &desk.place, ("executionSummaries", "nextToken"), entries))
}

/// A time as the control plane writes it: seconds, with their fraction.
#[expect(clippy::cast_precision_loss, reason = "ms of a date are far below 2^52")]
fn seconds(at_us: u64) -> Value {
    json!((at_us / 1_000) as f64 / 1e3)
}

fn summary(one: &Execution) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("status".to_owned(), json!(one.status.name()));
    map.insert("queuedAt".to_owned(), seconds(one.queued_us));
    if let Some(at) = one.started_us {
        map.insert("startedAt".to_owned(), seconds(at));
    }
    map.insert("lastUpdatedAt".to_owned(), seconds(one.updated_us));
    map.insert("executionNumber".to_owned(), json!(one.number));
    map
}

/// Where the things of a job are with it.
#[utoipa::path(get, path = "/api/management/v1/iot/jobs/{jobId}/things", operation_id = "ListJobExecutionsForJob", tag = "jobs",
    params(("jobId" = String, Path, description = "Its id."),
        ("status" = Option<String>, Query, description = "Only those that are there."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`executionSummaries`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_of_job(
    State(app): State<Platform>,
    asked: Asked<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "ListJobExecutionsForJob").await?;
    let shelf = shelf(&desk);
    let news = look(&mut desk, &shelf, &id).await?;
    find(&mut desk, &shelf, &id).await?;
    let answer = executions(&app, &mut desk, &asked.params, Of::Job(&id)).await?;
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// Where a thing is with its jobs.
#[utoipa::path(get, path = "/api/management/v1/iot/things/{thingName}/jobs", operation_id = "ListJobExecutionsForThing",
    tag = "jobs", params(("thingName" = String, Path, description = "Its name."),
        ("status" = Option<String>, Query, description = "Only those that are there."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`executionSummaries`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_of_thing(
    State(app): State<Platform>,
    asked: Asked<need::SeeDeployments>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "ListJobExecutionsForThing").await?;
    let shelf = shelf(&desk);
    things::find(&mut desk, &name).await?;
    let news = look(&mut desk, &shelf, "").await?;
    let answer = executions(&app, &mut desk, &asked.params, Of::Thing(&name)).await?;
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(answer))
}

/// Where a thing is with a job.
#[utoipa::path(get, path = "/api/management/v1/iot/things/{thingName}/jobs/{jobId}", operation_id = "DescribeJobExecution",
    tag = "jobs", params(("thingName" = String, Path, description = "Its name."), ("jobId" = String, Path, description = "Its id."),
        ("executionNumber" = Option<i64>, Query, description = "Which attempt; the last when absent."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`execution`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe_execution(
    State(app): State<Platform>,
    asked: Asked<need::SeeDeployments>,
    At((thing, id)): At<(String, String)>,
) -> Answer<Json<Value>> {
    let number = asked.params.number("executionNumber")?.unwrap_or(0);
    let _alone = app.jobs().alone().await;
    let mut desk = asked.desk(&app, "DescribeJobExecution").await?;
    let shelf = shelf(&desk);
    let news = look(&mut desk, &shelf, &id).await?;
    let sql = "select execution from job_executions where tenant_id = $1 and region = $2 and thing = $3 and job_id = $4 \
               and (number = $5 or ($5 = 0 and is_last = 1)) order by number";
    let row = desk.tx.first(sql, args![&shelf.tenant, &shelf.region, &thing, &id, number]).await?;
    let one: Execution = row.ok_or_else(unknown)?.json("execution")?;
    let mut shown = summary(&one);
    shown.insert("jobId".to_owned(), json!(one.job_id));
    shown.insert("thingArn".to_owned(), json!(desk.arn("thing", &one.thing)));
    shown.insert("versionNumber".to_owned(), json!(one.version));
    shown.insert("statusDetails".to_owned(), json!({ "detailsMap": one.details }));
    if one.status == Status::Canceled {
        shown.insert("forceCanceled".to_owned(), json!(one.force_canceled));
    }
    if let Some(left) = one.seconds_left(&Moment { now_us: now_us(&desk), defect: None }) {
        shown.insert("approximateSecondsBeforeTimedOut".to_owned(), json!(left));
    }
    finish(&app, desk, &shelf, news).await?;
    Ok(Json(json!({ "execution": shown })))
}
