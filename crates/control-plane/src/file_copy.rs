//! Copies of files, of any size: S3 makes them, no byte passes through a function.
//!
//! A file that was uploaded in one piece is copied in one call, one that was uploaded in parts part by part, with the
//! same boundaries: its copy has the same entity tag then. Nothing is kept of a copy in parts but what S3 keeps of the
//! upload: whoever copies the file again goes on with it.

mod parts;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tenant_context::AwsFailure;

use crate::ControlError;
use crate::task::Budget;

/// The largest file that S3 copies in one call, in bytes.
const LARGEST_AT_ONCE: i64 = 5 << 30;
/// A file above so many bytes, in one piece, is copied by a run that has just begun: it may take most of the run.
const LARGE: i64 = 1 << 30;
/// How often a file that changes while it is copied is tried again in one run.
const ROUNDS: usize = 3;

/// What is left as it is in the source of a copy, beside letters and digits.
const SOURCE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// A file as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its entity tag, without quotation marks.
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: i64,
}

/// What has come of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Copied {
    /// It is there.
    Done {
        /// The entity tag of the copy. It is another one than the source's only where S3 makes tags of its own, as of
        /// what is encrypted by a key of KMS, or does not tell the boundaries of parts.
        etag: String,
        /// What has been copied: another file than the listed one where that was replaced meanwhile.
        source: Listed,
    },
    /// There is no such file any more.
    Gone,
    /// There was no time for all of it, or the file changes all the time. Another run goes on where this one has
    /// stopped; the caller's own is over for this tenant, also where its budget is not spent.
    Unfinished,
}

/// What has come of one attempt.
#[derive(Debug)]
enum Attempt {
    /// The entity tag of the copy.
    Done(String),
    Gone,
    Unfinished,
    /// The code of S3's error.
    Refused(String),
    /// The file is not the listed one any more.
    Changed,
    /// What an earlier attempt has left is of something else.
    Spoilt,
}

/// Copies files.
#[derive(Debug, Clone)]
pub(crate) struct Copier {
    pub(crate) s3: Client,
}

impl Place {
    /// As a copy's source.
    fn source(&self) -> String {
        utf8_percent_encode(&format!("{}/{}", self.bucket, self.key), SOURCE).to_string()
    }
}

impl Listed {
    /// What a listing says of a file.
    pub(crate) fn of(object: &aws_sdk_s3::types::Object) -> Self {
        Self { etag: plain_tag(object.e_tag()), size: object.size().unwrap_or_default() }
    }

    /// Whether it was uploaded in one piece: the entity tag of what was uploaded in parts ends with their number.
    fn is_in_one_piece(&self) -> bool {
        !self.etag.contains('-') && self.size <= LARGEST_AT_ONCE
    }

    /// As a condition.
    fn tag(&self) -> String {
        format!("\"{}\"", self.etag)
    }
}

impl Copier {
    /// Copies a file, with its type and what else was said of it when it was uploaded. One that was replaced since it
    /// was listed is copied as it is now; no copy is of both.
    ///
    /// # Errors
    /// [`ControlError::NotCopied`] where S3 will not copy it as things are; [`ControlError::File`] otherwise.
    pub(crate) async fn copy(
        &self,
        from: &Place,
        to: &Place,
        listed: &Listed,
        budget: Budget,
    ) -> Result<Copied, ControlError> {
        self.try_copy(from, to, listed, budget).await.map_err(|error| {
            let is_named = matches!(error, ControlError::NotCopied(..));
            if is_named { error } else { ControlError::File(from.key.clone(), Box::new(error)) }
        })
    }

