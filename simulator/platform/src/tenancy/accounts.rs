//! Users: a person has one account, and a membership in each tenant she belongs to.

use super::founding::{check_email, insert_account, join, seal};
use super::removal::forget_stranger;
use super::roles::check_roles;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Params, User, need};
use crate::ids::hex;
use crate::refusal::{Answer, Refusal};
use crate::rights::PERMIT_ALL;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(user_exists))
        .routes(routes!(show_me))
        .routes(routes!(change_password))
        .routes(routes!(show_user, update_user, remove_user))
}

/// A tenant that one belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct Membership {
    id: String,
    name: String,
}

/// A user, as the tenant sees her.
#[derive(Debug, Serialize, ToSchema)]
struct Person {
    id: String,
    email: String,
    roles: Vec<String>,
    verified: bool,
    tfa_status: &'static str,
    created_ts: String,
    updated_ts: String,
    /// The tenant that a login leads to; told only to herself.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    /// The tenants she belongs to; told only to herself.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_ids: Option<Vec<String>>,
    /// The same, with their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenants: Option<Vec<Membership>>,
}

impl Person {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            email: row.text("email")?,
            roles: row.json("roles")?,
            verified: true,
            tfa_status: "disabled",
            created_ts: rfc3339(row.time("created_at")?),
            updated_ts: rfc3339(row.time("updated_at")?),
            tenant_id: None,
            tenant_ids: None,
            tenants: None,
        })
    }
}

/// A member of a tenant.
async fn member(tx: &mut Transaction, tenant: &str, user: &str) -> Result<Option<Row>, StoreError> {
    tx.first(
        "select u.id, u.email, u.password, m.roles, m.created_at, m.updated_at from users u \
         join memberships m on m.user_id = u.id where u.id = $1 and m.tenant_id = $2 order by u.id",
        args![user, tenant],
    )
    .await
}

fn no_such_user() -> Refusal {
    Refusal::not_found("user not found")
}

/// The users of the tenant.
#[utoipa::path(get, path = "/api/management/v1/useradm/users", operation_id = "List Users Management", tag = "useradm",
    params(("id" = Option<String>, Query, description = "With this id."),
        ("email" = Option<String>, Query, description = "With this e-mail."),
        ("created_after" = Option<i64>, Query, description = "In s since 1970."),
        ("created_before" = Option<i64>, Query, description = "In s since 1970."),
        ("updated_after" = Option<i64>, Query, description = "In s since 1970."),
        ("updated_before" = Option<i64>, Query, description = "In s since 1970.")),
    responses((status = 200, description = "The users.", body = Vec<Person>)), security(("user" = [])))]
async fn list_users(
    State(app): State<Platform>,
    user: Can<need::SeeUsers>,
    params: Params,
) -> Answer<Json<Vec<Person>>> {
    let ids = params.all("id");
    let email = params.one("email").map(str::to_lowercase);
    let everywhere = email.is_some() && app.defect(DefectId::UserListForgetsTenant);
    let mut tx = app.begin().await?;
    let rows = tx
        .query(
            "select u.id, u.email, m.roles, m.created_at, m.updated_at from users u \
             join memberships m on m.user_id = u.id where (m.tenant_id = $1 or $2 = 1) \
             and ($3 = '' or u.email = $3) \
             and m.created_at > $4 and m.created_at < $5 and m.updated_at > $6 and m.updated_at < $7 \
             order by m.created_at, u.id",
            args![
                &user.tenant,
                everywhere,
                email.unwrap_or_default(),
                params.time_ms("created_after")?.unwrap_or(-1),
                params.time_ms("created_before")?.unwrap_or(i64::MAX),
                params.time_ms("updated_after")?.unwrap_or(-1),
                params.time_ms("updated_before")?.unwrap_or(i64::MAX),
            ],
        )
        .await?;
    app.commit(tx).await?;
    let mut people = rows.iter().map(Person::read).collect::<Result<Vec<_>, _>>()?;
    people.retain(|person| ids.is_empty() || ids.contains(&person.id.as_str()));
    Ok(Json(people))
}

