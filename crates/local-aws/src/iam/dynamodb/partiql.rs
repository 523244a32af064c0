//! `PartiQL` statements.
//!
//! A statement's table is found where it is plainly written, and else is every table. No statement has leading
//! keys: a policy that is limited by them must not allow `PartiQL`.

use serde_json::Value as Json;

use super::arn::is_name;
use super::calls::{Asked, MAX_PARTS, call};
use super::member;
use crate::iam::Call;

/// `ExecuteStatement`, `BatchExecuteStatement` and `ExecuteTransaction`: a call for each action on each resource.
pub(super) fn calls(asked: &Asked<'_>) -> Vec<Call> {
    let statements = match asked.operation {
        "ExecuteStatement" => vec![member(asked.request, "Statement")],
        "BatchExecuteStatement" => list(asked, "Statements"),
        _ => list(asked, "TransactStatements"),
    };
    if statements.len() > MAX_PARTS {
        return Vec::new();
    }
    let mut calls: Vec<Call> = Vec::new();
    let mut is_unreadable = false;
    for statement in statements {
        let statement = statement.and_then(Json::as_str);
        let Some((action, statement)) = statement.and_then(|text| Some((action(text)?, text))) else {
            is_unreadable = true;
            continue;
        };
        let call = match resource(asked, statement) {
            Some(resource) => call(action, resource, Vec::new()),
            None => Call {
                unread: Some("the statement's table cannot be read".to_owned()),
                ..call(action, asked.place.table("*"), Vec::new())
            },
        };
        if !calls.iter().any(|other| other.action == call.action && other.resource == call.resource) {
            calls.push(call);
        }
    }
    if is_unreadable {
        calls.push(asked.fallback());
    }
    calls
}

fn list<'a>(asked: &Asked<'a>, name: &str) -> Vec<Option<&'a Json>> {
    let Some(Json::Array(statements)) = member(asked.request, name) else { return Vec::new() };
    statements.iter().map(|statement| statement.get("Statement")).collect()
}

/// The action of a statement by its first word. The database takes some statements that begin otherwise, which
/// have none.
fn action(statement: &str) -> Option<&'static str> {
    let statement = statement.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let end = statement.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(statement.len());
    let actions = [
        ("SELECT", "PartiQLSelect"),
        ("INSERT", "PartiQLInsert"),
        ("UPDATE", "PartiQLUpdate"),
        ("DELETE", "PartiQLDelete"),
    ];
    let (_, action) = actions.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(&statement[..end]))?;
    Some(action)
}

/// The table or index of a statement, where it is plainly written.
fn resource(asked: &Asked<'_>, statement: &str) -> Option<String> {
    Some(match target(&pieces(statement)?)? {
        (table, None) => asked.place.table(table),
        (table, Some(index)) => format!("{}/index/{index}", asked.place.table(table)),
    })
}

/// A word, sign or literal of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Sign(char),
    Literal,
}

/// The table of a statement, and its index: what stands after the statement's one `FROM`, its `INTO`, or
/// `UPDATE`.
fn target<'a>(pieces: &[Piece<'a>]) -> Option<(&'a str, Option<&'a str>)> {
    let is = |piece: &Piece<'_>, keyword: &str| matches!(piece, Piece::Word(word) if word.eq_ignore_ascii_case(keyword));
    let (first, rest) = pieces.split_first()?;
    let rest = if is(first, "UPDATE") {
        rest
    } else if is(first, "INSERT") {
        rest.split_first().filter(|(into, _)| is(into, "INTO"))?.1
    } else {
        let mut positions = rest.iter().enumerate().filter(|(_, piece)| is(piece, "FROM"));
        let (Some((position, _)), None) = (positions.next(), positions.next()) else { return None };
        &rest[position + 1..]
    };
    let name = |piece: Option<&Piece<'a>>| match piece {
        Some(Piece::Word(name) | Piece::Quoted(name)) if is_name(name) => Some(*name),
        _ => None,
    };
    let table = name(rest.first())?;
    if rest.get(1) != Some(&Piece::Sign('.')) {
        return Some((table, None));
    }
    Some((table, Some(name(rest.get(2))?)))
}

/// Splits a statement. One with comments, Ion literals, several statements, escaped quotes or letters outside
/// ASCII is not plain and not split.
fn pieces(statement: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        let is_in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (piece, length) = match first {
            _ if first.is_ascii_whitespace() => {
                rest = &rest[1..];
                continue;
            }
            '\'' | '"' => {
                let inner = &rest[1..=rest[1..].find(first)?];
                let length = inner.len() + 2;
                if rest[length..].starts_with(first) {
                    return None;
                }
                (if first == '"' { Piece::Quoted(inner) } else { Piece::Literal }, length)
            }
            '0'..='9' => {
                let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                if rest[length..].starts_with(is_in_word) {
                    return None;
                }
                (Piece::Literal, length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !is_in_word(c)).unwrap_or(rest.len());
                (Piece::Word(&rest[..length]), length)
            }
            '-' if rest.starts_with("--") => return None,
            '{' | '}' | '[' | ']' | '(' | ')' | ',' | ':' | '*' | '?' | '+' | '-' | '.' | '=' | '<' | '>'
            | '!' => (Piece::Sign(first), 1),
            _ => return None,
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(statement: &str) -> (Option<&'static str>, Option<(&str, Option<&str>)>) {
        (action(statement), pieces(statement).and_then(|pieces| target(&pieces)))
    }

    #[test]
    fn a_plain_statement_says_its_action_and_its_table() {
        let cases = [
            ("SELECT * FROM \"tenantry-records\"", "PartiQLSelect", ("tenantry-records", None)),
            ("\n select a, b.c[0]\tfrom Music where a = 'FROM x'", "PartiQLSelect", ("Music", None)),
            ("SELECT*FROM \"t\".\"by-status\" WHERE a=1", "PartiQLSelect", ("t", Some("by-status"))),
            ("INSERT INTO \"t\" VALUE {'a': 'b'}", "PartiQLInsert", ("t", None)),
            ("UPDATE \"t\" SET a = ? WHERE b = -1.5", "PartiQLUpdate", ("t", None)),
            ("Delete From t WHERE a <> ?", "PartiQLDelete", ("t", None)),
        ];
        for (statement, action, target) in cases {
            assert_eq!(read(statement), (Some(action), Some(target)), "{statement}");
        }
    }

    #[test]
    fn a_statement_that_is_not_plain_says_no_table() {
        for statement in [
            "SELECT * FROM /* \"public\" */ \"secret\"",
            "SELECT * FROM -- \"public\"\n \"secret\"",
            "SELECT FROM FROM public",
            "SELECT * FROM \"a\"\"b\"",
            "SELECT * FROM 'secret'",
            "SELECT * FROM \"secret",
            "SELECT * FROM \"a/b\"",
            "SELECT * FROM t.5",
            "SELECT 1FROM secret WHERE a = b",
            "SELECT * FROM t; DELETE FROM u",
            "SELECT `x` FROM t",
            "SELECT ä FROM t",
            "SELECT *",
            "INSERT t",
        ] {
            assert_eq!(read(statement).1, None, "{statement}");
        }
    }

    #[test]
    fn a_statement_that_begins_otherwise_has_no_action() {
        for statement in [
            "",
            " ",
            "EXISTS(SELECT * FROM t)",
            "FROM t SET a = 1",
            "/**/ SELECT * FROM t",
            "SELECTED",
            "\u{17f}ELECT",
        ] {
            assert_eq!(action(statement), None, "{statement}");
        }
    }
}
