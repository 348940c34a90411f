-- How fast deployments go round.

-- `pacing` is JSON: phases, rate, retries, timeouts, threshold. `notified` counts devices that were told of it, once
-- each; `ended`, of these `succeeded` and `failed`, those that have ended it but for the aborted and the gone. `next_us`
-- is when the next may be told, in µs since 1970. `due_at`, in ms, is no later than when time alone changes something.
-- `aborted_by` is `user` or `threshold`.
alter table deployments add column pacing {text} not null default '{}';
alter table deployments add column paused {int64} not null default 0;
alter table deployments add column notified {int64} not null default 0;
alter table deployments add column ended {int64} not null default 0;
alter table deployments add column succeeded {int64} not null default 0;
alter table deployments add column failed {int64} not null default 0;
alter table deployments add column next_us {int64} not null default 0;
alter table deployments add column due_at {int64};
alter table deployments add column aborted_by {text};
create index deployments_due on deployments (tenant_id, due_at) where finished_at is null and due_at is not null;

-- `began_at` is when the attempt under way began, `told_at` when the device was last heard of in it; both null while
-- none is. `missed` is how the last attempt that did not succeed ended: `failed`, `timed_out`. `phase` counts from 0.
alter table device_deployments add column attempts {int64} not null default 0;
alter table device_deployments add column began_at {int64};
alter table device_deployments add column told_at {int64};
alter table device_deployments add column missed {text};
alter table device_deployments add column phase {int64};
create index device_deployments_under_way on device_deployments (deployment_id) where began_at is not null;
