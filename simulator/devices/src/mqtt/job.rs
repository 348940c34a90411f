//! An update as a job: what a job document offers, and what the machine's steps are called there.
//!
//! Documents are those of FreeRTOS's over-the-air updates (`afr_ota`), with one file over HTTP. An entry may say its
//! `version` besides. Status details follow the same library: `receive`, `self_test`, `reason`, `updatedBy`; why an update
//! failed stands in words in `why`.

use crate::machine::{Stage, Status};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// The longest value of a status detail, in characters.
const LONGEST_DETAIL: usize = 128;

/// A job's execution, as the service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    pub job: String,
    /// Grows by one with each update.
    pub version: u64,
    /// `ready` or `active` while the device tests what it installed.
    pub self_test: Option<String>,
    /// The packed version of who installed it, as it was told.
    pub updated_by: Option<String>,
    pub offer: Result<JobOffer, (Reason, String)>,
}

/// What a job's document offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobOffer {
    /// What will run, where the document says it.
    pub version: Option<String>,
    pub url: String,
    /// Bytes of the file, where the document says it.
    pub size: Option<u64>,
    /// Of the file, in base64.
    pub signature: Option<String>,
}

impl Execution {
    /// The `execution` of an answer; `None` when there is none, or it has no job id.
    pub fn read(answer: &Value) -> Option<Self> {
        let execution = answer.get("execution")?;
        let text = |pointer: &str| execution.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            job: text("/jobId")?,
            version: execution.get("versionNumber").and_then(Value::as_u64).unwrap_or_default(),
            self_test: text("/statusDetails/self_test"),
            updated_by: text("/statusDetails/updatedBy"),
            offer: JobOffer::read(execution.get("jobDocument").unwrap_or(&Value::Null)),
        })
    }
}

impl JobOffer {
    /// Reads a document.
    ///
    /// # Errors
    /// Why the device cannot do such a job.
    pub fn read(document: &Value) -> Result<Self, (Reason, String)> {
        let unread = |why: &str| (Reason::Document, why.to_owned());
        let ota = document.get("afr_ota").ok_or_else(|| unread("the document has no afr_ota"))?;
        let protocols = ota.get("protocols").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if !protocols.is_empty() && protocols.iter().all(|protocol| protocol.as_str() != Some("HTTP")) {
            return Err((Reason::Protocol, "the file is not to be had over HTTP".to_owned()));
        }
        let files = ota.get("files").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let [file] = files else { return Err(unread(&format!("the document has {} files", files.len()))) };
        let text = |key: &str| file.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            version: text("version").or_else(|| ota.get("version").and_then(Value::as_str).map(str::to_owned)),
            url: text("update_data_url").ok_or_else(|| unread("the file has no update_data_url"))?,
            size: file.get("filesize").and_then(Value::as_u64),
            signature: text("sig-sha256-ecdsa"),
        })
    }

    /// Under which the file lies on the shelf: its address without what signs it, which is another for each device.
    pub fn shelf_id(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// The reason of a job that failed, by the codes of the library (`OtaErr_t`, counted from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The job's document cannot be read.
    Document,
    /// There is no way to get the file that the device knows.
    Protocol,
    /// The file could not be had.
    Download,
    /// It is older than what runs.
    Downgrade,
    /// It runs already.
    Same,
    /// The service says that an image is tested, and the device knows of none.
    Mismatch,
    /// The job was cancelled.
    Cancelled,
    /// The image does not come up, or is not what it should be.
    Image,
}

impl Reason {
    /// As `reason` says it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Document => "aborted: 0x0000000c",
            Self::Protocol => "aborted: 0x0000000d",
            Self::Download => "0x00000008: 0x00000000",
            Self::Downgrade => "rejected: 0x0000000f",
            Self::Same => "rejected: 0x00000010",
            Self::Mismatch => "rejected: 0x00000011",
            Self::Cancelled => "aborted: 0x00000013",
            Self::Image => "rejected: 0x00000016",
        }
    }

    /// Reason and words, as status details.
    pub fn details(self, why: &str) -> Map<String, Value> {
        Map::from_iter([("reason".to_owned(), json!(self.text())), ("why".to_owned(), json!(clean(why)))])
    }

    /// What stands in the way of `offered` where `running` runs; versions that are no numbers can only be the same.
    pub fn between(offered: &str, running: &str) -> Option<Self> {
        if offered == running {
            return Some(Self::Same);
        }
        match compare(offered, running)? {
            Ordering::Less => Some(Self::Downgrade),
            Ordering::Equal => Some(Self::Same),
            Ordering::Greater => None,
        }
    }
}

