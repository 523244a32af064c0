//! Whether a request's caller may do what s3s has read in it.

use std::sync::Arc;

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource, UploadPartCopyInput};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use super::Caller;
use super::operations::SERVED;
use crate::authorize::Denied;
use crate::iam::{Call, Iam, s3_call, s3_calls, s3_foreign_parameter};
use crate::principals::Principal;

/// The secret of the one principal that a request was verified for, to verify the chunks of a body with.
pub(super) struct Secrets {
    access_key_id: String,
    secret: SecretKey,
}

impl Secrets {
    pub(super) fn of(principal: &Principal) -> Self {
        Self {
            access_key_id: principal.access_key_id.clone(),
            secret: SecretKey::from(principal.secret.expose()),
        }
    }
}

#[async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(self.secret.clone())
        } else {
            Err(S3ErrorCode::InvalidAccessKeyId.into())
        }
    }
}

/// Judges each request as s3s has understood it.
pub(super) struct Access {
    pub(super) iam: Arc<Iam>,
    pub(super) caller: Arc<Caller>,
}

impl Access {
    fn judge(&self, call: &Call) -> S3Result<()> {
        let Caller { principal, head } = &*self.caller;
        self.iam.authorize_s3(principal, call, head).map_err(denied)
    }

    /// The source of a copy is read.
    fn judge_source(&self, source: &CopySource) -> S3Result<()> {
        let (bucket, key, version) = bucket_source(source)?;
        let head = &self.caller.head;
        self.judge(&s3_call("GetObject", bucket, key, version, head, self.iam.account_id()))
    }
}

#[async_trait]
impl S3Access for Access {
    /// Every operation comes through here.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let account_id = self.iam.account_id();
        let owner = self.caller.head.headers.get("x-amz-expected-bucket-owner");
        if owner.is_some_and(|owner| owner.as_bytes() != account_id.as_bytes()) {
            return Err(s3s::s3_error!(AccessDenied, "The bucket is not that account's."));
        }
        let operation = cx.s3_op().name();
        let query = cx.uri().query();
        for call in s3_calls(operation, cx.s3_path(), query, &self.caller.head, account_id) {
            self.judge(&call)?;
        }
        if let Some(parameter) = s3_foreign_parameter(operation, query) {
            return Err(s3s::s3_error!(NotImplemented, "The local S3 does not implement ?{parameter} here."));
        }
        if SERVED.contains(&operation) {
            Ok(())
        } else {
            Err(s3s::s3_error!(NotImplemented, "The local S3 does not implement {operation}."))
        }
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        self.judge_source(&request.input.copy_source)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.judge_source(&request.input.copy_source)
    }
}

/// The bucket, the key and the version of a copy's source.
pub(super) fn bucket_source(source: &CopySource) -> S3Result<(&str, &str, Option<&str>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => Ok((bucket, key, version_id.as_deref())),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3s::s3_error!(NotImplemented, "The local S3 has no access points."))
        }
    }
}

pub(super) fn denied(Denied { message }: Denied) -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, message)
}
