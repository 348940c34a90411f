//! Defects that can be planted, one at a time, so that a harness can show that it finds them.
//!
//! Each is a mistake that such platforms have had. Without the cargo feature `seeded-defects` none can be planted,
//! and the compiler leaves their code out. A place that misbehaves asks `app.defect(DefectId::X)`.

use crate::registry_defects::RegistryDefect;
use crate::{broker_defects, job_defects, registry_defects};

/// Which defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefectId {
    /// The pool is looked at in one transaction and carved in the next.
    PoolCheckThenAct,
    /// The pool is looked at in one transaction and a child's limit raised in the next.
    RaiseCheckThenAct,
    /// A limit is not carved out of the pool when a tenant is created.
    CarveForgotten,
    /// The token of a removed user stays good.
    RemovedUserKeepsToken,
    /// A personal access token outlives the membership it was made in.
    PatOutlivesMember,
    /// Switching to a tenant does not ask whether one is a member.
    SwitchWithoutMembership,
    /// A role change leaves no audit entry.
    AuditEntryLost,
    /// Creating a user is audited twice.
    AuditEntryDoubled,
    /// What the provider does to a child stands in the child's log.
    AuditInChildsLog,
    /// The provider's log shows its children's entries.
    AuditShowsChildren,
    /// Searching the audit log by object forgets the tenant.
    AuditSearchForgetsTenant,
    /// Who may see may also change.
    ViewerMayWrite,
    /// The provider's admin sees the users of a child by their ids.
    ProviderSeesIntoChild,
    /// The list of users forgets the tenant when one searches by e-mail.
    UserListForgetsTenant,
    /// A foreign user is answered 403 where an unknown one gets 404.
    ForeignUserForbidden,
    /// A role of another tenant can be given to a user.
    ForeignRoleTaken,
    /// `tenant_id` in the body of user creation decides the tenant.
    TenantFromBody,
    /// A tenant's admin can set the password of a member who belongs to other tenants too.
    AccountTakenOver,
    /// A header with a tenant's id moves the request there.
    TenantFromHeader,
    /// The device list asked by status forgets the tenant.
    DeviceListForgetsTenant,
    /// The device count forgets the tenant.
    DeviceCountForgetsTenant,
    /// An inventory search by device ids forgets the tenant.
    InventorySearchForgetsTenant,
    /// The download link of an artifact is made for any tenant.
    DownloadForgetsTenant,
    /// The signature of a download link does not cover tenant and artifact.
    LinkSealsExpiryOnly,
    /// A foreign device is answered 403 where an unknown one gets 404.
    ForeignDeviceForbidden,
    /// A device's token is taken for a user's.
    DeviceTokenOpensManagement,
    /// The device limit is looked at in one transaction and taken in the next.
    DeviceLimitCheckThenAct,
    /// Decommissioning frees no slot.
    DecommissionKeepsSlot,
    /// Decommissioning frees two slots.
    DecommissionFreesTwice,
    /// The token of a decommissioned device stays good.
    DecommissionedTokenGood,
    /// Decommissioning leaves no audit entry.
    DecommissionAuditLost,
    /// An abort reaches only the devices that have not begun.
    AbortMissesRunning,
    /// What a device ended with can be overwritten.
    TerminalStatusRewritable,
    /// A deployment to a group forgets the group.
    GroupDeploymentGoesToAll,
    /// A deployment to a group takes in the group of that name in every tenant.
    GroupDeploymentCrossesTenants,
    /// What is next for a device is asked without the tenant.
    DeploymentReachesForeignDevice,
    /// The deployment log forgets the tenant.
    DeploymentLogForgetsTenant,
    /// A decommissioned device stays in the lists.
    DecommissionedDeviceListed,
    /// One device more than the limit is accepted.
    DeviceLimitOffByOne,
    /// A deployment to named devices goes to all of them.
    DeploymentForgetsDevices,
    /// A device without an update of its own gets what is open for another one.
    IdleDeviceGetsForeignUpdate,
    /// A device's failure is kept as a success.
    FailureKeptAsSuccess,
    /// Only the first inventory of a device is kept.
    InventoryWrittenOnce,
    /// The token of a device stays good when it is rejected.
    RejectedTokenGood,
    /// The tokens of a suspended tenant's devices stay good.
    SuspendedDevicesServed,
    /// The sessions of a suspended tenant's users stay good.
    SuspendedUsersServed,
    /// Suspending a tenant rejects its devices for good.
    ResumeForgetsDevices,
    /// The files of a removed tenant stay where they were.
    RemovedTenantKeepsFiles,
    /// A removed tenant's limit is not given back to the pool.
    RemovedTenantKeepsLimit,
    /// The provider's log forgets a removed tenant.
    RemovedTenantForgottenInLog,
    /// A user is made in one transaction and written to the log in the next, and only the second is kept.
    UserLostAfterYes,
    /// An end that is reported twice is kept as a failure.
    RepeatedEndIsFailure,
    /// Of two ends that are reported in the same moment one is lost.
    ReportLostAfterYes,
    /// A part of a file is told as asked for and sent from the beginning.
    PartFromTheStart,
    /// A token stays good when it is revoked.
    RevokedTokenGood,
    /// A device that is silent while it installs is shown as a success after a while.
    SilentDeviceIsSuccess,
    /// The checksum of a file in an artifact is not kept.
    ChecksumNotKept,
    /// A phase begins when the one before is full, not at its time.
    PhaseStartsEarly,
    /// A rollout tells everybody who asks, however fast.
    RateNotObeyed,
    /// A rate that grows with successes grows with those who were told.
    RateGrowsWithAnybody,
    /// Failures are held against all devices of a rollout, not against those that ended.
    ThresholdCountsAll,
    /// A paused rollout goes on.
    PauseStillOffers,
    /// The end of a device lets a paused rollout go on.
    PauseLost,
    /// A device tries once more than it may.
    RetryOnceTooOften,
    /// A device that failed is not tried again.
    RetryForgotten,
    /// No attempt is ever over by time.
    TimeoutNever,
    /// The time for a step runs from the beginning of the attempt.
    StepTimeoutNotReset,
    /// What a device reports after its time is taken note of.
    LateReportTaken,
    /// A rollout that stopped at its threshold goes on with those who have not begun.
    AbortedRolloutGoesOn,
    /// Requests of all tenants wait in one line, and one tenant may have all the workers.
    OneLineForAll,
    /// All tenants draw from one bucket of calls.
    CallRateSharedByTenants,
    /// Refused calls use up the quota too.
    CallRateCountsRefused,
    /// One call more than the quota is let through.
    CallRateOffByOne,
    /// A changed quota of one tenant becomes that of all.
    CallRateRaisedForAll,
    /// What is over the quota is carried out, and refused then.
    ThrottledCallExecuted,
    /// Who is over the quota is not told when to come again.
    ThrottledWithoutRetryAfter,
    /// The device that the query names is checked, the one that the path names is shown.
    QueryChecksPathShows,
    /// An id with anything around it is looked up once more, without the tenant.
    SpelledIdForgetsTenant,
    /// An operator in the place of an id finds devices of every tenant.
    OperatorForgetsTenant,
    /// A part of a file is given without a look at the link's signature.
    PartNeedsNoSeal,
    /// A link to read a file also removes it.
    LinkRemoves,
    /// A link does not end.
    LinkNeverEnds,
    /// The file of a removed artifact stays where it was.
    RemovedArtifactKeepsFile,
    /// A search by "not equal" forgets the tenant.
    SearchTermForgetsTenant,
    /// The name of a filter is taken when any tenant has one of that name.
    FilterNameTakenEverywhere,
    /// The log entry of a new access token holds the token.
    TokenInAuditLog,
    /// An export of the audit log writes its cells as they come.
    ExportUnquoted,
    /// The id of a tenant is made from its name.
    TenantIdFromName,
    /// The token of a tenant is made from its name.
    TenantTokenFromName,
    /// The provider's number of a child's devices takes in those that only wait.
    ProviderCountsWaiting,
    /// A role that is narrowed to groups changes every device.
    NarrowedRoleReachesAll,
    /// A certificate is found by its id in whichever account has it.
    CertificateForgetsTenant,
    /// The account in the name of a certificate decides whose policies and things are meant.
    PrincipalForgetsAccount,
    /// An endpoint is made of the tenant's name, and taken from a removed one.
    EndpointReused,
    /// A revoked certificate can be activated again.
    RevokedCertificateRevived,
    /// The list of things forgets the tenant.
    ThingListForgetsTenant,
    /// A thing or certificate is found in whichever region has it.
    RegionNotCompared,
    /// A foreign thing is answered 403 where an unknown one gets 404.
    ForeignThingForbidden,
    /// An authority that another account registered lets certificates in.
    AuthorityForgetsTenant,
    /// An offered certificate can be taken by an account that it was not offered to.
    TransferTakenByAnybody,
    /// What changes in the registry is not told to the broker.
    ChangeNotTold,
    /// An account that is being made answers its users and devices.
    HalfMadeAccountAnswers,
    /// Accounts are made from a version of a blueprint that was withdrawn.
    WithdrawnBlueprintAccepted,
    /// Whether an e-mail is an account's is looked at when it is asked for, not when the account is made.
    AccountEmailCheckThenAct,
    /// The e-mail of a closed account can be taken again.
    ClosedAccountFreesEmail,
    /// A request that is repeated with its token makes another account.
    IdempotencyTokenIgnored,
    /// What a failed onboarding has made stays.
    HalfFailedNeverUndone,
    /// A new account gets the quotas of another tier.
    QuotasOfAnotherTier,
    /// Controls hold only for accounts that were there when they were attached.
    ControlsForgetNewAccounts,
    /// All accounts have the same external id.
    ExternalIdShared,
    /// Who shows no external id is let into an account.
    MissingExternalIdAccepted,
    /// The lobby acts in an account after its role was withdrawn.
    RevokedTrustStillGood,
    /// A tenant reads the central log.
    CentralLogReadByTenants,
    /// The central log is not told of claims.
    CentralLogForgetsClaims,
    /// The central log is told twice that an account was made.
    CentralLogTellsTwice,
    /// The last region of a new account has no device endpoint.
    EndpointForgotten,
    /// A claim of a bound device moves it to whoever claims it.
    LobbySecondClaimWins,
    /// A device can be claimed with nothing but its fingerprint.
    LobbyClaimWithoutProof,
    /// Anybody can release a device.
    LobbyReleaseByStranger,
    /// `certid` in an announce says whose row of the ledger is written.
    LobbyAnnounceOverridesCertid,
    /// A device of one tenant's authority can be claimed by another tenant.
    LobbyAuthorityIgnored,
    /// A release leaves everything in the old tenant's account as it was.
    LobbyOldTenantNotCleaned,
    /// A device that waits for trust waits for ever.
    LobbyRetryForgotten,
    /// A device that was claimed again is told its old endpoint until the new one is known.
    LobbyStaleEndpointTold,
    /// Every tenant sees every device of the ledger, fingerprints included.
    LobbyFingerprintToEveryone,
    /// Of two claims in the same moment both are told that they won.
    LobbyCompareAndSetLost,
    /// The label of a device that was released is good for its next owner too.
    LobbyLabelNeverSpent,
    /// Any tenant can send a device back to the lobby.
    LobbyResetByAnyone,
    /// Who waited for a device that another got is not told.
    LobbyLoserNotTold,
    /// What could not be cleaned up where a device was before counts as cleaned up.
    LobbyFailedCleanUpSkipped,
    /// The lobby lets in whoever has a certificate, whoever signed it.
    LobbyTrustsAnybody,
    /// The lobby lets in a certificate that has expired.
    LobbyLetsExpiredIn,
    /// At the lobby every device hears what another is told, and says it.
    LobbyTopicsForAll,
    /// A limit of one tenant's clients is set for those of every tenant.
    ClientLimitsForAll,
    /// The connections of a tenant are not counted.
    ConnectionsUnheld,
    /// The connects of a tenant are not counted.
    ConnectRateUnheld,
    /// What the clients of a tenant publish is not counted.
    PublishRateUnheld,
    /// What a connection carries is not counted.
    BandwidthUnheld,
    /// One filter more than the limit is taken.
    FiltersOffByOne,
    /// One level more than the limit is taken.
    TopicLevelsOffByOne,
    /// One retained message more than the limit is kept.
    RetainedOffByOne,
    /// A session lasts as long as the client likes.
    SessionExpiryUnheld,
    /// One message more than the limit waits for a client.
    QueuedOffByOne,
    /// Open jobs are not counted.
    JobsUnheld,
    /// A full store takes one artifact more.
    StorageOffByOne,
    /// Packets of all tenants wait in one line.
    OneLineAtTheBroker,
    /// One of the broker's own.
    Broker(fleetproof_dataplane::broker::Defect),
    /// One of the jobs' own.
    Jobs(fleetproof_dataplane::jobs::Defect),
    /// An account's control plane forgets whose account it is.
    Registry(RegistryDefect),
    /// A thing that is made in one region is written into all of them.
    ThingsInEveryRegion,
    /// The shadows of all regions are kept in the platform's first, with the things whose they are.
    ShadowsInOneRegion,
}

