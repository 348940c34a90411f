use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: u64 = 1_700_000_000;
const BODY: &str = r#"{
  "Parameters": {
    "SerialNumber": {"Type": "String"},
    "Site": {"Type": "String", "Default": "berlin"},
    "AWS::IoT::Certificate::CommonName": {"Type": "String"}
  },
  "Resources": {
    "thing": {
      "Type": "AWS::IoT::Thing",
      "Properties": {
        "ThingName": {"Fn::Join": ["-", ["hvac", {"Ref": "SerialNumber"}]]},
        "ThingTypeName": {"Fn::Select": ["1", ["a", "b"]]},
        "AttributePayload": {
          "site": {"Fn::Sub": "at:${Site}"},
          "cn": {"Ref": "AWS::IoT::Certificate::CommonName"},
          "batch": {"Fn::Select": [0, {"Fn::Split": ["/", {"Fn::Sub": ["${x}/${Site}", {"x": {"Ref": "SerialNumber"}}]}]}]}
        },
        "ThingGroups": ["new"]
      },
      "OverrideSettings": {"AttributePayload": "REPLACE"}
    },
    "certificate": {
      "Type": "AWS::IoT::Certificate",
      "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}
    },
    "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "device"}}
  },
  "DeviceConfiguration": {"interval": 60}
}"#;

fn caller(principal: &str) -> Caller {
    Caller { principal: principal.to_owned(), client_id: "new-1".to_owned(), claim: None }
}

fn request(topic: &str) -> Request {
    match place(topic) {
        Place::Request(request) => request,
        other => panic!("{topic}: {other:?}"),
    }
}

fn provision() -> Request {
    request("$aws/provisioning-templates/hvac/provision/json")
}

fn certificate() -> Certificate {
    Certificate {
        id: "c1".to_owned(),
        pem: "PEM".to_owned(),
        fields: [("CommonName".to_owned(), "hvac-7".to_owned())].into(),
    }
}

fn ownership() -> Ownership {
    Order::Keys.created(NOW, &caller("claim"), "secret", ("c1", "PEM"), "KEY").0
}

/// Registers with everything in order but what the arguments say.
fn register(
    now: u64,
    rules: &Rules,
    caller: &Caller,
    ownership: &Ownership,
    parameters: &Value,
    hook: Option<Option<&Value>>,
) -> Result<Plan, ProvisionError> {
    let payload = json!({"certificateOwnershipToken": "secret", "parameters": parameters});
    let registration = Registration::read(rules, &provision(), payload.to_string().as_bytes())?;
    let template = Template::read(BODY)?;
    plan(now, rules, caller, &registration, Some(&template), Some((ownership, &certificate())), hook)
}

#[test]
fn a_device_gets_its_identity() {
    let rules = Rules::default();
    let device = caller("claim");
    let order = create(NOW, &rules, &device, &request("$aws/certificates/create/json"), b"").unwrap();
    assert_eq!(order, Order::Keys);
    let (kept, answer) = order.created(NOW, &device, "secret", ("c1", "PEM"), "KEY");
    assert_eq!(
        answer,
        json!({"certificateId": "c1", "certificatePem": "PEM", "privateKey": "KEY", "certificateOwnershipToken": "secret"})
    );
    let overrides = json!({"allowProvisioning": true, "parameterOverrides": {"Site": "oslo"}});
    let made = register(NOW + 3599, &rules, &device, &kept, &json!({"SerialNumber": "7"}), Some(Some(&overrides)));
    insta::assert_debug_snapshot!(made);
}

#[test]
fn a_csr_is_one_pem_block() {
    let rules = Rules::default();
    let ask = |csr: &str| {
        let payload = json!({"certificateSigningRequest": csr}).to_string();
        create(NOW, &rules, &caller("claim"), &request("$aws/certificates/create-from-csr/json"), payload.as_bytes())
    };
    let good = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    assert_eq!(ask(good), Ok(Order::Csr(good.to_owned())));
    let (_, answer) = ask(good).unwrap().created(NOW, &caller("claim"), "s", ("c1", "PEM"), "");
    assert_eq!(answer.get("privateKey"), None);
    assert_eq!(ask(&good.repeat(2)), Err(ProvisionError::InvalidCsr));
    assert_eq!(ask(&good.replace("AAAA", &"A".repeat(5000))), Err(ProvisionError::InvalidCsr));
    assert_eq!(ask("AAAA"), Err(ProvisionError::InvalidCsr));
}

