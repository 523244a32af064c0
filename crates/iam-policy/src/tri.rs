//! Answers to whether something applies, where "not known" is one of them.

/// Whether something applies to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tri {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be told, and why.
    Unknown(String),
}

/// Why a comparison has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// A variable has no value in the request, and no default.
    Missing(String),
    /// The request's value is not of the kind that is compared.
    WrongKind(String),
    /// The answer depends on something that is not known.
    Unknown(String),
}

impl Doubt {
    /// What is not known, for a message.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Missing(reason) | Self::WrongKind(reason) | Self::Unknown(reason) => reason,
        }
    }

    /// The doubt that decides between two: what is not known outweighs what is surely not there.
    fn stronger(self, other: Self) -> Self {
        match self {
            Self::Unknown(_) => self,
            Self::Missing(_) | Self::WrongKind(_) => other,
        }
    }
}

impl From<bool> for Tri {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Tri {
    /// Both apply.
    pub(crate) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown(reason) => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown(_) => Self::Unknown(reason),
            },
        }
    }

    /// One of the two applies.
    pub(crate) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Unknown(reason) => match other() {
                Self::Yes => Self::Yes,
                Self::No | Self::Unknown(_) => Self::Unknown(reason),
            },
        }
    }

    /// What a comparison says where its match is wanted: what has no value does not match.
    pub(crate) fn of(compared: Result<bool, Doubt>) -> Self {
        match compared {
            Ok(yes) => yes.into(),
            Err(Doubt::Missing(_) | Doubt::WrongKind(_)) => Self::No,
            Err(Doubt::Unknown(reason)) => Self::Unknown(reason),
        }
    }

    /// What a comparison says where its match is not wanted. That nothing could be compared is then no
    /// ground to go on: it would let a missing value count as a different one.
    pub(crate) fn not(compared: Result<bool, Doubt>) -> Self {
        match compared {
            Ok(yes) => (!yes).into(),
            Err(doubt) => Self::Unknown(doubt.reason()),
        }
    }
}

/// Whether any of the comparisons matches.
pub(crate) fn any(comparisons: impl Iterator<Item = Result<bool, Doubt>>) -> Result<bool, Doubt> {
    let mut doubt: Option<Doubt> = None;
    for compared in comparisons {
        match compared {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(other) => {
                doubt = Some(match doubt {
                    Some(doubt) => doubt.stronger(other),
                    None => other,
                });
            }
        }
    }
    doubt.map_or(Ok(false), Err)
}