/// A defect, as the catalogue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Which.
    pub id: DefectId,
    /// Its name in scenarios and on the command line, kebab-case.
    pub name: &'static str,
    /// The row of the product's table that it breaks.
    pub row: &'static str,
    /// What is broken, as a sentence.
    pub breaks: &'static str,
    /// The claim that must catch it, or the step whose effect it undoes.
    pub caught_by: &'static str,
}

macro_rules! catalogue {
    ($list:ident: $($id:ident $name:literal $row:literal $claim:ident: $breaks:literal;)*) => {
        const $list: &[Defect] = &[$(Defect {
            id: DefectId::$id,
            name: $name,
            row: $row,
            breaks: $breaks,
            caught_by: stringify!($claim),
        }),*];
    };
}

catalogue! {
    CATALOGUE:
    PoolCheckThenAct "pool-check-then-act" "P3" pool:
        "Two tenants created at once can both get the last of the provider's pool.";
    RaiseCheckThenAct "raise-check-then-act" "P3" pool:
        "Two tenants whose limits are raised at once can both get the last of the provider's pool.";
    CarveForgotten "carve-forgotten" "P3" pool:
        "A new tenant's limit is not taken from the provider's pool.";
    RemovedUserKeepsToken "removed-user-keeps-token" "P5" access:
        "A user who was removed from a tenant goes on with the token in hand.";
    PatOutlivesMember "pat-outlives-member" "P5" access:
        "The personal access token of a removed user still opens the tenant.";
    SwitchWithoutMembership "switch-without-membership" "P6" access:
        "Anybody can switch to any tenant whose id is known.";
    AuditEntryLost "audit-entry-lost" "P7" audit:
        "Changing a role writes no audit entry.";
    AuditEntryDoubled "audit-entry-doubled" "P7" audit:
        "Creating a user writes two audit entries.";
    AuditInChildsLog "audit-in-childs-log" "P7" audit:
        "The provider's changes to a child are written to the child's log.";
    AuditShowsChildren "audit-shows-children" "P7" audit:
        "The provider reads its children's audit entries in its own log.";
    AuditSearchForgetsTenant "audit-search-forgets-tenant" "P7" access:
        "The audit log searched by object id shows the entries of other tenants.";
    ViewerMayWrite "viewer-may-write" "P4" access:
        "Whoever may see devices and releases may change them.";
    ProviderSeesIntoChild "provider-sees-into-child" "P2" access:
        "The provider's admin reads a child's users by id.";
    UserListForgetsTenant "user-list-forgets-tenant" "P2" isolation:
        "The list of users, asked by e-mail, shows users of other tenants.";
    ForeignUserForbidden "foreign-user-forbidden" "P2" isolation:
        "A foreign user's id is answered 403, an unknown one 404: ids can be probed.";
    ForeignRoleTaken "foreign-role-taken" "P4" access:
        "A user can be given a role that only another tenant has.";
    TenantFromBody "tenant-from-body" "P2" isolation:
        "A tenant_id in the body of a user creation puts the user into that tenant.";
    AccountTakenOver "account-taken-over" "P2" access:
        "Whoever takes a foreign user into the own tenant can set her password, and so get into hers.";
    TenantFromHeader "tenant-from-header" "P6" access:
        "A header with a tenant's id moves a user there for one request.";
    DeviceListForgetsTenant "device-list-forgets-tenant" "P2" isolation:
        "The list of devices, asked by status, shows devices of other tenants.";
    DeviceCountForgetsTenant "device-count-forgets-tenant" "P10" counts:
        "The number of devices includes those of other tenants.";
    InventorySearchForgetsTenant "inventory-search-forgets-tenant" "P2" isolation:
        "An inventory search by device ids finds devices of other tenants.";
    DownloadForgetsTenant "download-forgets-tenant" "P2" isolation:
        "Whoever knows an artifact's id gets a download link, whose ever it is.";
    LinkSealsExpiryOnly "link-seals-expiry-only" "P2" isolation:
        "The signature of a download link covers when it ends, not what it is for.";
    ForeignDeviceForbidden "foreign-device-forbidden" "P2" isolation:
        "A foreign device's id is answered 403, an unknown one 404: ids can be probed.";
    DeviceTokenOpensManagement "device-token-opens-management" "P2" isolation:
        "A device's token opens the management interface of its tenant.";
    DeviceLimitCheckThenAct "device-limit-check-then-act" "P3" quota:
        "Devices accepted at once can go beyond the tenant's limit.";
    DecommissionKeepsSlot "decommission-keeps-slot" "P3" counts:
        "A decommissioned device goes on counting.";
    DecommissionFreesTwice "decommission-frees-twice" "P3" counts:
        "A decommissioned device frees two slots.";
    DecommissionedTokenGood "decommissioned-token-good" "P1" forgotten:
        "The token of a decommissioned device stays good.";
    DecommissionAuditLost "decommission-audit-lost" "P7" audit:
        "Decommissioning a device writes no audit entry.";
    AbortMissesRunning "abort-misses-running" "P11" abort:
        "Aborting a deployment does not stop devices that have begun.";
    TerminalStatusRewritable "terminal-status-rewritable" "P11" reported:
        "A device that has ended can report another end.";
    GroupDeploymentGoesToAll "group-deployment-goes-to-all" "P8" untouched:
        "A deployment to a group goes to every device of the tenant.";
    GroupDeploymentCrossesTenants "group-deployment-crosses-tenants" "P8" isolation:
        "A deployment to a group reaches the group of that name in other tenants.";
    DeploymentReachesForeignDevice "deployment-reaches-foreign-device" "P8" isolation:
        "A deployment to the id of another tenant's device reaches that device.";
    DeploymentLogForgetsTenant "deployment-log-forgets-tenant" "P2" isolation:
        "The log of a device in a deployment can be read by every tenant.";
    DecommissionedDeviceListed "decommissioned-device-listed" "P1" forgotten:
        "A decommissioned device stays in lists and inventory.";
    DeviceLimitOffByOne "device-limit-off-by-one" "P3" quota:
        "One device more than the limit is accepted.";
    DeploymentForgetsDevices "deployment-forgets-devices" "P8" untouched:
        "A deployment to named devices goes to every device of every tenant.";
    IdleDeviceGetsForeignUpdate "idle-device-gets-foreign-update" "P8" untouched:
        "A device without an update of its own is offered one that waits for another device.";
    FailureKeptAsSuccess "failure-kept-as-success" "P11" rolled_back:
        "A device that reports a failure is shown as a success.";
    InventoryWrittenOnce "inventory-written-once" "P11" updated:
        "Of what a device says of itself only the first word is kept.";
    RejectedTokenGood "rejected-token-good" "P1" barred:
        "A device that is rejected after it was in goes on with its token.";
    SuspendedDevicesServed "suspended-devices-served" "P1" barred:
        "The devices of a suspended tenant go on with the tokens that they have.";
    SuspendedUsersServed "suspended-users-served" "P1" suspend:
        "Whoever is logged in when the tenant is suspended stays in.";
    ResumeForgetsDevices "resume-forgets-devices" "P1" alive:
        "A tenant that is resumed has to accept its devices anew.";
    RemovedTenantKeepsFiles "removed-tenant-keeps-files" "P1" removed:
        "The files of a removed tenant can be downloaded with the links that are out.";
    RemovedTenantKeepsLimit "removed-tenant-keeps-limit" "P3" pool:
        "The limit of a removed tenant is not given back to the provider's pool.";
    RemovedTenantForgottenInLog "removed-tenant-forgotten-in-log" "P1" removed:
        "With a tenant goes what the provider's audit log says of it.";
    UserLostAfterYes "user-lost-after-yes" "P7" acknowledged:
        "A new user is answered with yes and written to the log, and is not there.";
    RepeatedEndIsFailure "repeated-end-is-failure" "P11" reported:
        "A device that reports its success a second time, since it heard no answer, is kept as a failure.";
    ReportLostAfterYes "report-lost-after-yes" "P11" acknowledged:
        "Of devices that report their end in the same second some are answered with yes and forgotten.";
    PartFromTheStart "part-from-the-start" "P11" updated:
        "A download that goes on where it broke is sent from its beginning again.";
    RevokedTokenGood "revoked-token-good" "P1" revoke:
        "A revoked token of a device stays good until it expires.";
    SilentDeviceIsSuccess "silent-device-is-success" "P11" reported:
        "A device that never came back from an installation is shown as a success after a while.";
    ChecksumNotKept "checksum-not-kept" "P11" acknowledged:
        "Of an artifact's files another checksum is kept than they have.";
    PhaseStartsEarly "phase-starts-early" "P11" rollout:
        "A phase of a rollout begins when the one before is full, whatever its time is.";
    RateNotObeyed "rate-not-obeyed" "P11" rollout:
        "A rollout with a rate tells every device that asks.";
    RateGrowsWithAnybody "rate-grows-with-anybody" "P11" rollout:
        "A rate that shall grow with devices that succeeded grows with those that were only told.";
    ThresholdCountsAll "threshold-counts-all" "P11" rollout:
        "Failures are held against all devices of a rollout, not against those that have ended: it stops too late.";
    PauseStillOffers "pause-still-offers" "P11" rollout:
        "A paused rollout goes on telling devices.";
    PauseLost "pause-lost" "P11" rollout:
        "The first device that ends in a paused rollout lets it go on.";
    RetryOnceTooOften "retry-once-too-often" "P11" rollout:
        "A device that fails tries once more than the rollout allows.";
    RetryForgotten "retry-forgotten" "P11" rollout:
        "A device that fails is not tried again, whatever the rollout allows.";
    TimeoutNever "timeout-never" "P11" rollout:
        "An attempt that takes too long is never over.";
    StepTimeoutNotReset "step-timeout-not-reset" "P11" rollout:
        "The time for a step runs from the beginning of the attempt: whoever is slow and steady is cut off.";
    LateReportTaken "late-report-taken" "P11" rollout:
        "What a device reports after its time is over is taken note of.";
    AbortedRolloutGoesOn "aborted-rollout-goes-on" "P11" rollout:
        "A rollout that stopped at its threshold still tells devices that had not begun.";
    OneLineForAll "one-line-for-all" "P9" neighbour:
        "Requests of all tenants wait in one line: a crowd of one is before everybody else.";
    CallRateSharedByTenants "call-rate-shared-by-tenants" "P9" quota:
        "All tenants draw from one bucket of calls: who calls much uses up what others may.";
    CallRateCountsRefused "call-rate-counts-refused" "P9" quota:
        "Refused calls use up the quota: who asked too often is kept out for longer than told.";
    CallRateOffByOne "call-rate-off-by-one" "P3" quota:
        "One call more than the quota is let through.";
    CallRateRaisedForAll "call-rate-raised-for-all" "P3" quota:
        "A quota that is changed for one tenant is changed for every tenant that has one.";
    ThrottledCallExecuted "throttled-call-executed" "P3" quota:
        "What is over the quota is carried out, and refused then.";
    ThrottledWithoutRetryAfter "throttled-without-retry-after" "P3" quota:
        "Who is over the quota is not told when to come again.";
    QueryChecksPathShows "query-checks-path-shows" "P2" isolation:
        "Where the query names a device too, that one is checked, and the one in the path is shown.";
    SpelledIdForgetsTenant "spelled-id-forgets-tenant" "P2" isolation:
        "An id with a dot or a space behind it is cleaned, and looked up among the devices of all tenants.";
    OperatorForgetsTenant "operator-forgets-tenant" "P2" isolation:
        "An operator of the database in the place of an id finds the devices of all tenants.";
    PartNeedsNoSeal "part-needs-no-seal" "P2" isolation:
        "Who asks for a part of a file gets it without a look at the link's signature.";
    LinkRemoves "link-removes" "P2" isolation:
        "Whoever has a link to download a file can remove the file with it.";
    LinkNeverEnds "link-never-ends" "P2" isolation:
        "A download link goes on to open after its time is over.";
    RemovedArtifactKeepsFile "removed-artifact-keeps-file" "P2" isolation:
        "The file of a removed artifact can be downloaded with the links that are out.";
    SearchTermForgetsTenant "search-term-forgets-tenant" "P2" isolation:
        "A search by \"not equal\" finds the devices of all tenants.";
    FilterNameTakenEverywhere "filter-name-taken-everywhere" "P2" isolation:
        "The name of a saved search is refused as taken when another tenant has it: names can be probed.";
    TokenInAuditLog "token-in-audit-log" "P7" isolation:
        "The audit entry of a new access token holds the token.";
    ExportUnquoted "export-unquoted" "P7" isolation:
        "A line break in a name begins another row of the exported audit log.";
    TenantIdFromName "tenant-id-from-name" "P1" isolation:
        "A tenant that is made again under the name of a removed one gets its id, and reads its log.";
    TenantTokenFromName "tenant-token-from-name" "P1" isolation:
        "A tenant that is made again under the name of a removed one gets its token: the old devices stand at its door.";
    ProviderCountsWaiting "provider-counts-waiting" "P10" counts:
        "The provider's number of a tenant's devices takes in those that only wait.";
    NarrowedRoleReachesAll "narrowed-role-reaches-all" "P4" access:
        "A role that is narrowed to groups changes devices outside of them too.";
}

