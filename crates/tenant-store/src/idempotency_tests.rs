//! Tests of [`super`] without a table.

use std::cell::RefCell;

use aws_sdk_dynamodb::types::error::builders::{
    TransactionCanceledExceptionBuilder, TransactionInProgressExceptionBuilder,
};
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// The item of an attempt at one and the same request, made at a time.
fn item(attempt: &str, at: OffsetDateTime) -> IdempotencyItem {
    IdempotencyItem {
        tenant_id: "acme".into(),
        route_key: "POST /files#k".into(),
        fingerprint: "f".into(),
        reference: BTreeMap::from([(ATTEMPT.to_owned(), attempt.to_owned())]),
        body: None,
        lease_until: None,
        created_at: at,
        expires_at: (at + time::Duration::DAY).unix_timestamp(),
    }
}

fn once() -> Once {
    Once { table: "idempotency".into(), at: NOW, item: item("mine", NOW) }
}

fn claim(until: OffsetDateTime) -> IdempotencyItem {
    IdempotencyItem { lease_until: Some(until), ..item("other", NOW - time::Duration::MINUTE) }
}

/// What comes of the attempts' results, and the condition of each.
async fn begin(results: Vec<Tried>) -> (Result<Turn, StoreError>, Vec<String>) {
    let (results, conditions) = (RefCell::new(results.into_iter()), RefCell::new(Vec::new()));
    let turn = once()
        .begin(async |condition| {
            conditions.borrow_mut().push(condition.expression);
            Ok(results.borrow_mut().next().expect("no more attempts than expected"))
        })
        .await;
    assert!(results.borrow_mut().next().is_none(), "fewer attempts than expected");
    (turn, conditions.into_inner())
}

fn refused(there: &IdempotencyItem) -> Tried {
    Tried::Refused(Some(attributes(there)))
}

#[tokio::test]
async fn what_was_made_before_is_told_and_not_made_again() {
    let before = once().making("id", "one").item;
    let before = IdempotencyItem { created_at: NOW - time::Duration::HOUR, ..before };
    let before =
        IdempotencyItem { reference: BTreeMap::from([("id".to_owned(), "one".to_owned())]), ..before };
    let (turn, conditions) = begin(vec![refused(&before)]).await;
    let Ok(Turn::Again(earlier)) = turn else { panic!("{turn:?}") };
    assert_eq!((earlier.made("id"), earlier.made("other")), (Some("one"), None));
    assert_eq!((earlier.created_at, conditions.len()), (NOW - time::Duration::HOUR, 1));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again() {
    let (turn, _) = begin(vec![refused(&item("mine", NOW))]).await;
    assert!(matches!(turn, Ok(Turn::First)), "{turn:?}");
    let own_claim = IdempotencyItem { lease_until: Some(NOW + LEASE), ..item("mine", NOW) };
    let (turn, _) = begin(vec![refused(&own_claim)]).await;
    assert!(matches!(turn, Ok(Turn::First)), "{turn:?}");
}

#[tokio::test]
async fn another_request_with_the_key_is_refused_whatever_became_of_the_first() {
    for there in [item("other", NOW), claim(NOW + LEASE), claim(NOW - LEASE)] {
        let other = IdempotencyItem { fingerprint: "another".into(), ..there };
        let (turn, _) = begin(vec![refused(&other)]).await;
        assert!(matches!(turn, Err(StoreError::KeyReused)), "{turn:?}");
    }
}

#[tokio::test]
async fn a_claim_is_respected_until_its_lease_is_over_and_then_taken_over() {
    let (turn, _) = begin(vec![refused(&claim(NOW + time::Duration::MILLISECOND))]).await;
    assert!(matches!(turn, Err(StoreError::KeyInUse)), "{turn:?}");
    let (turn, conditions) = begin(vec![refused(&claim(NOW)), Tried::Written]).await;
    assert!(matches!(turn, Ok(Turn::First)), "{turn:?}");
    assert_eq!(
        conditions,
        [
            "attribute_not_exists(#key) OR #expires_at <= :now",
            "attribute_not_exists(#key) OR #expires_at <= :now OR #lease = :lease"
        ]
    );
    // Another one was quicker.
    let (turn, _) = begin(vec![refused(&claim(NOW)), refused(&claim(NOW + LEASE))]).await;
    assert!(matches!(turn, Err(StoreError::KeyInUse)), "{turn:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_overtaken_tries_again_and_not_for_ever() {
    let (turn, _) = begin(vec![Tried::Overtaken, Tried::Overtaken, refused(&item("other", NOW))]).await;
    assert!(matches!(turn, Ok(Turn::Again(_))), "{turn:?}");
    let (turn, _) = begin((0..ATTEMPTS).map(|_| Tried::Overtaken).collect()).await;
    assert!(matches!(turn, Err(StoreError::KeyInUse)), "{turn:?}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_no_answer() {
    let odd = Item::from([("route_key".to_owned(), AttributeValue::S("POST /files#k".into()))]);
    let (turn, _) = begin(vec![Tried::Refused(Some(odd))]).await;
    assert!(matches!(turn, Err(StoreError::Incomplete(_))), "{turn:?}");
}

#[test]
fn every_name_and_value_is_used() {
    let lease = AttributeValue::S("2026-11-24T12:00:00Z".into());
    for condition in [once().is_free(None), once().is_free(Some(lease)), once().is_own()] {
        let text = &condition.expression;
        for name in condition.names.keys().chain(condition.values.keys()) {
            assert!(text.contains(name.as_str()), "{name} in {text}");
        }
        assert_eq!(text.matches('#').count(), condition.names.len(), "{text}");
        assert_eq!(text.matches(':').count(), condition.values.len(), "{text}");
    }
}

/// What a transaction comes to whose writes were refused for the reasons.
fn of_reasons(codes: [&str; 2]) -> Result<Tried, StoreError> {
    let reasons = codes.map(|code| CancellationReason::builder().code(code).build());
    let error = TransactionCanceledExceptionBuilder::default().set_cancellation_reasons(Some(reasons.into()));
    let error = TransactWriteItemsError::TransactionCanceledException(error.build());
    cancelled(SdkError::service_error(error, ()))
}

#[test]
fn a_transaction_that_is_cancelled_says_what_was_in_the_way() {
    let there = of_reasons(["ConditionalCheckFailed", "None"]);
    assert!(matches!(there, Ok(Tried::Refused(None))), "{there:?}");
    for codes in [["TransactionConflict", "None"], ["None", "TransactionConflict"]] {
        let tried = of_reasons(codes);
        assert!(matches!(tried, Ok(Tried::Overtaken)), "{tried:?}");
    }
    let running = TransactionInProgressExceptionBuilder::default().build();
    let running = TransactWriteItemsError::TransactionInProgressException(running);
    let tried = cancelled(SdkError::service_error(running, ()));
    assert!(matches!(tried, Ok(Tried::Overtaken)), "{tried:?}");
}

#[test]
fn a_transaction_that_is_throttled_can_be_made_later_and_others_are_our_fault() {
    for (codes, status) in [
        (["None", "ThrottlingError"], 503),
        (["ProvisionedThroughputExceeded", "None"], 503),
        (["None", "ConditionalCheckFailed"], 500),
        (["ValidationError", "None"], 500),
    ] {
        let error = of_reasons(codes).expect_err("refused");
        assert_eq!(contract::Problem::from(error).kind().status(), status, "{codes:?}");
    }
}
