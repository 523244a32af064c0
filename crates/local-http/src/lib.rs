#![doc = include_str!("../README.md")]
//!
//! **Invariant:** a handler sees a body whole or not at all; a part of one never looks like a body. A body that
//! is read while it arrives ends in an error unless all of it has come.
//!
//! **Invariant:** recorded header names are used only where the recorded head holds exactly the headers that
//! the parser saw, so that recording can lose a name's casing but never change what a request says.

mod body;
mod head;
mod limits;
mod server;
mod stream;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

pub use body::{AnswerError, BodyError, Stream, StreamedBody, StreamedResponse, streamed};
pub use limits::Limits;
pub use server::{serve, serve_streams};

/// A request, as a handler sees it: a whole one, unless its body says otherwise.
#[derive(Debug, Clone)]
pub struct Request<B = Body> {
    /// The method.
    pub method: Method,
    /// The request target: path and query as sent, undecoded.
    pub uri: Uri,
    /// Headers by their lower-case names.
    pub headers: HeaderMap,
    /// Headers in order, with the casing that the client sent.
    ///
    /// Where the sent casing cannot be told (a request that was pipelined behind another), the names are in
    /// lower case.
    pub raw_headers: Vec<(String, HeaderValue)>,
    /// The body.
    pub body: B,
    /// The client.
    pub peer: SocketAddr,
}

impl<B> Request<B> {
    /// Takes the body out.
    #[must_use]
    pub fn without_body(self) -> (Request<()>, B) {
        let Self { method, uri, headers, raw_headers, body, peer } = self;
        (Request { method, uri, headers, raw_headers, body: (), peer }, body)
    }
}

impl Request<()> {
    /// Puts a body in.
    #[must_use]
    pub fn with_body<B>(self, body: B) -> Request<B> {
        let Self { method, uri, headers, raw_headers, body: (), peer } = self;
        Request { method, uri, headers, raw_headers, body, peer }
    }
}

/// A request's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// It exceeded the address's limit and was not kept.
    TooLarge,
}

/// A whole answer.
pub type Response = http::Response<Bytes>;
