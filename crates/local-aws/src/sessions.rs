//! Credentials of role sessions. A session's token holds the session itself under a code that only this stack
//! can make, so that credentials cost no memory and outlive a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use iam_policy::{Kind, Named, Policy};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Error;
use crate::principals::{Principal, PrincipalKind, unique_id};
use crate::random::{self, BASE_32};
use crate::secret::Secret;

/// Bytes of a session token, as many as a signature may present.
const MAX_TOKEN: usize = 8_192;
/// Opened sessions that are kept, so that a policy is not read anew for each request.
const MAX_OPENED: usize = 1_024;
/// The form of the tokens. A token of another form is not opened.
const VERSION: u8 = 1;

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Of a code's 32 bytes, as many as 40 characters of base 64 spell.
const SECRET_BYTES: usize = 30;

/// What a session is issued for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The role's ARN, such as `arn:aws:iam::123456789012:role/tenant-access`.
    pub role_arn: String,
    /// `RoleSessionName`.
    pub session_name: String,
    /// The session's tags: `aws:PrincipalTag`.
    pub tags: BTreeMap<String, String>,
    /// The keys of those tags that a session assumed from this one inherits.
    pub transitive: BTreeSet<String>,
    /// The session policy's text.
    pub policy: Option<String>,
    /// Whether another role's session assumed the role.
    pub chained: bool,
    /// The stack's time of issue. Fractions of a second are dropped.
    #[serde(with = "seconds")]
    pub issued_at: SystemTime,
    /// The end, by the stack's time. Fractions of a second are dropped.
    #[serde(with = "seconds")]
    pub expires_at: SystemTime,
}

/// What is known of a role's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The role's name.
    pub role: String,
    /// The role's ARN.
    pub role_arn: String,
    /// `RoleSessionName`.
    pub session_name: String,
    /// The session's tags: `aws:PrincipalTag`.
    pub tags: BTreeMap<String, String>,
    /// The keys of those tags that a session assumed from this one inherits.
    pub transitive: BTreeSet<String>,
    /// The session policy. What it does not allow, the session may not do.
    pub policy: Option<Named>,
    /// Whether another role's session assumed the role.
    pub chained: bool,
    /// The stack's time of issue, in whole seconds.
    pub issued_at: SystemTime,
}

/// A token's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    access_key_id: String,
    session: Session,
}

/// Issues sessions and opens their tokens, with one key for all of them.
pub struct Sessions {
    key: Zeroizing<[u8; KEY_BYTES]>,
    /// By access key id, at most [`MAX_OPENED`].
    opened: RwLock<HashMap<String, Arc<Principal>>>,
}

