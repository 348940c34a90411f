//! RegisterThing: a template, a token and parameters become a list of what is to be made.

use super::Format;
use super::template::{OF_CERTIFICATE, PolicyPart};
use super::token::{read, text};
use super::{
    Caller, CertificateStatus, Conflict, Defect, Operation, Ownership, ProvisionError, Request, Rules, Template,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Parameters that a device may send, and bytes of each name and value.
const PARAMETERS: usize = 64;
const NAME_BYTES: usize = 128;
const VALUE_BYTES: usize = 1024;

/// A request, checked for its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The template that is asked for.
    pub template: String,
    /// The secret that the owner finds the [`Ownership`] by.
    pub token: String,
    /// What the device says; the hook sees all of it, the template only what it declares.
    pub parameters: BTreeMap<String, String>,
}

impl Registration {
    /// Reads a request.
    ///
    /// # Errors
    /// The format, the payload, a field or a parameter is not as it must be.
    pub fn read(rules: &Rules, request: &Request, payload: &[u8]) -> Result<Self, ProvisionError> {
        let Operation::Register(template) = &request.operation else { return Err(ProvisionError::InvalidPayload) };
        if request.format == Format::Cbor {
            return Err(ProvisionError::UnsupportedFormat("CBOR"));
        }
        let fields = read(payload, false)?;
        let token = text(&fields, "certificateOwnershipToken")?.to_owned();
        let parameters = match fields.get("parameters") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(sent)) if sent.len() <= PARAMETERS => sent
                .iter()
                .map(|(name, value)| match value.as_str() {
                    Some(value) if good(rules, name, value) => Ok((name.clone(), value.to_owned())),
                    _ => Err(ProvisionError::ParameterInvalid(name.chars().take(NAME_BYTES).collect())),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(ProvisionError::Field("parameters")),
        };
        Ok(Self { template: template.clone(), token, parameters })
    }
}

fn good(rules: &Rules, name: &str, value: &str) -> bool {
    let of_certificate = name.starts_with("AWS::") && !rules.has(Defect::ParameterOverCertificate);
    !of_certificate && (1..=NAME_BYTES).contains(&name.len()) && value.len() <= VALUE_BYTES
}

/// The certificate that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its id.
    pub id: String,
    /// Itself (PEM).
    pub pem: String,
    /// What it says: `CommonName`, `Organization`, `SerialNumber`, … .
    pub fields: BTreeMap<String, String>,
}

/// What the pre-provisioning hook is asked. It has five seconds.
#[must_use]
pub fn hook_request(
    caller: &Caller,
    registration: &Registration,
    certificate: &Certificate,
    template_arn: &str,
) -> Value {
    json!({
        "claimCertificateId": caller.principal,
        "certificateId": certificate.id,
        "certificatePem": certificate.pem,
        "templateArn": template_arn,
        "clientId": caller.client_id,
        "parameters": registration.parameters,
    })
}

/// A thing to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingPlan {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups it joins.
    pub groups: Vec<String>,
    /// The billing group it joins.
    pub billing_group: Option<String>,
    /// Where the thing exists: what becomes of its attributes.
    pub on_attributes: Conflict,
    /// Of its type.
    pub on_type: Conflict,
    /// Of its groups.
    pub on_groups: Conflict,
}

/// A policy to be attached to the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyPlan {
    /// One that exists.
    Named(String),
    /// One to be made of this document; the owner names it by the document's hash.
    Document(String),
}

/// Everything to be made, together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The certificate.
    pub certificate_id: String,
    /// What becomes of it, last of all.
    pub status: CertificateStatus,
    /// The thing, to which the certificate is attached.
    pub thing: Option<ThingPlan>,
    /// The policies.
    pub policies: Vec<PolicyPlan>,
    /// The answer on `…/accepted`.
    pub accepted: Value,
    /// What is kept of the token: spent.
    pub ownership: Ownership,
}

