//! The words of jobs, in the words of deployments: reports and claims speak of both alike.

/// The state of a device in a deployment that an execution of a job stands for; what is no state of a job stays as it is.
pub(crate) fn device_state(status: &str) -> &str {
    match status {
        "QUEUED" => "pending",
        "IN_PROGRESS" => "installing",
        "SUCCEEDED" => "success",
        "FAILED" | "TIMED_OUT" | "REJECTED" => "failure",
        "CANCELED" | "REMOVED" => "aborted",
        other => other,
    }
}

/// The state of a deployment that the status of a job stands for.
pub(crate) fn rollout_state(status: &str) -> &str {
    match status {
        "SCHEDULED" => "scheduled",
        "IN_PROGRESS" => "running",
        "COMPLETED" => "finished",
        "CANCELED" => "aborted",
        other => other,
    }
}
