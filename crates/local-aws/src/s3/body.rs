//! Requests' bodies, held against what their signatures say of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, header};
use http_body::{Frame, SizeHint};
use local_http::{Body, BodyError, Request, Stream};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5, Sha256};

use super::chunked::Chunked;
use super::sums::Algorithm;
use super::{MAX_XML, hex};
use crate::iam::s3_has_parameter;
use crate::protocol::Refusal;
use crate::sigv4::{Payload, SignatureError};

/// Bodies of at most so many bytes are read before anything is done with them, and all that can be nothing but
/// XML, so that they are refused with the right error.
const READ_FIRST: usize = 1_024 * 1_024;

/// A body that ends in an error where it is not the one that was signed.
pub(super) struct Declared {
    stream: Stream,
    /// What is computed, and what it has to be. `None` once it was compared, or where nothing was declared.
    sha256: Option<(Sha256, String)>,
}

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is not the one that was signed")]
    NotTheSignedOne,
    #[error("a chunk of the body is larger than {} bytes, or is no chunk", super::chunked::MAX_CHUNK)]
    Chunk,
}

/// The body in the form that s3s takes. Short ones are read.
pub(super) async fn receive(
    head: &Request<()>,
    stream: Stream,
    payload: &Payload,
) -> Result<s3s::Body, Refusal> {
    let sha256 = match payload {
        Payload::Sha256(digits) => Some(digits.clone()),
        Payload::Unsigned => None,
        Payload::Chunked(_) => return Ok(s3s::Body::http_body_unsync(Chunked::new(stream))),
    };
    let declared: Option<usize> =
        head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let is_empty = http_body::Body::is_end_stream(&stream);
    if declared.is_none() && !is_empty && head.method == Method::PUT {
        return Err(Refusal::LengthRequired);
    }
    // What is sent by POST is XML.
    let is_xml = head.method == Method::POST;
    let most = if is_xml { MAX_XML } else { READ_FIRST };
    if !is_empty && !is_xml && declared.is_none_or(|length| length > most) {
        let sha256 = sha256.map(|digits| (Sha256::new(), digits));
        return Ok(s3s::Body::http_body_unsync(Declared { stream, sha256 }));
    }
    let Body::Whole(body) = stream.collected(most).await.map_err(|error| broken(&error))? else {
        return Err(Refusal::TooLarge);
    };
    if sha256.is_some_and(|digits| hex(&Sha256::checksum(&body)) != digits) {
        return Err(Refusal::Signature(SignatureError::PayloadMismatch));
    }
    if is_xml && s3_has_parameter(head.uri.query(), "delete") {
        check_batch(head, &body)?;
    }
    Ok(s3s::Body::from(body))
}

/// A batch is deleted as it was meant or not at all: its XML has to come with a checksum.
fn check_batch(head: &Request<()>, body: &[u8]) -> Result<(), Refusal> {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut sums = ChecksumHasher::default();
    for algorithm in Algorithm::ALL {
        algorithm.begin(&mut sums);
    }
    sums.update(body);
    let sums = sums.finalize();
    let md5 = STANDARD.encode(Md5::checksum(body));
    let computed = Algorithm::ALL.map(|algorithm| (algorithm.header(), algorithm.of(&sums)));
    let mut told = computed.into_iter().map(|(name, sum)| (text(&name), sum)).collect::<Vec<_>>();
    told.push((text("content-md5"), Some(&md5)));
    told.retain(|(told, _)| told.is_some());
    if told.is_empty() {
        let said = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(Refusal::Invalid("InvalidRequest", said.to_owned()));
    }
    if told.iter().any(|(told, computed)| told != computed) {
        let said = "The checksum you specified did not match what we received.";
        return Err(Refusal::Invalid("BadDigest", said.to_owned()));
    }
    Ok(())
}

fn broken(error: &BodyError) -> Refusal {
    let name = match error {
        BodyError::Broken(_) => "IncompleteBody",
        BodyError::TimedOut => "RequestTimeout",
    };
    Refusal::Invalid(name, format!("{error}."))
}

impl http_body::Body for Declared {
    type Data = Bytes;
    type Error = Rejected;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Rejected>>> {
        let this = &mut *self;
        Pin::new(&mut this.stream).poll_frame(cx).map(|frame| match frame {
            Some(Ok(frame)) => {
                if let (Some((sha256, _)), Some(data)) = (&mut this.sha256, frame.data_ref()) {
                    sha256.update(data);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => {
                let (sha256, wanted) = this.sha256.take()?;
                (hex(&sha256.finalize()) != wanted).then_some(Err(Rejected::NotTheSignedOne))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sha256.is_none() && self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}
