//! Requests that are signed ahead, for who has their URLs to send.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{
    Download, FileRequest, MultipartUpload, PartUpload, PresignedUrl, Sha256Digest, SingleUpload, UploadId,
};
use tenant_context::AwsFailure;
use time::OffsetDateTime;

use super::parts::PartPlan;
use crate::StoreError;
use crate::clients::S3;

/// How long a request holds that moves a file in one piece.
const ONE_PIECE: Duration = Duration::from_mins(15);
/// How long the requests hold that upload a file in parts.
const IN_PARTS: Duration = Duration::from_hours(1);

/// An object of the tenant.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) s3: &'a S3,
    pub(super) bucket: &'a str,
    pub(super) key: String,
}

impl Place<'_> {
    /// Signs the upload of the file. S3 takes no other length, type or checksum than those that are signed,
    /// and replaces no file unless that was asked for.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub(super) async fn put(
        &self,
        request: &FileRequest,
        at: OffsetDateTime,
    ) -> Result<SingleUpload, StoreError> {
        let lifetime = self.s3.lifetime(ONE_PIECE, at);
        // A checksum's value, and no algorithm: S3 passes over a checksum in the query.
        let call = self
            .s3
            .client
            .put_object()
            .bucket(self.bucket)
            .key(&self.key)
            .content_length(signed_length(request.size))
            .content_type(request.content_type.as_str())
            .set_checksum_sha256(request.sha256.as_ref().map(in_base64))
            .set_if_none_match((!request.overwrite).then(|| "*".to_owned()))
            .presigned(presigning(lifetime));
        let signed = Box::pin(call).await.map_err(AwsFailure::of("signing PutObject"))?;
        Ok(SingleUpload {
            method: signed.method().to_owned(),
            url: PresignedUrl::new(signed.uri()),
            headers: headers(&signed),
            expires_at: at + lifetime,
        })
    }

    /// Signs the uploads of the parts of a file of so many bytes.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub(super) async fn parts(
        &self,
        upload_id: UploadId,
        size: u64,
        at: OffsetDateTime,
    ) -> Result<MultipartUpload, StoreError> {
        let lifetime = self.s3.lifetime(IN_PARTS, at);
        let presigning = presigning(lifetime);
        let plan = PartPlan::of(size);
        let mut parts = Vec::new();
        for (number, size) in plan.parts() {
            let call = self
                .s3
                .client
                .upload_part()
                .bucket(self.bucket)
                .key(&self.key)
                .upload_id(upload_id.as_str())
                .part_number(number.into())
                .content_length(signed_length(size))
                .presigned(presigning.clone());
            let signed = Box::pin(call).await.map_err(AwsFailure::of("signing UploadPart"))?;
            parts.push(PartUpload {
                number,
                url: PresignedUrl::new(signed.uri()),
                headers: headers(&signed),
            });
        }
        Ok(MultipartUpload { upload_id, part_size: plan.part_size(), parts, expires_at: at + lifetime })
    }

    /// Signs the download of the file.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub(super) async fn get(&self, at: OffsetDateTime) -> Result<Download, StoreError> {
        let lifetime = self.s3.lifetime(ONE_PIECE, at);
        let call =
            self.s3.client.get_object().bucket(self.bucket).key(&self.key).presigned(presigning(lifetime));
        let signed = Box::pin(call).await.map_err(AwsFailure::of("signing GetObject"))?;
        Ok(Download { url: PresignedUrl::new(signed.uri()), expires_at: at + lifetime })
    }
}

/// Signs from the present on: S3 knows no other time, whatever that of the request is.
fn presigning(lifetime: Duration) -> PresigningConfig {
    PresigningConfig::expires_in(lifetime).expect("an hour is within the week that S3 takes")
}

/// The headers under the signature, by lower-case name. The host stands in the URL; what the SDK sends without
/// signing it, such as a trace's id, is no part of the request.
fn headers(signed: &PresignedRequest) -> BTreeMap<String, String> {
    let query = signed.uri().split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').find_map(|parameter| parameter.strip_prefix("X-Amz-SignedHeaders="));
    let names: Vec<&str> = names.unwrap_or_default().split("%3B").collect();
    let headers = signed.headers().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    headers.filter(|(name, _)| name != "host" && names.contains(&name.as_str())).collect()
}

