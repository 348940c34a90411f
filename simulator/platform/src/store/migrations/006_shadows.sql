-- The shadows of things. `name` is empty for the classic one; `stored` is a JSON object: the shadow, or what a deleted one is
-- remembered by.
create table shadows (
    tenant_id {text} not null,
    region {text} not null,
    thing {text} not null,
    name {text} not null,
    stored {text} not null,
    updated_at {int64} not null,
    primary key (tenant_id, region, thing, name),
    foreign key (tenant_id, region, thing) references things (tenant_id, region, name) on delete cascade
) {strict};