/// A user to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewUser {
    email: String,
    /// At least eight characters; without one nobody logs in until it is set.
    password: Option<String>,
    /// `RBAC_ROLE_PERMIT_ALL` unless given.
    roles: Option<Vec<String>>,
    /// A mail instead of a password; the platform sends none.
    #[serde(default)]
    #[expect(dead_code, reason = "taken for the vendor's clients")]
    send_reset_password: bool,
    #[serde(default)]
    #[schema(ignore)]
    tenant_id: Option<String>,
}

/// Create a user. An e-mail belongs to one account, whatever tenants it belongs to.
#[utoipa::path(post, path = "/api/management/v1/useradm/users", operation_id = "Create User Management", tag = "useradm",
    request_body = NewUser,
    responses((status = 201, description = "Created.", headers(("Location" = String, description = "users/<id>"))),
        (status = 422, description = "The e-mail is taken, the password too short, or a role unknown.")),
    security(("user" = [])))]
async fn create_user(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    Body(new): Body<NewUser>,
) -> Answer<Response> {
    let email = check_email(&new.email)?;
    let sealed = match &new.password {
        Some(password) => seal(&app, password)?,
        None => seal(&app, &hex(&app.ids().bytes::<24>()))?,
    };
    let roles = new.roles.unwrap_or_else(|| vec![PERMIT_ALL.to_owned()]);
    let mut tx = app.begin().await?;
    check_roles(&app, &mut tx, &user.tenant, &roles).await.map_err(Refusal::unprocessable)?;
    let taken = || Refusal::unprocessable("user with a given email already exists");
    let id = insert_account(&app, &mut tx, &email, &sealed).await?.ok_or_else(taken)?;
    let tenant = match new.tenant_id {
        Some(tenant) if app.defect(DefectId::TenantFromBody) => {
            let known = super::tenants::tenant_row(&mut tx, &tenant).await?.is_some();
            if known { tenant } else { user.tenant.clone() }
        }
        _ => user.tenant.clone(),
    };
    join(&app, &mut tx, &tenant, &id, &roles).await?;
    let times = if app.defect(DefectId::AuditEntryDoubled) { 2 } else { 1 };
    for _ in 0..times {
        app.audit(&mut tx, &tenant, &*user, "create", Object::user(&id, &email), None).await?;
    }
    if app.defect(DefectId::UserLostAfterYes) {
        drop(tx);
        tx = app.begin().await?;
        app.audit(&mut tx, &tenant, &*user, "create", Object::user(&id, &email), None).await?;
    }
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("users/{id}"))]).into_response())
}

/// Whether an e-mail has an account.
#[derive(Debug, Serialize, ToSchema)]
struct Exists {
    exists: bool,
}

/// Does an e-mail have an account, in whatever tenant?
#[utoipa::path(get, path = "/api/management/v1/useradm/users/exists", operation_id = "Check User Existence",
    tag = "useradm", params(("email" = String, Query, description = "The e-mail.")),
    responses((status = 200, description = "Whether.", body = Exists), (status = 400, description = "No e-mail."),
        (status = 403, description = "Not a provider's admin.")),
    security(("user" = [])))]
async fn user_exists(State(app): State<Platform>, _: Can<need::Children>, params: Params) -> Answer<Json<Exists>> {
    let email = check_email(params.one("email").unwrap_or_default())?;
    let mut tx = app.begin().await?;
    let known = tx.number("select count(*) as n from users where email = $1", args![email]).await?;
    app.commit(tx).await?;
    Ok(Json(Exists { exists: known > 0 }))
}

/// Who am I, and where do I belong?
#[utoipa::path(get, path = "/api/management/v1/useradm/users/me", operation_id = "Show Own User Data", tag = "useradm",
    responses((status = 200, description = "The user.", body = Person)), security(("user" = [])))]
