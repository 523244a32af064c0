//! Texts of a policy: wildcards, variables, and matching what they expand to.
//!
//! **Invariant:** what a variable expands to is a piece of text beside the pattern's wildcards. It never
//! becomes part of a pattern that is read again.

use crate::context::{Context, Lookup};
use crate::key::Key;
use crate::tri::Doubt;

/// A text of a policy, split once into what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Text(String),
    /// `*`: any number of characters, none included.
    AnyRun,
    /// `?`: one character.
    AnyOne,
    Variable(Variable),
}

/// `${key}` or `${key, 'default'}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    key: Key,
    default: Option<String>,
}

/// What is special in a text, and how its letters compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) wildcards: bool,
    pub(crate) variables: bool,
}

/// How letters compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// A letter is only itself.
    Matters,
    /// ASCII letters of either case are the same.
    Ignored,
}

/// A token with its variable replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    AnyRun,
    AnyOne,
}

impl Template {
    /// Splits a text. The error says what is wrong with a variable in it.
    pub(crate) fn read(text: &str, syntax: Syntax) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (token, after) = match first {
                '$' if syntax.variables && rest.starts_with("${") => read_insert(rest)?,
                '*' if syntax.wildcards => (Token::AnyRun, &rest[1..]),
                '?' if syntax.wildcards => (Token::AnyOne, &rest[1..]),
                other => {
                    literal.push(other);
                    rest = &rest[other.len_utf8()..];
                    continue;
                }
            };
            rest = after;
            if let Token::Text(text) = token {
                literal.push_str(&text);
                continue;
            }
            if !literal.is_empty() {
                tokens.push(Token::Text(std::mem::take(&mut literal)));
            }
            // A run of stars says what one says, and costs more.
            if token != Token::AnyRun || tokens.last() != Some(&Token::AnyRun) {
                tokens.push(token);
            }
        }
        if !literal.is_empty() {
            tokens.push(Token::Text(literal));
        }
        Ok(Self(tokens))
    }

    /// Whether it matches everything.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == [Token::AnyRun]
    }

    pub(crate) fn has_wildcard(&self) -> bool {
        self.0.iter().any(|token| matches!(token, Token::AnyRun | Token::AnyOne))
    }

    /// The text that it begins with, before any wildcard and variable.
    pub(crate) fn literal_start(&self) -> &str {
        match self.0.first() {
            Some(Token::Text(text)) => text,
            Some(Token::AnyRun | Token::AnyOne | Token::Variable(_)) | None => "",
        }
    }

    /// Splits at the colons of the text itself, into at most `parts`. A variable stays within its part,
    /// whatever it expands to.
    pub(crate) fn split_at_colons(&self, parts: usize) -> Vec<Self> {
        let mut split = vec![Vec::new()];
        for token in &self.0 {
            let Token::Text(text) = token else {
                push_last(&mut split, token.clone());
                continue;
            };
            let left = (parts + 1).saturating_sub(split.len());
            for (index, part) in text.splitn(left, ':').enumerate() {
                if index > 0 {
                    split.push(Vec::new());
                }
                if !part.is_empty() {
                    push_last(&mut split, Token::Text(part.to_owned()));
                }
            }
        }
        split.into_iter().map(Self).collect()
    }

    /// Whether the whole text matches, once the variables have the context's values.
    pub(crate) fn matches(&self, context: &Context, text: &str, case: Case) -> Result<bool, Doubt> {
        match self.0.as_slice() {
            [Token::AnyRun] => Ok(true),
            [Token::Text(only)] => Ok(length_of_start(text, only, case) == Some(text.len())),
            _ => Ok(matches(&self.pieces(context)?, text, case)),
        }
    }

    /// The text that it expands to, where wildcards stand for themselves.
    pub(crate) fn expand(&self, context: &Context) -> Result<String, Doubt> {
        let pieces = self.pieces(context)?;
        Ok(pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::AnyRun => "*",
                Piece::AnyOne => "?",
            })
            .collect())
    }

    /// Why one of the variables has no value, if one has none.
    pub(crate) fn doubt(&self, context: &Context) -> Option<Doubt> {
        let has_variable = self.0.iter().any(|token| matches!(token, Token::Variable(_)));
        if has_variable { self.pieces(context).err() } else { None }
    }

    fn pieces<'a>(&'a self, context: &'a Context) -> Result<Vec<Piece<'a>>, Doubt> {
        let mut pieces = Vec::with_capacity(self.0.len());
        let mut unknown = None;
        for token in &self.0 {
            pieces.push(match token {
                Token::Text(text) => Piece::Text(text),
                Token::AnyRun => Piece::AnyRun,
                Token::AnyOne => Piece::AnyOne,
                Token::Variable(variable) => match variable.value(context) {
                    Ok(value) => Piece::Text(value),
                    // A text with a missing variable matches nothing, whatever the others are.
                    Err(missing @ Doubt::Missing(_)) => return Err(missing),
                    Err(doubt) => {
                        unknown.get_or_insert(doubt);
                        continue;
                    }
                },
            });
        }
        unknown.map_or(Ok(pieces), Err)
    }
}