catalogue! {
    ACCOUNT_DEFECTS:
    CertificateForgetsTenant "certificate-forgets-tenant" "A2" isolation:
        "A certificate is found by its id in whichever account has it.";
    PrincipalForgetsAccount "principal-forgets-account" "A2" isolation:
        "A policy can be attached to, and detached from, a certificate of another account by its name.";
    EndpointReused "endpoint-reused" "P12" isolation:
        "A new tenant under the name of a removed one gets its endpoint: the old devices connect to it.";
    RevokedCertificateRevived "revoked-certificate-revived" "P12" access:
        "A revoked certificate can be made active again.";
    ThingListForgetsTenant "thing-list-forgets-tenant" "A2" isolation:
        "The list of things shows those of every account.";
    RegionNotCompared "region-not-compared" "P12" isolation:
        "A thing is found in whichever of the account's regions has it.";
    ForeignThingForbidden "foreign-thing-forbidden" "A2" isolation:
        "A thing of another account is answered 403 where an unknown one gets 404: names can be probed.";
    AuthorityForgetsTenant "authority-forgets-tenant" "A2" isolation:
        "A certificate gets in with an authority that another account registered.";
    TransferTakenByAnybody "transfer-taken-by-anybody" "A2" isolation:
        "A certificate that was offered to one account can be taken by another.";
    ChangeNotTold "change-not-told" "A7" revoke:
        "The broker is not told of changes: a revoked certificate stays connected.";
}

