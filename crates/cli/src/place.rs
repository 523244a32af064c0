//! Where calls go, and who makes them.

use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use http::Uri;
use serde::Deserialize;

use crate::asker::Asker;
use crate::failure::Failure;
use crate::flags::PlaceFlags;

/// Addresses and credentials.
pub(crate) struct Place {
    /// The control API with its stage and no slash at its end; nothing where it was not given.
    control_url: Option<String>,
    /// API Gateway's management calls, without a slash at the end.
    pub(crate) management_url: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// Who asks.
    pub(crate) credentials: Credentials,
    /// The state file of the local stack, whose ids follow from the template; nothing on AWS.
    pub(crate) state_file: Option<PathBuf>,
}

/// The members of the state file that are needed here.
#[derive(Deserialize)]
struct State {
    admin_url: String,
    aws_endpoint_url: String,
    region: String,
    admin: Admin,
}

#[derive(Deserialize)]
struct Admin {
    access_key_id: String,
    secret_access_key: String,
}

impl Place {
    /// Finds out where the calls go. Whoever asks is given where AWS is meant.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where no local stack runs, [`Failure::Usage`] where AWS is meant and something is
    /// missing.
    pub(crate) fn open(flags: &PlaceFlags, asker: Option<Asker>) -> Result<Self, Failure> {
        match asker {
            Some(asker) => Self::on_aws(flags.api_url.as_deref(), flags.region.as_deref(), asker),
            None => Self::local(&flags.state_file),
        }
    }

    fn local(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read(path).map_err(|error| {
            Failure::Unreachable(format!(
                "no local stack: {}: {error}.\n  `make run` starts one; --api-url, --region and --profile reach AWS.",
                path.display()
            ))
        })?;
        let state: State = serde_json::from_slice(&text).map_err(|error| {
            Failure::Unreachable(format!("{} is no state file of a local stack: {error}", path.display()))
        })?;
        let Admin { access_key_id, secret_access_key } = state.admin;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "state file");
        Ok(Self {
            control_url: Some(state.admin_url)
                .filter(|url| !url.is_empty())
                .map(|url| local_url(path, &url))
                .transpose()?,
            management_url: local_url(path, &state.aws_endpoint_url)?,
            region: state.region,
            credentials,
            state_file: Some(path.to_owned()),
        })
    }

    fn on_aws(api_url: Option<&str>, region: Option<&str>, asker: Asker) -> Result<Self, Failure> {
        let control_url = api_url.map(control_url).transpose()?;
        let of_url = || control_url.as_deref().and_then(region_of);
        let Some(region) = region.map(str::to_owned).or_else(of_url).or(asker.region) else {
            let message = "neither the address nor a profile names the region: --region is needed";
            return Err(Failure::Usage(message.to_owned()));
        };
        if !is_region(&region) {
            return Err(Failure::Usage(format!("{region} is no region")));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let management_url = format!("https://apigateway.{region}.{domain}");
        Ok(Self { control_url, management_url, region, credentials: asker.credentials, state_file: None })
    }

    /// The control API with its stage.
    ///
    /// # Errors
    /// [`Failure::Usage`] where it was not given.
    pub(crate) fn control_url(&self) -> Result<&str, Failure> {
        self.control_url.as_deref().ok_or_else(|| {
            let message = if self.state_file.is_some() {
                "this local stack has no control API"
            } else {
                "--api-url is needed: the control API's address"
            };
            Failure::Usage(message.to_owned())
        })
    }
}

/// Checks the control API's address.
///
/// # Errors
/// [`Failure::Usage`] where it cannot be asked.
pub(crate) fn control_url(text: &str) -> Result<String, Failure> {
    // The address is not repeated: what is wrong with it can be a password.
    checked(text).map_err(|reason| Failure::Usage(format!("--api-url: {reason}")))
}

/// Checks an address of a state file. Whoever wrote the file may not send keys' values to another machine.
fn local_url(path: &Path, text: &str) -> Result<String, Failure> {
    let refused = |reason| Failure::Usage(format!("{}: an address in it: {reason}", path.display()));
    let url = checked(text).map_err(refused)?;
    let here = url.parse::<Uri>().is_ok_and(|uri| is_this_machine(&uri));
    if here { Ok(url) } else { Err(refused("a local stack is on this machine")) }
}

/// An address without a slash at its end. Answers hold keys' values, so they cross no network in the clear.
fn checked(text: &str) -> Result<String, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "this is no URL")?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match uri.scheme_str() {
        _ if text.contains(['?', '#']) => Err("it has a query or a fragment"),
        _ if has_user => Err("it has a user"),
        Some("https") => Ok(without_slash(text)),
        Some("http") if is_this_machine(&uri) => Ok(without_slash(text)),
        Some("http") => Err("only this machine is asked without TLS"),
        Some(_) | None => Err("it must begin with https://"),
    }
}

