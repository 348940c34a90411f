//! A tenant's side in the attempts: canary users of every role, a canary device, and objects with its word in them.

use super::clients::Connected;
use super::round::gone;
use super::{DetectorError, Seat, guests};
use fleetproof_claims::Canaries;
use fleetproof_claims::model::{Family, Identity, Kind, Role, Slot, Surface};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::objects::{self as registered, Item, NOBODY};
use fleetproof_dialects::aws::{guests as lodged, lobby};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::objects::{Have, Made, Thing, canonical};
use fleetproof_dialects::mender::users::UserRow;
use fleetproof_dialects::mender::{Mender, Session};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Names that nobody has used yet, the same ones in every run.
pub(super) struct Names {
    label: String,
    next: AtomicU32,
    /// The fingerprints of devices that were made: nobody gives those a name.
    devices: Mutex<BTreeSet<String>>,
}

impl Names {
    pub(super) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), next: AtomicU32::new(0), devices: Mutex::default() }
    }

    /// A device of this detector's making.
    pub(super) fn know(&self, fingerprint: String) {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
    }

    /// Whether this detector made the device with this fingerprint.
    pub(super) fn made(&self, fingerprint: &str) -> bool {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).contains(fingerprint)
    }

    /// Whether this detector gave this name to something.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        let ours = format!("-{}-", self.label);
        ["stray", "nothing", "twin", "canary"].iter().any(|stem| name.starts_with(stem)) && name.contains(&ours)
    }

    /// `stem-label-17`.
    pub(super) fn fresh(&self, stem: &str) -> String {
        format!("{stem}-{}-{}", self.label, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Objects that belong together: a device and its group, a deployment and its release.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// In the order in which they were made.
    pub(super) made: Vec<Made>,
    /// A throw-away child of the provider, and its row.
    pub(super) child: Option<String>,
    /// A client that is connected as one of them.
    pub(super) client: Option<Connected>,
}

impl Set {
    /// What stands for these objects in a slot.
    pub(super) fn value(&self, slot: &Slot) -> Option<String> {
        if slot.kind == Kind::Tenant && self.child.is_some() {
            return self.child.clone();
        }
        self.made.iter().find_map(|made| made.value_for(slot)).map(str::to_owned)
    }

    /// The device among them that is in.
    pub(super) fn find(&self, kind: Kind) -> Option<&Made> {
        self.made.iter().find(|made| made.id(kind).is_some())
    }

    /// What `by` sees of them.
    pub(super) async fn look(&self, mender: &Mender, by: &Session) -> Result<String, DetectorError> {
        let mut seen = Vec::new();
        for made in &self.made {
            seen.push(format!("{}:{}", json!(word(made.thing)), mender.look(by, made).await?));
        }
        if let Some(child) = &self.child {
            let row = mender.tenants(by).await?.into_iter().find(|row| row.id == *child);
            let row = row.map(|row| json!({ "name": row.name, "status": row.status, "limit": row.device_limit }));
            seen.push(format!("\"tenant\":{}", json!(row)));
        }
        if let Some(client) = &self.client {
            seen.push(format!("\"its connection stands\":{}", client.stands().await));
        }
        Ok(format!("{{{}}}", seen.join(",")))
    }

    /// Removes them. What an attempt or its control has removed is gone already.
    pub(super) async fn remove(&self, mender: &Mender, by: &Session) -> Result<(), DetectorError> {
        if let Some(client) = &self.client {
            client.leave().await;
        }
        for made in self.made.iter().rev() {
            mender.remove(by, made).await?;
        }
        match &self.child {
            Some(child) => gone(mender.remove_tenant(by, child).await),
            None => Ok(()),
        }
    }
}

fn word(thing: Thing) -> &'static str {
    match thing {
        Thing::PendingDevice | Thing::AcceptedDevice | Thing::ExpectedDevice => "device",
        Thing::Artifact => "artifact",
        Thing::Deployment => "deployment",
        Thing::User(_) => "user",
        Thing::Role => "role",
        Thing::Token => "token",
        Thing::Tenant => "tenant",
        Thing::Group => "group",
        Thing::Filter => "filter",
        Thing::Tag => "tag",
        Thing::Attribute => "device and attributes",
        Thing::Settings => "settings",
        Thing::Registered(item) => item.word(),
        Thing::Guest(guest) => guest.word(),
    }
}

