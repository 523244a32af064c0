//! The main job: a tenant's key, through the gateway, into the functions, to the tenant's own rows.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::Stack;

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

async fn a_record_is_created_read_replaced_and_deleted(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let created = stack
        .as_tenant("globex", "POST", "/records/tasks", r#"{"n":1.50,"big":12345678901234567890.123456789}"#)
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    let location = created.header("location").strip_prefix("/v1").expect("the stage").to_owned();
    let read = stack.as_tenant("globex", "GET", &location, "").await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    assert!(
        String::from_utf8_lossy(&read.body).contains(r#"{"big":12345678901234567890.123456789,"n":1.5}"#)
    );
    let replaced = stack.as_tenant("globex", "PUT", &location, r#"{"n":2}"#).await;
    assert_eq!((replaced.status, replaced.json()["version"].clone()), (200, json!(2)));
    assert_eq!(replaced.json()["created_at"], created.json()["created_at"]);
    assert_eq!(stack.as_tenant("globex", "DELETE", &location, "").await.status, 204);
    assert_eq!(stack.as_tenant("globex", "GET", &location, "").await.status, 404);
}

async fn pages_hold_every_record_once_in_order_both_ways(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let all: BTreeSet<String> = (0..23).map(|n| format!("r{n:02}")).collect();
    for id in &all {
        assert_eq!(stack.as_tenant("globex", "PUT", &format!("/records/pages/{id}"), "{}").await.status, 201);
        // Neighbours in the sort order that are of no concern here.
        assert_eq!(
            stack.as_tenant("globex", "PUT", &format!("/records/pages2/{id}"), "{}").await.status,
            201
        );
        assert_eq!(
            stack.as_tenant("initech", "PUT", &format!("/records/pages/{id}"), "{}").await.status,
            201
        );
    }
    for (order, limit) in [("asc", 5), ("desc", 7), ("asc", 23), ("desc", 100)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/records/pages?order={order}&limit={limit}{cursor}");
            let page = stack.as_tenant("globex", "GET", &path, "").await.json();
            let page_ids = ids(&page);
            assert!(!page_ids.is_empty() && page_ids.len() <= limit, "{page}");
            seen.extend(page_ids);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut expected: Vec<_> = all.iter().cloned().collect();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order} by {limit}");
    }
}

async fn a_cursor_of_another_list_is_refused(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let page = stack.as_tenant("globex", "GET", "/records/notes?limit=1", "").await.json();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    for path in ["/records/plans?limit=1&cursor=", "/records/notes?order=desc&cursor="] {
        let answer = stack.as_tenant("globex", "GET", &format!("{path}{cursor}"), "").await;
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["pointer"].clone()),
            (400, json!("/query/cursor"))
        );
    }
    // It holds no partition: as another tenant, it goes on in that tenant's own list.
    let page = stack.as_tenant("acme", "GET", &format!("/records/notes?cursor={cursor}"), "").await.json();
    assert_eq!(page["items"][0]["data"]["title"], "Giant magnet");
}

async fn conditions_decide_between_two_writers(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let key = &stack.tenant("globex").api_key;
    let put = async |header: (&str, &str), body: &str| {
        stack.call(key, "PUT", "/records/race/one", &[header], body).await.status
    };
    assert_eq!(put(("If-Match", "*"), "{}").await, 412);
    assert_eq!(put(("If-None-Match", "*"), "{}").await, 201);
    assert_eq!(put(("If-None-Match", "*"), "{}").await, 412);
    assert_eq!(put(("If-Match", "\"1\""), "{}").await, 200);
    assert_eq!(put(("If-Match", "\"1\""), "{}").await, 412);
    assert_eq!(put(("If-Match", "\"1\", \"2\""), "{}").await, 200);
    assert_eq!(put(("If-None-Match", "\"3\""), "{}").await, 412);
    assert_eq!(put(("If-None-Match", "\"9\""), "{}").await, 200);
    let delete = async |header: (&str, &str)| {
        stack.call(key, "DELETE", "/records/race/one", &[header], "").await.status
    };
    assert_eq!(delete(("If-Match", "\"1\"")).await, 412);
    assert_eq!(delete(("If-Match", "\"4\"")).await, 204);
    assert_eq!(delete(("If-Match", "\"4\"")).await, 404);
}

