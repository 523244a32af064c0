//! The AWS account that the stack stands for: its principals, its policies, and the address of its services.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use local_aws::{Dynamo, Front, Iam, Principals, S3, Secret, Services, Sessions, Sts, Verifier};
use local_gateway::Management;
use local_http::{Limits, Request, Stream};
use stack_template::{Bucket, Role};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::{ApiGatewayCalls, DynamoCalls, LambdaCalls};
use crate::clock::StackClock;
use crate::output::{Notice, Notices};
use crate::parts::admin;
use crate::shared::Shared;
use crate::state::{AdminCredentials, write_private};
use crate::templates::{ACCOUNT, REGION};

/// Who can sign requests, and what they may do.
pub(crate) struct Account {
    pub(crate) admin: AdminCredentials,
    pub(crate) principals: Arc<Principals>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) verifier: Arc<Verifier>,
}

impl Account {
    /// Opens the account with the template's roles. Its keys are kept with the data, so that credentials
    /// outlive a restart.
    pub(crate) fn open(
        data: Option<&Path>,
        roles: &[Role],
        dynamo: &Dynamo,
        clock: &Arc<StackClock>,
        developer_stands_for_functions: bool,
        notices: &Notices,
    ) -> anyhow::Result<Self> {
        let principals = Arc::new(Principals::new(ACCOUNT).with_sessions(sessions(data)?));
        let admin = admin(data, &principals)?;
        let verifier = Arc::new(Verifier::new(Arc::clone(&principals), REGION, Arc::clone(clock) as _)?);
        let (notices, warned) = (notices.clone(), notices);
        let iam = Iam::new(ACCOUNT, REGION, dynamo, Arc::clone(clock) as _)
            .on_denied(move |message| notices.send(Notice::Warning(message.to_owned())))
            .developer_stands_for_functions(developer_stands_for_functions);
        for warning in iam.set_roles(roles) {
            warned.send(Notice::Warning(warning));
        }
        Ok(Self { admin, principals, iam: Arc::new(iam), verifier })
    }

    /// Opens the account's S3 with the template's buckets.
    pub(crate) fn s3(
        &self,
        data: Option<&Path>,
        buckets: &[Bucket],
        clock: &Arc<StackClock>,
    ) -> anyhow::Result<S3> {
        let folder = data.map(|folder| folder.join("s3"));
        let s3 = S3::open(folder.as_deref(), Arc::clone(&self.iam), Arc::clone(clock) as _, REGION)?;
        s3.ensure_buckets(buckets)?;
        Ok(s3)
    }

    /// Serves the account's services.
    pub(crate) fn serve(
        &self,
        listener: TcpListener,
        shared: &Shared,
        management_rates: bool,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        let clock = Arc::clone(&shared.clock);
        let management = Management::new(
            Arc::clone(&shared.keys),
            Arc::clone(&shared.live),
            Arc::new(move || clock.now()),
            management_rates,
        );
        let gate = || shared.gate.clone();
        let sts = Sts::new(
            Arc::clone(&self.principals),
            Arc::clone(&self.iam) as _,
            Arc::clone(&shared.clock) as _,
        );
        let services = Services {
            dynamodb: Arc::new(DynamoCalls(Arc::clone(&shared.dynamo), gate())),
            api_gateway: Arc::new(ApiGatewayCalls(Arc::new(management), gate(), shared.notices.clone())),
            lambda: Arc::new(LambdaCalls {
                lambda: Arc::clone(&shared.lambda),
                events: Arc::clone(&shared.events),
                gate: gate(),
            }),
            sts: Arc::new(sts),
            // No gate holds its requests back, which take as long as their bodies: its store changes as a whole.
            s3: Arc::clone(&shared.s3) as _,
        };
        let notices = shared.notices.clone();
        let front = Front::new(Arc::clone(&self.verifier), Arc::clone(&self.iam) as _, services)
            .on_unsigned(move |message| notices.send(Notice::Warning(message.to_owned())))
            .tapped(Arc::clone(&shared.faults) as _);
        let front = Arc::new(front);
        let limits = Limits { max_header_bytes: 32_768, ..Limits::default() };
        tokio::spawn(local_http::serve_streams(listener, limits, stop, move |request: Request<Stream>| {
            let front = Arc::clone(&front);
            async move { front.handle(request).await }
        }))
    }
}

/// Sessions under the key that is kept with the data.
fn sessions(data: Option<&Path>) -> anyhow::Result<Sessions> {
    let Some(path) = data.map(|folder| folder.join("sessions.key")) else { return Ok(Sessions::new()?) };
    if path.is_file() {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        return Sessions::restore(&Secret::new(text))
            .with_context(|| format!("{} is damaged; `make reset` empties the local stack", path.display()));
    }
    let sessions = Sessions::new()?;
    write_private(&path, sessions.export().expose().as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(sessions)
}
