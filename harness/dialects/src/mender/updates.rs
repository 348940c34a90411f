//! Verbs about updates: artifacts, deployments and what became of them on each device.

use super::session::Session;
use super::{Call, Door, Mender, created, json, text, unreadable};
use crate::answer::{DialectError, Result};
use bytes::Bytes;
use fleetproof_wire::artifact;
use fleetproof_wire::http::{Multipart, Request};
use fleetproof_wire::image;
pub use fleetproof_wire::image::Image;
pub use fleetproof_wire::signature::ReleaseKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An update as a scenario declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactSpec {
    /// The artifact's name: what is deployed, and what a device runs afterwards.
    pub name: String,
    /// What is in it, and how it misbehaves.
    pub image: Image,
    /// Bytes of the payload.
    pub size: u64,
    /// The key that it is signed with, if it is.
    pub signed_by: Option<ReleaseKey>,
}

impl ArtifactSpec {
    /// The whole file. The same spec gives the same bytes.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match &self.signed_by {
            Some(key) => image::signed_artifact(&self.name, &self.image, self.size, key),
            None => image::update_artifact(&self.name, &self.image, self.size),
        }
    }

    /// The files in it, by name: SHA-256 in hexadecimal.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, String> {
        let payloads = artifact::read(&self.bytes()).map(|artifact| artifact.payloads).unwrap_or_default();
        payloads.into_iter().flat_map(|payload| payload.files).map(|file| (file.name, file.sha256)).collect()
    }

    fn contents(&self) -> String {
        let Image { version, misbehaves, seed, affects } = &self.image;
        let is_signed = self.signed_by.is_some();
        format!("{} {version} {misbehaves:?} {seed} {affects} {} {is_signed}", self.name, self.size)
    }
}

/// For whom a deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These devices, by id.
    Devices(Vec<String>),
    /// Who is in the group now.
    Group(String),
    /// Whom a saved search finds, also later.
    Filter(String),
}

/// A deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentRow {
    /// The platform's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What is deployed.
    pub artifact_name: String,
    /// `scheduled`, `pending`, `inprogress`, `finished`.
    pub status: String,
    /// How many devices it is for.
    pub device_count: u64,
    /// The whole document.
    pub raw: Value,
}

impl DeploymentRow {
    fn read(raw: Value) -> Self {
        Self {
            id: text(&raw, "id"),
            name: text(&raw, "name"),
            artifact_name: text(&raw, "artifact_name"),
            status: text(&raw, "status"),
            device_count: raw.get("device_count").and_then(Value::as_u64).unwrap_or(0),
            raw,
        }
    }
}

/// What became of a deployment on one device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DeviceDeployment {
    /// The device's id.
    #[serde(rename = "id")]
    pub device_id: String,
    /// `pending`, `downloading`, `installing`, `rebooting`, `success`, `failure`, `aborted`, ….
    pub status: String,
    /// Whether its log can be read.
    #[serde(rename = "log", default)]
    pub has_log: bool,
    /// How often it has begun, where the platform says so.
    #[serde(default)]
    pub attempts: Option<u64>,
}

/// A link to a stored file, good for everybody who has it, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The whole address.
    pub uri: String,
    /// Until when, RFC 3339.
    pub expire: String,
}

