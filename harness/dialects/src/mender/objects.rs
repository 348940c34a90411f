//! Objects to be attacked: made by their owner with a canary in them, looked at, removed.

use super::fill::Fills;
use super::knock::{Key, identity_text};
use super::pace::{PaceSpec, PhaseSpec};
use super::session::{Session, TenantRef};
use super::updates::{ArtifactSpec, Target};
use super::{Call, Mender, json, roles, text, unreadable};
use crate::answer::{Result, Token};
use crate::aws::guests::Guest;
use crate::aws::objects::Item;
use fleetproof_claims::model::{Kind, Role, Slot};
use fleetproof_wire::image::{DEVICE_TYPE, Image};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A device that knocked and waits.
    PendingDevice,
    /// A device that is in: needs a free place below the tenant's limit.
    AcceptedDevice,
    /// A device that was announced and has not knocked.
    ExpectedDevice,
    /// An artifact, and with it a release.
    Artifact,
    /// A deployment to a device that will not fetch it.
    Deployment,
    /// A user.
    User(Role),
    /// A role.
    Role,
    /// A personal access token of the caller.
    Token,
    /// A child of the caller's tenant.
    Tenant,
    /// A group with one device.
    Group,
    /// A saved search.
    Filter,
    /// A tag on a device.
    Tag,
    /// What an accepted device says of itself.
    Attribute,
    /// The settings of the caller's tenant.
    Settings,
    /// Something of the account that the caller's tenant is.
    Registered(Item),
    /// Something at the lobby: [`Guest::make`] makes it, since who runs the lobby takes part.
    Guest(Guest),
}

impl Thing {
    /// One for every kind of object that a tenant can have; what its account can have is in [`Item::ALL`].
    pub const ALL: [Self; 14] = [
        Self::PendingDevice,
        Self::AcceptedDevice,
        Self::ExpectedDevice,
        Self::Artifact,
        Self::Deployment,
        Self::User(Role::Viewer),
        Self::Role,
        Self::Token,
        Self::Tenant,
        Self::Group,
        Self::Filter,
        Self::Tag,
        Self::Attribute,
        Self::Settings,
    ];

    /// What to make for a kind of object; `None` for kinds that are not made (words, limits, log entries: any change
    /// writes one).
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Device | Kind::Auth | Kind::Identity => Self::PendingDevice,
            Kind::DeviceToken => Self::AcceptedDevice,
            Kind::Artifact | Kind::Release => Self::Artifact,
            Kind::Deployment => Self::Deployment,
            Kind::User | Kind::Email => Self::User(Role::Viewer),
            Kind::Role => Self::Role,
            Kind::Token => Self::Token,
            Kind::Tenant | Kind::TenantToken => Self::Tenant,
            Kind::Group => Self::Group,
            Kind::Filter => Self::Filter,
            Kind::Attribute => Self::Attribute,
            Kind::Tag => Self::Tag,
            Kind::Settings => Self::Settings,
            Kind::Session | Kind::PermissionSet | Kind::Limit | Kind::Audit | Kind::Any | Kind::Word => return None,
            kind => Self::Registered(Item::of(kind)?),
        })
    }
}

/// Something that was made. It knows what to fill into requests about it, and how to remove it.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it is.
    pub thing: Thing,
    /// Ids and names by kind: a device has its id, its key's and its identity; an artifact its id and its release.
    pub ids: BTreeMap<Kind, String>,
    /// The name in which the canary stands, where the object has one.
    pub name: String,
    /// The device itself, once it is in.
    pub device: Option<Session>,
    /// The key of a device.
    pub key: Option<Key>,
    /// The credential that came with it: the password of a user, the token of a token, the tenant token of a tenant.
    pub secret: Option<Token>,
    /// What the document was before (settings).
    pub(crate) former: Option<Value>,
    /// What had to be made for it; removed after it.
    pub(crate) helpers: Vec<Made>,
    /// Whose it is until the owner takes it (a certificate that is offered), or who runs the place where it is.
    pub(crate) giver: Option<Session>,
}

