//! A device knocks: it shows who it is, signs that, and is given a token once somebody has accepted it.

use super::device_status::Status;
use super::keys::PublicKey;
use super::slots;
use crate::Platform;
use crate::args;
use crate::edge::{LIMIT, collect};
use crate::organisation;
use crate::refusal::{Answer, Refusal};
use crate::service::Api;
use crate::store::{Transaction, Tx};
use crate::tokens::Claims;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(authenticate))
}

/// What kind of device it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tier {
    #[default]
    Standard,
    Micro,
    System,
}

impl Tier {
    /// As it is written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Micro => "micro",
            Self::System => "system",
        }
    }
}

/// What a device shows.
#[derive(Debug, Deserialize, ToSchema)]
struct AuthRequest {
    /// The device's identity: a JSON object, as text.
    id_data: String,
    /// Its public key, PKIX PEM.
    pubkey: String,
    /// The token of the tenant that it belongs to; may be the bearer token instead.
    #[serde(default)]
    tenant_token: Option<String>,
    #[serde(default)]
    #[schema(inline)]
    tier: Option<Tier>,
    /// Taken for the vendor's clients.
    #[serde(default)]
    #[expect(dead_code, reason = "taken for the vendor's clients")]
    external_id: Option<String>,
}

/// Knock, or ask for a new token.
#[utoipa::path(post, path = "/api/devices/v1/authentication/auth_requests",
    operation_id = "DeviceAuth Authenticate Device", tag = "devauth", request_body = AuthRequest,
    params(("X-MEN-Signature" = String, Header, description = "The signature of the body's bytes, base64.")),
    responses((status = 200, description = "A token.", content_type = "application/jwt", body = String),
        (status = 401, description = "Unauthorized.")))]
async fn authenticate(State(app): State<Platform>, headers: HeaderMap, body: axum::body::Body) -> Answer {
    let signature = headers.get("x-men-signature").and_then(|value| value.to_str().ok());
    let signature = signature.ok_or_else(|| Refusal::bad_request("missing request signature header"))?;
    let body = collect(body, LIMIT).await?;
    let request: AuthRequest = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad_request(format!("failed to decode auth request: {error}")))?;
    let identity = canonical(&request.id_data).ok_or_else(|| Refusal::bad_request("invalid id_data"))?;
    let key = PublicKey::read(&request.pubkey).ok_or_else(|| Refusal::bad_request("cannot decode public key"))?;
    if !is_signed(&app, &key, &body, signature) {
        return Err(Refusal::unauthorized_since("signature verification failed"));
    }
    let token = request.tenant_token.as_deref().filter(|token| !token.is_empty()).or_else(|| bearer(&headers));
    let token = token.ok_or_else(|| Refusal::unauthorized_since("tenant token missing"))?;
    let mut tx = app.begin().await?;
    let of_token = "select id, status, api_limits from tenants where token = $1 order by id";
    let unknown = || Refusal::unauthorized_since("tenant token verification failed");
    let mut tenant = tx.first(of_token, args![token]).await?.ok_or_else(unknown)?;
    if tenant.text("status")? == organisation::ONBOARDING {
        tx = organisation::up_to_date(&app, tx).await?;
        tenant = tx.first(of_token, args![token]).await?.ok_or_else(unknown)?;
    }
    if tenant.text("status")? != "active" {
        return Err(Refusal::unauthorized_since("tenant account suspended"));
    }
    let (tenant, limits) = (tenant.text("id")?, tenant.text("api_limits")?);
    app.floor().know_tenant(token, &tenant);
    app.count_call(&tenant, Api::Devices, &limits)?;
    let knock = Knock { tenant, identity, key: key.pem, tier: request.tier.unwrap_or_default() };
    knock.answer(&app, tx).await
}

/// Whether the knock is signed with the key that it shows. Until it is let in, a device shows the same one again and again.
fn is_signed(app: &Platform, key: &PublicKey, body: &[u8], signature: &str) -> bool {
    let whole = Sha256::new().chain_update(Sha256::digest(body)).chain_update(signature).finalize().into();
    if app.knocks().recall(&whole).is_some() {
        return true;
    }
    let good = key.signed(body, signature);
    if good {
        app.knocks().remember(whole, ());
    }
    good
}

/// A knock whose signature was good.
struct Knock {
    tenant: String,
    identity: String,
    key: String,
    tier: Tier,
}

