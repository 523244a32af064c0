//! What is understood comes out resolved.

use std::time::Duration;

use stack_template::Function;

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

/// `things-put` with properties of its own and one more event.
fn put_with(properties: &str, event: &str) -> Function {
    let text = with(
        TEMPLATE,
        "      FunctionName: things-put\n      Timeout: 5\n      Events:\n",
        &format!(
            "      FunctionName: things-put\n      Timeout: 5\n{properties}      Events:\n        Clock: {event}\n"
        ),
    );
    stack(&text, PLANS, &[]).functions[1].clone()
}

fn schedule(rest: &str) -> String {
    format!("{{ Type: Schedule, Properties: {{ {rest} }} }}")
}

#[test]
fn a_schedule_has_its_rate_its_rule_and_its_input() {
    for (rate, seconds) in
        [("1 minute", 60), ("5 minutes", 300), ("1 hour", 3_600), ("2 hours", 7_200), ("7 days", 604_800)]
    {
        let function = put_with("", &schedule(&format!("Schedule: rate({rate})")));
        let [read] = function.schedules.as_slice() else { panic!("one schedule") };
        assert_eq!(read.every, Duration::from_secs(seconds));
        assert_eq!(read.rule_arn, "arn:aws:events:eu-central-1:123456789012:rule/shop-PutClock");
        assert_eq!(read.input, None);
    }
    let named = schedule("Schedule: rate(1 day), Name: daily, Input: '{\"a\": 1}', Enabled: true");
    let named = &put_with("", &named).schedules[0];
    assert_eq!(named.rule_arn, "arn:aws:events:eu-central-1:123456789012:rule/daily");
    assert_eq!(named.input.as_deref(), Some("{\"a\": 1}"));
}

#[test]
fn a_schedule_that_is_switched_off_is_none() {
    let off = schedule("Schedule: rate(1 day), Enabled: false");
    assert_eq!(put_with("", &off).schedules, []);
}

#[test]
fn a_function_that_fails_is_retried_as_its_configuration_says_or_as_lambda_does() {
    let hourly = schedule("Schedule: rate(1 hour)");
    let default = put_with("", &hourly).asynchronous;
    assert_eq!((default.max_age, default.max_retries), (Duration::from_hours(6), 2));
    let given = "      EventInvokeConfig: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 }\n";
    let given = put_with(given, &hourly).asynchronous;
    assert_eq!((given.max_age, given.max_retries), (Duration::from_mins(1), 0));
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
