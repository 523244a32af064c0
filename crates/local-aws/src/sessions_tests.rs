use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::testing::now;

fn session() -> Session {
    Session {
        role_arn: "arn:aws:iam::123456789012:role/tenant-access".to_owned(),
        session_name: "acme.k1".to_owned(),
        tags: BTreeMap::from([("tenant-id".to_owned(), "acme".to_owned())]),
        transitive: BTreeSet::new(),
        policy: None,
        chained: true,
        issued_at: now(),
        expires_at: now() + Duration::from_mins(15),
    }
}

fn token(principal: &Principal) -> &str {
    principal.session_token.as_ref().expect("a session").expose()
}

#[test]
fn a_token_with_one_bit_changed_opens_nothing() {
    let sessions = Sessions::new().expect("random numbers");
    let issued = sessions.issue(&session()).expect("issued");
    let bytes = STANDARD.decode(token(&issued)).expect("base 64");
    assert!(sessions.open(&issued.access_key_id, token(&issued)).is_some());
    for index in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[index] ^= bit;
            assert!(
                sessions.open(&issued.access_key_id, &STANDARD.encode(changed)).is_none(),
                "byte {index}"
            );
        }
    }
    for end in 0..token(&issued).len() {
        assert!(sessions.open(&issued.access_key_id, &token(&issued)[..end]).is_none(), "{end} characters");
    }
}

#[test]
fn a_token_opens_under_its_own_access_key_id_and_its_own_key_alone() {
    let sessions = Sessions::new().expect("random numbers");
    let (one, two) =
        (sessions.issue(&session()).expect("issued"), sessions.issue(&session()).expect("issued"));
    assert!(sessions.open(&one.access_key_id, token(&two)).is_none());
    // Also once both were opened, and kept.
    assert!(sessions.open(&one.access_key_id, token(&one)).is_some());
    assert!(sessions.open(&two.access_key_id, token(&two)).is_some());
    assert!(sessions.open(&one.access_key_id, token(&two)).is_none());
    assert!(Sessions::new().expect("random numbers").open(&one.access_key_id, token(&one)).is_none());
    assert!(sessions.open(&one.access_key_id, &"A".repeat(MAX_TOKEN + 1)).is_none());
}

#[test]
fn a_session_outlives_a_restart_under_the_exported_key() {
    let sessions = Sessions::new().expect("random numbers");
    let issued = sessions.issue(&session()).expect("issued");
    let restarted = Sessions::restore(&sessions.export()).expect("a key");
    let opened = restarted.open(&issued.access_key_id, token(&issued)).expect("the same session");
    assert_eq!((opened.secret.expose(), &opened.kind), (issued.secret.expose(), &issued.kind));
    for damaged in ["", "AAAA", "not base 64!"] {
        assert!(Sessions::restore(&Secret::new(damaged)).is_err(), "{damaged}");
    }
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let sessions = Sessions::new().expect("random numbers");
    let issued = sessions.issue(&session()).expect("issued");
    let debug = format!("{sessions:?} {issued:?}");
    for secret in [issued.secret.expose(), token(&issued), sessions.export().expose()] {
        assert!(!debug.contains(secret));
    }
}

#[test]
fn what_cannot_be_opened_again_is_not_issued() {
    let sessions = Sessions::new().expect("random numbers");
    let unreadable = Session { policy: Some("{}".to_owned()), ..session() };
    assert!(matches!(sessions.issue(&unreadable), Err(Error::InvalidSession)));
    let tags = (0..50).map(|n| (format!("key{n}"), "v".repeat(256))).collect();
    assert!(matches!(sessions.issue(&Session { tags, ..session() }), Err(Error::SessionTooLarge)));
}

#[test]
fn opened_sessions_that_are_kept_are_bounded() {
    let sessions = Sessions::new().expect("random numbers");
    for _ in 0..=MAX_OPENED {
        let issued = sessions.issue(&session()).expect("issued");
        assert!(sessions.open(&issued.access_key_id, token(&issued)).is_some());
    }
    assert!(sessions.opened.read().expect("no panic").len() <= MAX_OPENED);
}

proptest! {
    #[test]
    fn a_session_is_opened_as_it_was_issued(
        tags in proptest::collection::btree_map("[a-zA-Z0-9 _.:/=+@-]{1,40}", "[\\p{L}0-9 _.:/=+@-]{0,60}", 0..10),
        name in "[a-zA-Z0-9_+=,.@-]{2,64}",
        chained in any::<bool>(),
        seconds in 900_u64..43_200,
    ) {
        let sessions = Sessions::new().unwrap();
        let transitive = tags.keys().take(2).cloned().collect();
        let issued = Session { tags, session_name: name, transitive, chained, expires_at: now() + Duration::from_secs(seconds), ..session() };
        let principal = sessions.issue(&issued).unwrap();
        let opened = sessions.open(&principal.access_key_id, token(&principal)).unwrap();
        let PrincipalKind::Session(facts) = &opened.kind else { panic!("a session") };
        prop_assert_eq!((&facts.tags, &facts.transitive, &facts.session_name, facts.chained), (&issued.tags, &issued.transitive, &issued.session_name, issued.chained));
        prop_assert_eq!(opened.expires_at, Some(issued.expires_at));
    }
}
