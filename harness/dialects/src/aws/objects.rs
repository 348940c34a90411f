//! Objects of an account to be attacked: made by their owner with a canary in them, looked at, removed.

use super::things::pages;
use super::{ROOT, ask, papers, send, text};
use crate::mender::fill::{Fills, encoded};
use crate::mender::objects::{Have, Made, Thing};
use crate::mender::{Mender, Session};
use crate::{Answer, DialectError, Request, Result};
use fleetproof_claims::model::{Kind, Surface};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// An account that nobody has: what is offered to it stays on its way.
pub const NOBODY: &str = "100000000001";

/// The longest name of a template, and the longest id of a job. Others are longer than names of canaries get.
const TEMPLATE_NAME: usize = 36;
const JOB_ID: usize = 64;

/// What can be made in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A thing.
    Thing,
    /// A group with a thing in it.
    Group,
    /// A certificate that is not active.
    Certificate,
    /// A policy with one version.
    Policy,
    /// A policy with a second version, which is not the default.
    Versioned,
    /// A certificate with a policy, attached to a thing.
    Attachment,
    /// An authority that is not active.
    Authority,
    /// An authority that is, with a certificate that it signed.
    Signer,
    /// A job for a thing that never takes it.
    Job,
    /// A provisioning template.
    Template,
    /// A certificate that is offered to another account.
    Transfer,
    /// A certificate that another account offers to this one: [`offer`] makes it.
    Offer,
    /// Which events the account is told of.
    Events,
    /// What a client needs to connect: a certificate that is active, with a policy, attached to a thing.
    Client,
}