/// Whether the platform knows the operation that makes a thing.
pub(super) fn can_make(surfaces: &[Surface], thing: Thing) -> bool {
    surfaces.iter().any(|surface| surface.operation == maker(thing))
}

/// The operation that makes a thing.
fn maker(thing: Thing) -> &'static str {
    match thing {
        Thing::PendingDevice | Thing::AcceptedDevice => "DeviceAuth Authenticate Device",
        Thing::ExpectedDevice => "DeviceAuth Management Preauthorize",
        Thing::Artifact => "Upload Artifact Deployments Management",
        Thing::Deployment => "Deployments Create Deployment",
        Thing::User(_) => "Create User Management",
        Thing::Role => "Create Role",
        Thing::Token => "Create Personal Access Token",
        Thing::Tenant => "Create new Tenant",
        Thing::Group => "Assign Group",
        Thing::Filter => "Create Filter",
        Thing::Tag => "Assign Tags",
        Thing::Attribute => "Assign Attributes",
        Thing::Settings => "Update User Settings",
        Thing::Registered(item) => item.maker(),
        Thing::Guest(guest) => guest.maker(),
    }
}

/// One tenant, ready to attack and to be attacked.
pub(super) struct Camp {
    pub(super) seat: Seat,
    /// The word that stands in everything of this tenant.
    pub(super) word: String,
    /// The user and the session of each role.
    pub(super) users: BTreeMap<Role, (Made, Session)>,
    /// The device that is in.
    pub(super) device: Option<Session>,
    /// Why none is.
    pub(super) no_device: Option<String>,
    /// What is looked at and named, but never altered.
    pub(super) estate: Set,
    /// By what this tenant's things are recognised.
    pub(super) canaries: Canaries,
    /// Who runs the lobby; `None`: nothing is made there.
    pub(super) operator: Option<Session>,
}

impl Camp {
    /// Makes users, device and objects.
    pub(super) async fn pitch(
        mender: &Mender,
        surfaces: &[Surface],
        seat: &Seat,
        names: &Names,
        operator: Option<&Session>,
    ) -> Result<Self, DetectorError> {
        let mut camp = Self {
            seat: seat.clone(),
            word: format!("canary-{}-{}", seat.at.name, names.label),
            users: BTreeMap::new(),
            device: None,
            no_device: None,
            estate: Set::default(),
            canaries: Canaries::new([]),
            operator: operator.filter(|_| !seat.provider).cloned(),
        };
        match camp.settle(mender, surfaces, names).await {
            Ok(()) => Ok(camp),
            Err(error) => {
                // The first error is the one to tell.
                drop(camp.sweep(mender, surfaces, names).await);
                Err(error)
            }
        }
    }

    /// A tenant with nothing in it but its first admin.
    pub(super) fn bare(seat: Seat) -> Self {
        Self {
            word: seat.at.name.to_string(),
            seat,
            users: BTreeMap::new(),
            device: None,
            no_device: None,
            estate: Set::default(),
            canaries: Canaries::new([]),
            operator: None,
        }
    }

    /// The canary admin; of a bare tenant the one that it came with.
    pub(super) fn admin(&self) -> Result<&Session, DetectorError> {
        match self.users.get(&Role::Admin) {
            Some((_, session)) => Ok(session),
            None if self.users.is_empty() => Ok(&self.seat.admin),
            None => Err(DetectorError::NoCamp),
        }
    }

