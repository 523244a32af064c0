//! What is set of buckets: by the template of its own, by calls of all others. Rules for other origins and the end of
//! unfinished uploads are kept and hold; what else a bucket can be given is in `operations::settings`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use s3s::dto::{CORSRule, ExpirationStatus, LifecycleRule};
use serde::{Deserialize, Serialize};
use stack_template::{Bucket, CorsRule};

use super::Shared;
use super::store::{Store, StoreError};

/// The kinds of settings that are kept.
pub(super) const CORS: &str = "cors";
pub(super) const LIFECYCLE: &str = "lifecycle";

const DAY: u64 = 86_400;

/// The buckets of which something is set.
#[derive(Default)]
pub(super) struct Known {
    of_template: Vec<Bucket>,
    by_name: Arc<BTreeMap<String, Bucket>>,
}

/// A rule for other origins, as it is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptRule {
    methods: Vec<String>,
    origins: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    max_age: Option<u64>,
}

impl Known {
    pub(super) fn by_name(&self) -> Arc<BTreeMap<String, Bucket>> {
        Arc::clone(&self.by_name)
    }

    fn is_of_template(&self, name: &str) -> bool {
        self.of_template.iter().any(|bucket| bucket.name == name)
    }
}

impl Shared {
    /// Puts in force what the template says of its buckets.
    pub(super) fn set_template(&self, buckets: &[Bucket]) -> Result<(), StoreError> {
        self.known.write().unwrap_or_else(PoisonError::into_inner).of_template = buckets.to_vec();
        self.reread_settings()
    }

    /// Puts in force what the store says of the other buckets.
    pub(super) fn reread_settings(&self) -> Result<(), StoreError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut by_name = kept(&self.store)?;
        by_name.extend(known.of_template.iter().map(|bucket| (bucket.name.clone(), bucket.clone())));
        known.by_name = Arc::new(by_name);
        Ok(())
    }

    /// Whether the bucket is the template's, which alone says then what holds for it.
    pub(super) fn is_of_template(&self, name: &str) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_of_template(name)
    }
}

fn kept(store: &Store) -> Result<BTreeMap<String, Bucket>, StoreError> {
    let mut by_name = BTreeMap::new();
    for (name, kind, value) in store.bucket_settings()? {
        let bucket = by_name.entry(name.clone()).or_insert_with(|| Bucket {
            logical_id: String::new(),
            name,
            cors: Vec::new(),
            abort_uploads_after: None,
        });
        // Nothing else is ever written, and a setting that cannot be read is as good as none.
        match kind.as_str() {
            CORS => bucket.cors = read_cors(&value),
            LIFECYCLE => bucket.abort_uploads_after = value.parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    Ok(by_name)
}

/// Rules for other origins, as they are kept.
pub(super) fn cors_text(rules: Vec<CORSRule>) -> String {
    let rules: Vec<_> = rules
        .into_iter()
        .map(|rule| KeptRule {
            methods: rule.allowed_methods,
            origins: rule.allowed_origins,
            headers: rule.allowed_headers.unwrap_or_default(),
            expose: rule.expose_headers.unwrap_or_default(),
            max_age: rule.max_age_seconds.and_then(|seconds| u64::try_from(seconds).ok()),
        })
        .collect();
    serde_json::to_string(&rules).unwrap_or_default()
}

fn read_cors(text: &str) -> Vec<CorsRule> {
    let rules: Vec<KeptRule> = serde_json::from_str(text).unwrap_or_default();
    let rules = rules.into_iter().map(|rule| CorsRule {
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        allowed_headers: rule.headers,
        expose_headers: rule.expose,
        max_age: rule.max_age.map(Duration::from_secs),
    });
    rules.collect()
}

/// The seconds after which unfinished uploads are given up, where the rules are about nothing else and about all
/// objects: that is what the store can do.
pub(super) fn lifecycle_text(rules: &[LifecycleRule]) -> Option<String> {
    let [rule] = rules else { return None };
    let LifecycleRule {
        abort_incomplete_multipart_upload,
        expiration,
        filter,
        id: _,
        noncurrent_version_expiration,
        noncurrent_version_transitions,
        prefix,
        status,
        transitions,
    } = rule;
    let is_of_all = filter.as_ref().is_none_or(|filter| {
        filter.and.is_none()
            && filter.object_size_greater_than.is_none()
            && filter.object_size_less_than.is_none()
            && filter.tag.is_none()
            && filter.prefix.as_deref().unwrap_or_default().is_empty()
    }) && prefix.as_deref().unwrap_or_default().is_empty();
    let is_alone = expiration.is_none()
        && noncurrent_version_expiration.is_none()
        && noncurrent_version_transitions.is_none()
        && transitions.is_none();
    let days = abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
    let days = u64::try_from(days).ok().filter(|days| *days > 0)?;
    (is_of_all && is_alone && status.as_str() == ExpirationStatus::ENABLED).then(|| (days * DAY).to_string())
}

#[cfg(test)]
mod tests {
    use s3s::dto::{AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter};

    use super::*;

    fn rule(change: impl FnOnce(&mut LifecycleRule)) -> LifecycleRule {
        let mut rule = LifecycleRule {
            abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
                days_after_initiation: Some(2),
            }),
            expiration: None,
            filter: Some(LifecycleRuleFilter { prefix: Some(String::new()), ..Default::default() }),
            id: None,
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: None,
            status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
            transitions: None,
        };
        change(&mut rule);
        rule
    }

    #[test]
    fn the_end_of_unfinished_uploads_is_kept_and_no_rule_that_could_not_hold() {
        assert_eq!(lifecycle_text(&[rule(|_| ())]).as_deref(), Some("172800"));
        let others = [
            rule(|rule| rule.expiration = Some(LifecycleExpiration::default())),
            rule(|rule| rule.prefix = Some("logs/".to_owned())),
            rule(|rule| rule.status = ExpirationStatus::from_static(ExpirationStatus::DISABLED)),
            rule(|rule| rule.abort_incomplete_multipart_upload = None),
        ];
        for other in others {
            assert_eq!(lifecycle_text(std::slice::from_ref(&other)), None, "{other:?}");
        }
    }

    #[test]
    fn rules_for_other_origins_come_back_as_they_were_kept() {
        let rule = CORSRule {
            allowed_headers: Some(vec!["*".to_owned()]),
            allowed_methods: vec!["PUT".to_owned()],
            allowed_origins: vec!["https://app.example".to_owned()],
            expose_headers: Some(vec!["ETag".to_owned()]),
            id: None,
            max_age_seconds: Some(60),
        };
        let read = read_cors(&cors_text(vec![rule]));
        let [read] = &read[..] else { panic!("{read:?}") };
        assert_eq!(
            (&read.allowed_methods[..], read.max_age),
            (&["PUT".to_owned()][..], Some(Duration::from_mins(1)))
        );
        assert_eq!(
            (&read.allowed_origins[0], &read.expose_headers[0]),
            (&"https://app.example".to_owned(), &"ETag".to_owned())
        );
    }
}
