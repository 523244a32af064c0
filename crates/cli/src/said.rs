//! What a command has to say.

use std::io::{self, Write, stderr, stdout};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::show::document;

/// What a command has to say, for programs and for people. It can hold a new key's value, so it has no `Debug`.
pub(crate) struct Said {
    /// For programs.
    pub(crate) json: Value,
    /// For people, with its line ends.
    pub(crate) text: String,
    /// Besides, for people, on standard error: a line each. What programs need stands in `json`.
    pub(crate) notes: Vec<String>,
    /// The id of a new key whose value is in it, and nowhere else.
    pub(crate) value_of: Option<String>,
    /// How the command ends.
    pub(crate) outcome: Outcome,
}

impl Said {
    /// What a command that is done has to say.
    pub(crate) fn done(json: Value, text: String) -> Self {
        Self { json, text, notes: Vec::new(), value_of: None, outcome: Outcome::Done }
    }

    /// The same with a note.
    pub(crate) fn with_note(self, note: impl Into<String>) -> Self {
        self.with_notes([note.into()])
    }

    /// The same with notes.
    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// The same, holding the value of a new key.
    pub(crate) fn with_value_of(self, api_key_id: String) -> Self {
        Self { value_of: Some(api_key_id), ..self }
    }

    /// Says it, and gives how the command ends.
    pub(crate) fn write(self, as_json: bool) -> Result<Outcome, Failure> {
        self.write_to(&mut stdout().lock(), &mut stderr().lock(), as_json)
    }

    fn write_to(self, out: &mut impl Write, err: &mut impl Write, as_json: bool) -> Result<Outcome, Failure> {
        match (self.show(out, as_json), self.value_of) {
            (Ok(()), _) => {}
            (Err(error), Some(api_key_id)) => return Err(Failure::Lost { api_key_id, error }),
            (Err(error), None) => return Err(error.into()),
        }
        if !as_json {
            for note in self.notes {
                // What was asked for is out; a closed standard error takes nothing from it.
                let _ = writeln!(err, "{note}");
            }
        }
        Ok(self.outcome)
    }

    fn show(&self, out: &mut impl Write, as_json: bool) -> io::Result<()> {
        if as_json {
            writeln!(out, "{}", document(&self.json))?;
        } else {
            out.write_all(self.text.as_bytes())?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A disk without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said() -> Said {
        Said::done(json!({ "a": 1 }), "a  1\n".to_owned()).with_note("A note.")
    }

    #[test]
    fn notes_stand_beside_the_output_and_are_for_people() {
        for (as_json, expected) in [(false, ["a  1\n", "A note.\n"]), (true, ["{\"a\":1}\n", ""])] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            assert!(matches!(said().write_to(&mut out, &mut err, as_json), Ok(Outcome::Done)));
            assert_eq!([out, err].map(|bytes| String::from_utf8(bytes).unwrap()), expected);
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_is_lost_and_the_key_is_named() {
        for as_json in [false, true] {
            let failure = said().with_value_of("k1".to_owned()).write_to(&mut Full, &mut Vec::new(), as_json);
            let told = failure.unwrap_err().to_string();
            assert!(told.contains("key k1 is lost: rotate the key"), "{told}");
            let plain = said().write_to(&mut Full, &mut Vec::new(), as_json);
            assert!(matches!(plain, Err(Failure::Output(_))));
        }
    }
}