impl Made {
    pub(crate) fn new(thing: Thing, name: &str) -> Self {
        Self {
            thing,
            ids: BTreeMap::new(),
            name: name.to_owned(),
            device: None,
            key: None,
            secret: None,
            former: None,
            helpers: Vec::new(),
            giver: None,
        }
    }

    pub(crate) fn with(mut self, kind: Kind, id: impl Into<String>) -> Self {
        self.ids.insert(kind, id.into());
        self
    }

    /// Its id (or name) of a kind; a helper's where it has none itself.
    #[must_use]
    pub fn id(&self, kind: Kind) -> Option<&str> {
        let own = self.ids.get(&kind).map(String::as_str);
        own.or_else(|| self.helpers.iter().find_map(|helper| helper.id(kind)))
    }

    /// What stands for it in a slot: names where the interface takes names.
    #[must_use]
    pub fn value_for(&self, slot: &Slot) -> Option<&str> {
        const BY_NAME: [&str; 3] = ["search", "name", "object_deployment_name"];
        match slot.kind {
            Kind::Deployment if BY_NAME.contains(&slot.name.as_str()) => Some(&self.name),
            Kind::Any => self.ids.values().next().map(String::as_str),
            kind => self.id(kind),
        }
    }

    /// Fills every slot for which this object has a value.
    #[must_use]
    pub fn fill(&self, slots: &[Slot]) -> Fills {
        slots.iter().fold(Fills::default(), |fills, slot| match self.value_for(slot) {
            Some(value) => fills.slot(&slot.key(), value),
            None => fills,
        })
    }
}

/// What exists already and may be used instead of making another: ids by kind ([`Kind::Device`], [`Kind::Release`]).
pub type Have = BTreeMap<Kind, String>;

impl Mender {
    /// Makes an object in the caller's tenant with the canary in its name and wherever else it takes text. `canary` is
    /// unique for each object of a tenant, of letters, digits and `-`. What is needed besides is made too, unless
    /// `have` names it.
    ///
    /// # Errors
    /// As every verb; Refused with 422 when an accepted device finds no place.
    pub async fn make(&self, by: &Session, thing: Thing, canary: &str, have: &Have) -> Result<Made> {
        let made = Made::new(thing, canary);
        match thing {
            Thing::PendingDevice => self.make_pending(by, made).await,
            Thing::AcceptedDevice => self.make_accepted(by, made).await,
            Thing::ExpectedDevice => self.make_expected(by, made).await,
            Thing::Artifact => self.make_artifact(by, made).await,
            Thing::Deployment => self.make_deployment(by, made, have).await,
            Thing::User(role) => {
                let (email, password) =
                    (format!("{canary}@canary.test"), format!("secret-{canary}-{}", self.draw(canary)));
                let id = self.create_user(by, &email, &password, role, &[]).await?;
                let mut made = made.with(Kind::User, id).with(Kind::Email, email);
                made.secret = Some(Token::new(&password));
                Ok(made)
            }
            Thing::Role => {
                let sets = roles::permission_sets(Role::Viewer, &[canary.to_owned()]);
                let body = json!({ "name": canary, "description": canary, "permission_sets_with_scope": sets });
                self.call(by, Call::new("Create Role").json(body)).await?;
                Ok(made.with(Kind::Role, canary))
            }
            Thing::Token => {
                let (id, token) = self.create_token(by, canary, 3_600).await?;
                let mut made = made.with(Kind::Token, id);
                made.secret = Some(token);
                Ok(made)
            }
            Thing::Tenant => {
                let (email, password) =
                    (format!("{canary}@canary.test"), format!("secret-{canary}-{}", self.draw(canary)));
                let id = self.create_tenant(by, canary, &email, &password, Some(1)).await?;
                let mut made = made.with(Kind::Tenant, id).with(Kind::Email, email);
                made.secret = Some(Token::new(&password));
                Ok(made)
            }
            Thing::Group => {
                let (made, device) = self.with_device(by, made, have).await?;
                self.set_group(by, &device, canary).await?;
                Ok(made.with(Kind::Group, canary))
            }
            Thing::Filter => {
                let group = have.get(&Kind::Group).map_or(canary, String::as_str);
                let id = self.create_filter(by, canary, group).await?;
                Ok(made.with(Kind::Filter, id))
            }
            Thing::Tag => {
                let (made, device) = self.with_device(by, made, have).await?;
                self.set_tags(by, &device, &BTreeMap::from([("mark".to_owned(), canary.to_owned())])).await?;
                Ok(made.with(Kind::Tag, canary).with(Kind::Device, device))
            }
            Thing::Attribute => {
                let device = Box::pin(self.make(by, Thing::AcceptedDevice, canary, have)).await?;
                if let Some(session) = &device.device {
                    self.report_attributes(session, &Map::from_iter([("fleetproof_mark".to_owned(), json!(canary))]))
                        .await?;
                }
                let mut made = made.with(Kind::Attribute, canary);
                made.device.clone_from(&device.device);
                made.helpers.push(device);
                Ok(made)
            }
            Thing::Settings => {
                let mut made = made.with(Kind::Settings, canary);
                let former = self.fetch(by, Call::new("Show User Settings")).await?;
                self.call(by, Call::new("Update User Settings").json(json!({ "x_fleetproof": { "mark": canary } })))
                    .await?;
                made.former = Some(former);
                Ok(made)
            }
            Thing::Registered(item) => item.make(self, by, made, have).await,
            // Not by the caller alone.
            Thing::Guest(_) => Ok(made),
        }
    }

