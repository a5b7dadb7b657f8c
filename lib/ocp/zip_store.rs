//! Where ZIPs are stored: below a directory, or below an address in a bucket.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::bucket::address::BucketUrl;
use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::error;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{History, PageEntry, RequestHistory, RequestState};
use crate::ocp::zip_layout;
use crate::os::files::{self, NamedTempFile};
use crate::os::unnamed;

/// Where ZIPs are stored.
#[derive(Debug)]
pub enum ZipStore {
    /// Below a directory.
    Directory(PathBuf),
    /// Below an address in a bucket.
    Bucket {
        /// The service that holds the bucket.
        service: Arc<BucketService>,
        /// The address to which the names of files are appended.
        url: BucketUrl,
        /// The directory for temporary files without a name. A ZIP is in such a file until it is
        /// verified and uploaded.
        temp_dir: PathBuf,
    },
}

/// A ZIP while it is downloaded, before it gets its name or is uploaded.
#[derive(Debug)]
pub(crate) enum ZipBody {
    Beside(NamedTempFile),
    Unnamed(File),
}

impl ZipBody {
    pub(crate) fn as_file(&self) -> &File {
        match self {
            ZipBody::Beside(temp) => temp.as_file(),
            ZipBody::Unnamed(file) => file,
        }
    }
}

impl Write for ZipBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ZipBody::Beside(temp) => temp.write(bytes),
            ZipBody::Unnamed(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            ZipBody::Beside(temp) => temp.flush(),
            ZipBody::Unnamed(file) => file.flush(),
        }
    }
}

impl ZipStore {
    /// The store at `root`. If `root` is in a bucket, `service` is called, and `temp_dir` holds
    /// each ZIP while the ZIP is read or written.
    pub(crate) fn at(
        root: &FileOrObject,
        temp_dir: PathBuf,
        service: impl FnOnce() -> anyhow::Result<Arc<BucketService>>,
    ) -> anyhow::Result<ZipStore> {
        Ok(match root {
            FileOrObject::File(root) => ZipStore::Directory(root.clone()),
            FileOrObject::Object(url) => ZipStore::Bucket {
                service: service()?,
                url: url.clone(),
                temp_dir,
            },
        })
    }

    /// The path or address of a file.
    pub(crate) fn place(&self, file: &str) -> PathBuf {
        match self {
            ZipStore::Directory(root) => root.join(file),
            ZipStore::Bucket { url, .. } => below(url, file).to_string().into(),
        }
    }

    /// A path on the disk that will hold the body of `file`. The caller checks the free space of
    /// this disk.
    pub(crate) fn disk(&self, file: &str) -> PathBuf {
        match self {
            ZipStore::Directory(root) => root.join(file),
            ZipStore::Bucket { temp_dir, .. } => temp_dir.join("body"),
        }
    }

    /// Creates a temporary file for the body of `file`.
    pub(crate) fn body(&self, file: &str) -> anyhow::Result<ZipBody> {
        match self {
            ZipStore::Directory(root) => {
                let path = root.join(file);
                files::create_parent(&path)?;
                files::temp_beside(&path).map(ZipBody::Beside)
            }
            ZipStore::Bucket { temp_dir, .. } => unnamed_in(temp_dir).map(ZipBody::Unnamed),
        }
    }

    /// Stores a verified body under the name in `page`. When this returns, the body is on the disk
    /// or in the bucket.
    pub(crate) fn keep(&self, body: ZipBody, page: &PageEntry) -> anyhow::Result<()> {
        match (self, body) {
            (ZipStore::Directory(root), ZipBody::Beside(temp)) => {
                files::commit(temp, &page.path(root))
            }
            (ZipStore::Bucket { service, url, .. }, body) => {
                let (url, always) = (below(url, &page.file), PutCondition::Always);
                service.put_file(&url, body.as_file(), &page.sha256, always)?;
                Ok(())
            }
            (ZipStore::Directory(root), ZipBody::Unnamed(_)) => Err(error::usage(format!(
                "{}: its body has no name",
                page.path(root).display()
            ))),
        }
    }