catalogue! {
    ORGANISATION:
    HalfMadeAccountAnswers "half-made-account-answers" "A1" onboarded:
        "An account that is being made answers its users and devices.";
    WithdrawnBlueprintAccepted "withdrawn-blueprint-accepted" "A1" onboarded:
        "Accounts are made from a version of a blueprint that was withdrawn.";
    AccountEmailCheckThenAct "account-email-check-then-act" "A1" onboarded:
        "Whether an e-mail is an account's is looked at when it is asked for, not when the account is made.";
    ClosedAccountFreesEmail "closed-account-frees-email" "A1" removed:
        "The e-mail of a closed account can be taken again.";
    IdempotencyTokenIgnored "idempotency-token-ignored" "A1" onboarded:
        "A request that is repeated with its token makes another account.";
    HalfFailedNeverUndone "half-failed-never-undone" "A1" onboarded:
        "What a failed onboarding has made stays.";
    QuotasOfAnotherTier "quotas-of-another-tier" "A1" onboarded:
        "A new account gets the quotas of another tier.";
    ControlsForgetNewAccounts "controls-forget-new-accounts" "A1" onboarded:
        "Controls hold only for accounts that were there when they were attached.";
    ExternalIdShared "external-id-shared" "A8" onboarded:
        "All accounts have the same external id.";
    MissingExternalIdAccepted "missing-external-id-accepted" "A8" isolation:
        "Who shows no external id is let into an account.";
    RevokedTrustStillGood "revoked-trust-still-good" "A8" claim:
        "The lobby acts in an account after its role was withdrawn.";
    CentralLogReadByTenants "central-log-read-by-tenants" "A9" audit:
        "A tenant reads the central log.";
    CentralLogForgetsClaims "central-log-forgets-claims" "A9" audit:
        "The central log is not told of claims.";
    CentralLogTellsTwice "central-log-tells-twice" "A9" audit:
        "The central log is told twice that an account was made.";
    EndpointForgotten "endpoint-forgotten" "A1" onboarded:
        "The last region of a new account has no device endpoint.";
}