impl Item {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Thing,
        Self::Group,
        Self::Certificate,
        Self::Policy,
        Self::Versioned,
        Self::Attachment,
        Self::Authority,
        Self::Signer,
        Self::Job,
        Self::Template,
        Self::Transfer,
        Self::Offer,
        Self::Events,
        Self::Client,
    ];

    /// What an account has of each kind, in the order in which it is made: what is attached and aimed at comes first.
    pub const ESTATE: [Self; 8] = [
        Self::Thing,
        Self::Attachment,
        Self::Group,
        Self::Signer,
        Self::Job,
        Self::Template,
        Self::Transfer,
        Self::Events,
    ];

    /// What to make for a kind of object; `None` for kinds that are not made.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Thing | Kind::ThingArn | Kind::Query => Self::Thing,
            Kind::ThingGroup | Kind::ParentGroup => Self::Group,
            Kind::Certificate | Kind::Principal | Kind::Pem => Self::Certificate,
            Kind::Signed => Self::Signer,
            Kind::Authority | Kind::AuthorityPem => Self::Authority,
            Kind::Policy => Self::Policy,
            Kind::PolicyVersion => Self::Versioned,
            Kind::Job => Self::Job,
            Kind::Template => Self::Template,
            Kind::Transfer => Self::Transfer,
            Kind::Offer => Self::Offer,
            Kind::Events => Self::Events,
            Kind::Client => Self::Client,
            _ => return None,
        })
    }

    /// Its word in looks.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::Group => "thing group",
            Self::Certificate => "certificate",
            Self::Policy | Self::Versioned => "policy",
            Self::Attachment => "certificate with policy and thing",
            Self::Authority | Self::Signer => "authority",
            Self::Job => "job",
            Self::Template => "template",
            Self::Transfer => "certificate on its way",
            Self::Offer => "offered certificate",
            Self::Events => "events",
            Self::Client => "client",
        }
    }

    /// The operation that makes it.
    #[must_use]
    pub fn maker(self) -> &'static str {
        match self {
            Self::Thing => "CreateThing",
            Self::Group => "CreateThingGroup",
            Self::Certificate => "RegisterCertificateWithoutCA",
            Self::Policy => "CreatePolicy",
            Self::Versioned => "CreatePolicyVersion",
            Self::Attachment | Self::Client => "AttachThingPrincipal",
            Self::Authority | Self::Signer => "RegisterCACertificate",
            Self::Job => "CreateJob",
            Self::Template => "CreateProvisioningTemplate",
            Self::Transfer | Self::Offer => "TransferCertificate",
            Self::Events => "UpdateEventConfigurations",
        }
    }

    /// Makes one, with the canary in its name and wherever else it takes text.
    pub(crate) async fn make(self, mender: &Mender, by: &Session, made: Made, have: &Have) -> Result<Made> {
        let name = made.name.clone();
        let put = async |method: &str, path: String, body: Value| ask(mender, by, method, &path, Some(&body)).await;
        match self {
            Self::Thing => {
                let body = json!({ "attributePayload": { "attributes": { "mark": name } } });
                let answer = put("POST", format!("/things/{name}"), body).await?;
                let arn = text(&answer.json().unwrap_or_default(), "thingArn");
                let query = format!("thingName:{name}");
                Ok(made.with(Kind::Thing, name).with(Kind::ThingArn, arn).with(Kind::Query, query))
            }
            Self::Group => {
                let (made, thing, _) = with_thing(mender, by, made, have).await?;
                let body = json!({ "thingGroupProperties": { "thingGroupDescription": name } });
                put("POST", format!("/thing-groups/{name}"), body).await?;
                let pair = json!({ "thingGroupName": name, "thingName": thing });
                put("PUT", "/thing-groups/addThingToThingGroup".to_owned(), pair).await?;
                Ok(made.with(Kind::Thing, thing).with(Kind::ThingGroup, &name).with(Kind::ParentGroup, name))
            }
            Self::Certificate => certificate(mender, by, made).await,
            Self::Policy => {
                put("POST", format!("/policies/{name}"), document(ANYWHERE, &name)).await?;
                Ok(made.with(Kind::Policy, name).with(Kind::PolicyVersion, "1"))
            }
            Self::Versioned => {
                put("POST", format!("/policies/{name}"), document(ANYWHERE, &name)).await?;
                put("POST", format!("/policies/{name}/version"), document(ANYWHERE, &name)).await?;
                Ok(made.with(Kind::Policy, name).with(Kind::PolicyVersion, "2"))
            }
            Self::Attachment => {
                let (made, thing, _) = with_thing(mender, by, made, have).await?;
                let mut made = certificate(mender, by, made).await?.with(Kind::Thing, &thing);
                let arn = made.id(Kind::Principal).unwrap_or_default().to_owned();
                let home = arn.rsplit_once(':').map_or("", |(home, _)| home);
                put("POST", format!("/policies/{name}"), document(home, &name)).await?;
                let policy = Made::new(Thing::Registered(Self::Policy), &name);
                made.helpers.push(policy.with(Kind::Policy, &name).with(Kind::PolicyVersion, "1"));
                put("PUT", format!("/target-policies/{name}"), json!({ "target": arn })).await?;
                let attach = Request::new("PUT", format!("{ROOT}/things/{thing}/principals"));
                send(mender, by, attach.header("x-amzn-principal", arn)).await?;
                Ok(made)
            }
            Self::Client => {
                let made = Box::pin(Self::Attachment.make(mender, by, made, have)).await?;
                let path = format!("/certificates/{}?newStatus=ACTIVE", made.id(Kind::Certificate).unwrap_or_default());
                ask(mender, by, "PUT", &path, None).await?;
                Ok(made.with(Kind::Client, name))
            }
            Self::Authority | Self::Signer => {
                let pem = papers::authority_pem(mender, &name)?;
                let body = json!({ "caCertificate": pem, "certificateMode": "SNI_ONLY" });
                let path = format!("/cacertificate?setAsActive={}", self == Self::Signer);
                let answer = put("POST", path, body).await?;
                let id = text(&answer.json().unwrap_or_default(), "certificateId");
                let made = made.with(Kind::Authority, id).with(Kind::AuthorityPem, pem);
                Ok(if self == Self::Signer {
                    made.with(Kind::Signed, papers::signed_pem(mender, &name)?)
                } else {
                    made
                })
            }
            Self::Job => {
                let (made, thing, arn) = with_thing(mender, by, made, have).await?;
                let id = short(&name, JOB_ID);
                let body =
                    json!({ "targets": [arn], "document": json!({ "mark": name }).to_string(), "description": name });
                put("PUT", format!("/jobs/{id}"), body).await?;
                Ok(made.with(Kind::Thing, thing).with(Kind::Job, id))
            }
            Self::Template => {
                let short = short(&name, TEMPLATE_NAME);
                let body =
                    json!({ "templateName": short, "description": name, "templateBody": TEMPLATE, "enabled": true });
                put("POST", "/provisioning-templates".to_owned(), body).await?;
                Ok(made.with(Kind::Template, short))
            }
            Self::Transfer => {
                let made = certificate(mender, by, made).await?;
                let id = made.id(Kind::Certificate).unwrap_or_default().to_owned();
                give(mender, by, &id, NOBODY, &name).await?;
                Ok(on_its_way(made, Kind::Transfer, id))
            }
            // Nobody offers anything to oneself.
            Self::Offer => Ok(made),
            Self::Events => {
                let mut made = made;
                made.former = ask(mender, by, "GET", "/event-configurations", None).await?.json();
                let body = json!({ "eventConfigurations": { "JOB": { "Enabled": true } } });
                put("PATCH", "/event-configurations".to_owned(), body).await?;
                Ok(made)
            }
        }
    }

    /// Removes one. What is gone already is no error.
    pub(crate) async fn remove(self, mender: &Mender, by: &Session, made: &Made) -> Result<()> {
        let id = |kind: Kind| made.ids.get(&kind).map(String::as_str).unwrap_or_default();
        match self {
            Self::Thing => drop_thing(mender, by, id(Kind::Thing)).await,
            Self::Group => {
                gone(ask(mender, by, "DELETE", &format!("/thing-groups/{}", id(Kind::ThingGroup)), None).await)
            }
            Self::Certificate | Self::Attachment | Self::Client => {
                drop_certificate(mender, by, id(Kind::Certificate)).await
            }
            Self::Policy | Self::Versioned => drop_policy(mender, by, id(Kind::Policy)).await,
            Self::Authority | Self::Signer => drop_authority(mender, by, id(Kind::Authority)).await,
            Self::Job => drop_job(mender, by, id(Kind::Job)).await,
            Self::Template => drop_template(mender, by, id(Kind::Template)).await,
            Self::Transfer => drop_certificate(mender, by, id(Kind::Transfer)).await,
            Self::Offer => {
                if let Some(giver) = &made.giver {
                    drop_certificate(mender, giver, id(Kind::Offer)).await?;
                }
                drop_certificate(mender, by, id(Kind::Offer)).await
            }
            Self::Events => match made.former.as_ref().filter(|former| former.get("eventConfigurations").is_some()) {
                Some(former) => ask(mender, by, "PATCH", "/event-configurations", Some(former)).await.map(drop),
                None => Ok(()),
            },
        }
    }

    /// What its owner sees of one, by what was asked.
    pub(crate) async fn look(self, mender: &Mender, by: &Session, made: &Made) -> Result<Map<String, Value>> {
        let id = |kind: Kind| made.id(kind).unwrap_or_default();
        let mut seen = Map::new();
        let thing = |name: &str| {
            let parts = ["", "/thing-groups", "/principals", "/jobs"];
            parts.map(|part| ("GET", format!("/things/{name}{part}"))).to_vec()
        };
        let certificate = |id: &str| vec![("GET", format!("/certificates/{id}"))];
        let attached = |arn: &str| ("POST", format!("/attached-policies/{}", encoded(arn)));
        let policy = |name: &str| {
            vec![
                ("GET", format!("/policies/{name}")),
                ("GET", format!("/policies/{name}/version")),
                ("POST", format!("/policy-targets/{name}")),
            ]
        };
        let mut asks: Vec<(&str, String)> = match self {
            Self::Thing => thing(id(Kind::Thing)),
            Self::Group => {
                let group = format!("/thing-groups/{}", id(Kind::ThingGroup));
                vec![("GET", group.clone()), ("GET", format!("{group}/things"))]
            }
            Self::Certificate => certificate(id(Kind::Certificate)),
            Self::Policy | Self::Versioned => policy(id(Kind::Policy)),
            Self::Attachment | Self::Client => [certificate(id(Kind::Certificate)), policy(id(Kind::Policy))].concat(),
            Self::Authority | Self::Signer => {
                let authority = id(Kind::Authority);
                let path = format!("/cacertificate/{authority}");
                vec![("GET", path), ("GET", format!("/certificates-by-ca/{authority}"))]
            }
            Self::Job => {
                let job = format!("/jobs/{}", id(Kind::Job));
                vec![("GET", job.clone()), ("GET", format!("{job}/things"))]
            }
            Self::Template => vec![("GET", format!("/provisioning-templates/{}", id(Kind::Template)))],
            Self::Transfer => certificate(id(Kind::Transfer)),
            Self::Offer => certificate(id(Kind::Offer)),
            Self::Events => vec![("GET", "/event-configurations".to_owned())],
        };
        if matches!(self, Self::Certificate | Self::Attachment | Self::Client) {
            asks.push(attached(id(Kind::Principal)));
        }
        if self != Self::Thing && made.ids.contains_key(&Kind::Thing) {
            asks.extend(thing(id(Kind::Thing)));
        }
        // Who is offered something sees nothing of it before it is taken: the giver does.
        let by = made.giver.as_ref().unwrap_or(by);
        for (method, path) in asks {
            let request = Request::new(method, format!("{ROOT}{path}"));
            let answer = mender.send(by, crate::mender::Door::Gateway, request).await?;
            seen.insert(path, answer.json().filter(|_| answer.is_success()).unwrap_or_else(|| json!(answer.status)));
        }
        Ok(seen)
    }
}

