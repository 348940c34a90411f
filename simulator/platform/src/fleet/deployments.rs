//! Deployments: made, looked at, aborted.

use super::deployment_status::Progress;
use super::pace_terms::{self, NewPhase, Pace, ShownPhase};
use super::reach::Reach;
use super::rollout::{self, Rollout, Stopper};
use super::targets::{self, Reached, Target};
use super::terms::Term;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, Page, Params, User, need};
use crate::pacing::{Batch, Pacing, Phases};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(list_v2, create_for_filter))
        .routes(routes!(create_for_group))
        .routes(routes!(show))
        .routes(routes!(abort))
}

/// The filter that a deployment was made with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct UsedFilter {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) terms: Vec<Term>,
}

/// How many devices are how far.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counted {
    /// Status, devices.
    pub(super) status: BTreeMap<&'static str, i64>,
}

/// A deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deployment {
    pub(super) id: String,
    name: String,
    artifact_name: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    /// scheduled, pending, inprogress or finished.
    status: String,
    device_count: i64,
    artifacts: Vec<String>,
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<Vec<ShownPhase>>,
    /// How often a device may try again.
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_fleetproof: Option<Pace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_devices: Option<i64>,
    initial_device_count: i64,
    dynamic: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<UsedFilter>,
    statistics: Counted,
}

impl Deployment {
    pub(super) async fn read(tx: &mut Transaction, row: &Row) -> Result<Self, StoreError> {
        let id = row.text("id")?;
        let name = row.text("artifact_name")?;
        let sql = "select id from artifacts where tenant_id = $1 and name = $2 order by modified_at desc, id";
        let artifacts = tx.query(sql, args![row.text("tenant_id")?, &name]).await?;
        let finished = row.maybe_int("finished_at")?.and_then(|ms| u64::try_from(ms).ok());
        let filter = row.maybe_text("filter")?.is_some();
        let rollout = Rollout::read(row)?;
        Ok(Self {
            name: row.text("name")?,
            artifact_name: name,
            created: rfc3339(row.time("created_at")?),
            finished: finished.map(rfc3339),
            status: row.text("status")?,
            device_count: row.int("device_count")?,
            artifacts: artifacts.iter().map(|artifact| artifact.text("id")).collect::<Result<_, _>>()?,
            groups: row.json("groups")?,
            phases: pace_terms::shown_phases(&rollout),
            retries: rollout.pacing.retries,
            x_fleetproof: pace_terms::shown_pace(&rollout.pacing),
            max_devices: row.maybe_int("max_devices")?,
            initial_device_count: row.int("initial_count")?,
            dynamic: row.truth("dynamic")?,
            kind: "software",
            filter: if filter { Some(row.json("filter")?) } else { None },
            statistics: Counted { status: statistics(tx, &id).await? },
            id,
        })
    }
}

/// How many devices of a deployment are how far, with a number for every status.
pub(super) async fn statistics(
    tx: &mut Transaction,
    deployment: &str,
) -> Result<BTreeMap<&'static str, i64>, StoreError> {
    let mut counts: BTreeMap<_, _> = Progress::ALL.into_iter().map(|progress| (progress.name(), 0)).collect();
    let sql = "select status, count(*) as n from device_deployments where deployment_id = $1 \
               group by status order by status";
    for row in tx.query(sql, args![deployment]).await? {
        if let Some(progress) = Progress::named(&row.text("status")?) {
            counts.insert(progress.name(), row.int("n")?);
        }
    }
    Ok(counts)
}

/// What is said of a deployment that is not there, or not yours.
pub(super) fn unknown() -> Refusal {
    Refusal::not_found("deployment not found")
}

/// The tenant's deployment; 404 when it has none like that.
pub(super) async fn find(tx: &mut Transaction, tenant: &str, id: &str) -> Result<Row, Refusal> {
    let sql = "select * from deployments where tenant_id = $1 and id = $2 order by id";
    tx.first(sql, args![tenant, id]).await?.ok_or_else(unknown)
}

