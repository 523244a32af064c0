//! Files that are named by the SHA-256 of what they hold.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5, Sha256};
use s3s::dto::Checksum;
use tempfile::TempDir;

use crate::s3::hex;

/// The SHA-256 of a blob, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlobId([u8; 32]);

impl BlobId {
    pub(super) const BYTES: usize = 32;

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The digest in lower-case hexadecimal digits.
    pub(crate) fn hex(&self) -> String {
        hex(&self.0)
    }

    fn parse(name: &str) -> Option<Self> {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let bytes: Option<Vec<u8>> = name
            .as_bytes()
            .chunks(2)
            .map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?))
            .collect();
        Self::from_bytes(&bytes?)
    }
}

/// The folder of the blobs, and of those that are being written.
pub(super) struct Blobs {
    folder: PathBuf,
    /// The folder's end, where the store keeps nothing.
    _temporary: Option<TempDir>,
}

impl Blobs {
    pub(super) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let own = || tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let temporary = folder.is_none().then(own).transpose()?;
        let folder = match (&temporary, folder) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, folder) => folder.map(Path::to_owned).unwrap_or_default(),
        };
        let blobs = Self { folder, _temporary: temporary };
        for folder in [blobs.folder.join("blobs"), blobs.staging()] {
            make_folder(&folder)?;
        }
        Ok(blobs)
    }

    /// Begins a file that has no name yet.
    pub(super) fn stage(&self) -> io::Result<Staging> {
        let name = crate::random::bytes::<16>().map_err(|error| io::Error::other(error.to_string()))?;
        let path = self.staging().join(hex(&name));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Staging {
            file,
            path: Unplaced(path),
            size: 0,
            sha256: Sha256::new(),
            md5: Md5::new(),
            sums: ChecksumHasher::default(),
        })
    }

    /// Gives a staged file its name. Where the same bytes have it already, those stay; a file that is not whole
    /// is replaced.
    pub(super) fn place(&self, staged: &Staged) -> io::Result<()> {
        let path = self.path(staged.id);
        if std::fs::metadata(&path).is_ok_and(|there| there.len() == staged.size) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        std::fs::rename(&staged.path.0, path)
    }

    pub(super) fn open_blob(&self, id: BlobId) -> io::Result<File> {
        File::open(self.path(id))
    }

    pub(super) fn remove(&self, id: BlobId) -> io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes what was being written. Called before anything is.
    pub(super) fn forget_staged(&self) -> io::Result<()> {
        std::fs::read_dir(self.staging())?.try_for_each(|entry| std::fs::remove_file(entry?.path()))
    }

    /// Takes a blob's file from elsewhere, which stays there.
    pub(super) fn adopt(&self, file: &Path) -> io::Result<()> {
        let Some(id) = file.file_name().and_then(|name| name.to_str()).and_then(BlobId::parse) else {
            return Ok(());
        };
        let path = self.path(id);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        if path.exists() || std::fs::hard_link(file, &path).is_ok() {
            return Ok(());
        }
        let copy = Unplaced(self.staging().join(id.hex()));
        std::fs::copy(file, &copy.0)?;
        std::fs::rename(&copy.0, path)
    }

    /// Every blob that has a file.
    pub(super) fn all(&self) -> io::Result<Vec<BlobId>> {
        let mut all = Vec::new();
        for folder in std::fs::read_dir(self.folder.join("blobs"))? {
            for file in std::fs::read_dir(folder?.path())? {
                all.extend(file?.file_name().to_str().and_then(BlobId::parse));
            }
        }
        Ok(all)
    }

    pub(super) fn path(&self, id: BlobId) -> PathBuf {
        path_in(&self.folder, id)
    }

    fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }
}

/// Where a blob lies in a store's folder, or in a copy of one.
pub(super) fn path_in(folder: &Path, id: BlobId) -> PathBuf {
    let name = id.hex();
    folder.join("blobs").join(&name[..2]).join(name)
}

/// Makes a folder that is its owner's alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A file that goes away unless it was given its name.
struct Unplaced(PathBuf);

impl Drop for Unplaced {
    fn drop(&mut self) {
        // One that has its name is not here any more; one that cannot be removed is left to the next sweep.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A blob that is being written, and what is being computed of it on the way.
pub(crate) struct Staging {
    file: File,
    path: Unplaced,
    size: u64,
    sha256: Sha256,
    md5: Md5,
    /// The checksums that are asked for.
    pub(crate) sums: ChecksumHasher,
}

impl Staging {
    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sha256.update(bytes);
        self.md5.update(bytes);
        self.sums.update(bytes);
        self.size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    pub(crate) fn finish(self) -> Staged {
        Staged {
            path: self.path,
            id: BlobId(self.sha256.finalize()),
            size: self.size,
            md5: self.md5.finalize(),
            sums: self.sums.finalize(),
        }
    }
}

/// A blob that is written and has no name yet. It is gone when it is dropped without one.
pub(crate) struct Staged {
    path: Unplaced,
    pub(crate) id: BlobId,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) sums: Checksum,
}