impl Knock {
    async fn answer(&self, app: &Platform, mut tx: Transaction) -> Answer {
        let set = tx
            .first(
                "select s.id, s.status, d.id as device_id, d.status as device_status from devices d \
                 join auth_sets s on s.device_id = d.id \
                 where d.tenant_id = $1 and d.identity = $2 and s.pubkey = $3 order by s.id",
                args![&self.tenant, &self.identity, &self.key],
            )
            .await?;
        let Some(set) = set else {
            self.remember(app, &mut tx).await?;
            app.commit(tx).await?;
            return Err(refused());
        };
        let (id, device) = (set.text("id")?, set.text("device_id")?);
        match Status::named(&set.text("status")?) {
            Some(Status::Accepted) => {}
            Some(Status::Preauthorized) => {
                let before = Status::named(&set.text("device_status")?).unwrap_or(Status::Noauth);
                if before != Status::Accepted {
                    let (after, taken) = slots::take(app, tx, &self.tenant).await?;
                    tx = after;
                    if !taken {
                        return Err(Refusal::unauthorized());
                    }
                }
                accept(app, &mut tx, &self.tenant, &device, &id, before).await?;
            }
            _ => return Err(refused()),
        }
        let token = give_token(app, &mut tx, &self.tenant, &device, &id).await?;
        app.commit(tx).await?;
        Ok(([(header::CONTENT_TYPE, "application/jwt")], token).into_response())
    }

    /// Writes down who knocked, for somebody to decide.
    async fn remember(&self, app: &Platform, tx: &mut Transaction) -> Result<(), Refusal> {
        let known = tx
            .first(
                "select id, status from devices where tenant_id = $1 and identity = $2 order by id",
                args![&self.tenant, &self.identity],
            )
            .await?;
        let (device, before) = match known {
            Some(known) => (known.text("id")?, Status::named(&known.text("status")?).unwrap_or(Status::Noauth)),
            None => {
                let new = NewDevice { tenant: &self.tenant, identity: &self.identity, tier: self.tier };
                (new.insert(app, tx, Status::Pending).await?, Status::Pending)
            }
        };
        add_set(app, tx, &self.tenant, &device, &self.key, Status::Pending, self.tier).await?;
        slots::settle(app, tx, &self.tenant, &device, before).await?;
        Ok(())
    }
}

/// A device to be.
pub(super) struct NewDevice<'a> {
    pub(super) tenant: &'a str,
    /// [`canonical`].
    pub(super) identity: &'a str,
    pub(super) tier: Tier,
}

impl NewDevice<'_> {
    /// Writes its row; its id.
    pub(super) async fn insert(&self, app: &Platform, tx: &mut Transaction, status: Status) -> Result<String, Refusal> {
        let id = app.ids().thing();
        tx.execute(
            "insert into devices (id, tenant_id, identity, status, tier, group_name, attributes, tags, tags_version, \
             in_inventory, created_at, updated_at, check_in_at) \
             values ($1, $2, $3, $4, $5, null, '[]', '[]', 1, 1, $6, $6, null)",
            args![&id, self.tenant, self.identity, status.name(), self.tier.name(), app.now_ms()],
        )
        .await?;
        Ok(id)
    }
}

/// Writes an authentication set; its id.
pub(super) async fn add_set(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    key: &str,
    status: Status,
    tier: Tier,
) -> Result<String, Refusal> {
    let id = app.ids().thing();
    tx.execute(
        "insert into auth_sets (id, tenant_id, device_id, pubkey, status, tier, ts) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        args![&id, tenant, device, key, status.name(), tier.name(), app.now_ms()],
    )
    .await?;
    Ok(id)
}

/// Accepts a set, and rejects the device's others. The slot is taken already.
pub(super) async fn accept(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    set: &str,
    before: Status,
) -> Result<(), Refusal> {
    tx.execute(
        "update auth_sets set status = case when id = $2 then 'accepted' else 'rejected' end where device_id = $1",
        args![device, set],
    )
    .await?;
    slots::settle(app, tx, tenant, device, before).await?;
    Ok(())
}

/// A token for the device, good from now.
async fn give_token(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    set: &str,
) -> Result<String, Refusal> {
    let claims = Claims::of_device(set, device, tenant, app.now_s());
    tx.execute(
        "insert into device_tokens (jti, tenant_id, device_id, expires_at) values ($1, $2, $3, $4) \
         on conflict (jti) do update set expires_at = excluded.expires_at",
        args![set, tenant, device, claims.exp.saturating_mul(1_000)],
    )
    .await?;
    tx.execute("update devices set check_in_at = $2 where id = $1", args![device, app.now_ms()]).await?;
    app.tokens().sign(&claims).map_err(Refusal::internal)
}

/// What a device is told that is not accepted, for whatever reason.
fn refused() -> Refusal {
    Refusal::unauthorized_since("dev auth: unauthorized")
}

/// Identity data as it is kept and compared: an object with sorted keys. `None` for anything else.
pub(super) fn canonical(identity: &str) -> Option<String> {
    let object: BTreeMap<String, Value> = serde_json::from_str(identity).ok()?;
    if object.is_empty() { None } else { serde_json::to_string(&object).ok() }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}