/// Which deployments are asked for.
fn is_wanted(row: &Row, params: &Params) -> Answer<bool> {
    let (id, name, created) = (row.text("id")?, row.text("name")?, row.int("created_at")?);
    let (ids, names) = (params.all("id"), params.all("name"));
    let searched = params.one("search").map(str::to_lowercase);
    let artifact = row.text("artifact_name")?;
    Ok((ids.is_empty() || ids.contains(&id.as_str()))
        && (names.is_empty() || names.contains(&name.as_str()))
        && searched.is_none_or(|text| [&id, &name, &artifact].iter().any(|one| one.to_lowercase().contains(&text)))
        && params.time_ms("created_after")?.is_none_or(|after| created >= after)
        && params.time_ms("created_before")?.is_none_or(|before| created <= before))
}

async fn listed(app: &Platform, user: &User, params: &Params, page: &Page) -> Answer {
    let status = params.choice("status", &["inprogress", "finished", "pending", "scheduled"])?.unwrap_or_default();
    let kind = params.choice("type", &["software", "configuration"])?;
    let oldest_first = params.choice("sort", &["asc", "desc"])? == Some("asc");
    let mut tx = app.begin().await?;
    rollout::settle(app, &mut tx, &user.tenant).await?;
    // What decides which are on the page is read of all of them, the rest of those that are.
    let sql = "select id, name, artifact_name, created_at from deployments \
               where tenant_id = $1 and ($2 = '' or status = $2) order by created_at desc, id desc";
    let mut rows = Vec::new();
    if kind != Some("configuration") {
        for row in tx.query(sql, args![&user.tenant, status]).await? {
            if is_wanted(&row, params)? {
                rows.push(row);
            }
        }
    }
    if oldest_first {
        rows.reverse();
    }
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let mut deployments = Vec::new();
    for row in page.cut(rows) {
        let row = find(&mut tx, &user.tenant, &row.text("id")?).await?;
        deployments.push(Deployment::read(&mut tx, &row).await?);
    }
    app.commit(tx).await?;
    Ok(page.answer(&deployments, total))
}