async fn show_me(State(app): State<Platform>, user: User) -> Answer<Json<Person>> {
    let mut tx = app.begin().await?;
    let row = member(&mut tx, &user.tenant, &user.id).await?.ok_or_else(no_such_user)?;
    let mut me = Person::read(&row)?;
    let tenants = tx
        .query(
            "select t.id, t.name from memberships m join tenants t on t.id = m.tenant_id \
             where m.user_id = $1 order by m.created_at, t.id",
            args![&user.id],
        )
        .await?;
    let tenants = tenants.iter().map(|row| Ok(Membership { id: row.text("id")?, name: row.text("name")? }));
    let tenants = tenants.collect::<Result<Vec<_>, StoreError>>()?;
    app.commit(tx).await?;
    me.tenant_id = tenants.first().map(|tenant| tenant.id.clone());
    me.tenant_ids = Some(tenants.iter().map(|tenant| tenant.id.clone()).collect());
    me.tenants = Some(tenants);
    Ok(Json(me))
}

/// A new password for oneself.
#[derive(Debug, Deserialize, ToSchema)]
struct PasswordPut {
    password: String,
    current_password: String,
}

/// Change one's own password. One's other sessions end.
#[utoipa::path(put, path = "/api/management/v2/useradm/users/me", operation_id = "Useradm V2 Update Own User Data",
    tag = "useradm", request_body = PasswordPut,
    responses((status = 204, description = "Done."), (status = 422, description = "The current password is another, or the new one too short.")),
    security(("user" = [])))]
async fn change_password(State(app): State<Platform>, user: User, Body(put): Body<PasswordPut>) -> Answer<StatusCode> {
    let sealed = seal(&app, &put.password)?;
    let mut tx = app.begin().await?;
    let row = member(&mut tx, &user.tenant, &user.id).await?.ok_or_else(no_such_user)?;
    if !app.settings().passwords.opens(Some(&row.text("password")?), &put.current_password) {
        return Err(Refusal::unprocessable("current password is incorrect"));
    }
    set_password(&app, &mut tx, &user.id, &sealed, &user.jti).await?;
    app.audit(&mut tx, &user.tenant, &user, "password_change", Object::user(&user.id, &user.email), None).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a password and ends the sessions that were opened with the one before, except `kept`.
async fn set_password(
    app: &Platform,
    tx: &mut Transaction,
    user: &str,
    sealed: &str,
    kept: &str,
) -> Result<(), StoreError> {
    let set = "update users set password = $2, updated_at = $3 where id = $1";
    tx.execute(set, args![user, sealed, app.now_ms()]).await?;
    tx.execute("delete from sessions where user_id = $1 and kind = 'session' and jti <> $2", args![user, kept]).await?;
    Ok(())
}

/// A user of the tenant.
#[utoipa::path(get, path = "/api/management/v1/useradm/users/{id}", operation_id = "Show User", tag = "useradm",
    params(("id" = String, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = Person), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show_user(State(app): State<Platform>, user: Can<need::SeeUsers>, At(id): At<String>) -> Answer<Json<Person>> {
    let mut tx = app.begin().await?;
    let mut row = member(&mut tx, &user.tenant, &id).await?;
    if row.is_none() && app.defect(DefectId::ProviderSeesIntoChild) {
        row = tx
            .first(
                "select u.id, u.email, m.roles, m.created_at, m.updated_at from users u \
                 join memberships m on m.user_id = u.id join tenants t on t.id = m.tenant_id \
                 where u.id = $1 and t.parent_id = $2 order by t.id",
                args![&id, &user.tenant],
            )
            .await?;
    }
    if row.is_none() && app.defect(DefectId::ForeignUserForbidden) {
        let known = tx.number("select count(*) as n from users where id = $1", args![&id]).await?;
        return Err(if known > 0 { Refusal::forbidden() } else { no_such_user() });
    }
    app.commit(tx).await?;
    Ok(Json(Person::read(&row.ok_or_else(no_such_user)?)?))
}

/// What shall be different about a user.
#[derive(Debug, Deserialize, ToSchema)]
struct UserUpdate {
    email: Option<String>,
    password: Option<String>,
    /// Required to change one's own password.
    current_password: Option<String>,
    /// The roles in this tenant; as they are unless given.
    roles: Option<Vec<String>>,
}

/// Change a user. E-mail and password belong to the person: only when she belongs to no other tenant.
#[utoipa::path(put, path = "/api/management/v1/useradm/users/{id}", operation_id = "Update User", tag = "useradm",
    params(("id" = String, Path, description = "The user.")), request_body = UserUpdate,
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found."),
        (status = 422, description = "The e-mail is taken, the password too short, a role unknown, or the account belongs to other tenants too.")),
    security(("user" = [])))]
