//! What AWS documents as quotas of API Gateway, as far as it can be tried.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::error::{ProvideErrorMetadata, SdkError};
use serde_json::json;
use stack_template::{Inputs, Sources, read_sources};

use super::check::{expect, expect_eq, expect_status, failed, refusal};
use super::{Case, Check, Run, Tag, Target};
use crate::Stack;

pub(super) const SECTION: &str = "Limits to design for";

/// Plans that a key can be in.
const MAX_PLANS: usize = 10;
/// Method limits that a plan takes for a stage.
const MAX_ROWS: usize = 20;
/// Management calls after which there must have been a refusal.
const ENOUGH: usize = 100;

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Documented, "A plan takes 20 method limits for a stage and no more", |_| {
            Box::pin(std::future::ready(rows()))
        })
        .local("a template is read, and nothing is asked of an API"),
        case(Tag::Documented, "Headers of 9,000 bytes are taken", |t| Box::pin(large_headers(t))),
        case(Tag::Documented, "Headers of more than 10,240 bytes are refused", |t| {
            Box::pin(too_large_headers(t))
        }),
        case(Tag::Documented, "The account's limit is told as 10,000 a second and 5,000 at once", |t| {
            Box::pin(account(t))
        })
        .local("AWS tells an account's limit elsewhere, and may have raised it"),
        case(Tag::Documented, "A key can be in ten plans and no more", |_| Box::pin(plans_of_a_key()))
            .local("eleven plans would have to be deployed for it"),
        case(
            Tag::Documented,
            "Management calls are taken 10 a second, 40 at once, CreateApiKey and DeleteApiKey 5 a second",
            |_| Box::pin(management_rates()),
        )
        .local("they are behind a switch, and would hinder every other case"),
    ]
}

/// What the template reader finds wrong with a plan that limits so many methods.
pub(super) fn findings(rows: usize, with_throttle: bool) -> Vec<String> {
    let mut template = String::from(
        "AWSTemplateFormatVersion: \"2010-09-09\"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Auth: { ApiKeyRequired: true }
  Get:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: get
      Events:
",
    );
    let mut plans = String::from(
        "Parameters:
  ApiId: { Type: String }
  Stage: { Type: String, Default: v1 }
Resources:
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      UsagePlanName: plan
",
    );
    if with_throttle {
        plans.push_str("      Throttle: { RateLimit: 1, BurstLimit: 1 }\n");
    }
    plans.push_str(
        "      ApiStages:
        - ApiId: !Ref ApiId
          Stage: !Ref Stage
          Throttle:
",
    );
    for row in 0..rows {
        let properties = format!("{{ RestApiId: !Ref Api, Method: GET, Path: /r{row} }}");
        // Writing to a text cannot fail.
        let _ = writeln!(template, "        R{row}: {{ Type: Api, Properties: {properties} }}");
        let _ = writeln!(plans, "            \"/r{row}/GET\": {{ RateLimit: 1, BurstLimit: 1 }}");
    }
    let inputs = Inputs {
        template: PathBuf::from("template.yaml"),
        usage_plans: PathBuf::from("usage-plans.yaml"),
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        stack_name: "conformance".to_owned(),
        parameters: BTreeMap::new(),
    };
    let read = read_sources(&inputs, Sources { template: &template, usage_plans: &plans });
    let findings = read.err().map(|error| error.findings).unwrap_or_default();
    findings.iter().map(ToString::to_string).collect()
}

fn rows() -> Check {
    expect_eq("the findings with 20", &findings(MAX_ROWS, true), &Vec::<String>::new())?;
    let refused = findings(MAX_ROWS + 1, true);
    let told = refused.iter().any(|finding| finding.contains("at most 20"));
    expect(told, || format!("the findings with 21 are {refused:?}"))
}

async fn large_headers(target: &Target) -> Check {
    let value = "x".repeat(3_000);
    let headers = [("x-one", value.as_str()), ("x-two", value.as_str()), ("x-three", value.as_str())];
    let event = target.event(target.open().await?, "GET", "/fixture/echo", &headers, "").await?;
    for (name, value) in headers {
        expect_eq(name, &event["headers"][name], value)?;
    }
    Ok(())
}

async fn too_large_headers(target: &Target) -> Check {
    let value = "x".repeat(3_500);
    let headers = [("x-one", value.as_str()), ("x-two", value.as_str()), ("x-three", value.as_str())];
    // AWS documents the limit and not what is answered beyond it.
    if let Some(answer) = target.call_too_large("GET", "/fixture/echo", &headers, "").await? {
        let status = answer.status;
        expect((400..500).contains(&status), || format!("10,500 bytes are answered {status}"))?;
    }
    target.still_answers().await
}

