//! Names of condition operators.

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Text,
    TextIgnoringCase,
    TextPattern,
    Arn,
    Number(Relation),
    Moment(Relation),
    Flag,
    Address,
    Absence,
}

/// How the request's value stands to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    pub(crate) fn holds<T: Ord>(self, request: &T, policy: &T) -> bool {
        match self {
            Self::Equal => request == policy,
            Self::Less => request < policy,
            Self::LessOrEqual => request <= policy,
            Self::Greater => request > policy,
            Self::GreaterOrEqual => request >= policy,
        }
    }
}

/// Which of a key's values must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Its only one.
    One,
    /// `ForAllValues`: each, so that none at all is enough.
    All,
    /// `ForAnyValue`: one at least.
    Any,
}

/// A condition operator, such as `ForAllValues:StringNotEqualsIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) test: Test,
    pub(crate) is_negated: bool,
    pub(crate) quantity: Quantity,
    pub(crate) if_exists: bool,
}

const TESTS: [(&str, Test, bool); 26] = [
    ("StringEquals", Test::Text, false),
    ("StringNotEquals", Test::Text, true),
    ("StringEqualsIgnoreCase", Test::TextIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Test::TextIgnoringCase, true),
    ("StringLike", Test::TextPattern, false),
    ("StringNotLike", Test::TextPattern, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnLike", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnNotLike", Test::Arn, true),
    ("NumericEquals", Test::Number(Relation::Equal), false),
    ("NumericNotEquals", Test::Number(Relation::Equal), true),
    ("NumericLessThan", Test::Number(Relation::Less), false),
    ("NumericLessThanEquals", Test::Number(Relation::LessOrEqual), false),
    ("NumericGreaterThan", Test::Number(Relation::Greater), false),
    ("NumericGreaterThanEquals", Test::Number(Relation::GreaterOrEqual), false),
    ("DateEquals", Test::Moment(Relation::Equal), false),
    ("DateNotEquals", Test::Moment(Relation::Equal), true),
    ("DateLessThan", Test::Moment(Relation::Less), false),
    ("DateLessThanEquals", Test::Moment(Relation::LessOrEqual), false),
    ("DateGreaterThan", Test::Moment(Relation::Greater), false),
    ("DateGreaterThanEquals", Test::Moment(Relation::GreaterOrEqual), false),
    ("Bool", Test::Flag, false),
    ("IpAddress", Test::Address, false),
    ("NotIpAddress", Test::Address, true),
    ("Null", Test::Absence, false),
];

impl Operator {
    /// Reads an operator's name, whose case matters.
    pub(crate) fn read(name: &str) -> Option<Self> {
        let (quantity, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantity::All, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantity::Any, rest)
        } else {
            (Quantity::One, name)
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (_, test, is_negated) = TESTS.into_iter().find(|(name, ..)| *name == base)?;
        let is_plain = quantity == Quantity::One && !if_exists;
        (test != Test::Absence || is_plain).then_some(Self { test, is_negated, quantity, if_exists })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_but_null_takes_if_exists_and_quantifiers() {
        for (name, test, is_negated) in TESTS {
            let plain = Operator { test, is_negated, quantity: Quantity::One, if_exists: false };
            assert_eq!(Operator::read(name), Some(plain));
            for (prefix, quantity) in
                [("", Quantity::One), ("ForAllValues:", Quantity::All), ("ForAnyValue:", Quantity::Any)]
            {
                let read = Operator::read(&format!("{prefix}{name}IfExists"));
                let expected = Operator { test, is_negated, quantity, if_exists: true };
                assert_eq!(read, (name != "Null").then_some(expected));
            }
        }
    }

    #[test]
    fn an_operator_that_is_not_known_exactly_is_refused() {
        for name in [
            "stringEquals",
            "StringEqual",
            "BinaryEquals",
            "NullIfExists",
            "ForAnyValue:Null",
            "IfExists",
            "",
            "forAllValues:StringLike",
            "ForAllValues:ForAnyValue:StringLike",
            "BoolIfExistsIfExists",
        ] {
            assert_eq!(Operator::read(name), None, "{name}");
        }
    }
}
