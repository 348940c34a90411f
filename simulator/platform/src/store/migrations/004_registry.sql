-- The registry: a tenant is an account, and what its devices are known by.

-- A closed account stays, so that neither its number nor its endpoints are ever given to another. `quotas` is a JSON
-- object: calls per second by the name of the operation, in place of the defaults.
create table accounts (
    account_id {text} primary key,
    tenant_id {text} not null unique,
    registration_code {text} not null,
    quotas {text} not null,
    created_at {int64} not null,
    closed_at {int64}
) {strict};

-- Where an account is; the first `seq` is its home. `events` is a JSON object: which events are told there.
create table account_regions (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    seq {int64} not null,
    events {text} not null,
    primary key (tenant_id, region)
) {strict};

create table endpoints (
    host {text} primary key,
    account_id {text} not null references accounts (account_id),
    region {text} not null,
    created_at {int64} not null,
    unique (account_id, region)
) {strict};

-- `id` is the SHA-256 of the DER in hexadecimal digits. `facts` is a JSON object: what policies may ask of the certificate.
-- `transfer` is a JSON object while the certificate is on its way to `transfer_to`, an account.
create table certificates (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    id {text} not null,
    pem {text} not null,
    status {text} not null,
    mode {text} not null,
    ca_id {text},
    owned_by {text} not null,
    previous_owned_by {text},
    common_name {text} not null,
    facts {text} not null,
    not_before {int64} not null,
    not_after {int64} not null,
    transfer_to {text},
    transfer {text},
    version {int64} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    primary key (tenant_id, region, id)
) {strict};
create index certificates_on_their_way on certificates (transfer_to, region, id) where transfer_to is not null;

create table ca_certificates (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    id {text} not null,
    pem {text} not null,
    subject {text} not null,
    status {text} not null,
    mode {text} not null,
    auto_registration {int64} not null,
    not_before {int64} not null,
    not_after {int64} not null,
    version {int64} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    primary key (tenant_id, region, id)
) {strict};
create index ca_certificates_by_subject on ca_certificates (region, subject);

-- `attributes` is a JSON object.
create table things (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    name {text} not null,
    id {text} not null,
    type_name {text},
    attributes {text} not null,
    version {int64} not null,
    created_at {int64} not null,
    primary key (tenant_id, region, name)
) {strict};

create table thing_groups (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    name {text} not null,
    id {text} not null,
    parent {text},
    description {text} not null,
    attributes {text} not null,
    version {int64} not null,
    created_at {int64} not null,
    primary key (tenant_id, region, name)
) {strict};

create table thing_group_members (
    tenant_id {text} not null,
    region {text} not null,
    group_name {text} not null,
    thing {text} not null,
    primary key (tenant_id, region, group_name, thing),
    foreign key (tenant_id, region, group_name) references thing_groups (tenant_id, region, name) on delete cascade,
    foreign key (tenant_id, region, thing) references things (tenant_id, region, name) on delete cascade
) {strict};
create index thing_group_members_by_thing on thing_group_members (tenant_id, region, thing, group_name);

create table policies (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    name {text} not null,
    default_version {int64} not null,
    last_version {int64} not null,
    created_at {int64} not null,
    updated_at {int64} not null,
    primary key (tenant_id, region, name)
) {strict};

create table policy_versions (
    tenant_id {text} not null,
    region {text} not null,
    name {text} not null,
    version {int64} not null,
    document {text} not null,
    created_at {int64} not null,
    primary key (tenant_id, region, name, version),
    foreign key (tenant_id, region, name) references policies (tenant_id, region, name) on delete cascade
) {strict};

create table policy_attachments (
    tenant_id {text} not null,
    region {text} not null,
    certificate_id {text} not null,
    policy {text} not null,
    primary key (tenant_id, region, certificate_id, policy),
    foreign key (tenant_id, region, certificate_id) references certificates (tenant_id, region, id),
    foreign key (tenant_id, region, policy) references policies (tenant_id, region, name)
) {strict};
create index policy_attachments_by_policy on policy_attachments (tenant_id, region, policy, certificate_id);

create table thing_principals (
    tenant_id {text} not null,
    region {text} not null,
    thing {text} not null,
    certificate_id {text} not null,
    primary key (tenant_id, region, thing, certificate_id),
    foreign key (tenant_id, region, thing) references things (tenant_id, region, name),
    foreign key (tenant_id, region, certificate_id) references certificates (tenant_id, region, id)
) {strict};
create index thing_principals_by_certificate on thing_principals (tenant_id, region, certificate_id, thing);
