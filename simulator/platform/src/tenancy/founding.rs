//! How a tenant comes to be: a row for it, an account for its first admin, and a membership.

use crate::args;
use crate::defects::DefectId;
use crate::ids::hex;
use crate::passwords::SHORTEST;
use crate::platform::{Founded, NewTenant, Platform, PlatformError};
use crate::refusal::Refusal;
use crate::registry;
use crate::rights::PERMIT_ALL;
use crate::store::{Transaction, Tx};

/// A tenant to be, checked.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    /// -1: without limit.
    pub(crate) limit: i64,
    pub(crate) provider: bool,
    pub(crate) parent: Option<&'a str>,
}

/// Founds a tenant without parent.
pub(crate) async fn found(app: &Platform, new: &NewTenant, provider: bool) -> Result<Founded, PlatformError> {
    let say = |refusal: Refusal| PlatformError::Founding(refusal.message.into_owned());
    let limit = new.device_limit.unwrap_or(-1);
    check_name(&new.name).map_err(say)?;
    let email = check_email(&new.admin_email).map_err(say)?;
    let sealed = seal(app, &new.admin_password).map_err(say)?;
    if limit < -1 {
        return Err(PlatformError::Founding("a limit is -1 (none) or more".to_owned()));
    }
    let mut tx = app.begin().await?;
    let draft = Draft { name: &new.name, limit, provider, parent: None };
    let (tenant_id, tenant_token) = insert_tenant(app, &mut tx, &draft).await.map_err(say)?;
    let admin = insert_account(app, &mut tx, &email, &sealed).await.map_err(say)?;
    let admin_id = admin.ok_or_else(|| PlatformError::Founding("the e-mail has an account already".to_owned()))?;
    join(app, &mut tx, &tenant_id, &admin_id, &[PERMIT_ALL.to_owned()]).await.map_err(say)?;
    app.commit(tx).await?;
    Ok(Founded { tenant_id, tenant_token, admin_id })
}

/// Writes the row of a tenant; its id and its token.
pub(crate) async fn insert_tenant(
    app: &Platform,
    tx: &mut Transaction,
    draft: &Draft<'_>,
) -> Result<(String, String), Refusal> {
    let drawn = (app.ids().tenant(), hex(&app.ids().bytes::<24>()));
    let id = if app.defect(DefectId::TenantIdFromName) { from_name(draft.name, 24) } else { drawn.0 };
    let token = if app.defect(DefectId::TenantTokenFromName) { from_name(draft.name, 48) } else { drawn.1 };
    let written = tx
        .execute(
            "insert into tenants (id, name, token, status, provider, parent_id, lim, carved, devices_accepted, \
         storage_limit, storage_used, api_limits, settings, created_at, updated_at) \
         values ($1, $2, $3, 'active', $4, $5, $6, 0, 0, 0, 0, '{}', '{}', $7, $7) on conflict do nothing",
            args![&id, draft.name, &token, draft.provider, draft.parent, draft.limit, app.now_ms()],
        )
        .await?;
    if written != 1 {
        return Err(Refusal::conflict("tenant or admin user is duplicated"));
    }
    registry::open_account(app, tx, &id).await?;
    Ok((id, token))
}

/// So many digits that any tenant of this name gets.
fn from_name(name: &str, digits: usize) -> String {
    let text = hex(name.as_bytes());
    format!("{:0>digits$}", &text[text.len().saturating_sub(digits)..])
}

/// Writes an account; its id, or `None` when the e-mail has one.
pub(crate) async fn insert_account(
    app: &Platform,
    tx: &mut Transaction,
    email: &str,
    sealed: &str,
) -> Result<Option<String>, Refusal> {
    let id = app.ids().thing();
    let written = tx
        .execute(
            "insert into users (id, email, password, created_at, updated_at) values ($1, $2, $3, $4, $4) \
             on conflict do nothing",
            args![&id, email, sealed, app.now_ms()],
        )
        .await?;
    Ok((written == 1).then_some(id))
}

/// Makes a user a member of a tenant, with these roles; for who is one already the roles change.
pub(crate) async fn join(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    user: &str,
    roles: &[String],
) -> Result<(), Refusal> {
    tx.execute(
        "insert into memberships (tenant_id, user_id, roles, settings, created_at, updated_at) \
         values ($1, $2, $3, '{}', $4, $4) \
         on conflict (tenant_id, user_id) do update set roles = excluded.roles, updated_at = excluded.updated_at",
        args![tenant, user, serde_json::json!(roles).to_string(), app.now_ms()],
    )
    .await?;
    Ok(())
}

/// A password as it is kept. 422 when it will not do.
pub(crate) fn seal(app: &Platform, password: &str) -> Result<String, Refusal> {
    if password.chars().count() < SHORTEST {
        return Err(Refusal::unprocessable(format!("password: must be minimum {SHORTEST} characters long")));
    }
    let sealed = app.settings().passwords.seal(password, app.ids().bytes());
    sealed.ok_or_else(|| Refusal::unprocessable("password: too long"))
}

/// An e-mail address as it is kept: in lower case. 400 for what is none.
pub(crate) fn check_email(email: &str) -> Result<String, Refusal> {
    let good = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && email.len() <= 254
    });
    let good = good && email.is_ascii() && !email.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control());
    if good { Ok(email.to_lowercase()) } else { Err(Refusal::bad_request("email: must be a valid email address")) }
}

/// 400 for what is no name.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let good = !name.trim().is_empty() && name.chars().count() <= 128 && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(Refusal::bad_request("name: must have 1 to 128 characters")) }
}
