//! Updates over the air.

use super::*;
use crate::jobs::ota::*;

fn document(protocols: &[Protocol], url: Option<&str>) -> OtaDocument {
    let file = OtaFile {
        path: "/device/fw.bin".to_owned(),
        size: 180_568,
        id: 0,
        cert_file: "rsasigner.crt".to_owned(),
        file_type: None,
        url: url.map(str::to_owned),
        signature: "MEUCIQ==".to_owned(),
    };
    OtaDocument { protocols: protocols.to_vec(), stream: "AFR_OTA-XYZ".to_owned(), files: vec![file] }
}

#[test]
fn a_document_is_parsed_as_it_is_built() {
    for made in [
        document(&[Protocol::Mqtt], None),
        document(&[Protocol::Mqtt, Protocol::Http], Some("https://x")),
        document(&[Protocol::Http], Some("${aws:iot:s3-presigned-url:https://s3/fw}")),
    ] {
        let built = made.build();
        assert_eq!(OtaDocument::parse(&serde_json::from_str(&built).unwrap()).unwrap(), made);
        job("AFR_OTA-1", json!({"document": built}));
    }
    assert_eq!(
        document(&[Protocol::Http], Some("u")).build(),
        r#"{"afr_ota":{"files":[{"auth_scheme":"aws.s3.presigned","certfile":"rsasigner.crt","fileid":0,"filepath":"/device/fw.bin","filesize":180568,"sig-sha256-ecdsa":"MEUCIQ==","update_data_url":"u"}],"protocols":["HTTP"],"streamname":"AFR_OTA-XYZ"}}"#
    );
}

#[test]
fn what_is_no_document_is_refused_with_its_field() {
    let whole: Value = serde_json::from_str(&document(&[Protocol::Mqtt], None).build()).unwrap();
    for (pointer, value, field) in [
        ("/afr_ota", json!(null), "afr_ota"),
        ("/afr_ota/protocols", json!(["FTP"]), "afr_ota.protocols"),
        ("/afr_ota/protocols", json!([]), "afr_ota.protocols"),
        ("/afr_ota/protocols", json!(["HTTP"]), "afr_ota.files[0].update_data_url"),
        ("/afr_ota/streamname", json!(null), "afr_ota.streamname"),
        ("/afr_ota/files", json!([]), "afr_ota.files"),
        ("/afr_ota/files/0/filesize", json!(0), "afr_ota.files[0].filesize"),
        ("/afr_ota/files/0/sig-sha256-ecdsa", json!(null), "afr_ota.files[0].sig-sha256-ecdsa"),
    ] {
        let mut broken = whole.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        let error = OtaDocument::parse(&broken).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{field}: must be")), "{error}");
    }
    assert!(OtaDocument::parse(&json!([])).is_err());
}

fn happy() -> Vec<OtaReport> {
    vec![
        OtaReport::Receiving { got: 1, of: 3 },
        OtaReport::Receiving { got: 3, of: 3 },
        OtaReport::SelfTestReady { updated_by: 0x0009_0001 },
        OtaReport::SelfTestActive,
        OtaReport::Accepted { version: "1.2.3".to_owned(), updated_by: 0x0009_0001 },
    ]
}

#[test]
fn an_update_goes_through_its_stages_as_a_job() {
    let mut owner = Owner::with(vec![job("AFR_OTA-1", json!({"document": document(&[Protocol::Mqtt], None).build()}))]);
    let mut stage = OtaStage::default();
    for report in happy() {
        let update = json!({"status": report.status().name(), "statusDetails": report.details()});
        owner.ask("AFR_OTA-1/update", update, "accepted");
        let row = owner.row("AFR_OTA-1", 1);
        assert_eq!(OtaReport::parse(row.status, &row.details).as_ref(), Some(&report));
        stage = stage.follow(&report).unwrap();
        if report == (OtaReport::SelfTestReady { updated_by: 0x0009_0001 }) {
            // After the reboot the job is fetched again.
            let said = owner.ask("start-next", json!({}), "accepted");
            assert_eq!(said["execution"]["statusDetails"], json!({"self_test": "ready", "updatedBy": "0x90001"}));
        }
    }
    assert_eq!(stage, OtaStage::Over);
    let row = owner.row("AFR_OTA-1", 1);
    assert_eq!((row.status, row.details["reason"].as_str()), (Status::Succeeded, "accepted  v1.2.3"));
}

#[test]
fn reports_are_written_and_read() {
    for report in [
        OtaReport::Rejected { code: 7 },
        OtaReport::Aborted { code: 0x2000_0000 },
        OtaReport::Failed { agent: 0x1d00_0000, platform: 1 },
    ] {
        assert_eq!(OtaReport::parse(Status::Failed, &report.details()), Some(report));
    }
    let details = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
    assert_eq!(
        OtaReport::Failed { agent: 0x1d00_0000, platform: 1 }.details(),
        details("reason", "0x1d000000: 0x00000001")
    );
    for none in [details("receive", "4/3"), details("receive", "x"), details("self_test", "maybe"), BTreeMap::new()] {
        assert_eq!(OtaReport::parse(Status::InProgress, &none), None);
    }
    assert_eq!(OtaReport::parse(Status::Failed, &details("reason", "rejected: 0x+1")), None);
}

#[test]
fn out_of_turn_is_told() {
    let reports = happy();
    for skipped in [2, 3] {
        let mut stage = OtaStage::default();
        let kept = reports.iter().enumerate().filter(|(n, _)| *n != skipped).map(|(_, report)| report);
        let outcome = kept.map(|report| stage.follow(report).map(|next| stage = next)).collect::<Result<Vec<_>, _>>();
        assert!(outcome.is_err(), "without {:?}", reports[skipped]);
    }
    assert!(OtaStage::Over.follow(&OtaReport::SelfTestActive).is_err());
    assert!(OtaStage::Receiving(2).follow(&OtaReport::Receiving { got: 1, of: 3 }).is_err());
    assert_eq!(OtaStage::Receiving(2).follow(&OtaReport::Aborted { code: 1 }), Ok(OtaStage::Over));
    assert_eq!(OtaStage::Ready.follow(&OtaReport::Rejected { code: 1 }), Ok(OtaStage::Over), "rolled back");
}

#[test]
fn a_device_guards_itself() {
    let ready = OtaReport::SelfTestReady { updated_by: 5 }.details();
    assert_eq!(guard(&BTreeMap::new(), 5, false), Guard::Download);
    assert_eq!(guard(&ready, 6, true), Guard::SelfTest);
    assert_eq!(guard(&ready, 6, false), Guard::ImageStateMismatch);
    assert_eq!(guard(&ready, 5, true), Guard::SameVersion);
    assert_eq!(guard(&ready, 4, true), Guard::Downgrade);
}