/// The deployments of the tenant.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments",
    operation_id = "Deployments V1 List Deployments", tag = "deployments",
    params(("status" = Option<String>, Query, description = "inprogress, finished, pending or scheduled."),
        ("type" = Option<String>, Query, description = "software or configuration."),
        ("search" = Option<String>, Query, description = "Part of the name, of the release's name, or of the id."),
        ("created_before" = Option<i64>, Query, description = "Seconds since 1970."),
        ("created_after" = Option<i64>, Query, description = "Seconds since 1970."),
        ("sort" = Option<String>, Query, description = "asc or desc (when absent) by the time of creation."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The deployments.", body = Vec<Deployment>)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeDeployments>, params: Params, page: Page) -> Answer {
    listed(&app, &user, &params, &page).await
}

/// The deployments of the tenant.
#[utoipa::path(get, path = "/api/management/v2/deployments/deployments",
    operation_id = "Deployments V2 List Deployments", tag = "deployments",
    params(("id" = Option<Vec<String>>, Query, description = "Only these."),
        ("name" = Option<Vec<String>>, Query, description = "Only those called like this."),
        ("status" = Option<String>, Query, description = "inprogress, finished, pending or scheduled."),
        ("type" = Option<String>, Query, description = "software or configuration."),
        ("created_before" = Option<i64>, Query, description = "Seconds since 1970."),
        ("created_after" = Option<i64>, Query, description = "Seconds since 1970."),
        ("sort" = Option<String>, Query, description = "asc or desc (when absent) by the time of creation."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The deployments.", body = Vec<Deployment>)), security(("user" = [])))]
async fn list_v2(State(app): State<Platform>, user: Can<need::SeeDeployments>, params: Params, page: Page) -> Answer {
    listed(&app, &user, &params, &page).await
}

/// What every deployment says. What the platform does not do yet is refused, not ignored.
#[derive(Debug, Deserialize, ToSchema)]
struct Plan {
    name: String,
    /// The release.
    artifact_name: String,
    /// Also on devices that have it.
    #[serde(default)]
    force_installation: bool,
    /// In which batches it begins; everybody at once without.
    #[serde(default)]
    phases: Vec<NewPhase>,
    /// Not served yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    uniform_phases: Option<Value>,
    /// How often a device may try again when it failed.
    #[serde(default)]
    retries: i64,
    /// How fast, how long, and when it stops.
    #[serde(default)]
    x_fleetproof: Option<Pace>,
    /// Not served yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    update_control_map: Option<Value>,
    /// Not served yet.
    #[serde(default)]
    autogenerate_delta: bool,
}

impl Plan {
    fn check(&self) -> Result<Order, Refusal> {
        if self.name.trim().is_empty() || self.artifact_name.trim().is_empty() {
            return Err(Refusal::bad_request("name and artifact_name: cannot be blank"));
        }
        let beyond = [
            ("uniform_phases", self.uniform_phases.is_some()),
            ("update_control_map", self.update_control_map.is_some()),
            ("autogenerate_delta", self.autogenerate_delta),
        ];
        match beyond.iter().find(|(_, asked)| *asked) {
            Some((what, _)) => Err(Refusal::unprocessable(format!("{what}: not served yet"))),
            None => Ok(Order {
                rules: pace_terms::rules(self.retries, self.x_fleetproof.as_ref())?,
                batches: pace_terms::batches(&self.phases)?,
            }),
        }
    }
}

/// What a deployment says of its pace.
#[derive(Debug)]
struct Order {
    rules: Pacing,
    batches: Vec<Batch>,
}

impl Order {
    /// The rules of a deployment to so many devices that is made now.
    fn pacing(self, app: &Platform, devices: i64) -> Result<Pacing, Refusal> {
        let devices = u64::try_from(devices).unwrap_or(0);
        let phases = Phases::plan(&self.batches, devices, app.now_ms(), || app.ids().thing());
        let phases = phases.map_err(|error| Refusal::bad_request(error.to_string()))?;
        Ok(Pacing { phases, ..self.rules })
    }
}

/// A deployment to devices.
#[derive(Debug, Deserialize, ToSchema)]
struct NewDeployment {
    #[serde(flatten)]
    plan: Plan,
    /// To these.
    #[serde(default)]
    devices: Vec<String>,
    /// To all that are accepted, in place of `devices`.
    #[serde(default)]
    all_devices: bool,
}

/// A deployment to whatever matches a filter when it asks.
#[derive(Debug, Deserialize, ToSchema)]
struct NewFilterDeployment {
    #[serde(flatten)]
    plan: Plan,
    filter_id: String,
    /// It ends after so many devices; without, only when it is aborted.
    #[serde(default)]
    max_devices: Option<i64>,
}

/// A deployment about to be written.
struct Draft<'a> {
    plan: &'a Plan,
    /// What tells two identical ones apart from others: whom they are for.
    target: Value,
    groups: Vec<&'a str>,
    devices: Vec<Reached>,
    /// Takes in what matches, at most so many.
    filter: Option<(UsedFilter, Option<i64>)>,
    /// How many match today.
    initial: i64,
    pacing: Pacing,
}

impl Draft<'_> {
    /// Writes it and tells of it: 422 without a release, 409 beside an identical one that has not ended.
    async fn write(&self, app: &Platform, mut tx: Transaction, user: &User) -> Answer {
        let Plan { name, artifact_name, force_installation, .. } = self.plan;
        let sql = "select count(*) as n from artifacts where tenant_id = $1 and name = $2";
        if tx.number(sql, args![&user.tenant, artifact_name]).await? == 0 {
            return Err(Refusal::unprocessable("No artifact for the deployment"));
        }
        let id = app.ids().thing();
        let now = app.now_ms();
        let same = json!([name, artifact_name, force_installation, self.target]).to_string();
        let filter = self.filter.as_ref().map(|(filter, _)| json!(filter).to_string());
        let most = self.filter.as_ref().and_then(|(_, most)| *most);
        let later = self.pacing.phases.first_start().filter(|start| *start > now);
        rollout::settle(app, &mut tx, &user.tenant).await?;
        let written = tx
            .execute(
                "insert into deployments (id, seq, tenant_id, name, artifact_name, status, same, groups, filter, \
                 dynamic, forced, max_devices, device_count, unfinished, initial_count, created_at, finished_at, \
                 pacing, due_at) values ($1, $2, $3, $4, $5, $14, $6, $7, $8, $9, $10, $11, $12, $12, $13, $2, null, \
                 $15, $16) on conflict do nothing",
                args![
                    &id,
                    now,
                    &user.tenant,
                    name,
                    artifact_name,
                    same,
                    json!(self.groups).to_string(),
                    filter,
                    self.filter.is_some(),
                    *force_installation,
                    most,
                    self.devices.len(),
                    self.initial,
                    if later.is_some() { "scheduled" } else { "pending" },
                    json!(self.pacing).to_string(),
                    later,
                ],
            )
            .await?;
        if written == 0 {
            return Err(Refusal::conflict("An active deployment with the same parameters already exists"));
        }
        for device in &self.devices {
            targets::put_into(app, &mut tx, &id, now, device).await?;
        }
        let object = Object::deployment(&id, name, artifact_name);
        app.audit(&mut tx, &user.tenant, user, "create", object, None).await?;
        app.commit(tx).await?;
        let location = format!("./management/v1/deployments/deployments/{id}");
        Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
    }
}

/// 403 unless the user may deploy to each of these devices. An unknown one is in no group.
async fn demand_reach(tx: &mut Transaction, reach: &Reach, tenant: &str, devices: &[String]) -> Answer<()> {
    if reach.is_everything() {
        return Ok(());
    }
    for id in devices {
        let sql = "select group_name from devices where tenant_id = $1 and id = $2 order by id";
        let row = tx.first(sql, args![tenant, id]).await?;
        let group = row.map(|row| row.maybe_text("group_name")).transpose()?.flatten();
        reach.demand(group.as_deref())?;
    }
    Ok(())
}

fn no_devices() -> Refusal {
    Refusal::bad_request("No devices for the deployment")
}

/// Deploy a release to devices.
#[utoipa::path(post, path = "/api/management/v1/deployments/deployments",
    operation_id = "Deployments Create Deployment", tag = "deployments", request_body = NewDeployment,
    responses((status = 201, description = "It has begun.", headers(("Location" = String, description = "It."))),
        (status = 409, description = "There is an identical one that has not ended."),
        (status = 422, description = "There is no such release, or part of this is not served.")),
    security(("user" = [])))]
