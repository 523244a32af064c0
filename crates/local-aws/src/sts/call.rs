//! A call of `AssumeRole`, and what STS demands of it before anything is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use iam_policy::{Kind, Policy};
use local_http::Request;

use super::Parameters;
use crate::iam::Value;
use crate::principals::{Principal, PrincipalKind};
use crate::protocol::Refusal;
use crate::sessions::{is_name_character, role_of};

const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;
/// Characters of a session policy ("`AssumeRole`" in the STS reference).
const MAX_POLICY: usize = 2_048;
/// Characters of policy and tags together: as many as a token surely holds.
const MAX_PACKED: usize = 4_096;
/// What a session lasts where the caller does not say.
const DEFAULT_SECONDS: u64 = 3_600;
/// The longest session of a role that a role's session assumes.
const MAX_CHAINED_SECONDS: u64 = 3_600;

/// A call that STS could carry out, if the caller may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssumeRole {
    pub(crate) role_arn: String,
    pub(crate) session_name: String,
    pub(crate) duration: Duration,
    /// The tags that the call passes: `aws:RequestTag`.
    pub(crate) passed_tags: BTreeMap<String, String>,
    /// The keys that the call declares transitive: `sts:TransitiveTagKeys`.
    pub(crate) passed_transitive: BTreeSet<String>,
    /// The session's tags: the passed ones, and those that the caller's session hands on.
    pub(crate) session_tags: BTreeMap<String, String>,
    /// The keys of tags that the session hands on.
    pub(crate) transitive: BTreeSet<String>,
    /// The session policy's text.
    pub(crate) policy: Option<String>,
    pub(crate) external_id: Option<String>,
    /// Whether the caller is a role's session.
    pub(crate) chained: bool,
}

impl AssumeRole {
    /// Reads a call.
    pub(crate) fn read(request: &Request, caller: &Principal) -> Result<Self, Refusal> {
        let parameters = Parameters::read(request)?;
        // What would change the session's rights must not be passed over.
        for unsupported in ["PolicyArns", "ProvidedContexts", "SerialNumber", "SourceIdentity", "TokenCode"] {
            if parameters.names().any(|name| name.split('.').next() == Some(unsupported)) {
                return Err(invalid(format!("The local STS does not serve the parameter {unsupported}.")));
            }
        }
        let chained = caller.kind != PrincipalKind::Admin;
        let passed_tags = tags(&parameters)?;
        let passed_transitive = transitive(&parameters, &passed_tags)?;
        let (inherited_tags, inherited) = inherited(caller);
        if let Some(key) = passed_tags.keys().find(|key| holds(&inherited, key)) {
            return Err(Refusal::Invalid(
                "InvalidParameterValue",
                format!(
                    "One of the specified transitive tag keys can't be set because it conflicts with a \
                     transitive tag key from the calling session: {}",
                    shown(key)
                ),
            ));
        }
        let mut session_tags = passed_tags.clone();
        session_tags.extend(inherited_tags);
        Ok(Self {
            role_arn: role_arn(&parameters)?,
            session_name: session_name(&parameters)?,
            duration: duration(&parameters, chained)?,
            transitive: passed_transitive.iter().cloned().chain(inherited).collect(),
            passed_tags,
            passed_transitive,
            session_tags,
            policy: policy(&parameters)?,
            external_id: external_id(&parameters)?,
            chained,
        })
    }