catalogue! {
    LOBBY:
    LobbySecondClaimWins "lobby-second-claim-wins" "A5" claim:
        "A claim of a bound device moves it to whoever claims it.";
    LobbyClaimWithoutProof "lobby-claim-without-proof" "A5" isolation:
        "A device can be claimed with nothing but its fingerprint.";
    LobbyReleaseByStranger "lobby-release-by-stranger" "A6" release:
        "Anybody can release a device.";
    LobbyAnnounceOverridesCertid "lobby-announce-overrides-certid" "A5" isolation:
        "`certid` in an announce says whose row of the ledger is written.";
    LobbyAuthorityIgnored "lobby-authority-ignored" "A7" claim:
        "A device of one tenant's authority can be claimed by another tenant.";
    LobbyOldTenantNotCleaned "lobby-old-tenant-not-cleaned" "A6" forgotten:
        "A release leaves everything in the old tenant's account as it was.";
    LobbyRetryForgotten "lobby-retry-forgotten" "A8" bound:
        "A device that waits for trust waits for ever.";
    LobbyStaleEndpointTold "lobby-stale-endpoint-told" "A5" isolation:
        "A device that was claimed again is told its old endpoint until the new one is known.";
    LobbyFingerprintToEveryone "lobby-fingerprint-to-everyone" "A5" in_lobby:
        "Every tenant sees every device of the ledger, fingerprints included.";
    LobbyCompareAndSetLost "lobby-compare-and-set-lost" "A5" owned_once:
        "Of two claims in the same moment both are told that they won.";
    LobbyLabelNeverSpent "lobby-label-never-spent" "A5" isolation:
        "The label of a device that was released is good for its next owner too.";
    LobbyResetByAnyone "lobby-reset-by-anyone" "A5" isolation:
        "Any tenant can send a device back to the lobby.";
    LobbyLoserNotTold "lobby-loser-not-told" "A5" audit:
        "Who waited for a device that another got is not told.";
    LobbyFailedCleanUpSkipped "lobby-failed-clean-up-skipped" "A6" forgotten:
        "What could not be cleaned up where a device was before counts as cleaned up.";
    LobbyTrustsAnybody "lobby-trusts-anybody" "A7" knock:
        "The lobby lets in whoever has a certificate, whoever signed it.";
    LobbyLetsExpiredIn "lobby-lets-expired-in" "A7" knock:
        "The lobby lets in a certificate that has expired.";
    LobbyTopicsForAll "lobby-topics-for-all" "A5" isolation:
        "At the lobby every device hears what another is told, and says it.";
}

