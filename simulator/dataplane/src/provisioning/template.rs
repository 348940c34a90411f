//! A template's body: what it asks a device for, and what it makes.

use super::{Expression, ProvisionError};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a body (quota "template size").
const BODY_BYTES: usize = 10_240;
/// What the certificate says of itself; a device cannot say it.
pub(crate) const OF_CERTIFICATE: &str = "AWS::IoT::Certificate::";
const FACTS: [&str; 8] = [
    "Id",
    "Country",
    "Organization",
    "OrganizationalUnit",
    "DistinguishedNameQualifier",
    "StateName",
    "CommonName",
    "SerialNumber",
];

/// What to do where a resource exists already (`OverrideSettings`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Leave it as it is.
    DoNothing,
    /// Put the new in place of the old.
    Replace,
    /// Refuse the registration.
    Fail,
    /// Keep what is not named (attributes only).
    Merge,
}

/// What becomes of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// It opens the door.
    Active,
    /// It does not yet.
    Inactive,
}

/// The thing that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ThingPart {
    pub(crate) name: Expression,
    pub(crate) type_name: Option<Expression>,
    pub(crate) attributes: BTreeMap<String, Expression>,
    pub(crate) groups: Vec<Expression>,
    pub(crate) billing_group: Option<Expression>,
    pub(crate) on_attributes: Conflict,
    pub(crate) on_type: Conflict,
    pub(crate) on_groups: Conflict,
}

/// A policy that is made or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PolicyPart {
    Named(Expression),
    Document(Expression),
}

/// A body that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Names, and defaults where there are some.
    pub(crate) parameters: BTreeMap<String, Option<String>>,
    pub(crate) thing: Option<ThingPart>,
    /// The certificate's logical name, which id it has, and what becomes of it.
    pub(crate) certificate: (String, Expression, CertificateStatus),
    pub(crate) policies: Vec<PolicyPart>,
    pub(crate) device_configuration: Map<String, Value>,
}

fn wrong(place: &str, why: &str) -> ProvisionError {
    ProvisionError::InvalidTemplate(format!("{place}: {why}."))
}

fn object<'a>(place: &str, value: &'a Value) -> Result<&'a Map<String, Value>, ProvisionError> {
    value.as_object().ok_or_else(|| wrong(place, "expected an object"))
}

