//! Words with fixed lists.

use crate::grammar::{Words, words};

words!(
    /// A row of what a platform promises.
    Row, "unknown-row", "a row" { P1 = "P1", P2 = "P2", P3 = "P3", P4 = "P4", P5 = "P5", P6 = "P6", P7 = "P7", P8 = "P8",
        P9 = "P9", P10 = "P10", P11 = "P11", P12 = "P12", P13 = "P13", A1 = "A1", A2 = "A2", A3 = "A3", A4 = "A4",
        A5 = "A5", A6 = "A6", A7 = "A7", A8 = "A8", A9 = "A9", A10 = "A10", B1 = "B1", B2 = "B2", B3 = "B3", B4 = "B4",
        B5 = "B5", B6 = "B6", B7 = "B7" });
words!(
    /// What a user may do in a tenant.
    Role, "unknown-word", "a role" {
        Admin = "admin": "everything in the tenant",
        Operator = "operator": "deploys",
        Installer = "installer": "claims devices",
        Viewer = "viewer": "reads",
        None = "none": "nothing; only in claims" });
words!(
    /// The protocol a device speaks.
    Protocol, "unknown-word", "a protocol that devices speak" {
        Mender = "mender": "they ask for updates over HTTP",
        Mqtt = "mqtt": "they keep a session with a broker" });
words!(
    /// Whether a tenant is there before the first step.
    Starts, "unknown-word", "a way for a tenant to start" {
        Ready = "ready": "there before the first step",
        Absent = "absent": "a step onboards it" });
words!(
    /// Whether the lobby may act in a tenant.
    LobbyTrust, "unknown-word", "a way to trust the lobby" {
        Granted = "granted": "the lobby may bind devices to the tenant",
        Withheld = "withheld": "it may do nothing there" });
words!(
    /// What is wrong with the identity that devices show.
    Defect, "unknown-word", "a defect of an identity" {
        Expired = "expired": "its time is over",
        NotYetValid = "not_yet_valid": "its time has not begun",
        Revoked = "revoked": "its authority has taken it back",
        SameName = "same_name": "another device has the same name",
        SameKey = "same_key": "another device has the same key" });
words!(
    /// How a refusal looks (section 5 of the language).
    Refusal, "unknown-word", "a kind of refusal" {
        Unseen = "unseen": "answered, but for ids and times, as for a thing that never existed",
        Forbidden = "forbidden": "known, but may not",
        Unauthenticated = "unauthenticated": "the credential is not accepted",
        OverLimit = "over_limit": "a count is full",
        Conflict = "conflict": "it exists, or belongs to another",
        Invalid = "invalid": "malformed, or not possible now",
        Throttled = "throttled": "too fast: refused, delayed or discarded in the documented way",
        Untrusted = "untrusted": "the tenant grants the lobby nothing" });
words!(
    /// What an artifact does wrong on a device.
    Misbehaviour, "unknown-word", "a way to misbehave" {
        NeverBoots = "never_boots": "must end rolled back",
        Hangs = "hangs": "must end rolled back",
        LosesNetwork = "loses_network": "must end rolled back",
        FailsInstall = "fails_install": "must end rolled back",
        FailsCommit = "fails_commit": "must end rolled back",
        BadChecksum = "bad_checksum": "must never be installed",
        BadSignature = "bad_signature": "must never be installed",
        WrongDeviceType = "wrong_device_type": "must never be installed",
        FailsRollback = "fails_rollback": "nothing can save the device, the platform must say so",
        CrashesAfterCommit = "crashes_after_commit": "nothing can save the device, the platform must say so",
        Bricks = "bricks": "nothing can save the device, the platform must say so" });
words!(
    /// A limit that a tenant can have.
    Limit, "unknown-word", "a limit" {
        DeviceLimit = "device_limit": "devices that are accepted",
        CallRate = "call_rate": "calls of its people",
        Connections = "connections": "connections at a time",
        ConnectRate = "connect_rate": "new connections",
        ConnectsPerClient = "connects_per_client": "new connections of one device",
        ConnectionBandwidth = "connection_bandwidth": "bytes of one connection, each way",
        PublishRate = "publish_rate": "messages of all its devices",
        DevicePublishRate = "device_publish_rate": "messages of one device",
        Payload = "payload": "bytes of a message",
        InFlight = "in_flight": "messages of one device that wait to be acknowledged",
        Subscriptions = "subscriptions": "subscriptions of one device",
        Filters = "filters": "filters in one request to subscribe",
        TopicLevels = "topic_levels": "levels of a topic",
        Retained = "retained": "messages that are kept for later subscribers",
        Queued = "queued": "messages that wait for one device while it is away",
        Jobs = "jobs": "jobs that have not ended, in each region",
        Storage = "storage": "bytes of artifacts",
        SessionExpiry = "session_expiry": "how long a session outlives its connection" });
