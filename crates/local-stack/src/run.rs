//! The binary's course: build, start, tell, wait, stop.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::binaries;
use crate::flags::{Flags, Functions};
use crate::output::{LogFormat, printer, progress, say, table};
use crate::stack::{LocalStack, Options, Ports, read_stack};

/// Runs the stack until SIGINT or SIGTERM.
///
/// # Errors
/// Where it cannot start, with a way out.
pub async fn run(flags: Flags, workspace: &Path) -> anyhow::Result<()> {
    let Functions::Built = flags.functions;
    // A signal during the start ends it as well.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopped = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let (stack, printing) = tokio::select! {
        started = start(&flags, workspace) => started?,
        () = &mut stopped => return Ok(()),
    };
    stopped.await;
    progress("Stopping …");
    stack.stop().await;
    // Its senders are gone with the stack; what is left is printed.
    let _ = tokio::task::spawn_blocking(move || printing.join()).await;
    Ok(())
}

async fn start(flags: &Flags, workspace: &Path) -> anyhow::Result<(LocalStack, std::thread::JoinHandle<()>)> {
    let model = read_stack(&flags.template, &flags.usage_plans, &flags.parameters)?;
    let ports = Ports::bind([flags.api_port, flags.admin_port, flags.aws_port]).await?;
    let folder = binaries::folder()?;
    let functions: Vec<_> = model.functions.iter().map(|function| function.name.clone()).collect();
    binaries::ensure(&folder, &functions, workspace).await?;
    let ignored: Vec<_> = model.ignored.iter().map(|ignored| ignored.what.clone()).collect();
    let (notices, printing) = printer(flags.log);
    let options = Options {
        parameters: flags.parameters.clone(),
        data_dir: (!flags.ephemeral).then(|| flags.data_dir.clone()),
        binaries: folder,
        seed: !flags.no_seed,
        time: flags.time,
        state_file: Some(flags.state_file.clone()),
        notices,
        ..Options::ephemeral(flags.template.clone(), flags.usage_plans.clone())
    };
    let stack = LocalStack::start_on(ports, model, options).await?;
    if flags.log == LogFormat::Pretty {
        say(&table(stack.state(), Some(&flags.state_file.to_string_lossy()), &ignored));
    }
    Ok((stack, printing))
}

/// Tells why the stack ended.
pub fn complain(error: &anyhow::Error) {
    use anstyle::AnsiColor;
    use std::io::Write as _;

    let red = AnsiColor::Red.on_default().bold();
    let _ = writeln!(anstream::stderr().lock(), "{red}error:{red:#} {error:#}");
}