impl Mender {
    /// Stores an update in the caller's tenant, or finds that this run has stored the same one there. Returns its id.
    ///
    /// # Errors
    /// Refused with 409 when somebody else stored one of this name, 400 when the platform cannot read it.
    pub async fn upload(&self, by: &Session, spec: &ArtifactSpec) -> Result<String> {
        let tenant = by.tenant_id().map_or("", |id| id).to_owned();
        match self.upload_bytes(by, "", spec.bytes()).await {
            Ok(id) => {
                self.inner.ledger.know_upload(&tenant, spec.contents(), &id);
                Ok(id)
            }
            Err(error) if error.status() == Some(409) => {
                self.inner.ledger.uploaded(&tenant, &spec.contents()).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a file as it is and returns its id.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub async fn upload_bytes(&self, by: &Session, description: &str, file: Bytes) -> Result<String> {
        const OPERATION: &str = "Upload Artifact Deployments Management";
        let row =
            super::Table::get().row(OPERATION).ok_or_else(|| DialectError::UnknownOperation(OPERATION.to_owned()))?;
        let (content_type, body) = Multipart::new()
            .text("size", &file.len().to_string())
            .text("description", description)
            .file("artifact", "update.mender", "application/octet-stream", file)
            .finish();
        let request = Request::new(&row.method, row.path.as_str()).body(&content_type, body);
        let answer = self.exchange(by, Door::Gateway, Some(row), request).await?;
        if answer.is_success() { created(&answer) } else { Err(answer.into()) }
    }

    /// Whether the caller's tenant has an artifact of this name.
    ///
    /// # Errors
    /// As every verb.
    pub async fn has_artifact(&self, by: &Session, name: &str) -> Result<bool> {
        let rows = self.pages(by, Call::new("List Artifacts").query("name", name)).await?;
        Ok(rows.iter().any(|row| text(row, "name") == name))
    }

    /// The ids of all artifacts of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn artifacts(&self, by: &Session) -> Result<Vec<String>> {
        Ok(self.pages(by, Call::new("List Artifacts")).await?.iter().map(|artifact| text(artifact, "id")).collect())
    }

    /// The files of an artifact as its owner is told: name, and SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn artifact_files(&self, by: &Session, id: &str) -> Result<BTreeMap<String, String>> {
        let shown = self.fetch(by, Call::new("Show Artifact").path(&[("artifact_id", id)])).await?;
        let updates = shown.get("updates").and_then(Value::as_array).into_iter().flatten();
        let files = updates.flat_map(|update| update.get("files").and_then(Value::as_array).into_iter().flatten());
        Ok(files.map(|file| (text(file, "name"), text(file, "checksum"))).collect())
    }

    /// Removes an artifact.
    ///
    /// # Errors
    /// Refused with 404 when there is none, 409 while a deployment uses it.
    pub async fn remove_artifact(&self, by: &Session, id: &str) -> Result<()> {
        self.call(by, Call::new("Delete Artifact").path(&[("artifact_id", id)])).await.map(drop)
    }

    /// The link under which an artifact's file is stored.
    ///
    /// # Errors
    /// Refused with 404 when the caller's tenant has none of this id.
    pub async fn download_link(&self, by: &Session, artifact: &str) -> Result<Link> {
        let found = self.fetch(by, Call::new("Download Artifact").path(&[("artifact_id", artifact)])).await?;
        Ok(Link { uri: text(&found, "uri"), expire: text(&found, "expire") })
    }

    /// Begins a deployment and returns its id. `pace`: what else stands in the body (`phases`, `retries`,
    /// `x_fleetproof`); empty for all at once.
    ///
    /// # Errors
    /// Refused with 422 when no artifact has the name, 400 when there are no devices, 409 when the same is under way.
    pub async fn deploy(
        &self,
        by: &Session,
        name: &str,
        artifact_name: &str,
        target: &Target,
        pace: &Map<String, Value>,
    ) -> Result<String> {
        let mut body = json!({ "name": name, "artifact_name": artifact_name });
        let call = match target {
            Target::Devices(devices) => {
                body["devices"] = json!(devices);
                Call::new("Deployments Create Deployment")
            }
            Target::Group(_) => Call::new("Create Deployment for a Group of Devices"),
            Target::Filter(filter) => {
                body["filter_id"] = json!(filter);
                Call::new("Create Deployment")
            }
        };
        for (key, value) in pace {
            body[key] = value.clone();
        }
        let group = if let Target::Group(group) = target { group.as_str() } else { "" };
        created(&self.call(by, call.path(&[("group", group)]).json(body)).await?)
    }

    /// Ends a deployment before its time.
    ///
    /// # Errors
    /// Refused with 422 when it has ended, or there is none.
    pub async fn abort(&self, by: &Session, id: &str) -> Result<()> {
        let call = Call::new("Abort Deployment").path(&[("deployment_id", id)]).json(json!({ "status": "aborted" }));
        self.call(by, call).await.map(drop)
    }

    /// One deployment.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn deployment(&self, by: &Session, id: &str) -> Result<DeploymentRow> {
        Ok(DeploymentRow::read(self.fetch(by, Call::new("Show Deployment").path(&[("deployment_id", id)])).await?))
    }

    /// The deployments of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn deployments(&self, by: &Session) -> Result<Vec<DeploymentRow>> {
        Ok(self
            .pages(by, Call::new("Deployments V1 List Deployments"))
            .await?
            .into_iter()
            .map(DeploymentRow::read)
            .collect())
    }

    /// What became of a deployment on each device.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn deployment_devices(&self, by: &Session, id: &str) -> Result<Vec<DeviceDeployment>> {
        self.pages(by, Call::new("List Devices in Deployment").path(&[("deployment_id", id)])).await
    }

    /// How many devices of a deployment are in which state, as the platform counts.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn statistics(&self, by: &Session, id: &str) -> Result<BTreeMap<String, u64>> {
        let answer = self.call(by, Call::new("Deployment Status Statistics").path(&[("deployment_id", id)])).await?;
        let found = json(&answer)?;
        let counts = found.as_object().ok_or_else(|| unreadable(&answer, "not an object"))?;
        Ok(counts.iter().filter_map(|(state, count)| Some((state.clone(), count.as_u64()?))).collect())
    }

    /// The log of a device that failed.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn device_log(&self, by: &Session, deployment: &str, device: &str) -> Result<String> {
        let path = [("deployment_id", deployment), ("device_id", device)];
        Ok(self.call(by, Call::new("Get Deployment Log for Device").path(&path)).await?.text())
    }
}