    /// The actions that the call takes: passing tags is one of its own.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &'static str> {
        let tagging = !self.passed_tags.is_empty() || !self.transitive.is_empty();
        ["sts:AssumeRole"].into_iter().chain(tagging.then_some("sts:TagSession"))
    }

    /// What conditions on the call are held against.
    pub(crate) fn condition_keys(&self) -> Vec<(String, Value)> {
        let one = |name: &str, value: &str| (name.to_owned(), Value::One(value.to_owned()));
        let mut keys = vec![one("sts:RoleSessionName", &self.session_name)];
        keys.extend(self.external_id.as_ref().map(|id| one("sts:ExternalId", id)));
        keys.extend(self.passed_tags.iter().map(|(key, value)| one(&format!("aws:RequestTag/{key}"), value)));
        let many = |keys: Vec<String>| Value::Many(keys);
        keys.push(("aws:TagKeys".to_owned(), many(self.passed_tags.keys().cloned().collect())));
        let transitive = self.passed_transitive.iter().cloned().collect();
        keys.push(("sts:TransitiveTagKeys".to_owned(), many(transitive)));
        keys
    }

    /// The share of the room for policy and tags that the call takes, in percent. AWS packs both into a binary
    /// form of its own, which it does not tell; here it is the share of their characters.
    pub(crate) fn packed_policy_size(&self) -> usize {
        let tags: usize = self.session_tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        let policy = self.policy.as_ref().map_or(0, String::len);
        ((policy + tags) * 100).div_ceil(MAX_PACKED)
    }
}

fn role_arn(parameters: &Parameters) -> Result<String, Refusal> {
    let arn = required(parameters, "RoleArn", "roleArn")?;
    if !(20..=2_048).contains(&arn.len()) {
        return Err(constraint(arn, "roleArn", "Member must have length between 20 and 2048"));
    }
    role_of(arn).ok_or_else(|| invalid(format!("{} is invalid", shown(arn))))?;
    Ok(arn.to_owned())
}

fn session_name(parameters: &Parameters) -> Result<String, Refusal> {
    let name = required(parameters, "RoleSessionName", "roleSessionName")?;
    if !(2..=64).contains(&name.len()) {
        return Err(constraint(name, "roleSessionName", "Member must have length between 2 and 64"));
    }
    if !name.chars().all(is_name_character) {
        let form = r"Member must satisfy regular expression pattern: [\w+=,.@-]*";
        return Err(constraint(name, "roleSessionName", form));
    }
    Ok(name.to_owned())
}

fn duration(parameters: &Parameters, chained: bool) -> Result<Duration, Refusal> {
    let Some(text) = parameters.get("DurationSeconds") else {
        return Ok(Duration::from_secs(DEFAULT_SECONDS));
    };
    let bounds = |bound: &str| constraint(text, "durationSeconds", bound);
    let seconds: u64 = text.parse().map_err(|_| bounds("Member must be a whole number of seconds"))?;
    if seconds < 900 {
        return Err(bounds("Member must have value greater than or equal to 900"));
    }
    if seconds > 43_200 {
        return Err(bounds("Member must have value less than or equal to 43200"));
    }
    if chained && seconds > MAX_CHAINED_SECONDS {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                .to_owned(),
        ));
    }
    Ok(Duration::from_secs(seconds))
}

