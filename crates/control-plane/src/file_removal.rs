//! Deleting what a bucket holds, or what of it begins with a prefix: unfinished uploads, and every version of every
//! file, as after somebody has turned versions on.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata as _};
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use tenant_context::AwsFailure;
use tenant_store::listed_key;

use crate::ControlError;

/// Uploads that are given up at once.
const UPLOADS: i32 = 100;
/// Files that are deleted at once whose keys a list cannot name: each takes a call of its own.
const ODD: usize = 100;

/// What is to be deleted, or looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contents<'a> {
    pub(crate) s3: &'a Client,
    pub(crate) bucket: &'a str,
    /// What the keys begin with.
    pub(crate) prefix: &'a str,
    /// The account that the bucket has to be of.
    pub(crate) account: &'a str,
}

impl Contents<'_> {
    /// Gives up a page of unfinished uploads. Answers whether it was the last.
    pub(crate) async fn give_up_uploads(&self) -> Result<bool, ControlError> {
        let page = self
            .s3
            .list_multipart_uploads()
            .bucket(self.bucket)
            .expected_bucket_owner(self.account)
            .prefix(self.prefix)
            .encoding_type(EncodingType::Url)
            .max_uploads(UPLOADS)
            .send()
            .await
            .map_err(AwsFailure::of("ListMultipartUploads of what is deleted"))?;
        for upload in page.uploads() {
            let key = key_of(upload.key())?;
            let given_up = self
                .s3
                .abort_multipart_upload()
                .bucket(self.bucket)
                .expected_bucket_owner(self.account)
                .key(key)
                .upload_id(upload.upload_id().unwrap_or_default())
                .send()
                .await;
            match given_up {
                Ok(_) => {}
                Err(error)
                    if error.as_service_error().and_then(|error| error.code()) == Some("NoSuchUpload") => {}
                Err(error) => {
                    return Err(AwsFailure::of("AbortMultipartUpload of what is deleted")(error).into());
                }
            }
        }
        Ok(page.is_truncated() != Some(true))
    }

    /// Deletes a page of versions of files, and of marks of deleted ones. Answers whether it was the last.
    pub(crate) async fn delete_versions(&self) -> Result<bool, ControlError> {
        let page = self
            .s3
            .list_object_versions()
            .bucket(self.bucket)
            .expected_bucket_owner(self.account)
            .prefix(self.prefix)
            .encoding_type(EncodingType::Url)
            .send()
            .await
            .map_err(AwsFailure::of("ListObjectVersions of what is deleted"))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let marks = page.delete_markers().iter().map(|mark| (mark.key(), mark.version_id()));
        let (mut objects, mut odd) = (Vec::new(), Vec::new());
        for (key, version) in versions.chain(marks) {
            let key = key_of(key)?;
            if is_xml(&key) {
                let object = ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned));
                objects.push(object.build().map_err(unwritable)?);
            } else {
                odd.push((key, version.map(str::to_owned)));
            }
        }
        let is_all = page.is_truncated() != Some(true) && odd.len() <= ODD;
        odd.truncate(ODD);
        for (key, version) in odd {
            let delete = self.s3.delete_object().bucket(self.bucket).expected_bucket_owner(self.account);
            let delete = delete.key(key).set_version_id(version).send().await;
            delete.map_err(AwsFailure::of("DeleteObject of what is deleted"))?;
        }
        if !objects.is_empty() {
            let deletion = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let deleted = self
                .s3
                .delete_objects()
                .bucket(self.bucket)
                .expected_bucket_owner(self.account)
                .delete(deletion.map_err(unwritable)?)
                .send()
                .await
                .map_err(AwsFailure::of("DeleteObjects of what is deleted"))?;
            if !deleted.errors().is_empty() {
                return Err(ControlError::Incomplete("files: S3 has not deleted them all"));
            }
        }
        Ok(is_all)
    }

    /// Whether there is anything to delete.
    pub(crate) async fn has_any(&self) -> Result<bool, ControlError> {
        let versions = self.s3.list_object_versions().bucket(self.bucket);
        let versions = versions.expected_bucket_owner(self.account).prefix(self.prefix);
        let versions = versions.encoding_type(EncodingType::Url).max_keys(1);
        let versions =
            versions.send().await.map_err(AwsFailure::of("ListObjectVersions of what is counted"))?;
        if !versions.versions().is_empty() || !versions.delete_markers().is_empty() {
            return Ok(true);
        }
        let uploads = self.s3.list_multipart_uploads().bucket(self.bucket);
        let uploads = uploads.expected_bucket_owner(self.account).prefix(self.prefix);
        let uploads = uploads.encoding_type(EncodingType::Url).max_uploads(1);
        let uploads =
            uploads.send().await.map_err(AwsFailure::of("ListMultipartUploads of what is counted"))?;
        Ok(!uploads.uploads().is_empty())
    }
}

/// A key as a listing names it that was asked to encode it.
fn key_of(listed: Option<&str>) -> Result<String, ControlError> {
    listed_key(listed.unwrap_or_default()).ok_or(ControlError::Incomplete("key of a file"))
}

/// Whether a list in XML can name the key as it is: XML has no control characters but three, which its readers may
/// change, and not all others.
fn is_xml(key: &str) -> bool {
    !key.chars().any(|char| char.is_control() || matches!(char, '\u{2028}' | '\u{fffe}' | '\u{ffff}'))
}

fn unwritable(error: BuildError) -> ControlError {
    ControlError::Unreadable("a deletion", Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_xml_cannot_hold_is_in_no_list() {
        for key in ["acme/a", "acme/ü 00+%.txt", "acme/<&>\"'", "acme/\u{1f600}"] {
            assert!(is_xml(key), "{key}");
        }
        for key in ["acme/\u{1}", "acme/\r", "acme/\n", "acme/\u{85}", "acme/\u{fffe}", "acme/\u{ffff}"] {
            assert!(!is_xml(key), "{key:?}");
        }
    }
}