/// The thing that `have` names, or one made for this object: its name and its ARN.
async fn with_thing(mender: &Mender, by: &Session, mut made: Made, have: &Have) -> Result<(Made, String, String)> {
    if let (Some(name), Some(arn)) = (have.get(&Kind::Thing), have.get(&Kind::ThingArn)) {
        return Ok((made, name.clone(), arn.clone()));
    }
    let fresh = Made::new(Thing::Registered(Item::Thing), &made.name);
    let thing = Box::pin(Item::Thing.make(mender, by, fresh, &Have::new())).await?;
    let of = |kind: Kind| thing.id(kind).unwrap_or_default().to_owned();
    let (name, arn) = (of(Kind::Thing), of(Kind::ThingArn));
    made.helpers.push(thing);
    Ok((made, name, arn))
}

async fn certificate(mender: &Mender, by: &Session, made: Made) -> Result<Made> {
    let pem = papers::pem(mender, &made.name)?;
    let body = json!({ "certificatePem": pem, "status": "INACTIVE" });
    let answer = ask(mender, by, "POST", "/certificate/register-no-ca", Some(&body)).await?.json().unwrap_or_default();
    let (id, arn) = (text(&answer, "certificateId"), text(&answer, "certificateArn"));
    Ok(made.with(Kind::Certificate, id).with(Kind::Principal, arn).with(Kind::Pem, pem))
}