impl Variable {
    fn value<'a>(&'a self, context: &'a Context) -> Result<&'a str, Doubt> {
        match context.look_up(&self.key) {
            Lookup::One(value) => Ok(value),
            Lookup::Absent => self
                .default
                .as_deref()
                .ok_or_else(|| Doubt::Missing(format!("{} (a variable without a value)", self.key))),
            Lookup::Many(_) => {
                Err(Doubt::Unknown(format!("{} (a variable, but the key is multivalued)", self.key)))
            }
            Lookup::Unknown(reason) => Err(Doubt::Unknown(reason)),
        }
    }
}

fn push_last(split: &mut [Vec<Token>], token: Token) {
    split.last_mut().expect("there is a part from the start").push(token);
}

/// Reads what begins with `${`, and gives what comes after it.
fn read_insert(text: &str) -> Result<(Token, &str), String> {
    let inside = &text[2..];
    for literal in ["*", "?", "$"] {
        if let Some(after) = inside.strip_prefix(literal).and_then(|rest| rest.strip_prefix('}')) {
            return Ok((Token::Text(literal.to_owned()), after));
        }
    }
    let end = inside.find([',', '}']).ok_or_else(|| format!("`{text}` has no closing brace"))?;
    let (name, rest) = inside.split_at(end);
    let key = Key::read(name).ok_or_else(|| format!("`{name}` in `${{…}}` is no condition key"))?;
    if let Some(after) = rest.strip_prefix('}') {
        return Ok((Token::Variable(Variable { key, default: None }), after));
    }
    let (default, after) = rest[1..]
        .trim_start_matches(' ')
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .and_then(|(default, rest)| Some((default, rest.trim_start_matches(' ').strip_prefix('}')?)))
        .ok_or_else(|| {
            format!("the default of `{name}` must stand in single quotes, and the variable end after it")
        })?;
    Ok((Token::Variable(Variable { key, default: Some(default.to_owned()) }), after))
}

/// How much of the text the literal takes, if the text begins with it.
fn length_of_start(text: &str, literal: &str, case: Case) -> Option<usize> {
    let start = text.as_bytes().get(..literal.len())?;
    let equal = match case {
        Case::Matters => start == literal.as_bytes(),
        Case::Ignored => start.eq_ignore_ascii_case(literal.as_bytes()),
    };
    equal.then_some(literal.len())
}

/// Matches the whole text. It goes back to the last star only, which is enough since an earlier one could
/// take no more than what the later one takes; so the time is at most the product of both lengths.
fn matches(pieces: &[Piece<'_>], text: &str, case: Case) -> bool {
    let (mut piece, mut at) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    loop {
        let step = match pieces.get(piece) {
            None if at == text.len() => return true,
            None => None,
            Some(Piece::AnyRun) if piece + 1 == pieces.len() => return true,
            Some(Piece::AnyRun) => {
                last_star = Some((piece + 1, at));
                Some(0)
            }
            Some(Piece::AnyOne) => text[at..].chars().next().map(char::len_utf8),
            Some(Piece::Text(literal)) => length_of_start(&text[at..], literal, case),
        };
        if let Some(step) = step {
            piece += 1;
            at += step;
            continue;
        }
        let Some((after_star, from)) = last_star else { return false };
        let Some(skipped) = text[from..].chars().next() else { return false };
        at = from + skipped.len_utf8();
        piece = after_star;
        last_star = Some((after_star, at));
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
