//! Operations on tables, tags, policies and streams, and those that are not known.

use serde_json::Value as Json;

use super::arn::EVERYTHING;
use super::calls::{Asked, call};
use super::member;
use crate::iam::Call;

/// The calls of an operation that is about no items. It has no leading keys.
///
/// The database does not know all of these operations. One that nobody knows has every resource for its own.
pub(super) fn calls(asked: &Asked<'_>) -> Vec<Call> {
    let text = |name| match member(asked.request, name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let everything = || vec![EVERYTHING.to_owned()];
    let resources = match asked.operation {
        "CreateBackup"
        | "CreateTable"
        | "DeleteTable"
        | "DescribeContinuousBackups"
        | "DescribeContributorInsights"
        | "DescribeKinesisStreamingDestination"
        | "DescribeTable"
        | "DescribeTableReplicaAutoScaling"
        | "DescribeTimeToLive"
        | "DisableKinesisStreamingDestination"
        | "EnableKinesisStreamingDestination"
        | "UpdateContinuousBackups"
        | "UpdateContributorInsights"
        | "UpdateKinesisStreamingDestination"
        | "UpdateTable"
        | "UpdateTableReplicaAutoScaling"
        | "UpdateTimeToLive" => vec![asked.place.target(member(asked.request, "TableName")).resource],
        "DeleteResourcePolicy"
        | "GetResourcePolicy"
        | "ListTagsOfResource"
        | "PutResourcePolicy"
        | "TagResource"
        | "UntagResource" => text("ResourceArn").map_or_else(everything, |arn| asked.place.tagged(arn)),
        // `GetRecords` and `ListStreams` have no member `StreamArn` that the database looks at.
        "DescribeStream" | "GetShardIterator" => {
            text("StreamArn").map_or_else(everything, |arn| asked.place.stream(arn))
        }
        _ => everything(),
    };
    resources.into_iter().map(|resource| call(asked.operation, resource, Vec::new())).collect()
}
