//! Operations that read a partition or all of a table or an index.

use serde_json::Value as Json;

use super::arn::{EVERYTHING, is_name};
use super::calls::{Asked, call};
use super::gathered::{Gathered, Read};
use super::key_condition::queried_partition;
use super::{KeySchema, Known, member};
use crate::iam::Call;

/// `Query`, `Scan`, and `SearchVectors`, which the database has beside them and which may find any item.
pub(super) fn calls(asked: &Asked<'_>) -> Vec<Call> {
    let target = asked.place.target(member(asked.request, "TableName"));
    let index = member(asked.request, "IndexName");
    let mut gathered = match asked.operation {
        "Query" => {
            let schema = asked.schema(&target);
            let partition = partition_attribute(schema.as_deref(), index);
            let mut gathered = Gathered::keyed();
            gathered.partition(partition.and_then(|partition| queried_partition(asked.request, partition)));
            gathered
        }
        "Scan" => Gathered::keyless(),
        _ => {
            let mut gathered = Gathered::keyed();
            gathered.partition(Err("the operation is not limited to partitions".to_owned()));
            gathered
        }
    };
    gathered.attributes.request(asked.request);
    gathered.reads(asked.request, if index.is_some() { Read::Index } else { Read::Table });
    let resource = match index {
        None => target.resource,
        Some(Json::String(index)) if is_name(index) && target.resource != EVERYTHING => {
            format!("{}/index/{index}", target.resource)
        }
        Some(_) => EVERYTHING.to_owned(),
    };
    let mut keys = gathered.into_keys();
    keys.extend(asked.capacity());
    vec![call(asked.operation, resource, keys)]
}

/// The attribute whose value a query is limited to: the table's partition key, or the index's own.
fn partition_attribute<'a>(schema: Option<&'a KeySchema>, index: Option<&Json>) -> Known<&'a str> {
    let schema = schema.ok_or("the table is not known")?;
    let Some(index) = index else { return Ok(&schema.partition) };
    let partition = index.as_str().and_then(|index| schema.indexes.get(index));
    Ok(partition.ok_or("the index is not known, or its partition key has several attributes")?)
}