async fn a_delete_that_wants_nothing_there_deletes_nothing(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let key = &stack.tenant("globex").api_key;
    let before = stack.contents().await;
    for (path, status) in
        [("/records/notes/first", 412), ("/records/notes/never", 404), ("/checkpoints/sync", 412)]
    {
        let refused = stack.call(key, "DELETE", path, &[("If-None-Match", "*")], "").await;
        assert_eq!(refused.status, status, "{path}");
    }
    assert_eq!(stack.contents().await, before);
}

async fn twenty_writers_over_an_item_that_is_no_record_have_one_that_creates(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let odd = stack.aws().dynamodb().put_item().table_name(&stack.state().tables["records"]);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let odd = odd.item("tenant_id", text("globex")).item("sk", text("race#odd")).item("data", text("odd"));
    odd.send().await.expect("an item");
    let key = &stack.tenant("globex").api_key;
    let write = || stack.call(key, "PUT", "/records/race/odd", &[("If-None-Match", "*")], "{}");
    let answers = futures_util::future::join_all((0..20).map(|_| write())).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[..2], [201, 412], "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

async fn twenty_writers_with_one_version_have_one_winner(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let key = &stack.tenant("globex").api_key;
    let writers =
        (0..20).map(|n| {
            let body = format!(r#"{{"writer":{n}}}"#);
            let stack = &stack;
            async move {
                stack.call(key, "PUT", "/records/notes/first", &[("If-Match", "\"1\"")], &body).await.status
            }
        });
    let mut statuses = futures_util::future::join_all(writers).await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 19][..]));
}

async fn an_item_of_a_tenants_own_making_is_a_record_of_version_0_or_none_at_all(mode: &str) {
    use aws_sdk_dynamodb::types::AttributeValue;

    let stack = Stack::in_mode(mode).await;
    let put = async |id: &str, data: AttributeValue| {
        let table = &stack.state().tables["records"];
        let request = stack.aws().dynamodb().put_item().table_name(table);
        let request = request.item("tenant_id", AttributeValue::S("globex".into()));
        request
            .item("sk", AttributeValue::S(format!("own#{id}")))
            .item("data", data)
            .send()
            .await
            .expect("written");
    };
    let map = AttributeValue::M([("a".to_owned(), AttributeValue::N("1".into()))].into());
    put("good", map.clone()).await;
    put("odd", AttributeValue::S("text".into())).await;
    put("odd one", map).await;
    let good = stack.as_tenant("globex", "GET", "/records/own/good", "").await;
    assert_eq!((good.status, good.json()["version"].clone(), good.header("etag")), (200, json!(0), "\"0\""));
    assert_eq!(stack.as_tenant("globex", "GET", "/records/own/odd", "").await.status, 404);
    assert_eq!(stack.as_tenant("globex", "DELETE", "/records/own/odd", "").await.status, 404);
    assert_eq!(ids(&stack.as_tenant("globex", "GET", "/records/own", "").await.json()), ["good"]);
    let replaced = stack.as_tenant("globex", "PUT", "/records/own/good", "{}").await;
    assert_eq!((replaced.status, replaced.json()["version"].clone()), (200, json!(1)));
    let created = stack.as_tenant("globex", "PUT", "/records/own/odd", "{}").await;
    assert_eq!((created.status, created.json()["version"].clone()), (201, json!(1)));
    assert_eq!(stack.as_tenant("globex", "GET", "/records/own/odd", "").await.status, 200);
}

