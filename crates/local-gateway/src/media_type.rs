//! `binaryMediaTypes` and the headers that are held against them.

use http::{HeaderMap, HeaderName, header};

/// Whether a request's body is binary: its `Content-Type` against the API's list.
pub(crate) fn is_binary_request(types: &[String], headers: &HeaderMap) -> bool {
    // Without a type, API Gateway takes a body for JSON.
    matches(types, first(headers, header::CONTENT_TYPE).as_deref().unwrap_or("application/json"))
}

/// Whether a response may be binary: the first type of the request's `Accept` against the API's list.
pub(crate) fn accepts_binary(types: &[String], headers: &HeaderMap) -> bool {
    matches(types, accepted(headers).as_deref().unwrap_or_default())
}

/// The first type that the request accepts, in lower case and without parameters.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<String> {
    first(headers, header::ACCEPT)
}

/// Whether a media type's content is JSON, so that what is put into it must be escaped.
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// Types in the list are whole types or `*/*`, which matches everything. Other wildcards match nothing.
fn matches(types: &[String], media_type: &str) -> bool {
    types.iter().any(|listed| listed == "*/*" || listed.eq_ignore_ascii_case(media_type))
}

fn first(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    let first = essence(value.split(',').next()?);
    (!first.is_empty()).then_some(first)
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_the_first_accepted_type_counts_m() {
        let types = ["image/png".to_owned()];
        assert!(accepts_binary(&types, &accepting("image/png, text/html")));
        assert!(accepts_binary(&types, &accepting("IMAGE/PNG;q=0.9")));
        assert!(!accepts_binary(&types, &accepting("text/html, image/png")));
        assert!(!accepts_binary(&types, &accepting("*/*")));
        assert!(!accepts_binary(&types, &HeaderMap::new()));
    }

    #[test]
    fn star_star_makes_everything_binary_and_other_wildcards_nothing_a() {
        let star = ["*/*".to_owned()];
        assert!(accepts_binary(&star, &HeaderMap::new()));
        assert!(is_binary_request(&star, &HeaderMap::new()));
        assert!(!accepts_binary(&["image/*".to_owned()], &accepting("image/png")));
    }

    #[test]
    fn structured_suffixes_count_as_json() {
        assert!(is_json("application/problem+json; charset=utf-8"));
        assert!(is_json("application/json"));
        assert!(!is_json("text/html"));
    }
}
