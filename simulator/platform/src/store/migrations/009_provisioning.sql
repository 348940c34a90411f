-- Fleet provisioning: what devices without an identity of their own are made into.

create table provisioning_templates (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    name {text} not null,
    description {text} not null,
    body {text} not null,
    enabled {int64} not null,
    created_at {int64} not null,
    primary key (tenant_id, region, name)
) {strict};

-- Certificates that a trusted user had made for one device. `claim` is JSON.
create table provisioning_claims (
    tenant_id {text} not null,
    region {text} not null,
    certificate_id {text} not null,
    claim {text} not null,
    primary key (tenant_id, region, certificate_id),
    foreign key (tenant_id, region, certificate_id) references certificates (tenant_id, region, id) on delete cascade
) {strict};

-- Certificates that wait for being registered. `ownership` is JSON; `lapses_at`, in s since 1970, is when it is too late, null once it is spent.
create table provisioning_tokens (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    token {text} not null,
    certificate_id {text} not null,
    ownership {text} not null,
    lapses_at {int64},
    primary key (tenant_id, region, token)
) {strict};
create index provisioning_tokens_lapse on provisioning_tokens (tenant_id, region, lapses_at) where lapses_at is not null;
