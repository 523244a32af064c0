//! Where the file and what is in force differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::plans::model::{Plan, Route, StageId, limit_text, quota_text};
use crate::show::plain;

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The plan's name.
    plan: String,
    /// A route, `limit`, `quota`, a stage, or the plan as a whole.
    what: String,
    /// In the file; nothing for a plan that the file does not have.
    file: Option<String>,
    /// In force.
    in_force: String,
}

impl Difference {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let Self { plan, what, file, in_force } = self;
        json!({ "plan": plan, "what": what, "file": file, "in_force": in_force })
    }

    /// For people.
    pub(crate) fn cells(&self) -> Vec<String> {
        let Self { plan, what, file, in_force } = self;
        vec![plain(plan), what.clone(), file.clone().unwrap_or_else(|| "none".to_owned()), in_force.clone()]
    }

    /// Whether it is a plan that the file does not have. Applying the file leaves it as it is.
    pub(crate) fn is_foreign(&self) -> bool {
        self.file.is_none()
    }
}

/// How many of the file's plans have to be applied.
pub(crate) fn plans_to_apply(found: &[Difference]) -> usize {
    let own = found.iter().filter(|difference| !difference.is_foreign());
    own.map(|difference| &difference.plan).collect::<BTreeSet<_>>().len()
}

/// Everything that differs, plan by plan and route by route, in the order of the names.
pub(crate) fn differences(file: &[Plan], in_force: &[Plan]) -> Vec<Difference> {
    let by_name = |plans: &[Plan]| -> BTreeMap<String, Plan> {
        plans.iter().map(|plan| (plan.name.clone(), plan.clone())).collect()
    };
    let (file, in_force) = (by_name(file), by_name(in_force));
    let names: BTreeSet<&String> = file.keys().chain(in_force.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let mut differ = |what: String, file: Option<String>, in_force: String| {
            found.push(Difference { plan: name.clone(), what, file, in_force });
        };
        match (file.get(name), in_force.get(name)) {
            (Some(file), Some(in_force)) => compare(file, in_force, &mut differ),
            (Some(_), None) => differ("plan".to_owned(), Some("there".to_owned()), "none".to_owned()),
            (None, _) => differ("plan".to_owned(), None, "there".to_owned()),
        }
    }
    found
}

fn compare(file: &Plan, in_force: &Plan, differ: &mut impl FnMut(String, Option<String>, String)) {
    if file.throttle != in_force.throttle {
        differ("limit".to_owned(), Some(limit_text(file.throttle)), limit_text(in_force.throttle));
    }
    if file.quota != in_force.quota {
        differ("quota".to_owned(), Some(quota_text(file.quota)), quota_text(in_force.quota));
    }
    let stages: BTreeSet<&StageId> = file.stages.keys().chain(in_force.stages.keys()).collect();
    let none = BTreeMap::new();
    for id in stages {
        let (is_own, is_theirs) = (file.stages.contains_key(id), in_force.stages.contains_key(id));
        if is_own != is_theirs {
            differ(format!("stage {id}"), Some(opened(is_own)), opened(is_theirs));
        }
        let (own, theirs) = (file.stages.get(id).unwrap_or(&none), in_force.stages.get(id).unwrap_or(&none));
        let routes: BTreeSet<&Route> = own.keys().chain(theirs.keys()).collect();
        for route in routes {
            let (own, theirs) = (own.get(route).copied(), theirs.get(route).copied());
            if own != theirs {
                differ(route.to_string(), Some(limit_text(own)), limit_text(theirs));
            }
        }
    }
}

fn opened(is_open: bool) -> String {
    let word = if is_open { "open" } else { "none" };
    word.to_owned()
}