    /// The device that `have` names, or one made for this object.
    async fn with_device(&self, by: &Session, mut made: Made, have: &Have) -> Result<(Made, String)> {
        if let Some(id) = have.get(&Kind::Device) {
            return Ok((made, id.clone()));
        }
        let device = self.make_pending(by, Made::new(Thing::PendingDevice, &made.name)).await?;
        let id = device.ids.get(&Kind::Device).cloned().unwrap_or_default();
        made.helpers.push(device);
        self.in_inventory(by, &id).await?;
        Ok((made, id))
    }

    /// Waits until the inventory has heard of a device: elsewhere that takes a moment.
    async fn in_inventory(&self, by: &Session, id: &str) -> Result<()> {
        let deadline = self.inner.world.clock.now().after(self.inner.patience);
        loop {
            match self.inventory(by, id).await {
                Err(error) if error.status() == Some(404) => {}
                other => return other.map(drop),
            }
            self.wait(deadline, || "a device's place in the inventory".to_owned()).await?;
        }
    }

    async fn make_pending(&self, by: &Session, made: Made) -> Result<Made> {
        let (tenant_token, key, identity) =
            (self.tenant_token(by).await?, self.key(&made.name), identity_text(&[("serial", &made.name)]));
        let answer = self.knock(&made.name, &identity, &key, tenant_token.reveal()).await?;
        match answer.status {
            401 => {}
            _ if answer.is_success() => return Err(unreadable(&answer, "an unknown device was let in")),
            _ => return Err(answer.into()),
        }
        let wanted = BTreeMap::from([("serial".to_owned(), made.name.clone())]);
        let deadline = self.inner.world.clock.now().after(self.inner.patience);
        loop {
            if let Some(device) = self.device_by_identity(by, &wanted).await? {
                let auth = device.auth_sets.last().map(|set| set.id.clone()).unwrap_or_default();
                let mut made =
                    made.with(Kind::Device, device.id).with(Kind::Auth, auth.clone()).with(Kind::DeviceToken, auth);
                made.ids.insert(Kind::Identity, identity);
                made.key = Some(key);
                return Ok(made);
            }
            self.wait(deadline, || "a device that knocked".to_owned()).await?;
        }
    }

    async fn make_accepted(&self, by: &Session, made: Made) -> Result<Made> {
        let mut made = self.make_pending(by, made).await?;
        let (id, auth) =
            (made.id(Kind::Device).unwrap_or_default().to_owned(), made.id(Kind::Auth).unwrap_or_default().to_owned());
        let entered = match self.accept(by, &id, &auth).await {
            Ok(()) => self.show_again(by, &made).await,
            Err(error) => Err(error),
        };
        match entered {
            Ok(session) => {
                made.device = Some(session);
                Ok(made)
            }
            Err(error) => {
                self.remove(by, &made).await?;
                Err(error)
            }
        }
    }

