//! Writes and reads Mender artifacts, to hold them against other people's tools.
//!
//! ```text
//! artifact write OUT NAME VERSION SIZE    # an update for simulated devices; SIZE bytes of payload
//! artifact read FILE                      # JSON: what is in it, after everything was verified
//! ```

use bytes::Bytes;
use fleetproof_wire::artifact::{Artifact, read};
use fleetproof_wire::image::{self, Image};
use serde_json::json;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", out, name, version, size] => {
            let artifact = image::update_artifact(name, &Image::good(version, 1), size.parse()?);
            std::fs::write(out, artifact)?;
        }
        ["read", file] => {
            let artifact = read(&Bytes::from(std::fs::read(file)?))?;
            println!("{}", serde_json::to_string_pretty(&describe(&artifact))?);
        }
        _ => return Err("write OUT NAME VERSION SIZE | read FILE".into()),
    }
    Ok(())
}

fn describe(artifact: &Artifact) -> serde_json::Value {
    let payloads: Vec<_> = artifact
        .payloads
        .iter()
        .map(|payload| {
            let files: Vec<_> = payload
                .files
                .iter()
                .map(|file| json!({ "name": file.name, "size": file.content.len(), "sha256": file.sha256 }))
                .collect();
            json!({ "type": payload.kind, "files": files, "meta_data": payload.meta_data })
        })
        .collect();
    json!({
        "name": artifact.name,
        "provides": artifact.provides(),
        "depends": artifact.depends(),
        "clears_provides": artifact.clears_provides().collect::<Vec<_>>(),
        "scripts": artifact.scripts.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "signed": artifact.signature.is_some(),
        "compression": format!("{:?}", artifact.compression).to_lowercase(),
        "payloads": payloads,
    })
}
