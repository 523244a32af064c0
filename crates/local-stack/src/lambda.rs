//! Lambda, whoever runs the functions: this stack, or `cargo lambda watch`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use http::Uri;
use local_aws::{Principal, Principals};
use local_runtime::{
    CargoLambda, Credentials, FunctionSpec, Invocation, InvokeError, InvokeOptions, Runtime,
};
use stack_template::{Function, Stack};

use crate::binaries::Binaries;
use crate::cargo_lambda;
use crate::gate::Pass;

/// Environments of one function at one time: enough to try out concurrency, few enough for a laptop.
const MAX_ENVIRONMENTS: usize = 8;

/// The functions of the template in force.
pub(crate) enum Lambda {
    /// Binaries that this stack runs.
    Built(Box<Built>),
    /// Whatever `cargo lambda watch` makes of the sources.
    CargoLambda {
        /// Its address.
        url: Uri,
        /// The variables that its functions were given at the start.
        variables: BTreeMap<String, String>,
        /// Replaced with the template.
        client: RwLock<Arc<CargoLambda>>,
    },
}

/// Functions as real binaries, each with its own role's credentials.
pub(crate) struct Built {
    runtime: Arc<Runtime>,
    binaries: Binaries,
    principals: Arc<Principals>,
    /// Credentials by role and function. They stay the same when a template is read again, so that
    /// environments of unchanged functions do as well.
    issued: Mutex<BTreeMap<(String, String), Arc<Principal>>>,
    specs: Mutex<Vec<FunctionSpec>>,
    aws_endpoint_url: String,
}

impl Lambda {
    /// Runs the binaries of `binaries`.
    pub(crate) fn built(
        runtime: Arc<Runtime>,
        binaries: Binaries,
        principals: Arc<Principals>,
        aws_endpoint_url: String,
    ) -> Self {
        let (issued, specs) = (Mutex::default(), Mutex::default());
        Self::Built(Box::new(Built { runtime, binaries, principals, issued, specs, aws_endpoint_url }))
    }

    /// Hands invocations to `cargo lambda watch`.
    pub(crate) fn cargo_lambda(url: Uri, variables: BTreeMap<String, String>) -> Self {
        let client = RwLock::new(Arc::new(CargoLambda::new(url.clone(), [])));
        Self::CargoLambda { url, variables, client }
    }

    /// Invokes a function and waits for its answer. A caller that stops waiting changes nothing: the function
    /// runs to its end, and holds its pass until then. `cargo lambda watch` gives functions no trace.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        trace_id: Option<String>,
        pass: Option<Pass>,
    ) -> Result<Invocation, InvokeError> {
        let function = function.to_owned();
        let invocation = match self {
            Self::Built(built) => {
                let runtime = Arc::clone(&built.runtime);
                tokio::spawn(async move {
                    let _pass = pass;
                    runtime.invoke(&function, payload, InvokeOptions { trace_id }).await
                })
            }
            Self::CargoLambda { client, .. } => {
                let client = Arc::clone(&client.read().unwrap_or_else(PoisonError::into_inner));
                tokio::spawn(async move {
                    let _pass = pass;
                    client.invoke(&function, payload).await
                })
            }
        };
        match invocation.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => Err(InvokeError::Stopping),
        }
    }

    /// Those functions that have no binary.
    pub(crate) fn missing(&self, functions: &[String]) -> Vec<String> {
        match self {
            Self::Built(built) => built.binaries.missing(functions),
            Self::CargoLambda { .. } => Vec::new(),
        }
    }

    /// Makes the template's functions those that are run. Unchanged ones keep their environments, changed ones
    /// finish what they run in their old ones. A function that left the template goes on until the next start,
    /// since a request that came before the edit may be on its way to it.
    pub(crate) fn update(&self, stack: &Stack) -> anyhow::Result<()> {
        match self {
            Self::Built(built) => built.update(stack),
            Self::CargoLambda { url, variables, client } => {
                ensure!(
                    cargo_lambda::variables(stack)? == *variables,
                    "functions' variables cannot change under cargo lambda watch: start the stack again"
                );
                let names = stack.functions.iter().map(|function| function.name.clone());
                *client.write().unwrap_or_else(PoisonError::into_inner) =
                    Arc::new(CargoLambda::new(url.clone(), names));
                Ok(())
            }
        }
    }

    /// Replaces every environment, so that functions remember nothing.
    pub(crate) fn forget(&self) {
        if let Self::Built(built) = self {
            for spec in built.specs().iter() {
                built.runtime.replace(spec.clone());
            }
        }
    }

    /// Kills what runs a function: it does nothing more once this returns, and what is returned waits for its end.
    /// What `cargo lambda watch` runs is not this stack's to kill.
    pub(crate) fn kill(&self, function: &str) -> BoxFuture<'static, ()> {
        match self {
            Self::Built(built) => Box::pin(built.runtime.kill(function)),
            Self::CargoLambda { .. } => Box::pin(ready(())),
        }
    }

    /// The credentials that a function of the template is given; none where others run the functions.
    ///
    /// # Errors
    /// Where they cannot be made.
    pub(crate) fn credentials(&self, function: &Function) -> anyhow::Result<Option<Arc<Principal>>> {
        match self {
            Self::Built(built) => built.principal(function).map(Some),
            Self::CargoLambda { .. } => Ok(None),
        }
    }

    /// Ends all environments.
    pub(crate) async fn stop(&self) {
        if let Self::Built(built) = self {
            built.runtime.stop().await;
        }
    }
}

impl Built {
    fn update(&self, stack: &Stack) -> anyhow::Result<()> {
        let mut specs = self.specs();
        let new: Vec<_> =
            stack.functions.iter().map(|function| self.spec(function)).collect::<Result<_, _>>()?;
        specs.retain(|old| new.iter().all(|new| new.name != old.name));
        specs.extend(new);
        self.runtime.set_functions(specs.clone());
        Ok(())
    }

    fn spec(&self, function: &Function) -> anyhow::Result<FunctionSpec> {
        let binary = self.binaries.path(&function.name).with_context(|| {
            format!("{} has no binary: run `cargo build --workspace --bins`", function.name)
        })?;
        let principal = self.principal(function)?;
        let mut environment = function.environment.clone();
        environment.insert("AWS_ENDPOINT_URL".to_owned(), self.aws_endpoint_url.clone());
        let reserved = function.reserved_concurrency.and_then(|count| usize::try_from(count).ok());
        Ok(FunctionSpec {
            name: function.name.clone(),
            binary,
            arn: function.arn.clone(),
            timeout: function.timeout,
            memory_mb: function.memory_mb,
            environment,
            credentials: Credentials {
                access_key_id: principal.access_key_id.clone(),
                secret_access_key: principal.secret.expose().to_owned(),
                session_token: principal.session_token.as_ref().map(|token| token.expose().to_owned()),
            },
            max_environments: reserved.map_or(MAX_ENVIRONMENTS, |reserved| reserved.min(MAX_ENVIRONMENTS)),
        })
    }

    fn principal(&self, function: &Function) -> anyhow::Result<Arc<Principal>> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (function.role.clone(), function.name.clone());
        if let Some(principal) = issued.get(&name) {
            return Ok(Arc::clone(principal));
        }
        let principal = self
            .principals
            .issue_for_role(&function.role, &function.name)
            .context("a function's credentials cannot be made")?;
        issued.insert(name, Arc::clone(&principal));
        Ok(principal)
    }

    fn specs(&self) -> std::sync::MutexGuard<'_, Vec<FunctionSpec>> {
        self.specs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
