//! Who can sign requests.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use iam_policy::Named;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::random::{self, BASE_32, BASE_64};
use crate::secret::Secret;
use crate::sessions::{Session, SessionFacts, Sessions};

/// How many principals a register holds.
pub const MAX_PRINCIPALS: usize = 10_000;

/// The session name of the local administrator, as a person's would be.
const ADMIN_USER: &str = "local-admin";

/// A principal with its credentials.
#[derive(Debug, Clone)]
pub struct Principal {
    /// `AKIA…` for long-term credentials, `ASIA…` for a session.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The token that a session's requests must carry.
    pub session_token: Option<Secret>,
    /// The ARN of the user or of the assumed role's session.
    pub arn: String,
    /// The account, twelve digits.
    pub account_id: String,
    /// The unique id that IAM gives (`aws:userid`): of the user, or of the role with `:` and the session's name.
    pub user_id: String,
    /// What the principal is.
    pub kind: PrincipalKind,
    /// When the credentials end, by the stack's time. `None` is never.
    pub expires_at: Option<SystemTime>,
}

impl Principal {
    /// The ARN of the user, or of the role whose session it is: `aws:PrincipalArn`.
    #[must_use]
    pub fn role_or_user_arn(&self) -> String {
        match &self.kind {
            PrincipalKind::Admin => self.arn.clone(),
            PrincipalKind::FunctionRole { role } => format!("arn:aws:iam::{}:role/{role}", self.account_id),
            PrincipalKind::Session(facts) => facts.role_arn.clone(),
        }
    }

    /// Whether the credentials are good at a time of the stack's. A session that began later was issued before
    /// the stack's clock was set back: it has no time in which it is good.
    pub(crate) fn is_in_time(&self, now: SystemTime) -> bool {
        let begins = match &self.kind {
            PrincipalKind::Admin | PrincipalKind::FunctionRole { .. } => None,
            PrincipalKind::Session(facts) => Some(facts.issued_at),
        };
        begins.is_none_or(|begin| begin <= now) && self.expires_at.is_none_or(|end| now < end)
    }

    /// The policies that the session was narrowed with, if it was.
    pub(crate) fn session_policies(&self) -> Option<&[Named]> {
        match &self.kind {
            PrincipalKind::Admin | PrincipalKind::FunctionRole { .. } => None,
            PrincipalKind::Session(facts) => facts.policy.as_ref().map(std::slice::from_ref),
        }
    }
}

/// What a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The developer at the machine.
    Admin,
    /// A function with its role's credentials.
    FunctionRole {
        /// The role's name.
        role: String,
    },
    /// The session of a role that was assumed through STS.
    Session(Box<SessionFacts>),
}

/// The principals of one account: a register by access key id, and the sessions whose tokens say what they are.
#[derive(Debug)]
pub struct Principals {
    account_id: String,
    /// `None` issues and opens no session.
    sessions: Option<Sessions>,
    by_access_key_id: RwLock<HashMap<String, Arc<Principal>>>,
}

impl Principals {
    /// An empty register for an account of twelve digits, without sessions.
    pub fn new(account_id: impl Into<String>) -> Self {
        Self { account_id: account_id.into(), sessions: None, by_access_key_id: RwLock::default() }
    }

    /// The same register with sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: Sessions) -> Self {
        Self { sessions: Some(sessions), ..self }
    }

    /// The account, twelve digits.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// Makes credentials for the local administrator.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], [`Error::TooManyPrincipals`].
    pub fn issue_admin(&self) -> Result<Arc<Principal>, Error> {
        let access_key_id = format!("AKIA{}", random::text::<16, 32>(BASE_32)?);
        self.insert(self.admin(access_key_id, Secret::new(random::text::<40, 64>(BASE_64)?)))
    }

    /// Takes the local administrator's credentials of an earlier start, so that what a developer has exported
    /// goes on working.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`], [`Error::AccessKeyIdTaken`], [`Error::TooManyPrincipals`].
    pub fn restore_admin(&self, access_key_id: &str, secret: Secret) -> Result<Arc<Principal>, Error> {
        let is_key = (16..=128).contains(&access_key_id.len())
            && access_key_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_secret = secret.expose().len() >= 16 && secret.expose().bytes().all(|b| b.is_ascii_graphic());
        if !is_key || !is_secret {
            return Err(Error::InvalidCredentials);
        }
        self.insert(self.admin(access_key_id.to_owned(), secret))
    }

    /// Makes temporary credentials for a function: its role's, in a session that has the function's name, as
    /// Lambda does. They live as long as the register.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], [`Error::TooManyPrincipals`].
    pub fn issue_for_role(&self, role: &str, session: &str) -> Result<Arc<Principal>, Error> {
        let account_id = &self.account_id;
        self.insert(Principal {
            access_key_id: format!("ASIA{}", random::text::<16, 32>(BASE_32)?),
            secret: Secret::new(random::text::<40, 64>(BASE_64)?),
            session_token: Some(Secret::new(random::text::<256, 64>(BASE_64)?)),
            arn: format!("arn:aws:sts::{account_id}:assumed-role/{role}/{session}"),
            account_id: account_id.clone(),
            user_id: format!("{}:{session}", unique_id("AROA", account_id, role)),
            kind: PrincipalKind::FunctionRole { role: role.to_owned() },
            expires_at: None,
        })
    }

    /// The principal with an access key id.
    #[must_use]
    pub fn find(&self, access_key_id: &str) -> Option<Arc<Principal>> {
        let principals = self.by_access_key_id.read().unwrap_or_else(PoisonError::into_inner);
        principals.get(access_key_id).cloned()
    }

    /// Makes temporary credentials for a session of one of the account's roles. The register keeps nothing of
    /// them: their token is opened with [`Principals::open_session`].
    ///
    /// # Errors
    ///
    /// [`Error::NoSessions`], and as [`Sessions::issue`]. A role of another account is an
    /// [`Error::InvalidSession`].
    pub fn issue_session(&self, session: &Session) -> Result<Arc<Principal>, Error> {
        let principal = self.sessions.as_ref().ok_or(Error::NoSessions)?.issue(session)?;
        if principal.account_id == self.account_id { Ok(principal) } else { Err(Error::InvalidSession) }
    }

    /// The principal of a session of the account, by its access key id and its token. Whether it has expired
    /// is not looked at.
    #[must_use]
    pub fn open_session(&self, access_key_id: &str, token: &Secret) -> Option<Arc<Principal>> {
        let principal = self.sessions.as_ref()?.open(access_key_id, token.expose())?;
        (principal.account_id == self.account_id).then_some(principal)
    }

    /// Adds a principal whose access key id is new.
    pub(crate) fn insert(&self, principal: Principal) -> Result<Arc<Principal>, Error> {
        let mut principals = self.by_access_key_id.write().unwrap_or_else(PoisonError::into_inner);
        if principals.contains_key(&principal.access_key_id) {
            return Err(Error::AccessKeyIdTaken(principal.access_key_id));
        }
        if principals.len() >= MAX_PRINCIPALS {
            return Err(Error::TooManyPrincipals);
        }
        let principal = Arc::new(principal);
        principals.insert(principal.access_key_id.clone(), Arc::clone(&principal));
        Ok(principal)
    }

    fn admin(&self, access_key_id: String, secret: Secret) -> Principal {
        let account_id = &self.account_id;
        Principal {
            access_key_id,
            secret,
            session_token: None,
            arn: format!("arn:aws:iam::{account_id}:user/{ADMIN_USER}"),
            account_id: account_id.clone(),
            user_id: unique_id("AIDA", account_id, ADMIN_USER),
            kind: PrincipalKind::Admin,
            expires_at: None,
        }
    }
}

