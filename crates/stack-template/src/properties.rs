//! Reading a resource's properties one by one, so that none is overlooked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::error::Finding;
use crate::model::{Ignored, Throttle};
use crate::node::{Entry, Node};

/// What is found out while reading, about all resources of a file.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) file: String,
    pub(crate) findings: RefCell<Vec<Finding>>,
    pub(crate) ignored: RefCell<BTreeSet<Ignored>>,
    /// Where each section and each of its members begins.
    owners: RefCell<BTreeMap<usize, String>>,
}

impl Notes {
    pub(crate) fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            findings: RefCell::default(),
            ignored: RefCell::default(),
            owners: RefCell::default(),
        }
    }

    /// Notes whose lines begin at one.
    pub(crate) fn owns(&self, line: usize, name: &str) {
        self.owners.borrow_mut().insert(line, name.to_owned());
    }

    /// All findings by line, each once, under the name of the resource that it stands in: what is found by way
    /// of a reference, or through `Globals`, is then said where it can be put right.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let owners = self.owners.borrow();
        let mut findings = self.findings.take();
        for finding in &mut findings {
            if let Some((_, owner)) = owners.range(..=finding.line).next_back() {
                finding.resource.clone_from(owner);
            }
        }
        findings.sort();
        findings.dedup();
        findings
    }

    pub(crate) fn refuse(&self, resource: &str, line: usize, message: impl Into<String>) {
        self.findings.borrow_mut().push(Finding {
            file: self.file.clone(),
            line,
            resource: resource.to_owned(),
            message: message.into(),
        });
    }

    pub(crate) fn ignore(&self, what: impl Into<String>) {
        self.ignored.borrow_mut().insert(Ignored { what: what.into() });
    }
}

/// The members of one map. What nobody has asked for when it is finished is an error.
#[derive(Debug)]
pub(crate) struct Properties<'a> {
    notes: &'a Notes,
    resource: &'a str,
    /// For messages: the resource's type, or the path within it.
    place: String,
    pub(crate) line: usize,
    entries: &'a [Entry],
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Properties<'a> {
    /// The members of a map; of anything else, an error and none.
    pub(crate) fn of(notes: &'a Notes, resource: &'a str, place: impl Into<String>, node: &'a Node) -> Self {
        let place = place.into();
        let entries = node.entries().unwrap_or_else(|| {
            notes.refuse(resource, node.line, format!("{place} must be a map"));
            &[]
        });
        Self { notes, resource, place, line: node.line, entries, asked: RefCell::default() }
    }

    pub(crate) fn notes(&self) -> &'a Notes {
        self.notes
    }

    pub(crate) fn resource(&self) -> &'a str {
        self.resource
    }

    pub(crate) fn refuse(&self, line: usize, message: impl Into<String>) {
        self.notes.refuse(self.resource, line, message);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
    }

    /// A nested map; an absent one is `None`.
    pub(crate) fn map(&self, name: &str) -> Option<Properties<'a>> {
        let node = self.get(name)?;
        Some(Properties::of(self.notes, self.resource, format!("{}/{name}", self.place), node))
    }

    /// Every member, all of them asked for.
    pub(crate) fn all(&self) -> &'a [Entry] {
        self.asked.borrow_mut().extend(self.entries.iter().map(|entry| entry.key.clone()));
        self.entries
    }

    /// The items of a list; an absent one is empty.
    pub(crate) fn list(&self, name: &str) -> &'a [Node] {
        match self.get(name) {
            None => &[],
            Some(node) => node.items().unwrap_or_else(|| {
                self.refuse(node.line, format!("{name} must be a list"));
                &[]
            }),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let node = self.get(name)?;
        let text = node.text();
        if text.is_none() {
            self.refuse(node.line, format!("{name} must be text"));
        }
        text
    }

    /// A text that must be there.
    pub(crate) fn required(&self, name: &str) -> String {
        if self.get(name).is_none() {
            self.refuse(self.line, format!("{name} is missing"));
        }
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn parse<T: FromStr>(&self, name: &str, form: &str) -> Option<T> {
        let node = self.get(name)?;
        let value = node.text().and_then(|text| text.parse().ok());
        if value.is_none() {
            self.refuse(node.line, format!("{name} must be {form}"));
        }
        value
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.parse(name, "true or false")
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, name: &str, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let form = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let value: u64 = self.parse(name, &form)?;
        if bounds.contains(&value) {
            return Some(value);
        }
        self.refuse(self.get(name).map_or(self.line, |node| node.line), format!("{name} must be {form}"));
        None
    }

    /// A rate and a burst; both must be there.
    pub(crate) fn throttle(&self, rate: &str, burst: &str) -> Throttle {
        for name in [rate, burst] {
            if self.get(name).is_none() {
                self.refuse(self.line, format!("{name} is missing"));
            }
        }
        let form = "a number of requests per second, not below 0";
        let per_second: Option<f64> = self.parse(rate, form);
        if let Some(value) = per_second.filter(|value| !value.is_finite() || *value < 0.0) {
            self.refuse(
                self.get(rate).map_or(self.line, |node| node.line),
                format!("{rate} is {value}; it must be {form}"),
            );
        }
        let burst = self.parse(burst, "a whole number of requests from 0 to 4294967295").unwrap_or_default();
        Throttle { rate: per_second.unwrap_or_default(), burst }
    }

    /// A map from text to text.
    pub(crate) fn texts(&self, name: &str) -> BTreeMap<String, String> {
        let Some(node) = self.get(name) else { return BTreeMap::new() };
        let Some(entries) = node.entries() else {
            self.refuse(node.line, format!("{name} must be a map"));
            return BTreeMap::new();
        };
        let mut texts = BTreeMap::new();
        for entry in entries {
            match entry.value.text() {
                Some(text) => {
                    texts.insert(entry.key.clone(), text);
                }
                None => self.refuse(entry.line, format!("{name}/{} must be text", entry.key)),
            }
        }
        texts
    }

    /// Properties that say nothing to the local stack because it has no such part: listed once each.
    pub(crate) fn ignore(&self, names: &[&str]) {
        for name in names {
            if self.get(name).is_some() {
                self.notes.ignore(format!("{}/{name}", self.place));
            }
        }
    }

    /// Properties that are understood and change nothing on a laptop.
    pub(crate) fn pass(&self, names: &[&str]) {
        for name in names {
            let _ = self.get(name);
        }
    }

    /// Refuses what nobody has asked for.
    pub(crate) fn finish(self) {
        for entry in self.entries {
            if !self.asked.borrow().contains(&entry.key) {
                self.refuse(entry.line, format!("{} of {} is not understood", entry.key, self.place));
            }
        }
    }
}