/// Those of the account's interface. They are not in [`catalogue`] as long as no scenario looks for them; the row and the
/// claim are those that they will have.
#[must_use]
pub fn account_catalogue() -> &'static [Defect] {
    ACCOUNT_DEFECTS
}

/// Those of organisation and onboarding, which are not in [`catalogue`] until scenarios find them.
#[must_use]
pub fn organisation() -> &'static [Defect] {
    ORGANISATION
}

/// Those of the Device Lobby, which are not in [`catalogue`] until scenarios find them.
#[must_use]
pub fn lobby() -> &'static [Defect] {
    LOBBY
}

/// Those of the account, the organisation and the lobby that scenarios find.
pub fn found() -> impl Iterator<Item = &'static Defect> {
    const FOUND: &[&str] = &[
        "authority-forgets-tenant",
        "central-log-forgets-claims",
        "central-log-read-by-tenants",
        "central-log-tells-twice",
        "certificate-forgets-tenant",
        "change-not-told",
        "controls-forget-new-accounts",
        "endpoint-forgotten",
        "external-id-shared",
        "foreign-thing-forbidden",
        "half-failed-never-undone",
        "half-made-account-answers",
        "idempotency-token-ignored",
        "lobby-announce-overrides-certid",
        "lobby-authority-ignored",
        "lobby-claim-without-proof",
        "lobby-compare-and-set-lost",
        "lobby-failed-clean-up-skipped",
        "lobby-fingerprint-to-everyone",
        "lobby-label-never-spent",
        "lobby-lets-expired-in",
        "lobby-old-tenant-not-cleaned",
        "lobby-release-by-stranger",
        "lobby-reset-by-anyone",
        "lobby-retry-forgotten",
        "lobby-second-claim-wins",
        "lobby-topics-for-all",
        "lobby-trusts-anybody",
        "missing-external-id-accepted",
        "principal-forgets-account",
        "quotas-of-another-tier",
        "revoked-trust-still-good",
        "thing-list-forgets-tenant",
        "transfer-taken-by-anybody",
    ];
    let all = ACCOUNT_DEFECTS.iter().chain(ORGANISATION).chain(LOBBY);
    all.filter(|defect| FOUND.contains(&defect.name))
}

/// All of them but those of the account's, the organisation's and the lobby's interfaces.
#[must_use]
pub fn catalogue() -> &'static [Defect] {
    CATALOGUE
}

/// The defect called `name`, of whichever list.
#[must_use]
pub fn find(name: &str) -> Option<&'static Defect> {
    let broker = broker_defects::all();
    let others = ACCOUNT_DEFECTS.iter().chain(ORGANISATION).chain(LOBBY);
    let of_accounts = job_defects::jobs().iter().chain(registry_defects::registry());
    CATALOGUE.iter().chain(others).chain(broker).chain(of_accounts).find(|defect| defect.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let all: Vec<_> = catalogue().iter().chain(account_catalogue()).chain(organisation()).chain(lobby()).collect();
        let names: BTreeSet<_> = all.iter().map(|defect| defect.name).collect();
        let ids: BTreeSet<_> = all.iter().map(|defect| defect.id).collect();
        assert_eq!((names.len(), ids.len()), (all.len(), all.len()));
        assert_eq!(found().count(), 34, "a name that is found must be one of these");
        for defect in all {
            assert!(defect.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!(find(defect.name), Some(defect));
            assert!(defect.breaks.ends_with('.'), "{}", defect.name);
        }
    }
}