    async fn try_copy(
        &self,
        from: &Place,
        to: &Place,
        listed: &Listed,
        budget: Budget,
    ) -> Result<Copied, ControlError> {
        let mut source = listed.clone();
        let mut goes_on = true;
        for _ in 0..ROUNDS {
            let attempt = if source.is_in_one_piece() {
                self.at_once(from, to, &source, budget).await
            } else {
                Box::pin(self.in_parts((from, to), &source, goes_on, budget)).await
            };
            match attempt? {
                Attempt::Done(etag) => return Ok(Copied::Done { etag, source }),
                Attempt::Gone => return Ok(Copied::Gone),
                Attempt::Unfinished => return Ok(Copied::Unfinished),
                Attempt::Refused(code) => return Err(ControlError::NotCopied(from.key.clone(), code)),
                Attempt::Spoilt => goes_on = false,
                Attempt::Changed => match self.look(from).await? {
                    Some(head) => source = listed_in(&head),
                    None => return Ok(Copied::Gone),
                },
            }
        }
        Ok(Copied::Unfinished)
    }

    async fn at_once(
        &self,
        from: &Place,
        to: &Place,
        source: &Listed,
        budget: Budget,
    ) -> Result<Attempt, ControlError> {
        if source.size > LARGE && !budget.is_fresh() {
            return Ok(Attempt::Unfinished);
        }
        let copied = self
            .s3
            .copy_object()
            .copy_source(from.source())
            .copy_source_if_match(source.tag())
            .bucket(&to.bucket)
            .key(&to.key)
            .customize()
            .config_override(within(budget.time_for_a_call()))
            .send()
            .await;
        match copied {
            Ok(copied) => {
                let etag = plain_tag(copied.copy_object_result().and_then(|result| result.e_tag()));
                Ok(Attempt::Done(etag))
            }
            Err(error) => source_gone(&error).map_or_else(|| refused("CopyObject of a file", error), Ok),
        }
    }

    /// A file as it is now.
    async fn look(&self, place: &Place) -> Result<Option<HeadObjectOutput>, ControlError> {
        let head = self.s3.head_object().bucket(&place.bucket).key(&place.key).send().await;
        match head {
            Ok(head) => Ok(Some(head)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(AwsFailure::of("HeadObject of a file")(error).into()),
        }
    }
}

/// A call is given so much time, in one attempt.
fn within(time: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(time).operation_attempt_timeout(time).build();
    Builder::new().timeout_config(timeouts)
}

/// What an error says of a copy's source.
fn source_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<Attempt> {
    match error.as_service_error()?.code()? {
        "NoSuchKey" => Some(Attempt::Gone),
        "PreconditionFailed" => Some(Attempt::Changed),
        _ => None,
    }
}

/// What an error means that says nothing of the source: a failure that passes by itself, or S3's refusal.
fn refused<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Result<Attempt, ControlError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = status(&error);
    let code = error.as_service_error().and_then(|error| error.code()).map(str::to_owned);
    let failure = AwsFailure::of(operation)(error).or_busy(status.is_none_or(|status| status >= 500));
    if failure.is_busy() {
        return Err(failure.into());
    }
    Ok(Attempt::Refused(code.unwrap_or_else(|| format!("HTTP {}", status.unwrap_or_default()))))
}

/// The status of an answer: those to HEAD name no error.
fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// A file as a look at the whole of it tells.
fn listed_in(head: &HeadObjectOutput) -> Listed {
    Listed { etag: plain_tag(head.e_tag()), size: head.content_length().unwrap_or_default() }
}

/// An entity tag without quotation marks.
pub(crate) fn plain_tag(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(etag: &str, size: i64) -> Listed {
        Listed { etag: etag.to_owned(), size }
    }

    #[test]
    fn what_was_uploaded_in_parts_or_is_above_5_gib_is_copied_in_parts() {
        let (whole, parted) = ("9b2cf535f27731c974343645a3985328", "9b2cf535f27731c974343645a3985328-2");
        assert!(listed(whole, LARGEST_AT_ONCE).is_in_one_piece());
        assert!(!listed(whole, LARGEST_AT_ONCE + 1).is_in_one_piece());
        assert!(!listed(parted, 1).is_in_one_piece());
    }

    #[test]
    fn a_source_is_written_so_that_s3_reads_the_same_name() {
        let place = Place { bucket: "files".into(), key: "acme/a b/ü+%.txt".into() };
        assert_eq!(place.source(), "files/acme/a%20b/%C3%BC%2B%25.txt");
    }
}
