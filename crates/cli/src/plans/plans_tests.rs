use stack_template::{Sources, read_sources};

use super::*;

const TEMPLATE: &str = include_str!("../../../../infra/template.yaml");
const PLANS: &str = include_str!("../../../../infra/usage-plans.yaml");

/// The project's files with an edit of the plans; it must change something.
fn edited(from: &str, to: &str) -> Stack {
    assert!(from.is_empty() || PLANS.contains(from), "{from}");
    let text = if from.is_empty() { PLANS.to_owned() } else { PLANS.replacen(from, to, 1) };
    let inputs = Inputs {
        template: "template.yaml".into(),
        usage_plans: "usage-plans.yaml".into(),
        account_id: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        stack_name: "tenantry".to_owned(),
        parameters: BTreeMap::new(),
    };
    read_sources(&inputs, Sources { template: TEMPLATE, usage_plans: &text }).unwrap()
}

fn plans(stack: &Stack) -> Vec<Plan> {
    stack.plans.iter().map(|plan| Plan::of_file(plan, None)).collect()
}

/// Each difference as a person sees it.
fn rows(file: &[Plan], in_force: &[Plan]) -> Vec<String> {
    differences(file, in_force).iter().map(|difference| difference.cells().join(" | ")).collect()
}

#[test]
fn the_projects_own_plans_have_no_mistakes_and_differ_from_nothing() {
    let stack = edited("", "");
    assert_eq!(mistakes(&stack), Vec::<String>::new());
    let found = differences(&plans(&stack), &plans(&stack));
    assert!(found.is_empty(), "{found:?}");
    let said = diff(&found);
    assert_eq!((said.outcome, said.json["seconds_to_apply"].as_u64()), (Outcome::Done, Some(0)));
}

#[test]
fn two_plans_of_one_name_are_refused_with_their_ids() {
    let wire = |plans: serde_json::Value| serde_json::from_value::<Vec<WirePlan>>(plans).unwrap();
    let one = json!({ "id": "p1", "name": "tenantry-free", "apiStages": null });
    let other = json!({ "id": "p2", "name": "tenantry-free", "apiStages": [] });
    assert_eq!(by_name(wire(json!([one]))).unwrap().len(), 1);
    let refused = by_name(wire(json!([one, other]))).unwrap_err().to_string();
    assert!(refused.contains("p1 and p2"), "{refused}");
}

#[test]
fn a_plan_that_is_not_there_is_refused_with_those_that_are() {
    let refused = |plans: &[Plan]| show(plans, Some("gold")).err().unwrap().to_string();
    let all = "no plan tenantry-gold is in force; those that are: tenantry-free, tenantry-standard, tenantry-premium";
    assert_eq!(refused(&plans(&edited("", ""))), all);
    assert_eq!(refused(&[]), "no plan tenantry-gold is in force; those that are: none");
}

#[test]
fn a_file_that_cannot_be_opened_is_no_mistake_in_it() {
    let files = |usage_plans: &str| PlanFiles {
        template: concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/template.yaml").into(),
        usage_plans: usage_plans.into(),
    };
    let refused = are_there(&files("/nonexistent/plans.yaml")).unwrap_err();
    assert!(matches!(&refused, Failure::Usage(text) if text.contains("give --template")), "{refused}");
    are_there(&files(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/usage-plans.yaml"))).unwrap();
}

#[test]
fn each_edit_is_a_row_with_both_values() {
    let now = plans(&edited("", ""));
    for (from, to, expected) in [
        (
            "Throttle: { RateLimit: 5, BurstLimit: 10 }",
            "Throttle: { RateLimit: 7.5, BurstLimit: 10 }",
            "tenantry-free | limit | 7.5/s, burst 10 | 5/s, burst 10",
        ),
        (
            "Quota: { Limit: 10000, Period: MONTH }",
            "Quota: { Limit: 500, Period: DAY }",
            "tenantry-free | quota | 500 a day | 10000 a month",
        ),
        (
            "Quota: { Limit: 10000, Period: MONTH }",
            "Quota: { Limit: 10000, Period: MONTH, Offset: 3 }",
            "tenantry-free | quota | 10000 a month, offset 3 | 10000 a month",
        ),
        (
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }",
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 5 }",
            "tenantry-free | POST /files | 2/s, burst 5 | 2/s, burst 4",
        ),
        (
            "            \"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }\n",
            "",
            "tenantry-free | POST /files | none | 2/s, burst 4",
        ),
    ] {
        assert_eq!(rows(&plans(&edited(from, to)), &now), [expected], "{to}");
    }
}