/// Decides a registration at `now` (seconds since 1970). `ownership` is what the token was found to stand for, `template` what
/// the name was; `hook` is the hook's answer where the template has one (`None` inside: it failed or took too long).
///
/// # Errors
/// The token is not good here, the claim is over, the hook says no, or the template makes nothing of these parameters.
pub fn plan(
    now: u64,
    rules: &Rules,
    caller: &Caller,
    registration: &Registration,
    template: Option<&Template>,
    ownership: Option<(&Ownership, &Certificate)>,
    hook: Option<Option<&Value>>,
) -> Result<Plan, ProvisionError> {
    caller.check(now, rules, Some(&registration.template))?;
    let template = template.ok_or_else(|| ProvisionError::NoTemplate(registration.template.clone()))?;
    let (ownership, certificate) = ownership.ok_or(ProvisionError::InvalidToken)?;
    ownership.check(now, rules, caller)?;
    if ownership.certificate_id != certificate.id {
        return Err(ProvisionError::InvalidToken);
    }
    let overrides = match hook {
        None => BTreeMap::new(),
        Some(answer) => hear(rules, answer)?,
    };

    let names = names(rules, template, registration, certificate, overrides)?;
    let id = template.certificate.1.make(&names)?;
    if id != certificate.id {
        return Err(ProvisionError::Outcome(
            "The template's CertificateId is not the certificate of the token.".to_owned(),
        ));
    }
    let mut thing = None;
    if let Some(part) = &template.thing {
        let name = named("ThingName", part.name.make(&names)?, 128, b":_-")?;
        let make =
            |expression: &Option<super::Expression>| expression.as_ref().map(|found| found.make(&names)).transpose();
        let mut attributes = BTreeMap::new();
        for (key, value) in &part.attributes {
            attributes.insert(key.clone(), named_value(key, value.make(&names)?)?);
        }
        let groups = part.groups.iter().map(|group| named("ThingGroups", group.make(&names)?, 128, b":_-"));
        thing = Some(ThingPlan {
            name,
            type_name: make(&part.type_name)?.map(|name| named("ThingTypeName", name, 128, b":_-")).transpose()?,
            attributes,
            groups: groups.collect::<Result<_, _>>()?,
            billing_group: make(&part.billing_group)?
                .map(|name| named("BillingGroup", name, 128, b":_-"))
                .transpose()?,
            on_attributes: part.on_attributes,
            on_type: part.on_type,
            on_groups: part.on_groups,
        });
    }
    let policies = template.policies.iter().map(|part| match part {
        PolicyPart::Named(name) => Ok(PolicyPlan::Named(named("PolicyName", name.make(&names)?, 128, b"_+=,.@-")?)),
        PolicyPart::Document(document) => Ok(PolicyPlan::Document(document.make(&names)?)),
    });
    let policies = policies.collect::<Result<_, ProvisionError>>()?;
    let mut accepted = json!({ "deviceConfiguration": template.device_configuration });
    if let (Some(thing), Value::Object(fields)) = (&thing, &mut accepted) {
        fields.insert("thingName".to_owned(), thing.name.clone().into());
    }
    let ownership = Ownership { spent: true, ..ownership.clone() };
    Ok(Plan { certificate_id: id, status: template.certificate.2, thing, policies, accepted, ownership })
}

/// What the hook said: `{"allowProvisioning": true, "parameterOverrides": {…}}`. Silence is a no.
fn hear(rules: &Rules, answer: Option<&Value>) -> Result<BTreeMap<String, String>, ProvisionError> {
    let none = Map::new();
    let allowed = answer.and_then(|answer| answer.get("allowProvisioning")) == Some(&Value::Bool(true));
    if !allowed && !rules.has(Defect::HookNotHeard) {
        return Err(ProvisionError::AccessDenied("The pre-provisioning hook did not allow this device."));
    }
    let overrides = match answer.and_then(|answer| answer.get("parameterOverrides")) {
        None | Some(Value::Null) => &none,
        Some(Value::Object(overrides)) => overrides,
        Some(_) => return Err(ProvisionError::AccessDenied("The hook's parameterOverrides is no object.")),
    };
    overrides
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(value) if good(rules, name, value) => Ok((name.clone(), value.to_owned())),
            _ => Err(ProvisionError::AccessDenied("The hook's parameterOverrides holds what no parameter can be.")),
        })
        .collect()
}

/// What names stand for: the default, over it what the device says, over it what the hook says; and the certificate's facts.
fn names(
    rules: &Rules,
    template: &Template,
    registration: &Registration,
    certificate: &Certificate,
    mut overrides: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    let mut names = BTreeMap::new();
    for (name, default) in &template.parameters {
        let sent = || registration.parameters.get(name).cloned();
        let value = overrides.remove(name).or_else(sent).or_else(|| default.clone());
        names.insert(name.clone(), value.ok_or_else(|| ProvisionError::ParameterMissing(name.clone()))?);
    }
    names.insert(template.certificate.0.clone(), certificate.id.clone());
    names.insert(format!("{OF_CERTIFICATE}Id"), certificate.id.clone());
    for (field, value) in &certificate.fields {
        names.insert(format!("{OF_CERTIFICATE}{field}"), value.clone());
    }
    if rules.has(Defect::ParameterOverCertificate) {
        let forged = registration.parameters.iter().filter(|(name, _)| name.starts_with(OF_CERTIFICATE));
        names.extend(forged.map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(names)
}

fn named(what: &str, name: String, most: usize, extra: &[u8]) -> Result<String, ProvisionError> {
    let good =
        (1..=most).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
    if good {
        Ok(name)
    } else {
        let extra = String::from_utf8_lossy(extra);
        Err(ProvisionError::Outcome(format!("{what} \"{name}\" is not 1 to {most} letters, digits or \"{extra}\".")))
    }
}

/// `[a-zA-Z0-9_.,@/:#-]*`, up to 800 bytes.
fn named_value(key: &str, value: String) -> Result<String, ProvisionError> {
    if value.is_empty() { Ok(value) } else { named(key, value, 800, b"_.,@/:#-") }
}
