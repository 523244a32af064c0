#![doc = include_str!("../README.md")]
//!
//! **Invariant:** this crate does no I/O, reads no clock and knows no AWS service.

mod checkpoint;
mod credentials;
mod files;
mod grammar;
mod importing;
mod json;
mod lifecycle;
mod members;
mod offboarding;
mod problem;
mod record;
mod silo_move;
mod tenant;
mod usage;

pub use checkpoint::Checkpoint;
pub use credentials::{
    AccessLevel, CredentialsLifetime, CredentialsRequest, TemporaryCredentials, TenantCredentials,
    TenantTables,
};
pub use files::{
    CompletedPart, Download, File, FileCompletion, FileItem, FilePage, FileRequest, FileUpload,
    MultipartUpload, PartUpload, PresignedUrl, Sha256Digest, Sha256Error, SingleUpload, UploadPlan,
};
pub use grammar::{
    CheckpointName, Collection, ContentType, Delimiter, FileName, FilePrefix, GrammarError, PartTag,
    RecordId, UploadId,
};
pub use importing::{Import, ImportBegin, ImportRequest, ImportStage};
pub use json::{Json, JsonError, Number};
pub use lifecycle::{
    AuditEntry, Granted, KeyPage, KeyRequest, NewKey, QuotaGrant, TenantChange, TenantPage, TenantSnapshot,
    is_contact, is_email_address, is_tenant_name, is_tier_name,
};
pub use members::pointer;
pub use offboarding::{ExportCounts, ExportPlace, GraceError, GraceSeconds, Offboarding, OffboardingStage};
pub use problem::{CATALOGUE, FieldError, Kind, MEDIA_TYPE, Problem, ProblemDocument};
pub use record::{Page, Record};
pub use silo_move::{MoveCounts, MoveRequest, MoveStage, SiloMove};
pub use tenant::{
    AdminTenant, Isolation, IssuedKey, KeyStatus, KeySummary, OnboardRequest, Onboarded, TenantDetails,
    TenantStatus, TenantView, TransitionError, UnknownWord,
};
pub use usage::{
    KeyUsage, NearLimit, NearLimitPage, OutOfRange, PlanQuota, QuotaPercent, QuotaPeriod, QuotaUsage,
    RequestRate, RouteRate, TenantUsagePage, Usage, UsageDay, UsageDays,
};