/// IAM's unique id of a user or role. It is derived from the name, so that it outlives a restart.
pub(crate) fn unique_id(prefix: &str, account_id: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{prefix}/{account_id}/{name}"));
    format!("{prefix}{}", random::spell(&digest[..17], BASE_32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principals() -> Principals {
        Principals::new("123456789012")
    }

    #[test]
    fn a_role_gets_credentials_of_aws_form_with_a_session_token() {
        let issued = principals().issue_for_role("records-get-role", "records-get").expect("room");
        assert!(issued.access_key_id.starts_with("ASIA") && issued.access_key_id.len() == 20);
        assert_eq!(issued.secret.expose().len(), 40);
        assert!(issued.session_token.is_some());
        assert_eq!(issued.arn, "arn:aws:sts::123456789012:assumed-role/records-get-role/records-get");
        assert_eq!(issued.kind, PrincipalKind::FunctionRole { role: "records-get-role".to_owned() });
        let (role_id, session) = issued.user_id.split_once(':').expect("a session");
        assert!(role_id.starts_with("AROA") && role_id.len() == 21);
        assert_eq!(session, "records-get");
    }

    #[test]
    fn every_issue_is_new_and_the_unique_id_stays() {
        let principals = principals();
        let first = principals.issue_for_role("role", "function").expect("room");
        let second = principals.issue_for_role("role", "function").expect("room");
        assert_ne!(first.access_key_id, second.access_key_id);
        assert_ne!(first.secret.expose(), second.secret.expose());
        assert_eq!(first.user_id, second.user_id);
        assert_ne!(first.user_id, principals.issue_for_role("other", "function").expect("room").user_id);
    }

    #[test]
    fn no_secret_is_in_debug_output() {
        let principals = principals();
        let issued = principals.issue_for_role("role", "function").expect("room");
        let token = issued.session_token.as_ref().expect("a session");
        let debug = format!("{principals:?} {issued:?}");
        assert!(!debug.contains(issued.secret.expose()) && !debug.contains(token.expose()), "{debug}");
    }

    #[test]
    fn an_administrator_is_restored_under_the_same_credentials() {
        let first = principals().issue_admin().expect("room");
        let restarted = principals();
        let again = restarted.restore_admin(&first.access_key_id, first.secret.clone()).expect("valid");
        assert_eq!((&again.arn, &again.user_id), (&first.arn, &first.user_id));
        assert!(restarted.find(&first.access_key_id).is_some());
    }

    #[test]
    fn weak_or_taken_credentials_are_not_restored() {
        let principals = principals();
        for (id, secret) in [("short", "a-secret-of-some-length"), ("AKIA0123456789ABCDEF", "short")] {
            let refused = principals.restore_admin(id, Secret::new(secret));
            assert!(matches!(refused, Err(Error::InvalidCredentials)), "{id}");
        }
        let issued = principals.issue_for_role("role", "function").expect("room");
        let refused = principals.restore_admin(&issued.access_key_id, Secret::new("a-secret-of-some-length"));
        assert!(matches!(refused, Err(Error::AccessKeyIdTaken(_))));
    }

    #[test]
    fn the_register_is_bounded() {
        let principals = principals();
        let one = principals.issue_for_role("role", "function").expect("room");
        for number in 1..MAX_PRINCIPALS {
            let another = Principal { access_key_id: format!("ASIA{number:016}"), ..(*one).clone() };
            principals.insert(another).expect("room");
        }
        let refused = principals.issue_for_role("role", "function");
        assert!(matches!(refused, Err(Error::TooManyPrincipals)));
    }
}
