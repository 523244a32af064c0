//! The template's tables.

use std::collections::BTreeMap;

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use dynoxide::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex, Projection,
};
use dynoxide::{Database, TableMetadata};
use serde::de::DeserializeOwned;
use stack_template::Table;

use crate::Error;

/// Makes a table, or makes sure that the one there is the same.
pub(super) fn ensure(database: &Database, table: &Table) -> Result<(), Error> {
    let failed = |source| Error::Table { table: table.name.clone(), source };
    let wanted: CreateTableRequest =
        serde_json::from_value(table.create.clone()).map_err(|error| failed(error.into()))?;
    let existing = database.get_table_metadata(&wanted.table_name).map_err(|error| failed(error.into()))?;
    let ttl = if let Some(existing) = existing {
        if let Some(difference) = difference(&wanted, &existing).map_err(|error| failed(error.into()))? {
            return Err(Error::TableDiffers { table: table.name.clone(), difference });
        }
        existing.ttl_attribute.filter(|_| existing.ttl_enabled)
    } else {
        database.create_table(wanted).map_err(|error| failed(error.into()))?;
        None
    };
    // A start that ended between the two calls has left the time to live out, so it is looked at every time.
    if ttl == table.ttl_attribute {
        return Ok(());
    }
    // DynamoDB refuses a change of the attribute while another one is enabled.
    for (attribute, enabled) in [(ttl.as_ref(), false), (table.ttl_attribute.as_ref(), true)] {
        if let Some(attribute) = attribute {
            set_ttl(database, &table.name, attribute, enabled).map_err(|error| failed(error.into()))?;
        }
    }
    Ok(())
}

fn set_ttl(database: &Database, table: &str, attribute: &str, enabled: bool) -> dynoxide::Result<()> {
    database.update_time_to_live(UpdateTimeToLiveRequest {
        table_name: table.to_owned(),
        time_to_live_specification: TimeToLiveSpecification { attribute_name: attribute.to_owned(), enabled },
    })?;
    Ok(())
}

/// What an existing table has otherwise than it should, as far as stored items depend on it.
fn difference(
    wanted: &CreateTableRequest,
    existing: &TableMetadata,
) -> Result<Option<&'static str>, serde_json::Error> {
    let key_schema: Vec<KeySchemaElement> = serde_json::from_str(&existing.key_schema)?;
    let attributes: Vec<AttributeDefinition> = serde_json::from_str(&existing.attribute_definitions)?;
    let global = parse_list(existing.gsi_definitions.as_deref())?;
    let local = parse_list(existing.lsi_definitions.as_deref())?;
    let wanted_global = wanted.global_secondary_indexes.as_deref().unwrap_or_default();
    let wanted_local = wanted.local_secondary_indexes.as_deref().unwrap_or_default();
    let differences = [
        (key_schema != wanted.key_schema, "key schema"),
        (types(&attributes) != types(&wanted.attribute_definitions), "type of a key attribute"),
        (global_indexes(&global) != global_indexes(wanted_global), "global secondary index"),
        (local_indexes(&local) != local_indexes(wanted_local), "local secondary index"),
    ];
    Ok(differences.into_iter().find_map(|(differs, what)| differs.then_some(what)))
}

type Indexes<'a> = BTreeMap<&'a str, (&'a [KeySchemaElement], &'a Projection)>;

fn global_indexes(list: &[GlobalSecondaryIndex]) -> Indexes<'_> {
    list.iter().map(|index| (&*index.index_name, (&*index.key_schema, &index.projection))).collect()
}

fn local_indexes(list: &[LocalSecondaryIndex]) -> Indexes<'_> {
    list.iter().map(|index| (&*index.index_name, (&*index.key_schema, &index.projection))).collect()
}

/// By name, since the order of definitions says nothing.
fn types(list: &[AttributeDefinition]) -> BTreeMap<&str, String> {
    list.iter().map(|one| (&*one.attribute_name, format!("{:?}", one.attribute_type))).collect()
}

fn parse_list<T: DeserializeOwned>(text: Option<&str>) -> Result<Vec<T>, serde_json::Error> {
    text.map_or(Ok(Vec::new()), serde_json::from_str)
}
