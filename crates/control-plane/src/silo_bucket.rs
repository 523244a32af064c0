//! Buckets of siloed tenants. What is set of them is what the template sets of the pooled one; the tests of the silo
//! compare them.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    CorsConfiguration, CorsRule, CreateBucketConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use tenant_context::{Aws, AwsFailure, OpenError};

use crate::ControlError;
use crate::file_removal::Contents;
use crate::silo::{Made, of_a_silo};
use crate::task::{Budget, patient_s3};

/// Methods of requests that pages of other origins may make.
const CORS_METHODS: [&str; 3] = ["GET", "PUT", "HEAD"];
/// Headers of answers that such a page may read: that of each part which it uploads is asked for to complete the
/// upload.
const CORS_EXPOSED: [&str; 3] = ["ETag", "Content-Range", "x-amz-checksum-sha256"];
/// Seconds for which a browser keeps the answer to its preflight request.
const CORS_MAX_AGE: i32 = 3_600;
/// Days for which an unfinished upload is kept.
const UNFINISHED_DAYS: i32 = 1;
/// The region whose name S3 does not take where a bucket is made.
const UNNAMED_REGION: &str = "us-east-1";

/// The calls that buckets of silos need.
#[derive(Debug)]
pub(crate) struct SiloBuckets {
    client: Client,
    /// For what takes as long as there are files.
    patient: Client,
    region: String,
    account: String,
    origins: Vec<String>,
}

impl SiloBuckets {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        Ok(Self {
            client: Client::new(aws.config()),
            patient: patient_s3(aws),
            region: aws.region().to_owned(),
            account: aws.account_id()?.to_owned(),
            origins: aws.files_cors_origins()?.to_vec(),
        })
    }

    /// Makes the bucket where it is not there, and sets all that is set of it. A bucket of the name that another
    /// account has is never written to.
    pub(crate) async fn ensure(&self, name: &str) -> Result<Made, ControlError> {
        if let Some(refused) = self.create(name).await? {
            return Ok(refused);
        }
        self.block_public_access(name).await?;
        self.encrypt(name).await?;
        self.own(name).await?;
        self.require_tls(name).await?;
        self.allow_origins(name).await?;
        self.end_unfinished_uploads(name).await?;
        Ok(Made::Answers)
    }

    /// Whether the bucket holds anything.
    pub(crate) async fn holds_any(&self, name: &str) -> Result<bool, ControlError> {
        Contents { s3: &self.client, bucket: name, prefix: "", account: &self.account }.has_any().await
    }

    /// Deletes the bucket with all that is in it, where it is there. Answers whether it is not there any more.
    pub(crate) async fn remove(&self, name: &str, budget: Budget) -> Result<bool, ControlError> {
        if !self.is_ours(name).await? {
            return Ok(true);
        }
        let bucket = of_a_silo(name)?;
        let contents = Contents { s3: &self.patient, bucket, prefix: "", account: &self.account };
        while !contents.give_up_uploads().await? {
            if budget.is_spent() {
                return Ok(false);
            }
        }
        while !contents.delete_versions().await? {
            if budget.is_spent() {
                return Ok(false);
            }
        }
        let delete = self.client.delete_bucket().bucket(bucket).expected_bucket_owner(&self.account);
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error().and_then(|error| error.code()) {
                Some("NoSuchBucket") => Ok(true),
                // Something has been written meanwhile.
                Some("BucketNotEmpty") => Ok(false),
                Some(_) | None => Err(AwsFailure::of("DeleteBucket of a silo")(error).into()),
            },
        }
    }

    /// Whether the account has a bucket of the name. A look at the bucket itself would not tell another account's
    /// from one that this function may not reach.
    pub(crate) async fn is_ours(&self, name: &str) -> Result<bool, ControlError> {
        let listed = self.client.list_buckets().prefix(name).max_buckets(1).send().await;
        let listed = listed.map_err(AwsFailure::of("ListBuckets"))?;
        Ok(listed.buckets().iter().any(|bucket| bucket.name() == Some(name)))
    }

    /// Answers why the bucket is not ours, where it is not.
    async fn create(&self, name: &str) -> Result<Option<Made>, ControlError> {
        let place = (self.region != UNNAMED_REGION).then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        match self.client.create_bucket().bucket(name).set_create_bucket_configuration(place).send().await {
            Ok(_) => Ok(None),
            Err(error) => match answer(name, &error) {
                Some(Made::Answers) => Ok(None),
                Some(other @ (Made::NotYet | Made::Refused(_))) => Ok(Some(other)),
                None => Err(AwsFailure::of("CreateBucket of a silo")(error).into()),
            },
        }
    }

    async fn block_public_access(&self, name: &str) -> Result<(), ControlError> {
        let all = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .block_public_policy(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .build();
        let put = self.client.put_public_access_block().bucket(name).expected_bucket_owner(&self.account);
        let put = put.public_access_block_configuration(all).send().await;
        put.map(drop).map_err(|error| AwsFailure::of("PutPublicAccessBlock of a silo")(error).into())
    }

    async fn encrypt(&self, name: &str) -> Result<(), ControlError> {
        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default.build().map_err(unwritable)?)
            .build();
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(unwritable)?;
        let put = self.client.put_bucket_encryption().bucket(name).expected_bucket_owner(&self.account);
        let put = put.server_side_encryption_configuration(rules).send().await;
        put.map(drop).map_err(|error| AwsFailure::of("PutBucketEncryption of a silo")(error).into())
    }

    async fn own(&self, name: &str) -> Result<(), ControlError> {
        let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced);
        let rule = rule.build().map_err(unwritable)?;
        let rules = OwnershipControls::builder().rules(rule).build().map_err(unwritable)?;
        let put = self.client.put_bucket_ownership_controls().bucket(name);
        let put = put.expected_bucket_owner(&self.account).ownership_controls(rules).send().await;
        put.map(drop).map_err(|error| AwsFailure::of("PutBucketOwnershipControls of a silo")(error).into())
    }

    async fn require_tls(&self, name: &str) -> Result<(), ControlError> {
        let put = self.client.put_bucket_policy().bucket(name).expected_bucket_owner(&self.account);
        let put = put.policy(tls_only(&self.region, name)).send().await;
        put.map(drop).map_err(|error| AwsFailure::of("PutBucketPolicy of a silo")(error).into())
    }

    async fn allow_origins(&self, name: &str) -> Result<(), ControlError> {
        let texts = |list: &[&str]| Some(list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let rule = CorsRule::builder()
            .set_allowed_methods(texts(&CORS_METHODS))
            .set_allowed_origins(Some(self.origins.clone()))
            .allowed_headers("*")
            .set_expose_headers(texts(&CORS_EXPOSED))
            .max_age_seconds(CORS_MAX_AGE)
            .build()
            .map_err(unwritable)?;
        let rules = CorsConfiguration::builder().cors_rules(rule).build().map_err(unwritable)?;
        let put = self.client.put_bucket_cors().bucket(name).expected_bucket_owner(&self.account);
        let put = put.cors_configuration(rules).send().await;
        put.map(drop).map_err(|error| AwsFailure::of("PutBucketCors of a silo")(error).into())
    }

    async fn end_unfinished_uploads(&self, name: &str) -> Result<(), ControlError> {
        let end = AbortIncompleteMultipartUpload::builder().days_after_initiation(UNFINISHED_DAYS).build();
        let rule = LifecycleRule::builder()
            .id("abort-unfinished")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .abort_incomplete_multipart_upload(end)
            .build()
            .map_err(unwritable)?;
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().map_err(unwritable)?;
        let put = self.client.put_bucket_lifecycle_configuration().bucket(name);
        let put = put.expected_bucket_owner(&self.account).lifecycle_configuration(rules).send().await;
        put.map(drop)
            .map_err(|error| AwsFailure::of("PutBucketLifecycleConfiguration of a silo")(error).into())
    }
}

