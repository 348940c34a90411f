//! Who asks: a person in a tenant, a device, the platform's operator, or nobody.

use super::{Call, Mender, text, unreadable};
use crate::answer::{Answer, Result, Token};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fleetproof_wire::http::Request;
use fleetproof_world::Name;
use serde_json::Value;
use std::sync::Arc;

/// A tenant by the name the scenario gives it and the id the platform gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenantRef {
    /// The name in the scenario.
    pub name: Name,
    /// The platform's id.
    pub id: Name,
}

impl TenantRef {
    /// A tenant by name and id.
    #[must_use]
    pub fn new(name: &str, id: &str) -> Self {
        Self { name: name.into(), id: id.into() }
    }
}

/// As what somebody stands before the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A person with an account.
    Person,
    /// A device with its own token.
    Device,
    /// The platform's operator.
    Operator,
    /// Whoever has no credential, or one that must not be accepted: changes made by it are in nobody's name.
    Nobody,
}

/// Somebody who asks, with the credential in hand. Cheap to clone; the token cannot be printed.
#[derive(Clone, Debug)]
pub struct Session(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    who: Name,
    standing: Standing,
    tenant: Option<TenantRef>,
    subject: Option<Name>,
    email: Option<Name>,
    token: Option<Token>,
}

impl Session {
    /// Somebody without credential.
    #[must_use]
    pub fn nobody() -> Self {
        Self::of("nobody", Standing::Nobody, None, None, None)
    }

    /// The platform's operator.
    #[must_use]
    pub fn operator(token: Token) -> Self {
        Self::of("operator", Standing::Operator, None, Some("operator".into()), Some(token))
    }

    /// A device called `who` that holds a token; its id is read from the token.
    #[must_use]
    pub fn device(who: &str, tenant: TenantRef, token: Token) -> Self {
        let subject = claims(token.reveal()).map(|claims| text(&claims, "sub").into());
        Self::of(who, Standing::Device, Some(tenant), subject, Some(token))
    }

    /// A person called `who` who holds a token got elsewhere (a personal access token, a profile's bearer).
    #[must_use]
    pub fn person(who: &str, email: Option<&str>, tenant: TenantRef, token: Token) -> Self {
        let subject = claims(token.reveal()).map(|claims| text(&claims, "sub").into());
        let mut session = Self::of(who, Standing::Person, Some(tenant), subject, Some(token));
        Arc::make_mut(&mut session.0).email = email.map(Name::from);
        session
    }

    /// The same actor with a credential that must not be accepted.
    #[must_use]
    pub fn forged(&self, token: Option<Token>) -> Self {
        let inner = Inner { standing: Standing::Nobody, token, ..(*self.0).clone() };
        Self(Arc::new(inner))
    }

    /// The same session under another actor's name.
    #[must_use]
    pub fn named(&self, who: &str) -> Self {
        Self(Arc::new(Inner { who: who.into(), ..(*self.0).clone() }))
    }

    fn of(
        who: &str,
        standing: Standing,
        tenant: Option<TenantRef>,
        subject: Option<Name>,
        token: Option<Token>,
    ) -> Self {
        Self(Arc::new(Inner { who: who.into(), standing, tenant, subject, email: None, token }))
    }

    /// The actor's name: the e-mail unless renamed.
    #[must_use]
    pub fn who(&self) -> &Name {
        &self.0.who
    }

    /// As what she stands there.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.standing
    }

    /// Name of the tenant that the credential belongs to.
    #[must_use]
    pub fn tenant(&self) -> Option<&Name> {
        self.0.tenant.as_ref().map(|tenant| &tenant.name)
    }

    /// Id of the tenant that the credential belongs to.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&Name> {
        self.0.tenant.as_ref().map(|tenant| &tenant.id)
    }

    /// Name and id of the tenant that the credential belongs to.
    #[must_use]
    pub fn tenant_ref(&self) -> Option<&TenantRef> {
        self.0.tenant.as_ref()
    }

    /// Id of the user or device.
    #[must_use]
    pub fn subject(&self) -> Option<&Name> {
        self.0.subject.as_ref()
    }

    /// E-mail of a person.
    #[must_use]
    pub fn email(&self) -> Option<&Name> {
        self.0.email.as_ref()
    }

    /// The credential.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.0.token.as_ref()
    }

    /// The request with this session's credential, unless it brings its own.
    pub(crate) fn authorize(&self, request: Request) -> Request {
        match self.token() {
            Some(token) if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) => {
                request.bearer(token.reveal())
            }
            _ => request,
        }
    }
}

/// What a token says of itself; nobody checked it.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

impl Mender {
    /// Logs a person in: her own tenant as the platform chooses it, or `tenant`, by a switch where that is another.
    ///
    /// # Errors
    /// [`Refused`](crate::Refused) with 401 when the platform does not know her, or does not let her into `tenant`.
    pub async fn login(&self, email: &str, password: &str, tenant: Option<&TenantRef>) -> Result<Session> {
        let nobody = Session::nobody().named(email);
        let (answer, token) = self.ask_login(&nobody, email, password).await?;
        let found = claims(&token).ok_or_else(|| unreadable(&answer, "the token is no JWT"))?;
        let id = text(&found, "mender.tenant");
        let home = match tenant {
            Some(wanted) if *wanted.id == *id => wanted.clone(),
            _ => TenantRef::new(&self.inner.ledger.tenant_name(&id).unwrap_or_else(|| id.as_str().into()), &id),
        };
        let session = Session::person(email, Some(email), home, Token::new(&token));
        match tenant {
            Some(wanted) if *wanted.id != *id => self.switch(&session, wanted).await,
            _ => Ok(session),
        }
    }

    async fn ask_login(&self, by: &Session, email: &str, password: &str) -> Result<(Answer, String)> {
        let row = super::Table::get().row("Login");
        let path = row.map(|row| row.path.clone()).unwrap_or_default();
        let basic = format!("Basic {}", STANDARD.encode(format!("{email}:{password}")));
        let request = Request::new("POST", path).header("Authorization", basic);
        let answer = self.exchange(by, super::Door::Gateway, row, request).await?;
        if !answer.is_success() {
            return Err(answer.into());
        }
        let token = answer.text().trim().trim_matches('"').to_owned();
        Ok((answer, token))
    }

    /// Into another tenant without logging in again.
    ///
    /// # Errors
    /// [`Refused`](crate::Refused) with 401 where she is no member, or where no such tenant is.
    pub async fn switch(&self, by: &Session, tenant: &TenantRef) -> Result<Session> {
        let answer = self.call(by, Call::new("Issue Token").path(&[("tenant_id", &tenant.id)])).await?;
        let token = answer.text().trim().trim_matches('"').to_owned();
        let found = claims(&token).ok_or_else(|| unreadable(&answer, "the token is no JWT"))?;
        if *text(&found, "mender.tenant") != *tenant.id {
            return Err(unreadable(&answer, "the token is for another tenant"));
        }
        let email = by.email().map(|email| &**email);
        Ok(Session::person(by.who(), email, tenant.clone(), Token::new(&token)))
    }

    /// Ends a session; its token is dead afterwards.
    ///
    /// # Errors
    /// As every verb.
    pub async fn logout(&self, by: &Session) -> Result<()> {
        self.call(by, Call::new("Logout")).await.map(drop)
    }
}
