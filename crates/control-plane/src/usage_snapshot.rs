//! The snapshot: from API Gateway's reports into the usage table.
//!
//! It alone spends management calls on usage; what tenants and operators ask is answered from the table.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, WriteRequest,
};
use serde::{Deserialize, Serialize};
use tenant_context::{
    ApiKeyId, Aws, AwsFailure, Bound, Meter, OpenError, Operator, PlanItem, Table, TenantId, UsageDayItem,
    UsageItem,
};
use time::OffsetDateTime;

use crate::ControlError;
use crate::batch::{Batches, ROUNDS, pause_before};
use crate::item::{read, write};
use crate::room::KeyCount;
use crate::usage_figures::{dated, first_day, quota_now, yesterday};
use crate::usage_reports::{self, Report, TierPlan, UsageReports};

/// Items that `BatchGetItem` takes at most.
const READS: usize = 100;
/// Pages of the index at most: an account has 10,000 keys, and a page holds a megabyte.
const MAX_PAGES: usize = 100;

/// Snapshots of what all keys have used.
#[derive(Debug, Clone)]
pub struct UsageSnapshot(Arc<Opened>);

/// What all runs share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    reports: UsageReports,
    api_keys: String,
    usage: String,
    meter: Meter,
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UsageSnapped {
    /// Plans that were read.
    pub plans: usize,
    /// Keys that were told of.
    pub keys: usize,
    /// Keys that are told of no longer, since they are in no plan or of no tenant.
    pub gone: usize,
}

/// What the context of a key says of its tenant.
#[derive(Deserialize)]
struct Owned {
    api_key_id: ApiKeyId,
    tenant_id: TenantId,
    tier: String,
}

/// The part of an item that says whose it is.
#[derive(Deserialize)]
struct Place {
    api_key_id: ApiKeyId,
}

impl Bound<Operator> for UsageSnapshot {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            reports: UsageReports::new(aws),
            api_keys: aws.table(Table::ApiKeys)?.to_owned(),
            usage: aws.table(Table::Usage)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl UsageSnapshot {
    /// Writes what each plan allows and what each of its keys has used, as of a time.
    ///
    /// Batches have no conditions: of two runs that cross, the later write stays, and the next run corrects it. A
    /// key that moves from plan to plan meanwhile may be told of no longer until then.
    ///
    /// # Errors
    /// [`ControlError::Aws`], [`ControlError::Unreadable`], [`ControlError::Incomplete`]; what was written before
    /// stays.
    pub async fn take(&self, now: OffsetDateTime) -> Result<UsageSnapped, ControlError> {
        let opened = &self.0;
        // Fractions of a second would only be in the way of who reads them.
        let now = now.replace_nanosecond(0).unwrap_or(now);
        // Read before anything is written: the index comes after the table, and would tell of it too late.
        let mut gone = opened.with_quota().await?;
        let plans = opened.reports.plans().await?;
        // Names of plans are not unique, but a batch takes each item once.
        let mut tiers = BTreeSet::new();
        let items = plans.iter().filter(|plan| tiers.insert(&plan.tier)).map(|plan| {
            let TierPlan { tier, quota, throttle, routes, .. } = plan;
            put("the limits of a plan", &PlanItem::new(tier, *quota, *throttle, routes.clone(), now))
        });
        let count = KeyCount::new(opened.reports.count_keys().await?, now);
        let items = items.chain([put("the count of keys", &count)]);
        opened.batches().write(items.collect::<Result<_, _>>()?).await?;
        let mut keys = 0;
        for plan in &plans {
            let days = (first_day(plan.quota, now.date()), now.date());
            let mut position = None;
            for page in 0.. {
                if page == usage_reports::MAX_PAGES {
                    return Err(ControlError::Incomplete("end of a usage report"));
                }
                let (report, next) = opened.reports.page(&plan.id, days, position).await?;
                for key in opened.keep(plan, report, now).await? {
                    gone.remove(&key);
                    keys += 1;
                }
                position = next;
                if position.is_none() {
                    break;
                }
            }
        }
        let removed = gone.len();
        opened.forget(gone).await?;
        Ok(UsageSnapped { plans: plans.len(), keys, gone: removed })
    }
}

impl Opened {
    fn batches(&self) -> Batches<'_> {
        Batches {
            dynamodb: &self.dynamodb,
            table: &self.usage,
            meter: &self.meter,
            operation: "BatchWriteItem on the usage table",
            incomplete: "usage: DynamoDB has not written it all",
        }
    }

