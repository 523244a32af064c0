//! Tables, buckets and roles.

use std::time::Duration;

use iam_policy::{Kind as PolicyKind, Named, Place, Policy};
use serde_json::{Map, Value, json};

use crate::model::{Bucket, CorsRule, Role, Table};
use crate::node::Node;
use crate::properties::{Notes, Properties};

/// Table settings that go into the `CreateTable` call as they are.
const CREATE: &[&str] = &[
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "StreamSpecification",
];

/// Most rules of a bucket's CORS configuration.
const MAX_CORS_RULES: usize = 100;
/// Methods that a CORS rule may allow.
const CORS_METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "HEAD"];

pub(crate) fn table(notes: &Notes, logical_id: &str, name: String, arn: String, node: &Node) -> Table {
    let properties = Properties::of(notes, logical_id, "AWS::DynamoDB::Table", node);
    properties.pass(&["TableName"]);
    if !(3..=255).contains(&name.len())
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        properties.refuse(properties.line, "a table's name must have 3 to 255 letters, digits, _, - and .");
    }
    let mut create = Map::from_iter([("TableName".to_owned(), json!(name))]);
    for setting in CREATE {
        if let Some(node) = properties.get(setting) {
            create.insert((*setting).to_owned(), node.to_json());
        }
    }
    for setting in ["AttributeDefinitions", "KeySchema"] {
        if !create.contains_key(setting) {
            properties.refuse(properties.line, format!("{setting} is missing"));
        }
    }
    let ttl_attribute = properties.map("TimeToLiveSpecification").and_then(|ttl| {
        let attribute = ttl.required("AttributeName");
        let enabled = ttl.flag("Enabled").unwrap_or_default();
        ttl.finish();
        enabled.then_some(attribute)
    });
    properties.ignore(&[
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TableClass",
        "Tags",
    ]);
    properties.finish();
    Table { logical_id: logical_id.to_owned(), name, arn, create: Value::Object(create), ttl_attribute }
}

pub(crate) fn bucket(notes: &Notes, logical_id: &str, name: String, node: &Node) -> Bucket {
    let properties = Properties::of(notes, logical_id, "AWS::S3::Bucket", node);
    properties.pass(&["BucketName"]);
    if !(3..=63).contains(&name.len())
        || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        properties
            .refuse(properties.line, format!("the bucket's name {name} must have 3 to 63 of [a-z0-9-]"));
    }
    let cors = properties.map("CorsConfiguration").map(cors_rules).unwrap_or_default();
    let abort_uploads_after = properties.map("LifecycleConfiguration").and_then(abort_uploads_after);
    properties.ignore(&[
        "BucketEncryption",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
        "VersioningConfiguration",
    ]);
    properties.finish();
    Bucket { logical_id: logical_id.to_owned(), name, cors, abort_uploads_after }
}

/// The least age at which a rule that holds for the whole bucket gives unfinished uploads up.
fn abort_uploads_after(configuration: Properties<'_>) -> Option<Duration> {
    let place = "AWS::S3::Bucket/LifecycleConfiguration/Rules";
    let mut least: Option<Duration> = None;
    for node in configuration.list("Rules") {
        let rule = Properties::of(configuration.notes(), configuration.resource(), place, node);
        let days = rule.map("AbortIncompleteMultipartUpload").and_then(|abort| {
            let days = abort.number("DaysAfterInitiation", 1..=36_500);
            abort.finish();
            days
        });
        let is_enabled = rule.required("Status") == "Enabled";
        let of_all = rule.get("Prefix").is_none() && rule.get("Filter").is_none();
        rule.pass(&["Id"]);
        rule.ignore(&["ExpirationInDays", "Filter", "NoncurrentVersionExpiration", "Prefix", "Transitions"]);
        rule.finish();
        let age = days.filter(|_| is_enabled && of_all).map(|days| Duration::from_secs(days * 86_400));
        least = least.into_iter().chain(age).min();
    }
    configuration.finish();
    least
}

fn cors_rules(configuration: Properties<'_>) -> Vec<CorsRule> {
    match configuration.get("CorsRules") {
        None => configuration.refuse(configuration.line, "CorsRules is missing"),
        Some(node) if node.items().is_some_and(|rules| !(1..=MAX_CORS_RULES).contains(&rules.len())) => {
            configuration.refuse(node.line, format!("CorsRules must have 1 to {MAX_CORS_RULES} rules"));
        }
        Some(_) => {}
    }
    let rules = configuration.list("CorsRules").iter().map(|node| cors_rule(&configuration, node)).collect();
    configuration.finish();
    rules
}

