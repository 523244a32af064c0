//! Checkpoints through the gateway and the real functions.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::Stack;

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

async fn any_json_comes_back_as_it_was_sent(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    for (n, body) in [
        r#"{"big":12345678901234567890.123456789,"deep":[{"a":[]}]}"#,
        "[1,null,\"x\"]",
        r#""text""#,
        r#""""#,
        "0.5",
        "false",
        "null",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/checkpoints/value{n}");
        let created = stack.as_tenant("globex", "PUT", &path, body).await;
        assert_eq!((created.status, created.header("location")), (201, format!("/v1{path}").as_str()));
        assert!(String::from_utf8_lossy(&created.body).ends_with(&format!(r#","value":{body}}}"#)));
        let read = stack.as_tenant("globex", "GET", &path, "").await;
        assert_eq!((read.status, &read.body), (200, &created.body));
        let replaced = stack.as_tenant("globex", "PUT", &path, body).await;
        assert_eq!((replaced.status, replaced.json()["version"].clone()), (200, json!(2)), "{body}");
        assert_eq!(stack.as_tenant("globex", "DELETE", &path, "").await.status, 204);
        assert_eq!(stack.as_tenant("globex", "GET", &path, "").await.status, 404);
    }
}

async fn a_value_of_8192_bytes_is_kept_and_one_of_8193_is_not(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let kept = stack.as_tenant("globex", "PUT", "/checkpoints/large", &text(8_192)).await;
    assert_eq!(kept.status, 201);
    let refused = stack.as_tenant("globex", "PUT", "/checkpoints/large", &text(8_193)).await;
    assert_eq!(
        (refused.status, refused.json()["type"].clone()),
        (413, json!("urn:tenantry:problem:payload-too-large"))
    );
    assert_eq!(stack.as_tenant("globex", "GET", "/checkpoints/large", "").await.body, kept.body);
}

async fn pages_hold_every_checkpoint_of_the_key_once_in_order_both_ways(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    // It has one from its seed.
    let mut all = vec!["sync".to_owned()];
    for n in 0..12 {
        let name = format!("p{n:02}");
        let path = format!("/checkpoints/{name}");
        assert_eq!(stack.as_tenant("initech", "PUT", &path, "1").await.status, 201);
        assert_eq!(stack.as_tenant("globex", "PUT", &path, "2").await.status, 201);
        all.push(name);
    }
    all.sort();
    for (order, limit) in [("asc", 5), ("desc", 4), ("asc", 13), ("desc", 100)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/checkpoints?order={order}&limit={limit}{cursor}");
            let page = stack.as_tenant("initech", "GET", &path, "").await.json();
            let page_names = names(&page);
            assert!(!page_names.is_empty() && page_names.len() <= limit, "{page}");
            seen.extend(page_names);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if order == "desc" {
            seen.reverse();
        }
        assert_eq!(seen, all, "{order} by {limit}");
    }
}

async fn records_and_checkpoints_refuse_each_others_cursors(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    // A collection may have the name of the other list.
    for id in ["a", "b"] {
        let path = format!("/records/checkpoints/{id}");
        assert_eq!(stack.as_tenant("globex", "PUT", &path, "{}").await.status, 201);
    }
    let lists = ["/records/checkpoints?limit=1", "/checkpoints?limit=1"];
    for (list, other) in [(lists[0], lists[1]), (lists[1], lists[0])] {
        let page = stack.as_tenant("globex", "GET", list, "").await.json();
        let cursor = page["next_cursor"].as_str().expect("a cursor");
        let own = stack.as_tenant("globex", "GET", &format!("{list}&cursor={cursor}"), "").await;
        assert_eq!(own.status, 200, "{list}");
        let refused = stack.as_tenant("globex", "GET", &format!("{other}&cursor={cursor}"), "").await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["pointer"].clone()),
            (400, json!("/query/cursor")),
            "{other}"
        );
    }
}

async fn conditions_decide_between_two_writers(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let key = &stack.tenant("globex").api_key;
    let call = async |method: &str, header: (&str, &str)| {
        stack.call(key, method, "/checkpoints/race", &[header], "null").await.status
    };
    assert_eq!(call("PUT", ("If-Match", "*")).await, 412);
    assert_eq!(call("PUT", ("If-None-Match", "*")).await, 201);
    assert_eq!(call("PUT", ("If-None-Match", "*")).await, 412);
    assert_eq!(call("PUT", ("If-Match", "\"1\"")).await, 200);
    assert_eq!(call("PUT", ("If-Match", "\"1\"")).await, 412);
    assert_eq!(call("PUT", ("If-Match", "\"1\", \"2\"")).await, 200);
    assert_eq!(call("PUT", ("If-None-Match", "\"3\"")).await, 412);
    assert_eq!(call("PUT", ("If-None-Match", "\"9\"")).await, 200);
    assert_eq!(call("DELETE", ("If-Match", "\"1\"")).await, 412);
    assert_eq!(call("DELETE", ("If-Match", "\"4\"")).await, 204);
    assert_eq!(call("DELETE", ("If-Match", "\"4\"")).await, 404);
}

async fn twenty_writers_with_one_version_have_one_winner(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let key = &stack.tenant("globex").api_key;
    let writers = (0..20).map(|n: u32| {
        let stack = &stack;
        async move {
            let header = ("If-Match", "\"1\"");
            stack.call(key, "PUT", "/checkpoints/sync", &[header], &n.to_string()).await.status
        }
    });
    let mut statuses = futures_util::future::join_all(writers).await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 19][..]));
}