/// Offers a certificate to an account.
async fn give(mender: &Mender, by: &Session, id: &str, account: &str, message: &str) -> Result<()> {
    let path = format!("/transfer-certificate/{id}?targetAwsAccount={account}");
    ask(mender, by, "PATCH", &path, Some(&json!({ "transferMessage": message }))).await.map(drop)
}

/// A certificate that is on its way is none that could be used otherwise.
fn on_its_way(mut made: Made, kind: Kind, id: String) -> Made {
    made.ids.clear();
    made.with(kind, id)
}

/// Makes a certificate in the account of `giver`, and offers it to the account of `to`.
///
/// # Errors
/// As every verb.
pub async fn offer(mender: &Mender, giver: &Session, to: &Session, canary: &str) -> Result<Made> {
    let who = ask(mender, to, "GET", "/caller-identity", None).await?.json().unwrap_or_default();
    let made = certificate(mender, giver, Made::new(Thing::Registered(Item::Offer), canary)).await?;
    let id = made.id(Kind::Certificate).unwrap_or_default().to_owned();
    give(mender, giver, &id, &text(&who, "Account"), canary).await?;
    let mut made = on_its_way(made, Kind::Offer, id);
    made.giver = Some(giver.clone());
    Ok(made)
}

/// The places in which nobody needs to be let in.
const ANYWHERE: &str = "arn:aws:iot:*:*";

/// A policy in whose document the canary stands: it lets a client of that name in at `home`, the place of an ARN.
fn document(home: &str, name: &str) -> Value {
    let resource = format!("{home}:client/{name}");
    let statement = json!([{ "Effect": "Allow", "Action": "iot:Connect", "Resource": resource }]);
    json!({ "policyDocument": json!({ "Version": "2012-10-17", "Statement": statement }).to_string() })
}

/// The least that a template can be.
const TEMPLATE: &str = r#"{"Resources":{"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}}}}"#;

/// A name of at most `most` letters: another one where that is too short for it.
fn short(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let digest: String = Sha256::digest(name).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("canary-{digest}")
}

/// What is gone already, or ended already, need not be removed.
fn gone(result: Result<Answer>) -> Result<()> {
    match result {
        Err(error) if !matches!(error.status(), Some(404 | 406 | 409)) => Err(error),
        _ => Ok(()),
    }
}

fn is(error: &DialectError, statuses: &[u16]) -> bool {
    error.status().is_some_and(|status| statuses.contains(&status))
}

async fn detach(mender: &Mender, by: &Session, thing: &str, arn: &str) -> Result<()> {
    let detach = Request::new("DELETE", format!("{ROOT}/things/{thing}/principals"));
    gone(send(mender, by, detach.header("x-amzn-principal", arn)).await)
}

