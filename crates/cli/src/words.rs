//! The control API's refusals in the words of the command line.

use crate::flags::{Command, KeysCommand, TenantsCommand, UsageCommand};
use crate::ids::{ApiKeyId, TenantId};

/// What two refusals of a command mean. The control API does not say in them what it was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// What a 404 says is not there.
    pub(crate) missing: Option<String>,
    /// What a 412 says has changed.
    pub(crate) stale: Option<String>,
}

impl Words {
    /// Those of a command.
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Tenants(command) => Self::of_tenants(command),
            Command::Keys(command) => match command {
                KeysCommand::Create { tenant_id, .. } | KeysCommand::List { tenant_id } => {
                    Self::without_tenant(tenant_id)
                }
                KeysCommand::Rotate { tenant_id, api_key_id, .. }
                | KeysCommand::Revoke { tenant_id, api_key_id, .. } => {
                    Self::without_key(tenant_id, api_key_id)
                }
            },
            Command::Usage(command) => match command {
                UsageCommand::Grant { tenant_id, api_key_id: Some(key), .. } => {
                    Self::without_key(tenant_id, key)
                }
                UsageCommand::Grant { tenant_id, api_key_id: None, .. }
                | UsageCommand::Show { tenant_id, .. } => Self::without_tenant(tenant_id),
                UsageCommand::NearLimit { .. } => Self::default(),
            },
            Command::Audit { tenant_id } => Self::without_tenant(tenant_id),
            Command::Plans(_) | Command::Completions { .. } => Self::default(),
        }
    }

    fn of_tenants(command: &TenantsCommand) -> Self {
        match command {
            TenantsCommand::Show { tenant_id }
            | TenantsCommand::Suspend { tenant_id, .. }
            | TenantsCommand::Resume { tenant_id }
            | TenantsCommand::MoveToSilo { tenant_id, .. }
            | TenantsCommand::Import { tenant_id, .. }
            | TenantsCommand::Delete { tenant_id, .. } => Self::without_tenant(tenant_id),
            TenantsCommand::Update { tenant_id, if_version, .. } => Self {
                stale: if_version.map(|version| {
                    format!("{tenant_id} is not at version {version} any more; show it again.")
                }),
                ..Self::without_tenant(tenant_id)
            },
            TenantsCommand::Create { .. } | TenantsCommand::List { .. } => Self::default(),
        }
    }

    fn without_tenant(tenant_id: &TenantId) -> Self {
        Self { missing: Some(format!("There is no tenant {tenant_id}.")), stale: None }
    }

    fn without_key(tenant_id: &TenantId, key: &ApiKeyId) -> Self {
        let missing = format!("{tenant_id} has no key {key}, or there is no tenant {tenant_id}.");
        Self { missing: Some(missing), stale: None }
    }
}

/// The flag or argument behind a pointer into a request.
pub(crate) fn flag(pointer: &str) -> String {
    let mut parts = pointer.trim_start_matches('/').split('/');
    let member = match parts.next() {
        Some("query" | "header" | "path") => parts.next(),
        member => member,
    };
    match member {
        None | Some("") => "the command".to_owned(),
        Some("tenant_id") if pointer.starts_with("/path/") => "<TENANT_ID>".to_owned(),
        Some("rotate") => "<API_KEY_ID>".to_owned(),
        Some("status_reason") => "--reason".to_owned(),
        Some("overlap_seconds") => "--overlap".to_owned(),
        Some("longest_pause_seconds") => "--longest-pause".to_owned(),
        Some("if-match") => "--if-version".to_owned(),
        Some("prefix") => "--from".to_owned(),
        Some("keys") => "--key".to_owned(),
        Some("checkpoints") => "--without-checkpoints".to_owned(),
        Some(member) => format!("--{}", member.replace('_', "-")),
    }
}

/// A sentence of the control API that tells of a parameter, with the flag in its place.
pub(crate) fn in_flags(sentence: &str) -> String {
    sentence.replace("force=true", "--force")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::flags::Flags;

    fn words(line: &str) -> Words {
        let words = std::iter::once("tenantry").chain(line.split_whitespace());
        Words::of(&Flags::try_parse_from(words).unwrap().command)
    }

    #[test]
    fn a_command_names_what_it_asks_for() {
        for line in [
            "tenants show acme",
            "tenants suspend acme",
            "tenants resume acme",
            "tenants delete acme",
            "tenants move-to-silo acme",
            "tenants import acme --from acme/000004/",
            "tenants update acme --tier free",
            "keys create acme",
            "keys list acme",
            "usage show acme",
            "usage grant acme --requests 1",
            "audit acme",
        ] {
            let missing = Some("There is no tenant acme.".to_owned());
            assert_eq!(words(line), Words { missing, stale: None }, "{line}");
        }
        for line in
            ["keys rotate acme k1", "keys revoke acme k1", "usage grant acme --requests 1 --api-key-id k1"]
        {
            let missing = words(line).missing.unwrap();
            assert_eq!(missing, "acme has no key k1, or there is no tenant acme.", "{line}");
        }
        for line in ["tenants list", "usage near-limit", "plans show free"] {
            assert_eq!(words(line), Words::default(), "{line}");
        }
        let stale = words("tenants update acme --tier free --if-version 3").stale.unwrap();
        assert_eq!(stale, "acme is not at version 3 any more; show it again.");
    }

    #[test]
    fn a_pointer_becomes_the_flag_that_a_person_has_typed() {
        for (pointer, expected) in [
            ("/tier", "--tier"),
            ("/tenant_id", "--tenant-id"),
            ("/api_key_id", "--api-key-id"),
            ("/status_reason", "--reason"),
            ("/overlap_seconds", "--overlap"),
            ("/longest_pause_seconds", "--longest-pause"),
            ("/rotate", "<API_KEY_ID>"),
            ("/contact/phone", "--contact"),
            ("/prefix", "--from"),
            ("/keys/k1", "--key"),
            ("/checkpoints", "--without-checkpoints"),
            ("/query/at", "--at"),
            ("/header/idempotency-key", "--idempotency-key"),
            ("/header/if-match", "--if-version"),
            ("/path/tenant_id", "<TENANT_ID>"),
            ("", "the command"),
        ] {
            assert_eq!(flag(pointer), expected, "{pointer}");
        }
        assert_eq!(in_flags("say force=true to revoke it."), "say --force to revoke it.");
    }
}