async fn a_record_over_400_kb_is_refused_and_a_page_never_bursts_the_answer(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let data = |size: usize| json!({"text": "\"".repeat(size)}).to_string();
    let refused = stack.as_tenant("globex", "PUT", "/records/big/none", &data(410_000)).await;
    assert_eq!(
        (refused.status, refused.json()["type"].clone()),
        (413, json!("urn:tenantry:problem:payload-too-large"))
    );
    assert_eq!(stack.as_tenant("globex", "GET", "/records/big/none", "").await.status, 404);
    for n in 0..12 {
        assert_eq!(
            stack.as_tenant("globex", "PUT", &format!("/records/big/r{n:02}"), &data(400_000)).await.status,
            201
        );
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = stack.as_tenant("globex", "GET", &format!("/records/big?limit=100{cursor}"), "").await;
        assert_eq!(answer.status, 200, "{:?}", answer.headers);
        seen.extend(ids(&answer.json()));
        match answer.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..12).map(|n| format!("r{n:02}")).collect::<Vec<_>>());
}

async fn every_record_id_of_the_grammar_survives_its_url(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let longest = "~".repeat(128);
    for id in ["a", "...", "-", "_", "~", "A.b-c_d~e", longest.as_str()] {
        let path = format!("/records/odd/{id}");
        assert_eq!(stack.as_tenant("globex", "PUT", &path, "{}").await.status, 201, "{id}");
        assert_eq!(stack.as_tenant("globex", "GET", &path, "").await.json()["id"], id);
    }
    for id in [".", "..", "a%2Fb", "a%23b", "a%20b", "%FF", &"a".repeat(129)] {
        assert_eq!(
            stack.as_tenant("globex", "PUT", &format!("/records/odd/{id}"), "{}").await.status,
            400,
            "{id}"
        );
    }
}

async fn four_hundred_requests_at_once_are_all_answered_and_never_mixed(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let tenants = ["acme", "globex", "initech"];
    let all = (0..400).map(|n| {
        let (stack, tenant) = (&stack, tenants[n % 3]);
        async move {
            let (method, path, body) = match n / 3 % 7 {
                0 => ("GET", "/tenant".to_owned(), String::new()),
                1 => ("POST", "/records/load".to_owned(), format!(r#"{{"of":"{tenant}"}}"#)),
                2 => ("PUT", format!("/records/load/r{n}"), format!(r#"{{"of":"{tenant}"}}"#)),
                3 => ("GET", "/records/load".to_owned(), String::new()),
                4 => ("GET", "/records/notes/first".to_owned(), String::new()),
                5 => ("DELETE", format!("/records/load/gone{n}"), String::new()),
                _ if n % 2 == 0 => {
                    let path = format!("/tenants/{tenant}");
                    return (tenant, stack.as_admin("GET", &path, "").await);
                }
                _ => {
                    let body = json!({"name": tenant, "email": "a@b.example", "tier": "free"}).to_string();
                    return (tenant, stack.as_admin("POST", "/tenants", &body).await);
                }
            };
            (tenant, stack.as_tenant(tenant, method, &path, &body).await)
        }
    });
    for (tenant, answer) in futures_util::future::join_all(all).await {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status < 500, "{} {body}", answer.status);
        for (other, title) in
            [("acme", "Rocket skates"), ("globex", "Weather machine"), ("initech", "TPS cover sheet")]
        {
            let theirs =
                [format!(r#""of":"{other}""#), format!(r#""tenant_id":"{other}""#), title.to_owned()];
            assert!(
                tenant == other || theirs.iter().all(|part| !body.contains(part)),
                "{tenant} was answered {body}"
            );
        }
    }
}

testkit::in_both_modes! {
    a_record_is_created_read_replaced_and_deleted,
    pages_hold_every_record_once_in_order_both_ways,
    a_cursor_of_another_list_is_refused,
    conditions_decide_between_two_writers,
    a_delete_that_wants_nothing_there_deletes_nothing,
    twenty_writers_over_an_item_that_is_no_record_have_one_that_creates,
    twenty_writers_with_one_version_have_one_winner,
    an_item_of_a_tenants_own_making_is_a_record_of_version_0_or_none_at_all,
    a_record_over_400_kb_is_refused_and_a_page_never_bursts_the_answer,
    every_record_id_of_the_grammar_survives_its_url,
    four_hundred_requests_at_once_are_all_answered_and_never_mixed,
}
