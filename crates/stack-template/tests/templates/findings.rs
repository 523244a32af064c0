//! What is wrong with a template is found, with file, line and resource.

use crate::common::{PLANS, TEMPLATE, findings, line_of, with};

/// Replaces a passage of the template and expects one finding, in the line that holds the mark.
#[track_caller]
fn template(old: &str, new: &str, mark: &str, resource: &str, message: &str) {
    let text = with(TEMPLATE, old, new);
    expect(&findings(&text, PLANS, &[]), "template.yaml", line_of(&text, mark), resource, message);
}

/// The same with the plans.
#[track_caller]
fn plans(old: &str, new: &str, mark: &str, resource: &str, message: &str) {
    let text = with(PLANS, old, new);
    expect(&findings(TEMPLATE, &text, &[]), "plans.yaml", line_of(&text, mark), resource, message);
}

#[track_caller]
fn expect(found: &[stack_template::Finding], file: &str, line: usize, resource: &str, message: &str) {
    let listed: Vec<_> = found.iter().map(ToString::to_string).collect();
    let right = |finding: &stack_template::Finding| {
        (finding.file.as_str(), finding.line, finding.resource.as_str()) == (file, line, resource)
            && finding.message.contains(message)
    };
    assert!(
        found.len() == 1 && right(&found[0]),
        "expected {file}:{line}: {resource}: …{message}…, found {listed:#?}"
    );
}

#[test]
fn the_examples_have_no_findings() {
    assert_eq!(findings(TEMPLATE, PLANS, &[]), []);
}

#[test]
fn text_that_is_no_yaml_is_found() {
    let text = with(TEMPLATE, "      StageName: v1\n", "      StageName: [v1\n");
    assert!(!findings(&text, PLANS, &[]).is_empty());
}

#[test]
fn a_member_that_stands_twice_is_found() {
    template("      StageName: v1\n", "      StageName: v1\n      StageName: v2\n", "v2", "", "duplicated");
}

#[test]
fn a_resource_that_stands_twice_is_found() {
    let text = with(TEMPLATE, "  Faults:\n", "  Things: # twice\n");
    expect(&findings(&text, PLANS, &[]), "template.yaml", line_of(&text, "# twice"), "", "duplicated");
}

#[test]
fn a_misspelt_property_is_found() {
    template(
        "        ApiKeyRequired: true",
        "        ApiKeyRequred: true",
        "ApiKeyRequred",
        "DataApi",
        "ApiKeyRequred",
    );
}

#[test]
fn a_misspelt_property_of_a_function_is_found() {
    template("      Timeout: 5", "      TimeOut: 5", "TimeOut", "Put", "TimeOut");
}

#[test]
fn a_misspelt_property_in_globals_is_found() {
    template(
        "    Handler: bootstrap\n",
        "    Handler: bootstrap\n    Memory: 1\n",
        "Memory: 1",
        "Globals",
        "Memory",
    );
}

#[test]
fn an_unknown_section_of_globals_is_found() {
    template("  Function:\n", "  Functions:\n", "  Functions:", "Globals", "Functions");
}

#[test]
fn an_unknown_type_is_found() {
    template(
        "    Type: AWS::IAM::Role",
        "    Type: AWS::IAM::User",
        "AWS::IAM::User",
        "Reader",
        "AWS::IAM::User",
    );
}

#[test]
fn an_unknown_intrinsic_is_found() {
    template("TableName: things", "TableName: !ImportValue things", "!ImportValue", "Things", "ImportValue");
}

#[test]
fn a_reference_to_nothing_is_found() {
    template("!GetAtt Things.Arn", "!GetAtt Thing.Arn", "Thing.Arn", "Get", "Thing");
}

#[test]
fn an_unknown_attribute_is_found() {
    template("!GetAtt Things.Arn", "!GetAtt Things.Size", "Things.Size", "Get", "Size");
}

