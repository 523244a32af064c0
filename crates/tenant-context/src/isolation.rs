//! How tenants are kept apart by IAM.

/// Whose credentials a function reaches a tenant's data with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationMode {
    /// The function's own, which reach every tenant's data: the stores' types are the wall.
    #[default]
    Application,
    /// Those of a session that IAM limits to the tenant, behind the same types.
    Session,
}

/// The roles that functions assume on a tenant's behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// For the function itself, in [`IsolationMode::Session`].
    TenantFunction,
    /// For credentials that are handed out to the tenant.
    TenantAccess,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::TenantFunction, Self::TenantAccess];

    /// The environment variable that holds its ARN.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::TenantFunction => "TENANT_FUNCTION_ROLE_ARN",
            Self::TenantAccess => "TENANT_ACCESS_ROLE_ARN",
        }
    }
}
