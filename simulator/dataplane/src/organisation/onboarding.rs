//! The states of onboarding: which step comes next, how long it takes, what may follow what.
//!
//! An account is made in steps. Each is done once, is recorded with what it did, and takes a declared time. What fails is tried again
//! and undone when that does not help. Until the last step the account answers nobody. Names are AWS's: Organizations' `CreateAccountState`,
//! Service Catalog's `RecordStatus` and `ProvisionedProductStatus`. Source: `contracts/aws.md` 1.7.

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$about:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind { $($(#[$about])* $name,)* }

        impl $kind {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, as it is kept and shown.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The one called `name`.
            #[must_use]
            pub fn find(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names! {
    /// Why an account could not be created.
    FailureReason {
        /// The organisation has as many accounts as it may.
        AccountLimitExceeded = "ACCOUNT_LIMIT_EXCEEDED",
        /// The e-mail is an account's, perhaps a closed one's.
        EmailAlreadyExists = "EMAIL_ALREADY_EXISTS",
        /// The address on file will not do.
        InvalidAddress = "INVALID_ADDRESS",
        /// The e-mail will not do.
        InvalidEmail = "INVALID_EMAIL",
        /// Unit or blueprint changed meanwhile, or the account was removed half-way.
        ConcurrentAccountModification = "CONCURRENT_ACCOUNT_MODIFICATION",
        /// Something broke, also the second and the third time.
        InternalFailure = "INTERNAL_FAILURE",
        /// There is one in the government's cloud.
        GovcloudAccountAlreadyExists = "GOVCLOUD_ACCOUNT_ALREADY_EXISTS",
        /// The business was not validated.
        MissingBusinessValidation = "MISSING_BUSINESS_VALIDATION",
        /// The business is being validated.
        PendingBusinessValidation = "PENDING_BUSINESS_VALIDATION",
        /// Nobody pays.
        MissingPaymentInstrument = "MISSING_PAYMENT_INSTRUMENT",
    }
}

names! {
    /// How far the creation of an account is.
    CreateState {
        /// Under way.
        InProgress = "IN_PROGRESS",
        /// The account is there, whole.
        Succeeded = "SUCCEEDED",
        /// There is none.
        Failed = "FAILED",
    }
}

names! {
    /// How far a change to a provisioned product is.
    RecordState {
        /// Accepted, not begun.
        Created = "CREATED",
        /// Under way.
        InProgress = "IN_PROGRESS",
        /// A step failed; what was done is being undone.
        InProgressInError = "IN_PROGRESS_IN_ERROR",
        /// Done.
        Succeeded = "SUCCEEDED",
        /// Undone.
        Failed = "FAILED",
    }
}

impl RecordState {
    /// Whether `next` may follow.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            // What waits behind a change that failed is not begun any more.
            Self::Created => matches!(next, Self::InProgress | Self::Failed),
            Self::InProgress => matches!(next, Self::Succeeded | Self::InProgressInError),
            Self::InProgressInError => matches!(next, Self::Failed),
            Self::Succeeded | Self::Failed => false,
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// How far the creation of the account is that this is about.
    #[must_use]
    pub const fn creation(self) -> CreateState {
        match self {
            Self::Created | Self::InProgress | Self::InProgressInError => CreateState::InProgress,
            Self::Succeeded => CreateState::Succeeded,
            Self::Failed => CreateState::Failed,
        }
    }
}

names! {
    /// How a provisioned product is.
    ProductState {
        /// It serves, and nothing is changing.
        Available = "AVAILABLE",
        /// It is being made or changed.
        UnderChange = "UNDER_CHANGE",
        /// Its last change failed; the version before serves.
        Tainted = "TAINTED",
        /// It could not be made.
        Error = "ERROR",
    }
}

names! {
    /// A step of making an account.
    Step {
        /// A place below the account limit and the e-mail are taken.
        Reserve = "reserve",
        /// The tenant is made, shut; its device limit is carved out of the pool.
        Tenant = "tenant",
        /// A device endpoint per region.
        Endpoint = "endpoint",
        /// The default device policy.
        DevicePolicy = "device-policy",
        /// The lobby's role, with an external id per region.
        Trust = "trust",
        /// The audit trail is on and shipped.
        AuditTrail = "audit-trail",
        /// The quotas of the tier.
        Quotas = "quotas",
        /// The tenant's application.
        Application = "application",
        /// The first user.
        FirstUser = "first-user",
        /// All is looked at once more, and the account is opened.
        Open = "open",
    }
}

impl Step {
    /// ms that the step takes. Declared, not measured.
    #[must_use]
    pub const fn takes_ms(self) -> u64 {
        match self {
            Self::Reserve => 500,
            Self::Tenant => 20_000,
            Self::Endpoint => 5_000,
            Self::DevicePolicy | Self::Trust | Self::AuditTrail | Self::Quotas => 2_000,
            Self::Application => 30_000,
            Self::FirstUser => 3_000,
            Self::Open => 1_000,
        }
    }

    /// The step after this one; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|step| *step == self)?;
        Self::ALL.get(at + 1).copied()
    }
}

/// The steps in which a new version of a blueprint is put onto an account.
pub const UPDATE: &[Step] = &[Step::DevicePolicy, Step::Trust, Step::Quotas, Step::Application];

/// ms that undoing takes. Declared, not measured.
pub const UNDO_MS: u64 = 10_000;

/// ms until a step that failed is tried again.
pub const RETRY_MS: u64 = 5_000;

/// How often a step is tried.
pub const TRIES: i64 = 3;

/// What to do about a step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Try it again after so many ms.
    Retry(u64),
    /// Undo what was done, beginning after so many ms.
    Undo(u64),
}

/// What to do about a step that has now failed `tries` times. Only what broke is tried again: what was refused with a
/// reason would be refused again.
#[must_use]
pub const fn cure(reason: FailureReason, tries: i64) -> Cure {
    if matches!(reason, FailureReason::InternalFailure) && tries < TRIES {
        Cure::Retry(RETRY_MS)
    } else {
        Cure::Undo(UNDO_MS)
    }
}

/// ms from the request to the open account, when nothing fails.
#[must_use]
pub fn whole_ms() -> u64 {
    Step::ALL.iter().map(|step| step.takes_ms()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_found_and_steps_follow_each_other() {
        for reason in FailureReason::ALL {
            assert_eq!(FailureReason::find(reason.name()), Some(*reason));
        }
        for state in RecordState::ALL {
            assert_eq!(RecordState::find(state.name()), Some(*state));
        }
        let mut seen = vec![Step::Reserve];
        while let Some(next) = seen.last().and_then(|step| step.next()) {
            seen.push(next);
        }
        assert_eq!(seen, Step::ALL);
        assert_eq!(seen.last(), Some(&Step::Open), "nothing answers before all is there");
        assert!(UPDATE.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(whole_ms(), 67_500);
    }

    #[test]
    fn what_may_follow_what() {
        let mut told = String::new();
        for state in RecordState::ALL {
            let next = RecordState::ALL.iter().filter(|next| state.may_become(**next));
            let next: Vec<_> = next.map(|next| next.name()).collect();
            told += &format!("{} ({}) -> {}\n", state.name(), state.creation().name(), next.join(", "));
        }
        insta::assert_snapshot!(told, @r"
        CREATED (IN_PROGRESS) -> IN_PROGRESS, FAILED
        IN_PROGRESS (IN_PROGRESS) -> IN_PROGRESS_IN_ERROR, SUCCEEDED
        IN_PROGRESS_IN_ERROR (IN_PROGRESS) -> FAILED
        SUCCEEDED (SUCCEEDED) -> 
        FAILED (FAILED) -> 
        ");
    }

    proptest! {
        /// Whatever fails, and however often: every path ends, whole or undone.
        #[test]
        fn every_onboarding_ends(fails in proptest::collection::vec(proptest::option::of(0..FailureReason::ALL.len()), 0..60)) {
            let (mut state, mut step, mut tries) = (RecordState::Created, Step::Reserve, 0);
            let mut fails = fails.into_iter();
            let mut turns = 0;
            while !state.is_over() {
                turns += 1;
                prop_assert!(turns < 100);
                let next = match state {
                    RecordState::Created => RecordState::InProgress,
                    RecordState::InProgressInError => RecordState::Failed,
                    _ => match fails.next().flatten() {
                        Some(reason) => {
                            tries += 1;
                            match cure(FailureReason::ALL[reason], tries) {
                                Cure::Retry(_) => continue,
                                Cure::Undo(_) => RecordState::InProgressInError,
                            }
                        }
                        None => {
                            tries = 0;
                            match step.next() {
                                Some(next) => {
                                    step = next;
                                    continue;
                                }
                                None => RecordState::Succeeded,
                            }
                        }
                    },
                };
                prop_assert!(state.may_become(next));
                state = next;
            }
            prop_assert_eq!(state == RecordState::Succeeded, state.creation() == CreateState::Succeeded);
        }
    }
}
