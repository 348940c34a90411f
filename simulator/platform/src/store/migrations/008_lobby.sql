-- The Device Lobby of an organisation: who may come in, whose each device is, and what tenants are told.

-- `tenant_id` is the tenant that the lobby's account is; nobody logs in there.
create table lobbies (
    provider_id {text} primary key references organisations (provider_id),
    tenant_id {text} not null unique references tenants (id),
    account_id {text} not null unique,
    created_at {int64} not null
) {strict};

-- Whose certificates come in. `tenant_id`: the authority is this tenant's own, and so are its devices.
create table lobby_authorities (
    provider_id {text} not null references lobbies (provider_id),
    id {text} not null,
    pem {text} not null,
    tenant_id {text},
    created_at {int64} not null,
    primary key (provider_id, id)
) {strict};

-- Regions that are given up: nothing is cleaned up there until they are back.
create table lobby_lost_regions (
    provider_id {text} not null references lobbies (provider_id),
    region {text} not null,
    primary key (provider_id, region)
) {strict};

-- The ledger. `entry` is JSON: all of a device, as the rules know it; the columns beside it are what one searches by. `due_at`, in ms,
-- is when somebody is to work on it.
create table lobby_devices (
    provider_id {text} not null references lobbies (provider_id),
    certid {text} not null,
    version {int64} not null,
    state {text} not null,
    owner_tenant {text},
    owner_account {text},
    owner_region {text},
    name {text},
    is_unclean {int64} not null,
    due_at {int64},
    entry {text} not null,
    primary key (provider_id, certid)
) {strict};
create index lobby_devices_by_owner on lobby_devices (provider_id, owner_tenant, certid);
create index lobby_devices_by_home on lobby_devices (owner_account, owner_region, name);
create index lobby_devices_by_state on lobby_devices (state, provider_id, certid);
create index lobby_devices_due on lobby_devices (due_at) where due_at is not null;

-- Claims that wait for a proof.
create table lobby_waits (
    provider_id {text} not null,
    tenant_id {text} not null,
    certid {text} not null,
    primary key (provider_id, tenant_id, certid),
    foreign key (provider_id, certid) references lobby_devices (provider_id, certid) on delete cascade
) {strict};
create index lobby_waits_by_device on lobby_waits (provider_id, certid);

create table lobby_notices (
    seq {serial},
    provider_id {text} not null,
    tenant_id {text} not null,
    certid {text} not null,
    time {int64} not null,
    message {text} not null
) {strict};
create index lobby_notices_in_order on lobby_notices (provider_id, tenant_id, seq);
