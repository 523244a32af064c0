//! What a handler sees of a request.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contract::{Json, JsonError, Kind, Problem};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tenant_context::IdempotentRequest;
use time::OffsetDateTime;

use crate::event::Event;

/// A request whose caller is known.
pub struct Request {
    event: Event,
}

impl fmt::Debug for Request {
    /// Headers and body stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.event.http_method)
            .field("resource", &self.event.resource)
            .field("id", &self.event.request_context.request_id)
            .finish_non_exhaustive()
    }
}

/// The size of a page: 1 to 100, 25 where the caller does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The number of items.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(25)
    }
}

/// Why a text is no [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitError;

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a whole number from 1 to 100")
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().filter(|limit| (1..=100).contains(limit)).map(Self).ok_or(LimitError)
    }
}

impl Request {
    pub(crate) fn new(event: Event) -> Self {
        Self { event }
    }

    pub(crate) fn event(&self) -> &Event {
        &self.event
    }

    /// When API Gateway took the request. Handlers know no other clock.
    #[must_use]
    pub fn time(&self) -> OffsetDateTime {
        let nanoseconds = i128::from(self.event.request_context.request_time_epoch) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The request's path as the client knows it, stage included, without a slash at its end.
    #[must_use]
    pub fn url_path(&self) -> &str {
        self.event.request_context.path.trim_end_matches('/')
    }

    /// A path parameter, decoded.
    ///
    /// # Errors
    /// 400 with the pointer `/path/<name>` for what is outside the parameter's grammar.
    pub fn path<T>(&self, name: &str) -> Result<T, Problem>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let raw = self.event.path_parameters.as_ref().and_then(|parameters| parameters.get(name));
        let pointer = || format!("/path/{name}");
        let decoded = percent_decode_str(raw.map_or("", String::as_str))
            .decode_utf8()
            .map_err(|_| Problem::bad_request(pointer(), "must be UTF-8"))?;
        decoded.parse().map_err(|error: T::Err| Problem::bad_request(pointer(), error.to_string()))
    }

    /// A query parameter, the last of its name.
    ///
    /// # Errors
    /// 400 with the pointer `/query/<name>`.
    pub fn query<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.query_text(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| {
                    Problem::bad_request(format!("/query/{name}"), error.to_string())
                })
            })
            .transpose()
    }

    /// A query parameter's text, the last of its name.
    #[must_use]
    pub fn query_text(&self, name: &str) -> Option<&str> {
        self.event.query_string_parameters.as_ref()?.get(name).map(String::as_str)
    }

    /// A header, all its lines joined by commas (RFC 9110, section 5.3).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let multi = self.event.multi_value_headers.as_ref().and_then(|headers| {
            headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, lines)| lines)
        });
        if let Some(lines) = multi {
            return Some(match lines.as_slice() {
                [line] => Cow::Borrowed(line),
                lines => Cow::Owned(lines.join(", ")),
            });
        }
        let headers = self.event.headers.as_ref()?;
        headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, line)| Cow::Borrowed(line.as_str()))
    }

    /// The body as JSON of a type.
    ///
    /// # Errors
    /// 400 for what is not JSON, 422 for JSON of another form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = self.body()?;
        serde_json::from_str(&text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Problem::invalid_body("", error.to_string()),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => not_json(&error.to_string()),
        })
    }

    /// The body as a JSON object with exact numbers.
    ///
    /// # Errors
    /// 400 for what is not JSON, 422 with a pointer for what is no object or would not come back as sent.
    pub fn object(&self) -> Result<Json, Problem> {
        an_object(&self.body()?).map(Json::Object)
    }

    /// The members of the body, which is a JSON object with exact numbers, or empty as one without members is.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn members(&self) -> Result<Vec<(String, Json)>, Problem> {
        if self.event.body.as_deref().is_none_or(str::is_empty) {
            return Ok(Vec::new());
        }
        an_object(&self.body()?)
    }

    /// The body as any JSON value with exact numbers, of at most so many bytes.
    ///
    /// # Errors
    /// 413 for more bytes, 400 for what is not JSON, 422 with a pointer for what would not come back as sent.
    pub fn value(&self, max_bytes: usize) -> Result<Json, Problem> {
        let text = self.body()?;
        if text.len() > max_bytes {
            return Err(Problem::body_too_large(text.len(), max_bytes));
        }
        exact(&text)
    }

    /// What makes the request one that has its effect once, where it has an `Idempotency-Key`.
    ///
    /// # Errors
    /// 400 for a key that is not 1 to 255 visible ASCII characters.
    pub fn idempotency(&self) -> Result<Option<IdempotentRequest>, Problem> {
        let Some(key) = self.header("Idempotency-Key") else { return Ok(None) };
        if !(1..=255).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let form = "must be 1 to 255 visible ASCII characters";
            return Err(Problem::bad_request("/header/Idempotency-Key", form));
        }
        let mut digest = Sha256::new();
        // No path holds a line's end.
        for part in [self.url_path(), "\n", self.event.body.as_deref().unwrap_or_default()] {
            digest.update(part);
        }
        let fingerprint = URL_SAFE_NO_PAD.encode(digest.finalize());
        let route = format!("{} {}", self.event.http_method, self.event.resource);
        Ok(Some(IdempotentRequest::new(route, key, fingerprint)))
    }

    fn body(&self) -> Result<Cow<'_, str>, Problem> {
        let body = self.event.body.as_deref().unwrap_or_default();
        if !self.event.is_base64_encoded {
            return Ok(Cow::Borrowed(body));
        }
        let not_utf8 = || Problem::new(Kind::BadRequest, "The body must be UTF-8.");
        let bytes = STANDARD.decode(body).map_err(|_| not_utf8())?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8())
    }
}

