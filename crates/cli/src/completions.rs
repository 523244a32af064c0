//! `completions`: what makes a shell complete the command line.

use clap::CommandFactory as _;
use clap_complete::{Generator as _, Shell};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::Flags;
use crate::said::Said;

/// Prints the script that the shell has to read.
pub(crate) fn run(shell: Shell) -> Result<Said, Failure> {
    let text = script(shell)?;
    Ok(Said::done(json!({ "shell": shell.to_string(), "script": text }), text))
}

fn script(shell: Shell) -> std::io::Result<String> {
    let mut command = Flags::command();
    command.set_bin_name("tenantry");
    command.build();
    let mut script = Vec::new();
    shell.try_generate(&command, &mut script)?;
    String::from_utf8(script).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    /// Every command, as the words that lead to it.
    fn commands() -> Vec<Vec<String>> {
        let mut command = Flags::command();
        command.build();
        let (mut open, mut all) = (vec![(Vec::new(), &command)], Vec::new());
        while let Some((words, command)) = open.pop() {
            for below in command.get_subcommands() {
                let words: Vec<_> = words.iter().cloned().chain([below.get_name().to_owned()]).collect();
                all.push(words.clone());
                // Below `help` each command stands once more.
                if below.get_name() != "help" {
                    open.push((words, below));
                }
            }
        }
        all
    }

    #[test]
    fn every_shells_script_names_every_command() {
        let commands = commands();
        assert!(commands.contains(&vec!["tenants".to_owned(), "create".to_owned()]), "{commands:?}");
        for shell in Shell::value_variants() {
            let script = script(*shell).unwrap();
            for name in commands.iter().flatten() {
                assert!(script.contains(name.as_str()), "{shell}: {name}");
            }
        }
    }

    #[test]
    fn bash_reads_its_script_and_completes_every_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenantry.bash");
        // Bash calls the function by the name that `complete` was given, with the cursor behind the last word.
        let asks = commands().into_iter().map(|words| {
            let (last, before) = words.split_last().unwrap();
            format!(
                "COMP_WORDS=(tenantry {before} {last}); COMP_CWORD={place}; COMPREPLY=()\n\
                 _tenantry tenantry {last} tenantry\n\
                 [[ \" ${{COMPREPLY[*]}} \" == *\" {last} \"* ]] || echo \"{before} {last}\"\n",
                before = before.join(" "),
                place = words.len(),
            )
        });
        let text = script(Shell::Bash).unwrap() + &asks.collect::<String>();
        std::fs::write(&path, text).unwrap();
        let output = match std::process::Command::new("bash").arg("--norc").arg(&path).output() {
            // Not every machine has a bash.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            output => output.unwrap(),
        };
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!((output.status.success(), said), (true, [String::new(), String::new()]));
    }
}
