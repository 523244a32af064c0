//! The words of DynamoDB's expressions, which are the same in all five kinds of them.

use serde_json::Value as Json;

use super::Known;

/// Bytes of an expression. The database refuses a longer one.
const MAX_BYTES: usize = 4_096;

/// The words that are no attribute's name.
const KEYWORDS: [&str; 9] = ["AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"];

/// One word or sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// An attribute's name, a function's name or a keyword.
    Word(&'t str),
    /// A name that stands in `ExpressionAttributeNames`, with its `#`.
    Name(&'t str),
    /// A value that stands in `ExpressionAttributeValues`, with its `:`.
    Value(&'t str),
    /// A list's index.
    Number,
    /// An operator, a bracket, a comma or a dot.
    Sign(&'t str),
}

/// Splits an expression as the database does. An expression that cannot be split is executed nowhere.
pub(super) fn tokens(expression: &str) -> Known<Vec<Token<'_>>> {
    if expression.len() > MAX_BYTES {
        return Err(format!("an expression exceeds {MAX_BYTES} bytes"));
    }
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.bytes().next() {
        if matches!(first, b' ' | b'\t'..=b'\r') {
            rest = &rest[1..];
            continue;
        }
        let length = token_length(first, rest).ok_or("an expression has a character that cannot be read")?;
        let (token, tail) = rest.split_at(length);
        tokens.push(match first {
            b'#' => Token::Name(token),
            b':' => Token::Value(token),
            b'0'..=b'9' => Token::Number,
            b'_' | b'A'..=b'Z' | b'a'..=b'z' => Token::Word(token),
            _ => Token::Sign(token),
        });
        rest = tail;
    }
    Ok(tokens)
}

/// The bytes of the token at the start of a text, all of them ASCII.
fn token_length(first: u8, text: &str) -> Option<usize> {
    let run =
        |text: &str| text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    match first {
        b'#' | b':' => Some(1 + run(&text[1..])).filter(|length| *length > 1),
        b'<' if text.starts_with("<>") || text.starts_with("<=") => Some(2),
        b'>' if text.starts_with(">=") => Some(2),
        b'<' | b'>' | b'=' | b'+' | b'-' | b'(' | b')' | b'[' | b']' | b'.' | b',' => Some(1),
        b'0'..=b'9' => Some(text.bytes().take_while(u8::is_ascii_digit).count()),
        b'_' | b'A'..=b'Z' | b'a'..=b'z' => Some(run(text)),
        _ => None,
    }
}

/// Whether a word is no attribute's name.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The attribute that a token names. A name with `#` is looked up, once, and stands for one attribute whatever
/// characters it has.
pub(super) fn attribute<'a>(token: Token<'a>, names: Option<&'a Json>) -> Known<&'a str> {
    match token {
        Token::Word(word) if !is_keyword(word) => Ok(word),
        Token::Name(name) => {
            let Some(Json::String(attribute)) = names.and_then(|names| names.get(name)) else {
                return Err(format!("{name} does not stand in ExpressionAttributeNames"));
            };
            Ok(attribute)
        }
        Token::Word(_) | Token::Value(_) | Token::Number | Token::Sign(_) => {
            Err("an expression has no attribute where one is expected".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_is_split_as_the_database_splits_it() {
        use Token::{Name, Number, Sign, Value, Word};
        let cases: [(&str, &[Token<'_>]); 5] = [
            ("", &[]),
            ("\ta =\n:v\u{b}\u{c}\r", &[Word("a"), Sign("="), Value(":v")]),
            ("a<:v", &[Word("a"), Sign("<"), Value(":v")]),
            (
                "#a.b[10]>=:v",
                &[Name("#a"), Sign("."), Word("b"), Sign("["), Number, Sign("]"), Sign(">="), Value(":v")],
            ),
            (
                "a<>:v,_b<=:w",
                &[Word("a"), Sign("<>"), Value(":v"), Sign(","), Word("_b"), Sign("<="), Value(":w")],
            ),
        ];
        for (expression, expected) in cases {
            assert_eq!(tokens(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_the_database_does_not_read_is_not_read() {
        for expression in ["#", ":", "# a", "a\u{a0}= :v", "a = 'b'", "a = \"b\"", "ä = :v", "a; b", "a ! b"]
        {
            assert!(tokens(expression).is_err(), "{expression}");
        }
        assert!(tokens(&"a".repeat(MAX_BYTES)).is_ok());
        assert!(tokens(&"a".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_name_stands_for_one_attribute() {
        let names = json!({"#a": "tenant_id", "#dotted": "a.b", "#number": 1, "#loop": "#a"});
        let resolved = |name| attribute(Token::Name(name), Some(&names));
        assert_eq!(resolved("#a"), Ok("tenant_id"));
        assert_eq!(resolved("#dotted"), Ok("a.b"));
        assert_eq!(resolved("#loop"), Ok("#a"));
        assert!(resolved("#number").is_err());
        assert!(resolved("#missing").is_err());
        assert!(attribute(Token::Name("#a"), None).is_err());
        assert!(attribute(Token::Name("#a"), Some(&json!(["tenant_id"]))).is_err());
        assert_eq!(attribute(Token::Word("tenant_id"), None), Ok("tenant_id"));
        assert!(attribute(Token::Word("between"), None).is_err());
    }
}
