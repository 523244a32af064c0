//! The files of this repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use iam_policy::{Context, Named, Principal, Request, evaluate_trust};
use serde_json::Value;
use stack_template::{Authorization, Inputs, Role, Stack, read};

fn stack() -> Stack {
    stack_in("application")
}

/// The stack in an isolation mode.
fn stack_in(mode: &str) -> Stack {
    let infra = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra");
    let inputs = Inputs {
        template: infra.join("template.yaml"),
        usage_plans: infra.join("usage-plans.yaml"),
        account_id: "123456789012".to_owned(),
        region: "eu-central-1".to_owned(),
        stack_name: "tenantry".to_owned(),
        parameters: BTreeMap::from([("IsolationMode".to_owned(), mode.to_owned())]),
    };
    read(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}

#[test]
fn the_routes_are_those_of_the_design() {
    let stack = stack();
    let routes: Vec<_> = stack
        .apis
        .iter()
        .flat_map(|api| &api.routes)
        .map(|route| (route.method.as_str(), route.path.as_str(), route.function.as_str()))
        .collect();
    assert_eq!(
        routes,
        [
            ("GET", "/tenant", "tenant-get"),
            ("GET", "/usage", "usage-get"),
            ("POST", "/records/{collection}", "records-create"),
            ("GET", "/records/{collection}", "records-list"),
            ("GET", "/records/{collection}/{id}", "records-get"),
            ("PUT", "/records/{collection}/{id}", "records-put"),
            ("DELETE", "/records/{collection}/{id}", "records-delete"),
            ("POST", "/credentials", "credentials-create"),
            ("GET", "/checkpoints", "checkpoints-list"),
            ("GET", "/checkpoints/{name}", "checkpoints-get"),
            ("PUT", "/checkpoints/{name}", "checkpoints-put"),
            ("DELETE", "/checkpoints/{name}", "checkpoints-delete"),
            ("POST", "/files", "files-create"),
            ("GET", "/files", "files-list"),
            ("GET", "/files/{name+}", "files-get"),
            ("PUT", "/files/{name+}", "files-complete"),
            ("DELETE", "/files/{name+}", "files-delete"),
            ("POST", "/tenants", "admin-tenants-create"),
            ("GET", "/tenants/{tenant_id}", "admin-tenants-get"),
            ("GET", "/tenants", "admin-tenants-list"),
            ("PATCH", "/tenants/{tenant_id}", "admin-tenants-update"),
            ("DELETE", "/tenants/{tenant_id}", "admin-tenants-delete"),
            ("POST", "/tenants/{tenant_id}/move", "admin-tenants-move"),
            ("POST", "/tenants/{tenant_id}/import", "admin-tenants-import"),
            ("GET", "/tenants/{tenant_id}/keys", "admin-keys-list"),
            ("POST", "/tenants/{tenant_id}/keys", "admin-keys-create"),
            ("DELETE", "/tenants/{tenant_id}/keys/{api_key_id}", "admin-keys-delete"),
            ("GET", "/tenants/{tenant_id}/usage", "admin-usage-get"),
            ("GET", "/usage", "admin-usage-list"),
            ("POST", "/tenants/{tenant_id}/usage/grants", "admin-usage-grant"),
        ]
    );
}

#[test]
fn the_data_api_takes_keys_and_the_control_api_signatures() {
    let stack = stack();
    let [data, control] = stack.apis.as_slice() else { panic!("two APIs") };
    let open = |route: &&stack_template::Route| {
        !route.api_key_required || route.authorization != Authorization::None
    };
    assert_eq!(data.routes.iter().find(open), None);
    let unsigned = |route: &&stack_template::Route| {
        route.api_key_required || route.authorization != Authorization::AwsIam
    };
    assert_eq!(control.routes.iter().find(unsigned), None);
    assert_eq!((data.stage.as_str(), control.stage.as_str()), ("v1", "v1"));
}

#[test]
fn every_plan_has_a_row_for_every_route_within_its_own_limits() {
    let stack = stack();
    let names: Vec<_> = stack.plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["tenantry-free", "tenantry-standard", "tenantry-premium"]);
    let routes: BTreeSet<_> = stack.apis[0].routes.iter().map(|route| (&route.path, &route.method)).collect();
    for plan in &stack.plans {
        let [stage] = plan.stages.as_slice() else { panic!("{} has one stage", plan.name) };
        let own = plan.throttle.expect("a plan with method throttles has its own");
        let rows: BTreeSet<_> = stage.routes.iter().map(|row| (&row.path, &row.method)).collect();
        assert_eq!(rows, routes, "{}", plan.name);
        for row in &stage.routes {
            let within = row.throttle.rate <= own.rate && row.throttle.burst <= own.burst;
            assert!(within, "{}: {} {}", plan.name, row.method, row.path);
        }
    }
}

