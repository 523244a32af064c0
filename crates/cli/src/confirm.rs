//! Asking before what cannot be undone.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};

use crate::failure::Failure;

/// Asks the person at the terminal about what cannot be undone, unless `--yes` was given. `what` is a sentence on what
/// will happen.
///
/// # Errors
/// As [`agree`].
pub(crate) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    agree(&format!("{what} This cannot be undone."), yes)
}

/// Asks the person at the terminal, unless `--yes` was given. `what` are sentences on what will happen.
///
/// # Errors
/// Where the person does not agree, or there is no terminal to ask at.
pub(crate) fn agree(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(unasked(what)));
    }
    let mut err = stderr().lock();
    write!(err, "{what} Go on (yes or no)? ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    if agrees(&answer) { Ok(()) } else { Err(Failure::Declined) }
}

fn unasked(what: &str) -> String {
    format!("nothing was done: without a terminal it needs --yes. {what}")
}

fn agrees(answer: &str) -> bool {
    ["y", "yes"].iter().any(|word| answer.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_and_its_letter_agree() {
        for answer in ["yes\n", "y\n", "YES\r\n"] {
            assert!(agrees(answer), "{answer:?}");
        }
        for answer in ["", "\n", "ye\n", "yes please\n", "no\n", "n\n"] {
            assert!(!agrees(answer), "{answer:?}");
        }
    }

    #[test]
    fn without_a_terminal_it_says_first_that_nothing_was_done() {
        assert_eq!(
            unasked("Key k1 of acme will be deleted. This cannot be undone."),
            "nothing was done: without a terminal it needs --yes. Key k1 of acme will be deleted. This cannot \
             be undone."
        );
    }

    #[test]
    fn what_was_agreed_to_on_the_command_line_is_not_asked() {
        assert!(confirm("The key will end.", true).is_ok());
    }
}