#[test]
fn references_in_a_circle_are_found() {
    template("TableName: things", "TableName: !Sub \"${Things}\"", "${Things}", "Things", "circle");
}

#[test]
fn an_unknown_condition_is_found() {
    template(
        "    Condition: Audit\n",
        "    Condition: Audited\n",
        "Condition: Audited",
        "AuditTable",
        "Audited",
    );
}

#[test]
fn a_map_where_a_list_is_due_is_found() {
    template(
        "      Policies:\n        - Version: \"2012-10-17\"\n          Statement:\n            - Effect: Allow",
        "      Policies:\n        Policy:\n          Statement:\n            - Effect: Allow",
        "        Policy:",
        "Get",
        "list",
    );
}

#[test]
fn events_that_are_no_map_are_found() {
    let at = TEMPLATE.find("      Events:\n        Route:\n          Type: Api\n          Properties:\n            RestApiId: !Ref DataApi\n            Method: PUT").expect("the events of Put");
    let text = format!(
        "{}      Events: [Route]\n{}",
        &TEMPLATE[..at],
        &TEMPLATE[TEMPLATE.find("  Things:\n").expect("the table")..]
    );
    expect(&findings(&text, PLANS, &[]), "template.yaml", line_of(&text, "[Route]"), "Put", "map");
}

/// Gives `things-put` one more event.
#[track_caller]
fn event(event: &str, message: &str) {
    let old = "      FunctionName: things-put\n      Timeout: 5\n      Events:\n";
    template(old, &format!("{old}        Clock: {event}\n"), "        Clock:", "Put", message);
}

#[test]
fn a_schedule_that_is_no_rate_is_found() {
    for (schedule, message) in [
        ("cron(0 12 * * ? *)", "is a cron expression"),
        ("rate(5 minute)", "must be like rate(5 minutes)"),
        ("rate(1 minutes)", "must be like rate(5 minutes)"),
        ("rate(0 minutes)", "must be like rate(5 minutes)"),
        ("rate(+5 minutes)", "must be like rate(5 minutes)"),
        ("rate(5 seconds)", "must be like rate(5 minutes)"),
        ("5 minutes", "must be like rate(5 minutes)"),
    ] {
        event(&format!("{{ Type: Schedule, Properties: {{ Schedule: \"{schedule}\" }} }}"), message);
    }
    event("{ Type: Schedule, Properties: { Description: none } }", "Schedule is missing");
    event("{ Type: Schedule }", "Properties is missing");
    event(
        "{ Type: ScheduleV2, Properties: { ScheduleExpression: rate(5 minutes) } }",
        "a Schedule with a rate is",
    );
}

#[test]
fn a_schedules_input_that_is_no_json_and_what_is_not_understood_of_it_is_found() {
    let with = |rest: &str| format!("{{ Type: Schedule, Properties: {{ Schedule: rate(1 day), {rest} }} }}");
    event(&with("Input: \"{\""), "Input must be a text of JSON");
}

#[test]
fn retries_and_ages_of_events_beyond_lambdas_are_found() {
    for (config, message) in [
        ("MaximumRetryAttempts: 3", "from 0 to 2"),
        ("MaximumEventAgeInSeconds: 59", "from 60 to 21600"),
        ("DestinationConfig: {}", "DestinationConfig of"),
    ] {
        let new = format!("      FunctionName: things-put\n      EventInvokeConfig: {{ {config} }}\n");
        template("      FunctionName: things-put\n", &new, "EventInvokeConfig", "Put", message);
    }
}

#[test]
fn an_unknown_method_is_found() {
    template("            Method: PUT", "            Method: PUTT", "PUTT", "Put", "PUTT");
}

#[test]
fn a_path_with_an_unnamed_parameter_is_found() {
    template("/things/{id}/parts", "/things/{}/parts", "/things/{}/parts", "Put", "parameter");
}

