//! Key schemas from the database, kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dynoxide::types::{GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex};
use dynoxide::{Database, TableMetadata};
use serde::de::DeserializeOwned;

use super::{KeySchema, KeySchemas};

/// Tables that are kept. With more, all are read anew.
const MAX_TABLES: usize = 1_000;

/// The key schemas of a database's tables.
///
/// The database has one connection, which every call waits for. So a schema that has been read is kept until
/// [`Self::forget_all`]: whoever passes on a request that makes, changes or deletes a table has to call it after
/// the answer, whatever that is. A table that is not there is asked for every time.
pub(crate) struct DatabaseSchemas {
    database: Database,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    tables: HashMap<String, Arc<KeySchema>>,
    /// Counts what was forgotten. A schema that was being read meanwhile may be the old one and is not kept.
    generation: u64,
}

impl DatabaseSchemas {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, kept: RwLock::default() }
    }

    /// Reads all schemas anew, such as when the database was replaced by a saved one.
    pub(crate) fn forget_all(&self) {
        let mut kept = self.write();
        kept.generation += 1;
        kept.tables.clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySchemas for DatabaseSchemas {
    /// This blocks, for a table that is not kept, while the database is at other calls.
    fn find(&self, table: &str) -> Option<Arc<KeySchema>> {
        let generation = {
            let kept = self.read();
            if let Some(schema) = kept.tables.get(table) {
                return Some(Arc::clone(schema));
            }
            kept.generation
        };
        let metadata = self.database.get_table_metadata(table).ok()??;
        let schema = Arc::new(key_schema(&metadata)?);
        let mut kept = self.write();
        if kept.generation == generation {
            if kept.tables.len() >= MAX_TABLES {
                kept.tables.clear();
            }
            kept.tables.insert(table.to_owned(), Arc::clone(&schema));
        }
        Some(schema)
    }
}

fn key_schema(table: &TableMetadata) -> Option<KeySchema> {
    let key: Vec<KeySchemaElement> = serde_json::from_str(&table.key_schema).ok()?;
    let global: Vec<GlobalSecondaryIndex> = list(table.gsi_definitions.as_deref())?;
    let local: Vec<LocalSecondaryIndex> = list(table.lsi_definitions.as_deref())?;
    let global = global.iter().map(|index| (&index.index_name, &*index.key_schema));
    let local = local.iter().map(|index| (&index.index_name, &*index.key_schema));
    let indexes: BTreeMap<String, String> = global
        .chain(local)
        .filter_map(|(name, key)| Some((name.clone(), partition(key)?.to_owned())))
        .collect();
    Some(KeySchema { partition: partition(&key)?.to_owned(), indexes })
}

/// The one attribute that is the partition key. An index can have several.
fn partition(key: &[KeySchemaElement]) -> Option<&str> {
    let mut elements = key.iter().filter(|element| element.key_type == KeyType::HASH);
    let element = elements.next()?;
    elements.next().is_none().then_some(&*element.attribute_name)
}

fn list<T: DeserializeOwned>(text: Option<&str>) -> Option<Vec<T>> {
    text.map_or_else(|| Some(Vec::new()), |text| serde_json::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create(database: &Database, partition: &str) {
        let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let hash = |name: &str| json!({"AttributeName": name, "KeyType": "HASH"});
        let range = |name: &str| json!({"AttributeName": name, "KeyType": "RANGE"});
        let create = json!({
            "TableName": "tenantry-records",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute(partition), attribute("sk"), attribute("status"), attribute("at")],
            "KeySchema": [hash(partition), range("sk")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-status",
                "KeySchema": [hash("status"), range("at")],
                "Projection": {"ProjectionType": "ALL"},
            }],
            "LocalSecondaryIndexes": [{
                "IndexName": "by-time",
                "KeySchema": [hash(partition), range("at")],
                "Projection": {"ProjectionType": "ALL"},
            }],
        });
        database.create_table(serde_json::from_value(create).unwrap()).unwrap();
    }

    fn delete(database: &Database) {
        let delete = json!({"TableName": "tenantry-records"});
        database.delete_table(serde_json::from_value(delete).unwrap()).unwrap();
    }

    fn found(schemas: &DatabaseSchemas) -> Option<String> {
        schemas.find("tenantry-records").map(|schema| schema.partition.clone())
    }

    #[test]
    fn a_table_and_its_indexes_are_known_by_their_partition_keys() {
        let database = Database::memory().unwrap();
        create(&database, "tenant_id");
        let schema = DatabaseSchemas::new(database).find("tenantry-records").unwrap();
        assert_eq!(schema.partition, "tenant_id");
        let indexes = [("by-status", "status"), ("by-time", "tenant_id")];
        let indexes = indexes.map(|(name, partition)| (name.to_owned(), partition.to_owned()));
        assert_eq!(schema.indexes, BTreeMap::from(indexes));
    }

    #[test]
    fn a_schema_is_kept_until_it_is_forgotten() {
        let database = Database::memory().unwrap();
        let schemas = DatabaseSchemas::new(database.clone());
        assert_eq!(found(&schemas), None);
        create(&database, "tenant_id");
        assert_eq!(found(&schemas).as_deref(), Some("tenant_id"));
        delete(&database);
        create(&database, "owner");
        assert_eq!(found(&schemas).as_deref(), Some("tenant_id"));
        schemas.forget_all();
        assert_eq!(found(&schemas).as_deref(), Some("owner"));
        delete(&database);
        schemas.forget_all();
        assert_eq!(found(&schemas), None);
    }

    #[test]
    fn a_partition_key_of_several_attributes_is_none() {
        let element = |name: &str, key_type| KeySchemaElement { attribute_name: name.to_owned(), key_type };
        let one = [element("a", KeyType::HASH), element("b", KeyType::RANGE)];
        assert_eq!(partition(&one), Some("a"));
        let two = [element("a", KeyType::HASH), element("b", KeyType::HASH)];
        assert_eq!(partition(&two), None);
        assert_eq!(partition(&[]), None);
    }
}
