//! A request's query, as it is signed.

use super::canonical::encode;
use super::error::SignatureError;

/// The decoded parameters in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Query {
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Query {
    /// Reads a query. A `+` is a space, as the services and the AWS SDKs' signers read it.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, SignatureError> {
        let parameters = query
            .unwrap_or_default()
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| SignatureError::incomplete("The query string is malformed."))?;
        Ok(Self { parameters })
    }

    /// Whether there is such a parameter.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name.as_bytes())
    }

    /// The value of a parameter that may stand once only.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, SignatureError> {
        let mut values = self.parameters.iter().filter(|(known, _)| known == name.as_bytes());
        let Some((_, value)) = values.next() else { return Ok(None) };
        match (values.next(), std::str::from_utf8(value)) {
            (None, Ok(value)) => Ok(Some(value)),
            _ => Err(SignatureError::incomplete(format!(
                "AWS query-string parameters must include '{name}' once, in UTF-8."
            ))),
        }
    }

    /// The canonical query string: encoded, sorted by name and then by value, without one parameter.
    pub(super) fn canonical(&self, without: Option<&str>) -> String {
        let mut pairs: Vec<(String, String)> = self
            .parameters
            .iter()
            .filter(|(name, _)| without.is_none_or(|without| name != without.as_bytes()))
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// Whether a parameter, as it was sent, is one of a presigned request's own.
pub(crate) fn is_parameter_of_signature(parameter: &str) -> bool {
    const OWN: [&str; 7] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
    ];
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    decode(name).is_some_and(|name| OWN.iter().any(|own| own.as_bytes() == name))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => nibble(rest.next()?)? << 4 | nibble(rest.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    Some(decoded)
}

/// A hexadecimal digit's value.
pub(super) fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(query: &str) -> String {
        Query::parse(Some(query)).expect("well-formed").canonical(Some("X-Amz-Signature"))
    }

    #[test]
    fn a_query_is_decoded_encoded_anew_and_sorted() {
        assert_eq!(canonical("b=2&a=%7e&a=%2f&flag&a=1+1"), "a=%2F&a=1%201&a=~&b=2&flag=");
        assert_eq!(canonical("&&a=1&&X-Amz-Signature=0"), "a=1");
        assert_eq!(canonical("a=b=c"), "a=b%3Dc");
        assert_eq!(Query::parse(None).expect("empty").canonical(None), "");
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for query in ["a=%", "a=%2", "a=%zz", "%=1", "a=%+1"] {
            assert!(Query::parse(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn a_parameter_that_stands_twice_has_no_value() {
        let query = Query::parse(Some("a=1&b=2&a=1&c=%ff")).expect("well-formed");
        assert_eq!(query.single("b"), Ok(Some("2")));
        assert_eq!(query.single("d"), Ok(None));
        assert!(query.single("a").is_err());
        assert!(query.single("c").is_err(), "no UTF-8");
    }
}