async fn account(target: &Target) -> Check {
    let limits = target.limits(target.open().await?).await?;
    let limits = limits["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let account =
        limits.iter().find(|limit| limit["limit"] == "account").ok_or("there is no account's limit")?;
    expect_eq("its rate", &account["rate"].as_f64(), &Some(10_000.0))?;
    expect_eq("its burst", &account["burst"], &json!(5_000))
}

/// On a stack of its own, whose plans open no stage.
async fn plans_of_a_key() -> Check {
    let plans = (0..=MAX_PLANS).fold("Resources:\n".to_owned(), |mut plans, plan| {
        let properties = format!("{{ UsagePlanName: plan-{plan} }}");
        // Writing to a text cannot fail.
        let _ =
            writeln!(plans, "  P{plan}: {{ Type: AWS::ApiGateway::UsagePlan, Properties: {properties} }}");
        plans
    });
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("usage-plans.yaml");
    std::fs::write(&file, plans).map_err(|error| error.to_string())?;
    let stack = Stack::fixture_with(|options| options.usage_plans = file).await;
    let client = stack.api_gateway();
    let key = client.create_api_key().send().await.map_err(|error| failed("CreateApiKey", &error))?;
    let plans = client.get_usage_plans().send().await.map_err(|error| failed("GetUsagePlans", &error))?;
    expect_eq("the plans that there are", &plans.items().len(), &(MAX_PLANS + 1))?;
    let mut joined = 0;
    for plan in plans.items() {
        let put = client.create_usage_plan_key().usage_plan_id(plan.id().unwrap_or_default());
        let put = put.key_id(key.id().unwrap_or_default()).key_type("API_KEY");
        joined += usize::from(put.send().await.is_ok());
    }
    expect_eq("the plans that took the key", &joined, &MAX_PLANS)
}

/// On a stack of its own, whose clock stands still unless it is moved. That as many keys can be made or
/// deleted at once as in a second is assumed; AWS says nothing of it.
async fn management_rates() -> Check {
    let stack = Stack::fixture_with(|options| {
        options.management_rates = true;
        options.time = "fixed:2026-11-24T12:00:00Z".parse().expect("a time");
    })
    .await;
    let aws = stack.aws();
    let config = aws.config().to_builder().retry_config(RetryConfig::disabled()).build();
    let client = Client::new(&config);

    let mut ids = created(&client).await?;
    expect_eq("the keys that were made", &ids.len(), &5_usize)?;
    // The creations have taken their part of all calls.
    expect_eq("the lists beside them", &listed(&client).await?, &35_usize)?;

    a_second_later(&stack).await?;
    let more = created(&client).await?;
    expect_eq("the keys that were made a second later", &more.len(), &5_usize)?;
    expect_eq("the lists beside them", &listed(&client).await?, &5_usize)?;
    ids.extend(more);

    a_second_later(&stack).await?;
    expect_eq("the keys that were deleted", &deleted(&client, &ids).await?, &5_usize)?;
    expect_eq("the lists beside them", &listed(&client).await?, &5_usize)
}

async fn a_second_later(stack: &Stack) -> Check {
    let answer = stack.local("POST", "clock", r#"{"advance": "1s"}"#).await;
    expect_status("a move of the clock", &answer, 200)
}

/// Makes keys until that is refused, and answers their ids.
async fn created(client: &Client) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    loop {
        match client.create_api_key().send().await {
            Ok(key) if ids.len() < ENOUGH => ids.extend(key.id),
            done => return refused_for_its_rate("CreateApiKey", done).map(|()| ids),
        }
    }
}

/// Deletes keys until that is refused, and answers how many are gone.
async fn deleted(client: &Client, ids: &[String]) -> Result<usize, String> {
    for (count, id) in ids.iter().enumerate() {
        let done = client.delete_api_key().api_key(id).send().await;
        if done.is_err() {
            return refused_for_its_rate("DeleteApiKey", done).map(|()| count);
        }
    }
    Ok(ids.len())
}

/// Lists keys until that is refused, and answers how often it was not.
async fn listed(client: &Client) -> Result<usize, String> {
    let mut count = 0;
    loop {
        let done = client.get_api_keys().send().await;
        if done.is_err() || count == ENOUGH {
            return refused_for_its_rate("GetApiKeys", done).map(|()| count);
        }
        count += 1;
    }
}

fn refused_for_its_rate<T, E, R>(operation: &str, done: Result<T, SdkError<E, R>>) -> Check
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let (code, _) = refusal(operation, done)?;
    expect_eq("the error's code", code.as_str(), "TooManyRequestsException")
}
