//! Tenants' sessions: roles assumed with a tenant's tags, by which IAM limits what they reach.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use contract::Isolation;
use tenant_context::{ApiKeyId, Aws, AwsFailure, Cache, OpenError, Role, Secret, TenantContext, TenantId};
use time::OffsetDateTime;

use crate::StoreError;
use crate::clients::Clients;

/// How long a function's sessions are asked for. A function's credentials are a role's already, and STS
/// chains roles for an hour at most.
const LIFETIME: Duration = Duration::from_hours(1);
/// A session is not used for requests that come later than this before its end: what they sign for a quarter of
/// an hour ends with it.
const MARGIN: Duration = Duration::from_mins(16);
/// Most sessions that one warm function keeps.
const CAPACITY: usize = 1_000;

/// For whom a session is. It says so in its tags, and no session serves another.
///
/// The key is a part of it, or one key would reach another's checkpoints. The isolation is one, or a tenant
/// that has moved to a silo would still reach the pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    tenant: TenantId,
    key: ApiKeyId,
    isolation: Isolation,
}

impl Subject {
    pub(crate) fn of(context: &TenantContext) -> Self {
        Self {
            tenant: context.tenant_id().clone(),
            key: context.api_key_id().clone(),
            isolation: context.isolation(),
        }
    }

    /// The tags that the roles' policies test.
    fn tags(&self) -> [(&'static str, &str); 3] {
        [
            ("tenant-id", self.tenant.as_str()),
            ("api-key-id", self.key.as_str()),
            ("isolation", self.isolation.as_str()),
        ]
    }

    /// The name under which audit logs show the session.
    fn session_name(&self) -> String {
        format!("{}.{}", self.tenant, self.key)
    }
}

/// A session as STS has issued it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) token: Secret,
    pub(crate) expires_at: OffsetDateTime,
}

impl Session {
    /// Takes what STS has answered. The SDK fills in what an answer lacks, so that emptiness is tested here.
    fn new(answered: aws_sdk_sts::types::Credentials) -> Option<Self> {
        let complete = !answered.access_key_id.is_empty()
            && !answered.secret_access_key.is_empty()
            && !answered.session_token.is_empty()
            && answered.expiration.secs() > 0;
        complete.then_some(())?;
        Some(Self {
            expires_at: OffsetDateTime::from_unix_timestamp(answered.expiration.secs()).ok()?,
            access_key_id: answered.access_key_id,
            secret_access_key: Secret::new(answered.secret_access_key),
            token: Secret::new(answered.session_token),
        })
    }
}

/// A role that is assumed on tenants' behalf.
#[derive(Debug)]
pub(crate) struct TenantRole {
    sts: aws_sdk_sts::Client,
    arn: String,
}

impl TenantRole {
    pub(crate) fn open(aws: &Aws, role: Role) -> Result<Self, OpenError> {
        Ok(Self { arn: aws.role(role)?.to_owned(), sts: aws_sdk_sts::Client::new(aws.config()) })
    }

    /// Assumes the role, narrowed by a session policy where one is given.
    ///
    /// # Errors
    /// [`StoreError::Aws`], [`StoreError::NoCredentials`].
    pub(crate) async fn assume(
        &self,
        subject: &Subject,
        lifetime: Duration,
        policy: Option<&str>,
    ) -> Result<Session, StoreError> {
        let mut request = self
            .sts
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(subject.session_name())
            .duration_seconds(i32::try_from(lifetime.as_secs()).unwrap_or(i32::MAX))
            .set_policy(policy.map(str::to_owned));
        for (key, value) in subject.tags() {
            let tag = Tag::builder().key(key).value(value).build();
            request = request.tags(tag.expect("key and value are given"));
        }
        let answer = request.send().await.map_err(AwsFailure::of("AssumeRole"))?;
        answer.credentials.and_then(Session::new).ok_or(StoreError::NoCredentials)
    }
}

/// The sessions that a function acts in, one per tenant, key and isolation.
#[derive(Debug)]
pub(crate) struct Sessions {
    role: TenantRole,
    /// All that a session's clients share with the function's own: settings, HTTP client and connections.
    /// The function's credentials are not among it.
    shared: SdkConfig,
    clients: Cache<Subject, Arc<Clients>>,
}

impl Sessions {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        let mut shared = aws.config().to_builder();
        shared.set_credentials_provider(None);
        Ok(Self {
            role: TenantRole::open(aws, Role::TenantFunction)?,
            shared: shared.build(),
            clients: Cache::new(CAPACITY),
        })
    }

    /// The clients in the session of the tenant and key. Warm ones take no call.
    ///
    /// # Errors
    /// [`StoreError::Aws`], [`StoreError::NoCredentials`].
    pub(crate) async fn clients(
        &self,
        context: &TenantContext,
        at: OffsetDateTime,
    ) -> Result<Arc<Clients>, StoreError> {
        let subject = Subject::of(context);
        self.clients
            .get(&subject, at, async || {
                // Boxed, the rare call does not make the futures of all others larger.
                let session = Box::pin(self.role.assume(&subject, LIFETIME, None)).await?;
                let clients = Arc::new(Clients::in_session(&self.shared, &session));
                Ok::<_, StoreError>((clients, usable(session.expires_at, at)))
            })
            .await
    }

    /// Clients in a session that has just begun, for what is to hold as long as a session can. Nothing is kept
    /// of it.
    ///
    /// # Errors
    /// [`StoreError::Aws`], [`StoreError::NoCredentials`].
    pub(crate) async fn clients_afresh(&self, context: &TenantContext) -> Result<Arc<Clients>, StoreError> {
        let session = Box::pin(self.role.assume(&Subject::of(context), LIFETIME, None)).await?;
        Ok(Arc::new(Clients::in_session(&self.shared, &session)))
    }
}