#[test]
fn topics_are_requests_or_nothing() {
    for (topic, reply) in [
        ("$aws/certificates/create/json", "$aws/certificates/create/json/rejected"),
        ("$aws/certificates/create-from-csr/cbor", "$aws/certificates/create-from-csr/cbor/rejected"),
        ("$aws/provisioning-templates/t_1/provision/json", "$aws/provisioning-templates/t_1/provision/json/rejected"),
    ] {
        assert_eq!(request(topic).reply(false), reply);
        assert_eq!(place(reply), Place::Reserved);
    }
    for reserved in ["$aws/certificates/create/xml", "$aws/provisioning-templates/a.b/provision/json"] {
        assert_eq!(place(reserved), Place::Reserved);
    }
    assert_eq!(place("$aws/things/t/shadow/get"), Place::Elsewhere);
    let cbor = request("$aws/certificates/create/cbor");
    let refused = create(NOW, &Rules::default(), &caller("claim"), &cbor, b"").unwrap_err();
    assert_eq!(
        refused.payload(),
        json!({"statusCode": 415, "errorCode": "UnsupportedPayloadFormat",
               "errorMessage": "Payloads in CBOR are not supported here; use the topic that ends in /json."})
    );
}

#[test]
fn what_is_wrong_is_said() {
    let rules = Rules::default();
    let (device, kept) = (caller("claim"), ownership());
    let try_with = |parameters: Value| register(NOW, &rules, &device, &kept, &parameters, None).unwrap_err();
    assert_eq!(try_with(json!({})), ProvisionError::ParameterMissing("SerialNumber".into()));
    assert_eq!(try_with(json!({"SerialNumber": 7})), ProvisionError::ParameterInvalid("SerialNumber".into()));
    assert_eq!(try_with(json!({"SerialNumber": "a/b"})).code(), "InvalidParameters");
    assert_eq!(try_with(json!({"SerialNumber": "x".repeat(1025)})).code(), "InvalidParameters");
    let no = json!({"allowProvisioning": false});
    for answer in [Some(&no), None] {
        let refused = register(NOW, &rules, &device, &kept, &json!({"SerialNumber": "7"}), Some(answer));
        assert_eq!(refused.unwrap_err().status(), 403);
    }
    for (from, to, message) in [
        ("AWS::IoT::Policy", "AWS::S3::Bucket", "Type is AWS::IoT::Thing"),
        ("Fn::Join", "Fn::GetAtt", "Fn::GetAtt is unknown here"),
        ("{\"Ref\": \"SerialNumber\"}", "{\"Ref\": \"Serial\"}", "Serial is neither a parameter"),
        ("at:${Site}", "at:${Site", "without"),
        ("\"Status\": \"Active\"", "\"Status\": \"On\"", "ACTIVE or INACTIVE"),
        ("\"Default\"", "\"Defalt\"", "Defalt is unknown"),
    ] {
        assert!(BODY.contains(from), "{from}");
        let error = Template::read(&BODY.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn each_fault_can_be_seen() {
    let good = json!({"SerialNumber": "7"});
    let forged = json!({"SerialNumber": "7", "AWS::IoT::Certificate::CommonName": "root"});
    let spent = Ownership { spent: true, ..ownership() };
    let no = json!({"allowProvisioning": false});
    let seen = |defect| {
        let rules = Rules { defect, ..Rules::default() };
        let claim = |template| {
            let claim = Claim::new(NOW, &rules, "claim", template);
            Caller { claim: Some(claim), ..caller("claim") }
        };
        let ok = |plan: Result<Plan, ProvisionError>| plan.map(|plan| plan.thing).map_err(|error| error.code());
        let device = caller("claim");
        [
            ok(register(NOW, &rules, &caller("other"), &ownership(), &good, None)),
            ok(register(NOW + 3600, &rules, &device, &ownership(), &good, None)),
            ok(register(NOW, &rules, &device, &spent, &good, None)),
            ok(register(NOW, &rules, &device, &ownership(), &good, Some(Some(&no)))),
            ok(register(NOW, &rules, &device, &ownership(), &forged, None)),
            ok(register(NOW + 300, &rules, &claim("hvac"), &ownership(), &good, None)),
            ok(register(NOW, &rules, &claim("lamp"), &ownership(), &good, None)),
        ]
    };
    assert!(seen(None).iter().all(Result::is_err));
    for (at, defect) in Defect::ALL.into_iter().enumerate() {
        let found = seen(Some(defect));
        for (attempt, outcome) in found.iter().enumerate() {
            assert_eq!(outcome.is_ok(), attempt == at, "{defect:?}, attempt {attempt}: {outcome:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_input_is_too_strange(body in "\\PC{0,80}", payload in proptest::collection::vec(any::<u8>(), 0..80), topic in "\\PC{0,40}") {
        let _ = (Template::read(&body), place(&topic));
        let _ = Registration::read(&Rules::default(), &provision(), &payload);
    }

    #[test]
    fn sub_is_what_it_says(words in proptest::collection::vec("[a-z]{1,4}", 1..5)) {
        let names: BTreeMap<String, String> = words.iter().map(|word| (word.clone(), word.to_uppercase())).collect();
        let text: String = words.iter().map(|word| format!("<${{{word}}}${{!{word}}}>")).collect();
        let expected: String = words.iter().map(|word| format!("<{}${{{word}}}>", word.to_uppercase())).collect();
        let made = Expression::read("here", &json!({"Fn::Sub": text})).and_then(|found| found.make(&names));
        prop_assert_eq!(made, Ok(expected));
    }
}
