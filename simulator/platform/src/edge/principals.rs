//! Who asks: extractors that refuse everybody else.

use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::Refusal;
use crate::rights::{Grant, PERMIT_ALL, Rights, Scope, built_in};
use crate::service::Api;
use crate::store::{Row, StoreError, Transaction};
use crate::tokens::Claims;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// A user who is logged in, in the tenant that the token is for.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    /// The tenant's id.
    pub(crate) tenant: String,
    pub(crate) tenant_name: String,
    /// Whether the tenant may have children.
    pub(crate) in_provider: bool,
    pub(crate) rights: Rights,
    /// The token's own id.
    pub(crate) jti: String,
    /// How often the tenant may call, as it is kept.
    api_limits: String,
}

impl FromRequestParts<Platform> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Refusal> {
        let claims = claims(parts, app).ok_or_else(Refusal::unauthorized)?;
        let mut tx = app.begin().await?;
        let user = if claims.user {
            user_of(app, &mut tx, &claims).await?
        } else if app.defect(DefectId::DeviceTokenOpensManagement) {
            device_as_user(&mut tx, &claims).await?
        } else {
            None
        };
        let mut user = user.ok_or_else(Refusal::unauthorized)?;
        app.commit(tx).await?;
        app.count_call(&user.tenant, Api::Management, &user.api_limits)?;
        app.floor().carry_out(&parts.method, parts.uri.path()).await;
        if app.defect(DefectId::TenantFromHeader)
            && let Some(tenant) = parts.headers.get("x-tenant-id").and_then(|tenant| tenant.to_str().ok())
        {
            user.tenant = tenant.to_owned();
        }
        Ok(user)
    }
}

/// The user behind a token that verified, if the session stands and the tenant is active.
async fn user_of(app: &Platform, tx: &mut Transaction, claims: &Claims) -> Result<Option<User>, StoreError> {
    let session = tx
        .first(
            "select s.kind, s.email, s.roles as roles_then, m.roles, t.name, t.status, t.provider, t.api_limits \
             from sessions s join tenants t on t.id = s.tenant_id \
             left join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id \
             where s.jti = $1 and s.user_id = $2 and s.tenant_id = $3 order by s.jti",
            args![&claims.jti, &claims.sub, &claims.tenant],
        )
        .await?;
    let Some(session) = session else { return Ok(None) };
    if session.text("status")? != "active" && !app.defect(DefectId::SuspendedUsersServed) {
        return Ok(None);
    }
    let Some(roles) = roles_now(app, &session)? else { return Ok(None) };
    Ok(Some(User {
        id: claims.sub.clone(),
        email: session.text("email")?,
        tenant: claims.tenant.clone(),
        tenant_name: session.text("name")?,
        in_provider: session.truth("provider")?,
        rights: rights_of(tx, &claims.tenant, &roles).await?,
        jti: claims.jti.clone(),
        api_limits: session.text("api_limits")?,
    }))
}

/// The defect: whoever has some token of a tenant is taken for its admin.
async fn device_as_user(tx: &mut Transaction, claims: &Claims) -> Result<Option<User>, StoreError> {
    let sql = "select t.name, t.provider, t.api_limits from device_tokens d join tenants t on t.id = d.tenant_id \
               where d.jti = $1 and t.status = 'active' order by d.jti";
    let Some(tenant) = tx.first(sql, args![&claims.jti]).await? else { return Ok(None) };
    let roles = [PERMIT_ALL.to_owned()];
    Ok(Some(User {
        id: claims.sub.clone(),
        email: String::new(),
        tenant: claims.tenant.clone(),
        tenant_name: tenant.text("name")?,
        in_provider: tenant.truth("provider")?,
        rights: rights_of(tx, &claims.tenant, &roles).await?,
        jti: claims.jti.clone(),
        api_limits: tenant.text("api_limits")?,
    }))
}

/// The names of the roles that the session's user has today; `None` for who is no member any more.
fn roles_now(app: &Platform, session: &Row) -> Result<Option<Vec<String>>, StoreError> {
    if session.maybe_text("roles")?.is_some() {
        return session.json("roles").map(Some);
    }
    let is_pat = session.text("kind")? == "pat";
    let believed = app.defect(DefectId::RemovedUserKeepsToken)
        || app.defect(DefectId::SwitchWithoutMembership)
        || is_pat && app.defect(DefectId::PatOutlivesMember);
    if believed {
        return session.json("roles_then").map(Some);
    }
    Ok(None)
}

/// What roles with these names allow in a tenant. A name that is no role allows nothing.
pub(crate) async fn rights_of(tx: &mut Transaction, tenant: &str, roles: &[String]) -> Result<Rights, StoreError> {
    let mut rights = Rights::default();
    for name in roles {
        if let Some(role) = built_in(name) {
            rights.add(&role.grants());
            continue;
        }
        let own = tx
            .first(
                "select permission_sets from roles where tenant_id = $1 and name = $2 order by name",
                args![tenant, name],
            )
            .await?;
        if let Some(own) = own {
            rights.add(&own.json::<Vec<Grant>>("permission_sets")?);
        }
    }
    Ok(rights)
}

/// What a person may do in a tenant where no session of hers is; `None`: she is no member, or the tenant is shut.
pub(crate) async fn rights_in(tx: &mut Transaction, tenant: &str, user: &str) -> Result<Option<Rights>, StoreError> {
    let sql = "select m.roles from memberships m join tenants t on t.id = m.tenant_id \
               where m.tenant_id = $1 and m.user_id = $2 and t.status = 'active' order by m.user_id";
    let Some(row) = tx.first(sql, args![tenant, user]).await? else { return Ok(None) };
    let roles: Vec<String> = row.json("roles")?;
    rights_of(tx, tenant, &roles).await.map(Some)
}