/// How long from the request's time on a session may be used. Never longer than it was asked for: events that
/// are replayed carry a time long before the session's end.
fn usable(expires_at: OffsetDateTime, at: OffsetDateTime) -> Duration {
    let left = Duration::try_from(expires_at - at).unwrap_or_default();
    left.min(LIFETIME).saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use aws_sdk_sts::primitives::DateTime;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn subject(tenant: &str, key: &str, isolation: Isolation) -> Subject {
        Subject { tenant: tenant.parse().unwrap(), key: key.parse().unwrap(), isolation }
    }

    /// A session of the subject, that of the number. STS's clock is the requests'.
    async fn session(
        cache: &Cache<Subject, u32>,
        of: &Subject,
        at: OffsetDateTime,
        issued: &Cell<u32>,
    ) -> u32 {
        let session = cache.get(of, at, async || {
            issued.set(issued.get() + 1);
            Ok::<_, Infallible>((issued.get(), usable(at + LIFETIME, at)))
        });
        session.await.unwrap()
    }

    #[test]
    fn a_session_says_whose_it_is() {
        let subject = subject("acme", "k1", Isolation::Siloed);
        assert_eq!(subject.tags(), [("tenant-id", "acme"), ("api-key-id", "k1"), ("isolation", "siloed")]);
        assert_eq!(subject.session_name(), "acme.k1");
    }

    #[test]
    fn the_longest_session_name_is_within_what_sts_takes() {
        let longest = subject(&"a".repeat(20), &"k".repeat(40), Isolation::Pooled);
        assert!(longest.session_name().len() <= 64);
    }

    #[test]
    fn no_session_is_used_in_its_last_minutes() {
        let minutes = |minutes: u64| Duration::from_mins(minutes);
        for (left, expected) in [(60, 44), (30, 14), (17, 1), (16, 0), (1, 0), (0, 0)] {
            assert_eq!(usable(NOW + minutes(left), NOW), minutes(expected), "{left} minutes before its end");
        }
        assert_eq!(usable(NOW - minutes(1), NOW), Duration::ZERO);
        // The event was replayed long before, or after, STS has issued the session.
        assert_eq!(usable(NOW + minutes(100_000), NOW), minutes(44));
        assert_eq!(usable(NOW, OffsetDateTime::UNIX_EPOCH), minutes(44));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_renewed_before_its_end_by_the_requests_clock() {
        let (cache, issued) = (Cache::new(CAPACITY), Cell::new(0));
        let acme = subject("acme", "k1", Isolation::Pooled);
        for (minutes, expected) in [(0, 1), (43, 1), (44, 2), (87, 2), (88, 3)] {
            let at = NOW + Duration::from_mins(minutes);
            assert_eq!(session(&cache, &acme, at, &issued).await, expected, "after {minutes} minutes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_renewed_before_its_end_by_the_process_clock() {
        let (cache, issued) = (Cache::new(CAPACITY), Cell::new(0));
        let acme = subject("acme", "k1", Isolation::Pooled);
        for (minutes, expected) in [(0, 1), (43, 1), (1, 2)] {
            tokio::time::advance(Duration::from_mins(minutes)).await;
            assert_eq!(session(&cache, &acme, NOW, &issued).await, expected);
        }
    }

    #[tokio::test]
    async fn no_session_serves_another_tenant_key_or_isolation() {
        let (cache, issued) = (Cache::new(CAPACITY), Cell::new(0));
        let subjects = [
            subject("acme", "k1", Isolation::Pooled),
            subject("acme", "k1", Isolation::Siloed),
            subject("acme", "k2", Isolation::Pooled),
            subject("acme2", "k1", Isolation::Pooled),
        ];
        for _ in 0..2 {
            for (of, expected) in subjects.iter().zip(1..) {
                assert_eq!(session(&cache, of, NOW, &issued).await, expected, "{of:?}");
            }
        }
    }

    #[test]
    fn an_answer_that_lacks_something_is_no_session() {
        let answer = |id: &str, secret: &str, token: &str, end: i64| {
            let answer = aws_sdk_sts::types::Credentials::builder()
                .access_key_id(id)
                .secret_access_key(secret)
                .session_token(token)
                .expiration(DateTime::from_secs(end));
            Session::new(answer.build().expect("all is given"))
        };
        let whole = answer("ASIA", "hush", "hush-too", NOW.unix_timestamp()).expect("whole");
        assert_eq!(whole.expires_at, NOW);
        assert!(!format!("{whole:?}").contains("hush"), "{whole:?}");
        for lacking in [
            answer("", "s", "t", 1),
            answer("a", "", "t", 1),
            answer("a", "s", "", 1),
            answer("a", "s", "t", 0),
        ] {
            assert!(lacking.is_none(), "{lacking:?}");
        }
    }
}
