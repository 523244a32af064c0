//! Tables, buckets and roles.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::model::{Bucket, Role, Table};
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
    properties.ignore(&[
        "BucketEncryption",
        "CorsConfiguration",
        "LifecycleConfiguration",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
        "VersioningConfiguration",
    ]);
    properties.finish();
    Bucket { logical_id: logical_id.to_owned(), name }
}

pub(crate) fn role(notes: &Notes, logical_id: &str, name: String, arn: String, node: &Node) -> Role {
    let properties = Properties::of(notes, logical_id, "AWS::IAM::Role", node);
    properties.pass(&["RoleName", "Description"]);
    let trust = properties.get("AssumeRolePolicyDocument");
    if let Some(document) = trust {
        check_statements(notes, logical_id, document, &["Effect", "Principal", "Action"]);
    } else {
        properties.refuse(properties.line, "AssumeRolePolicyDocument is missing");
    }
    let trust = trust.map_or(Value::Null, Node::to_json);
    let mut policies = Vec::new();
    for node in properties.list("Policies") {
        let policy = Properties::of(notes, logical_id, "AWS::IAM::Role/Policies", node);
        let name = policy.required("PolicyName");
        if let Some(document) = policy.get("PolicyDocument") {
            check_policy(notes, logical_id, document);
            policies.push((name, document.to_json()));
        } else {
            policy.refuse(policy.line, "PolicyDocument is missing");
        }
        policy.finish();
    }
    let max_session = session_length(properties.number("MaxSessionDuration", 3_600..=43_200));
    properties.ignore(&["Tags"]);
    properties.finish();
    Role { logical_id: logical_id.to_owned(), name, arn, trust, policies, max_session }
}

/// IAM's default is an hour.
pub(crate) fn session_length(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(3_600))
}

/// Refuses a policy whose statements lack what IAM requires.
pub(crate) fn check_policy(notes: &Notes, logical_id: &str, document: &Node) {
    check_statements(notes, logical_id, document, &["Effect", "Action", "Resource"]);
}

fn check_statements(notes: &Notes, logical_id: &str, document: &Node, members: &[&str]) {
    let Some(statements) = document.get("Statement") else {
        notes.refuse(logical_id, document.line, "a policy must have a Statement");
        return;
    };
    for statement in statements.items().unwrap_or(std::slice::from_ref(statements)) {
        for member in members {
            let negated = format!("Not{member}");
            if statement.get(member).is_none() && statement.get(&negated).is_none() {
                notes.refuse(logical_id, statement.line, format!("a statement must have its {member}"));
            }
        }
        if let Some(effect) = statement.get("Effect")
            && !matches!(effect.text().as_deref(), Some("Allow" | "Deny"))
        {
            notes.refuse(logical_id, effect.line, "Effect must be Allow or Deny");
        }
    }
}