async fn drop_thing(mender: &Mender, by: &Session, name: &str) -> Result<()> {
    let path = format!("/things/{name}");
    match ask(mender, by, "DELETE", &path, None).await {
        // Something is attached to it.
        Err(error) if is(&error, &[400]) => {
            for arn in listed(mender, by, &format!("/things/{name}/principals"), "principals").await? {
                detach(mender, by, name, arn.as_str().unwrap_or_default()).await?;
            }
            gone(ask(mender, by, "DELETE", &path, None).await)
        }
        other => gone(other),
    }
}

/// Takes a certificate away, with all that is attached to it, also when it is on its way.
async fn drop_certificate(mender: &Mender, by: &Session, id: &str) -> Result<()> {
    let inactive = format!("/certificates/{id}?newStatus=INACTIVE");
    match ask(mender, by, "PUT", &inactive, None).await {
        Err(error) if is(&error, &[404]) => return Ok(()),
        Err(error) if is(&error, &[406]) => {
            gone(ask(mender, by, "PATCH", &format!("/cancel-certificate-transfer/{id}"), None).await)?;
            gone(ask(mender, by, "PUT", &inactive, None).await)?;
        }
        other => drop::<Answer>(other?),
    }
    let path = format!("/certificates/{id}?forceDelete=true");
    match ask(mender, by, "DELETE", &path, None).await {
        Err(error) if is(&error, &[409]) => {
            let shown = ask(mender, by, "GET", &format!("/certificates/{id}"), None).await?.json().unwrap_or_default();
            let arn =
                shown.get("certificateDescription").map(|shown| text(shown, "certificateArn")).unwrap_or_default();
            let list = Request::new("GET", format!("{ROOT}/principals/things"));
            let things =
                send(mender, by, list.header("x-amzn-principal", arn.clone())).await?.json().unwrap_or_default();
            for thing in things.get("things").and_then(Value::as_array).into_iter().flatten() {
                detach(mender, by, thing.as_str().unwrap_or_default(), &arn).await?;
            }
            gone(ask(mender, by, "DELETE", &path, None).await)
        }
        other => gone(other),
    }
}

/// Takes a policy away, with its versions and from whatever it is attached to.
async fn drop_policy(mender: &Mender, by: &Session, name: &str) -> Result<()> {
    let path = format!("/policies/{name}");
    match ask(mender, by, "DELETE", &path, None).await {
        Err(error) if is(&error, &[409]) => {}
        other => return gone(other),
    }
    let targets = ask(mender, by, "POST", &format!("/policy-targets/{name}"), None).await?.json().unwrap_or_default();
    for arn in targets.get("targets").and_then(Value::as_array).into_iter().flatten() {
        gone(ask(mender, by, "POST", &format!("/target-policies/{name}"), Some(&json!({ "target": arn }))).await)?;
    }
    let versions = ask(mender, by, "GET", &format!("{path}/version"), None).await?.json().unwrap_or_default();
    let versions = versions.get("policyVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    for version in versions.iter().filter(|version| version.get("isDefaultVersion") != Some(&json!(true))) {
        gone(ask(mender, by, "DELETE", &format!("{path}/version/{}", text(version, "versionId")), None).await)?;
    }
    gone(ask(mender, by, "DELETE", &path, None).await)
}

async fn drop_authority(mender: &Mender, by: &Session, id: &str) -> Result<()> {
    gone(ask(mender, by, "PUT", &format!("/cacertificate/{id}?newStatus=INACTIVE"), None).await)?;
    gone(ask(mender, by, "DELETE", &format!("/cacertificate/{id}"), None).await)
}

async fn drop_job(mender: &Mender, by: &Session, id: &str) -> Result<()> {
    gone(ask(mender, by, "DELETE", &format!("/jobs/{id}?force=true"), None).await)
}

async fn drop_template(mender: &Mender, by: &Session, name: &str) -> Result<()> {
    gone(ask(mender, by, "DELETE", &format!("/provisioning-templates/{name}"), None).await)
}

