//! The way to one tenant's data.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use tenant_context::{Aws, Held, IsolationMode, Meter, OpenError, TenantContext};
use time::OffsetDateTime;

use crate::StoreError;
use crate::clients::{Clients, S3};
use crate::sessions::Sessions;

/// The way to the data of the tenant that the request is for.
#[derive(Debug)]
pub(crate) struct Access {
    opened: Opened,
    context: Arc<TenantContext>,
    at: OffsetDateTime,
}

/// What a request is about to do with the tenant's data, where that can have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Something is handed out that reaches the data past the API for a while.
    HandOut,
    /// Something is written or deleted.
    Write,
}

/// What the requests of all tenants share.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    way: Way,
    meter: Meter,
}

/// A function has one way and not the other, so that a session that cannot be had is never made up for by
/// the function's own credentials.
#[derive(Debug, Clone)]
enum Way {
    Own(Arc<Clients>),
    Session(Arc<Sessions>),
}

impl Opened {
    /// Makes the S3 client while the function starts, where all requests share it.
    pub(crate) fn with_s3(self) -> Self {
        if let Way::Own(clients) = &self.way {
            clients.s3();
        }
        self
    }
}

impl Access {
    /// Opens the way that the function's isolation mode prescribes. No call is made.
    ///
    /// # Errors
    /// [`OpenError::Missing`] in session mode, where the function was not given the role.
    #[expect(clippy::unused_async, reason = "stores await what they open, whether or not it makes a call")]
    pub(crate) async fn open(aws: &Aws) -> Result<Opened, OpenError> {
        let way = match aws.isolation() {
            IsolationMode::Application => Way::Own(Arc::new(Clients::own(aws))),
            IsolationMode::Session => Way::Session(Arc::new(Sessions::open(aws)?)),
        };
        Ok(Opened { way, meter: aws.meter().clone() })
    }

    /// Binds the way to the tenant of one request, and to the time at which API Gateway took it.
    pub(crate) fn bind(opened: &Opened, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        Self { opened: opened.clone(), context: Arc::clone(context), at }
    }

    /// The client to reach the tenant's items with: the function's own, or in session mode one that can do
    /// what the tenant's session can and no more. It is asked for anew for each piece of work, and not kept.
    ///
    /// # Errors
    /// [`StoreError::Aws`] and [`StoreError::NoCredentials`] where there is no session to be had.
    pub(crate) async fn dynamodb(&self) -> Result<Client, StoreError> {
        Ok(self.clients().await?.dynamodb())
    }

    /// The client to reach the tenant's objects with, as [`Self::dynamodb`] is for items.
    ///
    /// # Errors
    /// As [`Self::dynamodb`].
    pub(crate) async fn s3(&self) -> Result<S3, StoreError> {
        Ok(self.clients().await?.s3())
    }

    /// As [`Self::s3`], with credentials that hold for an hour from now on where they are a session's.
    ///
    /// # Errors
    /// As [`Self::dynamodb`].
    pub(crate) async fn s3_for_an_hour(&self) -> Result<S3, StoreError> {
        match &self.opened.way {
            Way::Own(clients) => Ok(clients.s3()),
            Way::Session(sessions) => Ok(sessions.clients_afresh(&self.context).await?.s3()),
        }
    }

    async fn clients(&self) -> Result<Arc<Clients>, StoreError> {
        match &self.opened.way {
            Way::Own(clients) => Ok(Arc::clone(clients)),
            Way::Session(sessions) => sessions.clients(&self.context, self.at).await,
        }
    }

    /// Asks whether the work may be done now. It is asked before anything is written, the item of an
    /// `Idempotency-Key` among it.
    ///
    /// # Errors
    /// [`StoreError::Held`] while the tenant's data is moved or imported.
    pub(crate) fn allow(&self, work: Work) -> Result<(), StoreError> {
        match (self.context.held(), work) {
            (None, Work::HandOut | Work::Write) | (Some(Held::HandingOut), Work::Write) => Ok(()),
            (Some(held @ Held::HandingOut), Work::HandOut)
            | (Some(held @ Held::Writes), Work::HandOut | Work::Write) => Err(StoreError::Held(held)),
        }
    }

    /// The tenant's context.
    pub(crate) fn context(&self) -> &TenantContext {
        &self.context
    }

    /// Counts what calls consume.
    pub(crate) fn meter(&self) -> &Meter {
        &self.opened.meter
    }
}

#[cfg(test)]
mod tests {
    use tenant_context::{AwsSettings, Role};

    use super::*;
    use crate::fixture::settings;

    async fn opened(isolation: IsolationMode, roles: &[Role]) -> Result<Opened, OpenError> {
        let roles = roles.iter().map(|role| (*role, "arn:aws:iam::123456789012:role/r".to_owned())).collect();
        Access::open(&Aws::new(&AwsSettings { isolation, roles, ..settings() })).await
    }

    #[tokio::test]
    async fn a_function_in_session_mode_starts_with_its_role_or_not_at_all() {
        let error = opened(IsolationMode::Session, &[Role::TenantAccess]).await.expect_err("no role");
        assert!(error.to_string().contains("TENANT_FUNCTION_ROLE_ARN"), "{error}");
        let opened =
            opened(IsolationMode::Session, &[Role::TenantFunction]).await.expect("the role is given");
        assert!(matches!(opened.way, Way::Session(_)));
        assert!(!format!("{opened:?}").contains("hush"));
    }

    #[tokio::test]
    async fn a_function_in_application_mode_needs_no_role() {
        let opened = opened(IsolationMode::Application, &[]).await.expect("nothing is missing");
        assert!(matches!(opened.way, Way::Own(_)));
    }
}
