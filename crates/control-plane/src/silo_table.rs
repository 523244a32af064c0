//! Tables of siloed tenants.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::update_continuous_backups::UpdateContinuousBackupsError;
use aws_sdk_dynamodb::operation::update_table::UpdateTableError;
use aws_sdk_dynamodb::types::{
    AttributeValue, BillingMode, PointInTimeRecoverySpecification, Select, SseSpecification,
    TableDescription, TableStatus,
};
use tenant_context::{AwsFailure, TenantId};

use crate::ControlError;
use crate::silo::{Made, of_a_silo};

/// The calls that tables of silos need.
#[derive(Debug)]
pub(crate) struct SiloTables {
    pub(crate) dynamodb: Client,
    /// The pooled table, whose keys are a silo's: nothing says them a second time.
    pub(crate) pooled: String,
}

/// Where a silo's table stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    /// It is being made, or one of the name is being deleted.
    Making,
    /// It cannot be made as things are, for a reason in words.
    Refused(String),
}

impl SiloTables {
    /// Makes the table where it is not there.
    pub(crate) async fn ensure(&self, name: &str) -> Result<State, ControlError> {
        let pooled = self.describe(&self.pooled).await?;
        let pooled = pooled.ok_or(ControlError::Incomplete("description of the pooled table"))?;
        let Some(table) = self.describe(name).await? else { return self.create(name, pooled).await };
        if keys(&table) != keys(&pooled) {
            return Ok(State::Refused(format!(
                "a table of the name {name} exists and is not one of records; delete it or rename it"
            )));
        }
        Ok(match table.table_status() {
            Some(TableStatus::Active) => State::Active,
            Some(TableStatus::Creating | TableStatus::Updating | TableStatus::Deleting) | None => {
                State::Making
            }
            // It does not get out of those by itself.
            Some(other) => State::Refused(format!(
                "the table {name} exists and cannot be used (DynamoDB: {other}); restore it or delete it"
            )),
        })
    }

    async fn create(&self, name: &str, pooled: TableDescription) -> Result<State, ControlError> {
        let created = self
            .dynamodb
            .create_table()
            .table_name(name)
            .set_attribute_definitions(pooled.attribute_definitions)
            .set_key_schema(pooled.key_schema)
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(true)
            .sse_specification(SseSpecification::builder().enabled(true).build())
            .send()
            .await;
        match created {
            Ok(_) => Ok(State::Making),
            Err(error) => {
                refusal(&error).ok_or_else(|| AwsFailure::of("CreateTable of a silo")(error).into())
            }
        }
    }

    /// Turns on the recovery of a table that can be used.
    pub(crate) async fn protect(&self, name: &str) -> Result<Made, ControlError> {
        let wanted = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let wanted = wanted.map_err(crate::writes::unwritable)?;
        let set = self
            .dynamodb
            .update_continuous_backups()
            .table_name(name)
            .point_in_time_recovery_specification(wanted)
            .send()
            .await;
        match set {
            Ok(_) => Ok(Made::Answers),
            // Backups of a table can be had a little later than the table itself.
            Err(error)
                if error.as_service_error().is_some_and(
                    UpdateContinuousBackupsError::is_continuous_backups_unavailable_exception,
                ) =>
            {
                Ok(Made::NotYet)
            }
            Err(error) => Err(AwsFailure::of("UpdateContinuousBackups of a silo")(error).into()),
        }
    }

    /// Whether the table holds anything: something of the tenant's, or of others as far as DynamoDB has counted it in
    /// the last hours. Nobody knows what is in one that cannot be used.
    pub(crate) async fn holds_any(&self, name: &str, tenant: &TenantId) -> Result<bool, ControlError> {
        let Some(table) = self.own(name).await? else { return Ok(false) };
        match table.table_status() {
            Some(TableStatus::Active | TableStatus::Updating) => {}
            Some(TableStatus::Creating | TableStatus::Deleting) => return Ok(false),
            Some(_) | None => return Ok(true),
        }
        if table.item_count().is_some_and(|count| count > 0) {
            return Ok(true);
        }
        let query = self.dynamodb.query().table_name(name).select(Select::Count).limit(1);
        let query = query.key_condition_expression("tenant_id = :id");
        let query = query.expression_attribute_values(":id", AttributeValue::S(tenant.to_string()));
        let page = query.consistent_read(true).send().await.map_err(AwsFailure::of("Query of a silo"))?;
        Ok(page.count() > 0)
    }

