//! Operations on items by their keys.

use serde_json::Value as Json;

use super::calls::{Asked, MAX_PARTS, call, given};
use super::gathered::{Gathered, Read};
use super::{KeySchema, member};
use crate::iam::{Call, Value};

/// One part of a transaction: the member that it is, its action and the member with its key.
struct Part {
    member: &'static str,
    action: &'static str,
    item: &'static str,
}

const GETS: [Part; 1] = [Part { member: "Get", action: "GetItem", item: "Key" }];
const WRITES: [Part; 4] = [
    Part { member: "Put", action: "PutItem", item: "Item" },
    Part { member: "Update", action: "UpdateItem", item: "Key" },
    Part { member: "Delete", action: "DeleteItem", item: "Key" },
    Part { member: "ConditionCheck", action: "ConditionCheckItem", item: "Key" },
];

/// `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`.
pub(super) fn single(asked: &Asked<'_>) -> Vec<Call> {
    let item = if asked.operation == "PutItem" { "Item" } else { "Key" };
    let target = asked.place.target(member(asked.request, "TableName"));
    let mut gathered = Gathered::keyed();
    gathered.item(asked.schema(&target).as_deref(), member(asked.request, item));
    gathered.attributes.request(asked.request);
    if asked.operation == "GetItem" {
        gathered.reads(asked.request, Read::Items);
    }
    let mut keys = gathered.into_keys();
    keys.extend(given("dynamodb:ReturnValues", member(asked.request, "ReturnValues")));
    keys.extend(asked.capacity());
    vec![call(asked.operation, target.resource, keys)]
}

/// `BatchGetItem` and `BatchWriteItem`: a call for each table.
pub(super) fn batch(asked: &Asked<'_>) -> Vec<Call> {
    let Some(Json::Object(tables)) = member(asked.request, "RequestItems") else { return Vec::new() };
    if tables.len() > MAX_PARTS {
        return Vec::new();
    }
    let table_call = |(table, entry): (&String, &Json)| {
        let target = asked.place.named(table);
        let schema = asked.schema(&target);
        let mut gathered = Gathered::keyed();
        if asked.operation == "BatchGetItem" {
            batch_get(&mut gathered, schema.as_deref(), entry);
        } else {
            batch_write(&mut gathered, schema.as_deref(), entry);
        }
        let mut keys = gathered.into_keys();
        keys.extend(asked.capacity());
        call(asked.operation, target.resource, keys)
    };
    tables.iter().map(table_call).collect()
}

fn batch_get(gathered: &mut Gathered, schema: Option<&KeySchema>, entry: &Json) {
    let Json::Object(entry) = entry else { return gathered.unreadable("a table's keys cannot be read") };
    let Some(Json::Array(keys)) = member(entry, "Keys") else {
        return gathered.unreadable("a table's keys cannot be read");
    };
    for key in keys {
        gathered.item(schema, Some(key));
        gathered.attributes.members(Some(key));
    }
    gathered.attributes.request(entry);
    gathered.reads(entry, Read::Items);
}

fn batch_write(gathered: &mut Gathered, schema: Option<&KeySchema>, entry: &Json) {
    let Json::Array(writes) = entry else { return gathered.unreadable("a table's writes cannot be read") };
    for write in writes {
        let mut is_read = false;
        for (request, item) in [("PutRequest", "Item"), ("DeleteRequest", "Key")] {
            let Some(request) = write.get(request).filter(|request| !request.is_null()) else { continue };
            is_read = true;
            let item = request.get(item);
            gathered.item(schema, item);
            gathered.attributes.members(item);
        }
        if !is_read {
            gathered.unreadable("a write of the batch cannot be read");
        }
    }
}

/// `TransactGetItems` and `TransactWriteItems`: a call for each action on each table.
pub(super) fn transaction(asked: &Asked<'_>) -> Vec<Call> {
    let Some(Json::Array(items)) = member(asked.request, "TransactItems") else { return Vec::new() };
    if items.len() > MAX_PARTS {
        return Vec::new();
    }
    let parts: &[Part] = if asked.operation == "TransactGetItems" { &GETS } else { &WRITES };
    let mut groups: Vec<(&'static str, String, Gathered)> = Vec::new();
    let mut is_unreadable = false;
    for item in items {
        let mut is_read = false;
        for part in parts {
            let Some(request) = item.get(part.member).filter(|request| !request.is_null()) else { continue };
            is_read = true;
            let Json::Object(request) = request else {
                is_unreadable = true;
                continue;
            };
            let target = asked.place.target(member(request, "TableName"));
            let schema = asked.schema(&target);
            let is_same = |(action, resource, _): &(&'static str, String, Gathered)| {
                *action == part.action && *resource == target.resource
            };
            let group = groups.iter().position(is_same).unwrap_or_else(|| {
                groups.push((part.action, target.resource.clone(), Gathered::keyed()));
                groups.len() - 1
            });
            let gathered = &mut groups[group].2;
            gathered.item(schema.as_deref(), member(request, part.item));
            gathered.attributes.request(request);
            if part.action == "GetItem" {
                gathered.reads(request, Read::Items);
            }
        }
        is_unreadable |= !is_read;
    }
    let mut calls: Vec<Call> = groups
        .into_iter()
        .map(|(action, resource, gathered)| {
            let mut keys = gathered.into_keys();
            keys.extend(asked.capacity());
            keys.push(("dynamodb:EnclosingOperation", Value::One(asked.operation.to_owned())));
            call(action, resource, keys)
        })
        .collect();
    if is_unreadable {
        calls.push(asked.fallback());
    }
    calls
}
