//! API Gateway's keys and plans.

use std::time::Duration;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::config::timeout::TimeoutConfig;
use aws_sdk_apigateway::error::ProvideErrorMetadata;
use aws_sdk_apigateway::error::SdkError;
use aws_sdk_apigateway::types::{ApiKey, Op, PatchOperation, QuotaPeriodType, UsagePlan};
use contract::{PlanQuota, QuotaPeriod};
use tenant_context::{ApiKeyId, Aws, AwsFailure, TenantId};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::batch::pause_before;
use crate::{ApiKeyValue, ControlError};

/// The most that API Gateway answers in one page.
const PAGE: i32 = 500;

/// What the plans of tiers are called, before the tier.
pub(crate) const PREFIX: &str = "tenantry-";
/// The first attempt of a call and the further ones.
const ATTEMPTS: u32 = 6;
/// The pause before the first repetition is at most this long, each further one at most twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// All attempts of a call together.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// One attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How the gateway writes days.
const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A tier's usage plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) id: String,
    /// The quota, where the plan has one.
    pub(crate) quota: Option<PlanQuota>,
}

impl Plan {
    /// Requests in a period, where there is a quota.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.quota.map(|quota| u32::try_from(quota.limit).unwrap_or(u32::MAX))
    }

    /// Whether two times are in one period of the quota.
    pub(crate) fn is_one_period(&self, one: OffsetDateTime, other: OffsetDateTime) -> bool {
        self.quota
            .is_some_and(|quota| quota.period.first_day(one.date()) == quota.period.first_day(other.date()))
    }
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
        Self { client: client(aws) }
    }

    /// The plan of a tier.
    ///
    /// # Errors
    /// [`ControlError::TwoPlans`] where more than one has its name: which of them is meant, nobody knows.
    pub(crate) async fn plan(&self, tier: &str) -> Result<Option<Plan>, ControlError> {
        let name = format!("{PREFIX}{tier}");
        let mut found = None;
        let mut plans = self.client.get_usage_plans().limit(PAGE).into_paginator().items().send();
        while let Some(plan) = plans.next().await {
            let plan = plan.map_err(AwsFailure::of("GetUsagePlans"))?;
            if plan.name() != Some(name.as_str()) {
                continue;
            }
            if found.is_some() {
                return Err(ControlError::TwoPlans(name));
            }
            let quota = quota(&plan)?;
            found = Some(Plan { id: plan.id.ok_or(ControlError::Incomplete("plan id"))?, quota });
        }
        Ok(found)
    }

    /// The ids of the tiers' plans that a key is in.
    pub(crate) async fn plans_of(&self, key: &ApiKeyId) -> Result<Vec<String>, ControlError> {
        let plans = self.client.get_usage_plans().key_id(key.as_str()).limit(PAGE).send().await;
        match plans {
            Ok(plans) => {
                let of_tiers = |plan: &UsagePlan| plan.name().is_some_and(|name| name.starts_with(PREFIX));
                let plans = plans.items.unwrap_or_default().into_iter();
                Ok(plans.filter(of_tiers).filter_map(|plan| plan.id).collect())
            }
            Err(error) if is_not_found(&error) => Ok(Vec::new()),
            Err(error) => Err(AwsFailure::of("GetUsagePlans")(error).into()),
        }
    }

    /// The key with the name.
    pub(crate) async fn key(&self, name: &str) -> Result<Option<GatewayKey>, ControlError> {
        let key = self.named(name, true).await?;
        key.map(|key| read(key.id, key.value)).transpose()
    }

    /// The id of the key with the name.
    pub(crate) async fn key_id(&self, name: &str) -> Result<Option<ApiKeyId>, ControlError> {
        self.named(name, false).await?.map(|key| id_of(key.id)).transpose()
    }

    /// The key with the name. The call matches beginnings of names, so the name is compared here.
    async fn named(&self, name: &str, with_value: bool) -> Result<Option<ApiKey>, ControlError> {
        let mut keys = self
            .client
            .get_api_keys()
            .name_query(name)
            .include_values(with_value)
            .limit(PAGE)
            .into_paginator()
            .items()
            .send();
        while let Some(key) = keys.next().await {
            let key = key.map_err(AwsFailure::of("GetApiKeys"))?;
            if key.name() == Some(name) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The ids of all keys that were made for the tenant, by their names: `tenantry-<tenant_id>-<n>`.
    pub(crate) async fn keys_of(&self, tenant: &TenantId) -> Result<Vec<ApiKeyId>, ControlError> {
        // No id holds a dash, so this begins no other tenant's names.
        let prefix = format!("tenantry-{tenant}-");
        let mut keys =
            self.client.get_api_keys().name_query(&prefix).limit(PAGE).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(key) = keys.next().await {
            let key = key.map_err(AwsFailure::of("GetApiKeys"))?;
            if key.name().is_some_and(|name| name.starts_with(&prefix)) {
                found.push(id_of(key.id)?);
            }
        }
        Ok(found)
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
            Err(error) if code(&error) == Some("LimitExceededException") => Err(ControlError::NoRoom),
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
        let put = in_turn(|| {
            let call = self.client.create_usage_plan_key().usage_plan_id(plan);
            call.key_id(key.as_str()).key_type("API_KEY").send()
        })
        .await;
        match put {
            Ok(_) => Ok(true),
            Err(error) if is_not_found(&error) => Ok(false),
            // A conflict is also the answer for a key that is in another plan of the stage.
            Err(error) if is_conflict(&error) => {
                let there =
                    self.client.get_usage_plan_key().usage_plan_id(plan).key_id(key.as_str()).send().await;
                let is_turned_away = is_turned_away(&error);
                let failure = AwsFailure::of("CreateUsagePlanKey")(error).or_busy(is_turned_away);
                there.map(|_| true).map_err(|_| failure.into())
            }
            Err(error) => Err(AwsFailure::of("CreateUsagePlanKey")(error).into()),
        }
    }

    /// Takes the key out of the plan, where it is in it.
    pub(crate) async fn leave_plan(&self, plan: &str, key: &ApiKeyId) -> Result<(), ControlError> {
        let call = || self.client.delete_usage_plan_key().usage_plan_id(plan).key_id(key.as_str()).send();
        let left = in_turn(call).await;
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

    /// Sets what the key has left of the plan's quota. Answers whether the key is in the plan.
    pub(crate) async fn set_remaining(
        &self,
        plan: &Plan,
        key: &ApiKeyId,
        remaining: u32,
    ) -> Result<bool, ControlError> {
        let change = replace("/remaining", &remaining.to_string());
        let set = in_turn(|| {
            let call = self.client.update_usage().usage_plan_id(&plan.id);
            call.key_id(key.as_str()).patch_operations(change.clone()).send()
        })
        .await;
        match set {
            Ok(_) => Ok(true),
            Err(error) if is_not_found(&error) => Ok(false),
            Err(error) => Err(AwsFailure::of("UpdateUsage")(error).into()),
        }
    }

    /// Enables or disables the key, where it is there.
    pub(crate) async fn set_enabled(&self, key: &ApiKeyId, enabled: bool) -> Result<(), ControlError> {
        let change = replace("/enabled", &enabled.to_string());
        let call =
            || self.client.update_api_key().api_key(key.as_str()).patch_operations(change.clone()).send();
        let updated = in_turn(call).await;
        match updated {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("UpdateApiKey")(error).into()),
        }
    }

    /// Deletes the key, where it is there.
    pub(crate) async fn delete_key(&self, key: &ApiKeyId) -> Result<(), ControlError> {
        let deleted = in_turn(|| self.client.delete_api_key().api_key(key.as_str()).send()).await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("DeleteApiKey")(error).into()),
        }
    }
}

