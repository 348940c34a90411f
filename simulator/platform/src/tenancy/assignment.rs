//! How somebody who has an account becomes a member of another tenant.
//!
//! A tenant's admin takes anybody whose id she knows into her own tenant. A provider's admin puts herself, or another
//! user of the provider, into the provider's own children. Nobody puts anybody anywhere else.

use super::founding::join;
use super::roles::check_roles;
use super::tenants::{OBSERVER, tenant_row};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, User, need};
use crate::refusal::{Answer, Refusal};
use crate::store::Transaction;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(assign))
}

/// Where somebody shall be a member.
#[derive(Debug, Deserialize, ToSchema)]
struct Assignment {
    tenant_ids: BTreeSet<String>,
    /// `RBAC_ROLE_OBSERVER` unless given; who is a member already keeps her roles then.
    role: Option<String>,
}

/// Make somebody a member of tenants.
#[utoipa::path(post, path = "/api/management/v1/useradm/users/{id}/assign", operation_id = "Assign Tenants",
    tag = "useradm", params(("id" = String, Path, description = "The user.")), request_body = Assignment,
    responses((status = 200, description = "Done."), (status = 400, description = "Unknown role."),
        (status = 403, description = "A tenant that is neither the caller's nor a child of it."),
        (status = 404, description = "No such user.")),
    security(("user" = [])))]
async fn assign(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(id): At<String>,
    Body(assignment): Body<Assignment>,
) -> Answer<StatusCode> {
    if assignment.tenant_ids.is_empty() {
        return Err(Refusal::bad_request("tenant_ids: cannot be blank"));
    }
    let mut tx = app.begin().await?;
    let mut targets = Vec::new();
    for tenant in &assignment.tenant_ids {
        targets.push((tenant, reach(&mut tx, &user, tenant).await?));
    }
    let account = tx.first("select email from users where id = $1 order by id", args![&id]).await?;
    let email = account.ok_or_else(no_such_user)?.text("email")?;
    let ours = "select count(*) as n from memberships where tenant_id = $1 and user_id = $2";
    let is_ours = tx.number(ours, args![&user.tenant, &id]).await? > 0;
    for (tenant, reach) in targets {
        if matches!(reach, Reach::Child) && !is_ours {
            return Err(no_such_user());
        }
        let role = assignment.role.as_deref().unwrap_or(OBSERVER).to_owned();
        let roles = [role];
        check_roles(&app, &mut tx, tenant, &roles).await.map_err(Refusal::bad_request)?;
        let is_member = tx.number(ours, args![tenant, &id]).await? > 0;
        if !is_member || assignment.role.is_some() {
            join(&app, &mut tx, tenant, &id, &roles).await?;
        }
        let change = Some(format!("Updated user {email}:\nassigned with role {}", roles[0]));
        app.audit(&mut tx, tenant, &*user, "update", Object::user(&id, &email), change).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::OK)
}

fn no_such_user() -> Refusal {
    Refusal::not_found("user not found")
}

/// Why the caller may put somebody into a tenant.
enum Reach {
    Own,
    Child,
}

/// 403 for every tenant that is neither the caller's nor a child of hers, also for what never existed.
async fn reach(tx: &mut Transaction, user: &User, tenant: &str) -> Answer<Reach> {
    if tenant == user.tenant {
        return Ok(Reach::Own);
    }
    let may = user.in_provider && user.rights.allow(crate::rights::PermissionSet::ManageTenants);
    let row = tenant_row(tx, tenant).await?;
    let parent = row.map(|row| row.maybe_text("parent_id")).transpose()?.flatten();
    if may && parent.as_ref() == Some(&user.tenant) { Ok(Reach::Child) } else { Err(Refusal::forbidden()) }
}
