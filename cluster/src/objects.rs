//! Checkpoints in an object store: what the crate `object_store` knows, as a storage of psdf.

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
};
use psdf_runtime::checkpoint::storage::Storage;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use tokio::runtime::{Builder, Runtime};

/// What is uploaded in parts is in parts of so many bytes: S3 takes none under 5 MiB but the last, and 10,000 at the most.
const PART: usize = 16 << 20;

/// Objects in a bucket, a directory or memory, under a prefix of their own.
///
/// All processes of a job have the same. A call sends one request for an object, and one more for each 16 MiB of those that
/// come in parts; a list, one for each 1,000 names. Calls block; the requests are made on a thread of its own, so they may
/// come from a task of tokio as well as from elsewhere.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Until it is dropped, which in a task must not wait.
    runtime: Option<Runtime>,
}

impl Objects {
    /// Of any store. Its `PutMode::Create` must be one that only the first of several wins, or two processes may both own
    /// the flow: see [`Objects::check_fencing`].
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(store: impl ObjectStore) -> io::Result<Self> {
        Self::of(Arc::new(store))
    }

    fn of(store: Arc<dyn ObjectStore>) -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("psdf:objects").enable_all().build()?;
        Ok(Objects { store, runtime: Some(runtime) })
    }

    /// In memory; for tests.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn memory() -> io::Result<Self> {
        Self::new(object_store::memory::InMemory::new())
    }

    /// In a directory, which is made if it is not there. What is stored is synced.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn directory(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(&path).map_err(io_error)?;
        Self::new(store.with_fsync(true))
    }

    /// In a bucket of S3, or of what speaks like it: `s3://bucket/prefix`. The rest is what the environment says in the
    /// variables that are known for it: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_ALLOW_HTTP`, ..
    ///
    /// It needs the feature `s3`, and that the program has installed a provider of `rustls`, also for plain HTTP.
    ///
    /// # Errors
    /// If that is not enough to make requests, or the bucket [cannot fence](Objects::check_fencing).
    #[cfg(feature = "s3")]
    pub fn s3(url: &str) -> io::Result<Self> {
        let invalid = |why: &str| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("`{url}` {why}; write `s3://bucket/prefix`"))
        };
        let place = url.strip_prefix("s3://").ok_or_else(|| invalid("is no place in S3"))?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(invalid("names no bucket"));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "no provider of `rustls` is installed; call \
                 `rustls::crypto::ring::default_provider().install_default()`, or that of another, first",
            ));
        }
        let store = object_store::aws::AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_crypto_provider(Arc::new(crate::signing::Signing))
            .build()
            .map_err(io_error)?;
        let objects = Self::new(store)?.within(prefix.trim_end_matches('/'))?;
        objects.check_fencing()?;
        Ok(objects)
    }

    /// All names under a prefix: what is stored elsewhere in the same store is not seen.
    ///
    /// # Errors
    /// If the prefix is none.
    pub fn within(mut self, prefix: &str) -> io::Result<Self> {
        if prefix.is_empty() {
            return Ok(self);
        }
        let prefix = path(prefix)?;
        let store = Arc::new(PrefixStore::new(Arc::clone(&self.store), prefix));
        Self::of(store).inspect(|_| self.end())
    }

    /// Makes sure that of two who create a name only one succeeds. Some stores that speak like S3 do not know the
    /// condition and let both.
    ///
    /// # Errors
    /// If both succeed, or the store does not answer.
    pub fn check_fencing(&self) -> io::Result<()> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let name = format!("fencing/{:016x}", u64::from_le_bytes(number));
        self.create(&name, b"first")?;
        let second = self.create(&name, b"second");
        let deleted = self.delete(&name);
        match second {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => deleted,
            Err(error) => Err(error),
            Ok(()) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "`{}` lets two processes create the same object, so two could run the same flow without knowing of \
                     one another; it needs conditional writes (`If-None-Match: *`)",
                    self.store
                ),
            )),
        }
    }

    /// Has the runtime's thread do it, and waits.
    fn wait<T: Send + 'static>(
        &self,
        request: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let gone = || io::Error::other("the thread that makes requests is gone");
        let (answer, answered) = channel();
        self.runtime.as_ref().ok_or_else(gone)?.spawn(async move {
            // Who has asked waits for it.
            let _ = answer.send(request.await);
        });
        answered.recv().map_err(|_| gone())?
    }

    fn put_as(&self, name: &str, bytes: &[u8], mode: PutMode) -> io::Result<()> {
        let (store, path) = (Arc::clone(&self.store), path(name)?);
        let payload = PutPayload::from(bytes.to_vec());
        self.wait(
            async move { store.put_opts(&path, payload, mode.into()).await.map(drop).map_err(io_error) },
        )
    }

    /// Of a name whose object may end before: what is asked for behind its end is an error to the store.
    fn end_of(&self, name: &str) -> io::Result<u64> {
        let (store, path) = (Arc::clone(&self.store), path(name)?);
        self.wait(async move { store.head(&path).await.map(|meta| meta.size).map_err(io_error) })
    }

    fn upload(
        &self,
        upload: &mut Option<Box<dyn MultipartUpload>>,
        name: &str,
        part: Vec<u8>,
    ) -> io::Result<()> {
        let (store, path, open) = (Arc::clone(&self.store), path(name)?, upload.take());
        let next = self.wait(async move {
            let mut upload = match open {
                Some(upload) => upload,
                None => store.put_multipart(&path).await.map_err(io_error)?,
            };
            match upload.put_part(part.into()).await {
                Ok(()) => Ok(upload),
                Err(error) => {
                    // What stays of it is not an object, and the first error is what is wrong.
                    let _ = upload.abort().await;
                    Err(io_error(error))
                }
            }
        });
        *upload = Some(next?);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.end();
    }
}

