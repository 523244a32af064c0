//! No text makes the reader panic.

use crate::common::inputs;
use proptest::prelude::*;
use stack_template::{Sources, read_sources};

const TEMPLATE: &str = include_str!("../../../../infra/template.yaml");
const PLANS: &str = include_str!("../../../../infra/usage-plans.yaml");

/// What may happen to a line.
#[derive(Debug, Clone)]
enum Change {
    Drop,
    Double,
    Indent,
    Outdent,
    Cut(usize),
    Value(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let values = prop::sample::select(vec![
        "[]",
        "{}",
        "!Ref X",
        "~",
        "-1",
        "'",
        "&a",
        "*a",
        "!Sub \"${\"",
        "é",
        "!GetAtt a",
        "99999999999999999999",
    ]);
    prop_oneof![
        Just(Change::Drop),
        Just(Change::Double),
        Just(Change::Indent),
        Just(Change::Outdent),
        (0..120_usize).prop_map(Change::Cut),
        values.prop_map(Change::Value),
    ]
}

fn apply(text: &str, changes: &[(prop::sample::Index, Change)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (index, change) in changes {
        let at = index.index(lines.len());
        let line = lines[at].clone();
        match change {
            Change::Drop if lines.len() > 1 => drop(lines.remove(at)),
            Change::Drop => {}
            Change::Double => lines.insert(at, line),
            Change::Indent => lines[at] = format!("  {line}"),
            Change::Outdent => line.strip_prefix("  ").unwrap_or(&line).clone_into(&mut lines[at]),
            Change::Cut(length) => lines[at] = line.chars().take(*length).collect(),
            Change::Value(value) => {
                lines[at] = line.split_once(": ").map_or(line.clone(), |(key, _)| format!("{key}: {value}"));
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_lines_makes_the_reader_panic(
        template in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..4),
        plans in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..4),
    ) {
        let (template, plans) = (apply(TEMPLATE, &template), apply(PLANS, &plans));
        let read = read_sources(&inputs(&[]), Sources { template: &template, usage_plans: &plans });
        if let Err(error) = read {
            prop_assert!(!error.findings.is_empty());
            for finding in &error.findings {
                let text = if finding.file == "plans.yaml" { &plans } else { &template };
                prop_assert!(finding.line <= text.lines().count() + 1, "{}", finding);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(template in "\\PC{0,80}", plans in "[\\[\\]{}:!&*?|>'\" a\n-]{0,40}") {
        let _ = read_sources(&inputs(&[]), Sources { template: &template, usage_plans: &plans });
    }
}