#[test]
fn a_greedy_parameter_that_is_not_the_last_is_found() {
    template("/things/{id}/parts", "/things/{id+}/parts", "{id+}", "Put", "greedy");
}

#[test]
fn a_path_without_a_slash_is_found() {
    template("/things/{id}/parts", "things/{id}/parts", "\"things/", "Put", "begin with /");
}

#[test]
fn sibling_parameters_of_two_names_are_found() {
    // API Gateway: "A sibling of this resource already has a variable path part".
    template("/things/{id}/parts", "/things/{thing}/parts", "{thing}", "Put", "{id}");
}

#[test]
fn a_second_function_on_a_route_is_found() {
    let text = with(
        TEMPLATE,
        "            Method: PUT\n            Path: \"/things/{id}/parts\"",
        "            Method: GET\n            Path: \"/things/{id}\" # twice",
    );
    expect(&findings(&text, PLANS, &[]), "template.yaml", line_of(&text, "# twice"), "Put", "things-get");
}

#[test]
fn an_integration_timeout_outside_its_bounds_is_found() {
    template("TimeoutInMillis: 3000", "TimeoutInMillis: 29001", "29001", "Put", "29000");
    template("TimeoutInMillis: 3000", "TimeoutInMillis: 49", "49", "Put", "50");
}

#[test]
fn a_function_timeout_outside_its_bounds_is_found() {
    template("      Timeout: 5", "      Timeout: 0", "Timeout: 0", "Put", "900");
    template("      Timeout: 5", "      Timeout: 901", "901", "Put", "900");
}

#[test]
fn a_name_of_other_characters_is_found() {
    template("FunctionName: things-put", "FunctionName: things/put", "things/put", "Put", "name");
    template("TableName: things", "TableName: th", "TableName: th", "Things", "name");
}

#[test]
fn a_second_table_of_a_name_is_found() {
    let text = with(
        TEMPLATE,
        "    Condition: Audit\n    Properties:\n",
        "    Properties:\n      TableName: things # twice\n",
    );
    expect(
        &findings(&text, PLANS, &[]),
        "template.yaml",
        line_of(&text, "# twice") - 2,
        "AuditTable",
        "things",
    );
}

#[test]
fn an_api_that_is_not_there_is_found() {
    let text = with(
        TEMPLATE,
        "            RestApiId: !Ref DataApi\n            Method: PUT",
        "            RestApiId: DataApi # gone\n            Method: PUT",
    );
    expect(&findings(&text, PLANS, &[]), "template.yaml", line_of(&text, "# gone"), "Put", "API");
}

#[test]
fn an_event_without_an_api_is_found() {
    let text = with(
        TEMPLATE,
        "            RestApiId: !Ref DataApi\n            Method: PUT",
        "            Method: PUT",
    );
    let found = findings(&text, PLANS, &[]);
    assert!(found.iter().any(|finding| finding.message.contains("RestApiId")), "{found:?}");
}

#[test]
fn a_statement_without_effect_action_or_resource_is_found() {
    template(
        "            - Effect: Allow\n              Action: dynamodb:GetItem",
        "            - Action: dynamodb:GetItem",
        "- Action: dynamodb",
        "Get",
        "Effect",
    );
    template("              Action: dynamodb:GetItem\n", "", "            - Effect: Allow", "Get", "Action");
}

#[test]
fn an_effect_that_is_neither_allow_nor_deny_is_found() {
    template("            - Effect: Allow", "            - Effect: allow", "Effect: allow", "Get", "Allow");
}

#[test]
fn a_managed_policy_is_found() {
    template(
        "        - Version: \"2012-10-17\"\n          Statement:\n            - Effect: Allow\n              Action: dynamodb:GetItem\n              Resource: !GetAtt Things.Arn",
        "        - AdministratorAccess",
        "AdministratorAccess",
        "Get",
        "managed",
    );
}

