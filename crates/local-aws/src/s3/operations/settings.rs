//! What buckets are given. What would change an answer of this S3's holds, or is refused where it cannot; what says of
//! a bucket what is so here anyway is taken: no object has an ACL or another owner, none is public, and answers name
//! AES256.

use s3s::dto::{
    ObjectOwnership, PutBucketCorsInput, PutBucketCorsOutput, PutBucketEncryptionInput,
    PutBucketEncryptionOutput, PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput, PutBucketPolicyInput,
    PutBucketPolicyOutput, ServerSideEncryption,
};
use s3s::{S3Response, S3Result};

use super::{Answer, Operations};
use crate::s3::settings::{CORS, LIFECYCLE, cors_text, lifecycle_text};

impl Operations {
    pub(super) async fn set_cors(&self, input: PutBucketCorsInput) -> Answer<PutBucketCorsOutput> {
        self.set(input.bucket, CORS, cors_text(input.cors_configuration.cors_rules)).await?;
        Ok(S3Response::new(PutBucketCorsOutput::default()))
    }

    pub(super) async fn set_lifecycle(
        &self,
        input: PutBucketLifecycleConfigurationInput,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        let rules = input.lifecycle_configuration.map(|asked| asked.rules).unwrap_or_default();
        let Some(age) = lifecycle_text(&rules) else {
            return Err(s3s::s3_error!(
                NotImplemented,
                "The local S3 knows one rule, of all unfinished uploads and of nothing else."
            ));
        };
        self.set(input.bucket, LIFECYCLE, age).await?;
        Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
    }

    pub(super) async fn set_encryption(
        &self,
        input: PutBucketEncryptionInput,
    ) -> Answer<PutBucketEncryptionOutput> {
        let mut rules = input.server_side_encryption_configuration.rules.iter();
        let is_told = |algorithm: &ServerSideEncryption| algorithm.as_str() == ServerSideEncryption::AES256;
        let of_all = rules.all(|rule| {
            let default = rule.apply_server_side_encryption_by_default.as_ref();
            default.is_some_and(|default| is_told(&default.sse_algorithm))
        });
        if !of_all {
            return Err(s3s::s3_error!(NotImplemented, "The local S3's answers name AES256 alone."));
        }
        self.require_bucket(input.bucket).await?;
        Ok(S3Response::new(PutBucketEncryptionOutput::default()))
    }

    pub(super) async fn set_ownership(
        &self,
        input: PutBucketOwnershipControlsInput,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        let mut rules = input.ownership_controls.rules.iter();
        if !rules.all(|rule| rule.object_ownership.as_str() == ObjectOwnership::BUCKET_OWNER_ENFORCED) {
            return Err(s3s::s3_error!(
                NotImplemented,
                "The local S3 has no ACLs: its buckets own all objects."
            ));
        }
        self.require_bucket(input.bucket).await?;
        Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
    }

    pub(super) async fn set_policy(&self, input: PutBucketPolicyInput) -> Answer<PutBucketPolicyOutput> {
        if !serde_json::from_str::<serde_json::Value>(&input.policy).is_ok_and(|policy| policy.is_object()) {
            return Err(s3s::s3_error!(
                MalformedPolicy,
                "Policies must be valid JSON and the first byte must be '{{'"
            ));
        }
        self.require_bucket(input.bucket).await?;
        Ok(S3Response::new(PutBucketPolicyOutput::default()))
    }

    /// Puts in force what the store says of buckets.
    pub(super) async fn reread_settings(&self) -> S3Result<()> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.work(move |_| shared.reread_settings()).await
    }

    async fn set(&self, bucket: String, kind: &'static str, value: String) -> S3Result<()> {
        if self.shared.is_of_template(&bucket) {
            return Err(s3s::s3_error!(
                NotImplemented,
                "What holds for {bucket} is said by the template alone."
            ));
        }
        self.work(move |store| store.set_bucket(&bucket, kind, &value)).await?;
        self.reread_settings().await
    }
}
