//! How a tenant moves from the pool into a silo.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::lifecycle::whole;
use crate::members::Refusals;
use crate::{Json, Problem};

/// `POST /tenants/{tenant_id}/move`: begins a move, or gives one up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoveRequest {
    /// Whether the move that is under way is to be given up.
    pub abandon: bool,
    /// For how long the tenant's writes may wait for both sides to become equal, in seconds.
    pub longest_pause: Option<u32>,
}

/// How long a pause may be, in seconds. What functions know of a tenant, and their requests, take up to 345 of them.
const PAUSES: std::ops::RangeInclusive<u32> = 600..=86_400;

impl MoveRequest {
    /// The longest pause, in seconds, where nothing is said.
    pub const LONGEST_PAUSE: u32 = 900;

    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut refusals = Refusals::default();
        for (name, value) in members {
            let at = &[name.as_str()][..];
            match (name.as_str(), value) {
                ("abandon", Json::Bool(abandon)) => asked.abandon = *abandon,
                ("abandon", _) => refusals.add(at, "must be true or false"),
                ("longest_pause_seconds", _) => {
                    asked.longest_pause = whole(value).filter(|seconds| PAUSES.contains(seconds));
                    if asked.longest_pause.is_none() {
                        refusals.add(at, "must be a whole number from 600 to 86400");
                    }
                }
                _ => refusals.add(at, "is no member of this request: abandon and longest_pause_seconds are"),
            }
        }
        if asked.abandon && asked.longest_pause.is_some() {
            refusals.add(&["longest_pause_seconds"], "cannot stand beside abandon");
        }
        refusals.or(Some(asked))
    }
}

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveStage {
    /// The silo is made.
    Silo,
    /// Records and files are copied, while the tenant goes on writing. Nothing is handed out any more by which its
    /// data could be changed.
    Copy,
    /// Writes wait until all functions know it; what came since is copied, and both sides are compared.
    Pause,
    /// The silo is what the tenant reads. Writes wait until all functions know it.
    Switch,
    /// All goes on, in the silo. The pool's copy stays until no link to it holds any more.
    Settle,
    /// What is left in the pool is deleted, and counted.
    Clean,
    /// Nothing of the tenant is left in the pool.
    Done,
    /// The move was given up; the silo is removed.
    Abandon,
    /// The silo is gone, and the tenant is where it was.
    Abandoned,
}

/// A tenant's move into a silo, as the platform team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiloMove {
    /// Where it stands.
    pub stage: MoveStage,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// When the next run of the task has something to do; `null` where nothing is left to be done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    /// Why it cannot go on before somebody has done something about it; `null` where nothing is in the way.
    pub standstill: Option<String>,
    /// What has been copied so far. What was changed while it was copied counts again.
    pub copied: MoveCounts,
    /// What both sides had when they were compared; `null` before that.
    pub compared: Option<MoveCounts>,
    /// Since when writes have waited, or waited last; `null` where they have not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub paused_at: Option<OffsetDateTime>,
    /// For how long writes have waited, in seconds; `null` until they go on.
    pub pause_seconds: Option<u64>,
    /// For how long they may wait for both sides to become equal.
    pub longest_pause_seconds: u32,
}

/// What a tenant has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveCounts {
    /// Records, and whatever other items its own programs wrote among them.
    pub records: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_begun_unless_it_is_said_that_it_is_given_up() {
        let read = |text: &str| {
            let Ok(Json::Object(members)) = Json::parse(text) else { panic!("an object") };
            MoveRequest::read(&members)
        };
        let asked = |abandon, longest_pause| MoveRequest { abandon, longest_pause };
        for (body, request) in [
            ("{}", asked(false, None)),
            (r#"{"abandon":true}"#, asked(true, None)),
            (r#"{"longest_pause_seconds":600}"#, asked(false, Some(600))),
            (r#"{"longest_pause_seconds":86400,"abandon":false}"#, asked(false, Some(86_400))),
        ] {
            assert_eq!(read(body).unwrap(), request, "{body}");
        }
        for wrong in [
            r#"{"abandon":"true"}"#,
            r#"{"to":"silo"}"#,
            r#"{"longest_pause_seconds":599}"#,
            r#"{"longest_pause_seconds":86401}"#,
            r#"{"longest_pause_seconds":900.5}"#,
            r#"{"longest_pause_seconds":"900"}"#,
            r#"{"longest_pause_seconds":900,"abandon":true}"#,
        ] {
            assert_eq!(read(wrong).unwrap_err().kind().status(), 422, "{wrong}");
        }
    }
}