#[test]
fn no_tables_name_begins_like_a_silos() {
    let stack = stack();
    assert!(stack.tables.iter().all(|table| !table.name.starts_with("tenantry-silo-")));
    assert!(stack.buckets.iter().all(|bucket| !bucket.name.starts_with("tenantry-silo-")));
}

#[test]
fn no_role_may_scan_and_none_has_a_wildcard_action() {
    for role in stack().roles.into_iter().chain(stack_in("session").roles) {
        for Named { name, policy } in &role.policies {
            let document = policy.to_json();
            for statement in document["Statement"].as_array().expect("statements in a list") {
                for action in texts(&statement["Action"]) {
                    let wide =
                        action.contains('*') || action.contains("PartiQL") || action == "dynamodb:Scan";
                    assert!(!wide, "{}/{name}: {action}", role.name);
                }
                // The list of the caller's own buckets is of no resource.
                let is_list = texts(&statement["Action"]) == ["s3:ListAllMyBuckets"];
                let is_all = texts(&statement["Resource"]).contains(&"*");
                assert!(!is_all || is_list, "{}/{name}", role.name);
            }
        }
    }
}

#[test]
fn every_statement_of_the_tenants_roles_tests_every_tag() {
    for name in ["tenantry-tenant-access", "tenantry-tenant-function"] {
        let stack = stack_in("session");
        let role = stack.roles.iter().find(|role| role.name == name).expect("a role for tenants");
        tests_every_tag(role);
    }
}

fn tests_every_tag(role: &Role) {
    for Named { policy, .. } in &role.policies {
        let document = policy.to_json();
        assert_eq!(document["Version"], "2012-10-17", "variables need it");
        for statement in document["Statement"].as_array().expect("statements in a list") {
            let condition = &statement["Condition"];
            for tag in ["tenant-id", "api-key-id"] {
                assert_eq!(
                    condition["Null"][format!("aws:PrincipalTag/{tag}")],
                    "false",
                    "{}",
                    statement["Sid"]
                );
            }
            assert!(
                condition["StringEquals"]["aws:PrincipalTag/isolation"] != Value::Null,
                "{}",
                statement["Sid"]
            );
            let dynamodb = texts(&statement["Action"]).iter().any(|action| action.starts_with("dynamodb:"));
            if dynamodb {
                assert_eq!(condition["Null"]["dynamodb:LeadingKeys"], "false", "{}", statement["Sid"]);
            } else {
                assert_eq!(
                    condition["StringEquals"]["s3:ResourceAccount"], "123456789012",
                    "{}",
                    statement["Sid"]
                );
            }
        }
    }
}

/// What the trust policies of the tenants' roles say of a function that passes tags.
fn trusts(role: &Role, function: &str, tags: &[(&str, &str)]) -> bool {
    let arn = format!("arn:aws:iam::123456789012:role/tenantry-{function}Role");
    let principal = Principal { arn: &arn, session_arn: None, account_id: "123456789012" };
    let mut context = Context::open();
    context.set("aws:PrincipalArn", &arn);
    context.set_all("aws:TagKeys", tags.iter().map(|(key, _)| (*key).to_owned()).collect());
    for (key, value) in tags {
        context.set(&format!("aws:RequestTag/{key}"), *value);
    }
    let trust = Named { name: role.name.clone(), policy: role.trust.clone() };
    ["sts:AssumeRole", "sts:TagSession"].into_iter().all(|action| {
        let request = Request { action, resource: &role.arn, context: &context };
        evaluate_trust(&trust, &principal, &request).verdict.is_allowed()
    })
}

#[test]
fn the_tenants_roles_are_assumed_by_their_functions_with_exactly_the_three_tags() {
    let stack = stack_in("session");
    let good = [("tenant-id", "acme"), ("api-key-id", "k1"), ("isolation", "pooled")];
    for (name, function, other) in [
        ("tenantry-tenant-access", "CredentialsCreate", "RecordsGet"),
        ("tenantry-tenant-function", "RecordsGet", "TenantGet"),
    ] {
        let role = stack.roles.iter().find(|role| role.name == name).expect("a role for tenants");
        assert!(trusts(role, function, &good), "{name}");
        assert!(!trusts(role, other, &good), "{name}: {other}");
        assert!(!trusts(role, "AdminTenantsCreate", &good), "{name}");
        for index in 0..good.len() {
            let mut missing = good.to_vec();
            missing.remove(index);
            assert!(!trusts(role, function, &missing), "{name}: {missing:?}");
            let mut empty = good;
            empty[index].1 = "";
            assert!(!trusts(role, function, &empty), "{name}: {empty:?}");
        }
        let [tenant, key, _] = good;
        for isolation in ["", "none", "Pooled"] {
            assert!(!trusts(role, function, &[tenant, key, ("isolation", isolation)]), "{name}: {isolation}");
        }
        let extra = [&good[..], &[("color", "red")]].concat();
        assert!(!trusts(role, function, &extra), "{name}: {extra:?}");
        assert!(!trusts(role, function, &[]), "{name}");
    }
}

