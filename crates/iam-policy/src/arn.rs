//! ARNs, which match segment by segment.

use crate::context::Context;
use crate::pattern::{Case, Syntax, Template};
use crate::tri::Doubt;

/// Segments of an ARN; the last one may hold further colons.
const SEGMENTS: usize = 6;

/// The text of a request that is an ARN, or should be one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arn<'a> {
    text: &'a str,
    segments: Option<[&'a str; SEGMENTS]>,
}

impl<'a> Arn<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        let mut segments = [""; SEGMENTS];
        let mut count = 0;
        for (slot, segment) in segments.iter_mut().zip(text.splitn(SEGMENTS, ':')) {
            *slot = segment;
            count += 1;
        }
        let is_arn = count == SEGMENTS && segments[0] == "arn";
        Self { text, segments: is_arn.then_some(segments) }
    }

    pub(crate) fn is_arn(&self) -> bool {
        self.segments.is_some()
    }
}

/// A pattern of ARNs. Its wildcards stay within a segment, the last of which is the rest of the ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// `*`: everything, also what is no ARN.
    Any,
    /// Six segments.
    Segments(Vec<Template>),
    /// A text that is no ARN as it is written, such as one variable. It matches only what it expands to.
    Whole(Template),
}

impl ArnPattern {
    /// Reads a pattern. The error says what is wrong with it.
    ///
    /// AWS completes an ARN that lacks segments. Here it is refused, since guessing in a statement that
    /// denies would deny too little.
    pub(crate) fn read(text: &str, variables: bool) -> Result<Self, ArnError> {
        let template =
            Template::read(text, Syntax { wildcards: true, variables }).map_err(ArnError::Variable)?;
        if template.is_any() {
            return Ok(Self::Any);
        }
        let segments = template.split_at_colons(SEGMENTS);
        if segments.len() == SEGMENTS {
            return Ok(Self::Segments(segments));
        }
        if template.has_wildcard() || template.literal_start().starts_with("arn:") {
            return Err(ArnError::Incomplete);
        }
        Ok(Self::Whole(template))
    }

    pub(crate) fn matches(&self, context: &Context, arn: Arn<'_>) -> Result<bool, Doubt> {
        let templates = match self {
            Self::Any => return Ok(true),
            Self::Whole(template) => return template.matches(context, arn.text, Case::Matters),
            Self::Segments(templates) => templates,
        };
        let Some(segments) = arn.segments else { return Ok(false) };
        let mut doubt = None;
        for (template, segment) in templates.iter().zip(segments) {
            match template.matches(context, segment, Case::Matters) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(missing @ Doubt::Missing(_)) => doubt = Some(missing),
                Err(other) => {
                    doubt.get_or_insert(other);
                }
            }
        }
        doubt.map_or(Ok(true), Err)
    }

    /// Why one of the variables has no value, if one has none.
    pub(crate) fn doubt(&self, context: &Context) -> Option<Doubt> {
        match self {
            Self::Any => None,
            Self::Whole(template) => template.doubt(context),
            Self::Segments(templates) => templates.iter().find_map(|template| template.doubt(context)),
        }
    }
}

/// What is wrong with a pattern of ARNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnError {
    Variable(String),
    Incomplete,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, arn: &str) -> bool {
        let pattern = ArnPattern::read(pattern, true).expect("a pattern");
        pattern.matches(&Context::open(), Arn::read(arn)) == Ok(true)
    }

    #[test]
    fn wildcards_stay_within_a_segment_but_for_the_last() {
        let table = "arn:aws:dynamodb:eu-central-1:123456789012:table/records/index/by-date";
        assert!(is_match("arn:aws:dynamodb:*:123456789012:table/records/*", table));
        assert!(is_match("arn:*:dynamodb:eu-*:*:table/*", table));
        assert!(!is_match("arn:aws:dynamodb:*:table/records/*:", table));
        assert!(!is_match("arn:aws:dynamodb:eu-central-1*:x:y", table));
        assert!(is_match("arn:aws:sns:r:1:a:*", "arn:aws:sns:r:1:a:b:c"));
        assert!(is_match("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a:b/c"));
        assert!(!is_match("arn:aws:s3:::bucket/*", "arn:aws:s3:::Bucket/a"));
    }

    #[test]
    fn a_star_matches_everything_and_a_star_asked_for_only_a_star() {
        assert!(is_match("*", "*"));
        assert!(is_match("*", "arn:aws:s3:::b"));
        assert!(!is_match("arn:aws:s3:::*", "*"));
        assert!(is_match("plain", "plain"));
    }

    #[test]
    fn an_incomplete_arn_is_refused() {
        for pattern in ["arn:aws:sqs", "arn:*", "table/*", "*:*", "arn:aws:s3:bucket"] {
            assert_eq!(ArnPattern::read(pattern, true), Err(ArnError::Incomplete), "{pattern}");
        }
    }

    #[test]
    fn a_colon_in_a_variable_makes_no_segment() {
        let mut context = Context::open();
        context.set("aws:PrincipalTag/t", "1:table/x");
        let pattern =
            ArnPattern::read("arn:aws:dynamodb:r:${aws:PrincipalTag/t}:y", true).expect("a pattern");
        let arn = Arn::read("arn:aws:dynamodb:r:1:table/x:y");
        assert_eq!(pattern.matches(&context, arn), Ok(false));
    }
}
