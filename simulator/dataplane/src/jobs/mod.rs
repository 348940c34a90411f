//! Device jobs: what is to be done on which things, each thing's executions of it, and the messages about them. The shape is
//! that of AWS IoT Jobs.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`job`], [`config`] | a job, read from CreateJob, written for DescribeJob; cancel and delete |
//! | [`execution`] | one attempt on one thing: states, version, timers, retries |
//! | [`desk`] | what is done with a request of a thing, and what is pushed |
//! | [`topics`], [`http`] | the two envelopes: MQTT topics and HTTPS paths |
//! | [`rollout`] | who gets an execution when, abort, schedule, completion |
//! | [`events`] | what an account that wants to know is told of its jobs |
//! | [`ota`] | the document and the self-test of a FreeRTOS update |
//! | [`defect`] | mistakes that can be planted |
//!
//! Everything is a function of what is handed in: the rows of a thing, its jobs, and the time in µs since 1970. A change
//! comes back as a value, to be written in one transaction before anything is sent.

pub mod calendar;
pub mod config;
pub mod defect;
pub mod desk;
pub mod error;
pub mod events;
pub mod execution;
mod fields;
pub mod http;
pub mod job;
pub mod limits;
pub mod ota;
pub mod rollout;
pub mod topics;

pub use config::{Config, FailureType};
pub use defect::Defect;
pub use desk::{Change, Desk, Jobs, Outcome, placeholders};
pub use error::JobError;
pub use execution::{Execution, Moment, Status, next_of};
pub use http::{HttpOutcome, Route};
pub use job::{Counts, Job, JobStatus, Place, Target};
pub use limits::Limits;
pub use topics::{JobRef, Message, Topic, Verb};

#[cfg(test)]
mod tests;