impl Storage for Objects {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put_as(name, bytes, PutMode::Overwrite)
    }

    fn put_parts(&self, name: &str, parts: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<()> {
        let mut waiting = Vec::new();
        let mut upload: Option<Box<dyn MultipartUpload>> = None;
        for part in parts {
            match part {
                Ok(part) => waiting.extend_from_slice(&part),
                Err(error) => {
                    if let Some(mut upload) = upload {
                        // What stays of it is not an object.
                        let _ = self.wait(async move { upload.abort().await.map_err(io_error) });
                    }
                    return Err(error);
                }
            }
            if waiting.len() >= PART {
                self.upload(&mut upload, name, std::mem::take(&mut waiting))?;
            }
        }
        if upload.is_some() && !waiting.is_empty() {
            self.upload(&mut upload, name, std::mem::take(&mut waiting))?;
        }
        match upload {
            Some(mut upload) => self.wait(async move { upload.complete().await.map(drop).map_err(io_error) }),
            None => self.put(name, &waiting),
        }
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put_as(name, bytes, PutMode::Create)
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let (store, path) = (Arc::clone(&self.store), path(name)?);
        self.wait(async move {
            let object = store.get(&path).await.map_err(io_error)?;
            Ok(object.bytes().await.map_err(io_error)?.into())
        })
    }

    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        if len == 0 {
            return self.end_of(name).map(|_| Vec::new());
        }
        let (store, path) = (Arc::clone(&self.store), path(name)?);
        let range = from.checked_add(len).map_or(GetRange::Offset(from), |end| GetRange::Bounded(from..end));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let got = self.wait(async move {
            let object = store.get_opts(&path, options).await.map_err(io_error)?;
            Ok(object.bytes().await.map_err(io_error)?.into())
        });
        match got {
            Err(error) if error.kind() != io::ErrorKind::NotFound && self.end_of(name)? <= from => {
                Ok(Vec::new())
            }
            got => got,
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let store = Arc::clone(&self.store);
        // A store lists by whole parts of a name.
        let within = match prefix.rsplit_once('/') {
            Some((within, _)) => Some(path(within)?),
            None => None,
        };
        let names: Vec<String> = self.wait(async move {
            let names = store.list(within.as_ref()).map_ok(|meta| meta.location.to_string());
            names.try_collect().await.map_err(io_error)
        })?;
        Ok(names.into_iter().filter(|name| name.starts_with(prefix)).collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let (store, path) = (Arc::clone(&self.store), path(name)?);
        self.wait(async move {
            match store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(io_error(error)),
            }
        })
    }
}

/// A name that is spelt in one way only.
fn path(name: &str) -> io::Result<Path> {
    match Path::parse(name) {
        Ok(path) if path.as_ref() == name && !name.is_empty() => Ok(path),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no name for an object"))),
    }
}

fn io_error(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::InvalidPath { .. } => io::ErrorKind::InvalidInput,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => io::ErrorKind::Unsupported,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_spelt_in_one_way() {
        assert_eq!(path("segments/a-1.seg").unwrap().as_ref(), "segments/a-1.seg");
        for name in ["", "../a", "a//b", "/a", "a/", "a/./b"] {
            assert_eq!(path(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn in_a_task_it_can_be_used_and_dropped() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let objects = Objects::memory().unwrap().within("jobs/traffic").unwrap();
            objects.put("a", b"bytes").unwrap();
            assert_eq!(objects.get("a").unwrap(), b"bytes");
            objects.check_fencing().unwrap();
        });
    }
}