#[test]
fn in_session_mode_functions_hold_no_grant_on_tenants_data_but_may_assume_the_role_for_it() {
    let stack = stack_in("session");
    let tenant = stack.roles.iter().find(|role| role.name == "tenantry-tenant-function").expect("the role");
    let trust = tenant.trust.to_json();
    let trusted = texts(&trust["Statement"][0]["Condition"]["ArnLike"]["aws:PrincipalArn"]);
    let mut assuming = BTreeSet::new();
    // The control plane's own functions act for no tenant.
    let routes = stack.apis.iter().flat_map(|api| &api.routes).filter(|route| route.api_key_required);
    let of_tenants: BTreeSet<_> = routes.map(|route| route.function.as_str()).collect();
    for function in stack.functions.iter().filter(|function| of_tenants.contains(function.name.as_str())) {
        let role = stack.roles.iter().find(|role| role.name == function.role).expect("the function's role");
        for Named { policy, .. } in &role.policies {
            for statement in policy.statements() {
                let resources = statement.resources().unwrap_or_default();
                for table in ["records", "checkpoints", "idempotency"] {
                    let reaches = resources.iter().any(|resource| resource.ends_with(table));
                    assert!(!reaches, "{} reaches {resources:?}", function.name);
                }
                let actions = statement.actions().unwrap_or_default();
                assert!(!actions.iter().any(|action| action.starts_with("s3:")), "{}", function.name);
                if resources.contains(&tenant.arn) {
                    assuming.insert(format!("{}*", role.arn));
                }
            }
        }
    }
    let trusted: BTreeSet<_> = trusted.into_iter().map(ToOwned::to_owned).collect();
    assert_eq!(trusted, assuming);
    assert!(stack_in("application").roles.iter().all(|role| role.name != tenant.name));
}

#[test]
fn no_function_reaches_a_bucket_of_another_account() {
    // The names of silos' buckets are global: somebody else could have one of them.
    let stack = stack();
    let mut reaching = 0;
    for role in &stack.roles {
        for Named { policy, .. } in &role.policies {
            let document = policy.to_json();
            for statement in document["Statement"].as_array().expect("statements in a list") {
                // A bucket that is made is the caller's, and so are those of the list.
                let own = ["s3:CreateBucket", "s3:ListAllMyBuckets"];
                let reaches = |action: &str| action.starts_with("s3:") && !own.contains(&action);
                if texts(&statement["Action"]).into_iter().any(reaches) {
                    let account = &statement["Condition"]["StringEquals"]["s3:ResourceAccount"];
                    assert_eq!(*account, "123456789012", "{}: {statement}", role.name);
                    reaching += 1;
                }
            }
        }
    }
    assert!(reaching >= 5, "{reaching}");
}

#[test]
fn every_tier_has_a_largest_file() {
    let stack = stack();
    let create =
        stack.functions.iter().find(|function| function.name == "files-create").expect("files-create");
    let limits = create.environment["FILE_SIZE_LIMITS"].split(' ').filter_map(|limit| limit.split_once('='));
    let limited: BTreeSet<_> = limits.map(|(tier, _)| format!("tenantry-{tier}")).collect();
    let plans: BTreeSet<_> = stack.plans.iter().map(|plan| plan.name.clone()).collect();
    assert_eq!(limited, plans);
}

#[test]
fn pages_of_any_origin_may_use_presigned_urls_unless_origins_are_named() {
    let stack = stack();
    let [bucket, exports] = stack.buckets.as_slice() else { panic!("two buckets") };
    assert!(exports.cors.is_empty(), "no page has any business with exports");
    let [rule] = bucket.cors.as_slice() else { panic!("one rule") };
    assert_eq!(rule.allowed_methods, ["GET", "PUT", "HEAD"]);
    assert_eq!(rule.allowed_origins, ["*"]);
    assert!(rule.expose_headers.iter().any(|name| name == "ETag"), "parts are completed with it");
}

#[test]
fn the_gateways_own_answers_are_problems() {
    for api in stack().apis {
        for (kind, response) in &api.gateway_responses {
            assert_eq!(response.headers["Content-Type"], "application/problem+json", "{kind}");
            let template =
                response.templates["application/json"].replace("$context.error.messageString", "\"m\"");
            let problem: Value =
                serde_json::from_str(&template).unwrap_or_else(|error| panic!("{kind}: {error}"));
            let members: BTreeSet<_> =
                problem.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(members, BTreeSet::from(["detail", "instance", "status", "title", "type"]), "{kind}");
            if let Some(status) = response.status {
                assert_eq!(problem["status"], status, "{kind}");
            }
        }
    }
}