fn is_this_machine(uri: &Uri) -> bool {
    matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// The region in the host of an API on AWS: `<id>.execute-api.<region>.amazonaws.com`.
fn region_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let mut labels = uri.host()?.split('.').skip(1);
    (labels.next()? == "execute-api").then(|| labels.next().map(str::to_owned)).flatten()
}

fn is_region(text: &str) -> bool {
    (1..=30).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1";

    fn asker(region: Option<&str>) -> Asker {
        let credentials = Credentials::new("AKID", "hush", None, None, "test");
        Asker { credentials, region: region.map(str::to_owned) }
    }

    fn on_aws(url: Option<&str>, region: Option<&str>) -> Result<Place, Failure> {
        Place::on_aws(url, region, asker(None))
    }

    fn code(result: &Result<Place, Failure>) -> &'static str {
        match result {
            Ok(_) => "found",
            Err(Failure::Usage(_)) => "usage",
            Err(Failure::Unreachable(_) | Failure::Unavailable { .. }) => "unreachable",
            Err(Failure::Refused { .. } | Failure::Declined | Failure::Output(_) | Failure::Lost { .. }) => {
                "refused"
            }
        }
    }

    #[test]
    fn an_address_on_aws_names_its_region() {
        let place = on_aws(Some(&format!("{URL}/")), None).unwrap();
        assert_eq!(place.control_url().unwrap(), URL);
        assert_eq!(place.region, "eu-central-1");
        assert_eq!(place.management_url, "https://apigateway.eu-central-1.amazonaws.com");
        let other = on_aws(Some("https://control.example/v1"), Some("cn-north-1")).unwrap();
        assert_eq!(other.management_url, "https://apigateway.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn the_region_is_the_flags_else_the_addresss_else_the_profiles() {
        let custom = "https://control.example/v1";
        for (url, flag, expected) in [
            (Some(URL), Some("us-east-1"), "us-east-1"),
            (Some(URL), None, "eu-central-1"),
            (Some(custom), None, "eu-north-1"),
            (None, None, "eu-north-1"),
        ] {
            let place = Place::on_aws(url, flag, asker(Some("eu-north-1"))).unwrap();
            assert_eq!(place.region, expected, "{url:?} {flag:?}");
        }
        assert_eq!(code(&on_aws(Some(custom), None)), "usage", "nobody names one");
    }

    #[test]
    fn a_region_alone_reaches_the_management_calls_only() {
        let place = on_aws(None, Some("eu-central-1")).unwrap();
        assert!(matches!(place.control_url(), Err(Failure::Usage(_))));
    }

    #[test]
    fn an_address_that_cannot_be_asked_in_secret_is_refused() {
        for url in [
            "http://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1",
            "http://127.0.0.1.example/v1",
            "ftp://127.0.0.1/v1",
            "a1b2c3d4e5",
            "https://h/v1?x=1",
            "https://h/v1#x",
            "https://user:hush@h/v1",
            "",
        ] {
            assert_eq!(code(&on_aws(Some(url), Some("eu-central-1"))), "usage", "{url}");
        }
        assert_eq!(code(&on_aws(Some("http://127.0.0.1:8081/v1"), Some("eu-central-1"))), "found");
    }

    #[test]
    fn a_state_file_leads_to_this_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stack.json");
        let found = |admin_url: &str, aws_url: &str| {
            let state = serde_json::json!({
                "admin_url": admin_url, "aws_endpoint_url": aws_url, "region": "us-east-1",
                "admin": { "access_key_id": "AKID", "secret_access_key": "hush" },
            });
            std::fs::write(&path, state.to_string()).unwrap();
            code(&Place::local(&path))
        };
        let here = "http://127.0.0.1:9";
        assert_eq!([found(here, here), found("", here)], ["found", "found"]);
        for away in ["http://devbox:9", "https://devbox", "http://127.0.0.1@devbox", "127.0.0.1:9"] {
            assert_eq!([found(away, here), found(here, away)], ["usage", "usage"], "{away}");
        }
    }

    #[test]
    fn a_region_cannot_change_the_host() {
        for region in ["", "eu.example/", "EU", "eu-central-1@h"] {
            assert_eq!(code(&on_aws(Some(URL), Some(region))), "usage", "{region}");
        }
        assert_eq!(code(&on_aws(Some("https://control.example/v1"), None)), "usage");
    }

    #[test]
    fn a_stack_that_does_not_run_is_out_of_reach() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stack.json");
        assert_eq!(code(&Place::local(&path)), "unreachable");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(code(&Place::local(&path)), "unreachable");
        let state = r#"{"admin_url":"http://127.0.0.1:1/v1","aws_endpoint_url":"http://127.0.0.1:2","region":"eu-central-1",
            "admin":{"access_key_id":"a","secret_access_key":"s"},"tenants":[]}"#;
        std::fs::write(&path, state).unwrap();
        let place = Place::local(&path).unwrap();
        assert_eq!(place.state_file.as_deref(), Some(path.as_path()));
        assert_eq!(place.control_url().unwrap(), "http://127.0.0.1:1/v1");
    }
}