async fn an_item_of_a_tenants_own_making_is_a_checkpoint_of_version_0_or_none_at_all(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let put = async |name: &str, attributes: &[(&str, AttributeValue)]| {
        let key = AttributeValue::S(stack.tenant("initech").api_key_id.clone());
        let request = stack.aws().dynamodb().put_item().table_name(&stack.state().tables["checkpoints"]);
        let request = request.item("api_key_id", key).item("name", AttributeValue::S(name.to_owned()));
        let request =
            attributes.iter().fold(request, |request, (name, value)| request.item(*name, value.clone()));
        request.send().await.expect("written");
    };
    let n = |text: &str| AttributeValue::N(text.to_owned());
    let set = AttributeValue::Ss(vec!["a".to_owned()]);
    let nested = AttributeValue::L(vec![set.clone()]);
    put("own-good", &[("value", n("7"))]).await;
    let odd: [(&str, &[(&str, AttributeValue)]); 6] = [
        ("own-nothing", &[("other", n("7"))]),
        ("own-set", &[("value", set)]),
        ("own-nested", &[("value", nested)]),
        ("own-version", &[("value", n("7")), ("version", AttributeValue::S("1".to_owned()))]),
        ("own-time", &[("value", n("7")), ("updated_at", n("1"))]),
        ("own-future", &[("value", n("7")), ("version", n("18446744073709551616"))]),
    ];
    for (name, attributes) in &odd {
        put(name, attributes).await;
    }
    put("own one", &[("value", n("7"))]).await;

    let good = stack.as_tenant("initech", "GET", "/checkpoints/own-good", "").await;
    assert_eq!((good.status, good.header("etag")), (200, "\"0\""));
    let expected =
        json!({"name": "own-good", "version": 0, "updated_at": "1970-01-01T00:00:00Z", "value": 7});
    assert_eq!(good.json(), expected);
    let page = stack.as_tenant("initech", "GET", "/checkpoints", "").await.json();
    assert_eq!(names(&page), ["own-good", "sync"]);
    let key = &stack.tenant("initech").api_key;
    for (name, _) in odd {
        let path = format!("/checkpoints/{name}");
        assert_eq!(stack.as_tenant("initech", "GET", &path, "").await.status, 404, "{name}");
        let created = stack.as_tenant("initech", "PUT", &path, "1").await;
        assert_eq!((created.status, created.json()["version"].clone()), (201, json!(1)), "{name}");
        assert_eq!(stack.as_tenant("initech", "GET", &path, "").await.body, created.body, "{name}");
    }
    let replaced = stack.call(key, "PUT", "/checkpoints/own-good", &[("If-Match", "\"0\"")], "8").await;
    assert_eq!((replaced.status, replaced.json()["version"].clone()), (200, json!(1)));
    put("own-set", &[("value", AttributeValue::Ss(vec!["a".to_owned()]))]).await;
    assert_eq!(stack.call(key, "PUT", "/checkpoints/own-set", &[("If-Match", "*")], "1").await.status, 412);
    assert_eq!(stack.as_tenant("initech", "DELETE", "/checkpoints/own-set", "").await.status, 404);
}

async fn every_name_of_the_grammar_survives_its_url(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let longest = "~".repeat(128);
    for name in ["a", "...", "-", "_", "~", "A.b-c_d~e", longest.as_str()] {
        let path = format!("/checkpoints/{name}");
        assert_eq!(stack.as_tenant("globex", "PUT", &path, "1").await.status, 201, "{name}");
        assert_eq!(stack.as_tenant("globex", "GET", &path, "").await.json()["name"], name);
    }
    for name in [".", "..", "a%2Fb", "a%23b", "a%20b", "%FF", &"a".repeat(129)] {
        let path = format!("/checkpoints/{name}");
        assert_eq!(stack.as_tenant("globex", "PUT", &path, "1").await.status, 400, "{name}");
    }
}

testkit::in_both_modes! {
    any_json_comes_back_as_it_was_sent,
    a_value_of_8192_bytes_is_kept_and_one_of_8193_is_not,
    pages_hold_every_checkpoint_of_the_key_once_in_order_both_ways,
    records_and_checkpoints_refuse_each_others_cursors,
    conditions_decide_between_two_writers,
    twenty_writers_with_one_version_have_one_winner,
    an_item_of_a_tenants_own_making_is_a_checkpoint_of_version_0_or_none_at_all,
    every_name_of_the_grammar_survives_its_url,
}