async fn create(State(app): State<Platform>, user: Can<need::Deploy>, Body(new): Body<NewDeployment>) -> Answer {
    let order = new.plan.check()?;
    if new.devices.is_empty() != new.all_devices {
        return Err(Refusal::bad_request("one of devices and all_devices is needed"));
    }
    let reach = Reach::to(&app, &user, PermissionSet::DeployToDevices);
    if new.all_devices && !reach.is_everything() {
        return Err(Refusal::forbidden());
    }
    let mut tx = app.begin().await?;
    demand_reach(&mut tx, &reach, &user.tenant, &new.devices).await?;
    let target = if new.all_devices { Target::All } else { Target::Devices(&new.devices) };
    let devices = targets::resolve(&app, &mut tx, &user.tenant, &target).await?;
    if devices.is_empty() {
        return Err(no_devices());
    }
    let mut ids: Vec<_> = devices.iter().map(|device| device.id.as_str()).collect();
    ids.sort_unstable();
    let target = if new.all_devices { json!("all") } else { json!({ "devices": ids }) };
    let initial = i64::try_from(devices.len()).unwrap_or(i64::MAX);
    let pacing = order.pacing(&app, initial)?;
    let draft = Draft { plan: &new.plan, target, groups: Vec::new(), devices, filter: None, initial, pacing };
    draft.write(&app, tx, &user).await
}

/// Deploy a release to the devices that are in a group now.
#[utoipa::path(post, path = "/api/management/v1/deployments/deployments/group/{name}",
    operation_id = "Create Deployment for a Group of Devices", tag = "deployments", request_body = Plan,
    params(("name" = String, Path, description = "The group.")),
    responses((status = 201, description = "It has begun.", headers(("Location" = String, description = "It."))),
        (status = 409, description = "There is an identical one that has not ended."),
        (status = 422, description = "There is no such release, or part of this is not served.")),
    security(("user" = [])))]
