//! The catalogue: with what a platform is attacked, and what each attack proves.

use serde::Serialize;

/// One way to attack, as `fleetproof claims` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its id, with which the ids of its attempts begin.
    pub id: &'static str,
    /// The family of attacks that it comes from.
    pub family: &'static str,
    /// The claim that makes it.
    pub claim: &'static str,
    /// What holds when all of its attempts fail.
    pub proves: &'static str,
    /// Which success shows that the attempts could have worked.
    pub control: &'static str,
    /// What is looked at.
    pub oracle: &'static str,
}

macro_rules! tools {
    ($($name:ident = $id:literal, $family:literal, $claim:literal, $proves:literal, $control:literal, $oracle:literal;)*) => {
        $(#[doc = concat!("`", $id, "`")] pub const $name: &str = $id;)*
        const CATALOGUE: &[Tool] = &[$(Tool {
            id: $id, family: $family, claim: $claim, proves: $proves, control: $control, oracle: $oracle,
        },)*];
    };
}

tools! {
    FOREIGN_ID = "h1-foreign-id", "H1 object level authorization", "isolation",
        "naming another tenant's object gets what naming nothing gets, in every role",
        "the victim's admin (or device) does the same with the same object",
        "refusal kind; answer as for an id that never existed; victim's object unchanged; no canary";
    UNDECLARED_METHOD = "h1-undeclared-method", "H1 object level authorization", "isolation",
        "a method that the document does not know opens nothing either",
        "the victim's admin reaches the same object by the declared method",
        "answer as for an id that never existed; victim's object unchanged; no canary";
    OWN_PLACE = "h1-own-place", "H1 object level authorization", "isolation",
        "what a tenant changes without naming an object is its own",
        "the attempt itself succeeds",
        "victim's side unchanged; no canary";
    OWN_BESIDE_FOREIGN = "h2-own-beside-foreign", "H2 conflicting ids", "isolation",
        "an own id in front opens no door for the foreign one behind it",
        "the victim's admin does it with the victim's object alone",
        "answer as for an own and a never existing id; victim's objects unchanged; no canary";
    CONFLICT = "h2-conflict", "H2 conflicting ids", "isolation",
        "of two ids in one request none that was checked lends its place to one that was not",
        "foreign id in the path: the victim's admin reaches it; own id in the path: the actor reaches it, unbent",
        "foreign id in the path: answer as for an id that never existed; always: victim's object unchanged; no canary";
    SPELLING = "h2-spelling", "H2 conflicting ids", "isolation",
        "another spelling of a foreign id (case, dashes, escapes, dots, wide digits) is no way around",
        "the victim's admin reaches the object by its id",
        "answer as for an id that never existed, spelled likewise; victim's object unchanged; no canary";
    INJECTION = "h2-injection", "H2 conflicting ids", "isolation",
        "an operator or a list where an id is due matches nothing of another tenant",
        "the victim's admin does it with the id as text",
        "victim's object unchanged; no canary";
    TWIN = "h2-twin-name", "H2 conflicting ids", "isolation",
        "of two things with the same name in two tenants each tenant reaches its own",
        "the attempt itself succeeds",
        "success; the victim's twin unchanged; no canary";
    TENANT_HEADER = "h3-tenant-header", "H3 tenant context injection", "isolation",
        "a header does not make one a member of another tenant",
        "the same without the header, by the one to whom it is due",
        "answer as without it (own things) or as for a never existing id; victim unchanged; no canary";
    TENANT_QUERY = "h3-tenant-query", "H3 tenant context injection", "isolation",
        "a query parameter does not make one a member of another tenant",
        "the same without the parameter, by the one to whom it is due",
        "answer as without it (own things) or as for a never existing id; victim unchanged; no canary";
    TENANT_HOST = "h3-tenant-host", "H3 tenant context injection", "isolation",
        "a host name does not make one a member of another tenant",
        "the same at the plain host, by the one to whom it is due",
        "answer as without it (own things) or as for a never existing id; victim unchanged; no canary";
    NO_TOKEN = "h4-no-token", "H4 credentials", "isolation",
        "nothing opens without a credential",
        "the same with the rightful credential",
        "unauthenticated; victim unchanged; no canary";
    FORGED_TOKEN = "h4-forged-token", "H4 credentials", "isolation",
        "a token that was altered after it was signed opens nothing",
        "the same with the rightful credential",
        "unauthenticated; victim unchanged; no canary";
    WRONG_DOOR = "h4-wrong-door", "H4 credentials", "isolation",
        "a user's token opens no operation of devices, and the reverse",
        "the same with the rightful credential",
        "unauthenticated; victim unchanged; no canary";
    OPERATORS_DOOR = "h4-operators-door", "H4 credentials", "isolation",
        "no identity of a tenant opens the operator's door",
        "the operator does the same there",
        "unauthenticated; victim unchanged; no canary";
    FOREIGN_LOGIN = "h4-foreign-login", "H4 credentials", "isolation",
        "another one's name with an own secret gets no credential",
        "the victim gets one with its own secret",
        "unauthenticated; victim unchanged; no canary";
    TAKE_OVER = "h4-take-over", "H4 credentials", "isolation",
        "who takes another tenant's user into the own tenant gets no power over her account",
        "the victim's admin changes the user",
        "the user as her own tenant sees her unchanged, her password still opens; no canary";
    SIGNED_LINK = "h5-signed-link", "H5 signed links", "isolation",
        "a signed link opens the one object that it was signed for",
        "the victim's own link opens the object",
        "no success; no canary; the object unchanged";
    LINK_METHOD = "h5-link-method", "H5 signed links", "isolation",
        "whoever got hold of a link to read a file can neither write nor remove it",
        "the victim's own link opens the object",
        "no success; the object and its file unchanged; no canary";
    STALE_LINK = "h5-stale-link", "H5 signed links", "isolation",
        "a link opens nothing once its artifact is removed or its time is over (the latter where `within` lets the claim wait)",
        "the same link opened the object before",
        "no success; no canary";
    LIST = "h6-list", "H6 lists", "isolation",
        "lists, counts and searches hold nothing of another tenant",
        "the victim sees its own objects there",
        "no canary; the whole answer and its total as before the victim made more objects";
    FOREIGN_FILTER = "h6-foreign-filter", "H6 lists", "isolation",
        "filtering by another tenant's id or name finds what filtering by nothing's finds",
        "the victim finds its object by the same filter",
        "answer as for a name that never existed; no canary";
    PAGING = "h6-paging", "H6 lists", "isolation",
        "no page, size or order makes a list longer than the tenant",
        "the victim sees its own objects there",
        "no canary";
    SEARCH_TERMS = "h6-search-terms", "H6 lists", "isolation",
        "terms that match everything (not equal, patterns, existence, hidden fields) find what the tenant has",
        "the victim finds its object by a search",
        "no canary; the whole answer and its total as before the victim made more objects";
    FOREIGN_REFERENCE = "h7-foreign-reference", "H7 foreign references", "isolation",
        "what is made with another tenant's object in it reaches nothing of that tenant",
        "the victim's admin makes the same with the same reference",
        "answer as for a reference that never existed; victim's object unchanged; no canary";
    TAKEN_NAME = "h8-taken-name", "H8 enumeration", "isolation",
        "a name that another tenant has given is free: nobody learns of it by being refused",
        "the same under a fresh name succeeds",
        "answer as under a fresh name; victim's object unchanged; no canary";
    AUDIT_ALTER = "h9-audit-alter", "H9 audit", "isolation",
        "nobody writes or removes entries of an audit log",
        "the log can be read",
        "no success; the log unchanged";
    LOGGED_SECRET = "h9-logged-secret", "H9 audit", "isolation",
        "no password, token or link's signature stands in an audit log, whoever may read it",
        "the attempt itself succeeds: the log is read right after a user and a token were made",
        "none of the tenant's secrets in the log; no canary of the other tenant";
    LOG_INJECTION = "h9-log-injection", "H9 audit", "isolation",
        "a name with line breaks, quotes and commas makes one entry, not two",
        "the attempt itself succeeds: the log is read right after something of that name was made",
        "the name stands in exactly one entry, with all its columns";
    GHOST = "h14-ghost", "H14 removal and return", "isolation",
        "a tenant made again under the name of a removed one finds nothing of it, and nothing held of that one opens anything",
        "the same before the removal succeeded",
        "as for an id that never existed; unauthenticated; no device, file or log entry of the former one; no canary";
    FOREIGN_ACCOUNT = "h15-foreign-account", "H15 confused deputy", "isolation",
        "whoever lets the lobby act names an account of the own tenant: in another one it acts for nobody else",
        "the victim's admin has it done in that account",
        "answer as for an account that never existed; nothing of the victim's changed; no canary";
    MASS_ASSIGNMENT = "h16-mass-assignment", "H16 mass assignment", "isolation",
        "a field that says whose a thing is does not make it so",
        "the same without the field succeeds",
        "victim's lists unchanged; no canary";
    MQTT_KNOCK = "m1-connect", "M1 connecting", "isolation",
        "no certificate opens another account's endpoint, none no endpoint",
        "the victim's own device is in, and says and hears there",
        "refused; the victim's connection goes on";
    MQTT_TAKE_OVER = "m2-take-over", "M2 client ids", "isolation",
        "a client of the same name in another account ends nobody's connection",
        "the victim's own second connection of that name does end the first",
        "the victim's connection goes on, and hears";
    MQTT_SESSION = "m3-session", "M3 sessions", "isolation",
        "a session of the same name in another account gives away nothing and takes nothing",
        "the same session comes back whole when nobody else asks for one of that name",
        "all that waited comes to the victim; nothing to the attacker";
    MQTT_SUBSCRIBE = "m4-subscribe", "M4 subscriptions", "isolation",
        "no filter, however wide, hears what another account's clients say",
        "the victim hears it with the same filter",
        "nothing of the victim's came";
    MQTT_PUBLISH = "m5-publish", "M5 publishing", "isolation",
        "nothing that is said in one account is heard in another, or changes a shadow there",
        "the victim says the same and is heard",
        "the victim's own application heard nothing of it";
    MQTT_RETAINED = "m5-retained", "M5 publishing", "isolation",
        "what is retained in one account is neither read, replaced nor cleared from another",
        "who comes new to the victim's topic gets what the victim retained",
        "who comes new gets it still; nothing of the victim's came to the attacker";
    MQTT_WILL = "m6-will", "M6 wills", "isolation",
        "a will is said in the account of its client only",
        "the victim's own client is cut off, and its will is heard",
        "the victim's own application heard nothing of it";
    MQTT_LAPSED = "m9-lapsed", "M9 authorization while connected", "isolation",
        "whose certificate or policy is taken away neither comes back nor goes on, and its will is not said",
        "before, the same device connected, spoke and heard",
        "refused; nothing of it was heard by its own tenant; it heard nothing";
    MQTT_STRAY = "m5-stray", "M5 publishing", "isolation",
        "a thing neither hears nor says what is another's of its tenant, nor what only the platform says",
        "who may does the same: an application of the tenant, or the platform itself",
        "refused; nothing of it was heard by its own tenant; it heard nothing";
    MQTT_SHARE = "m10-shared", "M10 shared subscriptions", "isolation",
        "a shared group of the same name in another account takes no share",
        "the victim's group gets every message when nobody else has one of that name",
        "the victim's group gets every message; nothing came to the attacker";
    MQTT_JOBS = "m11-jobs", "M11 jobs and shadows", "isolation",
        "nobody ends a job of another account's thing, whatever things and jobs of his are called",
        "the victim's own device ends it the same way",
        "the job as the victim's own people see it is as before";
    MQTT_EVENTS = "m12-events", "M12 presence", "isolation",
        "nobody is told who comes and goes in another account",
        "the victim is told with the same filter",
        "nothing of the victim's came";
    LOBBY_CLAIM = "c1-claim", "C1 claims", "isolation",
        "nobody gets a device without its proof: neither by its fingerprint, however written, nor by a code that is another's or spent",
        "the victim claims with its own label (or fingerprint, of a device that is its own) and has the device",
        "refused, or waiting for a proof; the victim, who holds the label, gets the device, and what it has stays";
    LOBBY_ROLE = "h15-external-id", "H15 confused deputy", "isolation",
        "the lobby gets its role in an account with the external id of that account only",
        "with the account's own external id it gets the role",
        "refused; the trust of the account as before";
    LOBBY_ANNOUNCE = "c2-announce", "C2 announces", "isolation",
        "what a device says of itself is about the device whose certificate it shows",
        "the victim's own device announces itself, and the victim sees it",
        "the victim's device as the victim sees it is as before";
    LOBBY_TOPICS = "c10-topics", "C10 lobby topics", "isolation",
        "at the lobby a device neither hears what another is told nor says it: no forged factory reset (C8)",
        "the victim's own device is told its home on the same topic",
        "refused; the victim's device heard nothing of it; nothing of the victim's came";
    ACCESS = "h12-role", "H12 roles", "access",
        "a role may exactly what it says, on every operation",
        "the tenant's admin does the same and succeeds",
        "success where it may; forbidden, and the object unchanged, where it may not";
    NARROWED = "h12-narrowed", "H12 roles", "access",
        "a role that is narrowed to groups reaches no device outside of them, on any operation about devices",
        "the tenant's admin does the same with the same device and succeeds",
        "forbidden, and the object unchanged; missing from lists, searches and totals";
    OUTSIDER = "h12-outsider", "H12 roles", "access",
        "who is no member is refused everything inside the tenant, like any stranger",
        "the tenant's admin does the same and succeeds",
        "refusal kind; answer as for an id that never existed; object unchanged; no canary";
    FORMER_SESSION = "h4-former-session", "H4 credentials", "access",
        "what somebody held of a tenant opens nothing once she is removed from it",
        "the tenant's admin does the same and succeeds",
        "unauthenticated";
}

/// A family of attacks, or a part of one, for which the platforms of today's dialect have no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// The family.
    pub family: &'static str,
    /// Why nothing is tried.
    pub because: &'static str,
    /// Words of paths and parameters in which such a place would show itself: an interface that has one of them has more to
    /// be attacked than the catalogue knows.
    pub signs: &'static [&'static str],
}

