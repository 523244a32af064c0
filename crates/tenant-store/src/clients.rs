//! The clients of the services that hold tenants' data.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use tenant_context::Aws;
use time::OffsetDateTime;

use crate::sessions::Session;

/// The clients that act with the same credentials. Each is made when it is asked for first, so that a
/// function has those that it uses.
pub(crate) struct Clients {
    config: SdkConfig,
    /// When the credentials end, where that is known. Lambda does not tell a function when its own do.
    until: Option<OffsetDateTime>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
}

impl Clients {
    /// Clients with the function's own credentials.
    pub(crate) fn own(aws: &Aws) -> Self {
        Self {
            config: aws.config().clone(),
            until: None,
            dynamodb: OnceLock::from(aws.dynamodb().clone()),
            s3: OnceLock::new(),
        }
    }

    /// Clients in a tenant's session. From `shared` they have all but the credentials.
    pub(crate) fn in_session(shared: &SdkConfig, session: &Session) -> Self {
        // Without an expiry: the end is judged by the request's clock, while the SDK knows the real one.
        let credentials = Credentials::new(
            &session.access_key_id,
            session.secret_access_key.expose(),
            Some(session.token.expose().to_owned()),
            None,
            "tenant-session",
        );
        let provider = SharedCredentialsProvider::new(credentials);
        Self {
            config: shared.to_builder().credentials_provider(provider).build(),
            until: Some(session.expires_at),
            dynamodb: OnceLock::new(),
            s3: OnceLock::new(),
        }
    }

    /// The DynamoDB client.
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config)).clone()
    }

    /// The S3 client.
    pub(crate) fn s3(&self) -> S3 {
        let client = self.s3.get_or_init(|| {
            // A checksum that the SDK adds by itself would be a header that clients have to send too.
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            aws_sdk_s3::Client::from_conf(config.build())
        });
        S3 { client: client.clone(), until: self.until }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("until", &self.until).finish_non_exhaustive()
    }
}

/// The S3 client, and how long what it signs can hold.
#[derive(Debug, Clone)]
pub(crate) struct S3 {
    pub(crate) client: aws_sdk_s3::Client,
    /// When its credentials end, where that is known.
    pub(crate) until: Option<OffsetDateTime>,
}

impl S3 {
    /// How long a request holds that is signed at the time and for the duration: in whole seconds, of which
    /// S3 takes one at least, and no longer than the credentials.
    pub(crate) fn lifetime(&self, asked: Duration, at: OffsetDateTime) -> Duration {
        let left = self.until.map(|until| Duration::try_from(until - at).unwrap_or_default());
        let seconds = left.map_or(asked, |left| left.min(asked)).as_secs();
        Duration::from_secs(seconds.max(1))
    }
}

#[cfg(test)]
mod tests {
    use tenant_context::Secret;
    use time::macros::datetime;

    use super::*;
    use crate::fixture::settings;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn aws() -> Aws {
        Aws::new(&settings())
    }

    fn session() -> Session {
        Session {
            access_key_id: "ASIA".into(),
            secret_access_key: Secret::new("hush"),
            token: Secret::new("hush-too"),
            expires_at: NOW + Duration::from_mins(10),
        }
    }

    #[test]
    fn what_is_signed_ends_with_the_credentials_at_the_latest() {
        let own = Clients::own(&aws()).s3();
        let of_session = Clients::in_session(aws().config(), &session()).s3();
        let minutes = Duration::from_mins;
        for asked in [15, 60] {
            assert_eq!(own.lifetime(minutes(asked), NOW), minutes(asked));
            assert_eq!(of_session.lifetime(minutes(asked), NOW), minutes(10));
        }
        assert_eq!(of_session.lifetime(minutes(5), NOW), minutes(5));
        assert_eq!(
            of_session.lifetime(minutes(15), NOW + Duration::from_millis(1_500)),
            Duration::from_secs(598)
        );
        for late in [minutes(10), minutes(11)] {
            assert_eq!(of_session.lifetime(minutes(15), NOW + late), Duration::from_secs(1));
        }
    }

    #[test]
    fn no_shown_client_holds_a_secret() {
        let clients = Clients::in_session(aws().config(), &session());
        let shown = format!("{clients:?} {:?} {:?}", clients.s3(), clients.dynamodb());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