#[test]
fn a_usage_plan_under_auth_is_found() {
    template(
        "        ApiKeyRequired: true",
        "        ApiKeyRequired: true\n        UsagePlan: { CreateUsagePlan: PER_API }",
        "CreateUsagePlan",
        "DataApi",
        "UsagePlan",
    );
}

#[test]
fn an_unknown_parameter_is_found() {
    let found = findings(TEMPLATE, PLANS, &[("Architectur", "arm64")]);
    assert!(found.len() == 1 && found[0].message.contains("Architectur"), "{found:?}");
}

#[test]
fn a_parameter_outside_its_values_is_found() {
    let found = findings(TEMPLATE, PLANS, &[("Architecture", "mips")]);
    expect(&found, "template.yaml", line_of(TEMPLATE, "  Architecture:"), "Architecture", "mips");
}

#[test]
fn a_parameter_that_is_no_number_is_found() {
    let found = findings(TEMPLATE, PLANS, &[("Ttl", "soon")]);
    expect(&found, "template.yaml", line_of(TEMPLATE, "  Ttl:"), "Ttl", "soon");
    let found = findings(TEMPLATE, PLANS, &[("Ttl", "301")]);
    expect(&found, "template.yaml", line_of(TEMPLATE, "  Ttl:"), "Ttl", "301");
}

#[test]
fn a_parameter_that_breaks_its_pattern_is_found() {
    let text = with(TEMPLATE, "Default: \"no\" }", "Default: \"no\", AllowedPattern: \"[a-z]+\" }");
    assert_eq!(findings(&text, PLANS, &[]), []);
    assert_eq!(findings(&text, PLANS, &[("Audited", "NO")]).len(), 1);
}

#[test]
fn a_throttle_for_a_route_that_is_not_there_is_found_with_the_nearest() {
    plans(
        "\"/things/{id}/GET\"",
        "\"/thing/{id}/GET\"",
        "/thing/{id}/GET",
        "FreePlan",
        "did you mean /things/{id}/GET",
    );
}

#[test]
fn a_method_throttle_without_a_plan_throttle_is_found() {
    let text = with(PLANS, "      Throttle: { RateLimit: 5, BurstLimit: 10 }\n", "");
    expect(
        &findings(TEMPLATE, &text, &[]),
        "plans.yaml",
        line_of(&text, "/things/{id}/GET"),
        "FreePlan",
        "plan itself",
    );
}

#[test]
fn more_than_twenty_method_throttles_are_found() {
    let rows = (0..20).fold(String::new(), |rows, n| {
        rows + &format!("            \"/things/{{id}}/GET{n}\": {{ RateLimit: 1, BurstLimit: 1 }}\n")
    });
    let text = format!("{PLANS}{rows}");
    let found = findings(TEMPLATE, &text, &[]);
    assert!(
        found
            .iter()
            .any(|finding| finding.message.contains("21 method throttles") && finding.resource == "FreePlan"),
        "{found:?}"
    );
}

#[test]
fn a_plan_for_an_unknown_stage_is_found() {
    plans("          Stage: !Ref Stage", "          Stage: v2", "ApiId: !Ref ApiId", "FreePlan", "v2");
}

#[test]
fn a_plan_for_an_unknown_api_is_found() {
    plans("        - ApiId: !Ref ApiId", "        - ApiId: elsewhere", "elsewhere", "FreePlan", "elsewhere");
}

#[test]
fn a_rate_or_burst_that_is_no_number_of_requests_is_found() {
    plans("RateLimit: 5,", "RateLimit: -5,", "-5", "FreePlan", "RateLimit");
    plans("RateLimit: 5,", "RateLimit: many,", "many", "FreePlan", "RateLimit");
    plans("BurstLimit: 10", "BurstLimit: 1.5", "1.5", "FreePlan", "BurstLimit");
    plans("RateLimit: 0.5,", "RateLimit: .inf,", ".inf", "FreePlan", "RateLimit");
}

