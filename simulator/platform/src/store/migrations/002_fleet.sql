-- Devices, artifacts, deployments.

-- `identity` is a JSON object with sorted keys. `status` follows from the authentication sets; who is accepted
-- holds one of the tenant's `devices_accepted`. `attributes` (what the device says of itself) and `tags` are JSON
-- lists; `tags_version` is the ETag; `in_inventory` is 0 once the inventory's record was deleted.
create table devices (
    id {text} primary key,
    tenant_id {text} not null references tenants (id) on delete cascade,
    identity {text} not null,
    status {text} not null,
    tier {text} not null,
    group_name {text},
    attributes {text} not null,
    tags {text} not null,
    tags_version {int64} not null,
    in_inventory {int64} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    check_in_at {int64},
    unique (tenant_id, identity)
) {strict};
create index devices_in_order on devices (tenant_id, created_at, id);
create index devices_by_group on devices (tenant_id, group_name);

-- A key that a device showed, and what was decided about it. `pubkey` is normalised PEM.
create table auth_sets (
    id {text} primary key,
    tenant_id {text} not null references tenants (id) on delete cascade,
    device_id {text} not null references devices (id) on delete cascade,
    pubkey {text} not null,
    status {text} not null,
    tier {text} not null,
    ts {int64} not null,
    unique (device_id, pubkey)
) {strict};
create index auth_sets_by_tenant on auth_sets (tenant_id);

create table filters (
    id {text} primary key,
    tenant_id {text} not null references tenants (id) on delete cascade,
    name {text} not null,
    terms {text} not null,
    created_at {int64} not null,
    unique (tenant_id, name)
) {strict};

-- What is known of an artifact without its bytes, which are in the object store at <tenant>/<id>.
create table artifacts (
    id {text} primary key,
    tenant_id {text} not null references tenants (id) on delete cascade,
    name {text} not null,
    description {text} not null,
    device_types {text} not null,
    provides {text} not null,
    depends {text} not null,
    clears {text} not null,
    updates {text} not null,
    signed {int64} not null,
    size {int64} not null,
    modified_at {int64} not null
) {strict};
create index artifacts_by_name on artifacts (tenant_id, name);

-- What people add to all artifacts of one name. Lives while there are artifacts.
create table releases (
    tenant_id {text} not null references tenants (id) on delete cascade,
    name {text} not null,
    notes {text} not null,
    tags {text} not null,
    modified_at {int64} not null,
    primary key (tenant_id, name)
) {strict};

-- `same` tells identical requests; `unfinished` counts the devices that have not ended; `dynamic` ones take in
-- devices that match `filter` (JSON) when they ask, at most `max_devices`.
create table deployments (
    id {text} primary key,
    seq {int64} not null,
    tenant_id {text} not null references tenants (id) on delete cascade,
    name {text} not null,
    artifact_name {text} not null,
    status {text} not null,
    same {text} not null,
    groups {text} not null,
    filter {text},
    dynamic {int64} not null,
    forced {int64} not null,
    max_devices {int64},
    device_count {int64} not null,
    unfinished {int64} not null,
    initial_count {int64} not null,
    created_at {int64} not null,
    finished_at {int64}
) {strict};
create unique index deployments_unfinished on deployments (tenant_id, same) where finished_at is null;
create index deployments_in_order on deployments (tenant_id, created_at, id);
create index deployments_dynamic on deployments (tenant_id, seq) where dynamic = 1 and finished_at is null;

-- A device in a deployment. `open` is 1 until a terminal status.
create table device_deployments (
    deployment_id {text} not null references deployments (id) on delete cascade,
    device_id {text} not null,
    tenant_id {text} not null references tenants (id) on delete cascade,
    seq {int64} not null,
    status {text} not null,
    substate {text},
    open {int64} not null,
    artifact_id {text},
    device_type {text},
    created_at {int64} not null,
    started_at {int64},
    finished_at {int64},
    hidden {int64} not null,
    primary key (deployment_id, device_id)
) {strict};
create index device_deployments_open on device_deployments (device_id, seq) where open = 1;
create index device_deployments_by_device on device_deployments (tenant_id, device_id, seq);

create table deployment_logs (
    deployment_id {text} not null,
    device_id {text} not null,
    tenant_id {text} not null references tenants (id) on delete cascade,
    log {text} not null,
    primary key (deployment_id, device_id)
) {strict};