fn tags(parameters: &Parameters) -> Result<BTreeMap<String, String>, Refusal> {
    let members = parameters.members("Tags")?;
    if members.len() > MAX_TAGS {
        return Err(constraint("[…]", "tags", "Member must have length less than or equal to 50"));
    }
    let mut tags = BTreeMap::new();
    let mut folded = BTreeSet::new();
    for (index, member) in members.iter().enumerate() {
        if let Some(field) = member.keys().find(|field| !matches!(**field, "Key" | "Value")) {
            return Err(invalid(format!("A tag has no field {}", shown(field))));
        }
        let place = |field: &str| format!("tags.{}.member.{field}", index + 1);
        let (Some(key), Some(value)) = (member.get("Key"), member.get("Value")) else {
            return Err(invalid(format!("{} has no key or no value", place("key"))));
        };
        check_tag(key, &place("key"), 1, MAX_TAG_KEY)?;
        check_tag(value, &place("value"), 0, MAX_TAG_VALUE)?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("{} begins with aws:, which is reserved", shown(key))));
        }
        // Keys are compared without regard to case, as conditions on them are.
        if !folded.insert(key.to_lowercase()) {
            let name = "InvalidParameterValue";
            return Err(Refusal::Invalid(
                name,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
        tags.insert((*key).to_owned(), (*value).to_owned());
    }
    Ok(tags)
}

/// Neither `*` nor `?` can stand in a tag, so that none is a pattern.
fn check_tag(text: &str, place: &str, shortest: usize, longest: usize) -> Result<(), Refusal> {
    if !(shortest..=longest).contains(&text.chars().count()) {
        return Err(constraint(
            text,
            place,
            &format!("Member must have length between {shortest} and {longest}"),
        ));
    }
    let is_tag_character =
        |c: char| c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+-@".contains(c);
    if !text.chars().all(is_tag_character) {
        let form = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*";
        return Err(constraint(text, place, form));
    }
    Ok(())
}

fn transitive(
    parameters: &Parameters,
    passed: &BTreeMap<String, String>,
) -> Result<BTreeSet<String>, Refusal> {
    let mut keys = BTreeSet::new();
    for member in parameters.members("TransitiveTagKeys")? {
        let [key] = member.into_values().collect::<Vec<_>>()[..] else {
            return Err(invalid("A transitive tag key has no fields".to_owned()));
        };
        let is_passed = passed.keys().find(|passed| passed.eq_ignore_ascii_case(key));
        let Some(key) = is_passed else {
            let detail =
                format!("The transitive tag key {} is not among the session tags passed.", shown(key));
            return Err(Refusal::Invalid("InvalidParameterValue", detail));
        };
        keys.insert(key.clone());
    }
    Ok(keys)
}

/// The tags that the caller's own session hands on.
fn inherited(caller: &Principal) -> (BTreeMap<String, String>, BTreeSet<String>) {
    match &caller.kind {
        PrincipalKind::Admin | PrincipalKind::FunctionRole { .. } => Default::default(),
        PrincipalKind::Session(facts) => {
            let handed_on = facts.tags.iter().filter(|(key, _)| facts.transitive.contains(*key));
            let tags = handed_on.map(|(key, value)| (key.clone(), value.clone())).collect();
            (tags, facts.transitive.clone())
        }
    }
}

fn holds(keys: &BTreeSet<String>, key: &str) -> bool {
    keys.iter().any(|known| known.to_lowercase() == key.to_lowercase())
}

fn policy(parameters: &Parameters) -> Result<Option<String>, Refusal> {
    let Some(text) = parameters.get("Policy") else { return Ok(None) };
    if text.chars().count() > MAX_POLICY {
        return Err(constraint("…", "policy", "Member must have length less than or equal to 2048"));
    }
    Policy::parse_text(text, Kind::Identity).map_err(|error| {
        Refusal::Invalid("MalformedPolicyDocument", format!("The policy cannot be read: {error}"))
    })?;
    Ok(Some(text.to_owned()))
}

fn external_id(parameters: &Parameters) -> Result<Option<String>, Refusal> {
    let Some(id) = parameters.get("ExternalId") else { return Ok(None) };
    let is_id =
        (2..=1_224).contains(&id.len()) && id.chars().all(|c| is_name_character(c) || matches!(c, ':' | '/'));
    if is_id {
        Ok(Some(id.to_owned()))
    } else {
        Err(constraint(id, "externalId", r"Member must satisfy regular expression pattern: [\w+=,.@:\/-]*"))
    }
}

fn required<'a>(parameters: &'a Parameters, name: &str, member: &str) -> Result<&'a str, Refusal> {
    parameters.get(name).ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must \
             not be null"
        ))
    })
}

fn constraint(value: &str, member: &str, constraint: &str) -> Refusal {
    let value = shown(value);
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    ))
}

/// A value as a message repeats it: a long one not to its end.
fn shown(value: &str) -> String {
    const MOST: usize = 256;
    let mut shown: String = value.chars().take(MOST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn invalid(message: String) -> Refusal {
    Refusal::Invalid("ValidationError", message)
}