    /// Shows the identity of a device that was made, once more: its session, when it has been let in since.
    ///
    /// # Errors
    /// Refused with 401 when it has not.
    pub async fn show_again(&self, by: &Session, made: &Made) -> Result<Session> {
        let tenant = by.tenant_ref().cloned().unwrap_or_else(|| TenantRef::new("", ""));
        let token = self.tenant_token(by).await?;
        let key = made.key.clone().unwrap_or_else(|| self.key(&made.name));
        self.enter(&made.name, made.id(Kind::Identity).unwrap_or_default(), &key, &tenant, token.reveal()).await
    }

    async fn make_expected(&self, by: &Session, mut made: Made) -> Result<Made> {
        let key = self.key(&made.name);
        let id = self
            .preauthorize(by, &BTreeMap::from([("serial".to_owned(), made.name.clone())]), &key.public_pem())
            .await?;
        let device = self.device(by, &id).await?;
        let auth = device.auth_sets.last().map(|set| set.id.clone()).unwrap_or_default();
        made.key = Some(key);
        let identity = identity_text(&[("serial", &made.name)]);
        Ok(made
            .with(Kind::Device, id)
            .with(Kind::Auth, auth.clone())
            .with(Kind::DeviceToken, auth)
            .with(Kind::Identity, identity))
    }

    async fn make_artifact(&self, by: &Session, made: Made) -> Result<Made> {
        let file = canary_artifact(&made.name).bytes();
        let id = self.upload_bytes(by, &made.name, file).await?;
        let name = made.name.clone();
        Ok(made.with(Kind::Artifact, id).with(Kind::Release, name))
    }

    async fn make_deployment(&self, by: &Session, mut made: Made, have: &Have) -> Result<Made> {
        let release = match have.get(&Kind::Release) {
            Some(release) => release.clone(),
            None => {
                let artifact = self.make_artifact(by, Made::new(Thing::Artifact, &made.name)).await?;
                made.helpers.push(artifact);
                made.name.clone()
            }
        };
        let (made, device) = self.with_device(by, made, have).await?;
        // With a pace of its own, so that there is one to be looked at and tampered with.
        let pace = PaceSpec {
            phases: vec![PhaseSpec { percent: None, start_ms: None }],
            rate: Some(6_000),
            retries: 1,
            abort_above: Some(500_000),
            ..PaceSpec::default()
        };
        let id = self.deploy(by, &made.name, &release, &Target::Devices(vec![device]), &pace.body()).await?;
        Ok(made.with(Kind::Deployment, id))
    }

    /// The key of a device that this run makes, by the device's name.
    #[must_use]
    pub fn key(&self, name: &str) -> Key {
        Key::from_stream(&mut self.inner.world.seeds.child("canary").stream(name))
    }

    fn draw(&self, name: &str) -> u64 {
        use rand::RngCore;
        self.inner.world.seeds.child("secret").stream(name).next_u64()
    }

    /// What devices of the caller's tenant show to say whose they are.
    ///
    /// # Errors
    /// As every verb.
    pub async fn tenant_token(&self, by: &Session) -> Result<Token> {
        let tenant = by.tenant_id().map_or("", |id| id).to_owned();
        if let Some(token) = self.inner.ledger.tenant_token(&tenant) {
            return Ok(token);
        }
        let token = Token::new(&self.tenant_info(by).await?.token);
        self.inner.ledger.know_tenant_token(&tenant, token.clone());
        Ok(token)
    }

