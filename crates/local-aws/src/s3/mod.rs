//! S3: the protocol is s3s's, the store is our own.
//!
//! **Invariant:** s3s sees a request only after its signature was verified, without the signature; what it then
//! reads of an operation, a bucket and a key is what IAM judges, before the operation begins.

mod access;
mod body;
mod chunked;
mod conditions;
mod cors;
mod operations;
mod request;
mod settings;
mod store;
mod sums;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use local_http::{AnswerError, Request, Response, StreamedResponse, streamed};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use stack_template::Bucket;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::clock::Clock;
use crate::front::{Signed, StreamService};
use crate::iam::Iam;
use crate::principals::Principal;
use crate::protocol::{Protocol, Refusal, request_id};
use crate::sigv4::Payload;
pub(crate) use request::{NO_FORMS, is_form};

use access::{Access, Secrets};
use operations::Operations;
use settings::Known;
use store::{Attributes, NewObject, Store, StoreError, StoredSum, WriteCondition};
use sums::Algorithm;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// The longest XML that a request may hold, in bytes: a batch of a thousand keys of the longest kind, escaped.
const MAX_XML: usize = 8 * 1_024 * 1_024;

/// The local S3.
pub struct S3 {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<Store>,
    /// What is set of buckets.
    known: RwLock<Known>,
    iam: Arc<Iam>,
    clock: Arc<dyn Clock>,
    region: String,
}

/// Who has made a request, and its head as it was sent.
struct Caller {
    principal: Arc<Principal>,
    head: Request<()>,
}

impl S3 {
    /// Opens the store in a folder, which is made where it is missing, or one that ends with the process. This
    /// blocks for the time that opening takes.
    ///
    /// # Errors
    ///
    /// [`Error::Objects`].
    pub fn open(
        folder: Option<&Path>,
        iam: Arc<Iam>,
        clock: Arc<dyn Clock>,
        region: impl Into<String>,
    ) -> Result<Self, Error> {
        let store = Store::open(folder).map_err(failed)?;
        Ok(Self {
            shared: Arc::new(Shared { store, known: RwLock::default(), iam, clock, region: region.into() }),
        })
    }

    /// Makes the template's buckets where they are missing, and puts what it says of them in force.
    ///
    /// # Errors
    ///
    /// [`Error::Objects`].
    pub fn ensure_buckets(&self, buckets: &[Bucket]) -> Result<(), Error> {
        for bucket in buckets {
            match self.shared.store.create_bucket(&bucket.name, self.shared.now()) {
                Ok(()) | Err(StoreError::BucketExists) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.shared.set_template(buckets).map_err(failed)
    }

    /// Copies everything into a folder, which is made. This blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Objects`].
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        self.shared.store.save(folder).map_err(failed)
    }

    /// Takes everything from a folder that [`Self::save`] has written, in place of its own. This blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Objects`].
    pub fn load(&self, folder: &Path) -> Result<(), Error> {
        self.shared.store.load(folder).map_err(failed)?;
        self.shared.reread_settings().map_err(failed)
    }

    /// Gives up unfinished uploads as the buckets' lifecycles say, every so often, until `shutdown`. One that
    /// fails is left to the next time.
    pub async fn abort_old_uploads(&self, every: Duration, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let shared = Arc::clone(&self.shared);
            let aborted = tokio::task::spawn_blocking(move || shared.abort_old_uploads());
            drop(shutdown.run_until_cancelled(aborted).await);
        }
    }

    /// Makes an object of the stack's own, such as a seed's, unless there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Objects`].
    pub fn seed(&self, bucket: &str, key: &str, content_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let store = &self.shared.store;
        let mut staging = store.stage().map_err(failed)?;
        let algorithm = Algorithm::Crc64Nvme;
        algorithm.begin(&mut staging.sums);
        staging.write(bytes).map_err(|error| failed(error.into()))?;
        let staged = staging.finish();
        let sum = algorithm.of(&staged.sums).map(|value| StoredSum {
            algorithm,
            value: value.to_owned(),
            composite: false,
            chosen: false,
        });
        let attributes =
            Attributes { content_type: Some(content_type.to_owned()), sum, ..Attributes::default() };
        let new = NewObject { bucket, key, etag: hex(&staged.md5), attributes, at: self.shared.now() };
        match store.put(new, &staged, &WriteCondition { if_match: None, must_be_new: true }) {
            Ok(_) | Err(StoreError::PreconditionFailed(_)) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn serve(
        &self,
        head: Request<()>,
        body: s3s::Body,
        principal: Arc<Principal>,
        payload: &Payload,
    ) -> StreamedResponse {
        let request = match request::of(&head, body, matches!(payload, Payload::Chunked(_))) {
            Ok(request) => request,
            Err(refusal) => return streamed(Protocol::S3.answer(&refusal)),
        };
        let secrets = Secrets::of(&principal);
        let caller = Arc::new(Caller { principal, head });
        let mut config = S3Config::default();
        config.xml_max_body_size = MAX_XML;
        let mut service = S3ServiceBuilder::new(Operations {
            shared: Arc::clone(&self.shared),
            caller: Arc::clone(&caller),
        });
        service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        service.set_auth(secrets);
        service.set_access(Access { iam: Arc::clone(&self.shared.iam), caller });
        match service.build().call(request).await {
            Ok(response) => response.map(|body| body.map_err(AnswerError).boxed_unsync()),
            Err(_) => streamed(Protocol::S3.answer(&Refusal::ServiceFailed("S3 has not answered."))),
        }
    }
}

impl StreamService for S3 {
    fn call(&self, request: Signed) -> BoxFuture<'_, StreamedResponse> {
        Box::pin(async move {
            let Signed { request, principal, payload } = request;
            let (head, body) = request.without_body();
            let method = head.method.clone();
            let mut response = match body::receive(&head, body, &payload).await {
                Ok(body) => self.serve(head, body, principal, &payload).await,
                Err(refusal) => streamed(Protocol::S3.answer(&refusal)),
            };
            if method == Method::HEAD
                && response.status() == StatusCode::OK
                && response.headers().contains_key(header::CONTENT_RANGE)
            {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            let headers = response.headers_mut();
            if let (false, Ok(id)) = (headers.contains_key(REQUEST_ID), HeaderValue::from_str(&request_id()))
            {
                headers.insert(REQUEST_ID, id);
            }
            response
        })
    }

    fn preflight(&self, request: &Request<()>) -> Response {
        cors::preflight(&self.shared.buckets(), request)
    }

    fn cross_origin(&self, request: &Request<()>) -> HeaderMap {
        cors::headers(&self.shared.buckets(), request)
    }
}

impl Shared {
    /// The stack's time.
    fn now(&self) -> SystemTime {
        self.clock.stack_time(self.clock.now())
    }

    fn buckets(&self) -> Arc<BTreeMap<String, Bucket>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).by_name()
    }

    fn abort_old_uploads(&self) -> Result<(), StoreError> {
        for (name, bucket) in &*self.buckets() {
            let than = bucket.abort_uploads_after.and_then(|age| self.now().checked_sub(age));
            if let Some(than) = than {
                self.store.abort_older(name, than)?;
            }
        }
        Ok(())
    }
}

fn failed(error: StoreError) -> Error {
    Error::Objects(error.into())
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;

#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod testing;
