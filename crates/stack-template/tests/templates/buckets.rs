//! Buckets with their CORS rules, and the lists that parameters hold.

use std::time::Duration;

use stack_template::{Bucket, CorsRule, Finding};

use crate::common::{PLANS, TEMPLATE, findings, line_of, stack, with};

const BUCKET: &str = r#"  Files:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "files-${AWS::AccountId}"
      OwnershipControls: { Rules: [{ ObjectOwnership: BucketOwnerEnforced }] }
      CorsConfiguration:
        CorsRules:
          - Id: pages
            AllowedMethods: [GET, PUT]
            AllowedOrigins: !Ref Origins
            AllowedHeaders: ["*"]
            ExposedHeaders: [ETag]
            MaxAge: 3600
          - { AllowedMethods: [HEAD], AllowedOrigins: ["https://*.example"] }
"#;

const ORIGINS: &str = r#"  Origins: { Type: CommaDelimitedList, Default: "https://a.example, https://b.example" }
"#;

/// The template with a bucket and a parameter that holds origins.
fn template() -> String {
    let text = with(TEMPLATE, "  Faults:\n", &format!("{BUCKET}  Faults:\n"));
    with(&text, "Conditions:\n", &format!("{ORIGINS}Conditions:\n"))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Replaces a passage and expects one finding, in the line that holds the mark.
#[track_caller]
fn refused(old: &str, new: &str, mark: &str, resource: &str, message: &str) {
    let text = with(&template(), old, new);
    let found = findings(&text, PLANS, &[]);
    let right = |finding: &Finding| {
        (finding.line, finding.resource.as_str()) == (line_of(&text, mark), resource)
            && finding.message.contains(message)
    };
    assert!(found.len() == 1 && right(&found[0]), "expected {resource}: …{message}…, found {found:#?}");
}

#[test]
fn a_bucket_has_its_name_and_its_rules_in_their_order() {
    let stack = stack(&template(), PLANS, &[]);
    let expected = Bucket {
        logical_id: "Files".to_owned(),
        name: "files-123456789012".to_owned(),
        cors: vec![
            CorsRule {
                allowed_methods: texts(&["GET", "PUT"]),
                allowed_origins: texts(&["https://a.example", "https://b.example"]),
                allowed_headers: texts(&["*"]),
                expose_headers: texts(&["ETag"]),
                max_age: Some(Duration::from_hours(1)),
            },
            CorsRule {
                allowed_methods: texts(&["HEAD"]),
                allowed_origins: texts(&["https://*.example"]),
                allowed_headers: Vec::new(),
                expose_headers: Vec::new(),
                max_age: None,
            },
        ],
        abort_uploads_after: None,
    };
    assert_eq!(stack.buckets, [expected]);
    let ignored: Vec<_> = stack.ignored.iter().map(|ignored| ignored.what.as_str()).collect();
    assert!(ignored.contains(&"AWS::S3::Bucket/OwnershipControls"), "{ignored:?}");
}

#[test]
fn a_bucket_without_rules_has_none() {
    let (first, _) = BUCKET.split_once("      CorsConfiguration:\n").expect("the rules");
    let text = with(TEMPLATE, "  Faults:\n", &format!("{first}  Faults:\n"));
    assert_eq!(stack(&text, PLANS, &[]).buckets[0].cors, []);
}

#[test]
fn the_shortest_age_of_a_rule_for_the_whole_bucket_ends_unfinished_uploads() {
    const RULES: &str = "      LifecycleConfiguration:
        Rules:
          - { Status: Enabled, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }
          - { Id: soon, Status: Enabled, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } }
          - { Status: Disabled, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }
          - { Status: Enabled, Prefix: tmp/, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }
";
    let text = with(&template(), "      CorsConfiguration:\n", &format!("{RULES}      CorsConfiguration:\n"));
    let age = stack(&text, PLANS, &[]).buckets[0].abort_uploads_after;
    assert_eq!(age, Some(Duration::from_hours(48)));
}

#[test]
fn a_list_that_is_given_takes_the_place_of_the_default() {
    let stack = stack(&template(), PLANS, &[("Origins", "*")]);
    assert_eq!(stack.buckets[0].cors[0].allowed_origins, ["*"]);
}

#[test]
fn a_misspelt_member_of_a_rule_is_found() {
    refused("ExposedHeaders:", "ExposeHeaders:", "ExposeHeaders", "Files", "ExposeHeaders");
    refused("        CorsRules:\n", "        Rule: x\n        CorsRules:\n", "Rule: x", "Files", "Rule of");
}

#[test]
fn a_rule_without_methods_or_origins_is_found() {
    refused(
        "            AllowedMethods: [GET, PUT]\n",
        "",
        "- Id: pages",
        "Files",
        "AllowedMethods is missing",
    );
    refused("[\"https://*.example\"]", "[]", "[HEAD]", "Files", "AllowedOrigins is missing");
}

#[test]
fn a_method_that_no_rule_can_allow_is_found() {
    for method in ["PATCH", "get", "\"*\""] {
        refused("[HEAD]", &format!("[{method}]"), "https://*.example", "Files", "AllowedMethods");
    }
}

#[test]
fn an_origin_or_header_that_s3_refuses_is_found() {
    refused("https://*.example", "https://*.*.example", "*.*", "Files", "AllowedOrigins");
    refused("AllowedHeaders: [\"*\"]", "AllowedHeaders: [\"x y\"]", "x y", "Files", "AllowedHeaders");
    refused("[ETag]", "[\"x-*\"]", "x-*", "Files", "ExposedHeaders");
    refused("MaxAge: 3600", "MaxAge: -1", "MaxAge", "Files", "MaxAge");
}

#[test]
fn an_empty_list_of_rules_is_found() {
    let (first, _) = BUCKET.split_once("        CorsRules:\n").expect("the rules");
    let text = with(TEMPLATE, "  Faults:\n", &format!("{first}        CorsRules: []\n  Faults:\n"));
    let found = findings(&text, PLANS, &[]);
    assert!(found.len() == 1 && found[0].message.contains("1 to 100"), "{found:?}");
}

#[test]
fn an_item_of_a_list_that_is_not_usable_is_found_where_it_stands() {
    refused("https://a.example, ", "https://a.example,,", "Origins: {", "Origins", "AllowedOrigins");
}

#[test]
fn each_item_of_a_list_is_held_against_what_is_allowed() {
    let text = with(
        &template(),
        "Default: \"https://a.example, https://b.example\"",
        "Default: \"a, b\", AllowedValues: [a, b], AllowedPattern: \"[a-z]\"",
    );
    assert_eq!(findings(&text, PLANS, &[]), []);
    assert_eq!(findings(&text, PLANS, &[("Origins", "b,a")]), []);
    let found = findings(&text, PLANS, &[("Origins", "a,c")]);
    assert!(found.len() == 1 && found[0].message.contains("c is none of"), "{found:?}");
}