    /// Removes an object and what was made for it. What is gone already is no error.
    ///
    /// # Errors
    /// As every verb, but 404.
    pub async fn remove(&self, by: &Session, made: &Made) -> Result<()> {
        let id = |kind: Kind| made.ids.get(&kind).map(String::as_str).unwrap_or_default();
        let removed = match made.thing {
            Thing::PendingDevice | Thing::AcceptedDevice | Thing::ExpectedDevice => {
                self.decommission(by, id(Kind::Device)).await
            }
            Thing::Artifact => match self.remove_artifact(by, id(Kind::Artifact)).await {
                Err(error) if error.status() == Some(409) => {
                    self.abort_all_of(by, id(Kind::Release)).await?;
                    self.remove_artifact(by, id(Kind::Artifact)).await
                }
                other => other,
            },
            // A deployment cannot be removed, only ended; 422 says that it has ended.
            Thing::Deployment => match self.abort(by, id(Kind::Deployment)).await {
                Err(error) if error.status() == Some(422) => Ok(()),
                other => other,
            },
            Thing::User(_) => self.remove_user(by, id(Kind::User)).await,
            Thing::Role => self.remove_role(by, id(Kind::Role)).await,
            Thing::Token => self.revoke_token(by, id(Kind::Token)).await,
            Thing::Tenant => match self.remove_tenant(by, id(Kind::Tenant)).await {
                // Unknown by now: what is not one's own child is refused alike.
                Err(error) if error.status() == Some(403) => Ok(()),
                other => other,
            },
            Thing::Group => {
                self.call(by, Call::new("Remove a Group").path(&[("group", id(Kind::Group))])).await.map(drop)
            }
            Thing::Filter => self.remove_filter(by, id(Kind::Filter)).await,
            Thing::Tag if made.helpers.is_empty() => self.set_tags(by, id(Kind::Device), &BTreeMap::new()).await,
            Thing::Tag | Thing::Attribute => Ok(()),
            Thing::Registered(item) => item.remove(self, by, made).await,
            Thing::Guest(guest) => guest.remove(self, by, made).await,
            Thing::Settings => {
                let former = made.former.clone().filter(Value::is_object).unwrap_or_else(|| json!({}));
                self.call(by, Call::new("Update User Settings").json(former)).await.map(drop)
            }
        };
        match removed {
            Err(error) if error.status() != Some(404) => return Err(error),
            _ => {}
        }
        for helper in made.helpers.iter().rev() {
            Box::pin(self.remove(by, helper)).await?;
        }
        Ok(())
    }