impl Sessions {
    /// Sessions under a new key.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self::under(Zeroizing::new(random::bytes()?)))
    }

    /// Sessions under the key of an earlier start, as [`Sessions::export`] gave it: the credentials issued
    /// then are good until they expire.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSessionKey`] for a text that is no such key.
    pub fn restore(exported: &Secret) -> Result<Self, Error> {
        let bytes = STANDARD.decode(exported.expose().trim_ascii()).map_err(|_| Error::InvalidSessionKey)?;
        let bytes = Zeroizing::new(bytes);
        let key = bytes.as_slice().try_into().map_err(|_| Error::InvalidSessionKey)?;
        Ok(Self::under(Zeroizing::new(key)))
    }

    /// The key as text, for a file that only its owner can read. Whoever has it can make any session.
    #[must_use]
    pub fn export(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_slice()))
    }

    /// Makes credentials for a session. Nothing is kept of them.
    ///
    /// # Errors
    ///
    /// [`Error::Random`]; [`Error::SessionTooLarge`] where no token holds the session;
    /// [`Error::InvalidSession`] where its role's ARN or its policy cannot be read.
    pub fn issue(&self, session: &Session) -> Result<Arc<Principal>, Error> {
        let access_key_id = format!("ASIA{}", random::text::<16, 32>(BASE_32)?);
        let payload = Payload { access_key_id: access_key_id.clone(), session: session.clone() };
        let mut token = vec![VERSION];
        serde_json::to_writer(&mut token, &payload).map_err(|_| Error::InvalidSession)?;
        let mac = self.mac("token", &token);
        token.extend_from_slice(mac.as_slice());
        let token = STANDARD.encode(token);
        if token.len() > MAX_TOKEN {
            return Err(Error::SessionTooLarge);
        }
        self.read(&access_key_id, &token).map(Arc::new).ok_or(Error::InvalidSession)
    }

    /// The principal of a session, where this key issued the token, and issued it for this access key id.
    /// Whether the session has expired is not looked at.
    #[must_use]
    pub fn open(&self, access_key_id: &str, token: &str) -> Option<Arc<Principal>> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        if let Some(principal) = self.opened(access_key_id, token) {
            return Some(principal);
        }
        let principal = Arc::new(self.read(access_key_id, token)?);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= MAX_OPENED {
            opened.clear();
        }
        opened.insert(access_key_id.to_owned(), Arc::clone(&principal));
        Some(principal)
    }

    fn under(key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { key, opened: RwLock::default() }
    }

    /// A session that was opened before, with this very token.
    fn opened(&self, access_key_id: &str, token: &str) -> Option<Arc<Principal>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let principal = opened.get(access_key_id)?;
        let is_same = principal.session_token.as_ref().is_some_and(|known| known.matches(token.as_bytes()));
        is_same.then(|| Arc::clone(principal))
    }

    /// Reads a token. Nothing in it is looked at before its code was found right.
    fn read(&self, access_key_id: &str, token: &str) -> Option<Principal> {
        let bytes = STANDARD.decode(token).ok()?;
        let (content, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        if !bool::from(self.mac("token", content).as_slice().ct_eq(mac)) {
            return None;
        }
        let payload = content.strip_prefix(&[VERSION])?;
        let Payload { access_key_id: issued_for, session } = serde_json::from_slice(payload).ok()?;
        if issued_for != access_key_id {
            return None;
        }
        let policy = match &session.policy {
            Some(text) => {
                let policy = Policy::parse_text(text, Kind::Identity).ok()?;
                Some(Named { name: session.session_name.clone(), policy })
            }
            None => None,
        };
        let (account_id, role) = role_of(&session.role_arn)?;
        let (account_id, role) = (account_id.to_owned(), role.to_owned());
        let name = &session.session_name;
        Some(Principal {
            access_key_id: issued_for,
            secret: self.secret_of(access_key_id),
            session_token: Some(Secret::new(token)),
            arn: format!("arn:aws:sts::{account_id}:assumed-role/{role}/{name}"),
            user_id: format!("{}:{name}", unique_id("AROA", &account_id, &role)),
            account_id,
            expires_at: Some(session.expires_at),
            kind: PrincipalKind::Session(Box::new(SessionFacts {
                role,
                role_arn: session.role_arn,
                session_name: session.session_name,
                tags: session.tags,
                transitive: session.transitive,
                policy,
                chained: session.chained,
                issued_at: session.issued_at,
            })),
        })
    }

    /// The secret access key of a session: 40 characters, as AWS's have.
    fn secret_of(&self, access_key_id: &str) -> Secret {
        Secret::new(STANDARD.encode(&self.mac("secret", access_key_id.as_bytes())[..SECRET_BYTES]))
    }

    /// The code of a content. The label keeps tokens and secrets apart.
    fn mac(&self, label: &str, content: &[u8]) -> Zeroizing<[u8; MAC_BYTES]> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(label.as_bytes());
        mac.update(content);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// The account and the name in a role's ARN. A path before the name is no part of a session's ARN.
pub(crate) fn role_of(arn: &str) -> Option<(&str, &str)> {
    let (account_id, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let is_account = account_id.len() == 12 && account_id.bytes().all(|b| b.is_ascii_digit());
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(is_name_character);
    let is_path = path.bytes().all(|b| b.is_ascii_graphic());
    (is_account && is_name && is_path).then_some((account_id, name))
}

/// IAM's `[\w+=,.@-]`, of which names of roles and sessions are made.
pub(crate) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

/// Times in tokens: whole seconds since 1970.
mod seconds {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    /// A time before 1970 counts as 1970, so that it has long expired.
    pub(super) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let seconds = Duration::from_secs(u64::deserialize(deserializer)?);
        UNIX_EPOCH.checked_add(seconds).ok_or_else(|| D::Error::custom("no such time"))
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
