//! Asking before what cannot be undone.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};

use crate::failure::Failure;

/// Asks the person at the terminal, unless `--yes` was given.
///
/// # Errors
/// Where the person does not agree, or there is no terminal to ask at.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(format!(
            "{what} This cannot be undone; without a terminal it needs --yes."
        )));
    }
    let mut err = stderr().lock();
    write!(err, "{what} This cannot be undone. Type yes to go on: ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    if agrees(&answer) { Ok(()) } else { Err(Failure::refused("Nothing was done.")) }
}

fn agrees(answer: &str) -> bool {
    answer.trim() == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_agrees() {
        assert!(agrees("yes\n"));
        for answer in ["", "\n", "y\n", "YES\n", "yes please\n", "no\n"] {
            assert!(!agrees(answer), "{answer:?}");
        }
    }

    #[test]
    fn what_was_agreed_to_on_the_command_line_is_not_asked() {
        assert!(confirm("The key ends.", true).is_ok());
    }
}