/// Removes what a successful request to `surface` made in the account of `by`.
///
/// # Errors
/// As every verb.
pub async fn undo(mender: &Mender, by: &Session, surface: &Surface, fills: &Fills, answer: &Answer) -> Result<()> {
    let body = answer.json().unwrap_or_default();
    let named = |key: &str| fills.slots.get(key).and_then(|values| values.first()).map_or("", String::as_str);
    match surface.object {
        Kind::Thing => drop_thing(mender, by, named("path:thingName")).await,
        Kind::ThingGroup => {
            gone(ask(mender, by, "DELETE", &format!("/thing-groups/{}", named("path:thingGroupName")), None).await)
        }
        Kind::Certificate => {
            drop_certificate(mender, by, &text(&body, "certificateId")).await?;
            match named("path:templateName") {
                "" => Ok(()),
                // A claim has a policy that is made for its template.
                template => drop_policy(mender, by, &format!("provisioning-claim-{template}")).await,
            }
        }
        Kind::Authority => drop_authority(mender, by, &text(&body, "certificateId")).await,
        Kind::Policy => drop_policy(mender, by, named("path:policyName")).await,
        Kind::PolicyVersion => {
            let (policy, version) = (named("path:policyName"), text(&body, "policyVersionId"));
            gone(ask(mender, by, "DELETE", &format!("/policies/{policy}/version/{version}"), None).await)
        }
        Kind::Job => drop_job(mender, by, named("path:jobId")).await,
        Kind::Template => drop_template(mender, by, named("body:templateName")).await,
        _ => Ok(()),
    }
}

/// All entries of a list of the account.
async fn listed(mender: &Mender, by: &Session, path: &str, name: &str) -> Result<Vec<Value>> {
    let (size, token, next) = match name {
        "certificates" | "policies" => ("pageSize", "marker", "nextMarker"),
        _ => ("maxResults", "nextToken", "nextToken"),
    };
    pages(mender, by, &format!("{path}?{size}=250"), name, (token, next)).await
}

/// The list that a change to objects of a kind would show in, as its account sees it; `Null` where there is none.
///
/// # Errors
/// As every verb.
pub async fn digest(mender: &Mender, by: &Session, kind: Kind) -> Result<Value> {
    let (path, name) = match kind {
        Kind::Thing | Kind::ThingArn | Kind::Query => ("/things", "things"),
        Kind::ThingGroup | Kind::ParentGroup => ("/thing-groups", "thingGroups"),
        Kind::Certificate | Kind::Principal | Kind::Pem | Kind::Signed | Kind::Offer | Kind::Transfer => {
            ("/certificates", "certificates")
        }
        Kind::Authority | Kind::AuthorityPem => ("/cacertificates", "certificates"),
        Kind::Policy | Kind::PolicyVersion => ("/policies", "policies"),
        Kind::Job => ("/jobs", "jobs"),
        Kind::Template => ("/provisioning-templates", "templates"),
        Kind::Events => {
            return Ok(ask(mender, by, "GET", "/event-configurations", None).await?.json().unwrap_or_default());
        }
        _ => return Ok(Value::Null),
    };
    Ok(Value::Array(listed(mender, by, path, name).await?))
}

/// Removes whatever stands in the account of `by` under a name for which `is_stray` says yes.
///
/// # Errors
/// As every verb.
pub async fn sweep(mender: &Mender, by: &Session, is_stray: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    let strays = async |path: &str, list: &str, name: &str| -> Result<Vec<String>> {
        let all = listed(mender, by, path, list).await?;
        Ok(all.iter().map(|row| text(row, name)).filter(|name| is_stray(name)).collect())
    };
    for id in strays("/jobs", "jobs", "jobId").await? {
        drop_job(mender, by, &id).await?;
    }
    for name in strays("/thing-groups", "thingGroups", "groupName").await? {
        gone(ask(mender, by, "DELETE", &format!("/thing-groups/{name}"), None).await)?;
    }
    for name in strays("/policies", "policies", "policyName").await? {
        drop_policy(mender, by, &name).await?;
    }
    for name in strays("/things", "things", "thingName").await? {
        drop_thing(mender, by, &name).await?;
    }
    for row in listed(mender, by, "/provisioning-templates", "templates").await? {
        if is_stray(&text(&row, "templateName")) || is_stray(&text(&row, "description")) {
            drop_template(mender, by, &text(&row, "templateName")).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_are_others_and_each_its_own() {
        let (one, other) = (format!("canary-{}-1", "x".repeat(60)), format!("canary-{}-2", "x".repeat(60)));
        assert_eq!(short("stray-1", TEMPLATE_NAME), "stray-1");
        for most in [TEMPLATE_NAME, JOB_ID] {
            assert!(short(&one, most).len() <= most);
            assert_ne!(short(&one, most), short(&other, most));
        }
    }
}