/// A version in 32 bits, as the library packs it: major and minor in 8 bits each, build in 16. What has no numbers is 0.
pub(crate) fn packed(version: &str) -> u32 {
    let mut parts = numbers(version).unwrap_or_default().into_iter();
    let mut part = |most: u32| parts.next().map_or(0, |part| u32::try_from(part).unwrap_or(most).min(most));
    (part(0xFF) << 24) | (part(0xFF) << 16) | part(0xFFFF)
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// `v1.2.3` or `1.2.3`, of any length; what is missing is 0.
fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (mut one, mut other) = (numbers(one)?, numbers(other)?);
    let longest = one.len().max(other.len());
    one.resize(longest, 0);
    other.resize(longest, 0);
    Some(one.cmp(&other))
}

/// What the machine reports, as the service is told: status and details. `updated_by` is the packed version of who installed
/// what runs, once that is known.
pub(crate) fn told(
    status: Status,
    stage: Stage,
    failed: (Reason, &str),
    running: &str,
    updated_by: Option<&str>,
    size: u64,
) -> (&'static str, Map<String, Value>) {
    let mine = || format!("0x{:x}", packed(running));
    let by = || updated_by.map_or_else(mine, str::to_owned);
    let details = |pairs: &[(&str, String)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(clean(value)))).collect::<Map<_, _>>()
    };
    match (status, stage) {
        (Status::Downloading, _) => ("IN_PROGRESS", details(&[("receive", format!("0/{size}"))])),
        (Status::Rebooting, _) => ("IN_PROGRESS", details(&[("self_test", "ready".into()), ("updatedBy", mine())])),
        (Status::Installing, Stage::Commit) => {
            ("IN_PROGRESS", details(&[("self_test", "active".into()), ("updatedBy", by())]))
        }
        (Status::Installing, _) => ("IN_PROGRESS", details(&[("receive", format!("{size}/{size}"))])),
        (Status::Success | Status::AlreadyInstalled, _) => {
            // Two blanks, as the library writes it.
            let version = running.strip_prefix('v').unwrap_or(running);
            ("SUCCEEDED", details(&[("reason", format!("accepted  v{version}")), ("updatedBy", by())]))
        }
        (Status::Failure, _) => ("FAILED", failed.0.details(failed.1)),
    }
}

/// As a status detail may be: no control characters, not too long.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(LONGEST_DETAIL).collect()
}

/// What a rejection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Somebody else changed the execution: look at it again.
    VersionMismatch,
    /// There is no such execution any more, or it is over.
    Over,
    /// Ask again later.
    Later,
}

impl Rejection {
    pub fn of(answer: &Value) -> Self {
        match answer.get("code").and_then(Value::as_str) {
            Some("VersionMismatch") => Self::VersionMismatch,
            Some("InternalError" | "RequestThrottled") | None => Self::Later,
            Some(_) => Self::Over,
        }
    }

