//! What a command has to say.

use std::io::{Write as _, stderr, stdout};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::show::document;

/// What a command has to say, for programs and for people. It can hold a new key's value, so it has no `Debug`.
pub(crate) struct Said {
    /// For programs.
    pub(crate) json: Value,
    /// For people, with its line ends.
    pub(crate) text: String,
    /// Besides, on standard error.
    pub(crate) note: Option<&'static str>,
    /// How the command ends.
    pub(crate) outcome: Outcome,
}

impl Said {
    /// What a command that is done has to say.
    pub(crate) fn done(json: Value, text: String) -> Self {
        Self { json, text, note: None, outcome: Outcome::Done }
    }

    /// The same with a note.
    pub(crate) fn with_note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Says it, and gives how the command ends.
    pub(crate) fn write(self, as_json: bool) -> Result<Outcome, Failure> {
        let mut out = stdout().lock();
        if as_json {
            writeln!(out, "{}", document(&self.json))?;
        } else {
            out.write_all(self.text.as_bytes())?;
        }
        out.flush()?;
        if let Some(note) = self.note {
            // The value itself is out; a closed standard error takes nothing from it.
            let _ = writeln!(stderr().lock(), "{note}");
        }
        Ok(self.outcome)
    }
}
