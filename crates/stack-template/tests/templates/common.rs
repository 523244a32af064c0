//! What the tests of this crate share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stack_template::{Finding, Inputs, Sources, Stack, read_sources};

/// A template with one of everything that matters.
pub(crate) const TEMPLATE: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Architecture: { Type: String, Default: arm64, AllowedValues: [arm64, x86_64] }
  Ttl: { Type: Number, Default: 30, MinValue: 0, MaxValue: 300 }
  Audited: { Type: String, Default: "no" }
Conditions:
  Audit: !Equals [!Ref Audited, "yes"]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 10
    Environment: { Variables: { TTL: !Ref Ttl } }
Resources:
  DataApi:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Auth:
        ApiKeyRequired: true
  Get:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: things-get
      CodeUri: things-get.zip
      Environment: { Variables: { TABLE: !Ref Things } }
      Policies:
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: dynamodb:GetItem
              Resource: !GetAtt Things.Arn
      Events:
        Route:
          Type: Api
          Properties:
            RestApiId: !Ref DataApi
            Method: GET
            Path: "/things/{id}"
  Put:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: things-put
      Timeout: 5
      Events:
        Route:
          Type: Api
          Properties:
            RestApiId: !Ref DataApi
            Method: PUT
            Path: "/things/{id}/parts"
            TimeoutInMillis: 3000
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      SSESpecification: { SSEEnabled: true }
  AuditTable:
    Type: AWS::DynamoDB::Table
    Condition: Audit
    Properties:
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
  Reader:
    Type: AWS::IAM::Role
    Properties:
      RoleName: reader
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Allow, Principal: { AWS: !Ref AWS::AccountId }, Action: sts:AssumeRole }
  Faults:
    Type: AWS::CloudWatch::Alarm
    Properties: { MetricName: 5XXError }
Outputs:
  Api: { Value: !Ref DataApi }
"#;

/// A plan for it.
pub(crate) const PLANS: &str = r#"Parameters:
  ApiId: { Type: String }
  Stage: { Type: String, Default: v1 }
Resources:
  FreePlan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      UsagePlanName: free
      Throttle: { RateLimit: 5, BurstLimit: 10 }
      Quota: { Limit: 1000, Period: MONTH }
      ApiStages:
        - ApiId: !Ref ApiId
          Stage: !Ref Stage
          Throttle:
            "/things/{id}/GET": { RateLimit: 0.5, BurstLimit: 4 }
"#;

/// Inputs that name both files; nothing is read from them here.
pub(crate) fn inputs(parameters: &[(&str, &str)]) -> Inputs {
    Inputs {
        template: PathBuf::from("template.yaml"),
        usage_plans: PathBuf::from("plans.yaml"),
        account_id: "123456789012".to_owned(),
        region: "eu-central-1".to_owned(),
        stack_name: "shop".to_owned(),
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

pub(crate) fn stack(template: &str, plans: &str, parameters: &[(&str, &str)]) -> Stack {
    let sources = Sources { template, usage_plans: plans };
    read_sources(&inputs(parameters), sources).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn findings(template: &str, plans: &str, parameters: &[(&str, &str)]) -> Vec<Finding> {
    let sources = Sources { template, usage_plans: plans };
    read_sources(&inputs(parameters), sources).err().map(|error| error.findings).unwrap_or_default()
}

/// The text with one passage replaced, which must be in it once.
pub(crate) fn with(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} stands once");
    text.replacen(old, new, 1)
}

/// The number of the one line that holds the mark.
pub(crate) fn line_of(text: &str, mark: &str) -> usize {
    let lines: Vec<_> = text.lines().enumerate().filter(|(_, line)| line.contains(mark)).collect();
    assert_eq!(lines.len(), 1, "{mark:?} stands in one line");
    lines[0].0 + 1
}
