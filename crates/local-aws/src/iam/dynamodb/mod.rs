//! What a request to DynamoDB does, as IAM judges it: actions, resources and condition keys.
//!
//! **Invariant:** for every request that the database executes, `dynamodb:LeadingKeys` holds every partition
//! key value that the request can read or write, or it is unknown. It is absent only where the operation has no
//! key: `Scan`, `PartiQL`, the administration of tables.
//!
//! The invariant rests on a request having one meaning. The database reads some requests more leniently than
//! AWS does: it takes a list for a structure, the last one of two members of the same name, an ARN of any
//! account. So a member that stands twice is refused, and whatever has not exactly the shape that AWS documents
//! counts as unknown and not as absent.
//!
//! What is taken from AWS's documentation ("Actions, resources, and condition keys for Amazon DynamoDB") and was
//! not measured there:
//! - a number as a leading key is its canonical text, and binary is its base64;
//! - `dynamodb:Attributes` holds the key's attributes also where the request reads whole items;
//! - a batch has no `dynamodb:EnclosingOperation`; a transaction needs no action of its own.
//!
//! Known differences: AWS sets `dynamodb:LeadingKeys` and `dynamodb:FullTableScan` for some `PartiQL` statements,
//! which is not done here; `GetRecords` has the resource `*`, since the database's shard iterators can be made up.

mod administration;
mod arn;
mod attributes;
mod calls;
mod expression;
mod gathered;
mod items;
mod key_condition;
mod leading_keys;
mod partiql;
mod query;
mod schemas;
mod strict_json;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

pub(crate) use calls::calls;
pub(crate) use schemas::DatabaseSchemas;

/// The key schemas of a table, as far as the database knows the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySchema {
    /// The attribute that is the table's partition key.
    pub(crate) partition: String,
    /// The names of its global and local indexes, each with the attribute that is its partition key. An index
    /// whose partition key has several attributes is left out: no single value is its leading key.
    pub(crate) indexes: BTreeMap<String, String>,
}

/// Where key schemas are looked up.
pub(crate) trait KeySchemas: Send + Sync {
    /// The schema of a table, by its name. `None` is a table that is not there or cannot be read.
    fn find(&self, table: &str) -> Option<Arc<KeySchema>>;
}

/// Where the tables are, which their ARNs say.
pub(crate) struct Place<'a> {
    /// The region, such as `eu-central-1`.
    pub(crate) region: &'a str,
    /// The account, twelve digits.
    pub(crate) account_id: &'a str,
}

/// The request could be read in two ways, or not at all as JSON: what is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

/// A JSON object.
type Object = serde_json::Map<String, Json>;

/// What could be found out, or why it could not.
type Known<T> = Result<T, String>;

/// A member of a structure. The database takes `null` for absent, as AWS does.
fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Json> {
    object.get(name).filter(|value| !value.is_null())
}
