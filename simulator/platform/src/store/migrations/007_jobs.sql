-- Jobs of accounts. `job` is JSON: all of it, as the rules know it. `notified` counts the things that it was handed to. `next_us` is when
-- its rate allows the next one, `step_us` when that is asked (null: not by time). `due_us` is when time alone changes anything of it next.
-- All in µs since 1970.
create table jobs (
    tenant_id {text} not null references tenants (id) on delete cascade,
    region {text} not null,
    id {text} not null,
    status {text} not null,
    job {text} not null,
    notified {int64} not null,
    next_us {int64} not null,
    step_us {int64},
    due_us {int64},
    created_at {int64} not null,
    primary key (tenant_id, region, id)
) {strict};
create index jobs_due on jobs (due_us) where due_us is not null;

-- Things that a job is for and was not handed to yet, in their order.
create table job_targets (
    tenant_id {text} not null,
    region {text} not null,
    job_id {text} not null,
    seq {int64} not null,
    thing {text} not null,
    primary key (tenant_id, region, job_id, seq),
    foreign key (tenant_id, region, job_id) references jobs (tenant_id, region, id) on delete cascade,
    foreign key (tenant_id, region, thing) references things (tenant_id, region, name) on delete cascade
) {strict};
create index job_targets_by_thing on job_targets (tenant_id, region, thing);

-- Attempts of jobs on things. `execution` is JSON: all of it. `is_last`: no other attempt of the job on the thing follows.
create table job_executions (
    tenant_id {text} not null,
    region {text} not null,
    job_id {text} not null,
    thing {text} not null,
    number {int64} not null,
    status {text} not null,
    is_pending {int64} not null,
    is_last {int64} not null,
    due_us {int64},
    execution {text} not null,
    primary key (tenant_id, region, job_id, thing, number),
    foreign key (tenant_id, region, job_id) references jobs (tenant_id, region, id) on delete cascade,
    foreign key (tenant_id, region, thing) references things (tenant_id, region, name) on delete cascade
) {strict};
create index job_executions_by_thing on job_executions (tenant_id, region, thing, job_id, number);
create index job_executions_due on job_executions (tenant_id, region, job_id, due_us) where due_us is not null;