const ABSENT: &[Absent] = &[
    Absent {
        family: "H4 credentials",
        because: "there are no refresh tokens to swap, and no keys of tenants: one key signs for all",
        signs: &["refresh", "api_key", "apikey"],
    },
    Absent {
        family: "H5 signed links",
        because: "links are made for downloads only: no upload is completed by link",
        signs: &["directupload", "multipart_upload", "complete"],
    },
    Absent {
        family: "H6 lists",
        because: "pages of the management interface have numbers, not cursors; those of an account, which are sealed, are not swapped; there is no query language but the searches",
        signs: &["cursor", "page_token", "graphql"],
    },
    Absent {
        family: "H8 enumeration",
        because: "in virtual time an answer takes no time that could tell; nothing is measured on the real clock",
        signs: &[],
    },
    Absent {
        family: "H10 events",
        because: "nothing is subscribed to and the platform calls nobody: no streams, no webhooks, no addresses to call",
        signs: &["webhook", "event", "stream", "subscri", "callback", "notification"],
    },
    Absent {
        family: "H11 caches",
        because: "no answer may be kept by others; a key without the tenant would show in lists, twins and headers (H2, H3, H6)",
        signs: &["cache"],
    },
    Absent {
        family: "H13 asynchronous artefacts",
        because: "exports are answered at once and read by H9; no job, backup or report is made to be fetched later",
        signs: &["backup", "report", "generate", "job"],
    },
    Absent {
        family: "M7 topic aliases, M8 properties",
        because: "they are names inside one connection, and travel with a message; the protocol's own tests try them",
        signs: &[],
    },
    Absent {
        family: "M13 rules, M14 streams, M15 publishing over HTTP",
        because: "the platform has no rules but the lobby's, gives files by signed links (H5), and takes messages by MQTT only",
        signs: &["/topics/", "/rules/", "/streams/"],
    },
    Absent {
        family: "H15 confused deputy",
        because: "nobody but the lobby acts under a role of another account: which account, and with which external id, is tried at the lobby",
        signs: &["assume", "external_id", "account_id"],
    },
];

/// What of the known attacks has no place here, and why.
#[must_use]
pub fn absent() -> &'static [Absent] {
    ABSENT
}

/// Every tool, in the order in which attempts are made on an operation.
#[must_use]
pub fn catalogue() -> &'static [Tool] {
    CATALOGUE
}

/// The tool with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Tool> {
    CATALOGUE.iter().find(|tool| tool.id == id)
}
