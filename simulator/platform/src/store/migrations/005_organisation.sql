-- The organisation of a provider: accounts, units, controls, blueprints, and how accounts come to be.

-- `governed` is a JSON list of regions, `home` among them. `accounts_used` counts accounts that are not closed, also those
-- that are being made; it never goes beyond `account_limit`. `lobby` is who may assume the role that blueprints grant.
create table organisations (
    provider_id {text} primary key references tenants (id),
    id {text} not null unique,
    root_id {text} not null,
    home {text} not null,
    governed {text} not null,
    account_limit {int64} not null,
    accounts_used {int64} not null,
    lobby {text} not null,
    created_at {int64} not null
) {strict};

-- The root is the unit without parent.
create table org_units (
    id {text} primary key,
    provider_id {text} not null references organisations (provider_id),
    parent_id {text} references org_units (id),
    name {text} not null,
    created_at {int64} not null
) {strict};
create unique index org_units_by_name on org_units (provider_id, parent_id, name);

-- `control` is the id of one of those that the platform knows.
create table org_controls (
    provider_id {text} not null references organisations (provider_id),
    unit_id {text} not null references org_units (id),
    control {text} not null,
    attached_at {int64} not null,
    primary key (unit_id, control)
) {strict};

-- E-mails that are taken. An account that is closed keeps its own.
create table org_emails (
    provider_id {text} not null references organisations (provider_id),
    email {text} not null,
    primary key (provider_id, email)
) {strict};

-- `tenant_id` is the tenant that the account is, also when that is gone. `state` is PENDING_ACTIVATION, ACTIVE or CLOSED.
-- `audit_on`: what is written into the tenant's log is shipped. `blueprint` is the version it was made from.
create table org_accounts (
    id {text} primary key,
    provider_id {text} not null references organisations (provider_id),
    tenant_id {text} unique,
    kind {text} not null,
    name {text} not null,
    email {text} not null,
    unit_id {text} not null references org_units (id),
    state {text} not null,
    audit_on {int64} not null,
    tier {text},
    blueprint {text},
    device_policy {text},
    application {text},
    joined_method {text} not null,
    created_at {int64} not null
) {strict};
create index org_accounts_by_unit on org_accounts (provider_id, unit_id, id);

-- A region of an account. Its endpoint never changes. `external_id` stays when the trust is withdrawn.
create table org_regions (
    account_id {text} not null references org_accounts (id) on delete cascade,
    region {text} not null,
    endpoint {text},
    trusts {text},
    external_id {text},
    primary key (account_id, region)
) {strict};

-- A blueprint is a product, its versions are provisioning artifacts. `parts` is JSON.
create table org_blueprints (
    id {text} primary key,
    provider_id {text} not null references organisations (provider_id),
    name {text} not null,
    created_at {int64} not null,
    unique (provider_id, name)
) {strict};
create table org_versions (
    id {text} primary key,
    provider_id {text} not null references organisations (provider_id),
    blueprint_id {text} not null references org_blueprints (id),
    name {text} not null,
    parts {text} not null,
    active {int64} not null,
    created_at {int64} not null,
    unique (blueprint_id, name)
) {strict};

-- What was made of a blueprint. `version_id` is the version that serves.
create table org_products (
    id {text} primary key,
    provider_id {text} not null references organisations (provider_id),
    blueprint_id {text} not null,
    version_id {text} not null,
    name {text} not null,
    account_id {text},
    status {text} not null,
    last_record {text} not null,
    created_at {int64} not null
) {strict};
create index org_products_by_account on org_products (account_id);

-- A change under way or over: an account that is made (`kind` PROVISION_PRODUCT) or a version that is put onto it
-- (UPDATE_PROVISIONED_PRODUCT). `wanted` is JSON: what was asked for, a password sealed. `same` tells identical requests. `step` is the
-- next to do, `tries` how often it has failed; `due_at`, in ms, is when that is done, null when nothing is to be done. A change of `roll`
-- waits, CREATED, until the one before it is over. `creation` is how the creation of an account is asked about.
create table org_records (
    seq {serial},
    id {text} not null unique,
    provider_id {text} not null references organisations (provider_id),
    kind {text} not null,
    product_id {text} not null references org_products (id),
    version_id {text} not null,
    creation {text} not null unique,
    token {text} not null,
    same {text} not null,
    wanted {text} not null,
    state {text} not null,
    reason {text},
    why {text},
    step {text} not null,
    tries {int64} not null,
    due_at {int64},
    roll {text},
    account_id {text},
    tenant_id {text},
    actor_id {text} not null,
    actor_email {text} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    unique (provider_id, token)
) {strict};
create index org_records_due on org_records (due_at) where due_at is not null;
create index org_records_of_product on org_records (product_id, seq);
create index org_records_in_roll on org_records (roll, seq);

-- The central log: a copy of each entry of a member's log, written in the same transaction. Nothing changes or removes a row.
create table org_log (
    seq {serial},
    provider_id {text} not null,
    account_id {text} not null,
    tenant_id {text} not null,
    time {int64} not null,
    actor {text} not null,
    action {text} not null,
    object {text} not null,
    change {text}
) {strict};
create index org_log_in_order on org_log (provider_id, time);
create index org_log_by_account on org_log (provider_id, account_id, time);
