//! The tables and buckets that hold what a tenant has.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use tenant_context::{Aws, OpenError, Table};

/// One attempt of a call to S3: a file is copied within one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(26);
/// All attempts of a call to S3 together.
const CALL_TIMEOUT: Duration = Duration::from_secs(27);

/// The names of pooled tables and buckets, and the client of the latter.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) records: String,
    pub(crate) usage: String,
    pub(crate) files: String,
    pub(crate) s3: Client,
}

impl Stores {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(CALL_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_sdk_s3::config::Builder::from(aws.config())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .timeout_config(timeouts);
        Ok(Self {
            records: aws.table(Table::Records)?.to_owned(),
            usage: aws.table(Table::Usage)?.to_owned(),
            files: aws.pooled_files()?.to_owned(),
            s3: Client::from_conf(config.build()),
        })
    }
}
