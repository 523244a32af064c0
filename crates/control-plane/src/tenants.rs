//! Where tenants stand.

use std::sync::Arc;

use contract::{AdminTenant, KeyPage, TenantPage};
use tenant_context::{Aws, Bound, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::changes::shown;
use crate::reading::{Reader, summary};
use crate::{Audit, ControlError, TenantListing};

/// All tenants, for an operator to look at.
#[derive(Debug, Clone)]
pub struct Tenants(Arc<Reader>);

impl Bound<Operator> for Tenants {
    type Opened = Arc<Reader>;

    async fn open(aws: &Aws) -> Result<Arc<Reader>, OpenError> {
        Ok(Arc::new(Reader::open(aws)?))
    }

    fn bind(opened: &Arc<Reader>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl Tenants {
    /// A tenant with its keys, and what was last done to it.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn get(
        &self,
        id: &TenantId,
        audit: &Audit,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let tenant = self.0.tenant(id).await?;
        let keys = self.0.keys(&tenant).await?;
        Ok(AdminTenant { audit: Some(audit.last(id).await?), ..shown(&tenant, &keys, now) })
    }

    /// All keys of a tenant.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn keys(&self, id: &TenantId, now: OffsetDateTime) -> Result<KeyPage, ControlError> {
        let tenant = self.0.tenant(id).await?;
        let keys = self.0.keys(&tenant).await?;
        Ok(KeyPage { items: keys.iter().map(|key| summary(key, now)).collect(), next_cursor: None })
    }

    /// A page of the tenants of one status, in the order of their ids.
    ///
    /// # Errors
    /// [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn list(&self, listing: TenantListing) -> Result<TenantPage, ControlError> {
        self.0.list(listing).await
    }
}
