//! The scenario language: text to typed scenarios, diagnostics, schema.
//!
//! ```
//! let mut sources = fleetproof_language::Sources::new();
//! let file = sources.add("first.yaml", "scenario: Nothing yet\nsteps: []\n".to_owned());
//! let (scenarios, mistakes) = fleetproof_language::check(&sources, &[file]);
//! assert!(scenarios.is_empty());
//! assert!(mistakes[0].render(&sources).contains("`steps` is empty"));
//! ```

mod check;
mod claim;
mod diagnostic;
mod fault;
mod flow;
mod fragment;
mod grammar;
mod http;
mod judged;
mod live;
mod lobby;
mod messages;
mod names;
mod population;
mod quantity;
mod reader;
mod reference;
mod rollout;
mod rules;
mod scenario;
mod schema;
mod script;
mod secret;
mod shapes;
mod source;
mod sources;
mod standing;
mod step;
mod strain;
mod suggest;
mod sweep;
mod template;
mod tree;
mod trouble;
mod wording;
mod words;

pub use check::{check, read};
pub use claim::{Claim, Class, Skip};
pub use diagnostic::{CODES, Diagnostic};
pub use fault::{FailedCalls, Fault, Partition, Reset, Slow};
pub use flow::{Background, Parallel, Repeat, While};
pub use fragment::Use;
pub use http::{Http, Query, one};
pub use live::{Json, Live, Piece};
pub use lobby::{Claiming, Evacuate, Identity, Lobby, Migrate};
pub use messages::{Mqtt, MqttPublish, MqttSubscribe, Publishes};
pub use quantity::Rate;
pub use reference::reference;
pub use rollout::{Growth, Phase};
pub use scenario::{Artifact, Devices, Flaky, Platform, Provider, Scenario, Selection, Tenant, User};
pub use schema::schema;
pub use script::{Row as MatrixRow, Script, Var, fragments};
pub use source::{Located, Span, Table};
pub use sources::{FileId, LONGEST_FILE, Place, Sources};
pub use step::{
    Abort, AddUser, AtTheDoor, ByDeployment, ByDevices, ByTenants, Configure, Deploy, Elapsed, Expect, InState, Log,
    Onboard, Outcome, Progress, Step, Upload, UserAt, WaitUntil,
};
pub use strain::{CallLoad, KnockLoad, Load, Measure, PublishLoad, Quotas, ReconnectLoad};
pub use sweep::{Interrupt, InterruptedCalls, InterruptedConnections, Judged, Sweep};
pub use template::Scalar;
pub use wording::Wording;
pub use words::{
    Component, Counting, Defect, Limit, LobbyTrust, Method, Misbehaviour, Need, OnboardOutcome, Points, Protocol,
    Refusal, RetryOn, Role, RolloutEnd, RolloutState, Row, Starts, Surface, Target,
};
