//! What is understood comes out resolved.

use std::time::Duration;

use crate::common::{PLANS, TEMPLATE, stack, with};

/// The value of `things-put`'s variable where the template gives it so.
fn variable(value: &str) -> String {
    let text = with(
        TEMPLATE,
        "      FunctionName: things-put\n",
        &format!("      FunctionName: things-put\n      Environment: {{ Variables: {{ V: {value} }} }}\n"),
    );
    stack(&text, PLANS, &[]).functions[1].environment["V"].clone()
}

#[test]
fn intrinsics_resolve_in_their_short_and_long_forms() {
    for (value, resolved) in [
        ("!Ref Things", "things"),
        ("{ Ref: Things }", "things"),
        ("!Ref Get", "things-get"),
        ("!Ref GetRole", "shop-GetRole"),
        ("!GetAtt GetRole.Arn", "arn:aws:iam::123456789012:role/shop-GetRole"),
        ("!GetAtt Get.Arn", "arn:aws:lambda:eu-central-1:123456789012:function:things-get"),
        ("{ Fn::GetAtt: [Things, Arn] }", "arn:aws:dynamodb:eu-central-1:123456789012:table/things"),
        (
            "!Sub \"${Things}-${!literal}-${AWS::Region}-${Things.Arn}\"",
            "things-${literal}-eu-central-1-arn:aws:dynamodb:eu-central-1:123456789012:table/things",
        ),
        ("!Sub [\"${a}-${Ttl}\", { a: !Ref Architecture }]", "arm64-30"),
        ("{ Fn::Join: [\"-\", [a, !Ref Ttl, b]] }", "a-30-b"),
        ("!If [Audit, a, b]", "b"),
        ("!Ref DataApi.Stage", "v1"),
        ("!Ref AWS::StackName", "shop"),
        ("!Ref AWS::StackId", "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/local"),
        ("yes", "yes"),
    ] {
        assert_eq!(variable(value), resolved, "{value}");
    }
}

#[test]
fn what_a_condition_rules_out_is_absent() {
    assert_eq!(stack(TEMPLATE, PLANS, &[]).tables.len(), 1);
    let with_audit = stack(TEMPLATE, PLANS, &[("Audited", "yes")]);
    assert_eq!(with_audit.tables[1].name, "shop-AuditTable");
}

#[test]
fn globals_are_merged_and_the_functions_own_wins() {
    let stack = stack(TEMPLATE, PLANS, &[("Ttl", "7")]);
    let [get, put] = stack.functions.as_slice() else { panic!("two functions") };
    assert_eq!((get.timeout, put.timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!((get.environment["TTL"].as_str(), get.environment["TABLE"].as_str()), ("7", "things"));
}

#[test]
fn a_policy_without_a_version_stays_without() {
    // SAM passes it on as it is, and IAM then expands no variables in it.
    let text = with(
        TEMPLATE,
        "        - Version: \"2012-10-17\"\n          Statement:\n            - Effect: Allow\n",
        "        - Statement:\n            - Effect: Allow\n",
    );
    let stack = stack(&text, PLANS, &[]);
    let role = stack.roles.iter().find(|role| role.name == "shop-GetRole").expect("the function's role");
    assert_eq!(role.policies[0].policy.to_json().get("Version"), None);
}

#[test]
fn a_roles_trust_names_the_account() {
    let stack = stack(TEMPLATE, PLANS, &[]);
    let role = stack.roles.iter().find(|role| role.name == "reader").expect("the declared role");
    assert_eq!(role.trust.to_json()["Statement"][0]["Principal"]["AWS"], "123456789012");
}

#[test]
fn what_has_no_part_here_is_listed_once() {
    let ignored: Vec<_> =
        stack(TEMPLATE, PLANS, &[]).ignored.into_iter().map(|ignored| ignored.what).collect();
    assert_eq!(ignored, ["AWS::CloudWatch::Alarm", "AWS::DynamoDB::Table/SSESpecification"]);
}

#[test]
fn no_value_takes_the_property_away() {
    let text = with(TEMPLATE, "      Timeout: 5", "      Timeout: !If [Audit, 5, !Ref AWS::NoValue]");
    let timeout = stack(&text, PLANS, &[]).functions[1].timeout;
    // SAM merges Globals before CloudFormation knows the condition, so Lambda's own default is what remains.
    assert_eq!(timeout, Duration::from_secs(3));
}

#[test]
fn the_root_resource_has_a_throttle_of_its_own_form() {
    let text = with(TEMPLATE, "Path: \"/things/{id}/parts\"", "Path: \"/\"");
    let plans = format!("{PLANS}            \"//PUT\": {{ RateLimit: 1, BurstLimit: 1 }}\n");
    let stack = stack(&text, &plans, &[]);
    let rows = &stack.plans[0].stages[0].routes;
    assert_eq!((rows[1].method.as_str(), rows[1].path.as_str()), ("PUT", "/"));
}

#[test]
fn a_method_may_be_written_in_any_case() {
    let text = with(TEMPLATE, "            Method: PUT", "            Method: any");
    assert_eq!(stack(&text, PLANS, &[]).apis[0].routes[1].method, "ANY");
}

#[test]
fn a_schedule_is_listed_and_no_error() {
    let text = with(
        TEMPLATE,
        "      FunctionName: things-put\n      Timeout: 5\n      Events:\n",
        "      FunctionName: things-put\n      Timeout: 5\n      Events:\n        Clock: { Type: Schedule, Properties: { Schedule: rate(5 minutes) } }\n",
    );
    let ignored = stack(&text, PLANS, &[]).ignored;
    assert!(ignored.iter().any(|ignored| ignored.what.contains("Schedule")), "{ignored:?}");
}

#[test]
fn api_settings_in_globals_reach_every_api() {
    let text = with(
        TEMPLATE,
        "Globals:\n",
        "Globals:\n  Api:\n    GatewayResponses:\n      THROTTLED:\n        StatusCode: 429\n        ResponseParameters: { Headers: { Retry-After: \"'1'\" } }\n        ResponseTemplates: { application/json: '{}' }\n",
    );
    let stack = stack(&text, PLANS, &[]);
    let throttled = &stack.apis[0].gateway_responses["THROTTLED"];
    assert_eq!((throttled.status, throttled.headers["Retry-After"].as_str()), (Some(429), "1"));
}

#[test]
fn a_stages_own_throttles_are_read_with_their_slashes() {
    let text = with(
        TEMPLATE,
        "      StageName: v1\n",
        "      StageName: v1\n      MethodSettings:\n        - { ResourcePath: \"/~1things~1{id}\", HttpMethod: GET, ThrottlingRateLimit: 1, ThrottlingBurstLimit: 2 }\n        - { ResourcePath: \"/*\", HttpMethod: \"*\", ThrottlingRateLimit: 1, ThrottlingBurstLimit: 2 }\n",
    );
    let stack = stack(&text, PLANS, &[]);
    let paths: Vec<_> = stack.apis[0].stage_throttles.iter().map(|throttle| throttle.path.as_str()).collect();
    assert_eq!(paths, ["/things/{id}", "/*"]);
}
