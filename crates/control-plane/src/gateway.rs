//! API Gateway's keys and plans.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::error::ProvideErrorMetadata;
use aws_sdk_apigateway::error::SdkError;
use tenant_context::{ApiKeyId, Aws, AwsFailure};

use crate::{ApiKeyValue, ControlError};

/// The most that API Gateway answers in one page.
const PAGE: i32 = 500;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct GatewayKey {
    pub(crate) id: ApiKeyId,
    pub(crate) value: ApiKeyValue,
}

/// The calls that keys need.
#[derive(Debug)]
pub(crate) struct Gateway {
    client: Client,
}

impl Gateway {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: Client::new(aws.config()) }
    }

    /// The id of the plan with the name.
    pub(crate) async fn plan(&self, name: &str) -> Result<Option<String>, ControlError> {
        let mut plans = self.client.get_usage_plans().limit(PAGE).into_paginator().items().send();
        while let Some(plan) = plans.next().await {
            let plan = plan.map_err(AwsFailure::of("GetUsagePlans"))?;
            if plan.name() == Some(name) {
                return Ok(Some(plan.id.ok_or(ControlError::Incomplete("plan id"))?));
            }
        }
        Ok(None)
    }

    /// The key with the name. The call matches beginnings of names, so the name is compared here.
    pub(crate) async fn key(&self, name: &str) -> Result<Option<GatewayKey>, ControlError> {
        let mut keys = self
            .client
            .get_api_keys()
            .name_query(name)
            .include_values(true)
            .limit(PAGE)
            .into_paginator()
            .items()
            .send();
        while let Some(key) = keys.next().await {
            let key = key.map_err(AwsFailure::of("GetApiKeys"))?;
            if key.name() == Some(name) {
                return read(key.id, key.value).map(Some);
            }
        }
        Ok(None)
    }

    /// The key with the name, made where there is none.
    pub(crate) async fn ensure_key(&self, name: &str, description: &str) -> Result<GatewayKey, ControlError> {
        if let Some(key) = self.key(name).await? {
            return Ok(key);
        }
        let value = ApiKeyValue::generate()?;
        let made = self
            .client
            .create_api_key()
            .name(name)
            .description(description)
            .enabled(true)
            .value(value.expose())
            .send()
            .await;
        match made {
            Ok(key) => read(key.id, key.value),
            // The SDK repeats a call whose answer was lost; the value then exists, under this name.
            Err(error) if is_conflict(&error) => {
                self.key(name).await?.ok_or_else(|| AwsFailure::of("CreateApiKey")(error).into())
            }
            Err(error) => Err(AwsFailure::of("CreateApiKey")(error).into()),
        }
    }

    /// Puts the key into the plan, where it is not there yet.
    pub(crate) async fn ensure_in_plan(&self, plan: &str, key: &ApiKeyId) -> Result<(), ControlError> {
        let put = self
            .client
            .create_usage_plan_key()
            .usage_plan_id(plan)
            .key_id(key.as_str())
            .key_type("API_KEY")
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            // A conflict is also the answer for a key that is in another plan of the stage.
            Err(error) if is_conflict(&error) => {
                let there =
                    self.client.get_usage_plan_key().usage_plan_id(plan).key_id(key.as_str()).send().await;
                there.map(|_| ()).map_err(|_| AwsFailure::of("CreateUsagePlanKey")(error).into())
            }
            Err(error) => Err(AwsFailure::of("CreateUsagePlanKey")(error).into()),
        }
    }
}

fn read(id: Option<String>, value: Option<String>) -> Result<GatewayKey, ControlError> {
    let id = id.ok_or(ControlError::Incomplete("key id"))?;
    Ok(GatewayKey {
        id: id.parse().map_err(|error| ControlError::Unreadable("the id of a key", Box::new(error)))?,
        value: ApiKeyValue::existing(value.ok_or(ControlError::Incomplete("key value"))?),
    })
}

fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConflictException")
}
