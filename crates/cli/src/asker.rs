//! Who asks AWS: the credentials of the environment, or of a profile in the files that AWS's tools share.
//!
//! They are no flags: a command line can be seen by every user of the machine.

use aws_credential_types::Credentials;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::{EnvConfigSections, Profile};
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};

use crate::failure::Failure;
use crate::flags::PlaceFlags;
use crate::place::control_url;
use crate::show::plain;

/// The profile of whoever names none, as for every tool of AWS.
const DEFAULT_PROFILE: &str = "default";

/// Settings of a profile by which its credentials are had from somewhere else. Such a profile is refused, also
/// where keys stand beside them: AWS's tools would ask as somebody else than those keys.
const ELSEWHERE: [&str; 10] = [
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    "credential_process",
    "login_session",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "sso_role_name",
];

/// Whoever asks AWS.
#[derive(Debug)]
pub(crate) struct Asker {
    /// What requests are signed with. `Debug` masks the secrets.
    pub(crate) credentials: Credentials,
    /// The region that the profile names, where there is a profile that names one.
    pub(crate) region: Option<String>,
}

impl Asker {
    /// Finds out who asks AWS; nobody where the local stack is meant.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there are no credentials, or none that can be used here, and before that where they
    /// would be for no address.
    pub(crate) async fn find(flags: &PlaceFlags) -> Result<Option<Self>, Failure> {
        if let Some(url) = &flags.api_url {
            control_url(url)?;
        }
        if flags.mean_aws() {
            Self::find_in(&Env::real(), flags.profile.as_deref()).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// The profile that was asked for. Without one the environment's credentials, and else `AWS_PROFILE`'s:
    /// the order of AWS's own tools.
    async fn find_in(environment: &Env, profile: Option<&str>) -> Result<Self, Failure> {
        if let Some(name) = profile {
            return Self::of_profile(environment, name).await;
        }
        if let Some(credentials) = from_environment(environment)? {
            return Ok(Self { credentials, region: None });
        }
        match variable(environment, "AWS_PROFILE") {
            Some(name) => Self::of_profile(environment, &name).await,
            None => Self::of_profile(environment, DEFAULT_PROFILE).await,
        }
    }

    async fn of_profile(environment: &Env, name: &str) -> Result<Self, Failure> {
        let sections = sections(environment).await?;
        match sections.get_profile(name) {
            Some(profile) => Self::of(profile),
            None if name == DEFAULT_PROFILE => Err(Failure::Usage(
                "AWS needs credentials: --profile, AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            )),
            None => Err(Failure::Usage(format!(
                "there is no profile {} in AWS's shared files (~/.aws/config and ~/.aws/credentials, or those that \
                 AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name)",
                plain(name)
            ))),
        }
    }

    fn of(profile: &Profile) -> Result<Self, Failure> {
        let name = plain(profile.name());
        let setting = |key: &str| profile.get(key).filter(|value| !value.is_empty());
        if let Some(key) = ELSEWHERE.into_iter().find(|key| setting(key).is_some()) {
            return Err(Failure::Usage(format!(
                "the profile {name} has {key}, and credentials that are had from elsewhere are not fetched here. \
                 Export them, and leave out --profile:\n  \
                 eval \"$(aws configure export-credentials --profile {name} --format env)\""
            )));
        }
        let needed = |key: &str| {
            setting(key).ok_or_else(|| Failure::Usage(format!("the profile {name} has no {key}")))
        };
        let credentials = Credentials::new(
            needed("aws_access_key_id")?,
            needed("aws_secret_access_key")?,
            setting("aws_session_token").map(str::to_owned),
            None,
            "profile",
        );
        Ok(Self { credentials, region: setting("region").map(str::to_owned) })
    }
}

/// What AWS's shared files say. A file that is not there says nothing.
async fn sections(environment: &Env) -> Result<EnvConfigSections, Failure> {
    // Neither error repeats what stands in a file.
    let source = source::load(environment, &Fs::real(), &EnvConfigFiles::default())
        .await
        .map_err(|error| Failure::Usage(error.to_string()))?;
    EnvConfigSections::parse(source).map_err(|error| Failure::Usage(error.to_string()))
}

/// The environment's credentials, if it has any. Half of them are a mistake.
fn from_environment(environment: &Env) -> Result<Option<Credentials>, Failure> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    let lacks = |name: &str| Err(Failure::Usage(format!("{name} is not set: AWS needs credentials")));
    match (variable(environment, id), variable(environment, secret)) {
        (Some(id), Some(secret)) => {
            let token = variable(environment, "AWS_SESSION_TOKEN");
            Ok(Some(Credentials::new(id, secret, token, None, "environment")))
        }
        (Some(_), None) => lacks(secret),
        (None, Some(_)) => lacks(id),
        (None, None) => Ok(None),
    }
}

fn variable(environment: &Env, name: &str) -> Option<String> {
    environment.get(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
[default]
region = eu-west-1

[profile work]
region = eu-north-1
output = json

[profile assumed]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = work

[profile single]
sso_session = company
sso_account_id = 123456789012
region = eu-north-1

[profile program]
credential_process = /opt/credentials

[profile both]
credential_process = /opt/credentials
";

    const CREDENTIALS: &str = "
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = hush-default

[work]
aws_access_key_id = ASIAWORK
aws_secret_access_key = hush-work
aws_session_token = hush-token

[both]
aws_access_key_id = AKIDBOTH
aws_secret_access_key = hush-both

[half]
aws_access_key_id = AKIDHALF
";

    const OWN: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDOWN"), ("AWS_SECRET_ACCESS_KEY", "hush-own")];

    /// Who is found in a home with these files and an environment with these variables.
    async fn find_with(
        [config, credentials]: [&str; 2],
        variables: &[(&str, &str)],
        profile: Option<&str>,
    ) -> Result<Asker, String> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("credentials"), credentials).unwrap();
        let mut all = vec![("HOME", home.path().to_str().unwrap())];
        all.extend(variables);
        let found = Asker::find_in(&Env::from_slice(&all), profile).await;
        found.map_err(|failure| match failure {
            Failure::Usage(message) => message,
            other @ (Failure::Refused { .. }
            | Failure::Declined
            | Failure::Unreachable(_)
            | Failure::Unavailable { .. }
            | Failure::Output(_)
            | Failure::Lost { .. }) => panic!("{other}"),
        })
    }

    async fn find(variables: &[(&str, &str)], profile: Option<&str>) -> Result<Asker, String> {
        find_with([CONFIG, CREDENTIALS], variables, profile).await
    }

    #[tokio::test]
    async fn a_profile_has_its_keys_its_token_and_its_region() {
        let Asker { credentials, region } = find(&[], Some("work")).await.unwrap();
        assert_eq!(
            (credentials.access_key_id(), credentials.secret_access_key(), credentials.session_token()),
            ("ASIAWORK", "hush-work", Some("hush-token"))
        );
        assert_eq!(region.as_deref(), Some("eu-north-1"));
    }

    #[tokio::test]
    async fn a_profile_that_is_asked_for_comes_before_the_environment_and_aws_profile_behind_it() {
        let id = async |variables: &[(&str, &str)], profile| {
            find(variables, profile).await.unwrap().credentials.access_key_id().to_owned()
        };
        let named = [OWN[0], OWN[1], ("AWS_PROFILE", "work")];
        assert_eq!(id(&named, Some("default")).await, "AKIDDEFAULT");
        assert_eq!(id(&named, None).await, "AKIDOWN");
        assert_eq!(id(&named[2..], None).await, "ASIAWORK");
        assert_eq!(id(&[], None).await, "AKIDDEFAULT");
    }

    #[tokio::test]
    async fn the_files_stand_where_the_environment_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (config, credentials) = (path("c"), path("k"));
        std::fs::write(&config, "[profile other]\nregion = sa-east-1\n").unwrap();
        std::fs::write(&credentials, "[other]\naws_access_key_id=AKIDOTHER\naws_secret_access_key=hush\n")
            .unwrap();
        let variables = [
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
            ("AWS_PROFILE", "other"),
        ];
        let Asker { credentials, region } = find(&variables, None).await.unwrap();
        assert_eq!((credentials.access_key_id(), region.as_deref()), ("AKIDOTHER", Some("sa-east-1")));
        assert!(find(&variables, Some("work")).await.is_err(), "the files of the home are not read");
    }

    #[tokio::test]
    async fn credentials_that_are_had_from_elsewhere_are_refused_with_a_way_out() {
        for (profile, key) in [
            ("assumed", "role_arn"),
            ("single", "sso_session"),
            ("program", "credential_process"),
            ("both", "credential_process"),
        ] {
            let message = find(&OWN, Some(profile)).await.unwrap_err();
            assert!(message.contains(key), "{message}");
            let way = format!("aws configure export-credentials --profile {profile} --format env");
            assert!(message.contains(&way), "{message}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_no_secret_is_shown() {
        let missing = [
            (find(&[], Some("nobody")).await, "no profile nobody"),
            (find(&[], Some("half")).await, "no aws_secret_access_key"),
            (find(&OWN[..1], None).await, "AWS_SECRET_ACCESS_KEY is not set"),
            (find(&OWN[1..], None).await, "AWS_ACCESS_KEY_ID is not set"),
            (find_with(["", ""], &[], None).await, "AWS needs credentials"),
            (find_with(["", "[work]\nhush-line\n"], &[], Some("work")).await, "line 2"),
        ];
        for (found, expected) in missing {
            let message = found.unwrap_err();
            assert!(message.contains(expected) && !message.contains("hush"), "{message}");
        }
        let shown = format!("{:?}", find(&OWN, Some("work")).await.unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