async fn update_user(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(id): At<String>,
    Body(update): Body<UserUpdate>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let row = member(&mut tx, &user.tenant, &id).await?.ok_or_else(no_such_user)?;
    let was = row.text("email")?;
    let mut change = vec![format!("Updated user {was}:")];
    if id != user.id && (update.password.is_some() || update.email.is_some()) {
        let elsewhere = "select count(*) as n from memberships where user_id = $1 and tenant_id <> $2";
        let elsewhere = tx.number(elsewhere, args![&id, &user.tenant]).await?;
        if elsewhere > 0 && !app.defect(DefectId::AccountTakenOver) {
            return Err(Refusal::unprocessable(
                "the account belongs to other tenants too: only its owner may change it",
            ));
        }
    }
    let mut email = was.clone();
    if let Some(wanted) = &update.email {
        email = check_email(wanted)?;
        let taken = "select count(*) as n from users where email = $1 and id <> $2";
        if tx.number(taken, args![&email, &id]).await? > 0 {
            return Err(Refusal::unprocessable("user with a given email already exists"));
        }
        tx.execute("update users set email = $2, updated_at = $3 where id = $1", args![&id, &email, app.now_ms()])
            .await?;
        tx.execute("update sessions set email = $2 where user_id = $1", args![&id, &email]).await?;
        change.push(format!("email: {email}"));
    }
    if let Some(password) = &update.password {
        let current = update.current_password.as_deref().unwrap_or_default();
        if id == user.id && !app.settings().passwords.opens(Some(&row.text("password")?), current) {
            return Err(Refusal::unprocessable("current password is incorrect"));
        }
        set_password(&app, &mut tx, &id, &seal(&app, password)?, &user.jti).await?;
        change.push("password".to_owned());
    }
    if let Some(roles) = &update.roles {
        check_roles(&app, &mut tx, &user.tenant, roles).await.map_err(Refusal::unprocessable)?;
        join(&app, &mut tx, &user.tenant, &id, roles).await?;
        change.push(format!("roles: {}", roles.join(", ")));
    }
    let change = Some(change.join("\n"));
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::user(&id, &email), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a user from the tenant: her tokens for it die at once. What is not there is gone already.
#[utoipa::path(delete, path = "/api/management/v1/useradm/users/{id}", operation_id = "Remove User", tag = "useradm",
    params(("id" = String, Path, description = "The user.")),
    responses((status = 204, description = "Gone.")), security(("user" = [])))]
async fn remove_user(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    if let Some(row) = member(&mut tx, &user.tenant, &id).await? {
        let gone = args![&user.tenant, &id];
        tx.execute("delete from memberships where tenant_id = $1 and user_id = $2", gone).await?;
        if app.defect(DefectId::PatOutlivesMember) {
            let all_but_pats = "delete from sessions where tenant_id = $1 and user_id = $2 and kind = 'session'";
            tx.execute(all_but_pats, gone).await?;
        } else if !app.defect(DefectId::RemovedUserKeepsToken) {
            tx.execute("delete from sessions where tenant_id = $1 and user_id = $2", gone).await?;
        }
        forget_stranger(&mut tx, &id).await?;
        let object = Object::user(&id, &row.text("email")?);
        app.audit(&mut tx, &user.tenant, &*user, "delete", object, None).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