/// A user who has what `N` needs; a 403 for who has not.
#[derive(Debug)]
pub(crate) struct Can<N>(User, PhantomData<N>);

impl<N> Deref for Can<N> {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl<N: need::Need> Can<N> {
    /// Whether all that opens it is narrowed to groups of devices.
    pub(crate) fn is_narrowed(&self) -> bool {
        let scopes: Vec<_> = N::SETS.iter().filter_map(|set| self.rights.scope(*set)).collect();
        !scopes.is_empty() && scopes.iter().all(|scope| **scope != Scope::All)
    }
}

impl<N: need::Need> FromRequestParts<Platform> for Can<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Refusal> {
        let user = User::from_request_parts(parts, app).await?;
        let sees = N::SEES.is_some_and(|sees| user.rights.allow(sees)) && app.defect(DefectId::ViewerMayWrite);
        let allowed = N::SETS.iter().any(|set| user.rights.allow(*set)) || sees;
        if !allowed || N::IN_PROVIDER && !user.in_provider {
            return Err(Refusal::forbidden());
        }
        Ok(Self(user, PhantomData))
    }
}

/// What operations need.
pub(crate) mod need {
    use crate::rights::PermissionSet::{self as Set, *};

    /// What an operation needs of its caller's rights.
    pub(crate) trait Need: Send + Sync + 'static {
        /// Any of these opens it.
        const SETS: &'static [Set];
        /// What opens the sight of what it changes.
        const SEES: Option<Set>;
        /// Whether the caller's tenant must be a provider.
        const IN_PROVIDER: bool;
    }

    macro_rules! needs {
        ($($(#[$doc:meta])* $name:ident: $($set:ident)|+ $(, sees $sees:ident)? $(, in $provider:ident)?;)*) => {
            $($(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name;

            impl Need for $name {
                const SETS: &'static [Set] = &[$($set),+];
                const SEES: Option<Set> = needs!(@sees $($sees)?);
                const IN_PROVIDER: bool = needs!(@in $($provider)?);
            })*
        };
        (@sees $set:ident) => { Some($set) };
        (@sees) => { None };
        (@in provider) => { true };
        (@in) => { false };
    }

    needs! {
        /// See devices, groups, filters, device limits.
        SeeDevices: ReadDevices | ManageDevices | DeployToDevices;
        /// Accept, reject, preauthorize, decommission, revoke.
        ChangeDevices: ManageDevices, sees ReadDevices;
        /// Groups, tags, filters.
        SortDevices: DeployToDevices, sees ReadDevices;
        /// See artifacts and releases.
        SeeReleases: ReadReleases | ManageReleases;
        /// Change and delete artifacts and releases.
        ChangeReleases: ManageReleases, sees ReadReleases;
        /// Bring an artifact.
        Upload: UploadArtifacts, sees ReadReleases;
        /// See deployments.
        SeeDeployments: ReadReleases | DeployToDevices;
        /// Create and abort deployments.
        Deploy: DeployToDevices, sees ReadReleases;
        /// See users, roles, permission sets.
        SeeUsers: ReadUsers | ManageUsers;
        /// Change users, roles, settings.
        ChangeUsers: ManageUsers, sees ReadDevices;
        /// Read the audit log.
        SeeAudit: ReadAuditLogs;
        /// Everything about children.
        Children: ManageTenants, in provider;
    }
}

/// A device with a token that is good.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) tenant: String,
}

impl FromRequestParts<Platform> for Device {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Refusal> {
        let claims = claims(parts, app).filter(|claims| claims.device).ok_or_else(Refusal::unauthorized)?;
        let mut tx = app.begin().await?;
        let stands = tx
            .first(
                "select t.status, t.api_limits from device_tokens d join tenants t on t.id = d.tenant_id \
                 where d.jti = $1 and d.device_id = $2 and d.tenant_id = $3 order by d.jti",
                args![&claims.jti, &claims.sub, &claims.tenant],
            )
            .await?;
        app.commit(tx).await?;
        let tenant = stands.ok_or_else(Refusal::unauthorized)?;
        if tenant.text("status")? != "active" && !app.defect(DefectId::SuspendedDevicesServed) {
            return Err(Refusal::unauthorized());
        }
        app.count_call(&claims.tenant, Api::Devices, &tenant.text("api_limits")?)?;
        app.floor().carry_out(&parts.method, parts.uri.path()).await;
        Ok(Self { id: claims.sub.clone(), tenant: claims.tenant.clone() })
    }
}

/// Whoever has the token of the operator's door.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Platform> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Refusal> {
        let shown = bearer(parts).ok_or_else(Refusal::unauthorized)?;
        let (shown, wanted) = (shown.as_bytes(), app.operator_token().as_bytes());
        let differs = shown.iter().zip(wanted).fold(shown.len() ^ wanted.len(), |sum, (a, b)| sum | usize::from(a ^ b));
        if differs != 0 {
            return Err(Refusal::unauthorized());
        }
        app.floor().carry_out(&parts.method, parts.uri.path()).await;
        Ok(Self)
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn claims(parts: &Parts, app: &Platform) -> Option<Arc<Claims>> {
    claims_of(app, bearer(parts)?)
}

/// What a token says that this platform signed and that has not run out. Whether it still stands is not asked.
pub(crate) fn claims_of(app: &Platform, token: &str) -> Option<Arc<Claims>> {
    app.tokens().verify(token, app.now_s())
}
