//! The sentence that tells a principal why it may not ("Troubleshoot access denied error messages" in the IAM
//! User Guide).

use iam_policy::{By, Layer};

/// Who may not do what on what, and what decided. What the local stack cannot judge is said behind it; which
/// statement came nearest is for the developer and not for the caller.
pub(super) fn denied(principal: &str, action: &str, resource: &str, by: &By) -> String {
    let refused = format!("User: {principal} is not authorized to perform: {action} on resource: {resource}");
    match by {
        By::Statement { layer, unknown, .. } => {
            let unknown = unknown.as_ref().map(|unknown| format!(" (not known here: {unknown})"));
            format!("{refused} with an explicit deny in {}{}", named(*layer), unknown.unwrap_or_default())
        }
        By::NothingAllows { layer, unknown, .. } => {
            let unknown = match unknown.as_slice() {
                [] => String::new(),
                unknown => format!(" (not known here: {})", unknown.join(", ")),
            };
            format!("{refused} because no {} allows the {action} action{unknown}", aws_name(*layer))
        }
    }
}

/// AWS counts a role's trust policy among the policies of resources.
fn aws_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Identity => "identity-based policy",
        Layer::Session => "session policy",
        Layer::Trust => "resource-based policy",
    }
}

fn named(layer: Layer) -> &'static str {
    match layer {
        Layer::Identity => "an identity-based policy",
        Layer::Session => "a session policy",
        Layer::Trust => "a resource-based policy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_principal_the_action_the_resource_and_what_decided() {
        let by = By::NothingAllows { layer: Layer::Session, unknown: Vec::new(), nearest: None };
        assert_eq!(
            denied("arn:aws:sts::1:assumed-role/a/b", "dynamodb:Scan", "arn:t", &by),
            "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: dynamodb:Scan on resource: arn:t \
             because no session policy allows the dynamodb:Scan action"
        );
        let unknown = vec!["aws:Foo".to_owned()];
        let by = By::NothingAllows { layer: Layer::Identity, unknown, nearest: Some("hidden".to_owned()) };
        assert!(denied("u", "a:b", "r", &by).ends_with("allows the a:b action (not known here: aws:Foo)"));
    }
}