    /// Whether a page still exists with the recorded size. The checksum is not compared, because
    /// computing the checksums of all pages on every run would take too long.
    pub(crate) fn has(&self, page: &PageEntry) -> anyhow::Result<bool> {
        match self {
            ZipStore::Directory(root) => Ok(page.is_on_disk(root)),
            ZipStore::Bucket { service, url, .. } => {
                let found = service.head(&below(url, &page.file))?;
                Ok(found.is_some_and(|found| found.size == page.bytes))
            }
        }
    }

    /// Opens the ZIP of a page. Fails with status 75 if the ZIP was deleted.
    pub(crate) fn open(&self, page: &PageEntry) -> anyhow::Result<File> {
        let deleted = || {
            let place = self.place(&page.file);
            error::try_later(format!("{}: it was deleted", place.display()))
        };
        self.open_if_there(page)?.ok_or_else(deleted)
    }

    /// Opens the ZIP of a page; `None` if the ZIP does not exist.
    pub(crate) fn open_if_there(&self, page: &PageEntry) -> anyhow::Result<Option<File>> {
        match self {
            ZipStore::Directory(root) => match File::open(page.path(root)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                file => {
                    let place = || page.path(root).display().to_string();
                    file.with_context(place).map(Some)
                }
            },
            ZipStore::Bucket {
                service,
                url,
                temp_dir,
            } => service.get_file(&below(url, &page.file), || unnamed_in(temp_dir)),
        }
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, file: &str) -> anyhow::Result<()> {
        match self {
            ZipStore::Directory(root) => files::remove(&root.join(file)),
            ZipStore::Bucket { service, url, .. } => service.delete(&below(url, file)),
        }
    }

    /// Deletes what earlier runs left: incomplete files, and the pages of ended exports that have a
    /// complete successor.
    pub(crate) fn tidy(&self, history: &History) -> anyhow::Result<()> {
        if let ZipStore::Bucket { service, url, .. } = self {
            abort_unfinished(service, url, history)?;
        }
        for (request, record) in history.records() {
            if let ZipStore::Directory(root) = self {
                let directory = root.join(zip_layout::directory(request));
                if !directory.is_dir() {
                    continue;
                }
                files::remove_leftovers(&directory)
                    .with_context(|| format!("tidying {}", directory.display()))?;
            }
            if matches!(&record.state, RequestState::Named(export) if export.fetched_at.is_some()) {
                self.remove_ended(request, record)?;
            }
        }
        Ok(())
    }

    /// Removes the pages of a request's ended exports. Must be called only when a newer export is
    /// complete: until then, these pages are the only copy of the data.
    pub(crate) fn remove_ended(
        &self,
        request: &ExportRequest,
        record: &RequestHistory,
    ) -> anyhow::Result<()> {
        if record.ended.is_empty() {
            return Ok(());
        }
        let directory = zip_layout::directory(request);
        for name in self.names(&directory)? {
            if zip_layout::is_of_ended(&name, record) {
                self.remove(&format!("{directory}/{name}"))?;
            }
        }
        Ok(())
    }

    fn names(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        match self {
            ZipStore::Directory(root) => zip_layout::names(&root.join(directory)),
            ZipStore::Bucket { service, url, .. } => {
                let prefix = below(url, directory).with_ending("/");
                let listed = service.list(&prefix)?;
                let name = |key: &str| key.strip_prefix(prefix.key()).map(str::to_owned);
                Ok(listed.iter().filter_map(|one| name(&one.key)).collect())
            }
        }
    }
}

fn unnamed_in(temp_dir: &Path) -> anyhow::Result<File> {
    let place = || format!("creating a file in {}", temp_dir.display());
    unnamed::create_in(temp_dir).with_context(place)
}

fn below(url: &BucketUrl, file: &str) -> BucketUrl {
    url.with_ending(&format!("/{file}"))
}

/// Aborts the unfinished uploads of this ledger's pages. A run that was killed can leave such
/// uploads.
fn abort_unfinished(
    service: &BucketService,
    url: &BucketUrl,
    history: &History,
) -> anyhow::Result<()> {
    for upload in service.unfinished(&url.with_ending("/"))? {
        let Some(file) = upload.key.strip_prefix(&format!("{}/", url.key())) else {
            continue;
        };
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let is_ours =
            |(request, _): (&ExportRequest, _)| zip_layout::directory(request) == directory;
        if history.records().any(is_ours) {
            service.abort(&below(url, file), &upload)?;
        }
    }
    Ok(())
}