    /// Makes users, and the standing objects of each kind that the platform knows how to make.
    async fn settle(&mut self, mender: &Mender, surfaces: &[Surface], names: &Names) -> Result<(), DetectorError> {
        for role in Role::ALL {
            let name = names.fresh(&self.word);
            let made = mender.make(&self.seat.admin, Thing::User(role), &name, &Have::new()).await?;
            let session = login(mender, &made, &self.seat).await?;
            self.users.insert(role, (made, session));
        }
        let by = self.admin()?.clone();
        let knows = |thing: Thing| can_make(surfaces, thing);
        let mut made: Vec<Made> = Vec::new();
        if knows(Thing::Attribute) {
            match mender.make(&by, Thing::Attribute, &names.fresh(&self.word), &Have::new()).await {
                Ok(device) => {
                    self.device.clone_from(&device.device);
                    made.push(device);
                }
                Err(error) if error.status() == Some(422) => {
                    self.no_device = Some(format!("{} has no place for another device", self.seat.at.name));
                    made.push(mender.make(&by, Thing::PendingDevice, &names.fresh(&self.word), &Have::new()).await?);
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            self.no_device = Some("the platform lets no devices in".to_owned());
        }
        let mut have = Have::new();
        for thing in [
            Thing::Tag,
            Thing::Group,
            Thing::Artifact,
            Thing::Deployment,
            Thing::User(Role::Viewer),
            Thing::Role,
            Thing::Token,
            Thing::Filter,
            Thing::Settings,
        ] {
            for kind in [Kind::Device, Kind::Group, Kind::Release] {
                if let Some(id) = made.iter().find_map(|made| made.id(kind)) {
                    have.insert(kind, id.to_owned());
                }
            }
            if knows(thing) {
                made.push(mender.make(&by, thing, &names.fresh(&self.word), &have).await?);
            }
        }
        for thing in Item::ESTATE.map(Thing::Registered).into_iter().filter(|thing| knows(*thing)) {
            for kind in [Kind::Thing, Kind::ThingArn] {
                if let Some(id) = made.iter().find_map(|made| made.id(kind)) {
                    have.insert(kind, id.to_owned());
                }
            }
            made.push(mender.make(&by, thing, &names.fresh(&self.word), &have).await?);
        }
        made.extend(self.at_lobby(mender, surfaces, &by, names).await?);
        self.write_log(mender, surfaces, &made).await?;
        let ids = made.iter().flat_map(|made| made.ids.iter());
        // Texts of several lines, and what holds a name among other words, are found by the names in them.
        let told = ids.filter(|(kind, _)| {
            !matches!(
                kind,
                Kind::Tenant
                    | Kind::Email
                    | Kind::Identity
                    | Kind::Query
                    | Kind::Pem
                    | Kind::Signed
                    | Kind::AuthorityPem
                    // Neither is a secret: what is asked for names them.
                    | Kind::TargetAccount
                    | Kind::Region
            )
        });
        let words = told.map(|(_, id)| id.clone()).chain([self.word.clone()]).collect::<Vec<_>>();
        self.canaries = Canaries::new(words);
        self.estate = Set { made, ..Set::default() };
        Ok(())
    }

    /// The tenant's device at the lobby, where that is attacked; whoever runs the lobby has none.
    pub(super) async fn at_lobby(
        &self,
        mender: &Mender,
        surfaces: &[Surface],
        by: &Session,
        names: &Names,
    ) -> Result<Option<Made>, DetectorError> {
        let Some(operator) = self.operator.as_ref().filter(|_| can_make(surfaces, guests::STANDING)) else {
            return Ok(None);
        };
        let (guest, name) = (lodged::Guest::Bound, names.fresh(&self.word));
        guests::make(mender, names, (operator, by), guest, &name).await.map(Some)
    }

    /// The device says something about its deployment, so that there is a log to be read.
    async fn write_log(&self, mender: &Mender, surfaces: &[Surface], made: &[Made]) -> Result<(), DetectorError> {
        let surface = surfaces.iter().find(|surface| surface.operation == "Report Deployment Log");
        let deployment = made.iter().find_map(|made| made.id(Kind::Deployment));
        if let (Some(surface), Some(device), Some(id)) = (surface, &self.device, deployment) {
            let fills = Fills::default().slot("path:deployment_id", id).mark("mark", self.word.as_str());
            let request = build(surface, &fills.mark("time", mender.world().clock.rfc3339()))?;
            mender.send(device, Mender::door(&surface.path), request).await?;
        }
        Ok(())
    }

    /// Takes down what was made, the newest first, and then whatever else has its name from here.
    pub(super) async fn strike(
        &self,
        mender: &Mender,
        surfaces: &[Surface],
        names: &Names,
    ) -> Result<(), DetectorError> {
        let struck = self.take_down(mender).await;
        let swept = self.sweep(mender, surfaces, names).await;
        struck.and(swept)
    }

    async fn take_down(&self, mender: &Mender) -> Result<(), DetectorError> {
        self.estate.remove(mender, self.admin()?).await?;
        for (made, session) in self.users.values() {
            gone(mender.logout(session).await)?;
            mender.remove(&self.seat.admin, made).await?;
        }
        Ok(())
    }

    /// Removes whatever attempts have left here: on a sound platform nothing, on a broken one what was let in.
    async fn sweep(&self, mender: &Mender, surfaces: &[Surface], names: &Names) -> Result<(), DetectorError> {
        let by = &self.seat.admin;
        let knows = |operation: &str| surfaces.iter().any(|surface| surface.operation == operation);
        let stray = |name: &str| names.is_ours(name);
        for user in mender.users(by).await?.into_iter().filter(|user| stray(&user.email)) {
            gone(mender.remove_user(by, &user.id).await)?;
        }
        for role in mender.roles(by).await?.into_iter().filter(|role| stray(role)) {
            gone(mender.remove_role(by, &role).await)?;
        }
        if knows("Deployments V1 List Deployments") {
            let live = mender.deployments(by).await?.into_iter().filter(|d| d.status != "finished");
            for deployment in live.filter(|d| stray(&d.name)) {
                gone(mender.abort(by, &deployment.id).await)?;
            }
        }
        if knows("DeviceAuth Management List Devices") {
            let devices = mender.devices(by, None).await?;
            for device in devices.into_iter().filter(|d| d.identity.get("serial").is_some_and(|name| stray(name))) {
                gone(mender.decommission(by, &device.id).await)?;
            }
        }
        if can_make(surfaces, Thing::Registered(Item::Thing)) {
            registered::sweep(mender, by, &stray).await?;
        }
        if let Some(operator) = self.operator.as_ref().filter(|_| can_make(surfaces, guests::STANDING)) {
            lodged::sweep(mender, operator, by, |fingerprint| names.made(fingerprint)).await?;
        }
        for id in self.listed(mender, surfaces, "List Artifacts", &stray).await? {
            gone(mender.remove_artifact(by, &id).await)?;
        }
        for id in self.listed(mender, surfaces, "List Filters", &stray).await? {
            gone(mender.remove_filter(by, &id).await)?;
        }
        if self.seat.provider {
            for child in mender.tenants(by).await?.into_iter().filter(|child| stray(&child.name)) {
                gone(mender.remove_tenant(by, &child.id).await)?;
            }
        }
        Ok(())
    }

    /// The ids of those entries of a list whose name is of the attempts' making.
    async fn listed(
        &self,
        mender: &Mender,
        surfaces: &[Surface],
        operation: &str,
        stray: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, DetectorError> {
        let Some(surface) = surfaces.iter().find(|surface| surface.operation == operation) else {
            return Ok(Vec::new());
        };
        let request = build(surface, &Fills::default())?;
        let answer = mender.send(&self.seat.admin, Mender::door(&surface.path), request).await?;
        let rows = answer.json().unwrap_or_default();
        let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ours = rows.as_array().into_iter().flatten().filter(|row| stray(&text(row, "name")));
        Ok(ours.map(|row| text(row, "id")).collect())
    }

    /// The session of an identity of this tenant; an error text when it has none.
    pub(super) fn session(&self, identity: &Identity) -> Result<Session, String> {
        match identity {
            Identity::User(role) => self.users.get(role).map(|(_, session)| session.clone()).ok_or_else(String::new),
            Identity::Device => self.device.clone().ok_or_else(|| self.no_device.clone().unwrap_or_default()),
            Identity::Nobody | Identity::Operator | Identity::Person(_) | Identity::Former(_) => Ok(Session::nobody()),
            Identity::Again => self.admin().cloned().map_err(|error| error.to_string()),
            Identity::Forged(whose, _) => self.session(whose),
        }
    }

    /// What a slot of kinds that are no objects of their own stands for here.
    pub(super) fn standing_value(&self, surface: &Surface, slot: &Slot) -> Option<String> {
        match slot.kind {
            Kind::Tenant => Some(self.seat.at.id.to_string()),
            Kind::TenantToken => None,
            // A change to a user stands in every audit log.
            Kind::Any => self.estate.find(Kind::User).and_then(|made| made.id(Kind::User)).map(str::to_owned),
            Kind::Word if surface.family == Family::Account => Some(
                match slot.name.as_str() {
                    "newStatus" => "ACTIVE",
                    "targetAwsAccount" => NOBODY,
                    _ => "true",
                }
                .to_owned(),
            ),
            // Every policy has a first version.
            Kind::PolicyVersion => Some(self.estate.value(slot).unwrap_or_else(|| "1".to_owned())),
            Kind::Word => {
                Some(if surface.path.contains("/deployments/") { "storage" } else { "max_devices" }.to_owned())
            }
            _ => self.estate.value(slot),
        }
    }

    /// The lists that a change to objects of these kinds would show in, as this tenant sees them.
    pub(super) async fn digest(
        &self,
        mender: &Mender,
        surfaces: &[Surface],
        kind: Kind,
    ) -> Result<String, DetectorError> {
        let by = self.admin()?;
        let mut seen: BTreeMap<&str, Value> = BTreeMap::new();
        match kind {
            Kind::Device
            | Kind::Auth
            | Kind::DeviceToken
            | Kind::Identity
            | Kind::Tag
            | Kind::Attribute
            | Kind::Group => {
                seen.insert("devices", told(mender.counts(by).await, |counts| json!(format!("{counts:?}")))?);
                seen.insert("groups", told(mender.groups(by).await, sorted)?);
            }
            Kind::User | Kind::Session | Kind::Email => {
                let row = |user: &UserRow| format!("{} {} {}", user.id, user.email, user.roles.join(" "));
                let users = mender.users(by).await;
                seen.insert("users", told(users, |users| sorted(users.iter().map(row).collect()))?);
            }
            Kind::Role | Kind::PermissionSet => drop(seen.insert("roles", told(mender.roles(by).await, sorted)?)),
            Kind::Deployment => {
                let listed = mender.look_at_deployments(by).await;
                seen.insert("deployments", told(listed, |listed| json!(listed.lines().collect::<Vec<_>>()))?);
            }
            Kind::Tenant | Kind::Limit => {
                seen.insert("limits", told(mender.look_at_limits(by).await, |limits| json!(limits))?);
            }
            Kind::Audit => {
                let log = mender.look_at_log(by).await;
                seen.insert("log", told(log, |log| json!(log.lines().collect::<Vec<_>>()))?);
            }
            _ if lodged::Guest::of(kind).is_some() => {
                let listed = lobby::devices(mender, by).await;
                let row = |row: &lobby::LobbyRow| format!("{row:?}");
                seen.insert("at the lobby", told(listed, |rows| sorted(rows.iter().map(row).collect()))?);
            }
            Kind::Artifact
            | Kind::Release
            | Kind::Token
            | Kind::TenantToken
            | Kind::Filter
            | Kind::Settings
            | Kind::Any
            | Kind::Word => {}
            of_account => {
                let listed = registered::digest(mender, by, of_account).await;
                let text = told(listed, |listed| json!(canonical(&listed)))?;
                seen.insert("account", serde_json::from_str(text.as_str().unwrap_or_default()).unwrap_or(text));
            }
        }
        let listed = match kind {
            Kind::Artifact | Kind::Release => Some("List Artifacts"),
            Kind::Filter => Some("List Filters"),
            Kind::Token => Some("List User Personal Access Tokens"),
            Kind::Settings => Some("Show User Settings"),
            _ => None,
        };
        let listed = listed.and_then(|operation| surfaces.iter().find(|surface| surface.operation == operation));
        if let Some(surface) = listed {
            let request = build(surface, &Fills::default())?;
            let answer = mender.send(by, Mender::door(&surface.path), request).await?;
            let text = answer.json().map_or_else(|| answer.status.to_string(), |value| canonical(&value));
            seen.insert("listed", serde_json::from_str(&text).unwrap_or(json!(text)));
        }
        Ok(json!(seen).to_string())
    }
}

/// What was seen, a refusal included.
fn told<T>(seen: Result<T, DialectError>, tell: impl FnOnce(T) -> Value) -> Result<Value, DetectorError> {
    match seen {
        Ok(seen) => Ok(tell(seen)),
        Err(error) => error.status().map(|status| json!(status)).ok_or(DetectorError::Dialect(error)),
    }
}

fn sorted(mut all: Vec<String>) -> Value {
    all.sort();
    json!(all)
}

/// Logs a canary user in.
pub(super) async fn login(mender: &Mender, made: &Made, seat: &Seat) -> Result<Session, DetectorError> {
    let (Some(email), Some(password)) = (made.id(Kind::Email), &made.secret) else { return Err(DetectorError::NoCamp) };
    Ok(mender.login(email, password.reveal(), Some(&seat.at)).await?)
}
