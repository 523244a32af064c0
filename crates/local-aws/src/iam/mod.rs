//! IAM: whether a verified principal may do what its request asks for.
//!
//! The policies are the template's. What a request is about is read from the request itself: its action, its
//! resource, and the keys of the conditions.

mod context;
mod dynamodb;
mod log;
mod message;
mod requests;
mod s3;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use iam_policy::{By, Context, Decision, Layer, Named, Policy, Verdict, evaluate, evaluate_trust};
use local_http::Request;
use serde_json::json;
use stack_template::Role;

use crate::authorize::{Authorize, Denied};
use crate::clock::Clock;
use crate::dynamo::Dynamo;
use crate::principals::{Principal, PrincipalKind};
use crate::sts::{AssumeRole, Roles};
pub(crate) use dynamodb::{DatabaseSchemas, KeySchemas, Place};
pub use log::DecisionRecord;
use log::Log;
pub use requests::lambda_function;
pub(crate) use s3::{
    call as s3_call, calls as s3_calls, foreign_parameter as s3_foreign_parameter,
    has_parameter as s3_has_parameter, list_call as s3_list_call,
};

/// One thing that a request does, as IAM judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Such as `dynamodb:GetItem`.
    pub(crate) action: String,
    /// An ARN, or `*` for an action that has no resource.
    pub(crate) resource: String,
    /// The service's own condition keys.
    pub(crate) keys: Vec<(&'static str, Value)>,
    /// Why the request can be read in more ways than one, or not at all. It may then be about anything, which no
    /// policy of a role can be held against.
    pub(crate) unread: Option<String>,
}

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of a key with a single value.
    One(String),
    /// Of a key with any number of values.
    Many(Vec<String>),
    /// It cannot be found out, for this reason.
    Unknown(String),
}

/// Takes a sentence.
pub(crate) type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// The policies of one account, and what they have decided.
pub struct Iam {
    account_id: String,
    region: String,
    roles: RwLock<Arc<BTreeMap<String, Rules>>>,
    /// The local administrator may do everything.
    admin: Vec<Named>,
    schemas: Arc<dyn KeySchemas>,
    clock: Arc<dyn Clock>,
    log: Log,
    /// Told the sentence of each refusal.
    on_denied: Option<Tell>,
    /// Whether functions run with the administrator's credentials, as under `cargo lambda watch`.
    developer_stands_for_functions: bool,
}

/// What a role may do, and who may assume it.
struct Rules {
    identity: Vec<Named>,
    trust: Named,
    max_session: Duration,
}

impl Iam {
    /// An account without roles.
    ///
    /// # Panics
    ///
    /// Never: the administrator's policy is a constant.
    pub fn new(
        account_id: impl Into<String>,
        region: impl Into<String>,
        dynamo: &Dynamo,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::with_schemas(account_id.into(), region.into(), dynamo.schemas(), clock)
    }

