//! Every stack of these tests looks for keys' values at its end: that it finds them.

use testkit::Stack;

#[tokio::test]
#[should_panic(expected = "the value of a key is in a table")]
async fn the_value_of_a_key_in_a_table_fails_the_test_whose_stack_it_is() {
    let stack = Stack::start().await;
    let value = stack.tenant("acme").api_key.clone();
    let body = serde_json::json!({ "note": value }).to_string();
    assert_eq!(stack.as_tenant("globex", "POST", "/records/notes", &body).await.status, 201);
}
