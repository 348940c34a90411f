//! A thing made known to its account, with all that it needs to connect.

use super::things::Place;
use super::{ROOT, ask, send};
use crate::mender::{Mender, Session};
use crate::{Answer, DialectError, Refused, Request, Result, Token};
use serde_json::{Value, json};

/// The policy that such things have.
const POLICY: &str = "fleetproof-thing";

/// The policy that applications have.
const APPLICATION: &str = "fleetproof-application";

/// The policy that names no account.
const UNBOUNDED: &str = "fleetproof-unbounded";

/// A thing that can connect.
#[derive(Clone, Debug)]
pub struct Introduced {
    /// Its name, which is its client id.
    pub thing: String,
    /// The certificate, as PEM.
    pub certificate: String,
    /// The certificate's key, as PEM.
    pub key: Token,
}

/// Makes a thing in the account of the tenant that `by` is logged in to, in `region`, with a certificate of the platform's.
/// It may connect as itself, say and hear everything below `app/<thing>/` and `app/all/`, and use its own jobs and shadows.
///
/// # Errors
/// As the platform refuses it.
pub async fn introduce(mender: &Mender, by: &Session, region: &str, thing: &str) -> Result<Introduced> {
    let (made, arn) = certified(mender, by, region, thing).await?;
    ask(mender, by, "POST", &format!("/things/{thing}?region={region}"), Some(&json!({}))).await?;
    grant(mender, by, region, (POLICY, &policy(&arn)), &arn).await?;
    let attach = Request::new("PUT", format!("{ROOT}/things/{thing}/principals?region={region}"));
    send(mender, by, attach.header("x-amzn-principal", arn)).await?;
    Ok(made)
}

/// A certificate of the platform's for an application of the account, which may do everything in it. Nothing stands for it
/// in the registry but that.
///
/// # Errors
/// As the platform refuses it.
pub async fn application(mender: &Mender, by: &Session, region: &str, name: &str) -> Result<Introduced> {
    let (made, arn) = certified(mender, by, region, name).await?;
    let home = arn.rsplit_once(':').map_or(arn.as_str(), |(home, _)| home);
    let attributes =
        json!({ "ForAnyValue:StringEquals": { "iot:ConnectAttributes": ["PersistentConnect", "LastWill"] } });
    let all = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:*", "Resource": format!("{home}:*") },
        // A session that lasts, and a will, must be granted by name.
        { "Effect": "Allow", "Action": "iot:Connect", "Resource": format!("{home}:client/*"), "Condition": attributes },
    ] });
    grant(mender, by, region, (APPLICATION, &all), &arn).await?;
    Ok(made)
}

/// As [`application`], but what it may do is written without a word of its account: everything, everywhere. What it may do
/// elsewhere is for the platform to say.
///
/// # Errors
/// As the platform refuses it.
pub async fn unbounded(mender: &Mender, by: &Session, region: &str, name: &str) -> Result<Introduced> {
    let (made, arn) = certified(mender, by, region, name).await?;
    let attributes =
        json!({ "ForAnyValue:StringEquals": { "iot:ConnectAttributes": ["PersistentConnect", "LastWill"] } });
    let all = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:*", "Resource": "*" },
        { "Effect": "Allow", "Action": "iot:Connect", "Resource": "*", "Condition": attributes },
    ] });
    grant(mender, by, region, (UNBOUNDED, &all), &arn).await?;
    Ok(made)
}

/// Takes from a thing that was [`introduce`]d what it may do. Its certificate stays as it is.
///
/// # Errors
/// As the platform refuses it.
pub async fn narrow(mender: &Mender, by: &Session, place: &Place, certificate: &str) -> Result<()> {
    let target = json!({ "target": place.arn(&format!("cert/{certificate}")) });
    ask(mender, by, "POST", &place.path(&format!("/target-policies/{POLICY}")), Some(&target)).await.map(drop)
}

/// An active certificate with its key, and its name.
async fn certified(mender: &Mender, by: &Session, region: &str, name: &str) -> Result<(Introduced, String)> {
    let path = format!("/keys-and-certificate?setAsActive=true&region={region}");
    let made = ask(mender, by, "POST", &path, None).await?;
    let body = made.json().unwrap_or_default();
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let (Some(arn), Some(certificate), Some(key)) =
        (text("/certificateArn"), text("/certificatePem"), text("/keyPair/PrivateKey"))
    else {
        return Err(DialectError::Refused(Refused(Box::new(made))));
    };
    Ok((Introduced { thing: name.to_owned(), certificate, key: Token::new(&key) }, arn))
}

/// Gives a certificate a policy, which is made where it is not there.
async fn grant(mender: &Mender, by: &Session, region: &str, policy: (&str, &Value), arn: &str) -> Result<()> {
    let (name, document) = (policy.0, json!({ "policyDocument": policy.1.to_string() }));
    match ask(mender, by, "POST", &format!("/policies/{name}?region={region}"), Some(&document)).await {
        // The policy is the same for everybody who has it.
        Err(error) if error.status() == Some(409) => {}
        made => drop::<Answer>(made?),
    }
    let target = json!({ "target": arn });
    ask(mender, by, "PUT", &format!("/target-policies/{name}?region={region}"), Some(&target)).await.map(drop)
}

/// What a thing may, in the account and region of its certificate: `arn:aws:iot:<region>:<account>:cert/<id>`.
pub(super) fn policy(arn: &str) -> Value {
    let home = arn.rsplit_once(':').map_or(arn, |(home, _)| home);
    let own = "${iot:Connection.Thing.ThingName}";
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": format!("{home}:client/{own}"),
                "Condition": { "Bool": { "iot:Connection.Thing.IsAttached": ["true"] } },
            },
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": format!("{home}:client/{own}"),
                "Condition": { "ForAnyValue:StringEquals": { "iot:ConnectAttributes": ["PersistentConnect", "LastWill"] } },
            },
            {
                "Effect": "Allow",
                "Action": ["iot:Publish", "iot:RetainPublish", "iot:Receive"],
                "Resource": [
                    format!("{home}:topic/app/{own}/*"),
                    format!("{home}:topic/app/all/*"),
                    format!("{home}:topic/$aws/things/{own}/*"),
                    format!("{home}:topic/lobby/{own}"),
                ],
            },
            {
                "Effect": "Allow",
                "Action": "iot:Subscribe",
                "Resource": [
                    format!("{home}:topicfilter/app/{own}/*"),
                    format!("{home}:topicfilter/app/all/*"),
                    format!("{home}:topicfilter/$aws/things/{own}/*"),
                    format!("{home}:topicfilter/lobby/{own}"),
                ],
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_may_do_nothing_outside_of_its_account() {
        let policy = policy("arn:aws:iot:eu-1:123456789012:cert/ab").to_string();
        let resources = policy.matches("arn:aws:iot:").count();
        assert!(resources >= 8, "{policy}");
        assert_eq!(policy.matches("arn:aws:iot:eu-1:123456789012:").count(), resources, "{policy}");
    }
}