impl Template {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ProvisionError::InvalidTemplate`] says where and what.
    pub fn read(body: &str) -> Result<Self, ProvisionError> {
        if body.len() > BODY_BYTES {
            return Err(wrong("template", &format!("the body is longer than {BODY_BYTES} bytes")));
        }
        let body: Value = serde_json::from_str(body).map_err(|error| wrong("template", &error.to_string()))?;
        let body = object("template", &body)?;
        known("template", body, &["Parameters", "Resources", "DeviceConfiguration"])?;
        let parameters = match body.get("Parameters") {
            None => BTreeMap::new(),
            Some(found) => read_parameters(object("Parameters", found)?)?,
        };
        let resources = body.get("Resources").ok_or_else(|| wrong("Resources", "is missing"))?;
        let device_configuration = match body.get("DeviceConfiguration") {
            None => Map::new(),
            Some(found) => object("DeviceConfiguration", found)?.clone(),
        };
        let mut thing = None;
        let mut certificate = None;
        let mut policies = Vec::new();
        for (logical, resource) in object("Resources", resources)? {
            let place = format!("Resources.{logical}");
            let resource = object(&place, resource)?;
            known(&place, resource, &["Type", "Properties", "OverrideSettings"])?;
            let properties = resource.get("Properties").ok_or_else(|| wrong(&place, "Properties is missing"))?;
            let properties = object(&format!("{place}.Properties"), properties)?;
            match resource.get("Type").and_then(Value::as_str) {
                Some("AWS::IoT::Thing") => {
                    let read = read_thing(&place, properties, resource.get("OverrideSettings"))?;
                    if thing.replace(read).is_some() {
                        return Err(wrong(&place, "a template makes one thing"));
                    }
                }
                Some("AWS::IoT::Certificate") => {
                    let (id, status) = read_certificate(&place, properties)?;
                    if certificate.replace((logical.clone(), id, status)).is_some() {
                        return Err(wrong(&place, "a template has one certificate"));
                    }
                }
                Some("AWS::IoT::Policy") => policies.push(read_policy(&place, properties)?),
                _ => return Err(wrong(&place, "Type is AWS::IoT::Thing, AWS::IoT::Certificate or AWS::IoT::Policy")),
            }
        }
        let certificate = certificate.ok_or_else(|| wrong("Resources", "a certificate is missing"))?;
        let template = Self { parameters, thing, certificate, policies, device_configuration };
        template.check_names()?;
        Ok(template)
    }

    /// Every value that is made.
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let thing = self.thing.iter().flat_map(|thing| {
            std::iter::once(&thing.name)
                .chain(&thing.type_name)
                .chain(thing.attributes.values())
                .chain(&thing.groups)
                .chain(&thing.billing_group)
        });
        let policies = self.policies.iter().map(|part| match part {
            PolicyPart::Named(name) => name,
            PolicyPart::Document(document) => document,
        });
        thing.chain(std::iter::once(&self.certificate.1)).chain(policies)
    }

    /// A name that stands for nothing would be found out by the first device.
    fn check_names(&self) -> Result<(), ProvisionError> {
        let mut names = Vec::new();
        self.expressions().for_each(|expression| expression.names(&mut names));
        let names: BTreeSet<&str> = names.into_iter().collect();
        for name in names {
            let fact = name.strip_prefix(OF_CERTIFICATE).is_some_and(|fact| FACTS.contains(&fact));
            if !fact && !self.parameters.contains_key(name) && name != self.certificate.0 {
                return Err(wrong(
                    "Resources",
                    &format!("{name} is neither a parameter nor a fact of the certificate"),
                ));
            }
        }
        Ok(())
    }
}

fn known(place: &str, found: &Map<String, Value>, known: &[&str]) -> Result<(), ProvisionError> {
    match found.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(wrong(place, &format!("{key} is unknown; known are {}", known.join(", ")))),
    }
}

fn read_parameters(found: &Map<String, Value>) -> Result<BTreeMap<String, Option<String>>, ProvisionError> {
    let mut parameters = BTreeMap::new();
    for (name, parameter) in found {
        let place = format!("Parameters.{name}");
        let parameter = object(&place, parameter)?;
        known(&place, parameter, &["Type", "Default"])?;
        if parameter.get("Type").and_then(Value::as_str) != Some("String") {
            return Err(wrong(&place, "Type is String"));
        }
        let default = match parameter.get("Default") {
            None => None,
            Some(Value::String(default)) => Some(default.clone()),
            Some(_) => return Err(wrong(&place, "Default is a text")),
        };
        // A template may name what the certificate says among its parameters; the certificate still says it.
        if !name.starts_with(OF_CERTIFICATE) {
            parameters.insert(name.clone(), default);
        }
    }
    Ok(parameters)
}

fn read_thing(place: &str, found: &Map<String, Value>, settings: Option<&Value>) -> Result<ThingPart, ProvisionError> {
    known(place, found, &["ThingName", "AttributePayload", "ThingTypeName", "ThingGroups", "BillingGroup"])?;
    let read = |key: &str| found.get(key).map(|value| Expression::read(&format!("{place}.{key}"), value)).transpose();
    let mut attributes = BTreeMap::new();
    if let Some(payload) = found.get("AttributePayload") {
        let place = format!("{place}.AttributePayload");
        for (key, value) in object(&place, payload)? {
            attributes.insert(key.clone(), Expression::read(&format!("{place}.{key}"), value)?);
        }
    }
    let groups = match found.get("ThingGroups") {
        None => Vec::new(),
        Some(Value::Array(groups)) => groups
            .iter()
            .map(|group| Expression::read(&format!("{place}.ThingGroups"), group))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong(place, "ThingGroups is a list")),
    };
    let none = Map::new();
    let settings = settings.map_or(Ok(&none), |settings| object(&format!("{place}.OverrideSettings"), settings))?;
    known(&format!("{place}.OverrideSettings"), settings, &["AttributePayload", "ThingTypeName", "ThingGroups"])?;
    Ok(ThingPart {
        name: read("ThingName")?.ok_or_else(|| wrong(place, "ThingName is missing"))?,
        type_name: read("ThingTypeName")?,
        attributes,
        groups,
        billing_group: read("BillingGroup")?,
        on_attributes: conflict(place, settings, "AttributePayload", Conflict::Merge)?,
        on_type: conflict(place, settings, "ThingTypeName", Conflict::Replace)?,
        on_groups: conflict(place, settings, "ThingGroups", Conflict::Replace)?,
    })
}

fn conflict(
    place: &str,
    settings: &Map<String, Value>,
    key: &str,
    default: Conflict,
) -> Result<Conflict, ProvisionError> {
    match settings.get(key).map(Value::as_str) {
        None => Ok(default),
        Some(Some("DO_NOTHING")) => Ok(Conflict::DoNothing),
        Some(Some("REPLACE")) => Ok(Conflict::Replace),
        Some(Some("FAIL")) => Ok(Conflict::Fail),
        Some(Some("MERGE")) if key == "AttributePayload" => Ok(Conflict::Merge),
        Some(_) => {
            Err(wrong(place, &format!("OverrideSettings.{key} is DO_NOTHING, REPLACE or FAIL; attributes also MERGE")))
        }
    }
}

fn read_certificate(
    place: &str,
    found: &Map<String, Value>,
) -> Result<(Expression, CertificateStatus), ProvisionError> {
    known(place, found, &["CertificateId", "Status"])?;
    let id = found.get("CertificateId").ok_or_else(|| wrong(place, "CertificateId is missing"))?;
    let id = Expression::read(&format!("{place}.CertificateId"), id)?;
    let status = match found.get("Status").map(Value::as_str) {
        None => CertificateStatus::Active,
        Some(Some(status)) if status.eq_ignore_ascii_case("active") => CertificateStatus::Active,
        Some(Some(status)) if status.eq_ignore_ascii_case("inactive") => CertificateStatus::Inactive,
        Some(_) => return Err(wrong(place, "Status is ACTIVE or INACTIVE")),
    };
    Ok((id, status))
}

fn read_policy(place: &str, found: &Map<String, Value>) -> Result<PolicyPart, ProvisionError> {
    known(place, found, &["PolicyName", "PolicyDocument"])?;
    match (found.get("PolicyName"), found.get("PolicyDocument")) {
        (Some(name), None) => Ok(PolicyPart::Named(Expression::read(&format!("{place}.PolicyName"), name)?)),
        (None, Some(document)) => {
            Ok(PolicyPart::Document(Expression::read(&format!("{place}.PolicyDocument"), document)?))
        }
        _ => Err(wrong(place, "either PolicyName or PolicyDocument, not both")),
    }
}
