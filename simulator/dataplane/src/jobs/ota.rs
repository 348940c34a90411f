//! An update over the air as a job (FreeRTOS): its document, and the status details that a device goes through.
//!
//! Both sides use it: whoever makes the job builds the document, the device parses it; the device says how far it is, whoever
//! watches can tell whether the order is right.

use super::error::JobError;
use super::execution::Status;
use super::fields::Fields;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// What the ids of such jobs begin with.
pub const JOB_PREFIX: &str = "AFR_OTA-";

/// Files of an update, at most.
const MOST_FILES: usize = 50;

/// How the bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// In blocks, over a stream of the broker.
    Mqtt,
    /// From a link.
    Http,
}

/// A file of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtaFile {
    /// Where the device puts it.
    pub path: String,
    /// Bytes.
    pub size: u32,
    /// Its number in the stream.
    pub id: u32,
    /// Where the device has the certificate that it checks the signature with.
    pub cert_file: String,
    /// What it is, if it is not the firmware.
    pub file_type: Option<u32>,
    /// The link, over HTTP. May be a placeholder of the job's document.
    pub url: Option<String>,
    /// The signature, base64.
    pub signature: String,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtaDocument {
    /// How the bytes may come, in the order of preference.
    pub protocols: Vec<Protocol>,
    /// The stream.
    pub stream: String,
    /// The files.
    pub files: Vec<OtaFile>,
}

const SCHEME: &str = "aws.s3.presigned";
const SIGNATURE: &str = "sig-sha256-ecdsa";

impl OtaDocument {
    /// As the document of a job.
    #[must_use]
    pub fn build(&self) -> String {
        let protocols: Vec<_> = self.protocols.iter().map(|one| protocol_name(*one)).collect();
        let files: Vec<_> = self.files.iter().map(OtaFile::build).collect();
        json!({"afr_ota": {"protocols": protocols, "streamname": self.stream, "files": files}}).to_string()
    }

    /// Of the document of a job.
    ///
    /// # Errors
    /// It is none of an update, or a field is missing or breaks a rule.
    pub fn parse(document: &Value) -> Result<Self, JobError> {
        let empty = Map::new();
        let whole = Fields::of(document.as_object().unwrap_or(&empty));
        let Some(update) = whole.object("afr_ota")? else { return Err(whole.refuse("afr_ota", "an object")) };
        let known = [Protocol::Mqtt, Protocol::Http];
        let protocols = update.list("protocols", 1..=2)?;
        let protocols = update.need("protocols", protocols)?.iter().map(|given| {
            let found = known.into_iter().find(|one| given.as_str() == Some(protocol_name(*one)));
            found.ok_or_else(|| JobError::invalid("afr_ota.protocols", "MQTT or HTTP", given))
        });
        let protocols = protocols.collect::<Result<Vec<_>, _>>()?;
        let stream = update.text("streamname", 128)?;
        let files = update.objects("files", 1..=MOST_FILES)?;
        if files.is_empty() {
            return Err(update.refuse("files", format!("a list of 1 to {MOST_FILES} entries")));
        }
        let is_http_only = protocols == [Protocol::Http];
        let files = files.iter().map(|file| OtaFile::parse(file, is_http_only)).collect::<Result<_, _>>()?;
        Ok(Self { protocols, stream: update.need("streamname", stream)?.to_owned(), files })
    }
}

const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Mqtt => "MQTT",
        Protocol::Http => "HTTP",
    }
}

impl OtaFile {
    fn build(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        put("filepath", json!(self.path));
        put("filesize", json!(self.size));
        put("fileid", json!(self.id));
        put("certfile", json!(self.cert_file));
        if let Some(kind) = self.file_type {
            put("fileType", json!(kind));
        }
        if let Some(url) = &self.url {
            put("update_data_url", json!(url));
            put("auth_scheme", json!(SCHEME));
        }
        put(SIGNATURE, json!(self.signature));
        Value::Object(map)
    }

