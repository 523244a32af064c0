//! Reading an export.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use contract::{ExportCounts, ExportPlace};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tenant_context::{ApiKeyId, AwsFailure};

use super::Importing;
use crate::ControlError;
use crate::hex::hex;
use crate::leaving::{FORMAT, Part};
use crate::task::Run;

/// Most bytes of a manifest: of one with 2,000 parts, and something over.
const MANIFEST: usize = 2 * 1024 * 1024;
/// Most bytes of a part. Exports write parts of 8 MiB and what a query answers at once.
const PART: u64 = 32 * 1024 * 1024;

/// What an export says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) api_key_ids: Vec<ApiKeyId>,
    pub(super) counts: ExportCounts,
    pub(super) parts: Vec<Part>,
}

impl Manifest {
    /// The parts of a kind, in their order.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<&Part> {
        let is_of = |part: &&Part| part.name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'));
        self.parts.iter().filter(is_of).collect()
    }
}

/// What there is under an export's prefix.
#[derive(Debug)]
pub(super) enum Found {
    /// An export, with the digest of its manifest in hexadecimal digits.
    Export(Manifest, String),
    /// No manifest, and so no complete export.
    Nothing,
    /// Something that cannot be imported, for a reason in words.
    Other(String),
}

/// Looks for an export.
pub(super) async fn find(s3: &Client, place: &ExportPlace) -> Result<Found, ControlError> {
    let Some(bytes) = object(s3, place, "manifest.json", MANIFEST).await? else { return Ok(Found::Nothing) };
    let other = |reason: &str| Ok(Found::Other(reason.to_owned()));
    let Ok(bytes) = bytes else { return other("its manifest is larger than exports write any") };
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return other("its manifest is not JSON");
    };
    match value["format"].as_str() {
        Some(FORMAT) => {}
        Some(format) => {
            let format: String = format.chars().filter(char::is_ascii_graphic).take(40).collect();
            return Ok(Found::Other(format!("it is of the form {format}, and must be of {FORMAT}")));
        }
        None => return other("its manifest names no form"),
    }
    match serde_json::from_value::<Manifest>(value) {
        Ok(manifest) => Ok(Found::Export(manifest, hex(&Sha256::digest(&bytes)))),
        Err(_) => other("its manifest lacks what exports write"),
    }
}

/// An object of an export; nothing where there is none, an error within where it is larger than it may be.
async fn object(
    s3: &Client,
    place: &ExportPlace,
    name: &str,
    most: usize,
) -> Result<Option<Result<Vec<u8>, ()>>, ControlError> {
    let got = s3.get_object().bucket(&place.bucket).key(format!("{}{name}", place.prefix)).send().await;
    let object = match got {
        Ok(object) => object,
        // To whom it grants no listing, S3 says 403 of what is not there.
        Err(error) if matches!(error.code(), Some("NoSuchKey" | "AccessDenied")) => return Ok(None),
        Err(error) => return Err(AwsFailure::of("GetObject on the exports bucket")(error).into()),
    };
    let length = object.content_length().and_then(|length| usize::try_from(length).ok());
    if length.is_none_or(|length| length > most) {
        return Ok(Some(Err(())));
    }
    let body = object.body.collect().await;
    let body = body.map_err(|error| ControlError::Unreadable("an object of an export", Box::new(error)))?;
    Ok(Some(Ok(body.to_vec())))
}

impl Run<'_> {
    /// The manifest of the export that is imported, as it was when that was asked for. What keeps it from being read
    /// is an error within.
    pub(super) async fn manifest(
        &self,
        importing: &Importing,
    ) -> Result<Result<Manifest, String>, ControlError> {
        Ok(match find(&self.stores.s3, &importing.export).await? {
            Found::Export(manifest, digest) if digest == importing.manifest => Ok(manifest),
            Found::Export(..) => {
                Err("manifest.json is another than when the import was asked for".to_owned())
            }
            Found::Nothing => Err("manifest.json is not there any more".to_owned()),
            Found::Other(reason) => Err(format!("the export cannot be imported: {reason}")),
        })
    }

    /// The text of a part, all of it and as the manifest says. What keeps it from being that is an error within.
    pub(super) async fn part(
        &self,
        importing: &Importing,
        part: &Part,
    ) -> Result<Result<String, String>, ControlError> {
        let Part { name, lines, bytes, sha256 } = part;
        let refused = |what: &str| Ok(Err(format!("{name} of the export {what}")));
        let Some(most) = Some(*bytes).filter(|bytes| *bytes <= PART).and_then(|most| most.try_into().ok())
        else {
            return refused("is larger than exports write any");
        };
        let body = match object(&self.stores.s3, &importing.export, name, most).await? {
            Some(Ok(body)) if body.len() == most => body,
            Some(_) => return refused("has another size than its manifest says"),
            None => return refused("is not there"),
        };
        if hex(&Sha256::digest(&body)) != *sha256 {
            return refused("does not have the digest that its manifest says");
        }
        match String::from_utf8(body) {
            Ok(text) if text.lines().count() as u64 == *lines => Ok(Ok(text)),
            Ok(_) => refused("has another number of lines than its manifest says"),
            Err(_) => refused("is no text"),
        }
    }
}