    /// Ends every deployment of a release: whatever deploys a canary was made by an attempt.
    async fn abort_all_of(&self, by: &Session, release: &str) -> Result<()> {
        let live = self.deployments(by).await?.into_iter();
        for deployment in live.filter(|row| row.artifact_name == release && row.status != "finished") {
            match self.abort(by, &deployment.id).await {
                Err(error) if error.status() != Some(422) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// What its owner sees of an object: canonical text in which nothing moves by itself. Refusals are part of it, so
    /// that a removed object looks otherwise than before.
    ///
    /// # Errors
    /// [`DialectError::Unreachable`](crate::DialectError::Unreachable).
    pub async fn look(&self, by: &Session, made: &Made) -> Result<String> {
        let id = |kind: Kind| made.id(kind).unwrap_or_default();
        let (device, deployment) = (id(Kind::Device), id(Kind::Deployment));
        let mut seen = Map::new();
        let mut calls: Vec<(&str, Call<'_>)> = Vec::new();
        let in_device = [("device_id", device)];
        let (in_artifact, in_release) = ([("artifact_id", id(Kind::Artifact))], [("release", id(Kind::Release))]);
        let in_deployment = [("deployment_id", deployment)];
        let (in_user, in_role) = ([("user_id", id(Kind::User))], [("role_id", id(Kind::Role))]);
        let (in_group, in_filter) = ([("group", id(Kind::Group))], [("filter_id", id(Kind::Filter))]);
        match made.thing {
            Thing::PendingDevice | Thing::AcceptedDevice | Thing::ExpectedDevice | Thing::Tag | Thing::Attribute => {
                calls.push(("device", Call::new("DeviceAuth Management Get Device").path(&in_device)));
                calls.push(("inventory", Call::new("Get Device Inventory").path(&in_device)));
                if let Some(session) = &made.device {
                    let next =
                        Call::new("Device List Artifacts").query("device_type", DEVICE_TYPE).query("release_name", "-");
                    seen.insert("its token opens".to_owned(), json!(self.ask(session, next).await?.is_success()));
                }
            }
            Thing::Artifact => {
                calls.push(("artifact", Call::new("Show Artifact").path(&in_artifact)));
                calls.push(("release", Call::new("Get Release with given name").path(&in_release)));
                seen.insert("contents".to_owned(), self.digest(by, id(Kind::Artifact)).await?);
            }
            Thing::Deployment => {
                calls.push(("deployment", Call::new("Show Deployment").path(&in_deployment)));
                calls.push(("statistics", Call::new("Deployment Status Statistics").path(&in_deployment)));
                calls.push(("devices", Call::new("List Devices in Deployment").path(&in_deployment)));
                calls.push(("pace", Call::new("x_fleetproof Show Pace").path(&in_deployment)));
            }
            Thing::User(_) => {
                calls.push(("user", Call::new("Show User").path(&in_user)));
                seen.insert("its password opens".to_owned(), json!(self.opens(made).await?));
            }
            Thing::Role => calls.push(("role", Call::new("Show Role").path(&in_role))),
            Thing::Token => {
                let listed = self.ask(by, Call::new("List User Personal Access Tokens")).await?;
                let rows = listed.json().unwrap_or_default();
                let mine =
                    rows.as_array().into_iter().flatten().find(|row| text(row, "id") == id(Kind::Token)).cloned();
                seen.insert("token".to_owned(), mine.unwrap_or_default());
                if let Some(secret) = &made.secret {
                    let session = by.forged(Some(secret.clone()));
                    let opened = self.ask(&session, Call::new("Show Own User Data")).await?;
                    seen.insert("it opens".to_owned(), json!(opened.is_success()));
                }
            }
            Thing::Tenant => {
                let listed = self.tenants(by).await?;
                let mine = listed.iter().find(|row| row.id == id(Kind::Tenant)).map(|row| format!("{row:?}"));
                seen.insert("tenant".to_owned(), json!(mine));
            }
            Thing::Group => {
                let listed = self.ask(by, Call::new("List Groups")).await?.json().unwrap_or_default();
                let mine = listed.as_array().into_iter().flatten().find(|group| **group == id(Kind::Group)).cloned();
                seen.insert("group".to_owned(), mine.unwrap_or_default());
                calls.push(("members", Call::new("Get Devices in Group").path(&in_group)));
            }
            Thing::Filter => {
                calls.push(("filter", Call::new("Show Filter").path(&in_filter)));
                calls.push(("result", Call::new("Execute Filter").path(&in_filter)));
            }
            Thing::Settings => calls.push(("settings", Call::new("Show User Settings"))),
            Thing::Registered(item) => seen = item.look(self, by, made).await?,
            Thing::Guest(guest) => seen = guest.look(self, by, made).await?,
        }
        for (name, call) in calls {
            let answer = self.ask(by, call).await?;
            let body = answer.json().filter(|_| answer.is_success()).unwrap_or_else(|| json!(answer.status));
            seen.insert(name.to_owned(), body);
        }
        Ok(canonical(&Value::Object(seen)))
    }

    /// What stands in a tenant's own limits, and how much of them is used.
    ///
    /// # Errors
    /// As every verb.
    pub async fn look_at_limits(&self, by: &Session) -> Result<String> {
        let mut seen = Map::new();
        let info = self.tenant_info(by).await?;
        seen.insert("tenant".to_owned(), json!(format!("{:?}", info.row)));
        let storage = self.fetch(by, Call::new("Deployments Get Storage Usage")).await?;
        seen.insert("storage".to_owned(), storage);
        Ok(canonical(&Value::Object(seen)))
    }

    /// How many deployments a tenant's list has, and the newest of them. A deployment can be neither removed nor renamed, so one
    /// more shows in both, and what becomes of an older one shows where it is looked at.
    ///
    /// # Errors
    /// As every verb.
    pub async fn look_at_deployments(&self, by: &Session) -> Result<String> {
        let newest = Call::new("Deployments V1 List Deployments").query("page", "1").query("per_page", "20");
        let answer = self.call(by, newest).await?;
        let told = |rows: &[Value]| {
            let mut told: Vec<String> =
                rows.iter().map(|row| format!("{} {}", text(row, "id"), text(row, "name"))).collect();
            told.sort();
            told.join("\n")
        };
        match (answer.header("x-total-count"), json(&answer)?) {
            (Some(total), Value::Array(rows)) => Ok(format!("{total} in all\n{}", told(&rows))),
            // Who does not say how many there are is asked for all.
            _ => Ok(told(&self.deployments(by).await?.into_iter().map(|row| row.raw).collect::<Vec<_>>())),
        }
    }

    /// The audit log as its tenant reads it, without times: old entries stay, none is added by others.
    ///
    /// # Errors
    /// As every verb.
    pub async fn look_at_log(&self, by: &Session) -> Result<String> {
        let rows = self.audit_log(by).await?;
        let lines = rows.iter().map(|row| format!("{} {} {}/{}", row.actor, row.action, row.object_type, row.object));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Whether the password of a user that was made still logs in. The session is ended at once.
    async fn opens(&self, made: &Made) -> Result<bool> {
        let (Some(email), Some(password)) = (made.id(Kind::Email), &made.secret) else { return Ok(false) };
        match self.login(email, password.reveal(), None).await {
            Ok(session) => self.logout(&session).await.map(|()| true),
            Err(error) if error.refused().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn digest(&self, by: &Session, artifact: &str) -> Result<Value> {
        let answer = self.ask(by, Call::new("Download Artifact").path(&[("artifact_id", artifact)])).await?;
        if !answer.is_success() {
            return Ok(json!(answer.status));
        }
        let file = self.follow(by, &text(&json(&answer)?, "uri")).await?;
        let digest: String = Sha256::digest(&file.body).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(json!(format!("{} {digest}", file.status)))
    }
}

/// The update in which a canary travels: in its name, and in its payload's header as the version.
#[must_use]
pub fn canary_artifact(canary: &str) -> ArtifactSpec {
    let image = Image { version: canary.to_owned(), misbehaves: None, seed: 0, affects: 0 };
    ArtifactSpec { name: canary.to_owned(), image, size: 512, signed_by: None }
}

/// Fields that move by themselves.
const MOVING: [&str; 12] = [
    "updated_ts",
    "updated_at",
    "check_in_time",
    "check_in_time_exact",
    "login_ts",
    "last_login",
    "last_used",
    "modified",
    "ts",
    "expire",
    "X-Request-ID",
    "approximateSecondsBeforeTimedOut",
];

/// JSON as text that is equal when nothing has changed: keys sorted, what moves by itself left out, lists sorted.
#[must_use]
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, String> = fields
                .iter()
                .filter(|(name, value)| !MOVING.contains(&name.as_str()) && !moves(value))
                .map(|(name, value)| (name, canonical(value)))
                .collect();
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => {
            let mut list: Vec<String> = list.iter().filter(|value| !moves(value)).map(canonical).collect();
            list.sort();
            format!("[{}]", list.join(","))
        }
        other => other.to_string(),
    }
}

/// An inventory attribute whose name says that it moves.
fn moves(value: &Value) -> bool {
    value.get("name").and_then(Value::as_str).is_some_and(|name| MOVING.contains(&name)) && value.get("value").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_by_itself_is_left_out_and_order_does_not_count() {
        let one = json!({ "id": "d", "updated_ts": "1", "auth_sets": [{ "id": "b", "ts": 1 }, { "id": "a", "ts": 2 }],
            "attributes": [{ "name": "updated_ts", "scope": "system", "value": "1" }, { "name": "mac", "value": 5 }] });
        let other = json!({ "attributes": [{ "name": "mac", "value": 5 }], "auth_sets": [{ "id": "a" }, { "id": "b" }], "id": "d" });
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(
            canonical(&other),
            r#"{"attributes":[{"name":"mac","value":5}],"auth_sets":[{"id":"a"},{"id":"b"}],"id":"d"}"#
        );
        assert_ne!(canonical(&one), canonical(&json!({ "id": "e" })));
    }
}
