//! What one writes without psdf: votes and their counts in the store, a cache in front of it, and each write takes out of the
//! cache what it changes.

use crate::AnyError;
use crate::forum::title;
use crate::load::Vote;
use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A page as it is cached: its title and its votes.
type Page = (Arc<str>, u64);

enum Cache {
    Moka(moka::sync::Cache<u64, Page>),
    Redis(Mutex<redis::Connection>, #[allow(dead_code)] Server),
}

pub(crate) struct Forum {
    database: Database,
    articles: Keyspace,
    votes: Keyspace,
    counts: Keyspace,
    cache: Cache,
    _dir: TempDir,
}

/// A Redis of this program's own.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Forum {
    pub(crate) fn with_moka(articles: u64, bytes: u64) -> Result<Forum, AnyError> {
        let weigher = |_: &u64, page: &Page| u32::try_from(page.0.len() + 64).unwrap_or(u32::MAX);
        let cache = moka::sync::Cache::builder().weigher(weigher).max_capacity(bytes).build();
        Forum::open(articles, Cache::Moka(cache))
    }

    /// None where there is no Redis.
    pub(crate) fn with_redis(articles: u64, bytes: u64) -> Result<Option<Forum>, AnyError> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--maxmemory-policy", "allkeys-lru", "--unixsocket"])
            .arg(&socket)
            // An empty Redis has about a megabyte of its own.
            .args(["--maxmemory", &(bytes + 1_000_000).to_string()])
            .stdout(Stdio::null())
            .spawn();
        let Ok(server) = server else { return Ok(None) };
        let server = Server(server);
        let client = redis::Client::open(format!("unix://{}", socket.display()))?;
        let mut tries = 0;
        let connection = loop {
            match client.get_connection() {
                Ok(connection) => break connection,
                Err(error) if tries > 100 => return Err(error.into()),
                Err(_) => tries += 1,
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        Forum::open(articles, Cache::Redis(Mutex::new(connection), server)).map(Some)
    }

    fn open(articles: u64, cache: Cache) -> Result<Forum, AnyError> {
        let dir = tempfile::tempdir()?;
        let database = Database::builder(dir.path()).open()?;
        // As psdf opens it: else each look-up of a row that is not cached reads a whole filter.
        let parts = || PartitioningPolicy::all(true);
        let options = || {
            let options = KeyspaceCreateOptions::default().filter_block_partitioning_policy(parts());
            options.index_block_partitioning_policy(parts())
        };
        let keyspace = |name| database.keyspace(name, options);
        let forum = Forum {
            articles: keyspace("articles")?,
            votes: keyspace("votes")?,
            counts: keyspace("counts")?,
            database,
            cache,
            _dir: dir,
        };
        for first in (0..articles).step_by(10_000) {
            let mut batch = forum.database.batch();
            for article in first..articles.min(first + 10_000) {
                batch.insert(&forum.articles, article.to_be_bytes(), title(article));
            }
            batch.commit()?;
        }
        forum.database.persist(PersistMode::SyncAll)?;
        Ok(forum)
    }

    fn count(&self, article: u64) -> Result<u64, AnyError> {
        let count = self.counts.get(article.to_be_bytes())?;
        Ok(count.and_then(|count| Some(u64::from_be_bytes(count.as_ref().try_into().ok()?))).unwrap_or(0))
    }

    fn load(&self, article: u64) -> Result<Page, AnyError> {
        let title = self.articles.get(article.to_be_bytes())?.ok_or("there is no such article")?;
        Ok((Arc::from(std::str::from_utf8(&title)?), self.count(article)?))
    }
}

fn redis_connection(
    connection: &Mutex<redis::Connection>,
) -> Result<std::sync::MutexGuard<'_, redis::Connection>, AnyError> {
    connection.lock().map_err(|_| "a thread panicked".into())
}

impl Vote for Forum {
    async fn read(&self, article: u64) -> Result<(u64, bool), AnyError> {
        match &self.cache {
            Cache::Moka(cache) => {
                if let Some(page) = cache.get(&article) {
                    return Ok((page.1, true));
                }
                let page = self.load(article)?;
                cache.insert(article, page.clone());
                Ok((page.1, false))
            }
            Cache::Redis(connection, _) => {
                let mut connection = redis_connection(connection)?;
                let found: (Option<String>, Option<u64>) =
                    redis::cmd("HMGET").arg(article).arg("title").arg("votes").query(&mut *connection)?;
                if let (Some(_), Some(votes)) = found {
                    return Ok((votes, true));
                }
                let page = self.load(article)?;
                let _: () = redis::cmd("HSET")
                    .arg(article)
                    .arg("title")
                    .arg(&*page.0)
                    .arg("votes")
                    .arg(page.1)
                    .query(&mut *connection)?;
                Ok((page.1, false))
            }
        }
    }

    fn peek(&self, article: u64) -> Option<u64> {
        match &self.cache {
            Cache::Moka(cache) => Some(cache.get(&article)?.1),
            Cache::Redis(connection, _) => {
                let mut connection = redis_connection(connection).ok()?;
                redis::cmd("HGET").arg(article).arg("votes").query(&mut *connection).ok()?
            }
        }
    }

    async fn vote(&self, votes: Vec<(u64, u64)>) -> Result<(), AnyError> {
        let mut batch = self.database.batch();
        let mut changed: BTreeMap<u64, u64> = BTreeMap::new();
        for (article, user) in votes {
            let key = [article.to_be_bytes(), user.to_be_bytes()].concat();
            batch.insert(&self.votes, key, []);
            *changed.entry(article).or_default() += 1;
        }
        for (article, more) in &changed {
            batch.insert(&self.counts, article.to_be_bytes(), (self.count(*article)? + more).to_be_bytes());
        }
        batch.commit()?;
        self.database.persist(PersistMode::SyncAll)?;
        match &self.cache {
            Cache::Moka(cache) => changed.keys().for_each(|article| cache.invalidate(article)),
            Cache::Redis(connection, _) => {
                let mut connection = redis_connection(connection)?;
                let _: u64 =
                    redis::cmd("DEL").arg(changed.into_keys().collect::<Vec<_>>()).query(&mut *connection)?;
            }
        }
        Ok(())
    }
}