fn exact(text: &str) -> Result<Json, Problem> {
    Json::parse(text).map_err(|error| match error {
        JsonError::Unkeepable { pointer, detail } => Problem::invalid_body(pointer, detail),
        JsonError::Syntax(detail) => not_json(&detail),
    })
}

fn an_object(text: &str) -> Result<Vec<(String, Json)>, Problem> {
    match exact(text)? {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(Problem::invalid_body("", "must be an object"))
        }
    }
}

fn not_json(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("The body is not JSON: {detail}."))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A request with the members put over those of a plain event.
    pub(crate) fn request(members: Value) -> Request {
        let mut event = json!({
            "resource": "/records/{collection}", "httpMethod": "GET", "headers": null,
            "multiValueHeaders": null, "queryStringParameters": null, "pathParameters": null, "body": null,
            "isBase64Encoded": false,
            "requestContext": {"requestId": "r-1", "path": "/v1/records/notes/", "requestTimeEpoch": 1_764_000_000_123_i64,
                               "identity": {"apiKeyId": "k1"}},
        });
        let Value::Object(members) = members else { panic!("members are an object") };
        for (name, value) in members {
            event[name] = value;
        }
        Request::new(serde_json::from_value(event).expect("the event is of the form"))
    }

    fn problem<T: fmt::Debug>(result: Result<T, Problem>) -> Value {
        serde_json::to_value(result.expect_err("refused").document("r-1")).unwrap()
    }

    #[test]
    fn a_path_parameter_is_decoded_once() {
        let request = request(json!({"pathParameters": {"id": "a%7Eb", "twice": "a%257Eb"}}));
        assert_eq!(request.path::<contract::RecordId>("id").unwrap().as_str(), "a~b");
        assert_eq!(
            problem(request.path::<contract::RecordId>("twice"))["errors"][0]["pointer"],
            "/path/twice"
        );
        assert_eq!(problem(request.path::<contract::RecordId>("none"))["status"], 400);
    }

    #[test]
    fn a_limit_outside_1_to_100_is_refused_with_its_pointer() {
        for limit in ["0", "101", "-1", "x", "", "1.5"] {
            let request = request(json!({"queryStringParameters": {"limit": limit}}));
            assert_eq!(problem(request.query::<Limit>("limit"))["errors"][0]["pointer"], "/query/limit");
        }
    }

    #[test]
    fn a_header_is_found_in_any_case_with_all_its_lines() {
        let request = request(json!({"multiValueHeaders": {"IF-match": ["\"1\"", "\"2\""]}}));
        assert_eq!(request.header("if-match").as_deref(), Some("\"1\", \"2\""));
        assert_eq!(request.header("if-none-match"), None);
    }

    #[test]
    fn a_body_that_is_no_object_is_422_and_one_that_is_no_json_is_400() {
        for (body, status) in [("[]", 422), ("1", 422), ("{", 400), ("", 400), (r#"{"a":1,"a":2}"#, 422)] {
            assert_eq!(problem(request(json!({"body": body})).object())["status"], status, "{body}");
        }
        let binary = json!({"body": "//8=", "isBase64Encoded": true});
        assert_eq!(problem(request(binary).object())["status"], 400);
    }

    #[test]
    fn a_value_is_any_json_within_its_bytes() {
        for body in [r#""1234""#, "[1,22]", "123456", "null  ", "{}", "true"] {
            let request = request(json!({"body": body}));
            assert_eq!(request.value(6).unwrap(), Json::parse(body).unwrap(), "{body}");
        }
        for (body, status) in [("", 400), ("[1,", 400), (r#"{"":1}"#, 422), ("1e999", 422), ("1234567", 413)]
        {
            assert_eq!(problem(request(json!({"body": body})).value(6))["status"], status, "{body}");
        }
        // The bytes are those that were sent, not their base64, and characters are not bytes.
        let binary = |body: &str| request(json!({"body": body, "isBase64Encoded": true})).value(6);
        assert_eq!(binary("MTIzNDU2").unwrap(), Json::parse("123456").unwrap());
        assert_eq!(problem(binary("MTIzNDU2Nw=="))["status"], 413);
        assert_eq!(problem(request(json!({"body": "\"äää\""})).value(6))["status"], 413);
    }

    #[test]
    fn only_an_object_or_nothing_has_members() {
        for body in [json!(null), json!(""), json!("{}"), json!(" {} ")] {
            assert_eq!(request(json!({"body": body})).members().unwrap(), [], "{body}");
        }
        let members = request(json!({"body": r#"{"a": "b"}"#})).members().unwrap();
        assert_eq!(members, [("a".to_owned(), Json::String("b".to_owned()))]);
        for (body, status) in [("[]", 422), ("null", 422), (r#"{"a":1,"a":2}"#, 422), (" ", 400)] {
            let refused = request(json!({"body": body})).members().unwrap_err();
            assert_eq!(refused.kind().status(), status, "{body}");
        }
    }

    #[test]
    fn a_request_is_the_same_by_its_path_and_body() {
        let with = |path: &str, body: &str| {
            let mut event = json!({"headers": {"idempotency-key": "k"}, "body": body});
            event["requestContext"] =
                json!({"requestId": "r", "path": path, "requestTimeEpoch": 0, "identity": {}});
            request(event).idempotency().unwrap().expect("a key")
        };
        let one = with("/v1/records/a", "{}");
        assert_eq!(one, with("/v1/records/a", "{}"));
        assert_ne!(one, with("/v1/records/b", "{}"));
        assert_ne!(one, with("/v1/records/a", "{ }"));
        assert_eq!(request(json!({})).idempotency().unwrap(), None);
    }

    #[test]
    fn an_idempotency_key_has_visible_characters_alone() {
        for key in ["", " ", "a b", "ä", "a\n", &"a".repeat(256)] {
            let refused = request(json!({"headers": {"Idempotency-Key": key}})).idempotency();
            assert_eq!(problem(refused)["errors"][0]["pointer"], "/header/Idempotency-Key", "{key}");
        }
        assert!(request(json!({"headers": {"Idempotency-Key": "a".repeat(255)}})).idempotency().is_ok());
    }

    #[test]
    fn a_shown_request_holds_no_secret() {
        let request = request(json!({"headers": {"x-api-key": "hush"}, "body": "hush"}));
        assert!(!format!("{request:?}").contains("hush"));
    }

    #[test]
    fn the_time_is_the_gateways() {
        assert_eq!(request(json!({})).time().unix_timestamp_nanos(), 1_764_000_000_123_000_000);
        assert_eq!(request(json!({})).url_path(), "/v1/records/notes");
    }
}