    fn parse(fields: &Fields<'_>, needs_url: bool) -> Result<Self, JobError> {
        let number = |name: &str, least: i64| -> Result<Option<u32>, JobError> {
            let number = fields.whole(name, least..=i64::from(u32::MAX))?;
            Ok(number.and_then(|number| u32::try_from(number).ok()))
        };
        let text = |name: &str, most: usize| -> Result<String, JobError> {
            fields.need(name, fields.text(name, most)?).map(str::to_owned)
        };
        let url = fields.text("update_data_url", 8_192)?.map(str::to_owned);
        if url.is_some() || needs_url {
            fields.need("update_data_url", url.as_ref())?;
            fields.need("auth_scheme", fields.word("auth_scheme", &[(SCHEME, ())])?)?;
        }
        Ok(Self {
            path: text("filepath", 1_024)?,
            size: fields.need("filesize", number("filesize", 1)?)?,
            id: fields.need("fileid", number("fileid", 0)?)?,
            cert_file: text("certfile", 1_024)?,
            file_type: number("fileType", 0)?,
            url,
            signature: text(SIGNATURE, 1_024)?,
        })
    }
}

/// What an update says with a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtaReport {
    /// So many of so many blocks have come.
    Receiving {
        /// Blocks that have come.
        got: u32,
        /// All blocks.
        of: u32,
    },
    /// All are there and the signature is good: it will start into the new image.
    SelfTestReady {
        /// The version it runs, packed.
        updated_by: u32,
    },
    /// It has started into the new image and tries it.
    SelfTestActive,
    /// It keeps the new image.
    Accepted {
        /// The version it runs now, as in `1.2.3`.
        version: String,
        /// The version that made the update, packed.
        updated_by: u32,
    },
    /// It would not have the new image, with the platform's code.
    Rejected {
        /// The code.
        code: u32,
    },
    /// It gave up, with the agent's code.
    Aborted {
        /// The code.
        code: u32,
    },
    /// The bytes could not be got or checked.
    Failed {
        /// The agent's code.
        agent: u32,
        /// The platform's.
        platform: u32,
    },
}

impl OtaReport {
    /// The status that goes with it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Receiving { .. } | Self::SelfTestReady { .. } | Self::SelfTestActive => Status::InProgress,
            Self::Accepted { .. } => Status::Succeeded,
            Self::Rejected { .. } | Self::Aborted { .. } | Self::Failed { .. } => Status::Failed,
        }
    }

    /// As `statusDetails`.
    #[must_use]
    pub fn details(&self) -> BTreeMap<String, String> {
        let pairs = match self {
            Self::Receiving { got, of } => vec![("receive", format!("{got}/{of}"))],
            Self::SelfTestReady { updated_by } => {
                vec![("self_test", "ready".to_owned()), ("updatedBy", format!("0x{updated_by:x}"))]
            }
            Self::SelfTestActive => vec![("self_test", "active".to_owned())],
            // Two blanks, as the library writes it.
            Self::Accepted { version, updated_by } => {
                vec![("reason", format!("accepted  v{version}")), ("updatedBy", format!("0x{updated_by:x}"))]
            }
            Self::Rejected { code } => vec![("reason", format!("rejected: 0x{code:08x}"))],
            Self::Aborted { code } => vec![("reason", format!("aborted: 0x{code:08x}"))],
            Self::Failed { agent, platform } => vec![("reason", format!("0x{agent:08x}: 0x{platform:08x}"))],
        };
        pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    }

    /// Of a status and its details; `None` when no update says that.
    #[must_use]
    pub fn parse(status: Status, details: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| details.get(name).map(String::as_str);
        let packed = || hex(text("updatedBy")?);
        match status {
            Status::InProgress => match (text("self_test"), text("receive")) {
                (Some("ready"), _) => Some(Self::SelfTestReady { updated_by: packed()? }),
                (Some("active"), _) => Some(Self::SelfTestActive),
                (None, Some(receive)) => {
                    let (got, of) = receive.split_once('/')?;
                    let (got, of) = (got.parse().ok()?, of.parse().ok()?);
                    (got <= of).then_some(Self::Receiving { got, of })
                }
                _ => None,
            },
            Status::Succeeded => {
                let version = text("reason")?.strip_prefix("accepted")?.trim_start().strip_prefix('v')?.to_owned();
                Some(Self::Accepted { version, updated_by: packed()? })
            }
            Status::Failed => {
                let reason = text("reason")?;
                if let Some(code) = reason.strip_prefix("rejected: ") {
                    return Some(Self::Rejected { code: hex(code)? });
                }
                if let Some(code) = reason.strip_prefix("aborted: ") {
                    return Some(Self::Aborted { code: hex(code)? });
                }
                let (agent, platform) = reason.split_once(": ")?;
                Some(Self::Failed { agent: hex(agent)?, platform: hex(platform)? })
            }
            _ => None,
        }
    }
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    (!digits.starts_with('+')).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Where an update is, as far as its reports tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtaStage {
    /// Nothing was said.
    #[default]
    Begun,
    /// So many blocks have come.
    Receiving(u32),
    /// It starts into the new image.
    Ready,
    /// It tries the new image.
    Active,
    /// It has ended.
    Over,
}

