//! The parameters of a query service's call.

use std::collections::BTreeMap;

use http::Method;
use local_http::{Body, Request};
use percent_encoding::percent_decode_str;

use crate::protocol::Refusal;

/// Parameters that a call may have: fifty tags and their transitive keys take 150.
const MAX_PARAMETERS: usize = 400;

/// Characters of the longest name that is read, since messages repeat it.
const MAX_NAME: usize = 128;

/// A call's parameters, each of which stands once.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads the body of a POST, or the query of a GET.
    pub(super) fn read(request: &Request) -> Result<Self, Refusal> {
        let query = request.uri.query().unwrap_or_default();
        let mut parameters = BTreeMap::new();
        let texts = match (&request.method, &request.body) {
            (&Method::GET, _) => vec![query],
            (&Method::POST, Body::Whole(body)) => {
                vec![query, std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?]
            }
            _ => return Err(malformed("Calls are made with GET or POST.")),
        };
        for pair in texts.into_iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if name.len() > MAX_NAME {
                return Err(malformed("The name of a parameter is too long."));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(malformed("The call has too many parameters."));
            }
            // Which one counts would be a guess.
            if parameters.insert(name.clone(), value).is_some() {
                return Err(malformed(&format!("The parameter {name} stands twice.")));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The members of a list, `prefix.member.1` onwards, each with what follows its number.
    ///
    /// # Errors
    /// Where a number is left out or is none.
    pub(super) fn members(&self, prefix: &str) -> Result<Vec<BTreeMap<&str, &str>>, Refusal> {
        let mut members: BTreeMap<usize, BTreeMap<&str, &str>> = BTreeMap::new();
        let start = format!("{prefix}.member.");
        for (name, value) in &self.0 {
            // Without members it is the SDKs' empty list.
            if name.split('.').next() != Some(prefix) || name == prefix && value.is_empty() {
                continue;
            }
            let rest = name.strip_prefix(&start);
            let rest = rest.ok_or_else(|| malformed(&format!("{name} is not a member of a list.")))?;
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            let number = number.parse::<usize>().ok().filter(|parsed| parsed.to_string() == number);
            let number = number.ok_or_else(|| malformed(&format!("{name} is not a member of a list.")))?;
            members.entry(number).or_default().insert(field, value);
        }
        if !members.keys().copied().eq(1..=members.len()) {
            return Err(malformed(&format!("The members of {prefix} are not numbered from 1 on.")));
        }
        Ok(members.into_values().collect())
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| malformed("A parameter is not UTF-8."))
}

fn malformed(message: &str) -> Refusal {
    Refusal::Invalid("MalformedQueryString", message.to_owned())
}