async fn create_for_group(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    At(group): At<String>,
    Body(plan): Body<Plan>,
) -> Answer {
    let order = plan.check()?;
    Reach::to(&app, &user, PermissionSet::DeployToDevices).demand(Some(&group))?;
    let mut tx = app.begin().await?;
    let devices = targets::resolve(&app, &mut tx, &user.tenant, &Target::Group(&group)).await?;
    if devices.is_empty() {
        return Err(no_devices());
    }
    let initial = i64::try_from(devices.len()).unwrap_or(i64::MAX);
    let target = json!({ "group": &group });
    let pacing = order.pacing(&app, initial)?;
    let draft = Draft { plan: &plan, target, groups: vec![group.as_str()], devices, filter: None, initial, pacing };
    draft.write(&app, tx, &user).await
}

/// Deploy a release to every device that matches a filter when it asks.
#[utoipa::path(post, path = "/api/management/v2/deployments/deployments", operation_id = "Create Deployment",
    tag = "deployments", request_body = NewFilterDeployment,
    responses((status = 201, description = "It has begun.", headers(("Location" = String, description = "It."))),
        (status = 409, description = "There is an identical one that has not ended."),
        (status = 422, description = "There is no such release, or part of this is not served.")),
    security(("user" = [])))]
async fn create_for_filter(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    Body(new): Body<NewFilterDeployment>,
) -> Answer {
    let order = new.plan.check()?;
    if !Reach::to(&app, &user, PermissionSet::DeployToDevices).is_everything() {
        return Err(Refusal::forbidden());
    }
    let most = match new.max_devices {
        Some(most) if most < 0 => return Err(Refusal::bad_request("max_devices: must be no less than 0")),
        most => most.filter(|most| *most > 0),
    };
    let mut tx = app.begin().await?;
    let sql = "select name, terms from filters where tenant_id = $1 and id = $2 order by id";
    let filter = tx.first(sql, args![&user.tenant, &new.filter_id]).await?;
    let filter = filter.ok_or_else(|| Refusal::bad_request("filter not found"))?;
    let filter = UsedFilter { id: new.filter_id.clone(), name: filter.text("name")?, terms: filter.json("terms")? };
    let initial = targets::matching(&mut tx, &user.tenant, filter.terms.clone()).await?;
    let draft = Draft {
        plan: &new.plan,
        target: json!({ "filter": filter.id, "most": most }),
        groups: Vec::new(),
        devices: Vec::new(),
        filter: Some((filter, most)),
        initial,
        // Of so many as it takes in, else of those that match today; the last phase takes whoever comes later.
        pacing: order.pacing(&app, most.unwrap_or(initial))?,
    };
    draft.write(&app, tx, &user).await
}

/// A deployment.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{id}", operation_id = "Show Deployment",
    tag = "deployments", params(("id" = String, Path, description = "The deployment.")),
    responses((status = 200, description = "The deployment.", body = Deployment),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<Deployment>> {
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let row = find(&mut tx, &user.tenant, &id).await?;
    let deployment = Deployment::read(&mut tx, &row).await?;
    app.commit(tx).await?;
    Ok(Json(deployment))
}

/// What shall become of a deployment.
#[derive(Debug, Deserialize, ToSchema)]
struct NewStatus {
    /// `aborted`; there is nothing else.
    status: String,
}

/// Abort a deployment: who has ended keeps that, everybody else has been aborted.
#[utoipa::path(put, path = "/api/management/v1/deployments/deployments/{deployment_id}/status",
    operation_id = "Abort Deployment", tag = "deployments", request_body = NewStatus,
    params(("deployment_id" = String, Path, description = "The deployment.")),
    responses((status = 204, description = "It is aborted."),
        (status = 422, description = "It has ended, or there is none.")), security(("user" = [])))]
async fn abort(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    At(id): At<String>,
    Body(new): Body<NewStatus>,
) -> Answer<StatusCode> {
    if new.status != "aborted" {
        return Err(Refusal::bad_request("Unexpected deployment status"));
    }
    let over = || Refusal::unprocessable("Deployment already finished");
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let sql = "select name, artifact_name from deployments \
               where tenant_id = $1 and id = $2 and finished_at is null order by id";
    let row = tx.first(sql, args![&user.tenant, &id]).await?.ok_or_else(over)?;
    if !rollout::stop(&app, &mut tx, &id, Stopper::User, app.now_ms()).await? {
        return Err(over());
    }
    let object = Object::deployment(&id, &row.text("name")?, &row.text("artifact_name")?);
    app.audit(&mut tx, &user.tenant, &*user, "abort", object, None).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
