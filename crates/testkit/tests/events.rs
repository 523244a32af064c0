//! The project's own events, which developers invoke functions with.

use testkit::Stack;

#[test]
fn every_event_of_the_project_is_one_of_api_gateways() {
    let mut count = 0;
    for folder in std::fs::read_dir(testkit::workspace().join("events")).expect("events") {
        let function = folder.expect("a folder").file_name().to_string_lossy().into_owned();
        for (case, path) in Stack::cases(&function) {
            let text = std::fs::read(&path).expect("an event");
            let event: aws_lambda_events::apigw::ApiGatewayProxyRequest =
                serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{function}/{case}: {error}"));
            assert!(event.request_context.request_id.is_some(), "{function}/{case}");
            count += 1;
        }
    }
    assert!(count > 40);
}