#[test]
fn plans_that_only_one_side_has_are_said_and_only_the_files_own_take_time() {
    let all = plans(&edited("", ""));
    let (free, rest) = all.split_first().unwrap();
    let missing = differences(&all, rest);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(diff(&missing).json["seconds_to_apply"], 20);
    let foreign = differences(rest, &all);
    assert_eq!(rows(rest, &all), ["tenantry-free | plan | none | there"]);
    let said = diff(&foreign);
    assert_eq!((said.outcome, said.json["seconds_to_apply"].as_u64()), (Outcome::Different, Some(0)));
    assert!(said.text.contains("stays"), "{}", said.text);
    let closed = Plan { stages: BTreeMap::new(), ..free.clone() };
    let found = rows(std::slice::from_ref(free), &[closed]);
    assert!(found[0].contains(" | stage ") && found[0].ends_with(" | open | none"), "{found:?}");
    assert_eq!(found.len(), 18, "{found:?}");
}

#[test]
fn a_difference_of_every_plan_takes_twenty_seconds_for_each() {
    let all = plans(&edited("", ""));
    let said = diff(&differences(&all, &[]));
    assert_eq!(
        (said.json["plans_to_apply"].as_u64(), said.json["seconds_to_apply"].as_u64()),
        (Some(3), Some(60))
    );
    assert!(said.text.contains("about 60 s"), "{}", said.text);
}

#[test]
fn the_data_apis_id_on_aws_stands_in_place_of_the_local_one() {
    let stack = edited("", "");
    let plan = Plan::of_file(&stack.plans[0], Some("a1b2c3"));
    let ids: Vec<_> = plan.stages.keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["a1b2c3/v1"]);
}

#[test]
fn mistakes_that_aws_would_take_are_found() {
    for (from, to, expected) in [
        (
            "            \"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }\n",
            "",
            "/files/POST has no row",
        ),
        (
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }",
            "\"/files/POST\":                       { RateLimit: 6, BurstLimit: 4 }",
            "/files/POST has the rate 6",
        ),
        (
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }",
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 11 }",
            "/files/POST has the burst 11",
        ),
        (
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 4 }",
            "\"/files/POST\":                       { RateLimit: 2, BurstLimit: 0 }",
            "/files/POST refuses every request",
        ),
        ("Limit: 10000,", "Limit: 3000000000,", "the quota is 3000000000"),
        ("UsagePlanName: tenantry-free", "UsagePlanName: free", "a plan's name is tenantry-"),
    ] {
        let found = mistakes(&edited(from, to));
        assert!(found.len() == 1 && found[0].contains(expected), "{to}: {found:?}");
    }
    let said = check(&["a".to_owned(), "b".to_owned()]);
    assert_eq!((said.text.as_str(), said.outcome), ("a\nb\n2 mistakes.\n", Outcome::Mistaken));
    assert_eq!(check(&[]).outcome, Outcome::Done);
}

#[test]
fn plans_are_read_as_api_gateway_writes_them() {
    let wire = r#"{"item":[{"id":"p1","name":"tenantry-free","description":"d",
        "throttle":{"rateLimit":5.0,"burstLimit":10},"quota":{"limit":10000,"offset":0,"period":"MONTH"},
        "apiStages":[{"apiId":"a1","stage":"v1","throttle":{"/tenant/GET":{"rateLimit":0.5,"burstLimit":4},
            "//GET":{"rateLimit":1.0,"burstLimit":1}}}]},
        {"id":"p2","name":"tenantry-premium","apiStages":[{"apiId":"a1","stage":"v1"}]}],"position":"p2"}"#;
    let page: Page = serde_json::from_str(wire).unwrap();
    assert_eq!(page.position.as_deref(), Some("p2"));
    let plans: Vec<_> = page.item.into_iter().flatten().map(Plan::from).collect();
    let all = show(&plans, None).unwrap().text;
    assert_eq!(
        all,
        "PLAN              LIMIT          QUOTA          ROUTES\n\
         tenantry-free     5/s, burst 10  10000 a month  2\n\
         tenantry-premium  none           none           0\n"
    );
    for tier in ["free", "tenantry-free"] {
        let one = show(&plans, Some(tier)).unwrap().text;
        assert_eq!(
            one,
            "ROUTE        LIMIT           QUOTA\n\
             (the plan)   5/s, burst 10   10000 a month\n\
             GET /        1/s, burst 1    -\n\
             GET /tenant  0.5/s, burst 4  -\n"
        );
    }
    assert!(matches!(show(&plans, Some("gold")), Err(Failure::Refused { .. })));
}