    fn with_schemas(
        account_id: String,
        region: String,
        schemas: Arc<dyn KeySchemas>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let everything = json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
        });
        let policy = Policy::parse(&everything, iam_policy::Kind::Identity)
            .expect("the constant is a policy document");
        let admin = vec![Named { name: "AdministratorAccess".to_owned(), policy }];
        Self {
            account_id,
            region,
            roles: RwLock::default(),
            admin,
            schemas,
            clock,
            log: Log::default(),
            on_denied: None,
            developer_stands_for_functions: false,
        }
    }

    /// Tells somebody each refusal, in the sentence that its principal is told.
    #[must_use]
    pub fn on_denied(self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { on_denied: Some(Box::new(tell)), ..self }
    }

    /// Whether the administrator may assume what a function may. Where all functions run with the developer's
    /// credentials, no trust policy that names them could hold otherwise.
    #[must_use]
    pub fn developer_stands_for_functions(self, it_does: bool) -> Self {
        Self { developer_stands_for_functions: it_does, ..self }
    }

    /// Puts the template's roles in force, in place of those before. Sessions of a role that is gone may do
    /// nothing from then on. Answers a sentence for each condition key that cannot be judged here.
    pub fn set_roles(&self, roles: &[Role]) -> Vec<String> {
        let put = |role: &Role| {
            let trust = Named { name: role.name.clone(), policy: role.trust.clone() };
            (
                role.arn.clone(),
                Rules { identity: role.policies.clone(), trust, max_session: role.max_session },
            )
        };
        let unknown = roles.iter().flat_map(unknown_keys).collect();
        let roles = Arc::new(roles.iter().map(put).collect());
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = roles;
        unknown
    }

    /// The last decisions, the newest last.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        self.log.records()
    }

    /// Forgets the decisions so far.
    pub fn forget_decisions(&self) {
        self.log.clear();
    }

    /// Judges an action that another address was asked for, such as `execute-api:Invoke` on a method's ARN.
    ///
    /// # Errors
    ///
    /// [`Denied`] where the principal may not.
    pub fn authorize_action(
        &self,
        principal: &Principal,
        action: &str,
        resource: &str,
        request: &Request,
    ) -> Result<(), Denied> {
        let call =
            Call { action: action.to_owned(), resource: resource.to_owned(), keys: Vec::new(), unread: None };
        self.judge(principal, &call, self.context(principal, request))
    }

    /// Judges a call to S3.
    pub(crate) fn authorize_s3(
        &self,
        principal: &Principal,
        call: &Call,
        head: &Request<()>,
    ) -> Result<(), Denied> {
        self.judge(principal, call, self.context(principal, head))
    }

    /// Whether a call to S3 would be allowed. Nobody has made it: it is neither logged nor told.
    pub(crate) fn would_allow_s3(&self, principal: &Principal, call: &Call, head: &Request<()>) -> bool {
        let mut context = self.context(principal, head);
        context::add(&mut context, &call.keys);
        self.identity_verdict(principal, &call.action, &call.resource, &context).is_allowed()
    }

    /// The account, twelve digits.
    pub(crate) fn account_id(&self) -> &str {
        &self.account_id
    }

    fn context<B>(&self, principal: &Principal, request: &Request<B>) -> Context {
        context::of(principal, request, self.clock.stack_time(self.clock.now()), &self.region)
    }

    /// Judges one call by the principal's own policies and those of its session.
    fn judge(&self, principal: &Principal, call: &Call, mut context: Context) -> Result<(), Denied> {
        context::add(&mut context, &call.keys);
        let verdict = match &call.unread {
            Some(reason) if principal.kind != PrincipalKind::Admin => Verdict {
                decision: Decision::Deny,
                by: By::NothingAllows {
                    layer: Layer::Identity,
                    unknown: vec![reason.clone()],
                    nearest: None,
                },
            },
            Some(_) | None => self.identity_verdict(principal, &call.action, &call.resource, &context),
        };
        self.conclude(principal, &call.action, &call.resource, verdict)
    }

    fn identity_verdict(
        &self,
        principal: &Principal,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Verdict {
        let request = iam_policy::Request { action, resource, context };
        if principal.kind == PrincipalKind::Admin {
            return evaluate(&self.admin, None, &request);
        }
        let roles = self.roles();
        // A role that the template has no more has no policies.
        let identity = roles.get(&principal.role_or_user_arn()).map_or(&[][..], |rules| &rules.identity);
        evaluate(identity, principal.session_policies(), &request)
    }

    /// Whether the caller may assume a role, and pass the tags that it passes.
    fn authorize_assume_role(
        &self,
        caller: &Principal,
        call: &AssumeRole,
        request: &Request,
    ) -> Result<(), Denied> {
        let mut context = self.context(caller, request);
        context::add(&mut context, &call.condition_keys());
        for action in call.actions() {
            let mut verdict = self.trust_verdict(caller, &caller.role_or_user_arn(), action, call, &context);
            if self.developer_stands_for_functions && caller.kind == PrincipalKind::Admin {
                for arn in self.roles().keys() {
                    if verdict.is_allowed() {
                        break;
                    }
                    let mut context = context.clone();
                    context.set("aws:PrincipalArn", arn);
                    verdict = self.trust_verdict(caller, arn, action, call, &context);
                }
            }
            self.conclude(caller, action, &call.role_arn, verdict)?;
        }
        Ok(())
    }

    /// Judges by the role's trust policy and, unless that names the caller itself, by the caller's own policies
    /// too.
    fn trust_verdict(
        &self,
        caller: &Principal,
        caller_arn: &str,
        action: &str,
        call: &AssumeRole,
        context: &Context,
    ) -> Verdict {
        let roles = self.roles();
        let Some(role) = roles.get(&call.role_arn) else {
            // A role that is not there is answered like one that trusts nobody.
            let by = By::NothingAllows { layer: Layer::Trust, unknown: Vec::new(), nearest: None };
            return Verdict { decision: Decision::Deny, by };
        };
        let asked = iam_policy::Request { action, resource: &call.role_arn, context };
        let principal = iam_policy::Principal {
            arn: caller_arn,
            session_arn: (caller.kind != PrincipalKind::Admin).then_some(caller.arn.as_str()),
            account_id: &caller.account_id,
        };
        let trust = evaluate_trust(&role.trust, &principal, &asked);
        if !trust.verdict.is_allowed() {
            return trust.verdict;
        }
        let own = self.identity_verdict(caller, action, &call.role_arn, context);
        let denies = matches!(own.by, By::Statement { .. }) && !own.is_allowed();
        // A session stays within its session policy also where a resource names its role.
        let narrowed = evaluate(&self.admin, caller.session_policies(), &asked);
        if trust.names_principal && !denies && narrowed.is_allowed() { trust.verdict } else { own }
    }

    fn conclude(
        &self,
        principal: &Principal,
        action: &str,
        resource: &str,
        verdict: Verdict,
    ) -> Result<(), Denied> {
        let nearest = match &verdict.by {
            By::NothingAllows { nearest: Some(nearest), .. } => format!(" (nearest: {nearest})"),
            By::NothingAllows { nearest: None, .. } | By::Statement { .. } => String::new(),
        };
        let denied =
            (!verdict.is_allowed()).then(|| message::denied(&principal.arn, action, resource, &verdict.by));
        self.log.add(DecisionRecord {
            at: self.clock.stack_time(self.clock.now()),
            principal: principal.arn.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            verdict,
        });
        let Some(message) = denied else { return Ok(()) };
        if let Some(tell) = &self.on_denied {
            tell(&format!("{message}{nearest}"));
        }
        Err(Denied { message })
    }

    fn roles(&self) -> Arc<BTreeMap<String, Rules>> {
        Arc::clone(&self.roles.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A sentence for each condition key of a role that no request is known to have.
fn unknown_keys(role: &Role) -> Vec<String> {
    let policies = role.policies.iter().map(|named| &named.policy).chain([&role.trust]);
    let keys = policies.flat_map(Policy::statements).flat_map(iam_policy::Statement::condition_keys);
    let unknown: BTreeSet<_> = keys.filter(|key| !context::is_known(key)).collect();
    let say = |key| {
        format!(
            "the role {} has a condition on {key}, which is not known here: where it counts, it allows nothing",
            role.name
        )
    };
    unknown.into_iter().map(say).collect()
}

impl Authorize for Iam {
    fn authorize(
        &self,
        principal: &Principal,
        service: &str,
        action: &str,
        request: &Request,
    ) -> Result<(), Denied> {
        match (service, action) {
            // Anyone may ask who they are, whatever their policies say (reference of GetCallerIdentity).
            ("sts", "sts:GetCallerIdentity") => Ok(()),
            ("sts", "sts:AssumeRole") => match AssumeRole::read(request, principal) {
                Ok(call) => self.authorize_assume_role(principal, &call, request),
                // Nothing can come of it: the service refuses it with what is wrong.
                Err(_) => Ok(()),
            },
            _ => {
                let place = Place { region: &self.region, account_id: &self.account_id };
                let calls = requests::calls(service, action, request, &place, &*self.schemas);
                calls
                    .iter()
                    .try_for_each(|call| self.judge(principal, call, self.context(principal, request)))
            }
        }
    }
}

impl Roles for Iam {
    fn max_session(&self, role_arn: &str) -> Option<Duration> {
        self.roles().get(role_arn).map(|rules| rules.max_session)
    }
}

#[cfg(test)]
#[path = "iam_tests.rs"]
mod tests;