    /// Deletes the table where it is there, and its protection before. Answers whether it is not there any more.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, ControlError> {
        let Some(table) = self.own(name).await? else { return Ok(true) };
        if matches!(table.table_status(), Some(TableStatus::Creating | TableStatus::Deleting)) {
            return Ok(false);
        }
        let name = of_a_silo(name)?;
        if table.deletion_protection_enabled() == Some(true) {
            let update = self.dynamodb.update_table().table_name(name).deletion_protection_enabled(false);
            match update.send().await {
                Ok(_) => {}
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(UpdateTableError::is_resource_in_use_exception) =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(AwsFailure::of("UpdateTable of a silo")(error).into()),
            }
        }
        match self.dynamodb.delete_table().table_name(name).send().await {
            Ok(_) => Ok(self.own(name).await?.is_none()),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_resource_not_found_exception() => Ok(true),
                Some(refused)
                    if refused.is_resource_in_use_exception() || refused.is_limit_exceeded_exception() =>
                {
                    Ok(false)
                }
                Some(_) | None => Err(AwsFailure::of("DeleteTable of a silo")(error).into()),
            },
        }
    }

    /// Whether there is a table of the name, in whichever state.
    pub(crate) async fn is_there(&self, name: &str) -> Result<bool, ControlError> {
        Ok(self.own(name).await?.is_some())
    }

    /// Whether the table can be read and written.
    pub(crate) async fn is_usable(&self, name: &str) -> Result<bool, ControlError> {
        let table = self.own(name).await?;
        let status = table.as_ref().and_then(TableDescription::table_status);
        Ok(matches!(status, Some(TableStatus::Active | TableStatus::Updating)))
    }

    /// The table, if it is one of records: `ensure` makes no silo of another one.
    async fn own(&self, name: &str) -> Result<Option<TableDescription>, ControlError> {
        let Some(table) = self.describe(name).await? else { return Ok(None) };
        let pooled = self.describe(&self.pooled).await?;
        let pooled = pooled.ok_or(ControlError::Incomplete("description of the pooled table"))?;
        Ok(Some(table).filter(|table| keys(table) == keys(&pooled)))
    }

    async fn describe(&self, name: &str) -> Result<Option<TableDescription>, ControlError> {
        match self.dynamodb.describe_table().table_name(name).send().await {
            Ok(output) => Ok(output.table),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsFailure::of("DescribeTable of a silo")(error).into()),
        }
    }
}

/// What an answer to `CreateTable` says that is no failure of the attempt.
fn refusal<R>(error: &SdkError<CreateTableError, R>) -> Option<State> {
    let error = error.as_service_error()?;
    if error.is_resource_in_use_exception() {
        // Somebody has just made it: the next look tells which it is.
        return Some(State::Making);
    }
    error.is_limit_exceeded_exception().then(|| {
        State::Refused(
            "the account may have no further table, or makes too many at once (DynamoDB: LimitExceededException)"
                .to_owned(),
        )
    })
}

/// Names, types and roles of the attributes of a table's key.
fn keys(table: &TableDescription) -> BTreeMap<String, (String, String)> {
    let type_of = |name: &str| {
        let mut known = table.attribute_definitions().iter();
        let found = known.find(|attribute| attribute.attribute_name() == name);
        found.map(|attribute| attribute.attribute_type().as_str().to_owned()).unwrap_or_default()
    };
    let elements = table.key_schema().iter().map(|element| {
        let name = element.attribute_name();
        (name.to_owned(), (element.key_type().as_str().to_owned(), type_of(name)))
    });
    elements.collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::error::{LimitExceededException, ResourceInUseException};
    use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType};

    use super::*;

    fn table(hash: &str, attribute_type: ScalarAttributeType) -> TableDescription {
        let key = KeySchemaElement::builder().attribute_name(hash).key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder().attribute_name(hash).attribute_type(attribute_type);
        TableDescription::builder()
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap())
            .build()
    }

    #[test]
    fn a_table_is_one_of_records_by_the_names_and_types_of_its_key() {
        let records = table("tenant_id", ScalarAttributeType::S);
        assert_eq!(keys(&records), keys(&table("tenant_id", ScalarAttributeType::S)));
        assert_ne!(keys(&records), keys(&table("id", ScalarAttributeType::S)));
        assert_ne!(keys(&records), keys(&table("tenant_id", ScalarAttributeType::N)));
    }

    #[test]
    fn a_limit_is_told_in_words_and_a_table_in_use_is_looked_at_again() {
        let limit = CreateTableError::LimitExceededException(LimitExceededException::builder().build());
        let in_use = CreateTableError::ResourceInUseException(ResourceInUseException::builder().build());
        let refused = refusal(&SdkError::service_error(limit, ()));
        assert!(matches!(refused, Some(State::Refused(reason)) if reason.contains("no further table")));
        assert_eq!(refusal(&SdkError::service_error(in_use, ())), Some(State::Making));
    }
}