/// A client that waits for its turn: the account has 10 calls a second for all that manages its gateway, and 5 of
/// those that make and delete keys. A call that is refused for that is repeated, after a random pause that grows.
pub(crate) fn client(aws: &Aws) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(CALL_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let config = aws_sdk_apigateway::config::Builder::from(aws.config());
    Client::from_conf(config.retry_config(retries).timeout_config(timeouts).build())
}

/// The quota of a plan.
pub(crate) fn quota(plan: &UsagePlan) -> Result<Option<PlanQuota>, ControlError> {
    let Some(quota) = plan.quota() else { return Ok(None) };
    let period = match quota.period() {
        Some(QuotaPeriodType::Day) => QuotaPeriod::Day,
        Some(QuotaPeriodType::Week) => QuotaPeriod::Week,
        Some(QuotaPeriodType::Month) => QuotaPeriod::Month,
        // The enum is open: a period that is not known has no end that could be told.
        None | Some(_) => return Err(ControlError::Incomplete("period of a quota that is known")),
    };
    Ok(Some(PlanQuota { limit: u64::try_from(quota.limit()).unwrap_or_default(), period }))
}

/// Makes a call again that API Gateway has turned away since another one is changing the same.
async fn in_turn<T, E, R, Fut>(call: impl Fn() -> Fut) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    Fut: Future<Output = Result<T, SdkError<E, R>>>,
{
    for round in 1..ATTEMPTS {
        match call().await {
            Err(error) if is_turned_away(&error) => pause_before(round).await,
            answer => return answer,
        }
    }
    call().await
}

/// Whether the call was not carried out, since another one was. API Gateway takes keys into plans one at a time.
fn is_turned_away<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message);
    is_conflict(error) && message.is_some_and(|message| message.contains("concurrent modification"))
}

fn replace(path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder().op(Op::Replace).path(path).value(value).build()
}

fn read(id: Option<String>, value: Option<String>) -> Result<GatewayKey, ControlError> {
    let value = value.ok_or(ControlError::Incomplete("key value"))?;
    Ok(GatewayKey { id: id_of(id)?, value: ApiKeyValue::existing(value) })
}

fn id_of(id: Option<String>) -> Result<ApiKeyId, ControlError> {
    let id = id.ok_or(ControlError::Incomplete("key id"))?;
    id.parse().map_err(|error| ControlError::Unreadable("the id of a key", Box::new(error)))
}

fn is_not_found<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    code(error) == Some("NotFoundException")
}

fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    code(error) == Some("ConflictException")
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}
