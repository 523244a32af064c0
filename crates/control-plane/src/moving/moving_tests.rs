use contract::OnboardRequest;

use super::*;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

fn tenant() -> TenantItem {
    let request = OnboardRequest {
        tenant_id: None,
        name: "Acme".into(),
        email: "ops@acme.example".into(),
        contact: [].into(),
        tier: "free".into(),
        isolation: Isolation::Pooled,
    };
    TenantItem::intent("acme".parse().unwrap(), &request, "arn", None, (NOW, NOW))
}

fn at(step: Step) -> Moving {
    Moving { step, ..Moving::begin(900, NOW) }
}

#[test]
fn what_is_kept_comes_back_from_the_table_as_it_was_written() {
    let mut side = Side::default();
    side.files.add_file("acme/a", 1, "b");
    let full = Moving {
        paused_at: Some(NOW),
        resumed_at: Some(NOW + Duration::MINUTE),
        pool: side.clone(),
        silo: side,
        ..at(Step::CompareFiles)
    };
    for one in [at(Step::MakeSilo), full] {
        let item = crate::item::write("a move", &one).unwrap();
        assert_eq!(crate::item::read::<Moving>("a move", item).unwrap(), one);
    }
}

#[test]
fn writes_wait_from_the_pause_until_they_go_on_in_the_silo() {
    for step in [Step::MakeSilo, Step::CopyFiles, Step::RefreshRecords, Step::Pause] {
        assert_eq!(at(step).held(), Some(Held::HandingOut), "{step:?}");
    }
    for step in [Step::CatchUpRecords, Step::CompareRecords, Step::Switch, Step::Resume] {
        assert_eq!(at(step).held(), Some(Held::Writes), "{step:?}");
    }
    for step in [Step::Settle, Step::CleanItems, Step::Count, Step::Done, Step::RemoveSilo, Step::Abandoned] {
        assert_eq!(at(step).held(), None, "{step:?}");
    }
}

#[test]
fn sides_that_go_on_to_differ_do_not_keep_writes_waiting() {
    let mut moving = Moving { paused_at: Some(NOW), ..at(Step::CompareRecords) };
    for _ in 0..MOST_RECOUNTS {
        assert!(matches!(moving.differ(NOW, &tenant(), "records"), Outcome::Progress));
        assert_eq!((moving.step, moving.held()), (Step::CatchUpRecords, Some(Held::Writes)));
    }
    let given_up = moving.differ(NOW + Duration::MINUTE, &tenant(), "records");
    assert!(matches!(given_up, Outcome::Change { action: "tenant.unpause", .. }), "{given_up:?}");
    assert_eq!((moving.step, moving.held()), (Step::RefreshRecords, Some(Held::HandingOut)));
    let shown = moving.shown();
    assert_eq!((shown.stage, shown.pause_seconds), (MoveStage::Copy, Some(60)));
    assert!(shown.standstill.unwrap().contains("records"));
}