#[test]
fn a_misspelt_member_of_a_plan_is_found() {
    plans("      Quota: {", "      Quotas: {", "Quotas", "FreePlan", "Quotas");
    plans("Period: MONTH", "Period: YEAR", "YEAR", "FreePlan", "MONTH");
}

#[test]
fn a_stage_throttle_for_no_route_is_found() {
    let settings = |row: &str| format!("      StageName: v1\n      MethodSettings:\n        - {{ {row} }}\n");
    for (path, method) in [("/~1thingz", "GET"), ("/~1things~1{id}", "PATCH")] {
        let limits = "ThrottlingRateLimit: 1, ThrottlingBurstLimit: 2";
        let row = format!("ResourcePath: \"{path}\", HttpMethod: {method}, {limits}");
        template(
            "      StageName: v1\n",
            &settings(&row),
            "ThrottlingRateLimit",
            "DataApi",
            "there is no route",
        );
    }
}

#[test]
fn a_stage_of_the_plans_file_that_the_api_lacks_is_found() {
    plans(
        "Stage: { Type: String, Default: v1 }",
        "Stage: { Type: String, Default: v2 }",
        "ApiId: !Ref ApiId",
        "FreePlan",
        "stage v2",
    );
}

#[test]
fn an_offset_that_api_gateway_refuses_is_found() {
    plans("Period: MONTH", "Period: MONTH, Offset: 28", "Offset", "FreePlan", "at most 27");
    plans("Period: MONTH", "Period: WEEK, Offset: 7", "Offset", "FreePlan", "at most 6");
    plans("Period: MONTH", "Period: DAY, Offset: 1", "Offset", "FreePlan", "at most 0");
}

#[test]
fn findings_of_both_files_come_together_in_order() {
    let template =
        with(&with(TEMPLATE, "      Timeout: 5", "      Timeout: 0"), "TableName: things", "TableName: th");
    let plans = with(PLANS, "RateLimit: 5,", "RateLimit: -5,");
    let found = findings(&template, &plans, &[]);
    let places: Vec<_> =
        found.iter().map(|finding| (finding.file.as_str(), finding.resource.as_str())).collect();
    assert_eq!(places, [("template.yaml", "Put"), ("template.yaml", "Things"), ("plans.yaml", "FreePlan")]);
}

#[test]
fn two_findings_of_one_resource_come_together() {
    let text = with(
        &with(TEMPLATE, "      Timeout: 5", "      Timeout: !ImportValue a"),
        "            Method: PUT",
        "            Method: !ImportValue b",
    );
    assert_eq!(findings(&text, PLANS, &[]).len(), 2);
}

#[test]
fn a_second_kind_of_transform_is_found() {
    template(
        "Transform: AWS::Serverless-2016-10-31",
        "Transform: [AWS::Serverless-2016-10-31, Macro]",
        "Macro",
        "Transform",
        "Transform",
    );
}

#[test]
fn a_reference_within_what_is_ignored_must_lead_somewhere() {
    template(
        "Properties: { MetricName: 5XXError }",
        "Properties: { MetricName: !Ref Nothing }",
        "Nothing",
        "Faults",
        "Nothing",
    );
}

#[test]
fn a_dependency_on_nothing_is_found() {
    template("  Faults:\n", "  Faults:\n    DependsOn: Nothing\n", "DependsOn", "Faults", "Nothing");
}

#[test]
fn a_function_without_a_runtime_for_binaries_is_found() {
    template(
        "    Runtime: provided.al2023",
        "    Runtime: python3.13",
        "python3.13",
        "Globals",
        "python3.13",
    );
}

#[test]
fn a_signature_without_an_invoke_role_of_none_is_found() {
    template(
        "        ApiKeyRequired: true",
        "        DefaultAuthorizer: AWS_IAM",
        "AWS_IAM",
        "DataApi",
        "InvokeRole",
    );
}
