//! Conditional requests (RFC 9110, section 13). An entity tag is the version in quotes.

use contract::Problem;
use tenant_store::Precondition;

use crate::Request;

/// Most entity tags in one header: each is a value in DynamoDB's condition.
const MAX_TAGS: usize = 20;

/// The entity tag of a version.
#[must_use]
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Versions; tags that are none of ours match nothing and are left out.
    These(Vec<u64>),
}

/// What `If-Match` or `If-None-Match` require of a write.
///
/// # Errors
/// 400 with a pointer for a malformed header, or both at once.
pub fn precondition(request: &Request) -> Result<Precondition, Problem> {
    match (tags(request, "if-match", false)?, tags(request, "if-none-match", true)?) {
        (None, None) => Ok(Precondition::None),
        (Some(Tags::Any), None) => Ok(Precondition::Exists),
        (Some(Tags::These(versions)), None) => Ok(Precondition::VersionIn(versions)),
        (None, Some(Tags::Any)) => Ok(Precondition::Absent),
        (None, Some(Tags::These(versions))) => Ok(Precondition::VersionNotIn(versions)),
        (Some(_), Some(_)) => {
            Err(Problem::bad_request("/header/if-none-match", "cannot stand beside If-Match"))
        }
    }
}

/// Whether a read is to be answered in full: false where `If-None-Match` names the version.
///
/// # Errors
/// 400 with a pointer for a malformed header.
pub fn if_none_match_holds(request: &Request, version: u64) -> Result<bool, Problem> {
    Ok(match tags(request, "if-none-match", true)? {
        None => true,
        Some(Tags::Any) => false,
        Some(Tags::These(versions)) => !versions.contains(&version),
    })
}

/// A header's tags. Weak ones count where the comparison is weak (`If-None-Match`) and match nothing where
/// it is strong.
fn tags(request: &Request, name: &str, weak_counts: bool) -> Result<Option<Tags>, Problem> {
    let Some(text) = request.header(name) else { return Ok(None) };
    let malformed = |detail: &str| Problem::bad_request(format!("/header/{name}"), detail);
    let mut rest = text.trim();
    if rest == "*" {
        return Ok(Some(Tags::Any));
    }
    let (mut versions, mut count) = (Vec::new(), 0);
    while !rest.is_empty() {
        let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let Some((tag, behind)) = tag.strip_prefix('"').and_then(|tag| tag.split_once('"')) else {
            return Err(malformed("must be * or a list of quoted entity tags"));
        };
        count += 1;
        if count > MAX_TAGS {
            return Err(malformed("names more than 20 entity tags"));
        }
        // Leading zeros and signs are other tags than ours.
        if let Some(version) = tag.parse().ok().filter(|version| etag(*version) == format!("\"{tag}\""))
            && (!weak || weak_counts)
        {
            versions.push(version);
        }
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if behind.is_empty() => "",
            None => return Err(malformed("must be * or a list of quoted entity tags")),
        };
    }
    if count == 0 {
        return Err(malformed("must be * or a list of quoted entity tags"));
    }
    Ok(Some(Tags::These(versions)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::request::tests::request;

    fn with(name: &str, value: &str) -> Request {
        request(json!({"headers": {name: value}}))
    }

    #[test]
    fn each_header_becomes_its_precondition() {
        for (name, value, expected) in [
            ("If-Match", "*", Precondition::Exists),
            ("If-Match", "\"3\"", Precondition::VersionIn(vec![3])),
            ("If-Match", "\"3\", \"4\"", Precondition::VersionIn(vec![3, 4])),
            ("If-Match", "W/\"3\"", Precondition::VersionIn(vec![])),
            ("If-Match", "\"03\",\"+3\",\"x\"", Precondition::VersionIn(vec![])),
            ("If-None-Match", "*", Precondition::Absent),
            ("If-None-Match", "W/\"3\"", Precondition::VersionNotIn(vec![3])),
        ] {
            assert_eq!(precondition(&with(name, value)).unwrap(), expected, "{name}: {value}");
        }
        assert_eq!(precondition(&request(json!({}))).unwrap(), Precondition::None);
    }

    #[test]
    fn a_malformed_header_is_refused_rather_than_ignored() {
        for value in ["", "3", "\"3", "\"3\" \"4\"", "*, \"3\"", "w/\"3\"", ","] {
            assert!(precondition(&with("If-Match", value)).is_err(), "{value:?}");
        }
        assert!(precondition(&with("If-Match", &"\"1\",".repeat(21))).is_err());
        assert!(precondition(&request(json!({"headers": {"If-Match": "*", "If-None-Match": "*"}}))).is_err());
    }

    #[test]
    fn a_read_is_answered_in_full_unless_the_caller_has_the_version() {
        for (value, full) in [("*", false), ("\"3\"", false), ("W/\"3\"", false), ("\"2\"", true)] {
            assert_eq!(if_none_match_holds(&with("If-None-Match", value), 3).unwrap(), full, "{value}");
        }
        assert!(if_none_match_holds(&request(json!({})), 3).unwrap());
    }

    proptest! {
        #[test]
        fn a_versions_tag_matches_that_version(version in any::<u64>(), other in any::<u64>()) {
            prop_assert_eq!(if_none_match_holds(&with("If-None-Match", &etag(version)), version).unwrap(), false);
            prop_assert_eq!(if_none_match_holds(&with("If-None-Match", &etag(version)), other).unwrap(), version != other);
        }

        #[test]
        fn no_header_panics(value in ".{0,40}") {
            let _ = precondition(&with("If-Match", &value));
        }
    }
}