    /// Writes what a report tells of keys that have a tenant. Answers these keys.
    async fn keep(
        &self,
        plan: &TierPlan,
        report: Report,
        now: OffsetDateTime,
    ) -> Result<Vec<ApiKeyId>, ControlError> {
        // An id that is none cannot have a context.
        let report: Vec<(ApiKeyId, _)> =
            report.into_iter().filter_map(|(key, days)| Some((key.parse().ok()?, days))).collect();
        let owners = self.owners(&plan.tier, report.iter().map(|(key, _)| key)).await?;
        let since = yesterday(now.date());
        let mut kept = Vec::with_capacity(owners.len());
        let mut writes = Vec::new();
        for (key, days) in report {
            let Some(tenant) = owners.get(&key) else { continue };
            let quota = match plan.quota {
                None => None,
                Some(quota) => match quota_now(quota, &days, now) {
                    None => continue,
                    told => told,
                },
            };
            let item = UsageItem::new(key.clone(), tenant.clone(), plan.tier.clone(), quota, now);
            writes.push(put("what a key has used", &item)?);
            for (day, figures) in dated(now.date(), &days).take_while(|(day, _)| *day >= since) {
                if figures.used > 0 {
                    let place = (day, plan.tier.as_str());
                    let told = (figures.used, plan.quota.map(|_| figures.remaining));
                    let item = UsageDayItem::new(key.clone(), tenant.clone(), place, told, now);
                    writes.push(put("what a key has used on a day", &item)?);
                }
            }
            kept.push(key);
        }
        self.batches().write(writes).await?;
        Ok(kept)
    }

    /// The tenants of a tier's keys, by their contexts. A key without a context has none.
    async fn owners(
        &self,
        tier: &str,
        keys: impl Iterator<Item = &ApiKeyId>,
    ) -> Result<HashMap<ApiKeyId, TenantId>, ControlError> {
        let mut owners = HashMap::new();
        let keys: Vec<_> = keys.map(key).collect();
        for batch in keys.chunks(READS) {
            let mut left = batch.to_vec();
            for round in 0..ROUNDS {
                pause_before(round).await;
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(left))
                    .projection_expression("api_key_id, tenant_id, tier")
                    .build()
                    .map_err(|error| ControlError::Unreadable("a batch of keys", Box::new(error)))?;
                let found = self
                    .dynamodb
                    .batch_get_item()
                    .request_items(&self.api_keys, wanted)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(AwsFailure::of("BatchGetItem on the api-keys table"))?;
                for consumed in found.consumed_capacity() {
                    self.meter.add(Some(consumed));
                }
                for item in found.responses.unwrap_or_default().into_values().flatten() {
                    let owned: Owned = read("the context of a key", item)?;
                    // A key that has left the plan may still be told of in its report.
                    if owned.tier == tier {
                        owners.insert(owned.api_key_id, owned.tenant_id);
                    }
                }
                let unread = found.unprocessed_keys.unwrap_or_default().into_values();
                left = unread.flat_map(|keys| keys.keys).collect();
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                return Err(ControlError::Unprocessed("contexts: DynamoDB has not read them all"));
            }
        }
        Ok(owners)
    }

    /// The keys that are told of with a quota by now.
    async fn with_quota(&self) -> Result<BTreeSet<ApiKeyId>, ControlError> {
        let mut keys = BTreeSet::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .dynamodb
                .query()
                .table_name(&self.usage)
                .index_name(UsageItem::INDEX)
                .key_condition_expression("quota = :quota")
                .expression_attribute_values(":quota", AttributeValue::S(UsageItem::WITH_QUOTA.to_owned()))
                .projection_expression("api_key_id")
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::of("Query on the usage table's index"))?;
            self.meter.add(page.consumed_capacity());
            for item in page.items.unwrap_or_default() {
                keys.insert(read::<Place>("a place in the index", item)?.api_key_id);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    /// Tells of keys no longer; their days stay until they are too old.
    async fn forget(&self, keys: BTreeSet<ApiKeyId>) -> Result<(), ControlError> {
        let deletes = keys.iter().map(|id| {
            let mut place = key(id);
            place.insert("day".to_owned(), AttributeValue::S(UsageItem::DAY.to_owned()));
            let delete = DeleteRequest::builder().set_key(Some(place)).build().map_err(unwritable)?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        });
        self.batches().write(deletes.collect::<Result<_, ControlError>>()?).await
    }
}

/// The attribute that keys' partitions are named by, in both tables.
fn key(id: &ApiKeyId) -> HashMap<String, AttributeValue> {
    HashMap::from([("api_key_id".to_owned(), AttributeValue::S(id.to_string()))])
}

fn put<T: Serialize>(what: &'static str, item: &T) -> Result<WriteRequest, ControlError> {
    let put = PutRequest::builder().set_item(Some(write(what, item)?)).build().map_err(unwritable)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> ControlError {
    ControlError::Unreadable("a batch", Box::new(error))
}
