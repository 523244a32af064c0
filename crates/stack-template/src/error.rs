//! What is read, and what can be wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where the templates are and what they are read with.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The SAM template.
    pub template: PathBuf,
    /// The usage plans.
    pub usage_plans: PathBuf,
    /// The account, twelve digits.
    pub account_id: String,
    /// The region.
    pub region: String,
    /// The stack's name, which unnamed resources are called after.
    pub stack_name: String,
    /// Values of parameters of either file.
    pub parameters: BTreeMap<String, String>,
}

/// The texts of both files.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The SAM template.
    pub template: &'a str,
    /// The usage plans.
    pub usage_plans: &'a str,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The resource's logical id, or empty.
    pub resource: String,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong with the templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// At least one finding, by file and line.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.resource.is_empty() {
            write!(f, ": {}", self.resource)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ReadError {}
