-- Tenants, people, what they may, and what they did.

-- A provider keeps `lim` for its own devices (its reserve) and has given `carved` to its children:
-- lim + carved is its pool. -1 is without limit. `devices_accepted` counts what `lim` limits.
create table tenants (
    id {text} primary key,
    name {text} not null,
    token {text} not null unique,
    status {text} not null,
    provider {int64} not null,
    parent_id {text} references tenants (id),
    lim {int64} not null,
    carved {int64} not null,
    devices_accepted {int64} not null,
    storage_limit {int64} not null,
    storage_used {int64} not null,
    api_limits {text} not null,
    settings {text} not null,
    created_at {int64} not null,
    updated_at {int64} not null
) {strict};
create unique index tenants_by_parent on tenants (parent_id, name);

-- An account is a person: one e-mail, one password, a membership per tenant.
create table users (
    id {text} primary key,
    email {text} not null unique,
    password {text} not null,
    created_at {int64} not null,
    updated_at {int64} not null
) {strict};

-- `roles` is a JSON list of names; `settings` a JSON object.
create table memberships (
    tenant_id {text} not null references tenants (id),
    user_id {text} not null references users (id),
    roles {text} not null,
    settings {text} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    primary key (tenant_id, user_id)
) {strict};
create index memberships_by_user on memberships (user_id);

create table roles (
    tenant_id {text} not null references tenants (id),
    name {text} not null,
    description {text} not null,
    permission_sets {text} not null,
    primary key (tenant_id, name)
) {strict};

-- A user's token is good while its row is here. `kind` is session or pat.
create table sessions (
    jti {text} primary key,
    tenant_id {text} not null references tenants (id),
    user_id {text} not null,
    kind {text} not null,
    name {text} not null,
    email {text} not null,
    roles {text} not null,
    created_at {int64} not null,
    expires_at {int64} not null
) {strict};
create index sessions_by_user on sessions (user_id, tenant_id);

-- A device's token is good while its row is here. `jti` is the authentication set's id.
create table device_tokens (
    jti {text} primary key,
    tenant_id {text} not null references tenants (id),
    device_id {text} not null,
    expires_at {int64} not null
) {strict};
create index device_tokens_by_device on device_tokens (tenant_id, device_id);

-- `object` and `actor` are JSON as they are shown; the columns beside them are what one searches by.
create table audit (
    seq {serial},
    tenant_id {text} not null,
    time {int64} not null,
    actor_id {text} not null,
    actor_type {text} not null,
    actor_email {text} not null,
    actor {text} not null,
    action {text} not null,
    object_id {text} not null,
    object_type {text} not null,
    object_deployment_name {text} not null,
    object {text} not null,
    change {text}
) {strict};
create index audit_by_tenant on audit (tenant_id, time);
create index audit_by_object on audit (object_id);
