//! What a writer requires of the present state (RFC 9110, section 13).

/// The state that a record or checkpoint must be in for a write to take place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Any, or none.
    #[default]
    None,
    /// `If-Match: *`: there is one.
    Exists,
    /// `If-Match: "1", "2"`: there is one, in one of the versions. An empty list never holds.
    VersionIn(Vec<u64>),
    /// `If-None-Match: *`: there is none.
    Absent,
    /// `If-None-Match: "1", "2"`: there is none, or it is in none of the versions.
    VersionNotIn(Vec<u64>),
}

impl Precondition {
    /// Whether it holds for the present version, `None` where there is none.
    #[must_use]
    pub fn holds(&self, version: Option<u64>) -> bool {
        match (self, version) {
            (Self::None, _) | (Self::Exists, Some(_)) | (Self::Absent | Self::VersionNotIn(_), None) => true,
            (Self::Exists | Self::VersionIn(_), None) | (Self::Absent, Some(_)) => false,
            (Self::VersionIn(versions), Some(version)) => versions.contains(&version),
            (Self::VersionNotIn(versions), Some(version)) => !versions.contains(&version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Precondition::{Absent, Exists, None as Any, VersionIn, VersionNotIn};

    #[test]
    fn each_precondition_holds_where_rfc_9110_says() {
        for (precondition, missing, first, second) in [
            (Any, true, true, true),
            (Exists, false, true, true),
            (Absent, true, false, false),
            (VersionIn(vec![1]), false, true, false),
            (VersionIn(vec![]), false, false, false),
            (VersionNotIn(vec![1]), true, false, true),
            (VersionNotIn(vec![]), true, true, true),
        ] {
            let holds = [None, Some(1), Some(2)].map(|version| precondition.holds(version));
            assert_eq!(holds, [missing, first, second], "{precondition:?}");
        }
    }
}