fn signed_length(size: u64) -> i64 {
    // No tier's limit is beyond it.
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn in_base64(digest: &Sha256Digest) -> String {
    STANDARD.encode(digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use tenant_context::Aws;
    use time::macros::datetime;

    use super::*;
    use crate::clients::Clients;
    use crate::fixture::settings;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn s3() -> S3 {
        Clients::own(&Aws::new(&settings())).s3()
    }

    fn place<'a>(s3: &'a S3, key: &str) -> Place<'a> {
        Place { s3, bucket: "files", key: key.to_owned() }
    }

    fn request(size: u64, sha256: Option<&str>, overwrite: bool) -> FileRequest {
        FileRequest {
            name: "a".parse().unwrap(),
            size,
            content_type: "text/plain; charset=utf-8".parse().unwrap(),
            sha256: sha256.map(|digits| digits.parse().unwrap()),
            overwrite,
        }
    }

    fn pairs(headers: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// A parameter of the URL as it stands there.
    fn parameter<'a>(url: &'a PresignedUrl, name: &str) -> Option<&'a str> {
        let (_, query) = url.as_str().split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    #[tokio::test]
    async fn an_upload_is_signed_with_length_type_checksum_and_that_it_replaces_nothing() {
        let upload = place(&s3(), "acme/a b").put(&request(4, Some(SHA256), false), NOW).await.unwrap();
        assert_eq!((upload.method.as_str(), upload.expires_at), ("PUT", datetime!(2026-11-24 12:15 UTC)));
        assert_eq!(
            pairs(&upload.headers),
            [
                ("content-length", "4"),
                ("content-type", "text/plain; charset=utf-8"),
                ("if-none-match", "*"),
                ("x-amz-checksum-sha256", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="),
            ]
        );
        assert!(
            upload.url.as_str().starts_with("http://127.0.0.1:9/files/acme/a%20b?"),
            "{}",
            upload.url.as_str()
        );
        assert_eq!(parameter(&upload.url, "X-Amz-Expires"), Some("900"));
        assert_eq!(
            parameter(&upload.url, "X-Amz-SignedHeaders"),
            Some("content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-checksum-sha256")
        );
    }

    #[tokio::test]
    async fn an_upload_may_be_empty_and_replace_what_is_there() {
        let upload = place(&s3(), "acme/a").put(&request(0, None, true), NOW).await.unwrap();
        assert_eq!(
            pairs(&upload.headers),
            [("content-length", "0"), ("content-type", "text/plain; charset=utf-8")]
        );
        assert_eq!(
            parameter(&upload.url, "X-Amz-SignedHeaders"),
            Some("content-length%3Bcontent-type%3Bhost")
        );
    }

    #[tokio::test]
    async fn each_part_is_signed_with_its_own_length() {
        let size = FileRequest::SINGLE_MAX + 1;
        let upload = place(&s3(), "acme/a").parts("u/1".parse().unwrap(), size, NOW).await.unwrap();
        assert_eq!((upload.part_size, upload.expires_at), (16_777_216, datetime!(2026-11-24 13:00 UTC)));
        let lengths: Vec<_> = upload.parts.iter().map(|part| pairs(&part.headers)).collect();
        let whole = vec![("content-length", "16777216")];
        assert_eq!(
            lengths,
            [whole.clone(), whole.clone(), whole.clone(), whole, vec![("content-length", "1")]]
        );
        for (part, number) in upload.parts.iter().zip(1_u16..) {
            assert_eq!(part.number, number);
            assert_eq!(parameter(&part.url, "partNumber"), Some(number.to_string().as_str()));
            assert_eq!(parameter(&part.url, "uploadId"), Some("u%2F1"));
            assert_eq!(parameter(&part.url, "X-Amz-Expires"), Some("3600"));
            assert_eq!(parameter(&part.url, "X-Amz-SignedHeaders"), Some("content-length%3Bhost"));
        }
    }

    #[tokio::test]
    async fn a_download_needs_no_header_and_stays_where_its_key_says() {
        let download = place(&s3(), "acme/../globex/x").get(NOW).await.unwrap();
        assert!(download.url.as_str().starts_with("http://127.0.0.1:9/files/acme/../globex/x?"));
        assert_eq!(parameter(&download.url, "X-Amz-SignedHeaders"), Some("host"));
        assert_eq!(parameter(&download.url, "X-Amz-Expires"), Some("900"));
    }

    #[tokio::test]
    async fn no_signed_request_outlives_the_session() {
        let s3 = S3 { until: Some(NOW + Duration::from_mins(5)), ..s3() };
        let place = place(&s3, "acme/a");
        let end = datetime!(2026-11-24 12:05 UTC);
        let upload = place.put(&request(4, None, false), NOW).await.unwrap();
        let parts = place.parts("u".parse().unwrap(), FileRequest::SINGLE_MAX + 1, NOW).await.unwrap();
        let download = place.get(NOW).await.unwrap();
        assert_eq!([upload.expires_at, parts.expires_at, download.expires_at], [end; 3]);
        for url in [&upload.url, &parts.parts[0].url, &download.url] {
            assert_eq!(parameter(url, "X-Amz-Expires"), Some("300"));
        }
    }
}
