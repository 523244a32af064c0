use super::*;

#[test]
fn a_tenant_is_shown_with_its_keys() {
    let mut answer = json!({
        "tenant": {
            "tenant_id": "acme", "name": "Acme", "email": "a@b.example", "contact": { "phone": "1" },
            "tier": "free", "isolation": "pooled", "status": "active", "status_reason": null,
            "version": 2, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
        },
        "keys": [{ "api_key_id": "k1", "status": "active", "created_at": "2026-01-01T00:00:00Z",
            "expires_at": null }],
    });
    assert_eq!(
        tenant_text(&answer),
        "tenant_id      acme\nname           Acme\nemail          a@b.example\ntier           free\n\
         isolation      pooled\nstatus         active\nstatus_reason  -\ncontact        phone=1\n\
         version        2\ncreated_at     2026-01-01T00:00:00Z\nupdated_at     2026-01-02T00:00:00Z\n\n\
         KEY  STATUS  CREATED               EXPIRES\nk1   active  2026-01-01T00:00:00Z  -\n"
    );
    answer["tenant"]["status"] = "suspended".into();
    assert!(tenant_text(&answer).contains("\n\nIts keys are refused.\n\nKEY  STATUS"));
}

#[test]
fn an_offboarding_is_shown_with_its_stage_and_what_was_exported() {
    let offboarding = json!({
        "stage": "grace", "suspended_at": "2026-01-01T00:00:00Z", "purge_at": "2026-01-31T00:00:00Z",
        "next_at": "2026-01-31T00:00:00Z", "export": { "bucket": "exports", "prefix": "acme/000003/" },
        "counts": { "records": 2, "checkpoints": 1, "files": 0 },
    });
    let shown = details(&offboarding_details(&offboarding));
    assert!(shown.starts_with("stage         grace\n"), "{shown}");
    assert!(shown.contains("purge_at      2026-01-31T00:00:00Z\n"), "{shown}");
    assert!(shown.contains("export        s3://exports/acme/000003/\n"), "{shown}");
    assert!(shown.ends_with("exported      2 records, 1 checkpoints, 0 files\n"), "{shown}");
    assert_eq!(offboarding_details(&Value::Null), []);
}

#[test]
fn a_move_is_shown_with_what_has_come_of_it_so_far() {
    let mut relocation = json!({
        "stage": "copy", "next_at": "2026-01-01T01:10:00Z", "standstill": null,
        "copied": { "records": 2, "files": 1, "bytes": 10 }, "compared": null, "paused_at": null,
        "pause_seconds": null,
    });
    assert_eq!(
        details(&move_details(&relocation)),
        "move     copy\nnext_at  2026-01-01T01:10:00Z\ncopied   2 records, 1 files of 10 bytes\n"
    );
    relocation["standstill"] = "the account may have no further table".into();
    relocation["compared"] = relocation["copied"].clone();
    relocation["pause_seconds"] = 125.into();
    let shown = details(&move_details(&relocation));
    for line in ["standstill     the account", "compared       2 records", "pause_seconds  125"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(move_details(&Value::Null), []);
}

#[test]
fn an_import_is_shown_with_its_stage_and_what_it_has_written() {
    let mut import = json!({
        "stage": "files", "prefix": "acme/000004/", "keys": {}, "next_at": "2026-01-01T00:01:00Z",
        "standstill": null, "counts": { "records": 2, "checkpoints": 1, "files": 0 }, "pause_seconds": null,
    });
    assert_eq!(
        details(&import_details(&import)),
        "import    files\nfrom      acme/000004/\nnext_at   2026-01-01T00:01:00Z\n\
         imported  2 records, 1 checkpoints, 0 files\n"
    );
    import["standstill"] = "manifest.json is not there any more".into();
    import["pause_seconds"] = 90.into();
    let shown = details(&import_details(&import));
    for line in ["standstill     manifest.json is not", "pause_seconds  90"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(import_details(&Value::Null), []);
}

#[test]
fn a_list_says_whom_it_leaves_out() {
    let filter = |status, tier| Filter { status, tier, limit: None };
    assert_eq!(filter(None, None).nobody(), "No active tenants; --status shows others.");
    assert_eq!(filter(Some("suspended"), Some("gold")).nobody(), "No suspended tenants of tier gold.");
    assert!(filter(None, Some("gold")).left_out().is_some());
    assert_eq!(filter(Some("active"), None).left_out(), None);
    assert_eq!(more("a\u{1b}"), "There are more: --cursor a\\u{1b}");
}

#[test]
fn a_list_shows_a_line_for_each_tenant() {
    let items = [json!({ "tenant_id": "acme", "name": "A\u{7}", "tier": "free", "isolation": "pooled",
        "status": "active", "version": 1, "created_at": "2026-01-01T00:00:00Z" })];
    assert_eq!(
        tenant_table(&items),
        "TENANT  NAME    TIER  ISOLATION  STATUS  VERSION  CREATED\n\
         acme    A\\u{7}  free  pooled     active  1        2026-01-01T00:00:00Z\n"
    );
}
