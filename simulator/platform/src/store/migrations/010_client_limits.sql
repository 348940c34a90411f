-- How much the clients of a tenant may, where that is not the default. `limits` is JSON: what was set, and nothing else.
create table client_limits (
    tenant_id {text} primary key not null,
    limits {text} not null,
    foreign key (tenant_id) references tenants (id) on delete cascade
) {strict};
