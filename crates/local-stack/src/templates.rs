//! The two templates: read at the start, and again whenever they are edited.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use stack_template::{Inputs, Sources, Stack};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::output::Notice;
use crate::shared::Shared;

/// The account that names and ARNs are made with.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region.
pub(crate) const REGION: &str = "us-east-1";
/// The deployed stack's name.
const STACK_NAME: &str = "tenantry";
/// How often the files are looked at. An edit counts once two looks have seen the same, so that a file that is
/// being written is not taken for an edit.
const LOOK: Duration = Duration::from_millis(50);
/// When an edit is tried again that could not be put in force.
const RETRY: Duration = Duration::from_secs(1);

/// The files, and what became of their last edit.
pub(crate) struct Templates {
    inputs: Inputs,
    status: Mutex<Status>,
}

struct Status {
    /// The texts that were last judged.
    judged: Texts,
    in_force_since: SystemTime,
    refused: Option<Refused>,
}

/// An edit that is not in force.
#[derive(Clone)]
struct Refused {
    at: SystemTime,
    findings: Vec<String>,
    /// Functions without a binary, where that alone is wrong: a build may bring them.
    awaited: Vec<String>,
    /// Whether nothing is wrong with the files: what stood in the way may be gone a moment later.
    retry: bool,
}

/// Both files' texts, or why they cannot be read.
type Texts = Result<(String, String), String>;

/// Reads the templates as the local stack does.
///
/// # Errors
/// All findings, one a line.
pub fn read_stack(
    template: &Path,
    usage_plans: &Path,
    parameters: &[(String, String)],
) -> anyhow::Result<Stack> {
    Templates::read(template.to_owned(), usage_plans.to_owned(), parameters).map(|(_, stack)| stack)
}

impl Templates {
    /// Reads the files for the first time.
    pub(crate) fn read(
        template: PathBuf,
        usage_plans: PathBuf,
        parameters: &[(String, String)],
    ) -> anyhow::Result<(Self, Stack)> {
        let inputs = Inputs {
            template,
            usage_plans,
            account_id: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            stack_name: STACK_NAME.to_owned(),
            parameters: parameters.iter().cloned().collect(),
        };
        let texts = texts(&inputs);
        let stack = parse(&inputs, &texts)
            .map_err(|findings| anyhow::anyhow!("the templates cannot be used:\n{}", findings.join("\n")))?;
        let in_force_since = crate::clock::real();
        let status = Mutex::new(Status { judged: texts, in_force_since, refused: None });
        Ok((Self { inputs, status }, stack))
    }

    /// What programs are told: since when the present templates are in force, and what is wrong with an edit
    /// that is not.
    pub(crate) fn status(&self) -> Value {
        let status = self.lock();
        json!({
            "in_force_since": rfc3339(status.in_force_since),
            "refused": status.refused.as_ref().map(|refused| json!({
                "at": rfc3339(refused.at),
                "findings": refused.findings,
            })),
        })
    }

