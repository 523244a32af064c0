#![doc = include_str!("../README.md")]
//!
//! **Invariant:** a handler sees a body whole or not at all; a part of one never looks like a body.
//!
//! **Invariant:** recorded header names are used only where the recorded head holds exactly the headers that
//! the parser saw, so that recording can lose a name's casing but never change what a request says.

mod head;
mod limits;
mod server;
mod stream;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

pub use limits::Limits;
pub use server::serve;

/// A whole request, as a handler sees it.
#[derive(Debug, Clone)]
pub struct Request {
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
    pub body: Body,
    /// The client.
    pub peer: SocketAddr,
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
