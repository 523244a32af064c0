//! The forms of items, one for each kind of thing that is stored.

/// How things of one kind stand in their table: each is an item with a version, times and a JSON content.
#[derive(Debug)]
pub(crate) struct Form {
    /// The attribute of the table's partition key.
    pub(crate) partition_key: &'static str,
    /// The attribute of the table's sort key.
    pub(crate) sort_key: &'static str,
    /// The attribute of the content.
    pub(crate) content: &'static str,
    /// Whether the content is an object; it is any JSON value otherwise.
    pub(crate) is_object: bool,
    /// Whether an item also says when it was first written.
    pub(crate) has_birth: bool,
    /// The calls by the names that failures have in the log.
    pub(crate) calls: Calls,
}

/// Names of calls on one table.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) get: &'static str,
    pub(crate) put: &'static str,
    pub(crate) update: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) query: &'static str,
}

macro_rules! calls {
    ($table:literal) => {
        Calls {
            get: concat!("GetItem on the ", $table, " table"),
            put: concat!("PutItem on the ", $table, " table"),
            update: concat!("UpdateItem on the ", $table, " table"),
            delete: concat!("DeleteItem on the ", $table, " table"),
            query: concat!("Query on the ", $table, " table"),
        }
    };
}

/// Records.
pub(crate) static RECORDS: Form = Form {
    partition_key: "tenant_id",
    sort_key: "sk",
    content: "data",
    is_object: true,
    has_birth: true,
    calls: calls!("records"),
};

/// Checkpoints.
pub(crate) static CHECKPOINTS: Form = Form {
    partition_key: "api_key_id",
    sort_key: "name",
    content: "value",
    is_object: false,
    has_birth: false,
    calls: calls!("checkpoints"),
};

impl Form {
    /// DynamoDB's types of the content, as condition expressions name them. JSON has no sets and no binary.
    pub(crate) fn content_types(&self) -> &'static [&'static str] {
        if self.is_object { &["M"] } else { &["M", "L", "S", "N", "BOOL", "NULL"] }
    }

    /// The attributes that hold times.
    pub(crate) fn times(&self) -> &'static [&'static str] {
        if self.has_birth { &["created_at", "updated_at"] } else { &["updated_at"] }
    }
}