    /// Puts every edit in force that can be, until the stop.
    pub(crate) async fn watch(self: Arc<Self>, shared: Arc<Shared>, stop: CancellationToken) {
        let mut seen = self.lock().judged.clone();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let (templates, shared) = (Arc::clone(&self), Arc::clone(&shared));
            let before = seen.clone();
            // Reading and parsing must not hold up the requests of other tasks.
            let look = tokio::task::spawn_blocking(move || {
                let now = texts(&templates.inputs);
                if now == before && templates.is_due(&now, &shared) {
                    templates.judge(&now, &shared);
                }
                now
            });
            if let Ok(now) = look.await {
                seen = now;
            }
        }
    }

    /// Whether texts are to be judged: they are new, or were refused for want of what may be there now.
    fn is_due(&self, texts: &Texts, shared: &Shared) -> bool {
        let status = self.lock();
        let again = status.refused.as_ref().is_some_and(|refused| {
            let has_come = !refused.awaited.is_empty() && shared.lambda.missing(&refused.awaited).is_empty();
            has_come || refused.retry && crate::clock::real() > refused.at + RETRY
        });
        status.judged != *texts || again
    }

    fn judge(&self, texts: &Texts, shared: &Shared) {
        let at = crate::clock::real();
        let verdict = match parse(&self.inputs, texts) {
            Ok(stack) => put_in_force(stack, shared),
            Err(findings) => Err(Refused { at, findings, awaited: Vec::new(), retry: false }),
        };
        let mut status = self.lock();
        status.judged.clone_from(texts);
        match verdict {
            Ok(()) => {
                status.in_force_since = at;
                status.refused = None;
                drop(status);
                shared.notices.send(Notice::Info("the templates are in force as edited".to_owned()));
            }
            Err(refused) => {
                let is_known =
                    status.refused.as_ref().is_some_and(|known| known.findings == refused.findings);
                let findings = refused.findings.join("\n  ");
                status.refused = Some(refused);
                drop(status);
                if !is_known {
                    let said = format!("the edit is not in force; what was, stays:\n  {findings}");
                    shared.notices.send(Notice::Warning(said));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a template in force for the requests that come from now on. Where something is refused, nothing of
/// what is in force has changed, but that tables and buckets which the template adds may have been made.
fn put_in_force(stack: Stack, shared: &Shared) -> Result<(), Refused> {
    let at = crate::clock::real();
    let refused = |findings| Refused { at, findings, awaited: Vec::new(), retry: false };
    let _one = shared.change();
    let before = shared.live.current();
    let addresses = |stack: &Stack| -> Vec<_> {
        stack.apis.iter().map(|api| (api.logical_id.clone(), api.stage.clone())).collect()
    };
    if addresses(&before) != addresses(&stack) {
        let said = "the APIs and their stages cannot change while the stack runs: start it again";
        return Err(refused(vec![said.to_owned()]));
    }
    let names: Vec<_> = stack.functions.iter().map(|function| function.name.clone()).collect();
    let awaited = shared.lambda.missing(&names);
    if !awaited.is_empty() {
        let name = |name: &String| format!("{name} has no binary yet: `cargo build --workspace --bins`");
        return Err(Refused { awaited: awaited.clone(), ..refused(awaited.iter().map(name).collect()) });
    }
    // Functions first: a route leads to its function as soon as there is the route.
    let tables = shared.dynamo.ensure_tables(&stack.tables);
    let made = tables.and_then(|()| shared.s3.ensure_buckets(&stack.buckets)).map_err(anyhow::Error::from);
    if let Err(error) = made.and_then(|()| shared.lambda.update(&stack)) {
        return Err(Refused { retry: true, ..refused(vec![format!("{error:#}")]) });
    }
    for warning in shared.iam.set_roles(&stack.roles) {
        shared.notices.send(Notice::Warning(warning));
    }
    warn_of_lost_plans(&before, &stack, shared);
    shared.live.replace(Arc::new(stack));
    Ok(())
}

/// Keys of a plan that leaves the file open nothing from then on; deployed, a plan that is retained goes on.
fn warn_of_lost_plans(before: &Stack, after: &Stack, shared: &Shared) {
    for plan in before.plans.iter().filter(|plan| after.plans.iter().all(|kept| kept.id != plan.id)) {
        let keys = shared.keys.members(&plan.id, "", None, usize::MAX).items;
        if !keys.is_empty() {
            let names: Vec<_> = keys.iter().take(5).map(|key| key.name.as_str()).collect();
            shared.notices.send(Notice::Warning(format!(
                "{} ({}) has left the usage plans with {} of its keys, which open nothing now: {}{}",
                plan.logical_id,
                plan.name,
                keys.len(),
                names.join(", "),
                if keys.len() > names.len() { ", …" } else { "" }
            )));
        }
    }
}

fn texts(inputs: &Inputs) -> Texts {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok((read(&inputs.template)?, read(&inputs.usage_plans)?))
}

fn parse(inputs: &Inputs, texts: &Texts) -> Result<Stack, Vec<String>> {
    let (template, usage_plans) = texts.as_ref().map_err(|unreadable| vec![unreadable.clone()])?;
    stack_template::read_sources(inputs, Sources { template, usage_plans })
        .map_err(|error| error.findings.iter().map(ToString::to_string).collect())
}

pub(crate) fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}
