//! API Gateway's keys and plans.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::error::ProvideErrorMetadata;
use aws_sdk_apigateway::error::SdkError;
use aws_sdk_apigateway::types::{Op, PatchOperation};
use tenant_context::{ApiKeyId, Aws, AwsFailure};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::{ApiKeyValue, ControlError};

/// The most that API Gateway answers in one page.
const PAGE: i32 = 500;

/// How the gateway writes days.
const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A tier's usage plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) id: String,
    /// Requests in a period, where the plan has a quota.
    pub(crate) quota: Option<u32>,
}

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

    /// The plan of a tier.
    pub(crate) async fn plan(&self, tier: &str) -> Result<Option<Plan>, ControlError> {
        let name = format!("tenantry-{tier}");
        let mut plans = self.client.get_usage_plans().limit(PAGE).into_paginator().items().send();
        while let Some(plan) = plans.next().await {
            let plan = plan.map_err(AwsFailure::of("GetUsagePlans"))?;
            if plan.name() == Some(name.as_str()) {
                let quota = plan.quota().and_then(|quota| u32::try_from(quota.limit()).ok());
                let id = plan.id.ok_or(ControlError::Incomplete("plan id"))?;
                return Ok(Some(Plan { id, quota }));
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

    /// Puts the key into the plan, where it is not there yet. Answers whether there is such a key: the plan has
    /// just been read, so what the gateway does not find is the key.
    pub(crate) async fn ensure_in_plan(&self, plan: &str, key: &ApiKeyId) -> Result<bool, ControlError> {
        let put = self
            .client
            .create_usage_plan_key()
            .usage_plan_id(plan)
            .key_id(key.as_str())
            .key_type("API_KEY")
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error) if is_not_found(&error) => Ok(false),
            // A conflict is also the answer for a key that is in another plan of the stage.
            Err(error) if is_conflict(&error) => {
                let there =
                    self.client.get_usage_plan_key().usage_plan_id(plan).key_id(key.as_str()).send().await;
                there.map(|_| true).map_err(|_| AwsFailure::of("CreateUsagePlanKey")(error).into())
            }
            Err(error) => Err(AwsFailure::of("CreateUsagePlanKey")(error).into()),
        }
    }

    /// Takes the key out of the plan, where it is in it.
    pub(crate) async fn leave_plan(&self, plan: &str, key: &ApiKeyId) -> Result<(), ControlError> {
        let left = self.client.delete_usage_plan_key().usage_plan_id(plan).key_id(key.as_str()).send().await;
        match left {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("DeleteUsagePlanKey")(error).into()),
        }
    }

    /// What the key has left of the plan's quota; nothing where the plan has none or does not have the key.
    pub(crate) async fn remaining(
        &self,
        plan: &Plan,
        key: &ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, ControlError> {
        if plan.quota.is_none() {
            return Ok(None);
        }
        // A day without requests may be left out of the report, so it is asked for from the month's first.
        let today = now.date();
        let first = Date::from_calendar_date(today.year(), today.month(), 1).unwrap_or(today);
        let report = self
            .client
            .get_usage()
            .usage_plan_id(&plan.id)
            .key_id(key.as_str())
            .start_date(first.format(DATE).unwrap_or_default())
            .end_date(today.format(DATE).unwrap_or_default())
            .send()
            .await;
        match report {
            Ok(report) => {
                // For each day, what was used and what was left.
                let days = report.items().and_then(|keys| keys.get(key.as_str()));
                let left = days.and_then(|days| days.last()).and_then(|day| day.get(1));
                Ok(left.map(|left| u32::try_from(*left).unwrap_or_default()))
            }
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(AwsFailure::of("GetUsage")(error).into()),
        }
    }

    /// Sets what the key has left of the plan's quota.
    pub(crate) async fn set_remaining(
        &self,
        plan: &Plan,
        key: &ApiKeyId,
        remaining: u32,
    ) -> Result<(), ControlError> {
        self.client
            .update_usage()
            .usage_plan_id(&plan.id)
            .key_id(key.as_str())
            .patch_operations(replace("/remaining", &remaining.to_string()))
            .send()
            .await
            .map_err(AwsFailure::of("UpdateUsage"))?;
        Ok(())
    }

    /// Enables or disables the key, where it is there.
    pub(crate) async fn set_enabled(&self, key: &ApiKeyId, enabled: bool) -> Result<(), ControlError> {
        let updated = self
            .client
            .update_api_key()
            .api_key(key.as_str())
            .patch_operations(replace("/enabled", &enabled.to_string()))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("UpdateApiKey")(error).into()),
        }
    }

    /// Deletes the key, where it is there.
    pub(crate) async fn delete_key(&self, key: &ApiKeyId) -> Result<(), ControlError> {
        let deleted = self.client.delete_api_key().api_key(key.as_str()).send().await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("DeleteApiKey")(error).into()),
        }
    }
}

fn replace(path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder().op(Op::Replace).path(path).value(value).build()
}

fn read(id: Option<String>, value: Option<String>) -> Result<GatewayKey, ControlError> {
    let id = id.ok_or(ControlError::Incomplete("key id"))?;
    Ok(GatewayKey {
        id: id.parse().map_err(|error| ControlError::Unreadable("the id of a key", Box::new(error)))?,
        value: ApiKeyValue::existing(value.ok_or(ControlError::Incomplete("key value"))?),
    })
}

fn is_not_found<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NotFoundException")
}

fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConflictException")
}