/// A report out of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTurn {
    /// Where the update was.
    pub at: OtaStage,
    /// What is wrong.
    pub why: &'static str,
}

impl fmt::Display for OutOfTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an update that is {:?}: {}", self.at, self.why)
    }
}

impl OtaStage {
    /// The stage after a report: receive, ready, (reboot,) active, the end. A download may end in failure from every stage;
    /// success and rejection come after the self-test only.
    ///
    /// # Errors
    /// The report is out of its turn.
    pub const fn follow(self, report: &OtaReport) -> Result<Self, OutOfTurn> {
        match (self, report) {
            (Self::Over, _) => Err(OutOfTurn { at: self, why: "nothing comes after the end" }),
            (Self::Begun, OtaReport::Receiving { got, .. }) => Ok(Self::Receiving(*got)),
            (Self::Receiving(before), OtaReport::Receiving { got, .. }) if *got >= before => Ok(Self::Receiving(*got)),
            (Self::Receiving(_) | Self::Begun, OtaReport::SelfTestReady { .. }) => Ok(Self::Ready),
            // A device that resets while it starts says it again.
            (Self::Ready | Self::Active, OtaReport::SelfTestActive) => Ok(Self::Active),
            (Self::Active, OtaReport::Accepted { .. } | OtaReport::Rejected { .. }) => Ok(Self::Over),
            // The image that was there before has started again, and says so.
            (Self::Ready, OtaReport::Rejected { .. }) => Ok(Self::Over),
            (_, OtaReport::Aborted { .. } | OtaReport::Failed { .. }) => Ok(Self::Over),
            _ => Err(OutOfTurn { at: self, why: "another report comes first" }),
        }
    }
}

/// What a device does with the image of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It downloads it, or goes on with that.
    Download,
    /// It is in the self-test: accept or reject.
    SelfTest,
    /// The service says self-test, the platform does not: somebody may have tampered (OtaErrImageStateMismatch).
    ImageStateMismatch,
    /// The image that runs is the one that made the update (OtaErrSameFirmwareVersion).
    SameVersion,
    /// The image that runs is older (OtaErrDowngradeNotAllowed).
    Downgrade,
}

/// What a device does when it is handed the job: with the details that the service keeps, the version it runs, and whether its
/// platform is about to commit a new image.
#[must_use]
pub fn guard(details: &BTreeMap<String, String>, running: u32, is_pending_commit: bool) -> Guard {
    if !details.contains_key("self_test") {
        return Guard::Download;
    }
    if !is_pending_commit {
        return Guard::ImageStateMismatch;
    }
    match details.get("updatedBy").and_then(|text| hex(text)) {
        Some(before) if before == running => Guard::SameVersion,
        Some(before) if before > running => Guard::Downgrade,
        _ => Guard::SelfTest,
    }
}