fn cors_rule(configuration: &Properties<'_>, node: &Node) -> CorsRule {
    let place = "AWS::S3::Bucket/CorsConfiguration/CorsRules";
    let rule = Properties::of(configuration.notes(), configuration.resource(), place, node);
    for name in ["AllowedMethods", "AllowedOrigins"] {
        if rule.get(name).is_none_or(|node| node.items().is_some_and(<[Node]>::is_empty)) {
            rule.refuse(rule.line, format!("{name} is missing"));
        }
    }
    let pattern = "one text without blanks and with at most one *";
    let read = CorsRule {
        allowed_methods: texts(&rule, "AllowedMethods", "one of GET, PUT, POST, DELETE and HEAD", |text| {
            CORS_METHODS.contains(&text)
        }),
        allowed_origins: texts(&rule, "AllowedOrigins", pattern, is_pattern),
        allowed_headers: texts(&rule, "AllowedHeaders", pattern, is_pattern),
        expose_headers: texts(&rule, "ExposedHeaders", "a header's name, without a *", |text| {
            is_pattern(text) && !text.contains('*')
        }),
        max_age: rule.number("MaxAge", 0..=u64::from(u32::MAX)).map(Duration::from_secs),
    };
    rule.pass(&["Id"]);
    rule.finish();
    read
}

/// A rule's list of texts. One that is not of the form is refused for each item.
fn texts(rule: &Properties<'_>, name: &str, form: &str, accepts: fn(&str) -> bool) -> Vec<String> {
    let mut texts = Vec::new();
    for node in rule.list(name) {
        match node.text().filter(|text| accepts(text)) {
            Some(text) => texts.push(text),
            None => rule.refuse(node.line, format!("each of {name} must be {form}")),
        }
    }
    texts
}

/// Visible ASCII with at most one `*`, as S3 takes origins and headers.
fn is_pattern(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) && text.matches('*').count() <= 1
}

/// A role, unless its trust policy cannot be read: a role that is missing grants nothing.
pub(crate) fn role(notes: &Notes, logical_id: &str, name: String, arn: String, node: &Node) -> Option<Role> {
    let properties = Properties::of(notes, logical_id, "AWS::IAM::Role", node);
    properties.pass(&["RoleName", "Description"]);
    let trust = properties.get("AssumeRolePolicyDocument");
    if trust.is_none() {
        properties.refuse(properties.line, "AssumeRolePolicyDocument is missing");
    }
    let trust = trust.and_then(|document| policy(notes, logical_id, document, PolicyKind::Trust));
    let mut policies = Vec::new();
    for node in properties.list("Policies") {
        let own = Properties::of(notes, logical_id, "AWS::IAM::Role/Policies", node);
        let name = own.required("PolicyName");
        if let Some(document) = own.get("PolicyDocument") {
            let policy = policy(notes, logical_id, document, PolicyKind::Identity);
            policies.extend(policy.map(|policy| Named { name, policy }));
        } else {
            own.refuse(own.line, "PolicyDocument is missing");
        }
        own.finish();
    }
    let max_session = session_length(properties.number("MaxSessionDuration", 3_600..=43_200));
    // A role's tags would be condition keys of its sessions, so they are refused rather than ignored.
    properties.finish();
    Some(Role { logical_id: logical_id.to_owned(), name, arn, trust: trust?, policies, max_session })
}

/// IAM's default is an hour.
pub(crate) fn session_length(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(3_600))
}

/// Reads a policy. One that is not understood is refused with what is wrong, where it stands.
pub(crate) fn policy(notes: &Notes, logical_id: &str, document: &Node, kind: PolicyKind) -> Option<Policy> {
    match Policy::parse(&document.to_json(), kind) {
        Ok(policy) => Some(policy),
        Err(error) => {
            let line = line_of(document, error.place());
            notes.refuse(logical_id, line, format!("the policy is not understood: {error}"));
            None
        }
    }
}

/// Where in the file a place in a policy stands.
fn line_of(document: &Node, place: Option<&Place>) -> usize {
    let statement = place.and_then(|place| {
        let name = place.statement.as_ref()?;
        let statements = document.get("Statement")?;
        let statements = statements.items().unwrap_or(std::slice::from_ref(statements));
        let number = name.strip_prefix('#').and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) => statements.get(number.checked_sub(1)?),
            None => {
                statements.iter().find(|node| node.get("Sid").and_then(Node::text).as_ref() == Some(name))
            }
        }
    });
    statement.map_or(document.line, |statement| {
        let element = place.and_then(|place| statement.get(place.element.split('.').next()?));
        element.map_or(statement.line, |element| element.line)
    })
}
