//! The binary's course: build, start, tell, wait, stop.

use std::path::Path;

use anyhow::ensure;
use local_gateway::LimitRules;
use tokio::signal::unix::{SignalKind, signal};

use crate::binaries;
use crate::flags::{Flags, Functions, Switch};
use crate::output::{LogFormat, printer, progress, say, table};
use crate::serve::Ports;
use crate::stack::{LocalStack, Options};
use crate::templates::Templates;

/// Runs the stack until SIGINT or SIGTERM.
///
/// # Errors
/// Where it cannot start, with a way out.
pub async fn run(flags: Flags, workspace: &Path) -> anyhow::Result<()> {
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
    let (templates, model) =
        Templates::read(flags.template.clone(), flags.usage_plans.clone(), &flags.parameters)?;
    let ports = Ports::bind([flags.api_port, flags.admin_port, flags.aws_port]).await?;
    let folder = flags.binaries.clone().map_or_else(binaries::folder, Ok)?;
    let functions: Vec<_> = model.functions.iter().map(|function| function.name.clone()).collect();
    let is_cargos = folder.ends_with("debug") || folder.ends_with("release");
    if flags.watch {
        ensure!(
            flags.functions == Functions::Built,
            "cargo lambda watch builds by itself: leave out --watch"
        );
        ensure!(
            workspace.join("Cargo.toml").is_file(),
            "--watch builds the sources, and they are not here: start the stack in the project's folder"
        );
        ensure!(
            is_cargos,
            "--watch builds into a target directory's debug or release: --binaries must name one of them"
        );
    }
    if flags.functions == Functions::Built {
        // Cargo builds into folders of its own alone; what lies in another is taken as it is.
        let sources = workspace.join("Cargo.toml").is_file() && is_cargos;
        binaries::ensure(&folder, &functions, sources.then_some(workspace)).await?;
    }
    let ignored: Vec<_> = model.ignored.iter().map(|ignored| ignored.what.clone()).collect();
    let (notices, printing) = printer(flags.log);
    let options = Options {
        data_dir: (!flags.ephemeral).then(|| flags.data_dir.clone()),
        functions: flags.functions.clone(),
        lambda_port: flags.lambda_port,
        binaries: folder,
        watch: flags.watch.then(|| workspace.to_owned()),
        seed: !flags.no_seed,
        time: flags.time,
        limits: LimitRules { route_limits: flags.route_limits.into(), ..LimitRules::default() },
        management_rates: flags.management_rates,
        schedules: flags.schedules == Switch::On,
        state_file: Some(flags.state_file.clone()),
        notices,
        ..Options::ephemeral(flags.template.clone(), flags.usage_plans.clone())
    };
    let stack = LocalStack::start_on(ports, templates, model, options).await?;
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