/// What an answer to `CreateBucket` says that is no failure of the attempt.
fn answer<E: ProvideErrorMetadata, R>(name: &str, error: &SdkError<E, R>) -> Option<Made> {
    match error.as_service_error()?.code()? {
        "BucketAlreadyOwnedByYou" => Some(Made::Answers),
        "BucketAlreadyExists" => Some(Made::Refused(format!(
            "the name of the bucket {name} is taken: another account has it (S3: BucketAlreadyExists)"
        ))),
        "TooManyBuckets" => {
            Some(Made::Refused("the account may have no further bucket (S3: TooManyBuckets)".to_owned()))
        }
        _ => None,
    }
}

/// The policy of a bucket that takes no request without TLS.
fn tls_only(region: &str, name: &str) -> String {
    let partition = match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let bucket = format!("arn:{partition}:s3:::{name}");
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, format!("{bucket}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }],
    })
    .to_string()
}

fn unwritable(error: BuildError) -> ControlError {
    ControlError::Unreadable("what is set of a silo's bucket", Box::new(error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::create_bucket::CreateBucketError;

    use super::*;

    fn answered(code: &str) -> Option<Made> {
        let error = CreateBucketError::generic(ErrorMetadata::builder().code(code).build());
        answer("tenantry-silo-acme", &SdkError::service_error(error, ()))
    }

    #[test]
    fn our_own_bucket_is_gone_on_with_and_anothers_is_named_as_the_reason() {
        assert_eq!(answered("BucketAlreadyOwnedByYou"), Some(Made::Answers));
        for (code, word) in
            [("BucketAlreadyExists", "another account"), ("TooManyBuckets", "no further bucket")]
        {
            let refused = answered(code);
            assert!(matches!(&refused, Some(Made::Refused(reason)) if reason.contains(word)), "{refused:?}");
        }
        assert_eq!(answered("AccessDenied"), None);
    }

    #[test]
    fn the_policy_names_the_bucket_and_its_objects_in_the_partition_of_the_region() {
        assert!(tls_only("eu-central-1", "b").contains(r#"["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#));
        assert!(tls_only("cn-north-1", "b").contains("arn:aws-cn:s3:::b/*"));
    }
}
