use serde_json::json;
use time::macros::datetime;

use super::*;

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00A08";

fn members(body: &str) -> Vec<(String, Json)> {
    let Ok(Json::Object(members)) = Json::parse(body) else { panic!("an object: {body}") };
    members
}

fn pointers(problem: &Problem) -> (u16, Vec<String>) {
    let document = problem.document("r-1");
    (document.status, document.errors.into_iter().map(|error| error.pointer).collect())
}

fn owned(pointers: &[&str]) -> Vec<String> {
    pointers.iter().map(|pointer| (*pointer).to_owned()).collect()
}

#[test]
fn a_file_request_leaves_out_what_it_need_not_say() {
    let asked = FileRequest::read(&members(r#"{"name": "a", "size": 0, "content_type": "text/plain"}"#));
    let asked = asked.unwrap();
    assert_eq!((asked.name.as_str(), asked.size, asked.content_type.as_str()), ("a", 0, "text/plain"));
    assert_eq!((asked.sha256, asked.overwrite), (None, false));
    let body = format!(
        r#"{{"name": "a/b", "size": 67108864, "content_type": "a/b", "sha256": "{SHA256}", "overwrite": true}}"#
    );
    let asked = FileRequest::read(&members(&body)).unwrap();
    assert_eq!((asked.size, asked.overwrite), (FileRequest::SINGLE_MAX, true));
    assert_eq!(asked.sha256.unwrap().as_bytes()[30..], [0x0a, 0x08]);
}

#[test]
fn one_answer_names_all_that_is_wrong_with_a_file_request() {
    let large = format!(r#"{{"name": "a", "size": 67108865, "content_type": "a/b", "sha256": "{SHA256}"}}"#);
    for (body, expected) in [
        ("{}", &["/name", "/size", "/content_type"][..]),
        (r#"{"name": "", "size": -1, "content_type": "text"}"#, &["/content_type", "/name", "/size"]),
        (r#"{"name": 1, "size": "1", "content_type": null}"#, &["/content_type", "/name", "/size"]),
        (
            r#"{"name": "a\u0000", "size": 1.5, "content_type": "a/b", "sha256": "00"}"#,
            &["/name", "/sha256", "/size"],
        ),
        (r#"{"name": "a", "size": 18446744073709551616, "content_type": "a/b"}"#, &["/size"]),
        (
            r#"{"name": "a", "size": 1, "content_type": "a/b", "overwrite": "true", "x/": 1}"#,
            &["/overwrite", "/x~1"],
        ),
        (&large, &["/sha256"]),
    ] {
        let found = pointers(&FileRequest::read(&members(body)).unwrap_err());
        assert_eq!(found, (422, owned(expected)), "{body}");
    }
}

#[test]
fn a_completion_names_its_parts() {
    let body =
        r#"{"upload_id": "u-1", "parts": [{"number": 1, "etag": "\"a\""}, {"number": 1000, "etag": "b"}]}"#;
    let asked = FileCompletion::read(&members(body)).unwrap();
    assert_eq!((asked.upload_id.as_str(), asked.overwrite), ("u-1", false));
    let parts: Vec<_> = asked.parts.iter().map(|part| (part.number, part.etag.as_str())).collect();
    assert_eq!(parts, [(1, "\"a\""), (1_000, "b")]);
    let body = r#"{"upload_id": "u-1", "parts": [{"number": 1, "etag": "a"}], "overwrite": true}"#;
    assert!(FileCompletion::read(&members(body)).unwrap().overwrite);
}

#[test]
fn one_answer_names_all_that_is_wrong_with_a_completion() {
    let many =
        format!(r#"{{"upload_id": "u", "parts": [{}]}}"#, [r#"{"number": 1, "etag": "a"}"#; 1_001].join(","));
    for (body, expected) in [
        ("{}", &["/upload_id", "/parts"][..]),
        (r#"{"upload_id": "a b", "parts": [], "overwrite": 1}"#, &["/overwrite", "/parts", "/upload_id"]),
        (r#"{"upload_id": "u", "parts": {}, "etag": "x"}"#, &["/etag", "/parts"]),
        (
            r#"{"upload_id": "u", "parts": [{"number": 0, "etag": "a"}, 7, {"number": 1001}, {"etag": "", "number": 2, "x": 1}]}"#,
            &[
                "/parts/0/number",
                "/parts/1",
                "/parts/2/number",
                "/parts/2/etag",
                "/parts/3/etag",
                "/parts/3/x",
            ],
        ),
        (&many, &["/parts"]),
    ] {
        let found = pointers(&FileCompletion::read(&members(body)).unwrap_err());
        assert_eq!(found, (422, owned(expected)), "{body:.200}");
    }
}

#[test]
fn a_sha256_is_64_hexadecimal_digits() {
    assert!(SHA256.parse::<Sha256Digest>().is_ok());
    for bad in [
        "",
        &SHA256[1..],
        &format!("{SHA256}0"),
        &format!("+{}", &SHA256[1..]),
        &"ä".repeat(32),
        &"g".repeat(64),
    ] {
        assert_eq!(bad.parse::<Sha256Digest>(), Err(Sha256Error), "{bad:?}");
    }
}

fn headers() -> BTreeMap<String, String> {
    BTreeMap::from([("content-length".to_owned(), "3".to_owned())])
}

fn single() -> FileUpload {
    let upload = SingleUpload {
        method: "PUT".into(),
        url: PresignedUrl::new("https://s3/hush"),
        headers: headers(),
        expires_at: datetime!(2026-11-24 12:15 UTC),
    };
    FileUpload { name: "a/b".parse().unwrap(), plan: UploadPlan::Single(upload) }
}

fn multipart() -> FileUpload {
    let upload = MultipartUpload {
        upload_id: "u-1".parse().unwrap(),
        part_size: 16_777_216,
        parts: vec![PartUpload { number: 1, url: PresignedUrl::new("https://s3/hush"), headers: headers() }],
        expires_at: datetime!(2026-11-24 13:00 UTC),
    };
    FileUpload { name: "a/b".parse().unwrap(), plan: UploadPlan::Multipart(upload) }
}

fn file() -> File {
    File {
        name: "a/b".parse().unwrap(),
        size: 3,
        content_type: "text/plain".into(),
        etag: "\"9b2cf5\"".into(),
        last_modified: datetime!(2026-11-24 12:00 UTC),
        download: Download {
            url: PresignedUrl::new("https://s3/hush"),
            expires_at: datetime!(2026-11-24 12:15 UTC),
        },
    }
}

#[test]
fn answers_have_the_members_of_the_contract() {
    assert_eq!(
        serde_json::to_value(single()).unwrap(),
        json!({
            "name": "a/b",
            "upload": {
                "method": "PUT",
                "url": "https://s3/hush",
                "headers": {"content-length": "3"},
                "expires_at": "2026-11-24T12:15:00Z",
            },
        })
    );
    assert_eq!(
        serde_json::to_value(multipart()).unwrap(),
        json!({
            "name": "a/b",
            "multipart": {
                "upload_id": "u-1",
                "part_size": 16_777_216,
                "parts": [{"number": 1, "url": "https://s3/hush", "headers": {"content-length": "3"}}],
                "expires_at": "2026-11-24T13:00:00Z",
            },
        })
    );
    assert_eq!(
        serde_json::to_value(file()).unwrap(),
        json!({
            "name": "a/b",
            "size": 3,
            "content_type": "text/plain",
            "etag": "\"9b2cf5\"",
            "last_modified": "2026-11-24T12:00:00Z",
            "download": {"url": "https://s3/hush", "expires_at": "2026-11-24T12:15:00Z"},
        })
    );
    let page = FilePage {
        items: vec![FileItem {
            name: "a".parse().unwrap(),
            size: 3,
            last_modified: datetime!(2026-11-24 12:00 UTC),
        }],
        prefixes: vec!["reports/".parse().unwrap()],
        next_cursor: None,
    };
    assert_eq!(
        serde_json::to_value(page).unwrap(),
        json!({
            "items": [{"name": "a", "size": 3, "last_modified": "2026-11-24T12:00:00Z"}],
            "prefixes": ["reports/"],
            "next_cursor": null,
        })
    );
}

#[test]
fn no_shown_answer_holds_a_url() {
    let shown = format!("{:?} {:?} {:?}", single(), multipart(), file());
    assert!(shown.contains("a/b") && !shown.contains("hush"), "{shown}");
}
