//! Bodies that are still arriving, and answers that are still being made.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::Body;
use crate::stream::Deadline;

/// The body of an answer that may still be being made.
pub type StreamedBody = UnsyncBoxBody<Bytes, AnswerError>;

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct AnswerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// An answer whose body may still be being made. A body that fails ends the connection, so that no client
/// takes a part of it for the whole.
pub type StreamedResponse = http::Response<StreamedBody>;

/// An answer that is whole, in the form of one that need not be.
#[must_use]
pub fn streamed(response: crate::Response) -> StreamedResponse {
    response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync())
}

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client broke off, or sent what is no body.
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
    /// The client sent nothing for longer than [`Limits::body_timeout`](crate::Limits::body_timeout).
    #[error("the request's body did not arrive in time")]
    TimedOut,
}

/// A request's body while it arrives. It ends in an error unless all of it has come.
pub struct Stream {
    incoming: Incoming,
    patience: Duration,
    deadline: Deadline,
    finished: Finished,
}

/// Whether a request was read to its end, for the connection that it came on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished(Arc<AtomicBool>);

impl Finished {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Stream {
    /// A body that may pause for so long.
    pub(crate) fn new(incoming: Incoming, patience: Duration) -> (Self, Finished) {
        let finished = Finished::default();
        if http_body::Body::is_end_stream(&incoming) {
            finished.set();
        }
        let stream = Self { incoming, patience, deadline: Deadline::default(), finished: finished.clone() };
        (stream, finished)
    }

    /// Reads a body of at most `max` bytes. A longer one is not kept.
    ///
    /// # Errors
    ///
    /// [`BodyError`]. The time-out is that of the whole body.
    pub async fn whole(self, max: usize) -> Result<Body, BodyError> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.collected(max)).await.unwrap_or(Err(BodyError::TimedOut))
    }

    /// As [`Self::whole`], with a time-out for each pause.
    ///
    /// # Errors
    ///
    /// [`BodyError`].
    pub async fn collected(mut self, max: usize) -> Result<Body, BodyError> {
        // A declared length is believed at once, so that a client that asks before sending can be refused.
        if http_body::Body::size_hint(&self).lower() > u64::try_from(max).unwrap_or(u64::MAX) {
            return Ok(Body::TooLarge);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if data.len() > max.saturating_sub(whole.len()) {
                return Ok(Body::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Body::Whole(whole.freeze()))
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) else {
            if !this.deadline.is_set() {
                this.deadline.set(this.patience);
            }
            ready!(this.deadline.poll(cx));
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        };
        this.deadline.clear();
        if frame.is_none() || http_body::Body::is_end_stream(&this.incoming) {
            this.finished.set();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.incoming)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.incoming)
    }
}
