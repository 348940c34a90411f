//! Mistakes that such brokers have had. One can be planted, so that a harness can show that it finds it.

use std::fmt;

macro_rules! defects {
    ($($(#[doc = $words:literal])+ $name:ident,)+) => {
        /// Which mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $($(#[doc = $words])+ $name,)+
        }

        impl Defect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// What is wrong, in a sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($words),+).trim_ascii()),+ }
            }
        }
    };
}

defects! {
    /// Connecting as a client ends the connection of the client of that name in every account.
    TakeoverCrosses,
    /// A retained message is kept for every account.
    RetainedCrosses,
    /// Shared groups of one name are one group in all accounts.
    SharedGroupCrosses,
    /// Presence and subscription events are said in every account.
    PresenceCrosses,
    /// The inbound rate is one for all accounts.
    InboundCountedGlobally,
    /// A certificate of any account may connect to every account.
    PrincipalOfAnyAccount,
    /// A session, with what waits for it, is handed to any certificate that may use the client id.
    SessionOfAnyPrincipal,
    /// A certificate that is not active may connect.
    InactiveMayConnect,
    /// The connection of a certificate that was revoked goes on.
    RevokedStaysConnected,
    /// Messages are stored for the session of an inactive certificate, and had after its return.
    InactiveQueues,
    /// What the policies allowed at CONNECT is allowed as long as the connection lasts.
    PolicyRemembered,
    /// A will is said wherever it wants.
    WillUnchecked,
    /// The will of a client is said although its certificate was revoked.
    WillAfterRevocation,
    /// Nobody asks whether a subscriber may still receive.
    ReceiveUnchecked,
    /// Nobody asks whether a subscriber may receive what was retained.
    RetainedUnchecked,
    /// Nobody asks whether a client may receive what was stored for it.
    StoredUnchecked,
    /// Of a SUBSCRIBE only the first filter is checked.
    SecondFilterUnchecked,
    /// Everybody may write requests to every thing's jobs and shadows.
    ThingTopicsUnchecked,
    /// Clients may write to topics of answers, notifications and events.
    AnswersOpen,
    /// Clearing a retained message needs no right to retain.
    ClearUnchecked,
    /// A topic alias stays bound although the message that bound it was refused.
    AliasBoundByRefused,
    /// Topic aliases outlive the connection.
    AliasSurvives,
    /// A filter that begins with a wildcard gets what begins with a dollar sign.
    WildcardReachesReserved,
    /// A service's answer goes to everybody who subscribed to its topic.
    ReplyBroadcast,
    /// Client ids are told apart without regard to case.
    ClientIdCaseBlind,
    /// A client id may connect as often as it likes.
    ConnectRateUnheld,
    /// A connection may send as many messages as it likes.
    PublishRateUnheld,
    /// More messages are sent than a client has acknowledged to be able to take.
    InFlightUnheld,
    /// A payload may be one byte longer than the quota.
    PayloadOffByOne,
    /// The limit of subscriptions is counted for each packet alone.
    SubscriptionsPerPacket,
    /// What waits is sent although its time is over.
    ExpiryUnheld,
    /// What waits for a client that moved to another account is kept.
    ForgottenKeepsSession,
    /// A will that was to be prevented is said.
    PreventedWillSaid,
}

impl Defect {
    /// Whether it reaches from one account into another.
    #[must_use]
    pub const fn crosses(self) -> bool {
        matches!(
            self,
            Self::TakeoverCrosses
                | Self::RetainedCrosses
                | Self::SharedGroupCrosses
                | Self::PresenceCrosses
                | Self::InboundCountedGlobally
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