    /// The status of HTTP that says the same.
    pub const fn status(self) -> u16 {
        match self {
            Self::VersionMismatch => 412,
            Self::Over => 409,
            Self::Later => 503,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document() -> Value {
        json!({ "afr_ota": { "protocols": ["HTTP"], "streamname": "AFR_OTA-x", "files": [{
            "filepath": "/fw", "filesize": 5000, "fileid": 0, "certfile": "/c", "version": "1.3.0",
            "update_data_url": "http://storage/fw?X-Amz-Signature=1", "auth_scheme": "aws.s3.presigned",
            "sig-sha256-ecdsa": "c2ln" }] } })
    }

    #[test]
    fn an_execution_is_read() {
        let answer = json!({ "execution": { "jobId": "AFR_OTA-1", "thingName": "t", "versionNumber": 3, "status": "IN_PROGRESS",
            "statusDetails": { "self_test": "ready" }, "jobDocument": document() }, "timestamp": 1 });
        let execution = Execution::read(&answer).unwrap();
        assert_eq!(
            (&*execution.job, execution.version, execution.self_test.as_deref()),
            ("AFR_OTA-1", 3, Some("ready"))
        );
        let offer = execution.offer.unwrap();
        assert_eq!(
            (offer.version.as_deref(), offer.size, offer.shelf_id()),
            (Some("1.3.0"), Some(5000), "http://storage/fw")
        );
        assert_eq!(offer.signature.as_deref(), Some("c2ln"));
        assert_eq!(Execution::read(&json!({ "timestamp": 1 })), None, "nothing is pending");
    }

    #[test]
    fn a_document_that_cannot_be_done_says_why() {
        let refused = |change: fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            JobOffer::read(&document).unwrap_err().1
        };
        assert_eq!(JobOffer::read(&Value::Null).unwrap_err().1, "the document has no afr_ota");
        assert_eq!(
            refused(|document| document["afr_ota"]["protocols"] = json!(["MQTT"])),
            "the file is not to be had over HTTP"
        );
        assert_eq!(refused(|document| document["afr_ota"]["files"] = json!([{}, {}])), "the document has 2 files");
        assert_eq!(refused(|document| document["afr_ota"]["files"] = json!([{}])), "the file has no update_data_url");
    }

    #[test]
    fn older_and_same_versions_are_guarded_against() {
        for (offered, running, guard) in [
            ("v1.2.3", "v1.2.3", Some(Reason::Same)),
            ("1.2", "v1.2.0", Some(Reason::Same)),
            ("1.2.2", "1.2.3", Some(Reason::Downgrade)),
            ("1.10.0", "1.9.0", None),
            ("v2", "v1", None),
            ("blue", "green", None),
            ("blue", "blue", Some(Reason::Same)),
        ] {
            assert_eq!(Reason::between(offered, running), guard, "{offered} over {running}");
        }
    }

    #[test]
    fn the_steps_of_an_update_are_those_of_the_self_test() {
        let steps = [
            (Status::Downloading, Stage::Fetch),
            (Status::Installing, Stage::Install),
            (Status::Rebooting, Stage::Reboot),
            (Status::Installing, Stage::Commit),
            (Status::Success, Stage::Report),
            (Status::Failure, Stage::Report),
        ];
        let told = steps.map(|(status, stage)| {
            let failed = (Reason::Image, "no\u{7}thing");
            let (word, details) = told(status, stage, failed, "v1.2.0", Some("0x1010000"), 9);
            format!("{word} {}", Value::Object(details))
        });
        assert_eq!(
            told,
            [
                r#"IN_PROGRESS {"receive":"0/9"}"#,
                r#"IN_PROGRESS {"receive":"9/9"}"#,
                r#"IN_PROGRESS {"self_test":"ready","updatedBy":"0x1020000"}"#,
                r#"IN_PROGRESS {"self_test":"active","updatedBy":"0x1010000"}"#,
                r#"SUCCEEDED {"reason":"accepted  v1.2.0","updatedBy":"0x1010000"}"#,
                r#"FAILED {"reason":"rejected: 0x00000016","why":"nothing"}"#,
            ]
        );
    }

    #[test]
    fn versions_are_packed_as_the_library_does() {
        assert_eq!((packed("1.2.3"), packed("v1"), packed("blue")), (0x0102_0003, 0x0100_0000, 0));
        assert_eq!(packed("300.300.70000"), 0xFFFF_FFFF);
    }

    proptest! {
        #[test]
        fn details_are_never_too_long(text: String) {
            let clean = clean(&text);
            prop_assert!(clean.chars().count() <= LONGEST_DETAIL && !clean.chars().any(char::is_control));
        }

        #[test]
        fn no_order_of_versions_depends_on_who_is_asked_first(one in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}", other in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}") {
            prop_assert_eq!(compare(&one, &other), compare(&other, &one).map(Ordering::reverse));
        }
    }
}
