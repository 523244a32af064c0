//! The resources of requests.

use dynoxide::streams::{LOCAL_ACCOUNT, LOCAL_REGION};
use serde_json::Value as Json;

use super::Place;

/// The resource of operations that have none of their own, and of requests that do not say theirs. A policy
/// allows it only with the pattern `*`.
pub(super) const EVERYTHING: &str = "*";

/// Region and account in the ARNs that the database gives out, such as in the answer to `DescribeTable`.
const DATABASE_PLACE: (&str, &str) = (LOCAL_REGION, LOCAL_ACCOUNT);

/// Bytes of an ARN that is judged as it stands.
const MAX_ARN: usize = 2_048;

/// A table as a request names it.
pub(super) struct Target<'a> {
    /// The table's name, where it is one of this account and region.
    pub(super) name: Option<&'a str>,
    /// The table's ARN, or [`EVERYTHING`] where the request names none.
    pub(super) resource: String,
}

impl Place<'_> {
    /// The ARN of a table of this place.
    pub(super) fn table(&self, name: &str) -> String {
        self.arn(&format!("table/{name}"))
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:{resource}", self.region, self.account_id)
    }

    /// The table of a member such as `TableName`.
    pub(super) fn target<'a>(&self, given: Option<&'a Json>) -> Target<'a> {
        let Some(Json::String(given)) = given else {
            return Target { name: None, resource: EVERYTHING.to_owned() };
        };
        self.named(given)
    }

    /// The table of a name or an ARN. The database takes names only.
    pub(super) fn named<'a>(&self, given: &'a str) -> Target<'a> {
        let name = if is_name(given) {
            Some(given)
        } else {
            self.within(given)
                .and_then(|resource| resource.strip_prefix("table/"))
                .filter(|name| is_name(name))
        };
        let resource = match name {
            Some(name) => self.table(name),
            None if given.starts_with("arn:") => as_it_stands(given),
            None => EVERYTHING.to_owned(),
        };
        Target { name, resource }
    }

    /// The resources of a table's ARN, for the operations on tags and policies.
    ///
    /// The database looks at the table's name alone, whatever the account and the region are. So an ARN of
    /// another place is judged twice: as it stands, and as the table that the database takes it for.
    pub(super) fn tagged(&self, arn: &str) -> Vec<String> {
        let resource = arn.strip_prefix("arn:aws:dynamodb:").and_then(|rest| rest.splitn(3, ':').nth(2));
        let name = resource.and_then(|resource| resource.strip_prefix("table/"));
        let name = name.and_then(|name| name.split('/').next()).filter(|name| is_name(name));
        match name {
            Some(name) if self.within(arn).is_some() => vec![self.table(name)],
            Some(name) => vec![as_it_stands(arn), self.table(name)],
            None => vec![as_it_stands(arn)],
        }
    }

    /// The resources of a stream's ARN. Here the database takes what stands between the first two slashes for
    /// the table's name.
    pub(super) fn stream(&self, arn: &str) -> Vec<String> {
        if let Some(resource) = self.within(arn).filter(|resource| resource.starts_with("table/")) {
            return vec![self.arn(resource)];
        }
        let mut resources = vec![as_it_stands(arn)];
        if let Some(name) = arn.split('/').nth(1).filter(|name| is_name(name)) {
            resources.push(self.arn(&format!("table/{name}/stream/*")));
        }
        resources
    }

    /// What an ARN of this place, or of the database's own, names there.
    fn within<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let (region, rest) = arn.strip_prefix("arn:aws:dynamodb:")?.split_once(':')?;
        let (account_id, resource) = rest.split_once(':')?;
        let place = (region, account_id);
        (place == (self.region, self.account_id) || place == DATABASE_PLACE).then_some(resource)
    }
}

/// Whether a text can name a table or an index, and so stands for nothing else within an ARN.
pub(super) fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=255).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn as_it_stands(arn: &str) -> String {
    if arn.len() > MAX_ARN { EVERYTHING.to_owned() } else { arn.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { region: "eu-central-1", account_id: "123456789012" };
    const TABLE: &str = "arn:aws:dynamodb:eu-central-1:123456789012:table/tenantry-records";

    #[test]
    fn a_table_is_known_by_its_name_and_by_its_arn() {
        for given in
            ["tenantry-records", TABLE, "arn:aws:dynamodb:dynoxide:000000000000:table/tenantry-records"]
        {
            let target = PLACE.named(given);
            assert_eq!(target.name, Some("tenantry-records"), "{given}");
            assert_eq!(target.resource, TABLE, "{given}");
        }
    }

    #[test]
    fn what_is_no_name_never_becomes_part_of_an_arn() {
        for given in ["", "*", "a/b", "a/index/b", "tenantry-records ", "ä", "a:b"] {
            let target = PLACE.named(given);
            assert_eq!((target.name, &*target.resource), (None, "*"), "{given}");
        }
        let index = format!("{TABLE}/index/by-status");
        let foreign = "arn:aws:dynamodb:eu-central-1:999999999999:table/tenantry-records";
        for given in [&*index, foreign] {
            let target = PLACE.named(given);
            assert_eq!((target.name, &*target.resource), (None, given));
        }
        assert_eq!(PLACE.named(&format!("arn:{}", "a".repeat(3_000))).resource, "*");
    }

    #[test]
    fn an_arn_is_judged_as_the_table_that_the_database_takes_it_for() {
        assert_eq!(PLACE.tagged(TABLE), [TABLE]);
        assert_eq!(PLACE.tagged(&format!("{TABLE}/index/by-status")), [TABLE]);
        assert_eq!(PLACE.tagged("arn:aws:dynamodb:dynoxide:000000000000:table/tenantry-records"), [TABLE]);
        let foreign = "arn:aws:dynamodb:us-east-1:999999999999:table/tenantry-records/x";
        assert_eq!(PLACE.tagged(foreign), [foreign, TABLE]);
        assert_eq!(PLACE.tagged("tenantry-records"), ["tenantry-records"]);

        let stream = format!("{TABLE}/stream/2026-11-24T12:00:00.000");
        assert_eq!(PLACE.stream(&stream), std::slice::from_ref(&stream));
        let own = stream.replace("eu-central-1:123456789012", "dynoxide:000000000000");
        assert_eq!(PLACE.stream(&own), [stream]);
        let forged = "arn:aws:dynamodb:x/tenantry-records/y:1:table/other/stream/1";
        assert_eq!(PLACE.stream(forged), [forged.to_owned(), format!("{TABLE}/stream/*")]);
    }
}
