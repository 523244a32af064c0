//! Whom a trust policy means.

use crate::evaluate::Principal;

/// One principal of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    /// `*`
    Everyone,
    /// An account, whose administrators say which of its users and roles.
    Account(String),
    /// One user, role or session.
    Arn(String),
    /// A service, an identity provider or a canonical user: none of those that are asked for here.
    Other,
}

/// The kinds of principals in a document.
pub(crate) const KINDS: [&str; 4] = ["AWS", "CanonicalUser", "Federated", "Service"];

impl PrincipalPattern {
    /// Reads one value of a kind, or says what is expected.
    pub(crate) fn read(kind: &str, text: &str) -> Result<Self, &'static str> {
        if kind != "AWS" {
            let is_literal = !text.is_empty() && !text.contains(['*', '?', '$']);
            return if is_literal { Ok(Self::Other) } else { Err("a name without wildcards") };
        }
        if text == "*" {
            return Ok(Self::Everyone);
        }
        if is_account(text) {
            return Ok(Self::Account(text.to_owned()));
        }
        let expected =
            "*, an account's id, or the ARN of an account, user, role or session without wildcards";
        let mut segments = text.splitn(6, ':');
        let mut next = || segments.next().unwrap_or_default();
        let (arn, partition, service, region, account, name) =
            (next(), next(), next(), next(), next(), next());
        let is_arn = arn == "arn" && partition.starts_with("aws") && region.is_empty() && is_account(account);
        if !is_arn || text.contains(['*', '?', '$']) {
            return Err(expected);
        }
        let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
        match (service, kind) {
            ("iam", "root") if !name.contains('/') => Ok(Self::Account(account.to_owned())),
            ("iam", "user" | "role") | ("sts", "assumed-role" | "federated-user") if !rest.is_empty() => {
                Ok(Self::Arn(text.to_owned()))
            }
            _ => Err(expected),
        }
    }

    /// Whether it means the principal.
    pub(crate) fn matches(&self, principal: &Principal<'_>) -> bool {
        match self {
            Self::Account(account) => account == principal.account_id,
            Self::Everyone | Self::Arn(_) | Self::Other => self.names(principal),
        }
    }

    /// Whether it means the principal without trusting its account to say so.
    pub(crate) fn names(&self, principal: &Principal<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Account(_) | Self::Other => false,
            Self::Arn(arn) => arn == principal.arn || Some(arn.as_str()) == principal.session_arn,
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_an_account_an_arn_or_everyone() {
        let role = "arn:aws:iam::123456789012:role/tenantry/api";
        let session = "arn:aws:sts::123456789012:assumed-role/api/acme.k1";
        let principal = Principal { arn: role, session_arn: Some(session), account_id: "123456789012" };
        for (text, names) in [
            ("*", true),
            (role, true),
            (session, true),
            ("123456789012", false),
            ("arn:aws:iam::123456789012:root", false),
        ] {
            let pattern = PrincipalPattern::read("AWS", text).expect(text);
            assert!(pattern.matches(&principal), "{text}");
            assert_eq!(pattern.names(&principal), names, "{text}");
        }
        for text in [
            "210987654321",
            "arn:aws:iam::210987654321:root",
            "arn:aws:iam::123456789012:role/api",
            "arn:aws:iam::123456789012:role/tenantry/API",
            "arn:aws:sts::123456789012:assumed-role/api/other",
        ] {
            let pattern = PrincipalPattern::read("AWS", text).expect(text);
            assert!(!pattern.matches(&principal), "{text}");
        }
        let service = PrincipalPattern::read("Service", "lambda.amazonaws.com").expect("a service");
        assert!(!service.matches(&principal));
    }

    #[test]
    fn a_principal_with_wildcards_or_of_no_known_form_is_refused() {
        for text in [
            "",
            "**",
            "12345678901",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::*:root",
            "AIDAEXAMPLE",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:group/a",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012:user/${aws:username}",
            "arn:aws:iam::123456789012:root/x",
        ] {
            assert!(PrincipalPattern::read("AWS", text).is_err(), "{text}");
        }
        assert!(PrincipalPattern::read("Service", "*").is_err());
    }
}