words!(
    /// Where attempts are made.
    Surface, "unknown-word", "a surface" {
        Http = "http": "what people and devices ask over HTTP",
        Mqtt = "mqtt": "sessions, topics, retained messages, shadows and jobs at the broker",
        Lobby = "lobby": "what the lobby is asked and told",
        Storage = "storage": "what is stored, and links to it",
        Audit = "audit": "logs",
        Account = "account": "the account that a tenant is: things, certificates, policies, jobs" });
words!(
    /// What became of an onboarding.
    OnboardOutcome, "unknown-word", "an outcome of onboarding" {
        Whole = "whole": "usable, the organisation's controls in force",
        Undone = "undone": "no trace",
        WholeOrUndone = "whole_or_undone": "one of the two" });

words!(
    /// Something that a scenario needs of the platform or the run, beyond what its words imply.
    Need, "unknown-word", "something that can be needed" {
        Containers = "containers": "the platform runs in containers",
        Boards = "boards": "real or virtual boards",
        Provider = "provider": "a provider above the tenants",
        Lobby = "lobby": "a lobby for devices that belong to nobody",
        Regions = "regions": "several regions",
        Audit = "audit": "an audit log",
        Rbac = "rbac": "roles narrowed to groups",
        Jobs = "jobs": "device jobs over MQTT",
        FailCalls = "fail_calls": "calls between components can be made to fail",
        Clock = "clock": "a component's clock can be moved",
        Disk = "disk": "a component's disk can be filled",
        PacketLoss = "packet_loss": "packets can be lost",
        RealTime = "real_time": "the clock of the run is real",
        VirtualTime = "virtual_time": "the clock of the run jumps" });
words!(
    /// What a parameter of a fragment is.
    Takes, "unknown-word", "a kind of parameter" { Device = "device", Tenant = "tenant", User = "user",
        Artifact = "artifact", Deployment = "deployment", Text = "text", Number = "number", Duration = "duration",
        Rate = "rate", Share = "share", Size = "size" });
words!(
    /// The method of a request.
    Method, "unknown-word", "a method" { Get = "get", Post = "post", Put = "put", Patch = "patch", Delete = "delete",
        Head = "head" });
words!(
    /// Whom a deployment takes in.
    Target, "unknown-word", "a target" {
        Snapshot = "snapshot": "the devices that are in when it begins",
        Continuous = "continuous": "also those that come in later" });
words!(
    /// After which end of an attempt a device may try again.
    RetryOn, "unknown-word", "a reason to try again" {
        Failed = "failed": "it said so",
        TimedOut = "timed_out": "it took too long",
        All = "all": "both" });
words!(
    /// Which devices let a rate grow.
    Counting, "unknown-word", "devices that count" {
        Notified = "notified": "who was told",
        Succeeded = "succeeded": "who has it" });
words!(
    /// What a deployment does.
    RolloutState, "unknown-word", "a state of a deployment" {
        Scheduled = "scheduled": "its first phase is still to come",
        Running = "running",
        Paused = "paused": "nobody begins, who has begun goes on",
        Aborted = "aborted": "stopped before its time, by somebody or by its threshold",
        Finished = "finished": "every device has ended it" });
words!(
    /// A component whose calls can be made to fail.
    Component, "unknown-component", "a component whose calls can be made to fail" {
        Accounts = "accounts": "it makes accounts of tenants: each step of an onboarding is a call",
        Lobby = "lobby": "it gives devices their homes: each step on the way into an account, or out of one, is a call" });
words!(
    /// At which points a sweep interrupts.
    Points, "unknown-word", "a way to choose points" {
        Every = "every": "at each",
        Drawn = "drawn": "at some that the seed draws" });
words!(
    /// How a rollout ended.
    RolloutEnd, "unknown-word", "an end of a rollout" {
        Finished = "finished": "every device has ended it",
        Aborted = "aborted": "stopped before its time, by somebody or by its threshold" });

impl Role {
    /// The roles that somebody can be given; `none` is only claimed.
    pub(crate) const GIVEN: &Words = &Words {
        one: "a role that a user can have",
        code: "unknown-word",
        words: &["admin", "operator", "installer", "viewer"],
        about: &[],
    };
}
