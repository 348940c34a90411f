//! `residency`: what belongs to a tenant is in its own region, and nowhere else.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::aws::client::Qos;
use fleetproof_dialects::aws::{Place, things};
use fleetproof_dialects::mender::Session;
use fleetproof_journal::What;
use fleetproof_language::Located;
use rand::RngCore;

/// A word of a tenant's that was put into its account.
struct Planted {
    tenant: String,
    word: String,
    place: Place,
    admin: Session,
}

/// Puts a word into each tenant's account, as the name of a thing, in its shadow and in a retained message, and looks where it
/// stands: in the stores of every region, and in what people are shown there. It must be found at home.
pub(super) async fn attempt(run: &Run, tenants: &[Located<String>]) -> Result<Seen> {
    let mut planted = Vec::new();
    for tenant in tenants {
        planted.push(plant(run, tenant).await?);
    }
    let (mut wrong, mut unseen, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for one in &planted {
        let found = run.stores.with(&one.word).await.map_err(|error| Stop::Broken(error.to_string()))?;
        let told: Vec<String> = found
            .iter()
            .map(|(region, stores)| format!("{region} ({})", stores.iter().copied().collect::<Vec<_>>().join(", ")))
            .collect();
        let text = format!("`{}` of `{}` stands in {}", one.word, one.tenant, told.join(" and in "));
        let seq = run.shared.emit("engine", None, What::Note { text });
        evidence.push(seq);
        if found.get(&one.place.region).is_none_or(|stores| stores.len() < 3) {
            unseen.push(format!("`{}` is not found whole in {}, where it was put", one.word, one.place.region));
        }
        for (region, stores) in found.iter().filter(|(region, _)| **region != one.place.region) {
            let stores: Vec<&str> = stores.iter().copied().collect();
            wrong.push(format!("what belongs to `{}` stands in {region}: {}", one.tenant, stores.join(", ")));
        }
        wrong.extend(shown_elsewhere(run, one, &planted).await?);
    }
    for one in &planted {
        take_away(run, one).await?;
    }
    let expected = "what belongs to each tenant is in its own region, and in no store of another";
    let proof = Proof::of(expected).evidence(evidence);
    if wrong.is_empty() && !unseen.is_empty() {
        return Ok(Seen::Hidden(proof.actual("not all was found at home").details(unseen)));
    }
    Ok(Seen::of(proof, tenants.len(), wrong, "tenants have what is theirs in their own region"))
}

async fn plant(run: &Run, tenant: &str) -> Result<Planted> {
    let (place, admin) = (run.things.place(run, tenant).await?, run.people.admin(tenant).await?);
    let drawn = run.world.seeds.child("residency").stream(tenant).next_u32();
    let word = format!("residency-{tenant}-{drawn:08x}");
    run.shared.declare_canary(tenant, &word);
    things::name(&run.mender, &admin, &place, &word).await?;
    let mut client = run.listeners.client(run, tenant, "residency").await?;
    let report = format!("{{\"state\":{{\"reported\":{{\"word\":\"{word}\"}}}}}}");
    for (topic, text, retain) in
        [(format!("$aws/things/{word}/shadow/update"), report, false), (format!("app/{word}"), word.clone(), true)]
    {
        let said = client.publish(&topic, text.into(), Qos::AtLeastOnce, retain).await;
        said.map_err(|error| Stop::Failed(format!("the application of `{tenant}`: {error}")))?;
    }
    client.leave().await;
    Ok(Planted { tenant: tenant.to_owned(), word, place, admin })
}

/// Whether people are shown it in another region: its own in the regions where it is not, others in theirs.
async fn shown_elsewhere(run: &Run, one: &Planted, all: &[Planted]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let query = format!("thingName:{}", one.word);
    for region in run.plan.scenario.platform.regions.iter().filter(|region| region.value != one.place.region) {
        let there = Place { region: region.value.clone(), ..one.place.clone() };
        match things::search(&run.mender, &one.admin, &there, &query).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => wrong.push(format!("`{}` is shown it in {}", one.tenant, region.value)),
            Err(error) if error.status() == Some(404) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for other in all.iter().filter(|other| other.tenant != one.tenant) {
        if !things::search(&run.mender, &other.admin, &other.place, &query).await?.is_empty() {
            wrong.push(format!("`{}` is shown what belongs to `{}`", other.tenant, one.tenant));
        }
    }
    Ok(wrong)
}

async fn take_away(run: &Run, one: &Planted) -> Result<()> {
    let mut client = run.listeners.client(run, &one.tenant, "residency").await?;
    for (topic, retain) in
        [(format!("$aws/things/{}/shadow/delete", one.word), false), (format!("app/{}", one.word), true)]
    {
        // What cannot be taken away goes with the platform.
        let _gone = client.publish(&topic, Vec::new().into(), Qos::AtLeastOnce, retain).await;
    }
    client.leave().await;
    Ok(things::unname(&run.mender, &one.admin, &one.place, &one.word).await?)
}
