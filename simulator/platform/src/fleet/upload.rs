//! How an artifact comes in: the parts of a form, read as they come, and the room that it takes.

use super::artifacts::{TypeInfo, Update, UpdateFile};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::{Answer, Refusal};
use crate::store::{Transaction, Tx};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use fleetproof_wire::artifact::Artifact;
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::json;
use std::collections::BTreeMap;

/// The most that an artifact may have: 10 GiB.
const LARGEST: u64 = 10 << 30;

/// The most that another part may have: 64 KiB.
const LARGEST_WORD: u64 = 64 << 10;

/// What was sent.
pub(super) struct Parts {
    pub(super) description: String,
    pub(super) artifact: Bytes,
}

/// Reads the form up to the artifact. What comes after it does not count, as the vendor has it.
pub(super) async fn receive(headers: &HeaderMap, body: Body) -> Answer<Parts> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind)
        .map_err(|_| Refusal::bad_request("Content-Type must be multipart/form-data with a boundary"))?;
    let sizes = SizeLimit::new()
        .whole_stream(LARGEST + 3 * LARGEST_WORD)
        .per_field(LARGEST_WORD)
        .for_field("artifact", LARGEST);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut description, mut size) = (String::new(), None);
    while let Some(field) = form.next_field().await.map_err(refused)? {
        match field.name() {
            Some("description") => description = field.text().await.map_err(refused)?,
            Some("size") => {
                let text = field.text().await.map_err(refused)?;
                size = Some(text.trim().parse::<u64>().map_err(|_| Refusal::bad_request("size must be a number"))?);
            }
            Some("artifact") => {
                let artifact = field.bytes().await.map_err(refused)?;
                if size.is_some_and(|size| size < artifact.len() as u64) {
                    return Err(Refusal::bad_request("the artifact is larger than its size says"));
                }
                return Ok(Parts { description, artifact });
            }
            _ => return Err(Refusal::bad_request("unknown part of the form")),
        }
    }
    Err(Refusal::bad_request("request does not contain artifact"))
}

fn refused(error: multer::Error) -> Refusal {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Refusal::too_large("artifact too large")
        }
        error => Refusal::bad_request(format!("the form cannot be read: {error}")),
    }
}

/// Takes `bytes` of the tenant's storage; 422 when there is not so much.
pub(super) async fn take_storage(app: &Platform, tx: &mut Transaction, tenant: &str, bytes: u64) -> Answer<()> {
    let take = match app.defect(DefectId::StorageOffByOne) {
        true => {
            "update tenants set storage_used = storage_used + $2 \
             where id = $1 and (storage_limit = 0 or storage_used < storage_limit)"
        }
        false => {
            "update tenants set storage_used = storage_used + $2 \
             where id = $1 and (storage_limit = 0 or storage_used + $2 <= storage_limit)"
        }
    };
    let taken = tx.execute(take, args![tenant, bytes]).await?;
    if taken == 1 { Ok(()) } else { Err(Refusal::unprocessable("storage limit exceeded")) }
}

/// Writes down an artifact; 409 when there is one of its name for such devices. The tenant's row was changed before
/// in this transaction, so no two come here at once.
pub(super) async fn insert(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    id: &str,
    artifact: &Artifact,
    parts: &Parts,
) -> Answer<()> {
    let depends = artifact.depends();
    let sql = "select depends from artifacts where tenant_id = $1 and name = $2 order by id";
    for other in tx.query(sql, args![tenant, &artifact.name]).await? {
        if overlap(&depends, &other.json("depends")?) {
            return Err(Refusal::conflict(
                "An artifact with the same name and conflicting dependencies already exists",
            ));
        }
    }
    let updates: Vec<_> = artifact.payloads.iter().map(|payload| update(app, payload)).collect();
    let clears: Vec<_> = artifact.clears_provides().collect();
    tx.execute(
        "insert into artifacts (id, tenant_id, name, description, device_types, provides, depends, clears, updates, \
         signed, size, modified_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            id,
            tenant,
            &artifact.name,
            &parts.description,
            json!(artifact.device_types).to_string(),
            json!(artifact.provides()).to_string(),
            json!(depends).to_string(),
            json!(clears).to_string(),
            json!(updates).to_string(),
            artifact.signature.is_some(),
            parts.artifact.len(),
            app.now_ms(),
        ],
    )
    .await?;
    tx.execute(
        "insert into releases (tenant_id, name, notes, tags, modified_at) values ($1, $2, '', '[]', $3) \
         on conflict (tenant_id, name) do update set modified_at = excluded.modified_at",
        args![tenant, &artifact.name, app.now_ms()],
    )
    .await?;
    Ok(())
}

fn update(app: &Platform, payload: &fleetproof_wire::artifact::Payload) -> Update {
    let checksum = |sha256: &str| match app.defect(DefectId::ChecksumNotKept) {
        true => sha256.chars().rev().collect(),
        false => sha256.to_owned(),
    };
    let files = payload.files.iter().map(|file| UpdateFile {
        name: file.name.clone(),
        checksum: checksum(&file.sha256),
        size: file.content.len() as u64,
    });
    Update {
        type_info: TypeInfo { kind: payload.kind.clone() },
        files: files.collect(),
        metadata: payload.meta_data.clone(),
    }
}

/// Whether some device could meet both: no key on which they have no value in common.
fn overlap(these: &BTreeMap<String, Vec<String>>, those: &BTreeMap<String, Vec<String>>) -> bool {
    these.iter().all(|(key, values)| those.get(key).is_none_or(|other| values.iter().any(|one| other.contains(one))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn depends() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
        let values = || proptest::collection::vec("[ab]", 1..3);
        (values(), proptest::option::of(values())).prop_map(|(types, names)| {
            let mut all = BTreeMap::from([("device_type".to_owned(), types)]);
            all.extend(names.map(|names| ("artifact_name".to_owned(), names)));
            all
        })
    }

    proptest! {
        #[test]
        fn two_overlap_exactly_when_a_device_could_take_either(these in depends(), those in depends()) {
            let meets = |provides: [&str; 2], depends: &BTreeMap<String, Vec<String>>| {
                let has = |key: &str| provides[usize::from(key == "artifact_name")];
                depends.iter().all(|(key, values)| values.iter().any(|value| value == has(key)))
            };
            let devices = [["a", "a"], ["a", "b"], ["b", "a"], ["b", "b"]];
            let shared = devices.iter().any(|device| meets(*device, &these) && meets(*device, &those));
            prop_assert_eq!(overlap(&these, &those), shared);
            prop_assert_eq!(overlap(&those, &these), shared);
        }
    }
}
